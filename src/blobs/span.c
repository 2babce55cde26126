/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "blobs/blobs_internal.h"

static enum err
damaged(const struct blob *x, uint64_t span)
{
	char name[BLOBS_NAME];

	blobs_name(&x->id, "", name);
	return err_say(ERR_CORRUPT,
	    "span %" PRIu64 " of blob '%s' in '%s' is damaged; fetch or "
	    "restore it again",
	    span, name + 3, x->b->dir);
}

static enum err
io_failed(const struct blob *x, enum err e, const char *what)
{
	char name[BLOBS_NAME];

	blobs_name(&x->id, "", name);
	return err_say(e, "cannot %s blob '%s' in '%s': %s", what, name + 3,
	    x->b->dir, err_text(e));
}

uint64_t
blobs_length(const struct blob *x)
{
	return x->length;
}

int
blobs_fd(const struct blob *x)
{
	return x->fd;
}

bool
blobs_span_has(struct blob *x, uint64_t i)
{
	if (i >= x->spans)
		return false;
	return __atomic_load_n(&x->whole, __ATOMIC_ACQUIRE) ||
	    (__atomic_load_n(&x->bits[i / 8], __ATOMIC_ACQUIRE) >> (i % 8) & 1);
}

static enum err
read_span(const struct blob *x, uint64_t i, uint8_t *to)
{
	enum err e = file_pread(
	    x->fd, to, blobs_span_len(x->length, i), (off_t)(i * SEAL_SPAN));

	if (e == ERR_CORRUPT)
		return damaged(x, i);
	return e ? io_failed(x, e, "read") : ERR_OK;
}

/* The only span of a whole blob: its leaf stands in no file. */
static enum err
compute_leaf(struct blob *x)
{
	CLEANUP(free) uint8_t *span = malloc((size_t)x->length + 1);
	CLEANUP(free) uint8_t *leaf = malloc(32);
	struct blob_id is;
	enum err e;

	if (span == NULL || leaf == NULL)
		return ERR_NOMEM;
	e = read_span(x, 0, span);
	if (e)
		return e;
	seal_leaf(0, span, (size_t)x->length, leaf);
	seal_blob_id(x->length, leaf, 1, &is);
	if (!ID_EQ(&is, &x->id))
		return damaged(x, 0);
	x->leaves = TAKE(leaf);
	return ERR_OK;
}

static enum err
need_leaves(struct blob *x, const uint8_t **out)
{
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&x->sync);
	if (x->leaves == NULL)
		e = compute_leaf(x);
	*out = x->leaves;
	(void)pthread_mutex_unlock(&x->sync);
	return e;
}

const uint8_t *
blobs_leaves(const struct blob *x, size_t *out_n)
{
	struct blob *mine = (struct blob *)(uintptr_t)x; /* fills itself in */
	const uint8_t *leaves;

	*out_n = 0;
	if (need_leaves(mine, &leaves) != ERR_OK)
		return NULL;
	*out_n = (size_t)x->spans;
	return leaves;
}

enum err
blobs_read(struct blob *x, uint64_t off, void *p, size_t n)
{
	uint64_t end = (off + n + SEAL_SPAN - 1) / SEAL_SPAN;
	enum err e;

	if (off > x->length || n > x->length - off)
		return err_say(ERR_INVAL,
		    "bytes %" PRIu64 " to %" PRIu64 " lie outside of a blob "
		    "of %" PRIu64,
		    off, off + n, x->length);
	for (uint64_t i = off / SEAL_SPAN; n > 0 && i < end; i++)
		if (!blobs_span_has(x, i))
			return ERR_PENDING;
	e = file_pread(x->fd, p, n, (off_t)off);
	if (e == ERR_CORRUPT)
		return damaged(x, off / SEAL_SPAN);
	return e ? io_failed(x, e, "read") : ERR_OK;
}

static enum err
check_span(
    const struct blob *x, const uint8_t *leaves, uint64_t i, uint8_t *room)
{
	uint8_t leaf[32];
	enum err e = read_span(x, i, room);

	if (e)
		return e;
	seal_leaf(i, room, blobs_span_len(x->length, i), leaf);
	return memcmp(leaf, leaves + 32 * i, 32) == 0 ? ERR_OK : damaged(x, i);
}

enum err
blobs_check(struct blob *x, uint64_t *bad_span)
{
	CLEANUP(free) uint8_t *room = malloc(SEAL_SPAN);
	const uint8_t *leaves;
	enum err e, missing = ERR_OK;

	*bad_span = 0;
	if (room == NULL)
		return ERR_NOMEM;
	e = need_leaves(x, &leaves);
	for (uint64_t i = 0; i < x->spans && e == ERR_OK; i++) {
		*bad_span = i;
		if (blobs_span_has(x, i))
			e = check_span(x, leaves, i, room);
		else
			missing = ERR_PENDING;
	}
	return e ? e : missing;
}

static enum err
sync_fd(struct blob *x, int fd)
{
	enum err e;

	if (fdatasync(fd) == 0)
		return ERR_OK;
	e = err_from_errno(errno);
	x->failed = true; /* another one may say yes and mean nothing */
	return io_failed(x, e, "sync");
}

/*
 * First the bytes, then the bit: each durable before the next.  A written bit
 * may come to count even if its flush fails: ${out_written}.
 */
static enum err
store_locked(
    struct blob *x, uint64_t i, const void *p, size_t n, bool *out_written)
{
	uint8_t byte = (uint8_t)(x->bits[i / 8] | 1 << (i % 8));
	enum err e = file_pwrite(x->fd, p, n, (off_t)(i * SEAL_SPAN));

	if (e)
		return io_failed(x, e, "write");
	e = sync_fd(x, x->fd);
	if (e)
		return e;
	e = file_pwrite(x->part_fd, &byte, 1, (off_t)(BLOBS_HEAD + i / 8));
	if (e)
		return io_failed(x, e, "write");
	*out_written = true;
	e = sync_fd(x, x->part_fd);
	if (e)
		return e;
	__atomic_store_n(&x->bits[i / 8], byte, __ATOMIC_RELEASE);
	x->missing--;
	return ERR_OK;
}

/* The last span has come: from now on the name says that all are there. */
static enum err
finish_locked(struct blob *x)
{
	struct blobs *b = x->b;
	char name[BLOBS_NAME];
	enum err e;

	blobs_name(&x->id, ".new", name);
	(void)pthread_mutex_lock(&b->lock);
	e = blobs_rename(b, name, &x->id, ".blob");
	(void)pthread_mutex_unlock(&b->lock);
	if (e == ERR_OK)
		e = blobs_sync_fan(b, &x->id);
	if (e)
		return e;
	__atomic_store_n(&x->whole, true, __ATOMIC_RELEASE);
	blobs_name(&x->id, ".part", name);
	(void)unlinkat(b->dir_fd, name, 0);
	blobs_name(&x->id, ".leaves", name);
	if (x->spans == 1)
		(void)unlinkat(b->dir_fd, name, 0);
	return ERR_OK;
}

static enum err
reserve(struct blobs *b, uint64_t n)
{
	enum err e;

	(void)pthread_mutex_lock(&b->lock);
	e = b->failed ? err_say(ERR_IO,
			    "'%s' failed before; see to its disk and start "
			    "this program again",
			    b->dir) :
			blobs_reserve(b, n);
	(void)pthread_mutex_unlock(&b->lock);
	return e;
}

/* What was promised becomes the blob's, or is given back. */
static void
settle(struct blob *x, uint64_t n, bool written)
{
	(void)pthread_mutex_lock(&x->b->lock);
	if (written && x->entry)
		x->entry->bytes += n;
	else
		x->b->bytes -= n;
	(void)pthread_mutex_unlock(&x->b->lock);
}

static enum err
put_locked(struct blob *x, uint64_t i, const void *p, size_t n)
{
	bool written = false;
	enum err e = ERR_OK;

	if (x->dropped)
		return err_say(ERR_NOTFOUND, "the blob was dropped");
	if (x->failed)
		return io_failed(x, ERR_IO, "write");
	if (!blobs_span_has(x, i)) {
		e = reserve(x->b, n);
		if (e)
			return e;
		e = store_locked(x, i, p, n, &written);
		settle(x, n, written);
	}
	if (e == ERR_OK && x->missing == 0 && !x->whole)
		e = finish_locked(x);
	return e;
}

enum err
blobs_span_put(struct blob *x, uint64_t i, const void *p, size_t n)
{
	const uint8_t *leaves;
	uint8_t leaf[32];
	enum err e;

	if (i >= x->spans || n != blobs_span_len(x->length, i))
		return err_say(ERR_INVAL,
		    "%zu bytes cannot be span %" PRIu64 " of a blob of "
		    "%" PRIu64,
		    n, i, x->length);
	e = need_leaves(x, &leaves);
	if (e)
		return e;
	seal_leaf(i, p, n, leaf);
	if (memcmp(leaf, leaves + 32 * i, 32) != 0)
		return err_say(ERR_FORGED,
		    "span %" PRIu64 " does not match its blob id", i);
	(void)pthread_mutex_lock(&x->sync);
	e = put_locked(x, i, p, n);
	(void)pthread_mutex_unlock(&x->sync);
	return e;
}
