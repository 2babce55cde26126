/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal: shared by the files of this room only.
 *
 * A journal is a directory of segments, named by the number of their first
 * record.  A segment is a header (128 bytes) and records up to the first
 * zeros; it is made whole, zeros included, before it gets its name:
 *
 *   magic 8 || u32 version || u32 bytes || u64 first || chain 32 || 0 x 8
 *   || H(key; context || the above) || H(all the above)
 *
 * A record, padded with zeros to a multiple of 8:
 *
 *   u32 magic || u32 sealed bytes || u64 seq || u64 group || chain 32
 *   || sealed payload, whose associated data is the above
 *
 * chain = H(context || the record before), group = number of the first record
 * that was written and synced together with this one.  So a record behind a
 * hole tells whether the hole had once been on disk (damage) or belongs to
 * the same unfinished write (a torn tail).
 */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "journal/journal.h"

#define JOURNAL_VERSION      1
#define JOURNAL_SEGMENT_HEAD 128
#define JOURNAL_SEGMENT_MIN  (16 << 10)
#define JOURNAL_SEGMENT_MAX  (256 << 20)
#define JOURNAL_GROUP_MAX    (256 << 10)
#define JOURNAL_RECORD_HEAD  56
#define JOURNAL_RECORD_MIN   (JOURNAL_RECORD_HEAD + SEAL_REST_EXTRA)
#define JOURNAL_MARK_EVERY   64

/* The newest record of a chain and the hash over all up to it. */
struct journal_link {
	uint64_t seq;
	uint8_t hash[32];
};

/* One segment in memory. */
struct journal_seg {
	uint64_t first;
	uint32_t size, used; /* bytes of the file; up to the last record */
	uint32_t *marks; /* where every JOURNAL_MARK_EVERYth record begins */
};

struct journal_waiter {
	const void *p;
	size_t n;
	uint64_t seq;
	enum err err;
	bool done;
	pthread_cond_t cond;
	struct journal_waiter *next;
};

struct journal {
	char *dir;
	struct secret *key;
	uint32_t segment_bytes;
	int lock_fd;

	pthread_mutex_t lock; /* guards from here to the next comment */
	pthread_cond_t work, news;
	struct journal_waiter *queue, **queue_end;
	bool stop, closed;
	struct journal_seg *segs; /* at least one; the last is written to */
	size_t n_segs;
	struct journal_link last; /* durable */
	uint64_t pokes;
	unsigned waiting; /* threads in journal_wait() */
	bool poked;       /* while nobody waited */
	pthread_t thread; /* the committer */
	bool started;

	/* the committer's alone */
	bool broken;
	int fd; /* the last segment's, and its place */
	uint32_t size, used;

	pthread_mutex_t drop_lock; /* taken before lock */
};

/* ---- record.c ---- */

/* A record's header, read but not yet authenticated. */
struct journal_record {
	const uint8_t *p;       /* the record's bytes */
	uint32_t sealed, bytes; /* with header and padding */
	uint64_t seq, group;
	const uint8_t *chain;
};

/**
 * journal_record_size(n):
 * Return the bytes that a record of ${n} payload bytes takes.
 */
size_t journal_record_size(size_t n);

/**
 * journal_record_put(key, at, group, payload, out):
 * Append the record that follows ${at} to ${out} and move ${at} on.
 */
enum err journal_record_put(const struct secret *key, struct journal_link *at,
    uint64_t group, struct seal_part payload, struct buf *out) must_check;

/**
 * journal_record_read(p, n, out):
 * Say whether the ${n} bytes at ${p} begin with the shape of a record.
 */
bool journal_record_read(
    const uint8_t *p, size_t n, struct journal_record *out);

/**
 * journal_record_open(key, r, out):
 * Append the payload to ${out}.
 * Errors: CORRUPT.
 */
enum err journal_record_open(const struct secret *key,
    const struct journal_record *r, struct buf *out) must_check;

/**
 * journal_link_next(at, r):
 * Move ${at} on to ${r}.
 */
void journal_link_next(struct journal_link *at, const struct journal_record *r);

/* ---- segment.c ---- */

/**
 * journal_seg_path(j, first):
 * Return the path of the segment that begins with record ${first}, to be
 * freed; NULL without memory.
 */
char *journal_seg_path(const struct journal *j, uint64_t first);

/**
 * journal_seg_init(seg, first, size):
 * Prepare ${seg} for an empty segment.
 */
enum err journal_seg_init(
    struct journal_seg *seg, uint64_t first, uint32_t size) must_check;

/**
 * journal_seg_mark(seg, seq, off):
 * Note that record ${seq} begins at ${off}.
 */
void journal_seg_mark(struct journal_seg *seg, uint64_t seq, uint32_t off);

/**
 * journal_seg_create(j, at, out_fd):
 * Make the segment file that follows ${at}, durably.  Sets ${j}->broken if
 * its state on disk is not known afterwards.
 */
enum err journal_seg_create(
    struct journal *j, const struct journal_link *at, int *out_fd) must_check;

/**
 * journal_seg_head(j, head, first, out):
 * Check the header of the segment named ${first}; ${out} receives the chain
 * before it and the number before its first record.
 * Errors: CORRUPT, UNSUPPORTED, NOKEY.
 */
enum err journal_seg_head(const struct journal *j,
    const uint8_t head[static JOURNAL_SEGMENT_HEAD], uint64_t first,
    struct journal_link *out, uint32_t *out_size) must_check;

/* ---- recover.c ---- */

/**
 * journal_recover(j):
 * Read and check all segments, cut a torn tail, fill in the rest of ${j}.
 */
enum err journal_recover(struct journal *j) must_check;

/* ---- journal.c ---- */

/**
 * journal_wait_slice_locked(j, cond, ms):
 * Wait for ${cond}, at most ${ms} and some seconds: condition variables know no
 * boot time, and the clock that they know stands still in suspend.
 */
void journal_wait_slice_locked(
    struct journal *j, pthread_cond_t *cond, int64_t ms);

/* ---- mend.c ---- */

/**
 * journal_mend(j):
 * The committer's, after a failure: read and check everything anew, again and
 * again, until it may go on (${j}->broken is false) or is stopped.
 */
void journal_mend(struct journal *j);

#endif
