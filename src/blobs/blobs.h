/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blobs: a directory of immutable sealed blobs, addressed by blob id.  Serves
 * the RMS's repository (no quota) and the institution's ciphertext cache (with
 * a quota and eviction): both hold blobs of which some spans may not have come
 * yet.  A span is stored only if it matches its leaf, and counts only after a
 * durable bit says so.  Any thread.
 */
#ifndef BLOBS_BLOBS_H
#define BLOBS_BLOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "seal/seal.h"

#define BLOBS_MAX_LENGTH (1ULL << 40)

struct blobs;

struct blobs_opts {
	const char *dir;    /* made if missing, 0700; one process at a time */
	uint64_t max_bytes; /* quota: least recently used whole blobs go; 0:
			     * none */
};

/**
 * blobs_open(opts, out):
 * Open or create a store.
 * Errors: BUSY, UNSUPPORTED (format version), UNAUTH, IO.
 */
enum err blobs_open(
    const struct blobs_opts *opts, struct blobs **out) must_check;

/**
 * blobs_close(b):
 * NULL is allowed; no blob may be open.
 */
void blobs_close(struct blobs *b);
DEFINE_CLEANUP(struct blobs *, blobs_close);

/**
 * blobs_add(b, bytes, len, out_id):
 * Store a whole blob durably; one that is there is left alone.
 * Errors: TOOBIG, NOSPACE, IO.
 */
enum err blobs_add(struct blobs *b, const void *bytes, size_t len,
    struct blob_id *out_id) must_check;

/* Many small blobs at once: written together, one wait for the disk. */
struct blobs_piece {
	const void *p;
	size_t n;
	struct blob_id id; /* filled in */
};

/**
 * blobs_add_many(b, pieces, n):
 * As blobs_add() for each; durable for all when it returns OK.
 */
enum err blobs_add_many(
    struct blobs *b, struct blobs_piece *pieces, size_t n) must_check;

/**
 * blobs_begin(b, id, length, leaves, n):
 * Announce blob ${id} by its leaf list; a blob that is there or announced is
 * left alone.
 * Errors: FORGED (the list does not give ${id}), TOOBIG, NOSPACE, IO.
 */
enum err blobs_begin(struct blobs *b, const struct blob_id *id, uint64_t length,
    const uint8_t *leaves, size_t n) must_check;

/**
 * blobs_has(b, id):
 * Say whether the blob is there whole.
 */
bool blobs_has(struct blobs *b, const struct blob_id *id);

struct blob; /* an open blob; shared by threads */

/**
 * blobs_get(b, id, out):
 * Open blob ${id}, whole or announced; it is not evicted while open.
 * Errors: NOTFOUND, CORRUPT, IO.
 */
enum err blobs_get(
    struct blobs *b, const struct blob_id *id, struct blob **out) must_check;

/**
 * blobs_put(x):
 * Give an open blob back; NULL is allowed.
 */
void blobs_put(struct blob *x);
DEFINE_CLEANUP(struct blob *, blobs_put);

/**
 * blobs_length(x):
 * Return its sealed length in bytes.
 */
uint64_t blobs_length(const struct blob *x);

/**
 * blobs_leaves(x, out_n):
 * Return its leaves (32 bytes each), borrowed; NULL and 0 if they cannot be
 * had: a whole blob of one span is read for it, and may turn out damaged.
 */
const uint8_t *blobs_leaves(const struct blob *x, size_t *out_n);

/**
 * blobs_span_has(x, i):
 * Say whether span ${i} is there.
 */
bool blobs_span_has(struct blob *x, uint64_t i);

/**
 * blobs_span_put(x, i, p, n):
 * Verify span ${i} against its leaf and store it durably.
 * Errors: FORGED, INVAL (number or length), NOSPACE, IO.
 */
enum err blobs_span_put(
    struct blob *x, uint64_t i, const void *p, size_t n) must_check;

/**
 * blobs_read(x, off, p, n):
 * Read ${n} bytes at ${off}, all of which lie in spans that are there.
 * Errors: PENDING (a span is missing), INVAL, CORRUPT, IO.
 */
enum err blobs_read(struct blob *x, uint64_t off, void *p, size_t n) must_check;

/**
 * blobs_fd(x):
 * Return a descriptor of the blob's bytes, borrowed, for sending whole spans.
 */
int blobs_fd(const struct blob *x);

/**
 * blobs_check(x, bad_span):
 * Read all and compare with the leaves.
 * Errors: CORRUPT (${bad_span} tells the first one), PENDING, IO.
 */
enum err blobs_check(struct blob *x, uint64_t *bad_span) must_check;

/**
 * blobs_drop(b, id):
 * Forget a blob (damaged, or erased); NOTFOUND if it is not there.
 */
enum err blobs_drop(struct blobs *b, const struct blob_id *id) must_check;

/**
 * blobs_each(b, fn, ctx):
 * Call ${fn}(ctx, id) for each whole blob until it returns false.
 */
enum err blobs_each(struct blobs *b,
    bool (*fn)(void *ctx, const struct blob_id *id), void *ctx) must_check;

/**
 * blobs_bytes(b):
 * Return how many bytes the store holds.
 */
uint64_t blobs_bytes(struct blobs *b);

#endif
