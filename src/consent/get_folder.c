/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The folder that get makes.  Documents are written into a hidden one beside
 * it, which takes its name when all are on disk.  A run that was killed leaves
 * the hidden one; the next run of the same set in the same place writes over
 * what is in it, since nobody can tell whether that is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "consent/get.h"

static enum err
no_folder(const char *path)
{
	return err_say(err_from_errno(errno),
	    "cannot make '%s': %s; name a new folder with --to", path,
	    strerror(errno));
}

/* ${path} without slashes at its end. */
static char *
trimmed(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static enum err
failed(const struct consent_folder *f, const char *what)
{
	return err_say(err_from_errno(errno), "cannot %s '%s': %s", what,
	    f->part, strerror(errno));
}

/* What is there must be ours alone: others may write beside it. */
static enum err
take_over(struct consent_folder *f)
{
	CLEANUP_FD int fd = open(
	    f->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool other = fd < 0 && (errno == ELOOP || errno == ENOTDIR);
	struct stat st;

	if (!other && (fd < 0 || fstat(fd, &st) != 0))
		return failed(f, "open");
	if (other || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_say(ERR_EXISTS,
		    "'%s' is not a folder of an earlier run; remove it",
		    f->part);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno != EWOULDBLOCK ?
		    failed(f, "lock") :
		    err_say(ERR_BUSY,
			"another command fetches this set into '%s'",
			f->parent);
	f->fd = fd;
	fd = -1;
	return ERR_OK;
}

static enum err
check_free(const struct consent_folder *f)
{
	struct stat st;

	if (lstat(f->path, &st) != 0)
		return ERR_OK;
	errno = EEXIST;
	return no_folder(f->path);
}

enum err
consent_folder_begin(
    struct consent_folder *f, const char *path, const struct event_id *set)
{
	CLEANUP(free) char *name = NULL;
	enum err e;

	f->fd = -1;
	f->path = path ? trimmed(path) : NULL;
	f->parent = parent_of(f->path ? f->path : "");
	if ((path && f->path == NULL) || f->parent == NULL ||
	    asprintf(&name, ".consent-get-%s", TEXT58(set)) < 0)
		return ERR_NOMEM;
	f->part = file_join(f->parent, name);
	if (f->part == NULL)
		return ERR_NOMEM;
	e = f->path ? check_free(f) : ERR_OK;
	if (e)
		return e;
	if (mkdir(f->part, 0700) != 0 && errno != EEXIST)
		return no_folder(f->path ? f->path : f->part);
	return take_over(f);
}

enum err
consent_folder_name(struct consent_folder *f, const char *name)
{
	if (f->path)
		return ERR_OK;
	f->path = strdup(name);
	return f->path ? check_free(f) : ERR_NOMEM;
}

static enum err
give_name(struct consent_folder *f)
{
	int rc = renameat2(
	    AT_FDCWD, f->part, AT_FDCWD, f->path, RENAME_NOREPLACE);

	if (rc != 0 && errno == EINVAL) /* not all file systems have it */
		rc = rename(f->part, f->path);
	return rc == 0 ? file_sync_dir(f->parent) : no_folder(f->path);
}

/* Ten thousand small files: one wait for the disk, not one for each. */
enum err
consent_folder_done(struct consent_folder *f)
{
	enum err e;

	if (syncfs(f->fd) != 0)
		return err_say(err_from_errno(errno), "cannot write '%s': %s",
		    f->path, strerror(errno));
	e = give_name(f);
	f->done = e == ERR_OK;
	return e;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)at;
	/* remove() tries unlink() first, which the sandbox denies in a parent
	 */
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

void
consent_folder_end(struct consent_folder *f)
{
	if (f->fd >= 0 && !f->done)
		(void)nftw(f->part, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->part);
	free(f->parent);
	free(f->path);
}
