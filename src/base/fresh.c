/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fresh.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

/* While it is there, what is there may be removed. */
#define MARK ".unfinished"

static bool
is_there(const char *dir, const char *name)
{
	CLEANUP(free) char *path = file_join(dir, name);

	return path && access(path, F_OK) == 0;
}

static enum err
drop(const char *dir, const char *name)
{
	CLEANUP(free) char *path = file_join(dir, name);

	if (path == NULL)
		return ERR_NOMEM;
	if (remove(path) != 0 && errno != ENOENT)
		return err_say(err_from_errno(errno), "cannot remove '%s': %s",
		    path, strerror(errno));
	return ERR_OK;
}

/* With the last file it is whole and left alone. */
enum err
fresh_begin(const char *dir, const char *const names[], size_t n)
{
	CLEANUP(free) char *mark = file_join(dir, MARK);
	bool left = is_there(dir, MARK) && !is_there(dir, names[n - 1]);
	enum err e = ERR_OK;

	if (mark == NULL)
		return ERR_NOMEM;
	for (size_t i = n; i-- > 0 && e == ERR_OK;) {
		if (left)
			e = drop(dir, names[i]);
		else if (is_there(dir, names[i]))
			e = err_say(ERR_EXISTS,
			    "'%s' holds '%s' already; choose another folder",
			    dir, names[i]);
	}
	return e == ERR_OK ? file_write(mark, "", 0, 0600) : e;
}

enum err
fresh_end(const char *dir)
{
	enum err e = drop(dir, MARK);

	return e == ERR_OK ? file_sync_dir(dir) : e;
}
