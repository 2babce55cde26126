/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "blobs/blobs_internal.h"

void
blobs_name(
    const struct blob_id *id, const char *suffix, char out[static BLOBS_NAME])
{
	char hex[2 * sizeof(id->b) + 1];

	text_hex(id->b, sizeof(id->b), hex);
	(void)snprintf(out, BLOBS_NAME, "%.2s/%s%s", hex, hex, suffix);
}

bool
blobs_name_read(const char *name, const char *suffix, struct blob_id *out)
{
	char hex[2 * sizeof(out->b) + 1], again[sizeof(hex)];
	size_t n = sizeof(hex) - 1;

	if (strlen(name) < n || strcmp(name + n, suffix) != 0)
		return false;
	memcpy(hex, name, n);
	hex[n] = '\0';
	if (text_hex_read(hex, out->b, sizeof(out->b)) != ERR_OK)
		return false;
	text_hex(out->b, sizeof(out->b), again);
	return strcmp(hex, again) == 0; /* lower case only */
}

enum err
blobs_failed(const struct blobs *b, const char *name, const char *what)
{
	int kept = errno;

	return err_say(err_from_errno(kept), "cannot %s '%s/%s': %s", what,
	    b->dir, name, strerror(kept));
}

enum blobs_there
blobs_look(const struct blobs *b, const struct blob_id *id)
{
	char name[BLOBS_NAME];

	blobs_name(id, ".blob", name);
	if (faccessat(b->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return BLOBS_WHOLE;
	blobs_name(id, ".new", name);
	if (faccessat(b->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return BLOBS_ANNOUNCED;
	return BLOBS_NONE;
}

enum err
blobs_unlink(const struct blobs *b, const struct blob_id *id)
{
	static const char *const suffixes[] = { ".blob", ".new", ".part",
		".leaves" };
	char name[BLOBS_NAME];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		blobs_name(id, suffixes[i], name);
		if (unlinkat(b->dir_fd, name, 0) != 0 && errno != ENOENT)
			return blobs_failed(b, name, "remove");
	}
	return ERR_OK;
}

enum err
blobs_rename(const struct blobs *b, const char *tmp, const struct blob_id *id,
    const char *suffix)
{
	char name[BLOBS_NAME];

	blobs_name(id, suffix, name);
	if (renameat(b->dir_fd, tmp, b->dir_fd, name) != 0)
		return blobs_failed(b, name, "create");
	return ERR_OK;
}

enum err
blobs_give_up(struct blobs *b, enum err e)
{
	(void)pthread_mutex_lock(&b->lock);
	b->failed = b->max_bytes == 0;
	(void)pthread_mutex_unlock(&b->lock);
	return e;
}

enum err
blobs_sync_fan(struct blobs *b, const struct blob_id *id)
{
	CLEANUP_FD int fd = -1;
	char name[BLOBS_NAME];

	blobs_name(id, "", name);
	name[2] = '\0';
	fd = openat(b->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return blobs_failed(b, name, "open directory");
	if (fsync(fd) == 0)
		return ERR_OK;
	return blobs_give_up(b, blobs_failed(b, name, "sync directory"));
}

int
blobs_tmp_open(
    struct blobs *b, const struct blob_id *id, char out_name[static BLOBS_NAME])
{
	uint64_t serial;

	(void)pthread_mutex_lock(&b->lock);
	serial = b->serial++;
	(void)pthread_mutex_unlock(&b->lock);
	(void)snprintf(
	    out_name, BLOBS_NAME, "%02x/%" PRIu64 ".tmp", id->b[0], serial);
	return openat(b->dir_fd, out_name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

enum err
blobs_tmp_write(struct blobs *b, const struct blob_id *id, const void *bytes,
    size_t n, char out_name[static BLOBS_NAME])
{
	CLEANUP_FD int fd = blobs_tmp_open(b, id, out_name);
	enum err e;

	if (fd < 0) {
		e = blobs_failed(b, out_name, "create");
		out_name[0] = '\0';
		return e;
	}
	e = file_pwrite(fd, bytes, n, 0);
	return e ?
	    err_say(e, "cannot write a blob in '%s': %s", b->dir, err_text(e)) :
	    ERR_OK;
}

enum err
blobs_tmp_sync(const struct blobs *b, const char *name)
{
	CLEANUP_FD int fd = -1;

	if (name[0] == '\0')
		return ERR_OK;
	fd = openat(b->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd) != 0)
		return blobs_failed(b, name, "sync");
	return ERR_OK;
}

void
blobs_tmp_drop(const struct blobs *b, const char *name)
{
	if (name[0] != '\0')
		(void)unlinkat(b->dir_fd, name, 0);
}
