/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "registry/registry.h"

#include <pthread.h>

#include "base/log.h"
#include "db/db.h"

#define REGISTRY_PENDING    (1ULL << 63) /* orders of what is not final */
#define REGISTRY_PLACE_BITS 24
#define REGISTRY_STANDING   64   /* cached accreditations, by first byte */
#define REGISTRY_KNOWN      4096 /* cached transactions, by first bytes */

/* Kinds of rows and facts: enum event_type and */
enum {
	REGISTRY_OPAQUE = EVENT_ACCREDIT + 1, /* opens, is not understood */
	REGISTRY_MARK,                        /* an end found by its mark */
	REGISTRY_KINDS,
};

enum registry_tab {
	TAB_STATE,     /* name -> fingerprints, position, change counter */
	TAB_ENTRIES,   /* event id -> sealed struct registry_row */
	TAB_RAW,       /* order -> the entry's value */
	TAB_PUBLICS,   /* public 32 || order -> event id, of what is not
			* understood */
	TAB_EVENTS,    /* order -> sealed struct registry_record */
	TAB_INDEX,     /* kind || patient's hash (zero: all) || order */
	TAB_ACCREDITS, /* institution || ~order: the newest comes first */
	TAB_NARROW,    /* transaction id -> sealed seq, seen, JSON */
	TAB_HIGHEST,   /* hash of signer and patient -> u64 */
	TAB_PATIENTS,  /* patient's hash -> sealed key */
	TAB_MARKS,     /* mark of an end || id of the event that it ends */
	TAB_ENDS,      /* order of an end found by mark || ended id -> id */
	TAB_COUNT,
};

/* An entry of the ledger, whether we can open it or not. */
struct registry_row {
	struct event_id id;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender;
	uint64_t order;
	int64_t time;
};

/* A row of EVENTS. */
struct registry_record {
	struct registry_row row;
	uint8_t kind;
	bool host; /* the sender was an accredited host */
	bool has_key;
	bool has_patient;
	struct pubkey patient;
	struct buf plain;   /* what the rest is borrowed from */
	const uint8_t *key; /* content key */
	struct db_val json;
};

/* An envelope that was opened. */
struct registry_opened {
	struct secret *key; /* NULL: clear, or of an unknown version */
	struct buf payload;
	struct event *e; /* NULL: not understood */
	bool has_patient;
	struct pubkey patient;
};

/* What goes into the policy, the roster and the lists beside them. */
struct registry_fact {
	struct registry_row row;
	uint8_t kind;
	bool has_patient;
	struct pubkey patient;
	struct event_id ended; /* MARK */
	struct event *e;       /* owned; NULL: OPAQUE, MARK */
};

/* A fact that is not final. */
struct registry_pending {
	struct registry_row row; /* order: REGISTRY_PENDING and above */
	uint8_t kind;
	bool narrow; /* kept in NARROW too, if ${kept} */
	bool kept;
	bool host;
	bool gone;
	bool has_patient;
	bool has_delegation; /* a decision that rests on one */
	struct pubkey patient;
	struct event_id ended, delegation;
	int64_t stamp; /* of the transaction */
	struct buf json;
};

/* An accreditation: the newest final one of an institution, or one pending. */
struct registry_accredit {
	struct event_id id;
	uint64_t order;
	struct event *e;
	struct buf json;
};

struct registry_proxy { /* a delegation signed by its patient */
	struct event_id id;
	struct pubkey representative, patient;
	int64_t from, until;
};

struct registry_ending {
	struct event_id ended;
	struct pubkey signer;
	int64_t time;
};

/* All facts that policy rests on; made anew when one is withdrawn. */
struct registry_book {
	struct policy_builder *builder;
	struct registry_proxy *proxy;
	size_t nproxies;
	struct registry_ending *ending;
	size_t nendings;
	size_t nopaque;
};

struct registry {
	struct db *db;
	struct db_table tab[TAB_COUNT];
	struct registry_reader reader;
	struct secret *rest;
	void (*changed)(void *ctx, unsigned changes);
	void *changed_ctx;

	pthread_mutex_t writing; /* before `lock`; over writes and builds */
	uint64_t change;         /* the state of db that memory mirrors */
	bool full;               /* the book must be made anew */
	unsigned stale;          /* facts of the book that were replaced */
	bool dirty;              /* policy lags behind; atomic */
	unsigned owed;           /* changes not told while catching up */
	uint64_t seq;            /* of pending facts */
	bool told_busy;
	size_t nnarrow; /* pending facts that narrow */
	struct registry_accredit standing[REGISTRY_STANDING];
	struct tx_id known[REGISTRY_KNOWN];
	struct registry_book *book; /* its lists: `lock` too */

	pthread_mutex_t lock; /* held for moments; all below */
	struct policy *policy;
	struct registry_accredit *accredit;
	size_t naccredits;
	struct registry_pending *pending;
	size_t npending;
	uint64_t height;
	int64_t time;
	struct sig block;
};

/* One write: what it found, to be applied to memory once it is durable. */
struct registry_work {
	struct registry *r;
	struct db_txn t;
	bool wrote;
	bool loaded; /* memory was read anew in this transaction */
	bool full;   /* the book must be made anew */
	bool defer;  /* far behind the head: policy may wait */
	unsigned changes;
	uint64_t place;                   /* next place in the block */
	int64_t stamp;                    /* of the transaction at hand */
	const struct ledger_block *block; /* becomes the position */
	struct registry_fact *fact;
	size_t nfacts;
	struct registry_pending *pending;
	size_t npending;
};

/* ---- rows.c ---- */

extern const char *const registry_tab_names[TAB_COUNT];

struct db_val registry_order_key(uint64_t order, uint8_t out[static 8]);
bool registry_order_read(struct db_val v, uint64_t *out);

/* Keyed by the rest key: says nothing to whoever has the disk only. */
void registry_hash(const struct registry *r, const struct pubkey *a,
    const struct pubkey *b, uint8_t out[static 16]);

bool registry_get_row(struct db_txn *t, const struct registry *r,
    enum registry_tab tab, struct db_val key, struct db_val *out);
void registry_put(struct registry_work *w, enum registry_tab tab,
    struct db_val key, struct db_val value);
void registry_del(
    struct registry_work *w, enum registry_tab tab, struct db_val key);
/* Errors: NOTFOUND, CORRUPT and those of db. */
enum err registry_rest_get(const struct registry *r, struct db_txn *t,
    enum registry_tab tab, struct db_val key, struct buf *out) must_check;
enum err registry_rest_put(struct registry_work *w, enum registry_tab tab,
    struct db_val key, const struct buf *plain) must_check;
enum err registry_rest_open(const struct registry *r, enum registry_tab tab,
    struct db_val key, struct db_val sealed, struct buf *out) must_check;

enum err registry_row_get(const struct registry *r, struct db_txn *t,
    const struct event_id *id, struct registry_row *out) must_check;
enum err registry_row_read(const struct registry *r, struct db_val key,
    struct db_val value, struct registry_row *out) must_check;
enum err registry_row_put(
    struct registry_work *w, const struct registry_row *row) must_check;
bool registry_raw_get(const struct registry *r, struct db_txn *t,
    uint64_t order, struct db_val *out);
bool registry_record_has(
    const struct registry *r, struct db_txn *t, uint64_t order);
enum err registry_record_get(const struct registry *r, struct db_txn *t,
    uint64_t order, struct registry_record *out) must_check;
enum err registry_record_put(struct registry_work *w,
    const struct registry_record *rec,
    const struct registry_opened *o) must_check;
void registry_record_free(struct registry_record *rec);
#define CLEANUP_RECORD __attribute__((cleanup(registry_record_free), unused))
enum err registry_record_event(
    const struct registry_record *rec, struct event **out) must_check;

/* Calls fn(ctx, order) in ledger order; patient NULL: all. */
void registry_index_walk(const struct registry *r, struct db_txn *t,
    uint8_t kind, const struct pubkey *patient,
    bool (*fn)(void *ctx, uint64_t order), void *ctx);
void registry_index_key(const struct registry *r, uint8_t kind,
    const struct pubkey *patient, uint64_t order, uint8_t out[static 25]);

/* ---- unseal.c ---- */

enum err registry_unseal(const struct registry *r,
    const struct registry_row *row, struct db_val env,
    struct registry_opened *out) must_check;
enum err registry_unseal_with(const struct registry *r,
    const struct registry_row *row, struct db_val env, const struct secret *key,
    struct registry_opened *out) must_check;
enum err registry_read_clear(const struct registry *r,
    const struct registry_row *row, struct db_val value,
    struct registry_opened *out) must_check;
void registry_opened_free(struct registry_opened *o);
#define CLEANUP_OPENED __attribute__((cleanup(registry_opened_free), unused))

/* How an entry's value is to be read. */
enum registry_form { FORM_VOID, FORM_ENVELOPE, FORM_CLEAR, FORM_UNKNOWN };
enum registry_form registry_form(struct db_val value);

/* ---- keep.c ---- */

/* Keep an opened event of the ledger; takes o->e. */
enum err registry_keep(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o) must_check;
/* Is this envelope, which we cannot read, the end of something? */
enum err registry_keep_mark(struct registry_work *w,
    const struct registry_row *row, const uint8_t public[static 32]) must_check;
/* Calls fn for every event that an envelope with these public bytes ends:
 * whoever knows a content key may use it again, so there may be several. */
enum err registry_marked(struct registry_work *w,
    const struct registry_row *row, const uint8_t public[static 32],
    enum err (*fn)(struct registry_work *w, const struct registry_row *row,
	const struct event_id *ended)) must_check;
enum err registry_keep_delegation(
    struct registry_work *w, const struct event *decision) must_check;
enum err registry_is_host(struct registry_work *w,
    const struct registry_row *row, const struct event *e,
    bool *out) must_check;

/* ---- work.c ---- */

enum err registry_work_begin(
    struct registry *r, struct registry_work *w) must_check;
enum err registry_work_commit(
    struct registry_work *w, unsigned *changes) must_check;
/* What was seen counts while the program runs, though it cannot be kept. */
void registry_work_remember(struct registry_work *w, unsigned *changes);

void registry_work_end(struct registry_work *w);
#define CLEANUP_WORK __attribute__((cleanup(registry_work_end), unused))
enum err registry_work_fact(struct registry_work *w,
    const struct registry_row *row, uint8_t kind,
    struct registry_fact **out) must_check;
enum err registry_grow(void **p, size_t n, size_t size) must_check;
enum err registry_refresh(struct registry *r) must_check;
void registry_tell(struct registry *r, unsigned changes);

/* ---- registry.c ---- */

enum err registry_load(struct registry_work *w, uint64_t change) must_check;

/* ---- take.c ---- */

/* In one write, all or nothing. */
enum err registry_take_blocks(struct registry *r,
    const struct ledger_block *const *b, size_t n,
    unsigned *changes) must_check;
enum err registry_again(struct registry *r) must_check;

/* ---- pending.c ---- */

enum err registry_pending_load(struct registry_work *w) must_check;
void registry_pending_gone(
    struct registry *r, struct registry_pending *p, bool gone);
void registry_pending_free(struct registry_pending *p);
enum err registry_pending_apply(struct registry_work *w) must_check;
void registry_pending_drop(struct registry *r);
/*
 * Before what is kept is read anew: what is in memory only stays.  It was
 * seen, and without it the next number of its signer would leave a gap.
 */
void registry_pending_unload(struct registry_work *w);
enum err registry_pending_fact(
    const struct registry_pending *p, struct registry_fact *out) must_check;

/* ---- roster.c ---- */

enum err registry_roster_load(struct registry *r, struct db_txn *t) must_check;
enum err registry_roster_put(struct registry *r, const struct registry_row *row,
    const struct event *e) must_check;
/* With `lock` held. */
void registry_roster_remove(struct registry *r, const struct event_id *id);
void registry_roster_drop(struct registry *r);
enum err registry_standing(struct registry_work *w,
    const struct institution_id *id, uint64_t order,
    const struct event_accredit **out) must_check;
void registry_standing_drop(struct registry *r);
bool registry_host_in(
    const struct event_accredit *a, const struct pubkey *key, int64_t at);
bool registry_live(int64_t from, int64_t until, int64_t at);
enum err registry_members(
    struct registry *r, struct policy_builder *b) must_check;

/* ---- book.c ---- */

void registry_book_free(struct registry_book *b);
DEFINE_CLEANUP(struct registry_book *, registry_book_free);
enum err registry_book_add(struct registry *r, struct registry_book *b,
    const struct registry_fact *f) must_check;
enum err registry_build(struct registry *r) must_check;
bool registry_is_policy(uint8_t kind);
void registry_fact_free(struct registry_fact *f);
#define CLEANUP_FACT __attribute__((cleanup(registry_fact_free), unused))

#endif
