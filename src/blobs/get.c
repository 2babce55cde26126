/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "blobs/blobs_internal.h"

#define NOTE_USE_MS (3600LL * 1000) /* how exact the use on disk is */

static void
blob_free(struct blob *x)
{
	if (x == NULL)
		return;
	cleanup_fd_close(&x->fd);
	cleanup_fd_close(&x->part_fd);
	(void)pthread_mutex_destroy(&x->sync);
	free(x->leaves);
	free(x->bits);
	free(x);
}
DEFINE_CLEANUP(struct blob *, blob_free);

static int
open_file(const struct blob *x, const char *suffix, int flags)
{
	char name[BLOBS_NAME];

	blobs_name(&x->id, suffix, name);
	return openat(x->b->dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
}

static enum err
open_failed(const struct blob *x, const char *suffix)
{
	char name[BLOBS_NAME];

	blobs_name(&x->id, suffix, name);
	return blobs_failed(x->b, name, "open");
}

static enum err
wrong_size(const struct blob *x, const char *suffix)
{
	char name[BLOBS_NAME];

	blobs_name(&x->id, suffix, name);
	return err_say(ERR_CORRUPT,
	    "'%s/%s' has not its length; fetch or restore it again", x->b->dir,
	    name);
}

static enum err
size_of(const struct blob *x, const char *suffix, uint64_t *out)
{
	struct stat st;

	if (fstat(x->fd, &st) != 0)
		return open_failed(x, suffix);
	if (!S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (uint64_t)st.st_size > BLOBS_MAX_LENGTH)
		return wrong_size(x, suffix);
	*out = (uint64_t)st.st_size;
	return ERR_OK;
}

/* The leaf of a single span is computed when it is asked for. */
static enum err
load_whole(struct blob *x)
{
	uint64_t says;
	enum err e = size_of(x, ".blob", &x->length);

	if (e)
		return e;
	x->spans = seal_spans(x->length);
	x->whole = true;
	x->loaded = x->length;
	if (x->spans == 1)
		return ERR_OK;
	e = blobs_leaves_load(x->b, &x->id, &says, &x->leaves);
	if (e == ERR_OK && says != x->length)
		e = wrong_size(x, ".blob");
	return e;
}

static enum err
load_announced(struct blob *x)
{
	uint64_t size;
	enum err e = size_of(x, ".new", &size);

	if (e == ERR_OK)
		e = blobs_leaves_load(x->b, &x->id, &x->length, &x->leaves);
	if (e)
		return e;
	if (size != x->length)
		return wrong_size(x, ".new");
	x->spans = seal_spans(x->length);
	x->part_fd = open_file(x, ".part", O_RDWR);
	if (x->part_fd < 0)
		return open_failed(x, ".part");
	e = blobs_bits_load(x->b, x->part_fd, &x->id, x->length, &x->bits);
	if (e == ERR_OK)
		x->missing = x->spans -
		    blobs_bits_count(x->bits, x->length, &x->loaded);
	return e;
}

static enum err
load(struct blobs *b, const struct blob_id *id, struct blob **out)
{
	CLEANUP(blob_free) struct blob *x = calloc(1, sizeof(*x));
	enum err e;

	if (x == NULL)
		return ERR_NOMEM;
	*x = (struct blob){ .b = b, .id = *id, .part_fd = -1 };
	(void)pthread_mutex_init(&x->sync, NULL);
	x->fd = open_file(x, ".blob", O_RDONLY);
	if (x->fd >= 0) {
		e = load_whole(x);
	} else {
		if (errno != ENOENT)
			return open_failed(x, ".blob");
		x->fd = open_file(x, ".new", O_RDWR);
		if (x->fd < 0)
			return errno == ENOENT ? ERR_NOTFOUND :
						 open_failed(x, ".new");
		e = load_announced(x);
	}
	if (e == ERR_OK)
		*out = TAKE(x);
	return e;
}

/* Load ${id} and enter it in the table. */
static enum err
enter_locked(
    struct blobs *b, const struct blob_id *id, struct blobs_entry **out)
{
	struct blobs_entry *e = blobs_find(b, id);
	struct blob *x = NULL;
	enum err err;

	*out = e;
	if (e && e->open)
		return ERR_OK;
	err = load(b, id, &x);
	if (err)
		return err;
	if (e == NULL)
		e = blobs_entry_new(b, id, x->loaded, 0);
	if (e == NULL) {
		blob_free(x);
		return ERR_NOMEM;
	}
	e->open = x;
	x->entry = e;
	*out = e;
	return ERR_OK;
}

static enum err
get_locked(struct blobs *b, const struct blob_id *id, struct blob **out,
    bool *note_use)
{
	struct blobs_entry *e;
	enum err err = enter_locked(b, id, &e);
	int64_t now;

	if (err)
		return err;
	e->open->refs++;
	*out = e->open;
	if (b->max_bytes == 0)
		return ERR_OK;
	blobs_entry_used(b, e);
	now = clock_wall_ms();
	*note_use = now - e->used_ms > NOTE_USE_MS;
	if (*note_use)
		e->used_ms = now;
	return ERR_OK;
}

enum err
blobs_get(struct blobs *b, const struct blob_id *id, struct blob **out)
{
	bool note_use = false;
	enum err e;

	(void)pthread_mutex_lock(&b->lock);
	e = get_locked(b, id, out, &note_use);
	(void)pthread_mutex_unlock(&b->lock);
	if (e == ERR_OK && note_use)
		(void)futimens((*out)->fd, NULL);
	return e;
}

/* Say whether it was the last one. */
static bool
put_locked(struct blob *x)
{
	struct blobs_entry *e = x->entry;

	if (--x->refs > 0)
		return false;
	if (e) {
		e->open = NULL;
		if (x->b->max_bytes == 0)
			blobs_entry_free(x->b, e);
	}
	return true;
}

void
blobs_put(struct blob *x)
{
	struct blobs *b;
	bool last;

	if (x == NULL)
		return;
	b = x->b;
	(void)pthread_mutex_lock(&b->lock);
	last = put_locked(x);
	(void)pthread_mutex_unlock(&b->lock);
	if (last)
		blob_free(x);
}

/* Take the files and the entry away; ${x} is the open blob or NULL. */
static enum err
drop_locked(struct blobs *b, const struct blob_id *id, struct blob *x)
{
	struct blobs_entry *known = blobs_find(b, id);
	enum blobs_there there = blobs_look(b, id);
	struct blobs_size size;
	enum err e;

	if (there == BLOBS_NONE)
		return err_say(ERR_NOTFOUND, "no such blob in '%s'", b->dir);
	e = blobs_stat(b, id, there == BLOBS_WHOLE ? ".blob" : ".new", &size);
	if (e == ERR_OK)
		e = blobs_unlink(b, id);
	if (e)
		return e;
	b->bytes -= known ? known->bytes : size.bytes;
	if (x)
		x->entry = NULL;
	if (known)
		blobs_entry_free(b, known);
	return ERR_OK;
}

/* An open blob lives on without a name; what is being stored is finished. */
static enum err
drop_open(struct blobs *b, struct blob *x)
{
	enum err e = ERR_NOTFOUND;

	(void)pthread_mutex_lock(&x->sync);
	(void)pthread_mutex_lock(&b->lock);
	if (x->entry)
		e = drop_locked(b, &x->id, x);
	x->dropped = x->dropped || e == ERR_OK;
	(void)pthread_mutex_unlock(&b->lock);
	(void)pthread_mutex_unlock(&x->sync);
	return e;
}

enum err
blobs_drop(struct blobs *b, const struct blob_id *id)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	struct blobs_entry *known;
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&b->lock);
	known = blobs_find(b, id);
	if (known && known->open) {
		x = known->open;
		x->refs++;
	} else {
		e = drop_locked(b, id, NULL);
	}
	(void)pthread_mutex_unlock(&b->lock);
	if (x)
		e = drop_open(b, x);
	return e ? e : blobs_sync_fan(b, id);
}
