/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "blobs/blobs_internal.h"

#define SYNC_ALL_FROM                                                          \
	32 /* files, or directories, from where one syncfs() for               \
	    * all is faster than one flush for each */

/* A piece on its way into the store. */
struct stage {
	char blob[BLOBS_NAME], leaves[BLOBS_NAME]; /* temporary; "" = none */
	uint64_t reserved;
	bool announced; /* its spans are awaited: fill them in */
};

struct batch {
	struct blobs *b;
	struct blobs_piece *pieces;
	struct stage *stages;
	size_t n, written;
	int sync_fd; /* opened first, so that it hears of all errors */
};

static enum err
stage_leaves(struct blobs *b, const struct blobs_piece *p,
    const struct buf *leaves, struct stage *s)
{
	CLEANUP_BUF struct buf file = { 0 };

	blobs_head_put(&file, blobs_magic_leaves, p->n);
	buf_put(&file, leaves->p, leaves->len);
	if (file.err)
		return file.err;
	return blobs_tmp_write(b, &p->id, file.p, file.len, s->leaves);
}

/* Decide under the lock what is to be done, and reserve the space for it. */
static enum err
claim(struct blobs *b, const struct blobs_piece *p, struct stage *s,
    bool *out_write)
{
	enum blobs_there there;
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&b->lock);
	there = blobs_look(b, &p->id);
	*out_write = there == BLOBS_NONE;
	s->announced = there == BLOBS_ANNOUNCED;
	if (b->failed)
		e = err_say(ERR_IO,
		    "'%s' failed before; see to its disk and start this "
		    "program again",
		    b->dir);
	else if (*out_write)
		e = blobs_reserve(b, p->n);
	if (e == ERR_OK && *out_write)
		s->reserved = p->n;
	(void)pthread_mutex_unlock(&b->lock);
	return e;
}

static enum err
stage(struct batch *t, struct blobs_piece *p, struct stage *s)
{
	CLEANUP_BUF struct buf leaves = { 0 };
	bool write;
	enum err e;

	if (p->n > BLOBS_MAX_LENGTH)
		return err_say(ERR_TOOBIG, "%zu bytes are no blob", p->n);
	e = blobs_leaves_of(p->p, p->n, &leaves);
	if (e)
		return e;
	seal_blob_id(p->n, leaves.p, leaves.len / 32, &p->id);
	e = claim(t->b, p, s, &write);
	if (e || !write)
		return e;
	t->written++;
	e = blobs_tmp_write(t->b, &p->id, p->p, p->n, s->blob);
	if (e == ERR_OK && leaves.len > 32)
		e = stage_leaves(t->b, p, &leaves, s);
	return e;
}

static enum err
sync_all(const struct batch *t)
{
	if (syncfs(t->sync_fd) != 0)
		return blobs_failed(t->b, "", "sync");
	return ERR_OK;
}

static enum err
sync_files(const struct batch *t)
{
	enum err e = ERR_OK;

	if (t->written >= SYNC_ALL_FROM)
		return sync_all(t);
	for (size_t i = 0; i < t->n && e == ERR_OK; i++) {
		e = blobs_tmp_sync(t->b, t->stages[i].blob);
		if (e == ERR_OK)
			e = blobs_tmp_sync(t->b, t->stages[i].leaves);
	}
	return e;
}

static enum err
publish_locked(struct blobs *b, const struct blob_id *id, struct stage *s)
{
	enum blobs_there there = blobs_look(b, id);
	struct blobs_entry *entry = NULL;
	enum err e = ERR_OK;

	s->announced = there == BLOBS_ANNOUNCED;
	if (there != BLOBS_NONE)
		return ERR_OK; /* somebody else was faster */
	if (b->max_bytes != 0) {
		entry = blobs_entry_new(b, id, s->reserved, 0);
		if (entry == NULL)
			return ERR_NOMEM;
	}
	if (s->leaves[0] != '\0')
		e = blobs_rename(b, s->leaves, id, ".leaves");
	if (e == ERR_OK)
		e = blobs_rename(b, s->blob, id, ".blob");
	if (e && entry)
		blobs_entry_free(b, entry);
	if (e)
		return e;
	s->blob[0] = s->leaves[0] = '\0';
	s->reserved = 0;
	return ERR_OK;
}

static enum err
publish(const struct batch *t)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < t->n && e == ERR_OK; i++) {
		if (t->stages[i].blob[0] == '\0')
			continue;
		(void)pthread_mutex_lock(&t->b->lock);
		e = publish_locked(t->b, &t->pieces[i].id, &t->stages[i]);
		(void)pthread_mutex_unlock(&t->b->lock);
	}
	return e;
}

/*
 * Also for what was there already: who put it there may not have come to this.
 */
static enum err
sync_names(const struct batch *t)
{
	const struct blob_id *one[BLOBS_FAN] = { NULL };
	size_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; i < t->n; i++) {
		const struct blob_id **fan = &one[t->pieces[i].id.b[0]];

		n += *fan == NULL;
		*fan = &t->pieces[i].id;
	}
	if (n >= SYNC_ALL_FROM) {
		e = sync_all(t);
		return e ? blobs_give_up(t->b, e) : e;
	}
	for (size_t i = 0; i < BLOBS_FAN && e == ERR_OK; i++)
		if (one[i])
			e = blobs_sync_fan(t->b, one[i]);
	return e;
}

/* Give an announced blob the spans that it waits for. */
static enum err
fill(struct blobs *b, const struct blobs_piece *p)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	const uint8_t *bytes = p->p;
	enum err e = blobs_get(b, &p->id, &x);

	for (uint64_t i = 0; e == ERR_OK && i < seal_spans(p->n); i++)
		e = blobs_span_put(
		    x, i, bytes + i * SEAL_SPAN, blobs_span_len(p->n, i));
	return e;
}

static enum err
fill_announced(const struct batch *t)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < t->n && e == ERR_OK; i++)
		if (t->stages[i].announced)
			e = fill(t->b, &t->pieces[i]);
	return e;
}

static void
clean_up(const struct batch *t)
{
	uint64_t unused = 0;

	for (size_t i = 0; i < t->n; i++) {
		blobs_tmp_drop(t->b, t->stages[i].blob);
		blobs_tmp_drop(t->b, t->stages[i].leaves);
		unused += t->stages[i].reserved;
	}
	(void)pthread_mutex_lock(&t->b->lock);
	t->b->bytes -= unused;
	(void)pthread_mutex_unlock(&t->b->lock);
}

static enum err
run(struct batch *t)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < t->n && e == ERR_OK; i++)
		e = stage(t, &t->pieces[i], &t->stages[i]);
	if (e == ERR_OK)
		e = sync_files(t);
	if (e == ERR_OK)
		e = publish(t);
	if (e == ERR_OK)
		e = sync_names(t);
	return e ? e : fill_announced(t);
}

enum err
blobs_add_many(struct blobs *b, struct blobs_piece *pieces, size_t n)
{
	CLEANUP(free) struct stage *stages = calloc(n + 1, sizeof(*stages));
	CLEANUP_FD int fd = openat(
	    b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct batch t = { b, pieces, stages, n, 0, fd };
	enum err e;

	if (stages == NULL)
		return ERR_NOMEM;
	if (fd < 0)
		return blobs_failed(b, "", "open");
	e = run(&t);
	clean_up(&t);
	return e;
}

enum err
blobs_add(
    struct blobs *b, const void *bytes, size_t len, struct blob_id *out_id)
{
	struct blobs_piece piece = { .p = bytes, .n = len };
	enum err e = blobs_add_many(b, &piece, 1);

	if (e == ERR_OK)
		*out_id = piece.id;
	return e;
}
