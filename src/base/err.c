/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static const struct row {
	enum err e;
	const char *name;
	int errnum, http, exit;
	const char *text;
} rows[] = {
#define ERR(code, name, errnum, http, exit, text)                              \
	{ ERR_##name, #name, errnum, http, exit, text },
#include "base/err.def"
#undef ERR
};

static _Thread_local struct {
	enum err e;
	char text[512];
} said;

static const struct row *
row_of(enum err e)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].e == e)
			return &rows[i];
	return NULL;
}

enum err
err_say(enum err e, const char *fmt, ...)
{
	char text[sizeof(said.text)]; /* ${fmt} may cite the old detail */
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_plain(text);
	said.e = e;
	(void)snprintf(said.text, sizeof(said.text), "%s", text);
	return e;
}

const char *
err_detail(enum err e)
{
	if (said.e == e && said.text[0] != '\0')
		return said.text;
	return err_text(e);
}

void
err_clear(void)
{
	said.e = ERR_OK;
	said.text[0] = '\0';
}

const char *
err_text(enum err e)
{
	const struct row *r = row_of(e);

	return r ? r->text : "unknown error";
}

const char *
err_name(enum err e)
{
	const struct row *r = row_of(e);

	return r ? r->name : "UNKNOWN";
}

int
err_errno(enum err e)
{
	const struct row *r = row_of(e);

	return r ? r->errnum : EIO;
}

int
err_http(enum err e)
{
	const struct row *r = row_of(e);

	return r ? r->http : 500;
}

int
err_exit(enum err e)
{
	const struct row *r = row_of(e);

	return r ? r->exit : 1;
}

enum err
err_from_code(long code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((long)rows[i].e == code)
			return rows[i].e;
	return ERR_FORMAT;
}

enum err
err_from_errno(int errnum)
{
	static const struct {
		int errnum;
		enum err e;
	} map[] = {
		{ 0, ERR_OK },
		{ ENOMEM, ERR_NOMEM },
		{ EINVAL, ERR_INVAL },
		{ ENOENT, ERR_NOTFOUND },
		{ ENOTDIR, ERR_NOTFOUND },
		{ EEXIST, ERR_EXISTS },
		{ EROFS, ERR_READONLY },
		{ ENOSPC, ERR_NOSPACE },
		{ EDQUOT, ERR_NOSPACE },
		{ EFBIG, ERR_TOOBIG },
		{ EACCES, ERR_UNAUTH },
		{ EPERM, ERR_UNAUTH },
		{ EINTR, ERR_INTERRUPTED },
		{ EBUSY, ERR_BUSY },
		{ EAGAIN, ERR_BUSY },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ ECONNREFUSED, ERR_UNREACHABLE },
		{ EHOSTUNREACH, ERR_UNREACHABLE },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (map[i].errnum == errnum)
			return map[i].e;
	return ERR_IO;
}
