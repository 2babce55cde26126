/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal: durable, hash-chained records of opaque bytes, encrypted at rest.
 * Many threads append at once; one committer writes and syncs what waits
 * (group commit) and then wakes them all.  A record that journal_append()
 * acknowledged is on disk.  Segments are pre-allocated files; a torn tail is
 * cut and noted, a hole before the tail refuses to open (tampering).  After a
 * failed write or sync the journal is closed for appends until its segments
 * were read from the disk and checked anew, which it tries by itself.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "seal/seal.h"

#define JOURNAL_MAX_RECORD 8192

struct journal;

struct journal_opts {
	const char *dir; /* made if missing, 0700; one process at a time */
	const struct secret *key; /* 32 bytes; copied */
	uint64_t segment_bytes;   /* 0: 4 MiB */
};

/**
 * journal_open(opts, out):
 * Open or create, check the whole chain of the segments that are there, start
 * the committer.
 * Errors: BUSY (another process), CORRUPT (a hole or a changed record; the
 * detail names segment and record), NOKEY (another identity's journal),
 * UNSUPPORTED (version), NOSPACE, IO.
 */
enum err journal_open(
    const struct journal_opts *opts, struct journal **out) must_check;

/**
 * journal_close(j):
 * Commit what waits, stop the committer, close.  NULL is allowed.
 */
void journal_close(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_close);

/**
 * journal_append(j, p, n, out_seq):
 * Append one record and return when it is on disk; ${out_seq} (may be NULL)
 * receives its number, the first is 1.
 * Errors: TOOBIG, JOURNAL (nothing may be released), NOSPACE.
 */
enum err journal_append(
    struct journal *j, const void *p, size_t n, uint64_t *out_seq) must_check;

/**
 * journal_last(j):
 * Return the number of the newest durable record, 0 if none.
 */
uint64_t journal_last(struct journal *j);

/**
 * journal_wait(j, seq, until_boot_ms):
 * Wait until a record after ${seq} is durable, or the time has come, or
 * journal_poke(); return journal_last().
 */
uint64_t journal_wait(struct journal *j, uint64_t seq, int64_t until_boot_ms);

/**
 * journal_poke(j):
 * End every journal_wait() now; if there is none, the next one.
 */
void journal_poke(struct journal *j);

/**
 * journal_read(j, from, fn, ctx):
 * Call ${fn}(ctx, seq, p, n) for the durable records from number ${from} on
 * until it returns false.
 * Errors: CORRUPT, IO, NOTFOUND (${from} lies before the first kept one).
 */
enum err journal_read(struct journal *j, uint64_t from,
    bool (*fn)(void *ctx, uint64_t seq, const void *p, size_t n),
    void *ctx) must_check;

/**
 * journal_head(j, out_seq, out_hash):
 * The newest durable record and the hash of the chain up to it.
 */
void journal_head(
    struct journal *j, uint64_t *out_seq, uint8_t out_hash[static 32]);

/**
 * journal_drop(j, before):
 * Remove whole segments that hold only records before number ${before}, which
 * are safely elsewhere.
 */
enum err journal_drop(struct journal *j, uint64_t before) must_check;

#endif
