/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the two files of node_verify() share: verify.c goes through the blocks,
 * verify_state.c checks what follows from them (data, pool, numbers of rows).
 */
#ifndef NODE_VERIFY_INTERNAL_H
#define NODE_VERIFY_INTERNAL_H

#include "node/node_internal.h"

/* Where the newest entry of a key of an account was written. */
struct verify_key {
	uint8_t hash[16]; /* of address and key */
	uint32_t height;  /* 0: unused */
	uint32_t index;
};

struct verify {
	const struct node_verify_opts *o;
	struct node *n;
	struct db_txn *t;
	struct verify_key *key; /* open addressing, at most half full */
	size_t nkeys, cap;      /* cap: 0 or a power of two */
	uint64_t height, txs;   /* so many are right */
	uint64_t addresses;     /* rows that they need in the table address */
	uint64_t pooled;
};

/* Say that the chain is damaged. */
enum err verify_flaw(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))) must_check;

/*
 * Transaction ${id} from its row, of ${where} if it is damaged: its text is
 * what its content makes, its id is ${id}, its signature is right.
 */
enum err verify_tx(struct verify *v, const struct tx_id *id, const char *where,
    json_t **out_json, struct ledger_tx **out) must_check;

/* Note the entries of ${tx}, at ${place}. */
enum err verify_note(struct verify *v, const json_t *tx,
    const struct node_place *place) must_check;

/* What the last block leaves behind: data, pool, and nothing else. */
enum err verify_state(struct verify *v) must_check;

#endif
