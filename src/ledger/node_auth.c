/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How we prove to a node who we are: a line of a file that may change. */
#include "ledger/ledger_internal.h"

#include <sys/stat.h>

#include "base/file.h"

#define MAX_FILE 16384

enum err
ledger_auth_new(const char *header, const char *path, struct ledger_auth **out)
{
	CLEANUP(ledger_auth_free) struct ledger_auth *a = NULL;

	if (path == NULL || *path == '\0')
		return ERR_OK;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return ERR_NOMEM;
	a->header = header;
	a->path = strdup(path);
	if (a->path == NULL)
		return ERR_NOMEM;
	*out = TAKE(a);
	return ERR_OK;
}

void
ledger_auth_free(struct ledger_auth *a)
{
	if (a == NULL)
		return;
	buf_free(&a->line);
	free(a->path);
	free(a);
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum err
load(struct ledger_auth *a)
{
	CLEANUP_BUF struct buf text = { 0 };
	enum err e = file_read(a->path, MAX_FILE, &text);

	if (e && e != ERR_NOMEM)
		return err_say(ERR_CONFIG,
		    "cannot read the node's key or token: %s", err_detail(e));
	while (text.len > 0 && text.p[text.len - 1] <= ' ')
		text.len--;
	for (size_t i = 0; e == ERR_OK && i < text.len; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			e = ERR_FORMAT;
	if (e == ERR_FORMAT || (e == ERR_OK && text.len == 0))
		return err_say(ERR_CONFIG,
		    "'%s' does not hold the node's key or token; write it into "
		    "it as one line",
		    a->path);
	buf_free(&a->line);
	buf_str(&a->line, a->header);
	buf_put(&a->line, text.p, text.len);
	return e ? e : a->line.err;
}

enum err
ledger_auth_line(struct ledger_auth *a, struct buf *out)
{
	struct stat now;
	enum err e = ERR_OK;

	if (stat(a->path, &now) != 0)
		memset(&now, 0, sizeof(now)); /* reading it says why */
	if (a->line.len == 0 || !is_same(&now, &a->read))
		e = load(a);
	if (e)
		return e;
	a->read = now;
	buf_put(out, a->line.p, a->line.len);
	return out->err;
}
