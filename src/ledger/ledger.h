/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger: data transactions, the node's REST API, the follower and the outbox.
 * It carries opaque entries: what they hold is nobody's business here.  A
 * node is never believed: every transaction is rebuilt from its JSON and its
 * id and signature checked.  Formats: PROTOCOL.ledger.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/js.h"
#include "http/http.h"
#include "ledger/tx.h"
#include "seal/seal.h"

/* ---- the node's REST API: ledger/node.c ---- */

struct ledger_node_opts {
	const struct ledger_dialect *dialect; /* NULL: Waves Enterprise */
	const char *url; /* or several, with commas or spaces between */
	/* what proves who we are, read again when it changes; NULL: none */
	const char *api_key_file, *token_file;
	const char *ca_file, *pinned_key; /* TLS */
	struct chain chain;
	int64_t fee_max;    /* for the dearest transaction; 0: any */
	bool has_generator; /* blocks must be signed by it */
	struct pubkey generator;
	/* or by one of these keys, base58, with commas or spaces between */
	const char *generators;
};

struct ledger_node; /* any thread */

/**
 * ledger_node_new(opts, out):
 * Make a client; no call is made yet.
 */
enum err ledger_node_new(
    const struct ledger_node_opts *opts, struct ledger_node **out) must_check;

/**
 * ledger_node_free(n):
 * NULL is allowed.
 */
void ledger_node_free(struct ledger_node *n);
DEFINE_CLEANUP(struct ledger_node *, ledger_node_free);

/**
 * ledger_node_handshake(n):
 * Check dialect, chain id byte, crypto type and the id of block 1 against the
 * configuration; learn the fees.  Of several nodes each that answers, and at
 * least one.
 * Errors: FORK (another chain, named), UNSUPPORTED (crypto type), CONFIG
 * (dialect), UNREACHABLE, TIMEOUT, FORMAT.
 */
enum err ledger_node_handshake(struct ledger_node *n) must_check;

/**
 * ledger_node_away(e):
 * Say whether ${e} means that a node does not answer now, not that its answer
 * is wrong.
 */
bool ledger_node_away(enum err e);

/**
 * ledger_node_met(n):
 * Say whether a handshake succeeded.
 */
bool ledger_node_met(const struct ledger_node *n);

/**
 * ledger_node_count(n), ledger_node_peer(n, i):
 * The nodes that stand for each other behind ${n}: their number, and node
 * ${i} alone, borrowed.
 */
size_t ledger_node_count(const struct ledger_node *n);
/** ledger_node_peer(n, i): see ledger_node_count(). */
struct ledger_node *ledger_node_peer(struct ledger_node *n, size_t i);

/**
 * ledger_node_url(n):
 * The address of the node that answered last.
 */
const char *ledger_node_url(const struct ledger_node *n);

/**
 * ledger_node_balance(n, key, out):
 * What the account of ${key} has, as the node says.
 * Errors: NOTFOUND (this kind of node does not tell), those of a call.
 */
enum err ledger_node_balance(
    struct ledger_node *n, const struct pubkey *key, int64_t *out) must_check;

/**
 * ledger_node_fee(n, out):
 * The fees that the handshake learned; false before the first one.
 */
bool ledger_node_fee(struct ledger_node *n, struct ledger_fee *out);

/**
 * ledger_node_chain(n, out):
 * Which chain the node says that it is on; not checked against anything.
 */
enum err ledger_node_chain(struct ledger_node *n, struct chain *out) must_check;

/**
 * ledger_node_broadcast(n, json, id):
 * Send a signed transaction.  OK also when the node has it already.
 * Errors: NODE (refused, with the node's number and message), BUSY (try
 * later), UNREACHABLE, TIMEOUT.
 */
enum err ledger_node_broadcast(
    struct ledger_node *n, const char *json, const struct tx_id *id) must_check;

/**
 * ledger_node_tx(n, id, out):
 * Fetch and check transaction ${id}, confirmed (height set) or not.
 * Errors: NOTFOUND, FORGED, FORMAT, UNREACHABLE, TIMEOUT.
 */
enum err ledger_node_tx(struct ledger_node *n, const struct tx_id *id,
    struct ledger_tx **out) must_check;

/**
 * ledger_node_wait(n, height, ms, cancel):
 * Return when the node is higher than ${height} or has unconfirmed
 * transactions, or after ${ms}: by the embedded node's long poll, else by
 * sleeping at most a second.
 */
void ledger_node_wait(struct ledger_node *n, uint64_t height, int64_t ms,
    const volatile bool *cancel);

/* ---- blocks and the follower: ledger/block.c, ledger/follow.c ---- */

#define LEDGER_BLOCK_ID 64

struct ledger_block {
	uint64_t height;
	struct sig id;        /* one of 32 bytes (public Waves): zeros follow */
	struct sig reference; /* id of the parent */
	int64_t time;
	struct pubkey generator; /* zero if the node does not say */
	bool proved; /* its generator signed it, or nobody is pinned */
	bool once;   /* proved, by one who signs each height once */
	size_t ntx;  /* data transactions, in order, type 120 opened */
	struct ledger_tx **tx;
	size_t nall; /* transactions of all types */
};

/**
 * ledger_block_bytes(b, ids, n, out):
 * Append the bytes that the embedded node signs (use SEAL_BLOCK): version 1,
 * height, time, reference, generator, H(ids), count.
 */
void ledger_block_bytes(const struct ledger_block *b, const struct tx_id *ids,
    size_t n, struct buf *out);

/**
 * ledger_block_read(json, generator, out):
 * Read a block's JSON, check all transactions and, if ${generator} is not
 * NULL, its signature by that key.
 * Errors: FORMAT, FORGED, NOMEM.
 */
enum err ledger_block_read(const json_t *json, const struct pubkey *generator,
    struct ledger_block **out) must_check;

/**
 * ledger_block_free(b):
 * NULL is allowed.
 */
void ledger_block_free(struct ledger_block *b);
DEFINE_CLEANUP(struct ledger_block *, ledger_block_free);

/*
 * Who takes the blocks.  Only final blocks are given to blocks(), in order,
 * each once and several at a time while they are old; the sink keeps the
 * position durably with their effects, of all or of none.
 * Transactions that are not final yet (pool, newest blocks) are given to
 * pending(), possibly again and again; with several nodes by several threads,
 * and also what is final already.  So is what blocks() refuses for want of room
 * (NOSPACE, IO), up to the newest block.
 */
struct ledger_sink {
	void *ctx;
	/* newest block taken; height 0: none yet */
	enum err (*position)(void *ctx, uint64_t *height, struct sig *id);
	enum err (*blocks)(
	    void *ctx, const struct ledger_block *const *b, size_t n);
	enum err (*pending)(void *ctx, const struct ledger_tx *tx);
	/* a whole round is done: everything up to the head is in */
	void (*done)(void *ctx);
	/* the node's newest blocks were replaced: what they held and was given
	 * to pending() may have fallen out; may be NULL */
	void (*undone)(void *ctx);
};

struct ledger_follow_opts {
	struct ledger_node *node; /* borrowed */
	struct ledger_sink sink;  /* copied */
	unsigned final_depth;     /* 1: embedded node */
	int64_t poll_ms;          /* longest wait between two looks */
};

struct ledger_follower;

/**
 * ledger_follow_new(opts, out):
 * Make a follower; it does nothing by itself yet.
 */
enum err ledger_follow_new(const struct ledger_follow_opts *opts,
    struct ledger_follower **out) must_check;

/**
 * ledger_follow_step(f):
 * Catch up with the node once.  Not while the thread runs.
 * Errors: those of the node and the sink; FORK (the node's chain does not
 * continue ours: nothing is fresh any more until it does).
 */
enum err ledger_follow_step(struct ledger_follower *f) must_check;

/**
 * ledger_follow_start(f):
 * Catch up again and again in a thread of its own, until ledger_follow_free();
 * of several nodes each is looked at besides (see ledger_follow_watch()).
 */
enum err ledger_follow_start(struct ledger_follower *f) must_check;

/**
 * ledger_follow_kick(f):
 * Look now.  Any thread.
 */
void ledger_follow_kick(struct ledger_follower *f);

/**
 * ledger_follow_free(f):
 * Stop the thread and free; NULL is allowed.
 */
void ledger_follow_free(struct ledger_follower *f);
DEFINE_CLEANUP(struct ledger_follower *, ledger_follow_free);

#define LEDGER_WHY 320

struct ledger_head {
	uint64_t height;
	int64_t time;   /* block time of the newest verified block */
	int64_t age_ms; /* trusted time minus block time; INT64_MAX: none */
	enum err error; /* of the newest round */
	char why[LEDGER_WHY]; /* what it was, "" if nothing */
};

/**
 * ledger_follow_head(f, out):
 * What is known of the head now.  trusted time = max(wall clock, block time
 * seen + boot time elapsed since).  Any thread, never blocks for long.
 */
void ledger_follow_head(struct ledger_follower *f, struct ledger_head *out);

/**
 * ledger_follow_watch(f, ms):
 * Where there are several nodes: look at each all the time, in threads of their
 * own, and return when all were looked at once, or after ${ms}.  A final block
 * that is another with one of them, or (embedded node) two signed ones of one
 * height: no head, error FORK, until they agree.  What one shows and we do not
 * have is given to the sink's pending().  With one node nothing is done.
 */
enum err ledger_follow_watch(struct ledger_follower *f, int64_t ms) must_check;

struct ledger_peer_state {
	const char *url; /* borrowed */
	uint64_t height;
	enum err error; /* of the newest look; STALE: none yet */
	char why[LEDGER_WHY];
};

/**
 * ledger_follow_peer(f, i, out):
 * What is known of node ${i} of several; false if there is none.
 */
bool ledger_follow_peer(struct ledger_follower *f, size_t i,
    struct ledger_peer_state *out) must_check;

/* ---- the outbox: ledger/outbox.c ---- */

struct ledger_outbox_opts {
	const char *dir;
	const struct seal_identity *id; /* signs; borrowed */
	struct chain chain;
	const struct ledger_dialect *dialect; /* NULL: Waves Enterprise */
	uint8_t version; /* of transactions: 1 or 2, if the dialect has it */
	int64_t fee;     /* of each; -1: by the rule of ledger_outbox_fee() */
};

/*
 * Signed transactions, kept until they are final, and the counters that must
 * change together with them.  Several processes may share one outbox.
 */
struct ledger_outbox;

/**
 * ledger_outbox_open(opts, out):
 * Errors: those of db_open().
 */
enum err ledger_outbox_open(const struct ledger_outbox_opts *opts,
    struct ledger_outbox **out) must_check;

/**
 * ledger_outbox_close(o):
 * Stop the sender and close; NULL is allowed.
 */
void ledger_outbox_close(struct ledger_outbox *o);
DEFINE_CLEANUP(struct ledger_outbox *, ledger_outbox_close);

/**
 * ledger_outbox_fee(o, rule):
 * Keep the rule by which fees are paid from now on.
 */
enum err ledger_outbox_fee(
    struct ledger_outbox *o, const struct ledger_fee *rule) must_check;

/* A draft: an open write on the outbox.  All of it or nothing is kept. */
struct ledger_draft;

/**
 * ledger_draft_begin(o, out):
 * Begin; waits for the draft of another thread or process.
 */
enum err ledger_draft_begin(
    struct ledger_outbox *o, struct ledger_draft **out) must_check;

/**
 * ledger_draft_abort(d):
 * Throw away; NULL is allowed.
 */
void ledger_draft_abort(struct ledger_draft *d);
DEFINE_CLEANUP(struct ledger_draft *, ledger_draft_abort);

/**
 * ledger_draft_count(d, name, n, floor):
 * Return the next value of the counter ${name} (${n} bytes): its last value
 * plus one, or ${floor} if that is larger.
 */
uint64_t ledger_draft_count(
    struct ledger_draft *d, const void *name, size_t n, uint64_t floor);

/**
 * ledger_draft_get(d, name), ledger_draft_set(d, name, value):
 * A number kept beside the transactions (the journal's drained position).
 */
uint64_t ledger_draft_get(struct ledger_draft *d, const char *name);
/** ledger_draft_set(d, name, value): see ledger_draft_get(). */
void ledger_draft_set(struct ledger_draft *d, const char *name, uint64_t value);

/**
 * ledger_draft_entry(d, key, value, n):
 * Add an entry; a new transaction is begun when one is full.
 */
enum err ledger_draft_entry(struct ledger_draft *d, const struct entry_key *key,
    const void *value, size_t n) must_check;

/**
 * ledger_draft_records(d, records, minor):
 * The draft carries ${records} records that wait for the ledger, ${minor} of
 * them of less weight.
 */
void ledger_draft_records(
    struct ledger_draft *d, unsigned records, unsigned minor);

/**
 * ledger_draft_commit(d, out_last):
 * Sign and keep durably; ${d} is gone in any case.  ${out_last} (may be NULL)
 * receives the id of the last transaction, zero if there was none.
 */
enum err ledger_draft_commit(
    struct ledger_draft *d, struct tx_id *out_last) must_check;

/**
 * ledger_outbox_number(o, name, out):
 * Store in ${out} the committed value of a number set by ledger_draft_set(), 0
 * if it never was.
 */
enum err ledger_outbox_number(
    struct ledger_outbox *o, const char *name, uint64_t *out) must_check;

/**
 * ledger_outbox_json(o, id, out):
 * Append the exact JSON text of transaction ${id}.
 * Errors: NOTFOUND.
 */
enum err ledger_outbox_json(struct ledger_outbox *o, const struct tx_id *id,
    struct buf *out) must_check;

/**
 * ledger_outbox_send(o, node):
 * Send everything that is not known to be with the node, oldest first.
 * Errors: the first refusal or failure; what could be sent was sent.
 */
enum err ledger_outbox_send(
    struct ledger_outbox *o, struct ledger_node *node) must_check;

/**
 * ledger_outbox_start(o, node):
 * Send in a thread of its own: at once what is new, again with back-off what
 * failed, again after a while what did not become final.
 */
enum err ledger_outbox_start(
    struct ledger_outbox *o, struct ledger_node *node) must_check;

/**
 * ledger_outbox_kick(o):
 * Look for something to send now.
 */
void ledger_outbox_kick(struct ledger_outbox *o);

/**
 * ledger_outbox_again(o):
 * The node's newest blocks were replaced: send again now, unchanged, all that
 * is not final.  Called by the sink.
 */
void ledger_outbox_again(struct ledger_outbox *o);

/**
 * ledger_outbox_block(o, b):
 * Strike off the transactions that ${b}, a final block, holds; wake those who
 * wait.  Called by the sink.
 */
enum err ledger_outbox_block(
    struct ledger_outbox *o, const struct ledger_block *b) must_check;

/**
 * ledger_outbox_waits(o, id):
 * Say whether transaction ${id} is in the outbox and not final yet.
 */
bool ledger_outbox_waits(struct ledger_outbox *o, const struct tx_id *id);

/**
 * ledger_outbox_waiting(o):
 * Return how many transactions are not final yet.
 */
uint64_t ledger_outbox_waiting(struct ledger_outbox *o);

struct ledger_state {
	uint64_t waiting;        /* transactions that are not final */
	uint64_t records, minor; /* in them: ledger_draft_records() */
	int64_t since;           /* the oldest of them; 0: none */
	char why[LEDGER_WHY];    /* the newest refusal, "" if none */
};

/**
 * ledger_outbox_state(o, out):
 * What waits, and why if a node refused it since ${o} was opened.
 */
enum err ledger_outbox_state(
    struct ledger_outbox *o, struct ledger_state *out) must_check;

#endif
