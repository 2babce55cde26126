/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blobs: shared by the files of this room only.
 *
 *   DIR/lock  DIR/format
 *   DIR/ab/ab...ef.blob    the bytes of a whole blob
 *   DIR/ab/ab...ef.leaves  head and leaves; only of more than one span, or
 *                          while spans are missing
 *   DIR/ab/ab...ef.new     the bytes while spans are missing, sparse
 *   DIR/ab/ab...ef.part    head and a bit for each span that is durable
 *   DIR/ab/N.tmp           being written
 *
 * head = magic 8 || u32 version || u32 0 || u64 length of the blob.  A blob is
 * whole if .blob is there, announced if .new is; the other files are there
 * before these names are, and go after them.  File names are made of the hex
 * of an id and nothing else.
 */
#ifndef BLOBS_INTERNAL_H
#define BLOBS_INTERNAL_H

#include <pthread.h>

#include "blobs/blobs.h"

#define BLOBS_VERSION 1
#define BLOBS_HEAD    24
#define BLOBS_NAME    80 /* "ab/" and 64 digits, suffix, NUL */
#define BLOBS_FAN     256

enum blobs_there { BLOBS_NONE, BLOBS_ANNOUNCED, BLOBS_WHOLE };

/*
 * What is known of a blob in memory: with a quota of every one, in the order
 * of use; without one only of those that are open.  Guarded by blobs.lock.
 */
struct blobs_entry {
	struct blob_id id;
	uint64_t bytes;  /* of the spans that are there */
	int64_t used_ms; /* wall time noted on disk */
	struct blob *open;
	struct blobs_entry *next; /* in its bucket */
	struct blobs_entry *older, *newer;
};

struct blobs {
	char *dir;
	int dir_fd, lock_fd;
	uint64_t max_bytes;

	/*
	 * Guards all below, and the names in the directory: held over opens
	 * (and the leaf list), renames and unlinks, never over a blob's bytes
	 * or a flush.
	 */
	pthread_mutex_t lock;
	struct blobs_entry **buckets;
	size_t n_buckets, n_entries; /* n_buckets is a power of two */
	struct blobs_entry *oldest, *newest;
	uint64_t bytes; /* in the store or promised to a writer */
	uint64_t serial;
	bool failed; /* a flush of names failed: no more writing */
};

struct blob {
	struct blobs *b;
	struct blob_id id;
	uint64_t length, spans;
	uint64_t loaded; /* bytes of the spans that were there at first */
	int fd;

	unsigned refs;             /* under blobs.lock */
	struct blobs_entry *entry; /* under blobs.lock; NULL once dropped */

	pthread_mutex_t sync; /* guards the rest; taken before blobs.lock */
	uint8_t *leaves;      /* NULL: not needed yet */
	uint8_t *bits;        /* read without the lock; NULL: whole */
	int part_fd;
	uint64_t missing;
	bool whole; /* read without the lock */
	bool failed, dropped;
};

/* ---- names.c ---- */

/**
 * blobs_name(id, suffix, out):
 * Write the name of a blob's file, relative to the store.
 */
void blobs_name(
    const struct blob_id *id, const char *suffix, char out[static BLOBS_NAME]);

/**
 * blobs_name_read(name, suffix, out):
 * Say whether a directory's ${name} is an id and ${suffix}.
 */
bool blobs_name_read(const char *name, const char *suffix, struct blob_id *out);

/**
 * blobs_failed(b, name, what):
 * Turn errno into an error whose detail says what failed with which file.
 */
enum err blobs_failed(
    const struct blobs *b, const char *name, const char *what);

/**
 * blobs_give_up(b, e):
 * A flush of names failed; return ${e}.  Another one may say yes and mean
 * nothing, so no more is written; but a cache goes on, since the names that it
 * loses it fetches again.
 */
enum err blobs_give_up(struct blobs *b, enum err e);

/**
 * blobs_look(b, id):
 * Say what there is of blob ${id}.
 */
enum blobs_there blobs_look(const struct blobs *b, const struct blob_id *id);

/**
 * blobs_unlink(b, id):
 * Remove all files of blob ${id}, the ones that make it count first.
 */
enum err blobs_unlink(
    const struct blobs *b, const struct blob_id *id) must_check;

/**
 * blobs_rename(b, tmp, id, suffix):
 * Give the temporary file ${tmp} its name.
 */
enum err blobs_rename(const struct blobs *b, const char *tmp,
    const struct blob_id *id, const char *suffix) must_check;

/**
 * blobs_sync_fan(b, id):
 * Make the names in the directory of ${id} durable.
 */
enum err blobs_sync_fan(struct blobs *b, const struct blob_id *id) must_check;

/**
 * blobs_tmp_open(b, id, out_name):
 * Create a temporary file beside the files of ${id}; return its descriptor, or
 * -1 with errno.
 */
int blobs_tmp_open(struct blobs *b, const struct blob_id *id,
    char out_name[static BLOBS_NAME]);

/**
 * blobs_tmp_write(b, id, bytes, n, out_name):
 * As blobs_tmp_open(), and write ${n} bytes; they are not durable yet.
 */
enum err blobs_tmp_write(struct blobs *b, const struct blob_id *id,
    const void *bytes, size_t n, char out_name[static BLOBS_NAME]) must_check;

/**
 * blobs_tmp_sync(b, name):
 * Make the bytes of a temporary file durable; "" is none.
 */
enum err blobs_tmp_sync(const struct blobs *b, const char *name) must_check;

/**
 * blobs_tmp_drop(b, name):
 * Remove a temporary file; "" is none.
 */
void blobs_tmp_drop(const struct blobs *b, const char *name);

/* ---- files.c ---- */

extern const char blobs_magic_leaves[8], blobs_magic_part[8];

/**
 * blobs_head_put(out, magic, length):
 * Append a head.
 */
void blobs_head_put(
    struct buf *out, const char magic[static 8], uint64_t length);

/**
 * blobs_leaves_of(bytes, n, out):
 * Append the leaves of ${n} bytes to ${out}.
 */
enum err blobs_leaves_of(
    const uint8_t *bytes, size_t n, struct buf *out) must_check;

/**
 * blobs_span_len(length, i):
 * Return how long span ${i} of a blob of ${length} bytes is.
 */
size_t blobs_span_len(uint64_t length, uint64_t i);

/**
 * blobs_leaves_load(b, id, out_length, out):
 * Read the leaf list and check it against the id; ${out} is to be freed.
 * Errors: CORRUPT, UNSUPPORTED, NOMEM, IO.
 */
enum err blobs_leaves_load(const struct blobs *b, const struct blob_id *id,
    uint64_t *out_length, uint8_t **out) must_check;

/**
 * blobs_bits_load(b, fd, id, length, out):
 * Read the bits from the part file ${fd}; ${out} is to be freed.
 */
enum err blobs_bits_load(const struct blobs *b, int fd,
    const struct blob_id *id, uint64_t length, uint8_t **out) must_check;

/**
 * blobs_bits_count(bits, length, out_bytes):
 * Return the number of spans that are there, and their bytes.
 */
uint64_t blobs_bits_count(
    const uint8_t *bits, uint64_t length, uint64_t *out_bytes);

struct blobs_size {
	uint64_t length, bytes; /* in all; of the spans that are there */
	bool all;               /* no span is missing */
	int64_t used_ms;
};

/**
 * blobs_stat(b, id, suffix, out):
 * Look at the file of a whole (".blob") or announced (".new") blob.  Damage is
 * not told here but by blobs_get().
 */
enum err blobs_stat(const struct blobs *b, const struct blob_id *id,
    const char *suffix, struct blobs_size *out) must_check;

/* ---- table.c; blobs.lock is held ---- */

/**
 * blobs_find(b, id):
 * Return the entry of ${id}, or NULL.
 */
struct blobs_entry *blobs_find(const struct blobs *b, const struct blob_id *id);

/**
 * blobs_entry_new(b, id, bytes, used_ms):
 * Add an entry as the newest one, used now if ${used_ms} is 0; NULL without
 * memory.
 */
struct blobs_entry *blobs_entry_new(
    struct blobs *b, const struct blob_id *id, uint64_t bytes, int64_t used_ms);

/**
 * blobs_entry_free(b, e):
 * Take an entry out and free it.
 */
void blobs_entry_free(struct blobs *b, struct blobs_entry *e);

/**
 * blobs_entry_used(b, e):
 * Make ${e} the newest one.
 */
void blobs_entry_used(struct blobs *b, struct blobs_entry *e);

/**
 * blobs_sort(b):
 * Put all entries in the order of their used_ms.
 */
enum err blobs_sort(struct blobs *b) must_check;

/**
 * blobs_reserve(b, n):
 * Promise ${n} bytes to a writer, removing blobs if there is a quota.
 * Errors: NOSPACE.
 */
enum err blobs_reserve(struct blobs *b, uint64_t n) must_check;

/* ---- scan.c ---- */

/**
 * blobs_scan(b):
 * Clean up after a crash, count, and fill the table if there is a quota.
 */
enum err blobs_scan(struct blobs *b) must_check;

#endif
