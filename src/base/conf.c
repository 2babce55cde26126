/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define MAX_FILE (1 << 20)
#define MAX_LINE 199 /* with its end it fits into inih's buffer */

struct suffix {
	const char *text;
	int64_t factor;
};

static const struct suffix none[] = { { "", 1 }, { NULL, 0 } };
static const struct suffix sizes[] = { { "", 1 }, { "K", 1 << 10 },
	{ "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 } };
static const struct suffix times[] = { { "ms", 1 }, { "s", 1000 },
	{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };

static enum err
read_number(const char *text, const struct suffix *suffixes, int64_t *out)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text)
		return ERR_INVAL;
	for (; suffixes->text; suffixes++)
		if (strcmp(end, suffixes->text) == 0)
			return __builtin_mul_overflow(
				   (int64_t)v, suffixes->factor, out) ?
			    ERR_INVAL :
			    ERR_OK;
	return ERR_INVAL;
}

static enum err
set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return ERR_NOMEM;
	free(*field);
	*field = copy;
	return ERR_OK;
}

static enum err
set_bool(bool *field, const char *text)
{
	*field = strcmp(text, "yes") == 0;
	return *field || strcmp(text, "no") == 0 ? ERR_OK : ERR_INVAL;
}

static enum err
set_value(const struct conf_item *it, const char *text, void *out)
{
	static const struct suffix *const suffixes[] = {
		[CONF_NUM] = none, [CONF_SIZE] = sizes, [CONF_TIME] = times
	};
	char *field = (char *)out + it->offset;
	int64_t v;

	if (it->type == CONF_TEXT)
		return set_text((char **)(void *)field, text);
	if (it->type == CONF_BOOL)
		return set_bool((bool *)(void *)field, text);
	if (read_number(text, suffixes[it->type], &v) != ERR_OK ||
	    v < it->min || v > it->max)
		return ERR_INVAL;
	memcpy(field, &v, sizeof(v));
	return ERR_OK;
}

enum err
conf_defaults(const struct conf_item *items, size_t n, void *out)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = items[i].def ?
		    set_value(&items[i], items[i].def, out) :
		    ERR_OK;

		if (e == ERR_NOMEM)
			return e;
		if (e != ERR_OK)
			return err_say(e, "bad default of %s.%s",
			    items[i].section, items[i].key);
	}
	return ERR_OK;
}

struct reading {
	const struct conf_item *items;
	size_t n;
	const struct conf_free_section *free_section;
	void *ctx, *out;
	bool *seen; /* by item */
	enum err e; /* of the first bad line; its detail lacks the line */
};

/* ", from 50 ms to 60000 ms" */
static void
range_text(const struct conf_item *it, char out[static 80])
{
	static const char *const units[] = {
		[CONF_NUM] = "", [CONF_SIZE] = " bytes", [CONF_TIME] = " ms"
	};

	out[0] = '\0';
	if (it->type == CONF_NUM || it->type == CONF_SIZE ||
	    it->type == CONF_TIME)
		(void)snprintf(out, 80, ", from %lld to %lld%s",
		    (long long)it->min, (long long)it->max, units[it->type]);
}

static enum err
one_value(const struct conf_item *it, const char *value, void *out)
{
	static const char *const forms[] = { "text", "a number",
		"a size such as 64M", "a time such as 500ms, 15s, 5m, 2h",
		"yes or no" };
	enum err e = set_value(it, value, out);
	char range[80];

	if (e != ERR_INVAL)
		return e;
	range_text(it, range);
	return err_say(ERR_CONFIG, "'%s' is no value for %s: it is %s%s (%s)",
	    value, it->key, forms[it->type], range, it->help);
}

static enum err
one_pair(const struct reading *r, const char *section, const char *key,
    const char *value)
{
	if (r->free_section && strcmp(section, r->free_section->section) == 0)
		return r->free_section->fn(r->ctx, key, value);
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_item *it = &r->items[i];

		if (strcmp(it->section, section) != 0 ||
		    strcmp(it->key, key) != 0)
			continue;
		if (r->seen[i])
			return err_say(ERR_CONFIG,
			    "'%s' is given twice in [%s]; remove one of them",
			    key, section);
		r->seen[i] = true;
		return one_value(it, value, r->out);
	}
	return err_say(ERR_CONFIG,
	    "unknown key '%s' in [%s]; see the manual page", key, section);
}

/* inih's callback, 1 = fine.  It goes on after an error and then returns the
 * number of the first bad line, so later lines must not touch the detail. */
static int
on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;

	if (r->e == ERR_OK)
		r->e = one_pair(r, section, key, value);
	return r->e == ERR_OK;
}

/* inih would take the end of a long line for the next one. */
static int
long_line(const char *text)
{
	for (int line = 1; *text; line++) {
		size_t n = strcspn(text, "\n");

		if (n >= MAX_LINE)
			return line;
		text += n + (text[n] != '\0');
	}
	return 0;
}

enum err
conf_read(const char *path, const struct conf_item *items, size_t n,
    const struct conf_free_section *free_section, void *ctx, void *out)
{
	CLEANUP(free) bool *seen = calloc(n, sizeof(*seen));
	struct reading r = { items, n, free_section, ctx, out, seen, ERR_OK };
	CLEANUP_BUF struct buf b = { 0 };
	enum err e = seen ? file_read(path, MAX_FILE, &b) : ERR_NOMEM;
	int line;

	if (e != ERR_OK)
		return e;
	if (memchr(b.p, '\0', b.len))
		return err_say(ERR_CONFIG,
		    "'%s' is no text: it has a byte 0; write it anew", path);
	line = long_line(buf_text(&b));
	if (line == 0)
		line = ini_parse_string(buf_text(&b), on_pair, &r);
	if (b.err || r.e == ERR_NOMEM)
		return ERR_NOMEM;
	if (r.e != ERR_OK)
		return err_say(
		    ERR_CONFIG, "%s:%d: %s", path, line, err_detail(r.e));
	if (line != 0)
		return err_say(ERR_CONFIG,
		    "%s:%d: not a '[section]' or 'key = value' line of less "
		    "than 199 characters",
		    path, line > 0 ? line : 0);
	return ERR_OK;
}

static void
print_item(const struct conf_item *it, const void *values, FILE *to)
{
	const char *field = (const char *)values + it->offset;
	int64_t v;

	if (it->type == CONF_TEXT) {
		const char *text;

		memcpy(&text, field, sizeof(text));
		if (text)
			(void)fprintf(to, "%s = %s\n", it->key, text);
		return;
	}
	if (it->type == CONF_BOOL) {
		(void)fprintf(to, "%s = %s\n", it->key,
		    *(const bool *)field ? "yes" : "no");
		return;
	}
	memcpy(&v, field, sizeof(v));
	(void)fprintf(to, "%s = %lld%s\n", it->key, (long long)v,
	    it->type == CONF_TIME ? "ms" : "");
}

void
conf_print(
    const struct conf_item *items, size_t n, const void *values, FILE *to)
{
	const char *section = "";

	for (size_t i = 0; i < n; i++) {
		if (strcmp(section, items[i].section) != 0) {
			section = items[i].section;
			(void)fprintf(to, "[%s]\n", section);
		}
		print_item(&items[i], values, to);
	}
}

void
conf_free(const struct conf_item *items, size_t n, void *values)
{
	for (size_t i = 0; i < n; i++) {
		char **field;

		if (items[i].type != CONF_TEXT)
			continue;
		field = (char **)(void *)((char *)values + items[i].offset);
		free(*field);
		*field = NULL;
	}
}
