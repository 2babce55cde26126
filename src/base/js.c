/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/js.h"

#include <stdlib.h>
#include <string.h>

/* jansson recurses; bound the depth before it sees the bytes. */
static bool
too_deep(const uint8_t *p, size_t n, int max_depth)
{
	bool in_text = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_text) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_text = false;
			continue;
		}
		if (p[i] == '"')
			in_text = true;
		else if (p[i] == '{' || p[i] == '[') {
			if (++depth > max_depth)
				return true;
		} else if (p[i] == '}' || p[i] == ']')
			depth--;
	}
	return false;
}

/*
 * jansson does not always say that it had no memory: it calls the text
 * malformed, or leaves a member out and calls it parsed.  A grant without its
 * end would be another grant.
 */
static _Thread_local bool no_memory, was_short;

static void *
remember(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		no_memory = was_short = true;
	return p;
}

bool
js_was_short(void)
{
	return was_short;
}

static void __attribute__((constructor)) before_any_thread(void)
{
	json_set_alloc_funcs(remember, free);
}

static enum err
load(const void *p, size_t n, int max_depth, size_t flags, json_t **out)
{
	json_error_t why;

	if (too_deep(p, n, max_depth))
		return err_say(
		    ERR_FORMAT, "JSON nested deeper than %d", max_depth);
	no_memory = false;
	*out = json_loadb(p, n, JSON_REJECT_DUPLICATES | flags, &why);
	if (no_memory) {
		json_decref(*out);
		*out = NULL;
		return ERR_NOMEM;
	}
	if (*out == NULL)
		return err_say(ERR_FORMAT, "not JSON at byte %d", why.position);
	return ERR_OK;
}

enum err
js_parse(const void *p, size_t n, int max_depth, json_t **out)
{
	return load(p, n, max_depth, 0, out);
}

enum err
js_parse_nul(const void *p, size_t n, int max_depth, json_t **out)
{
	return load(p, n, max_depth, JSON_ALLOW_NUL, out);
}

static int
append(const char *p, size_t n, void *ctx)
{
	struct buf *out = ctx;

	buf_put(out, p, n);
	return out->err ? -1 : 0;
}

void
js_print(const json_t *j, struct buf *out)
{
	if (json_dump_callback(
		j, append, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0 &&
	    out->err == ERR_OK)
		out->err = ERR_NOMEM;
}

void
js_init(struct js *r, const json_t *obj)
{
	r->obj = obj;
	r->err = json_is_object(obj) ? ERR_OK : ERR_FORMAT;
}

static const json_t *
member(const struct js *r, const char *name)
{
	const json_t *j;

	if (r->err)
		return NULL;
	j = json_object_get(r->obj, name);
	return json_is_null(j) ? NULL : j;
}

bool
js_has(const struct js *r, const char *name)
{
	return member(r, name) != NULL;
}

static void
bad(struct js *r, const char *name, const char *what)
{
	if (r->err == ERR_OK)
		r->err = err_say(
		    ERR_FORMAT, "member '%s' is not %s", name, what);
}

const char *
js_text(struct js *r, const char *name, size_t max)
{
	const json_t *j = member(r, name);

	if (!json_is_string(j) || json_string_length(j) > max) {
		bad(r, name, "a text of allowed length");
		return "";
	}
	return json_string_value(j);
}

const char *
js_text_opt(struct js *r, const char *name, size_t max)
{
	return js_has(r, name) ? js_text(r, name, max) : NULL;
}

int64_t
js_int(struct js *r, const char *name, int64_t min, int64_t max)
{
	const json_t *j = member(r, name);

	if (!json_is_integer(j) || json_integer_value(j) < min ||
	    json_integer_value(j) > max) {
		bad(r, name, "an integer in range");
		return min;
	}
	return json_integer_value(j);
}

int64_t
js_int_opt(
    struct js *r, const char *name, int64_t min, int64_t max, int64_t absent)
{
	return js_has(r, name) ? js_int(r, name, min, max) : absent;
}

void
js_58(struct js *r, const char *name, void *out, size_t len)
{
	const char *s = js_text(r, name, TEXT58_CHARS);

	if (r->err == ERR_OK && text58_read(s, out, len) != ERR_OK)
		bad(r, name, "base58 of the right length");
	if (r->err)
		memset(out, 0, len);
}

const json_t *
js_array(struct js *r, const char *name, size_t max)
{
	const json_t *j = member(r, name);

	if (!json_is_array(j) || json_array_size(j) > max) {
		bad(r, name, "an array of allowed size");
		return NULL;
	}
	return j;
}

const json_t *
js_array_opt(struct js *r, const char *name, size_t max)
{
	return js_has(r, name) ? js_array(r, name, max) : NULL;
}

const json_t *
js_object(struct js *r, const char *name)
{
	const json_t *j = member(r, name);

	if (!json_is_object(j)) {
		bad(r, name, "an object");
		return NULL;
	}
	return j;
}

json_t *
js_58_new(const void *bytes, size_t len)
{
	struct text58 t;

	return json_string(text58(bytes, len, &t));
}
