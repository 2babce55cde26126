/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the node share.  Everything durable is in the tables; all
 * keys are made of fixed-length parts, integers big-endian:
 *
 *  setting  "chain byte"                   -> u8
 *  block    height u64                     -> id 64, time u64, reference 64,
 *                                             generator 32, size u32,
 *                                             count u32, transaction ids
 *  blockid  id 64                          -> height u64
 *  tx       transaction id                 -> its JSON, as answered
 *  place    transaction id                 -> height u64, index u32; in the
 *                                             pool height 0 and the arrival
 *  pool     arrival u64                    -> transaction id, full size u32,
 *                                             JSON size u32
 *  address  address 26, ~height, ~index    -> transaction id (newest first)
 *  data     address 26, key of the entry   -> JSON of the newest entry
 */
#ifndef NODE_INTERNAL_H
#define NODE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "db/db.h"
#include "http/http.h"
#include "ledger/ledger.h"
#include "node/node.h"

#define NODE_ADDRESS    26
#define NODE_RECENT     1024
#define NODE_ANSWER_MAX (32 << 20) /* no answer is longer */

struct node_tables {
	struct db_table setting, block, blockid, tx, place, pool, address, data;
};

/* Full bytes that were taken a moment ago. */
struct node_recent {
	uint8_t hash[32];
	int64_t until; /* clock_boot_ms() */
};

struct node {
	const struct seal_identity *identity;
	uint8_t chain_byte;
	bool waves; /* a node of public Waves, not of Waves Enterprise */
	bool has_api_key;
	uint8_t api_key[32]; /* its secure hash */
	int64_t gap_ms, heartbeat_ms;
	struct chain chain;
	uint16_t port;
	struct db *db;
	struct node_tables t;
	int lock_fd;
	pthread_t miner;
	bool mining;
	pthread_mutex_t lock; /* taken before the listener's own */
	pthread_cond_t changed;
	struct http_listener *listener;         /* lock, once the miner runs */
	bool stop, pending;                     /* lock */
	struct node_recent recent[NODE_RECENT]; /* lock */
	size_t recent_next;                     /* lock */
};

/* ---- node/store.c ---- */

struct node_block {
	struct ledger_block head; /* without its transactions */
	uint32_t size, count;
	const uint8_t *ids; /* count * 32, borrowed from the transaction */
};

struct node_place {
	uint64_t height; /* 0: pool */
	uint32_t index;
};

/**
 * node_store_open(dir, read_only, n):
 * Lock the directory, open environment and tables.
 */
enum err node_store_open(
    const char *dir, bool read_only, struct node *n) must_check;

/**
 * node_store_close(n):
 * Close what node_store_open() opened.
 */
void node_store_close(struct node *n);

/**
 * node_chain_byte(n, t, out), node_chain_byte_put(n, t, byte):
 * The chain byte that is kept; false if there is none.
 */
bool node_chain_byte(struct node *n, struct db_txn *t, uint8_t *out);
/** node_chain_byte_put(n, t, byte): see node_chain_byte(). */
void node_chain_byte_put(struct node *n, struct db_txn *t, const uint8_t *byte);

/**
 * node_block_at(n, t, height, out), node_block_last(n, t, out):
 * Say whether there is such a block and read it.
 */
bool node_block_at(
    struct node *n, struct db_txn *t, uint64_t height, struct node_block *out);
/** node_block_last(n, t, out): see node_block_at(). */
bool node_block_last(struct node *n, struct db_txn *t, struct node_block *out);

/**
 * node_block_put(n, t, b):
 * Keep the block ${b} and its id.
 */
void node_block_put(
    struct node *n, struct db_txn *t, const struct node_block *b);

/**
 * node_block_del(n, t, b):
 * Forget the block ${b} and its id.
 */
void node_block_del(
    struct node *n, struct db_txn *t, const struct node_block *b);

/**
 * node_block_find(n, t, id, out_height):
 * Say whether there is a block ${id} and at which height.
 */
bool node_block_find(struct node *n, struct db_txn *t, const struct sig *id,
    uint64_t *out_height);

/**
 * node_place_get(n, t, id, out), node_place_put(n, t, id, place):
 * Where transaction ${id} stands, if it is known.
 */
bool node_place_get(struct node *n, struct db_txn *t, const struct tx_id *id,
    struct node_place *out);
/** node_place_put(n, t, id, place): see node_place_get(). */
void node_place_put(struct node *n, struct db_txn *t, const struct tx_id *id,
    const struct node_place *place);

/* "address, ~height, ~index" */
struct node_address_key {
	uint8_t b[NODE_ADDRESS + 12];
};

/**
 * node_address_key(address, place, out):
 * Make the key under which ${address} lists the transaction at ${place}.
 */
void node_address_key(const uint8_t address[static NODE_ADDRESS],
    const struct node_place *place, struct node_address_key *out);

struct node_pool_row {
	uint64_t arrival;
	struct tx_id id;
	uint32_t full, json; /* sizes */
};

/**
 * node_pool_read(key, value, out):
 * Read a row of the pool.
 * Errors: CORRUPT.
 */
enum err node_pool_read(struct db_val key, struct db_val value,
    struct node_pool_row *out) must_check;

/**
 * node_pool_put(n, t, row):
 * Add ${row} behind all others, and its place.
 */
void node_pool_put(
    struct node *n, struct db_txn *t, const struct node_pool_row *row);

/**
 * node_data_put(n, t, address, entry), node_data_del(n, t, address, name):
 * Keep ${entry} as the newest of its key; forget the key ${name}.
 */
void node_data_put(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const json_t *entry);
/** node_data_del(n, t, address, name): see node_data_put(). */
void node_data_del(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const char *name);

/* ---- node/rollback.c ---- */

/**
 * node_rollback(n, height, keep):
 * Take back all blocks above ${height}; their transactions return to the pool
 * if ${keep}, else they are forgotten.
 * Errors: NOTFOUND (no such block), TOOBIG (too many).
 */
enum err node_rollback(struct node *n, uint64_t height, bool keep) must_check;

/* ---- node/mine.c ---- */

/**
 * node_mine(n, empty, out_more):
 * Make a block of what waits, or, if ${empty}, of nothing.  ${out_more} says
 * whether something is left.
 */
enum err node_mine(struct node *n, bool empty, bool *out_more) must_check;

/**
 * node_miner(n):
 * Thread: makes the blocks.
 */
void *node_miner(void *n);

/**
 * node_miner_kick(n):
 * Tell the miner that something waits.
 */
void node_miner_kick(struct node *n);

/* ---- node/rest*.c ---- */

/**
 * node_rest_listen(n, address, port):
 * Start the listener.
 */
enum err node_rest_listen(
    struct node *n, const char *address, uint16_t port) must_check;

/**
 * node_refuse(reply, number, fmt, ...):
 * Answer the error ${number} of Waves Enterprise.
 */
enum err node_refuse(struct http_reply *reply, int number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))) must_check;

/**
 * node_refuse_tx(reply, tx, fmt, ...):
 * Answer error 112, state check failed, of the transaction ${tx}.
 */
enum err node_refuse_tx(struct http_reply *reply, json_t *tx, const char *fmt,
    ...) __attribute__((format(printf, 3, 4))) must_check;

/**
 * node_say(reply, status, details):
 * Answer {"status":"error","details":...}, the other shape of errors.
 */
enum err node_say(
    struct http_reply *reply, unsigned status, const char *details) must_check;

/**
 * node_read_address(n, text, out):
 * Read an address of this chain, with or without "address:".
 * Errors: FORMAT.
 */
enum err node_read_address(const struct node *n, const char *text,
    uint8_t out[static NODE_ADDRESS]) must_check;

/**
 * node_bad_address(reply, e):
 * Answer that node_read_address() returned ${e}.
 */
enum err node_bad_address(struct http_reply *reply, enum err e) must_check;

/**
 * node_no_route(reply):
 * A bare 404, as nodes answer a path that they do not know.
 */
enum err node_no_route(struct http_reply *reply) must_check;

/**
 * node_no_tx(n, reply):
 * Answer that there is no such transaction in the chain.
 */
enum err node_no_tx(const struct node *n, struct http_reply *reply) must_check;

/**
 * node_is_58(s):
 * Say whether ${s} has only the characters of base58.
 */
bool node_is_58(const char *s);

/**
 * node_read_id(s, out, out_whole):
 * Read a transaction's id; ${out_whole} is false if it is base58, but of
 * another length.
 * Errors: FORMAT.
 */
enum err node_read_id(
    const char *s, struct tx_id *out, bool *out_whole) must_check;

/**
 * node_find_block(n, t, text, reply, out_height):
 * Where the block is whose id is ${text}; 0 if ${reply} refuses it.
 */
enum err node_find_block(struct node *n, struct db_txn *t, const char *text,
    struct http_reply *reply, uint64_t *out_height) must_check;

/**
 * node_read_int(text, min, out):
 * Read a whole number of 32 bits that is at least ${min}, 0 or 1.
 * Errors: FORMAT (told in a node's words).
 */
enum err node_read_int(const char *text, int min, uint64_t *out) must_check;

/**
 * node_read_body(req, reply, out):
 * Read a JSON object, a new reference; NULL if ${reply} refuses it.
 */
enum err node_read_body(const struct http_request *req,
    struct http_reply *reply, json_t **out) must_check;

/**
 * node_put_tx(n, t, id, height, out):
 * Append the JSON of transaction ${id}, with its height if not 0.
 * Errors: CORRUPT (it is not there).
 */
enum err node_put_tx(struct node *n, struct db_txn *t, const struct tx_id *id,
    uint64_t height, struct buf *out) must_check;

typedef enum err node_handler(
    void *ctx, const struct http_request *req, struct http_reply *reply);

/* rest_info.c */
node_handler node_get_version, node_get_status, node_get_config, node_get_owner,
    node_get_time, node_get_permissions, node_get_wait;
/* rest_account.c */
node_handler node_get_addresses, node_get_balance, node_get_balances,
    node_get_address_of, node_get_validity;
/* rest_tx.c */
node_handler node_get_tx, node_get_no_tx, node_get_pool, node_get_pool_size,
    node_get_pool_tx, node_get_address_txs;
/* rest_waves.c */
node_handler node_get_tx_status, node_get_txs;
/* rest_broadcast.c */
node_handler node_post_broadcast, node_post_fee;
/* rest_debug.c */
node_handler node_post_rollback, node_delete_rollback;
/* rest_data.c */
node_handler node_get_data, node_get_data_key;
/* rest_block.c */
node_handler node_get_height, node_get_height_of, node_get_header_at,
    node_get_header_last, node_get_header_seq, node_get_block_at,
    node_get_block_last, node_get_block_first, node_get_block,
    node_get_block_by_id, node_get_header_by_id, node_get_block_child,
    node_get_block_seq, node_get_blocks_of;

#endif
