/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "blobs/blobs_internal.h"

#define FORMAT "consentfs blobs 1\n"

static enum err
take_lock(struct blobs *b)
{
	CLEANUP(free) char *path = file_join(b->dir, "lock");

	return path ? file_lock(path, &b->lock_fd) : ERR_NOMEM;
}

/* The format is written first, so directories without it are not ours. */
static enum err
start_format(struct blobs *b, const char *path)
{
	if (faccessat(b->dir_fd, "00", F_OK, 0) == 0)
		return err_say(ERR_CORRUPT,
		    "'%s' is gone; put it back or use another directory", path);
	return file_create(path, FORMAT, strlen(FORMAT), 0600);
}

static enum err
check_format(struct blobs *b)
{
	CLEANUP(free) char *path = file_join(b->dir, "format");
	CLEANUP_BUF struct buf text = { 0 };
	const char *s;
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	e = file_read(path, 256, &text);
	if (e == ERR_NOTFOUND)
		return start_format(b, path);
	if (e && e != ERR_TOOBIG)
		return e;
	s = buf_text(&text);
	if (strcmp(s, FORMAT) == 0)
		return ERR_OK;
	return err_say(ERR_UNSUPPORTED,
	    "'%s' has format '%.*s', this program reads '%.*s'; use the "
	    "program that wrote it",
	    b->dir, (int)strcspn(s, "\n"), s, (int)strlen(FORMAT) - 1, FORMAT);
}

static enum err
make_fans(struct blobs *b)
{
	bool made = false;
	char name[3];

	for (unsigned i = 0; i < BLOBS_FAN; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i & 0xff);
		if (mkdirat(b->dir_fd, name, 0700) == 0)
			made = true;
		else if (errno != EEXIST)
			return blobs_failed(b, name, "make directory");
	}
	return made ? file_sync_dir(b->dir) : ERR_OK;
}

static struct blobs *
blobs_new(const struct blobs_opts *opts)
{
	struct blobs *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->dir_fd = b->lock_fd = -1;
	b->max_bytes = opts->max_bytes;
	(void)pthread_mutex_init(&b->lock, NULL);
	b->dir = strdup(opts->dir);
	return b;
}

enum err
blobs_open(const struct blobs_opts *opts, struct blobs **out)
{
	CLEANUP(blobs_close) struct blobs *b = blobs_new(opts);
	enum err e;

	if (b == NULL || b->dir == NULL)
		return ERR_NOMEM;
	if ((e = file_mkdirs(b->dir)) != ERR_OK || (e = take_lock(b)) != ERR_OK)
		return e;
	b->dir_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0)
		return blobs_failed(b, "", "open");
	if ((e = check_format(b)) != ERR_OK || (e = make_fans(b)) != ERR_OK ||
	    (e = blobs_scan(b)) != ERR_OK)
		return e;
	*out = TAKE(b);
	return ERR_OK;
}

void
blobs_close(struct blobs *b)
{
	if (b == NULL)
		return;
	while (b->oldest)
		blobs_entry_free(b, b->oldest);
	free(b->buckets);
	cleanup_fd_close(&b->dir_fd);
	cleanup_fd_close(&b->lock_fd);
	(void)pthread_mutex_destroy(&b->lock);
	free(b->dir);
	free(b);
}

bool
blobs_has(struct blobs *b, const struct blob_id *id)
{
	enum blobs_there there;

	(void)pthread_mutex_lock(&b->lock);
	there = blobs_look(b, id);
	(void)pthread_mutex_unlock(&b->lock);
	return there == BLOBS_WHOLE;
}

uint64_t
blobs_bytes(struct blobs *b)
{
	uint64_t bytes;

	(void)pthread_mutex_lock(&b->lock);
	bytes = b->bytes;
	(void)pthread_mutex_unlock(&b->lock);
	return bytes;
}
