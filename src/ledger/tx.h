/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger/tx: kinds of networks and their data transactions.
 */
#ifndef LEDGER_TX_H
#define LEDGER_TX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/js.h"
#include "seal/seal.h"

/* ---- kinds of networks: ledger/dialect.c ---- */

struct ledger_dialect;
extern const struct ledger_dialect
    ledger_enterprise;                           /* and the embedded node */
extern const struct ledger_dialect ledger_waves; /* public Waves */

/**
 * ledger_dialect_find(name):
 * Return the dialect that configurations call ${name}, NULL (detail set,
 * CONFIG) if there is none.
 */
const struct ledger_dialect *ledger_dialect_find(const char *name);

/**
 * ledger_dialect_name(d):
 * Its name in configurations.
 */
const char *ledger_dialect_name(const struct ledger_dialect *d);

struct ledger_fee {   /* in the network's smallest unit */
	int64_t base; /* for the first KiB */
	int64_t more; /* for each one after it that is begun */
};

/* ---- transactions: ledger/tx.c, ledger/tx_json.c ---- */

#define LEDGER_MAX_ENTRIES 100
#define LEDGER_MAX_TX      150000 /* of ours; a node takes 153 600 */
#define LEDGER_MAX_TX_ANY  153600 /* of anybody's, full bytes */
#define LEDGER_MAX_VALUE   32767
#define LEDGER_MAX_KEY     300 /* UTF-8 bytes of 100 UTF-16 units */

enum ledger_value { /* as on the wire */
	LEDGER_INTEGER = 0,
	LEDGER_BOOLEAN = 1,
	LEDGER_BINARY = 2,
	LEDGER_STRING = 3,
};

struct ledger_entry {
	char *key; /* UTF-8, owned by the transaction */
	enum ledger_value type;
	int64_t number; /* INTEGER, BOOLEAN */
	uint8_t *value; /* BINARY, STRING; owned */
	size_t len;
};

struct ledger_tx {
	const struct ledger_dialect *dialect;
	uint8_t version;              /* 1, 2; 3 only read */
	struct pubkey sender, author; /* public Waves: the same */
	size_t nentries;
	struct ledger_entry *entry;
	int64_t timestamp, fee;
	bool has_asset;
	uint8_t asset[32];
	uint8_t badge; /* v3: 0 none, 1 without, 2 with trusted sender */
	uint8_t trusted[26];
	struct sig proof;
	struct tx_id id; /* filled in by encode, sign, read */
	uint64_t height; /* 0: unconfirmed or unknown */
	bool confirmed;  /* ledger_node_tx(): a node says so, if not where */
	struct buf body; /* the signed bytes */
};

/**
 * ledger_tx_new(out):
 * Make an empty transaction of Waves Enterprise, version 2.
 */
enum err ledger_tx_new(struct ledger_tx **out) must_check;

/**
 * ledger_tx_dialect(tx, d, version):
 * Make it one of dialect ${d}: version ${version}, or the newest that is
 * written there.
 */
void ledger_tx_dialect(
    struct ledger_tx *tx, const struct ledger_dialect *d, uint8_t version);

/**
 * ledger_tx_pay(tx, fee):
 * Set the fee that the rule asks for ${tx} as it is now.
 * Errors: those of ledger_tx_encode().
 */
enum err ledger_tx_pay(
    struct ledger_tx *tx, const struct ledger_fee *fee) must_check;

/**
 * ledger_tx_free(tx):
 * NULL is allowed.
 */
void ledger_tx_free(struct ledger_tx *tx);
DEFINE_CLEANUP(struct ledger_tx *, ledger_tx_free);

/**
 * ledger_tx_binary(tx, key, p, n):
 * Add a binary entry (copied).
 * Errors: TOOBIG, INVAL (key), NOMEM.
 */
enum err ledger_tx_binary(
    struct ledger_tx *tx, const char *key, const void *p, size_t n) must_check;

/**
 * ledger_tx_encode(tx):
 * Fill in body and id.
 * Errors: TOOBIG (entries, value, whole), INVAL (key empty, twice), NOMEM.
 */
enum err ledger_tx_encode(struct ledger_tx *tx) must_check;

/**
 * ledger_tx_full_size(tx):
 * Return the length of the full bytes (0x00 || body || proofs).
 */
size_t ledger_tx_full_size(const struct ledger_tx *tx);

/**
 * ledger_tx_sign(tx, id):
 * Set sender and author to ${id}, encode, sign.
 */
enum err ledger_tx_sign(
    struct ledger_tx *tx, const struct seal_identity *id) must_check;

/**
 * ledger_tx_json(tx, chain_byte, out):
 * Return the JSON of a broadcast or answer (with id, sender, author; height if
 * known), a new reference.
 */
enum err ledger_tx_json(
    const struct ledger_tx *tx, uint8_t chain_byte, json_t **out) must_check;

/**
 * ledger_tx_read(json, out):
 * Rebuild a data transaction (type 12; version 1 without an author is of
 * public Waves, all else of Waves Enterprise) from its JSON, check limits, id
 * (if given) and signature.
 * Errors: FORMAT, UNSUPPORTED (another type), FORGED (id or signature).
 */
enum err ledger_tx_read(const json_t *json, struct ledger_tx **out) must_check;

/* What a node must tell apart when it answers a broadcast. */
enum ledger_tx_flaw {
	LEDGER_FLAW_NONE,
	LEDGER_FLAW_JSON,   /* wrong member types: 400/1 */
	LEDGER_FLAW_BIG,    /* 400/10 */
	LEDGER_FLAW_KEY,    /* invalid public key: 400/108 */
	LEDGER_FLAW_PROOF,  /* not one proof, or a wrong signature: 400/112 */
	LEDGER_FLAW_CUSTOM, /* duplicate or empty keys, version: 400/199 */
};

/**
 * ledger_tx_read_strict(d, json, out, out_flaw):
 * As ledger_tx_read(), of dialect ${d} only, and tell a node which answer is
 * due.  Members id and height are ignored, as nodes do.  With the flaw PROOF
 * the transaction is stored in ${out}, too: nodes repeat it.
 */
enum err ledger_tx_read_strict(const struct ledger_dialect *d,
    const json_t *json, struct ledger_tx **out,
    enum ledger_tx_flaw *out_flaw) must_check;

/* Entries of ours: "cfs1." + base58(16 bytes) */

/**
 * ledger_entry_name(key, out):
 * Write the entry key's text into ${out}.
 */
const char *ledger_entry_name(const struct entry_key *key, struct text58 *out);

/**
 * ledger_entry_read(name, out):
 * Errors: FORMAT (not an entry of ours).
 */
enum err ledger_entry_read(const char *name, struct entry_key *out) must_check;

/**
 * ledger_entry_find(tx, key):
 * Return the entry with our key ${key}, borrowed, or NULL.
 */
const struct ledger_entry *ledger_entry_find(
    const struct ledger_tx *tx, const struct entry_key *key);

#endif
