/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * node: the embedded ledger node.  It keeps a chain of signed blocks in an
 * LMDB environment of its own and serves the part of Waves Enterprise's REST
 * interface that clients of data transactions use, with the same routes,
 * statuses, fields and error numbers; and GET /consentfs/wait?height=H&ms=N,
 * which answers when the chain is higher than H or N milliseconds are over.
 *
 * It takes data transactions of versions 1 and 2, fee free, and believes no
 * more of them than a node does: limits, one proof, time.  As a node of public
 * Waves it takes those of version 1 that such a node takes, for a fee out of
 * balances that never end, and answers as such a node where clients see the
 * difference.  What it has
 * answered with 200 is durable, confirmed or not.  A block is made as soon as
 * there is something to put into it, else an empty one as a heartbeat.  Blocks
 * are chained by their parent's signature, are signed with the node's key over
 * ledger_block_bytes() as SEAL_BLOCK and never go back in time.  They are never
 * taken back, unless there is an API key and who knows it calls
 * /debug/rollback, for tests.  It knows nothing of what entries hold.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "ledger/tx.h"
#include "seal/seal.h"

struct node;

/**
 * node_create(dir, identity, chain_byte, out_chain):
 * Begin a chain in the directory ${dir} (made if missing): make block 1,
 * signed by ${identity}, and store the chain's name in ${out_chain}.
 * ${chain_byte} is a printable ASCII character, such as 'C'.
 * Errors: EXISTS (there is a chain), INVAL (chain byte), BUSY (a node runs on
 * it), and those of db_open().
 */
enum err node_create(const char *dir, const struct seal_identity *identity,
    uint8_t chain_byte, struct chain *out_chain) must_check;

struct node_opts {
	const char *dir;
	const struct seal_identity *identity; /* borrowed until node_close() */
	uint8_t chain_byte;
	const struct ledger_dialect *dialect; /* NULL: Waves Enterprise */
	int64_t block_interval_ms; /* longest wait for a block; 0: 1000 */
	int64_t heartbeat_ms;      /* longest time between blocks; 0: 15000 */
	const char *address;       /* loopback; NULL: 127.0.0.1 */
	uint16_t port;             /* 0: any */
	const char *api_key;       /* of /debug/; NULL: none, they are off */
};

/**
 * node_open(opts, out):
 * Open the chain of ${opts}->dir, start to make blocks and to listen.
 * Errors: NOTFOUND (no chain there), CONFIG (the chain is of another key or
 * chain byte), BUSY (another process runs it, or the port is in use), CORRUPT
 * (its last block is not authentic), and those of db_open() and http_listen().
 */
enum err node_open(const struct node_opts *opts, struct node **out) must_check;

/**
 * node_port(n):
 * Return the port on which it listens.
 */
uint16_t node_port(const struct node *n);

/**
 * node_chain(n, out):
 * Store the name of the chain.
 */
void node_chain(const struct node *n, struct chain *out);

/**
 * node_close(n):
 * Stop listening, put into a last block what waits, close.  NULL is allowed.
 */
void node_close(struct node *n);
DEFINE_CLEANUP(struct node *, node_close);

struct node_verify_opts {
	const char *dir;
	struct chain chain;
	struct pubkey generator;
	/* so many blocks are right; NULL: not told */
	void (*progress)(void *ctx, uint64_t done, uint64_t of);
	void *ctx;
};

struct node_verified {
	uint64_t blocks, txs, pooled;
};

/**
 * node_verify(o, out):
 * Read the whole chain in ${o}->dir, on which no node may run, and change
 * nothing.  Every row must be what the signed blocks and transactions make;
 * ${out} says how far that is so.  The error's detail names the first flaw.
 * A damaged file may end the process: call it in one of its own.
 * Errors: CORRUPT, BUSY, those of db_open().
 */
enum err node_verify(
    const struct node_verify_opts *o, struct node_verified *out) must_check;

#endif
