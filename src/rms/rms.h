/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rms: the protocol of the Record Management System: its types, their JSON,
 * signed requests (both sides) and the client.  The server's endpoints live in
 * consentd.  Bytes and JSON: PROTOCOL.rms.
 */
#ifndef RMS_RMS_H
#define RMS_RMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/js.h"
#include "event/event.h"
#include "http/http.h"
#include "seal/seal.h"

/* ---- URLs: rms/url.c ---- */

/**
 * rms_url_check(url):
 * Check that clients would use ${url}: http:// or https:// and a host, perhaps
 * a port; in clear only to a loopback address.
 * Errors: INVAL.
 */
enum err rms_url_check(const char *url) must_check;

/* ---- the card: rms/card.c ---- */

#define RMS_CARD_MAX 1024 /* characters of its text */
#define RMS_URL_MAX  200
#define RMS_WORDS    6

/* What a patient hands to a clinic.  A value, no pointers. */
struct rms_card {
	struct pubkey patient;
	struct chain chain;
	struct pubkey rms, patient_rms;
	char url[RMS_URL_MAX + 1];
	struct sig by_rms, by_patient;
};

/**
 * rms_card_sign(card, id, out):
 * Sign the card's content (SEAL_CARD) as the RMS or as the patient.
 */
enum err rms_card_sign(const struct rms_card *card,
    const struct seal_identity *id, struct sig *out) must_check;

/**
 * rms_card_text(card, out):
 * Append the text form "consent-card:" + base58 groups with a check.
 */
enum err rms_card_text(const struct rms_card *card, struct buf *out) must_check;

/**
 * rms_card_read(text, rms, chain, out):
 * Read a card's text (white space is ignored) and check both signatures, the
 * keys, and that RMS key and chain are the pinned ones (NULL: not compared).
 * Errors: FORMAT (no card; a bare address is told apart in the detail),
 * FORGED, CONFLICT (another RMS or chain).
 */
enum err rms_card_read(const char *text, const struct pubkey *rms,
    const struct chain *chain, struct rms_card *out) must_check;

/**
 * rms_card_words(card, out):
 * Write the check words (derived from all keys), separated by spaces.
 */
void rms_card_words(const struct rms_card *card, char out[static 128]);

/* ---- key records: rms/record.c ---- */

#define RMS_RECORD 162 /* version 1, custody 1, two sealed keys of 80 */

/* FORMATS: Key record. */
struct rms_record {
	uint8_t custody; /* 1 = rms */
	uint8_t patient[SEAL_BOX_KEY], rms[SEAL_BOX_KEY];
};

/**
 * rms_record_make(set_key, patient, patient_rms, out):
 * Seal a set key to the patient and to the per-patient RMS key.
 */
enum err rms_record_make(const struct secret *set_key,
    const struct pubkey *patient, const struct pubkey *patient_rms,
    struct rms_record *out) must_check;

/**
 * rms_record_write(r, out), rms_record_read(p, n, out):
 * The RMS_RECORD bytes.  Errors: FORMAT, UNSUPPORTED (version, custody).
 */
void rms_record_write(
    const struct rms_record *r, uint8_t out[static RMS_RECORD]);
/** rms_record_read(p, n, out): see rms_record_write(). */
enum err rms_record_read(
    const void *p, size_t n, struct rms_record *out) must_check;

/* ---- receipts: rms/receipt.c ---- */

/* What the RMS signs when it releases a key. */
struct rms_receipt {
	struct tx_id tx;
	struct entry_key entry;
	struct inquiry_id inquiry;
	struct event_id set;
	struct institution_id institution;
	int64_t time;
	struct sig sig;
};

/**
 * rms_receipt_sign(r, rms, chain):
 * Fill in the signature (SEAL_RECEIPT).
 */
enum err rms_receipt_sign(struct rms_receipt *r,
    const struct seal_identity *rms, const struct chain *chain) must_check;

/**
 * rms_receipt_check(r, rms, chain):
 * Errors: FORGED.
 */
enum err rms_receipt_check(const struct rms_receipt *r,
    const struct pubkey *rms, const struct chain *chain) must_check;

/**
 * rms_receipt_json(r), rms_receipt_read(j, out):
 * The JSON form; a new reference, NULL without memory.
 */
json_t *rms_receipt_json(const struct rms_receipt *r);
/** rms_receipt_read(j, out): see rms_receipt_json().  Errors: FORMAT. */
enum err rms_receipt_read(const json_t *j, struct rms_receipt *out) must_check;

/* ---- signed requests: rms/request.c ---- */

#define RMS_SKEW_MS 300000 /* a request's time may differ by this much */

/* What a request's signature covers; both sides fill it in. */
struct rms_request {
	const char *method, *host, *path, *query;
	const void *body;
	size_t body_len;
	struct pubkey key;
	int64_t time;
	uint8_t nonce[16];
	struct sig sig;
};

/**
 * rms_request_sign(r, id, chain):
 * Sign (SEAL_REQUEST) method, host, path, query, H(body), time and nonce.
 */
enum err rms_request_sign(struct rms_request *r, const struct seal_identity *id,
    const struct chain *chain) must_check;

/**
 * rms_request_check(r, chain):
 * Errors: FORGED.
 */
enum err rms_request_check(
    const struct rms_request *r, const struct chain *chain) must_check;

/**
 * rms_request_read(http, out):
 * The server's side: take all from a request as it came; ${out} borrows from
 * ${http}.  Nothing is checked yet but that the headers are there.
 * Errors: UNAUTH (no signature, or not of our form).
 */
enum err rms_request_read(
    const struct http_request *http, struct rms_request *out) must_check;

/* Header names of a signed request. */
#define RMS_H_KEY   "X-Consent-Key"
#define RMS_H_TIME  "X-Consent-Time"
#define RMS_H_NONCE "X-Consent-Nonce"
#define RMS_H_SIG   "X-Consent-Signature"

/* ---- the client: rms/client.c, rms/client_blobs.c ---- */

struct rms_client_opts {
	const char *url;
	const char *ca_file, *pinned_key; /* TLS */
	struct chain chain;
	struct pubkey rms;              /* pinned */
	const struct seal_identity *id; /* signs requests; borrowed */
	int64_t timeout_ms;             /* 0: 10 s */
};

/*
 * Errors of every call: UNREACHABLE, TIMEOUT, FORMAT (the answer), TOOBIG,
 * INTERRUPTED (cancelled), and what the RMS answered by its code.
 */
struct rms_client; /* any thread */

/**
 * rms_client_new(opts, out):
 * Make a client; no call is made yet.
 */
enum err rms_client_new(
    const struct rms_client_opts *opts, struct rms_client **out) must_check;

/**
 * rms_client_free(c):
 * NULL is allowed.
 */
void rms_client_free(struct rms_client *c);
DEFINE_CLEANUP(struct rms_client *, rms_client_free);

/**
 * rms_client_cancel(c):
 * End every running call by INTERRUPTED and refuse new ones (shutdown).
 */
void rms_client_cancel(struct rms_client *c);

/**
 * rms_register(c, out):
 * POST /v1/patients: have the RMS make (or find) the per-patient key pair of
 * the client's identity; ${out} is the card with both signatures.
 */
enum err rms_register(struct rms_client *c, struct rms_card *out) must_check;

/**
 * rms_event(c, tx_json):
 * POST /v1/events: hand over a signed transaction.  OK: the RMS holds it
 * durably (repeats are OK).
 * Errors: also FORGED, UNKNOWNKEY (sender is neither accredited, patient nor
 * representative).
 */
enum err rms_event(struct rms_client *c, const char *tx_json) must_check;

/* One row of the stream GET /v1/events?after=N&wait=MS. */
struct rms_feed_row {
	uint64_t seq;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender;
	bool has_key; /* content key sealed to the caller */
	uint8_t key[SEAL_BOX_KEY];
	const char *json; /* the transaction while it is not final, or NULL */
};

struct rms_feed {
	size_t n;
	struct rms_feed_row *row;
	uint64_t next; /* ask with after=next */
	json_t *owned;
};

/**
 * rms_feed(c, after, wait_ms, out):
 * Events after number ${after} that concern the caller; waits up to
 * ${wait_ms} (<= 25000) for one.  A patient and a live representative get all
 * of the patient's, an institution the inquiries and decisions that concern
 * it; content keys come with rows whose envelope the caller cannot open.  Rows
 * may begin anew, below ${after}, when the RMS lost its store.
 */
enum err rms_feed_get(struct rms_client *c, uint64_t after, int64_t wait_ms,
    struct rms_feed *out) must_check;

/**
 * rms_feed_free(f):
 * Free what ${f} holds.
 */
void rms_feed_free(struct rms_feed *f);
#define CLEANUP_FEED __attribute__((cleanup(rms_feed_free), unused))

/* Where a set stands on the ledger. */
struct rms_set_ref {
	struct event_id set;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender;
};

/**
 * rms_sets(c, patient, out, out_n):
 * GET /v1/patients/KEY/sets: the sets of ${patient} that the caller may list
 * now; ${out} is to be freed.
 */
enum err rms_sets(struct rms_client *c, const struct pubkey *patient,
    struct rms_set_ref **out, size_t *out_n) must_check;

struct rms_release {
	uint8_t key[SEAL_BOX_KEY]; /* sealed to the newest reading key */
	int64_t lease_ms;
	struct rms_receipt receipt; /* checked */
};

/**
 * rms_release(c, kind, set, inquiry, tx_json, out):
 * POST /v1/release: ask for a set's content key (EVENT_LIST) or set key
 * (EVENT_ACCESS, EVENT_RENEW) against the signed transaction that holds the
 * item ${inquiry}.  The receipt is checked against tx, set and inquiry.
 * Errors: also DENIED and its kin, STALE (the RMS's view of the ledger).
 */
enum err rms_release_get(struct rms_client *c, enum event_kind kind,
    const struct event_id *set, const struct inquiry_id *inquiry,
    const char *tx_json, struct rms_release *out) must_check;

/**
 * rms_put_record(c, set, r):
 * PUT /v1/sets/ID/key: store a key record.  OK: durable; the set is published.
 */
enum err rms_put_record(struct rms_client *c, const struct event_id *set,
    const struct rms_record *r) must_check;

/**
 * rms_get_record(c, set, out):
 * GET /v1/sets/ID/key: for the patient, the custodian and institutions that
 * were ever granted the set.
 */
enum err rms_get_record(struct rms_client *c, const struct event_id *set,
    struct rms_record *out) must_check;

/**
 * rms_blobs_missing(c, ids, n, out_missing):
 * POST /v1/blobs/missing: out_missing[i] tells whether the RMS lacks ids[i].
 */
enum err rms_blobs_missing(struct rms_client *c, const struct blob_id *ids,
    size_t n, bool *out_missing) must_check;

#define RMS_PACK_MAX (4u << 20) /* bytes of a pack of small blobs */

/**
 * rms_blobs_pack(c, pack):
 * POST /v1/blobs: store small blobs, each as u32 length || bytes; durable when
 * OK.
 */
enum err rms_blobs_pack(
    struct rms_client *c, const struct buf *pack) must_check;

/**
 * rms_blob_begin(c, id, length, leaves, n):
 * PUT /v1/blobs/ID/leaves.
 */
enum err rms_blob_begin(struct rms_client *c, const struct blob_id *id,
    uint64_t length, const uint8_t *leaves, size_t n) must_check;

/**
 * rms_blob_spans(c, id, bitmap, n):
 * GET /v1/blobs/ID/spans: which of ${n} spans the RMS has; bit i%8 of byte
 * i/8.
 */
enum err rms_blob_spans(struct rms_client *c, const struct blob_id *id,
    uint8_t *bitmap, size_t n) must_check;

/**
 * rms_blob_put_span(c, id, i, p, n):
 * PUT /v1/blobs/ID/spans/I; durable when OK.
 */
enum err rms_blob_put_span(struct rms_client *c, const struct blob_id *id,
    uint64_t i, const void *p, size_t n) must_check;

/**
 * rms_blob_leaves(c, id, most, out_length, out):
 * GET /v1/blobs/ID/leaves: checked against ${id}; leaves are appended.  More
 * than a blob of ${most} bytes has are not taken.
 * Errors: also FORGED, TOOBIG.
 */
enum err rms_blob_leaves(struct rms_client *c, const struct blob_id *id,
    uint64_t most, uint64_t *out_length, struct buf *out) must_check;

/**
 * rms_blob_span(c, id, i, out):
 * GET /v1/blobs/ID/spans/I: the bytes, NOT yet checked, are appended.
 */
enum err rms_blob_span(struct rms_client *c, const struct blob_id *id,
    uint64_t i, struct buf *out) must_check;

#endif
