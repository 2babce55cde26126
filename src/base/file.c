/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static enum err
failed(const char *what, const char *path)
{
	int kept = errno;

	return err_say(err_from_errno(kept), "cannot %s '%s': %s", what, path,
	    strerror(kept));
}

enum err
file_read(const char *path, size_t max, struct buf *out)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t start = out->len;

	if (fd < 0)
		return failed("open", path);
	for (;;) {
		uint8_t *to = buf_room(out, 65536);
		ssize_t n;

		if (to == NULL)
			return out->err;
		do
			n = read(fd, to, 65536);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return failed("read", path);
		out->len -= 65536 - (size_t)n;
		if (out->len - start > max)
			return err_say(ERR_TOOBIG,
			    "'%s' is larger than %zu bytes", path, max);
		if (n == 0)
			return out->err;
	}
}

enum err
file_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	const uint8_t *p = buf;

	while (n > 0) {
		ssize_t k = pwrite(fd, p, n, off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_from_errno(errno);
		p += k;
		n -= (size_t)k;
		off += k;
	}
	return ERR_OK;
}

enum err
file_pread(int fd, void *buf, size_t n, off_t off)
{
	uint8_t *p = buf;

	while (n > 0) {
		ssize_t k = pread(fd, p, n, off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_from_errno(errno);
		if (k == 0)
			return ERR_CORRUPT;
		p += k;
		n -= (size_t)k;
		off += k;
	}
	return ERR_OK;
}

enum err
file_sync_dir(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return failed("sync directory", path);
	return ERR_OK;
}

static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash && slash > path ? (size_t)(slash - path) : 1;

	return strndup(slash ? path : ".", n);
}

static enum err
sync_parent(const char *path)
{
	CLEANUP(free) char *dir = parent_of(path);

	return dir ? file_sync_dir(dir) : ERR_NOMEM;
}

/*
 * Hidden, so that no list of the directory shows it, and always the same, so
 * that what a crash leaves behind does not pile up.
 */
static char *
tmp_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;
	char *tmp = NULL;

	if (asprintf(&tmp, "%.*s.%s.new", dir, path, path + dir) < 0)
		return NULL;
	return tmp;
}

/* Fresh, and still under this name: its last writer may have renamed it. */
static bool
is_usable(int fd, const char *tmp, bool *out_stale)
{
	struct stat mine, named;
	bool same = fstat(fd, &mine) == 0 && lstat(tmp, &named) == 0 &&
	    mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
	bool fresh = same && S_ISREG(mine.st_mode) && mine.st_size == 0 &&
	    mine.st_nlink == 1 && mine.st_uid == geteuid();

	*out_stale = same && !fresh;
	return fresh;
}

/* One writer at a time; what a crash left is made anew. */
static enum err
open_tmp(const char *tmp, mode_t mode, int *out_fd)
{
	bool stale;

	for (;;) {
		CLEANUP_FD int fd = open(tmp,
		    O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW,
		    mode);

		if (fd < 0)
			return failed("create", tmp);
		while (flock(fd, LOCK_EX) != 0)
			if (errno != EINTR)
				return failed("lock", tmp);
		if (is_usable(fd, tmp, &stale)) {
			*out_fd = fd;
			fd = -1;
			return ERR_OK;
		}
		if (stale && unlink(tmp) != 0 && errno != ENOENT)
			return failed("remove", tmp);
	}
}

static enum err
fill_and_name(int fd, const char *tmp, const char *path, const void *bytes,
    size_t len, bool replace)
{
	if (file_pwrite(fd, bytes, len, 0) != ERR_OK || fsync(fd) != 0)
		return failed("write", tmp);
	if ((replace ? rename(tmp, path) : link(tmp, path)) != 0)
		return failed("create", path);
	return ERR_OK;
}

static enum err
write_whole(
    const char *path, const void *bytes, size_t len, mode_t mode, bool replace)
{
	/* first: once the name is there only the disk may fail */
	CLEANUP(free) char *dir = parent_of(path), *tmp = tmp_name(path);
	CLEANUP_FD int fd = -1;
	enum err e = dir && tmp ? open_tmp(tmp, mode, &fd) : ERR_NOMEM;

	if (e != ERR_OK)
		return e;
	e = fill_and_name(fd, tmp, path, bytes, len, replace);
	if (e != ERR_OK || !replace)
		(void)unlink(tmp); /* under the lock, so it is ours */
	return e == ERR_OK ? file_sync_dir(dir) : e;
}

enum err
file_write(const char *path, const void *bytes, size_t len, mode_t mode)
{
	return write_whole(path, bytes, len, mode, true);
}

enum err
file_create(const char *path, const void *bytes, size_t len, mode_t mode)
{
	return write_whole(path, bytes, len, mode, false);
}

/* Durable each: what is in it may be acknowledged next. */
static enum err
make_dir(const char *dir)
{
	if (mkdir(dir, 0700) == 0)
		return sync_parent(dir);
	return errno == EEXIST ? ERR_OK : failed("make directory", dir);
}

enum err
file_mkdirs(const char *path)
{
	CLEANUP(free) char *dir = strdup(path);
	struct stat st;
	enum err e;

	if (dir == NULL)
		return ERR_NOMEM;
	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if ((e = make_dir(dir)) != ERR_OK)
			return e;
		*p = '/';
	}
	if ((e = make_dir(dir)) != ERR_OK)
		return e;
	if (stat(dir, &st) != 0)
		return failed("look at", dir);
	if (!S_ISDIR(st.st_mode))
		return err_say(ERR_INVAL,
		    "'%s' is not a directory; remove it or name another", dir);
	return ERR_OK;
}

char *
file_join(const char *dir, const char *name)
{
	char *path = NULL;

	if (name[0] == '/')
		return strdup(name);
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return NULL;
	return path;
}

enum err
file_lock(const char *path, int *out_fd)
{
	CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int kept;

	if (fd < 0)
		return failed("open", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return err_say(ERR_BUSY,
			    "'%s' is in use by another process; stop it first",
			    path);
		return failed("lock", path);
	}
	kept = fd;
	fd = -1;
	*out_fd = kept;
	return ERR_OK;
}
