/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of this room share and nobody else sees.
 */
#ifndef LEDGER_LEDGER_INTERNAL_H
#define LEDGER_LEDGER_INTERNAL_H

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "db/db.h"
#include "ledger/ledger.h"

#define LEDGER_DEPTH         24         /* nesting of a node's answer */
#define LEDGER_ANSWER        (1 << 20)  /* bytes of an answer */
#define LEDGER_BLOCKS_ANSWER (8 << 20)  /* of one with blocks or the pool */
#define LEDGER_RANGE         20         /* blocks fetched at once */
#define LEDGER_UNPROVED      50000      /* blocks that cannot be checked */
#define LEDGER_BATCH         100        /* old blocks given at once */
#define LEDGER_HELD          (32 << 20) /* bytes of blocks not final */
#define LEDGER_MAX_DEPTH     1000
#define LEDGER_FINALS        64 /* final blocks that are remembered */
#define LEDGER_PROOF_BYTES   70 /* 0x00, proofs 0x01, u16 1, u16 64, 64 */
#define LEDGER_FEE_ANY       1000000000000 /* that a node may ask */
#define LEDGER_SHORT_ID      32            /* of a block of public Waves */

/* ---- dialect.c ---- */

struct ledger_node;

/* Whose blocks are believed, and on which chain. */
struct ledger_pins {
	uint8_t chain_byte;
	size_t n; /* 0: anybody's */
	const struct pubkey *key;
};

/* What a block lists, as its header counts it. */
struct ledger_listing {
	struct buf ids;    /* of all transactions */
	bool wanted;       /* what follows */
	struct buf leaves; /* what a block is signed over, of each in order, */
	bool whole;        /* and these are all */
};

struct ledger_dialect {
	const char *name;
	bool author;           /* stands in the JSON */
	uint8_t writes, reads; /* versions of transactions, from 1 on */
	struct ledger_fee fee; /* unless a node says another */
	/* who sent it, in the body */
	void (*head)(struct buf *b, const struct ledger_tx *tx);
	/* how many bytes a fee is counted by; the body is there */
	size_t (*paid)(const struct ledger_tx *tx);
	/* whether a node is of this network; its chain id and fees */
	enum err (*meet)(struct ledger_node *n, const volatile bool *cancel,
	    uint8_t *chain_byte, struct ledger_fee *fee);
	/* the id in a block's JSON */
	void (*block_id)(struct js *r, struct sig *out);
	/* add to the list what stands for a transaction; ${tx} as it was read,
	 * NULL: no data transaction */
	enum err (*leaf)(const json_t *json, const struct ledger_tx *tx,
	    uint8_t chain_byte, struct ledger_listing *list);
	/* the generator's signature and the list, if generators are pinned */
	enum err (*check)(const json_t *json, const struct ledger_pins *pins,
	    struct ledger_listing *list, struct ledger_block *b);
};

/* What ${tx}, which has a body, costs by ${rule}. */
int64_t ledger_fee(const struct ledger_fee *rule, const struct ledger_tx *tx);

/* ---- tx.c, tx_read.c ---- */

/* Append an entry with a copy of ${key}; its value is left to the caller. */
enum err ledger_tx_slot(struct ledger_tx *tx, const char *key,
    struct ledger_entry **out) must_check;

/* Bytes that an entry of ours takes in a body. */
size_t ledger_entry_size(const char *key, size_t value_len);

/*
 * As ledger_tx_read() for what stands in a chain or pool.  There anybody may
 * have replaced a proof's S by S + L, which nodes accept and which leaves the
 * id as it is: it is turned back, lest a stranger could hide a transaction.
 */
enum err ledger_tx_read_chain(const struct ledger_dialect *d,
    const json_t *json, struct ledger_tx **out,
    enum ledger_tx_flaw *out_flaw) must_check;

/* The first proof as it stands in ${json}.  Errors: FORMAT. */
enum err ledger_tx_proof(const json_t *json, struct sig *out) must_check;

/* ---- node_auth.c ---- */

struct ledger_auth {        /* one thread */
	const char *header; /* as it begins */
	char *path;
	struct stat read; /* the file, when it was read */
	struct buf line;  /* the whole header; wiped by buf_free() */
};

/* ${out} stays NULL without a ${path}. */
enum err ledger_auth_new(
    const char *header, const char *path, struct ledger_auth **out) must_check;

void ledger_auth_free(struct ledger_auth *a);
DEFINE_CLEANUP(struct ledger_auth *, ledger_auth_free);

/* Append the header as the file says now.  Errors: CONFIG. */
enum err ledger_auth_line(struct ledger_auth *a, struct buf *out) must_check;

/* ---- node_new.c, node_call.c ---- */

struct ledger_node {
	const struct ledger_dialect *dialect;
	struct http_client *http;
	char *url; /* without a slash at the end */
	struct chain chain;
	int64_t fee_max;
	bool has_generator;
	struct pubkey *generator; /* ngenerators */
	size_t ngenerators;
	bool met;        /* atomic: after a handshake */
	int64_t no_wait; /* atomic: until then it has no long poll */
	int64_t no_seq;  /* atomic: until then it has no ranges of blocks */
	int64_t away;    /* atomic: until then nobody need wait for it */

	/* several nodes: these, and nothing above but the rules */
	size_t npeers, current; /* current: atomic */
	struct ledger_node **peer;

	pthread_mutex_t lock;        /* guards all below */
	struct ledger_auth *auth[2]; /* API key, token; NULL: none */
	bool has_fee;
	struct ledger_fee fee;
};

struct ledger_ask {
	const char *path;
	const char *body; /* NULL: GET */
	size_t max;       /* 0: LEDGER_ANSWER */
	int64_t timeout_ms;
	const volatile bool *cancel;
};

/* What a node said beside its answer. */
struct ledger_told {
	long status;       /* HTTP; 0: no answer */
	int64_t number;    /* of its error, 0: none */
	char message[256]; /* "" if none */
};

/*
 * One call.  OK only for a status 200 that is not an error object.
 * Errors: NODE, NOTFOUND, BUSY (with the node's number and message), FORMAT,
 * those of http_do().
 */
enum err ledger_node_call(struct ledger_node *n, const struct ledger_ask *ask,
    struct ledger_told *told, json_t **out) must_check;

/* Which of several answered last. */
size_t ledger_node_current(const struct ledger_node *n);

/* Who is sent a thing for the ${turn}th time (0: whoever answers), in turn. */
struct ledger_node *ledger_node_turn(struct ledger_node *n, unsigned turn);

/* Ask ${peer} first from now on. */
void ledger_node_use(struct ledger_node *n, const struct ledger_node *peer);

/* Say that the node's answer, which is malformed (${e}), is no node's. */
enum err ledger_node_strange(const struct ledger_node *n, enum err e);

/* GET ${path}. */
enum err ledger_node_get(struct ledger_node *n, const char *path, size_t max,
    const volatile bool *cancel, json_t **out) must_check;

/* ---- refusal.c ---- */

enum ledger_fate {
	LEDGER_IT_HAS, /* the node has it already */
	LEDGER_LATER,  /* the node's matter: all wait */
	LEDGER_SETUP,  /* the configuration's: all wait */
	LEDGER_RETRY,  /* this one waits: what the network knows may change */
	LEDGER_UNPAID, /* as RETRY, with another fee if the rule changed */
	LEDGER_UNSAID, /* as UNPAID, but not logged the first time */
	LEDGER_RENEW,  /* signed again with a new time, if it is old */
	LEDGER_STUCK,  /* these bytes will never be taken: kept and shown */
};

struct ledger_refusal {
	enum ledger_fate fate;
	const char *remedy; /* NULL: none that we know */
};

/* What ${told} about the broadcast of transaction ${id} means. */
const struct ledger_refusal *ledger_refusal(
    const struct ledger_told *told, const char *id);

/* ---- node_chain.c: what a follower asks ---- */

/* The height of the node's newest block. */
enum err ledger_node_height(struct ledger_node *n, const volatile bool *cancel,
    uint64_t *out) must_check;

/*
 * The id of block ${height}, as the node says.
 * Errors: NOTFOUND (no such block).
 */
enum err ledger_node_id_at(struct ledger_node *n, uint64_t height,
    const volatile bool *cancel, struct sig *out) must_check;

/*
 * The JSON of at least one and at most ${count} blocks from ${from} on, an
 * array; fewer where the chain ends or the node has no ranges.
 * Errors: TOOBIG (ask for fewer), NOTFOUND (no such block), FORMAT.
 */
enum err ledger_node_blocks(struct ledger_node *n, uint64_t from,
    uint64_t count, const volatile bool *cancel, json_t **out) must_check;

/* Read and check a block as this node's network makes them. */
enum err ledger_node_block(const struct ledger_node *n, const json_t *json,
    struct ledger_block **out) must_check;

/* The chain that begins with block ${id}. */
void ledger_chain_of(
    uint8_t chain_byte, const struct sig *id, struct chain *out);

/* ---- node_meet.c ---- */

/* ledger_node_handshake(), which ${cancel} (may be NULL) ends. */
enum err ledger_node_meet(
    struct ledger_node *n, const volatile bool *cancel) must_check;

/* ---- node.c ---- */

/* Keep what the handshake learned.  Errors: CONFIG (more than fee_max). */
enum err ledger_node_fee_set(
    struct ledger_node *n, const struct ledger_fee *fee) must_check;

/* As ledger_node_broadcast(), with what becomes of a refused one. */
enum err ledger_node_send(struct ledger_node *n, const char *json,
    const struct tx_id *id, const volatile bool *cancel,
    const struct ledger_refusal **out) must_check;

/* Sleep until ${ms} are over or ${cancel} (may be NULL) is set. */
void ledger_nap(int64_t ms, const volatile bool *cancel);

/* ---- block.c ---- */

/*
 * Append the readable data transactions of a JSON array (pool or container)
 * to the ${n} at ${tx}.
 */
enum err ledger_txs_read(const struct ledger_dialect *d, const json_t *array,
    struct ledger_tx ***tx, size_t *n) must_check;

void ledger_txs_free(struct ledger_tx **tx, size_t n);

/* Read a block's id, 32 or 64 bytes, from a member. */
void ledger_block_id(struct js *r, const char *name, struct sig *out);

/* ledger_block_read() of any dialect; nothing pinned: not checked. */
enum err ledger_block_read_as(const struct ledger_dialect *d,
    const json_t *json, const struct ledger_pins *pins,
    struct ledger_block **out) must_check;

/* The length of a block's id: 32 or 64. */
size_t ledger_block_id_len(const struct sig *id);

/* Say what is wrong with ${b}: FORGED. */
enum err ledger_block_wrong(const struct ledger_block *b, const char *what);
enum err ledger_block_stranger(const struct ledger_block *b);

/* The check of the embedded node's blocks. */
enum err ledger_node_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b) must_check;

/* ---- waves_block.c ---- */

enum err ledger_waves_leaf(const json_t *json, const struct ledger_tx *tx,
    uint8_t chain_byte, struct ledger_listing *list) must_check;

enum err ledger_waves_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b) must_check;

/* ---- we_tx.c, we_block.c ---- */

enum err ledger_we_leaf(const json_t *json, const struct ledger_tx *tx,
    uint8_t chain_byte, struct ledger_listing *list) must_check;

enum err ledger_we_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b) must_check;

/* ---- follow.c, follow_run.c ---- */

struct ledger_mark { /* a block that was verified */
	uint64_t height;
	struct sig id;
	int64_t time;
	bool proved;
};

struct ledger_final { /* and who showed it: ledger_node_peer() */
	struct ledger_mark at;
	size_t who;
};

struct ledger_held { /* verified, not given to the sink as final */
	struct ledger_mark at;
	struct ledger_block *full; /* NULL: too much to keep; fetched again */
	size_t bytes;              /* of full */
	bool given;                /* to the sink, as pending */
};

struct ledger_follower {
	struct ledger_node *node;
	struct ledger_sink sink;
	unsigned final_depth;
	int64_t poll_ms;

	struct ledger_mark base;  /* verified block at the sink's position */
	struct ledger_mark sure;  /* the newest proved one up to there */
	struct ledger_mark ahead; /* shown to a sink that has no room */
	uint64_t tip;             /* the node's height in the newest round */
	struct ledger_held *held; /* on base, in order; final_depth - 1, in a
				   * round LEDGER_BATCH more, and what nobody
				   * can check */
	unsigned nheld;
	size_t places; /* of held */
	size_t held_bytes;
	bool pool_unread; /* that the pool is too big was said */
	bool unproved;    /* the newest block */

	struct ledger_peer *peer; /* npeers; none if there is one node */
	size_t npeers;

	pthread_mutex_t lock; /* guards all below */
	bool has_head;
	int64_t head_since;                       /* boot time */
	struct ledger_final final[LEDGER_FINALS]; /* a ring: the newest */
	size_t nfinal;                            /* ever put in */
	struct ledger_mark head;
	int64_t seen_time, seen_boot; /* trusted time was seen_time then */
	enum err error;
	char why[LEDGER_WHY]; /* of error */

	bool started;
	pthread_t thread;
	volatile bool stop, kicked; /* written atomically */
};

/* Give the pool of ${n} to the sink.  ${unread}: it was said to be too big. */
enum err ledger_follow_pool(
    struct ledger_follower *f, struct ledger_node *n, bool *unread) must_check;

/* Fetch and check block ${m}. Errors: NOTFOUND; CONFLICT (another stands
 * there). */
enum err ledger_follow_fetch(struct ledger_follower *f,
    const struct ledger_mark *m, struct ledger_block **out) must_check;

/* Take ${m} as the head, unless it is older than what was seen. */
void ledger_follow_adopt(
    struct ledger_follower *f, const struct ledger_mark *m);

/* Note how a round ended. */
void ledger_follow_note(struct ledger_follower *f, enum err e);

/* ---- follow_base.c ---- */

/*
 * Find the newest block of ours that the node's chain still has; what stood on
 * it is undone.  It is the newest held one, or base.
 */
enum err ledger_follow_find(struct ledger_follower *f) must_check;

/* Say that the node's chain lacks ${m}, which is final. */
enum err ledger_follow_fork(
    struct ledger_follower *f, const struct ledger_mark *m);

/* Forget the blocks that are not final yet. */
void ledger_follow_drop(struct ledger_follower *f);

/* Free what is held of ${h} beside its place. */
void ledger_follow_strip(struct ledger_follower *f, struct ledger_held *h);

/* ---- node_watch.c ---- */

struct ledger_peer { /* one of several nodes, and the thread that looks */
	struct ledger_follower *f;
	struct ledger_node *node;
	pthread_t thread;
	uint64_t tip;             /* its height in this look */
	struct ledger_mark given; /* up to it its blocks were given */
	bool pool_unread, agrees;

	/* follower's lock */
	int64_t looked; /* boot time at which the newest look began; 0: none */
	uint64_t height;
	enum err error;
	char why[LEDGER_WHY], split[LEDGER_WHY]; /* "": it agrees */
};

/* Note that ${m} is final for us. */
void ledger_watch_final(struct ledger_follower *f, const struct ledger_mark *m);

/* Begin to look at each of several nodes. */
enum err ledger_watch_start(struct ledger_follower *f) must_check;

/* Wait for the threads, which f->stop ends. */
void ledger_watch_stop(struct ledger_follower *f);

/* No head, if the nodes disagree or were not all asked; f->lock is held. */
void ledger_watch_judge(struct ledger_follower *f, struct ledger_head *out);

/* ---- outbox.c, outbox_draft.c, outbox_load.c, outbox_send.c ---- */

struct ledger_attempt { /* what this process knows of a waiting row */
	uint64_t seq;
	int64_t next;         /* boot time at which to send (again) */
	unsigned fails, sent; /* how often */
	bool with_node, seen;
};

struct ledger_outbox {
	struct db *db;
	/* tx: sequence -> row; wait: sequence of what is not final -> id;
	 * byid: id -> sequence; counters, numbers: name -> u64;
	 * meta: "time" last timestamp, "seq" last sequence; load: sequence ->
	 * since when, records, minor ones, of what is not final */
	struct db_table tx, wait, byid, counters, numbers, meta, load;
	const struct seal_identity *id;
	struct chain chain;
	const struct ledger_dialect *dialect;
	uint8_t version;
	int64_t fee;

	pthread_mutex_t sending; /* one round at a time; guards attempt */
	struct ledger_attempt *attempt; /* sorted by seq */
	size_t nattempt;

	pthread_mutex_t lock; /* guards kicked, again; not held in a call */
	pthread_cond_t wake;
	bool kicked, started;
	bool again;           /* what the node had may be lost */
	char why[LEDGER_WHY]; /* of the newest refusal, "" if none */
	volatile bool stop;
	pthread_t thread;
	struct ledger_node *node;
};

struct ledger_row { /* value in table tx */
	int64_t time;
	struct tx_id id;
	const char *json; /* borrowed */
	size_t json_len;
};

/* Rows and numbers in a transaction; sticky errors of ${t}. */
bool ledger_row_get(struct ledger_outbox *o, struct db_txn *t, uint64_t seq,
    struct ledger_row *out);
void ledger_row_put(struct ledger_outbox *o, struct db_txn *t, uint64_t seq,
    const struct ledger_row *row);
uint64_t ledger_u64_get(
    struct db_txn *t, struct db_table table, const void *name, size_t n);
void ledger_u64_put(struct db_txn *t, struct db_table table, const void *name,
    size_t n, uint64_t value);

/* Count the records of a row, and no more. ${seq}: its key. */
void ledger_load_put(struct ledger_outbox *o, struct db_txn *t,
    struct db_val seq, unsigned records, unsigned minor);
void ledger_load_strike(
    struct ledger_outbox *o, struct db_txn *t, struct db_val seq);
void ledger_seq_key(uint64_t seq, uint8_t out[static 8]);

/* The rule of fees as it was told last; ${t} may be NULL. */
enum err ledger_outbox_rule(struct ledger_outbox *o, struct db_txn *t,
    struct ledger_fee *out) must_check;

/* Remove what is final for a day. */
enum err ledger_outbox_purge(struct ledger_outbox *o) must_check;

/*
 * Sign ${tx} with the next timestamp and keep it as row ${seq} in ${t}.
 */
enum err ledger_outbox_keep(struct ledger_outbox *o, struct db_txn *t,
    struct ledger_tx *tx, uint64_t seq) must_check;

/*
 * The same entries with a new timestamp, for a row that the node finds too
 * old: the entries' bytes stay, so readers see the same events.
 */
enum err ledger_outbox_renew(struct ledger_outbox *o, uint64_t seq) must_check;

/* The same with the fee that the rule asks for now, if it is more. */
enum err ledger_outbox_repay(struct ledger_outbox *o, uint64_t seq) must_check;

#endif
