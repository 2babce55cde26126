/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/store: what the RMS must keep by itself and cannot take from the
 * ledger: key records, receipts, events that are not final yet, which set
 * holds which blob, who was ever granted what, cards, the replay floor; and
 * the feed, one row for each event in the order in which it was first seen.
 * What is durable is said when the transaction was committed.  Any thread.
 */
#ifndef CONSENTD_STORE_H
#define CONSENTD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "consentd/rows.h"
#include "db/db.h"
#include "event/event.h"
#include "ledger/ledger.h"
#include "rms/rms.h"
#include "seal/seal.h"

struct consentd_store {
	struct db *db;
	struct secret *rest;
	struct db_table state;        /* name -> value */
	struct db_table receipts;     /* seq -> JSON */
	struct db_table held;         /* seq -> tx id || JSON */
	struct db_table held_ids;     /* tx id -> seq, whose, how much */
	struct db_table held_by;      /* sender -> how much */
	struct db_table seen;         /* event id -> stage u8 || tx id */
	struct db_table roots;        /* set id -> root */
	struct db_table set_blobs;    /* set id || u32 number -> blob id */
	struct db_table blob_sets;    /* blob id || set id -> u32 number */
	struct db_table granted;      /* institution || set id -> rights u8 */
	struct consentd_rows records; /* set id -> record */
	struct consentd_rows cards;   /* H(rest; patient) -> text */
	struct consentd_rows feed;    /* seq -> consentd_feed_row */
};

/**
 * consentd_store_open(dir, protect, out):
 * Open or create; rows are encrypted under a key derived from ${protect}.
 * Errors: those of db_open().
 */
enum err consentd_store_open(const char *dir,
    const struct seal_identity *protect,
    struct consentd_store **out) must_check;

/**
 * consentd_store_close(s):
 * NULL is allowed.
 */
void consentd_store_close(struct consentd_store *s);
DEFINE_CLEANUP(struct consentd_store *, consentd_store_close);

/* ---- the replay floor ---- */

/**
 * consentd_store_floor(s, out), consentd_store_set_floor(s, floor):
 * No request up to this time may be taken after a restart; 0 at first.
 */
enum err consentd_store_floor(
    struct consentd_store *s, int64_t *out) must_check;
/** consentd_store_set_floor(s, floor): see consentd_store_floor(). */
enum err consentd_store_set_floor(void *s, int64_t floor) must_check;

/* ---- held transactions ---- */

/* Who answers for what is held. */
enum consentd_holder {
	CONSENTD_OF_PERSON, /* nobody: anyone can register */
	CONSENTD_OF_HOST,   /* an accredited institution */
};

struct consentd_held_size {
	uint64_t entries, bytes;
};

#define CONSENTD_PERSON_ENTRIES 256 /* of one person */
#define CONSENTD_PERSON_BYTES   (1ULL << 20)
#define CONSENTD_PERSONS_BYTES  (64ULL << 20) /* of all persons together */
#define CONSENTD_HOST_ENTRIES   65536         /* of one host */
#define CONSENTD_HOST_BYTES     (256ULL << 20)

/**
 * consentd_store_hold(s, t, tx, holder, json):
 * Keep a transaction, ${json} is its text, until it is struck off; a repeat is
 * left alone.
 * Errors: BUSY (too much is held of its sender, or of all persons; end ${t}
 * without a commit), NOMEM, those of ${t}.
 */
enum err consentd_store_hold(struct consentd_store *s, struct db_txn *t,
    const struct ledger_tx *tx, enum consentd_holder holder,
    const struct buf *json) must_check;

/**
 * consentd_store_unhold(s, t, id):
 * Strike off.
 */
void consentd_store_unhold(
    struct consentd_store *s, struct db_txn *t, const struct tx_id *id);

/**
 * consentd_store_held(s, id, out_json):
 * Append the JSON of a held transaction.
 * Errors: NOTFOUND.
 */
enum err consentd_store_held(struct consentd_store *s, const struct tx_id *id,
    struct buf *out_json) must_check;

/**
 * consentd_store_next_held(s, after, out_seq, out_id, out_json):
 * The oldest held transaction with a number above ${after}.
 * Errors: NOTFOUND.
 */
enum err consentd_store_next_held(struct consentd_store *s, uint64_t after,
    uint64_t *out_seq, struct tx_id *out_id, struct buf *out_json) must_check;

/* ---- the feed ---- */

enum consentd_stage {
	CONSENTD_SEEN = 1, /* the first sight of an event */
	CONSENTD_FINAL = 2,
};

struct consentd_feed_row {
	uint64_t seq;
	enum consentd_stage stage;
	bool first; /* the first row of its event; set by consentd_feed_add() */
	struct event_id id;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender, patient;
	enum event_type type;
	bool has_party; /* an institution, group or anyone is concerned */
	enum event_party party;
	struct institution_id institution;
	char group[EVENT_MAX_TEXT + 1];
};

/**
 * consentd_feed_add(s, t, row):
 * Append ${row} unless its event has reached that stage already; what it was
 * seen in first is no longer held when it is final.
 */
enum err consentd_feed_add(struct consentd_store *s, struct db_txn *t,
    struct consentd_feed_row *row) must_check;

/**
 * consentd_feed_next(s, t, after, out):
 * The first row above ${after}.
 * Errors: NOTFOUND, CORRUPT.
 */
enum err consentd_feed_next(struct consentd_store *s, struct db_txn *t,
    uint64_t after, struct consentd_feed_row *out) must_check;

/**
 * consentd_feed_last(s, t):
 * The number of the newest row, 0 if there is none.
 */
uint64_t consentd_feed_last(struct consentd_store *s, struct db_txn *t);

/**
 * consentd_feed_stage(s, t, id):
 * How far an event has got, 0 if it was never seen.  ${t}->err is CORRUPT
 * after a damaged row.
 */
int consentd_feed_stage(
    struct consentd_store *s, struct db_txn *t, const struct event_id *id);

/* ---- sets: roots, records, blobs, grants ---- */

/**
 * consentd_store_root(s, t, set, root):
 * Keep the root of a final set; the first one stands.
 */
void consentd_store_root(struct consentd_store *s, struct db_txn *t,
    const struct event_id *set, const uint8_t root[static 32]);

/**
 * consentd_store_get_root(s, set, out):
 * Errors: NOTFOUND.
 */
enum err consentd_store_get_root(struct consentd_store *s,
    const struct event_id *set, uint8_t out[static 32]) must_check;

/**
 * consentd_store_record(s, set, out):
 * The key record of a set.
 * Errors: NOTFOUND, CORRUPT.
 */
enum err consentd_store_record(struct consentd_store *s,
    const struct event_id *set, struct rms_record *out) must_check;

/**
 * consentd_store_publish(s, set, record, blobs, n):
 * Keep a set's key record and its ${n} blobs, manifest first.  The same
 * record again is OK.
 * Errors: EXISTS (another record).
 */
enum err consentd_store_publish(struct consentd_store *s,
    const struct event_id *set, const struct rms_record *record,
    const struct blob_id *blobs, uint32_t n) must_check;

/**
 * consentd_store_holders(s, blob, fn, ctx):
 * Call ${fn}(ctx, set) for the sets that hold ${blob} until it returns false.
 */
enum err consentd_store_holders(struct consentd_store *s,
    const struct blob_id *blob,
    bool (*fn)(void *ctx, const struct event_id *set), void *ctx) must_check;

/**
 * consentd_store_release(s, receipt, rights):
 * Keep a receipt, and that its institution was granted ${rights} (bits of
 * event_right) on its set.
 */
enum err consentd_store_release(struct consentd_store *s,
    const struct rms_receipt *receipt, unsigned rights) must_check;

/**
 * consentd_store_receipts(s, fn, ctx):
 * Call ${fn}(ctx, json, n) for each receipt in order until one returns an
 * error, which is returned.
 */
enum err consentd_store_receipts(struct consentd_store *s,
    enum err (*fn)(void *ctx, const void *json, size_t n),
    void *ctx) must_check;

/**
 * consentd_store_granted(s, institution, set):
 * The rights that the institution was ever granted, 0 if none.
 */
unsigned consentd_store_granted(struct consentd_store *s,
    const struct institution_id *institution, const struct event_id *set);

/* ---- cards ---- */

/**
 * consentd_store_put_card(s, patient, text), consentd_store_card(s, patient,
 * out):
 * Errors: NOTFOUND.
 */
enum err consentd_store_put_card(struct consentd_store *s,
    const struct pubkey *patient, const char *text) must_check;
/** consentd_store_card(s, patient, out): see consentd_store_put_card(). */
enum err consentd_store_card(struct consentd_store *s,
    const struct pubkey *patient, struct buf *out) must_check;

/* A row's key that begins with a number. */
struct consentd_seq {
	uint8_t b[8];
};

/**
 * consentd_seq(n), consentd_seq_read(key):
 * To and from big-endian bytes.
 */
struct consentd_seq consentd_seq(uint64_t n);
/** consentd_seq_read(key): see consentd_seq(). */
uint64_t consentd_seq_read(struct db_val key);

#endif
