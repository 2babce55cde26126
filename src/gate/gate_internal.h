/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate: what its files share.
 *
 * Lock order: lease_lock < doc->lock < lock; sets_lock alone.  No I/O, callback
 * or log under any of them but the journal's and blobs' own.
 */
#ifndef GATE_GATE_INTERNAL_H
#define GATE_GATE_INTERNAL_H

#include "gate/gate.h"

#include <pthread.h>
#include <stdatomic.h>

#include "blobs/blobs.h"
#include "journal/journal.h"

#define GATE_WORKERS      4
#define GATE_MAX_JOBS     4096
#define GATE_MAX_DENIED   256   /* denials that are being counted */
#define GATE_DENIED_MS    60000 /* repeats within it are one item */
#define GATE_PARK_MS      10000 /* a parked request is answered after it */
#define GATE_REFUSED      64    /* sets that the RMS would not let us list */
#define GATE_BATCHES      256   /* newest drained batches that are known */
#define GATE_BATCH_ITEMS  96    /* one payload, so one transaction */
#define GATE_PRACTITIONER 128

/* A set with everything that its documents need; refcounted, immutable. */
struct gate_set_full {
	struct gate_set pub; /* first: gate_set is cast to this */
	_Atomic unsigned refs;
	struct registry_event ev; /* owns pub.event */
	struct event_manifest *manifest;
	char *name;
	struct pubkey patient;
};

/* The key of a set, while there is a permit; guarded by gate.lock. */
struct gate_lease {
	struct gate_lease *next;
	struct event_id set;
	struct pubkey patient;
	struct secret *key; /* NULL: not (any more) */
	int64_t expires_boot;
	int64_t granted_ms; /* how long it was given for */
	bool renewing;
	int64_t retry_boot; /* not renewed again before */
	bool darken;        /* to be made dark; key wiped if wipe */
	bool wipe;
	bool lit; /* pages of it may be in the kernel's cache */
	const struct gate_set *about;
	char practitioner[GATE_PRACTITIONER]; /* who opened it last */
};

struct gate_doc {
	struct gate *g;
	_Atomic unsigned refs;       /* the handle and its jobs */
	struct gate_doc *next, **at; /* in gate.docs; gate.lock */
	const struct gate_set *set;
	uint32_t number;
	char practitioner[GATE_PRACTITIONER];
	struct inquiry_id inquiry; /* what recorded the open */
	uint64_t seq;
	_Atomic int dark;         /* enum err; OK: may be read */
	_Atomic unsigned reading; /* reads between decryption and reply */
	pthread_mutex_t lock;     /* guards the making of blob and doc */
	struct blob *_Atomic blob;
	struct blob *spoilt; /* lock; what ${blob} was before; may be in use */
	atomic_bool suspect; /* what the cache gave did not open: look at it */
	struct seal_doc *_Atomic doc;
};

/* Work for the gate's own threads; somebody waits for the answer. */
struct gate_job {
	struct gate_job *next;
	struct gate_job *live_next, **live_at; /* in gate.live; gate.lock */
	struct gate_doc *d;
	enum err (*run)(struct gate_job *job);
	gate_done done;
	void *ctx;
	atomic_bool answered;
	_Atomic unsigned refs; /* the queue or worker, and gate.live */
	int64_t deadline;
	uint64_t off;
	size_t n;
	uint64_t seq; /* journal record that must be on its way */
	struct inquiry_id inquiry;
};

struct gate_batch {
	uint64_t first, last; /* journal records */
	struct tx_id tx;
};

struct gate_denied {
	bool used;
	struct pubkey patient;
	struct event_id set;
	uint32_t document, repeats;
	char practitioner[GATE_PRACTITIONER];
	const char *outcome;
	int64_t since_boot;
};

/* What the operator was told last; gate.lock. */
struct gate_told {
	enum err e;
	struct event_id set;
	uint32_t document;
	int64_t at_boot;
};

struct gate {
	struct gate_opts opts;
	char *login;
	struct home *home;
	struct journal *journal;
	struct blobs *cache;
	struct secret *journal_key;

	pthread_mutex_t lock;
	pthread_cond_t jobs_cond, timer_cond, drained_cond;
	struct gate_doc *docs;                      /* lock */
	struct gate_lease *leases;                  /* lock */
	struct gate_job *queue, **queue_end, *live; /* lock */
	unsigned njobs;                             /* lock */
	unsigned changes; /* lock: bits of registry_change */
	struct gate_batch batch[GATE_BATCHES]; /* lock; ring */
	uint64_t nbatches, drained;            /* lock */
	enum err trouble; /* lock; of the drainer's newest round */
	struct gate_denied denied[GATE_MAX_DENIED]; /* lock */
	struct gate_told told;                      /* lock */

	pthread_mutex_t sets_lock;
	pthread_cond_t sets_cond;
	bool sets_dirty;                    /* sets_lock */
	enum err unlisted;                  /* sets_lock; see gate_unlisted() */
	char unlisted_why[256];             /* sets_lock */
	const struct gate_catalog *catalog; /* sets_lock */
	struct gate_set_full **set;         /* sets_lock; all known ones */
	size_t nsets, cap_sets;             /* sets_lock */

	struct event_id refused[GATE_REFUSED]; /* the listing thread's own */
	unsigned nrefused;
	enum err list_said; /* what it told the operator last */

	pthread_mutex_t lease_lock; /* one key request at a time */

	atomic_bool stop;
	bool stopped;
	atomic_int hurry; /* who waits for a record to be on its way */
	atomic_uint denied_waiting; /* refused opens in the journal */
	pthread_t worker[GATE_WORKERS], timer, drainer, lister;
	atomic_uint started; /* threads that run */
};

/* ---- gate/record.c: what is written down ---- */

struct gate_note {
	const struct pubkey *patient;
	const struct event_id *set;
	uint32_t document, count;
	enum event_kind kind;
	const char *login, *app, *outcome;
};

/**
 * gate_record(g, note, out_id, out_seq):
 * Put an item in the journal; on disk when it returns OK.
 * Errors: JOURNAL, NOSPACE.
 */
enum err gate_record(struct gate *g, const struct gate_note *note,
    struct inquiry_id *out_id, uint64_t *out_seq) must_check;

/**
 * gate_record_denied(g, d, set, number, who, why):
 * Record a refused open; repeats within a minute are counted.
 */
void gate_record_denied(struct gate *g, const struct gate_set *set,
    uint32_t number, const struct gate_who *who, enum err why);

/**
 * gate_flush_denied(g, now, all):
 * Record the repeats whose minute is over (or all).
 */
void gate_flush_denied(struct gate *g, int64_t now, bool all);

/* ---- gate/room.c ---- */

/**
 * gate_room(g):
 * Say whether another record may wait for the ledger.
 * Errors: STALE (detail: how many, how long and why).
 */
enum err gate_room(struct gate *g) must_check;

/**
 * gate_room_denied(g):
 * The same for a refused open: they have a quarter of the room.
 */
bool gate_room_denied(struct gate *g);

/* ---- gate/drain.c: from the journal to the ledger ---- */

/**
 * gate_drain_run(arg):
 * The draining thread; ${arg} is the gate.
 */
void *gate_drain_run(void *arg);

/**
 * gate_position(g):
 * The name of the number that tells how far the journal is drained.
 */
const char *gate_position(const struct gate *g);

/**
 * gate_drain_all(g):
 * Drain what is left (at stop).
 */
enum err gate_drain_all(struct gate *g) must_check;

/**
 * gate_drained_json(g, seq, until_boot, out):
 * Wait until record ${seq} is in a signed transaction and append its JSON.
 * Errors: TIMEOUT, BUSY, INTERRUPTED (stop).
 */
enum err gate_drained_json(struct gate *g, uint64_t seq, int64_t until_boot,
    struct buf *out) must_check;

/* ---- gate/lease.c: set keys ---- */

/**
 * gate_lease_ready(g, set):
 * Say whether a live key is held.
 */
bool gate_lease_ready(struct gate *g, const struct event_id *set);

/**
 * gate_lease_get(g, set, kind, inquiry, seq, who):
 * Obtain the key of ${set} unless it is held (or ${kind} is EVENT_RENEW).
 * Waits for the network.
 */
enum err gate_lease_get(struct gate *g, const struct gate_set *set,
    enum event_kind kind, const struct inquiry_id *inquiry,
    uint64_t seq) must_check;

/**
 * gate_lease_doc(g, d, head, out):
 * Open a document's header with the held key.
 * Errors: NOKEY (no live lease), FORGED, FORMAT.
 */
enum err gate_lease_doc(struct gate *g, const struct gate_doc *d,
    const uint8_t head[static SEAL_DOC_HEAD], struct seal_doc **out) must_check;

/**
 * gate_lease_lit(g, set, practitioner):
 * Pages of ${set} may get into the kernel's cache from here on.
 */
void gate_lease_lit(
    struct gate *g, const struct gate_set *set, const char *practitioner);

/**
 * gate_lease_find(g, set):
 * The lease of ${set} or NULL; gate.lock is held.
 */
struct gate_lease *gate_lease_find(struct gate *g, const struct event_id *set);

/**
 * gate_lease_free_all(g):
 * Wipe all keys.
 */
void gate_lease_free_all(struct gate *g);

/* ---- gate/jobs.c ---- */

/**
 * gate_job_add(g, proto):
 * Queue a copy of ${proto} (d, run, done, ctx, off, n, seq, inquiry).
 * Errors: BUSY, NOMEM.
 */
enum err gate_job_add(struct gate *g, const struct gate_job *proto) must_check;

/**
 * gate_jobs_answer(g, match, ctx, e):
 * Answer every live job that ${match}(${ctx}, job) picks by ${e}.
 */
void gate_jobs_answer(struct gate *g,
    bool (*match)(const void *ctx, const struct gate_job *job), const void *ctx,
    enum err e);

/**
 * gate_jobs_run(arg):
 * A worker; ${arg} is the gate.
 */
void *gate_jobs_run(void *arg);

/**
 * gate_doc_unref(d):
 * Drop one reference.
 */
void gate_doc_unref(struct gate_doc *d);

/* ---- gate/tell.c ---- */

/**
 * gate_tell(g, set, number, e):
 * Log that document ${number} is not released because of ${e}, with the detail
 * that this thread keeps for it; repeats within a minute are not told, nor are
 * refusals, which are in the journal.
 */
void gate_tell(
    struct gate *g, const struct gate_set *set, uint32_t number, enum err e);

/* ---- gate/decide.c ---- */

/**
 * gate_decide(g, set, practitioner, right, out_until):
 * May this practitioner use ${set} now?  ${out_until} may be NULL.
 * Errors: DENIED and its kin.
 */
enum err gate_decide(struct gate *g, const struct gate_set *set,
    const char *practitioner, enum event_right right,
    int64_t *out_until) must_check;

/**
 * gate_fresh(g, bound_ms):
 * Errors: STALE (the newest block is older than ${bound_ms}).
 */
enum err gate_fresh(struct gate *g, int64_t bound_ms) must_check;

/**
 * gate_now(g):
 * The later of wall clock and newest block time.
 */
int64_t gate_now(struct gate *g);

/**
 * gate_practitioner(g, login, out):
 * The practitioner's id, cut to GATE_PRACTITIONER.
 */
void gate_practitioner(
    struct gate *g, const char *login, char out[static GATE_PRACTITIONER]);

/* ---- gate/revoke.c ---- */

/**
 * gate_timer_run(arg):
 * The revoker's thread; ${arg} is the gate.
 */
void *gate_timer_run(void *arg);

/**
 * gate_dark_all(g, why):
 * Make everything dark (at stop).
 */
void gate_dark_all(struct gate *g, enum err why);

/* ---- gate/catalog.c, gate/list.c, gate/load.c, gate/names.c ---- */

/**
 * gate_list_run(arg):
 * The listing thread; ${arg} is the gate.
 */
void *gate_list_run(void *arg);

/**
 * gate_list_dirty(g):
 * Have the catalogue made anew.
 */
void gate_list_dirty(struct gate *g);

/**
 * gate_catalog_make(g):
 * Make and publish the catalogue from the known sets.
 */
enum err gate_catalog_make(struct gate *g) must_check;

/**
 * gate_catalog_has(g, set):
 * Say whether the current catalogue lists ${set}.
 */
bool gate_catalog_has(struct gate *g, const struct event_id *set);

/**
 * gate_load_set(g, ev, out):
 * Make a set of its event: fetch and open its manifest, check count and root.
 * Takes ${ev} over if it returns OK.  Waits for the network.
 */
enum err gate_load_set(struct gate *g, struct registry_event *ev,
    struct gate_set_full **out) must_check;

/**
 * gate_name_set(g, ev, taken, ctx, out):
 * Make the folder's name of a set; ${taken}(${ctx}, name) says whether a name
 * is in use.
 */
enum err gate_name_set(struct gate *g, const struct registry_event *ev,
    bool (*taken)(void *ctx, const char *name), void *ctx,
    char **out) must_check;

/**
 * gate_name_equal(a, b):
 * Say whether two names are the same without regard to case.
 */
bool gate_name_equal(const char *a, const char *b);

/* ---- gate/fetch.c ---- */

/**
 * gate_blob_sound(g, id, out):
 * As gate_blob() of a manifest; what our disk has spoilt is fetched
 * anew.
 */
enum err gate_blob_sound(
    struct gate *g, const struct blob_id *id, struct blob **out) must_check;

/**
 * gate_doc_renew(d):
 * Worker: what the cache gave of ${d} did not open.  If our disk has spoilt it,
 * forget it, so that it is fetched anew.
 */
enum err gate_doc_renew(struct gate_doc *d) must_check;

/**
 * gate_blob(g, id, length, out):
 * Open a blob in the cache; one that is not known yet is fetched whole if its
 * sealed ${length} (0: that of a manifest) is one span, else its leaves are.
 */
enum err gate_blob(struct gate *g, const struct blob_id *id, uint64_t length,
    struct blob **out) must_check;

/**
 * gate_blob_range(g, id, x, off, n):
 * Fetch the spans of a range that are missing.
 */
enum err gate_blob_range(struct gate *g, const struct blob_id *id,
    struct blob *x, uint64_t off, uint64_t n) must_check;

#endif
