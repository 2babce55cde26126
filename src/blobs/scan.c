/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "blobs/blobs_internal.h"

static bool
is_there(const struct blobs *b, const struct blob_id *id, const char *suffix)
{
	char name[BLOBS_NAME];

	blobs_name(id, suffix, name);
	return faccessat(b->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
forget(const struct blobs *b, const struct blob_id *id, const char *suffix)
{
	char name[BLOBS_NAME];

	blobs_name(id, suffix, name);
	(void)unlinkat(b->dir_fd, name, 0);
}

static enum err
count_in(
    struct blobs *b, const struct blob_id *id, const struct blobs_size *size)
{
	b->bytes += size->bytes;
	if (b->max_bytes == 0 ||
	    blobs_entry_new(b, id, size->bytes, size->used_ms))
		return ERR_OK;
	return ERR_NOMEM;
}

static enum err
count_blob(struct blobs *b, const struct blob_id *id)
{
	struct blobs_size size;
	enum err e = blobs_stat(b, id, ".blob", &size);

	return e ? e : count_in(b, id, &size);
}

static enum err
count_new(struct blobs *b, const struct blob_id *id)
{
	struct blobs_size size;
	enum err e = blobs_stat(b, id, ".new", &size);

	return e ? e : count_in(b, id, &size);
}

/* The crash came after the last span: give it the name of a whole blob. */
static enum err
finish(struct blobs *b, const struct blob_id *id, uint64_t length)
{
	char name[BLOBS_NAME];
	enum err e;

	blobs_name(id, ".new", name);
	e = blobs_rename(b, name, id, ".blob");
	if (e == ERR_OK)
		e = blobs_sync_fan(b, id);
	if (e)
		return e;
	forget(b, id, ".part");
	if (seal_spans(length) == 1)
		forget(b, id, ".leaves");
	return ERR_OK;
}

static enum err
tidy_new(struct blobs *b, const struct blob_id *id)
{
	struct blobs_size size;
	enum err e;

	if (is_there(b, id, ".blob") || !is_there(b, id, ".part") ||
	    !is_there(b, id, ".leaves")) {
		forget(b, id, ".new");
		return ERR_OK;
	}
	e = blobs_stat(b, id, ".new", &size);
	if (e == ERR_OK && size.all)
		return finish(b, id, size.length);
	return e;
}

static enum err
tidy_part(struct blobs *b, const struct blob_id *id)
{
	if (!is_there(b, id, ".new"))
		forget(b, id, ".part");
	return ERR_OK;
}

/* A whole blob of one span needs no leaf list. */
static enum err
tidy_leaves(struct blobs *b, const struct blob_id *id)
{
	struct blobs_size size;

	if (is_there(b, id, ".new"))
		return ERR_OK;
	if (!is_there(b, id, ".blob") ||
	    (blobs_stat(b, id, ".blob", &size) == ERR_OK &&
		seal_spans(size.length) == 1))
		forget(b, id, ".leaves");
	return ERR_OK;
}

struct kind {
	const char *suffix;
	enum err (*fn)(struct blobs *b, const struct blob_id *id);
};

static enum err
by_kind(struct blobs *b, const char *name, const struct kind *kinds, size_t n)
{
	struct blob_id id;

	for (size_t i = 0; i < n; i++)
		if (blobs_name_read(name, kinds[i].suffix, &id))
			return kinds[i].fn(b, &id);
	return ERR_OK;
}

/* What to do with each name in a directory. */
struct visit {
	enum err (*fn)(struct blobs *b, const char *fan, const char *name,
	    struct visit *v);
	bool (*each)(void *ctx, const struct blob_id *id);
	void *ctx;
	bool stop;
};

static enum err
tidy(struct blobs *b, const char *fan, const char *name, struct visit *v)
{
	static const struct kind kinds[] = { { ".new", tidy_new },
		{ ".part", tidy_part }, { ".leaves", tidy_leaves } };
	char path[BLOBS_NAME];
	size_t n = strlen(name);

	(void)v;
	if (n > 4 && n < BLOBS_NAME - 3 && strcmp(name + n - 4, ".tmp") == 0) {
		(void)snprintf(path, sizeof(path), "%.2s/%.76s", fan, name);
		(void)unlinkat(b->dir_fd, path, 0);
	}
	return by_kind(b, name, kinds, ARRAY_LEN(kinds));
}

static enum err
count(struct blobs *b, const char *fan, const char *name, struct visit *v)
{
	static const struct kind kinds[] = { { ".blob", count_blob },
		{ ".new", count_new } };

	(void)fan;
	(void)v;
	return by_kind(b, name, kinds, ARRAY_LEN(kinds));
}

static enum err
each(struct blobs *b, const char *fan, const char *name, struct visit *v)
{
	struct blob_id id;

	(void)b;
	(void)fan;
	if (blobs_name_read(name, ".blob", &id))
		v->stop = !v->each(v->ctx, &id);
	return ERR_OK;
}

static enum err
visit_names(struct blobs *b, DIR *d, const char *fan, struct visit *v)
{
	struct dirent *de;
	enum err e = ERR_OK;

	while (e == ERR_OK && !v->stop) {
		errno = 0;
		de = readdir(d);
		if (de == NULL)
			return errno ? blobs_failed(b, fan, "read directory") :
				       ERR_OK;
		e = v->fn(b, fan, de->d_name, v);
	}
	return e;
}

static enum err
visit_fan(struct blobs *b, unsigned number, struct visit *v)
{
	char fan[3];
	enum err e;
	DIR *d;
	int fd;

	(void)snprintf(fan, sizeof(fan), "%02x", number & 0xff);
	fd = openat(b->dir_fd, fan, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		e = blobs_failed(b, fan, "read directory");
		cleanup_fd_close(&fd);
		return e;
	}
	e = visit_names(b, d, fan, v);
	(void)closedir(d);
	return e;
}

static enum err
visit_all(struct blobs *b, struct visit v)
{
	enum err e = ERR_OK;

	for (unsigned i = 0; i < BLOBS_FAN && !v.stop && e == ERR_OK; i++)
		e = visit_fan(b, i, &v);
	return e;
}

enum err
blobs_each(
    struct blobs *b, bool (*fn)(void *ctx, const struct blob_id *id), void *ctx)
{
	return visit_all(b, (struct visit){ each, fn, ctx, false });
}

/* Tidy first: a name that changes may be read twice or never. */
enum err
blobs_scan(struct blobs *b)
{
	enum err e = visit_all(b, (struct visit){ .fn = tidy });

	if (e == ERR_OK)
		e = visit_all(b, (struct visit){ .fn = count });
	if (e == ERR_OK)
		e = blobs_sort(b);
	if (e || b->max_bytes == 0)
		return e;
	e = blobs_reserve(b, 0); /* the quota may be smaller than before */
	if (e)
		log_warn("blobs: %s", err_detail(e));
	return e == ERR_NOSPACE ? ERR_OK : e;
}
