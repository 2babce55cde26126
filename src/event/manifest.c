/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/event_internal.h"

#include <assert.h>
#include <string.h>

#define LINE_MAX_BYTES 65536
#define COMPONENT_MAX  255

/*
 * What the texts of a manifest live in.  They are copied out of each line, and
 * the line's JSON is dropped at once: keeping ten thousand trees costs a
 * third more time.  A text is never longer than its JSON with the quotes, so
 * the length of the manifest is room for all.
 */
struct owned {
	size_t used, size;
	char texts[];
};

static bool
component_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= COMPONENT_MAX && strcmp(s, ".") != 0 &&
	    strcmp(s, "..") != 0 && strchr(s, '/') == NULL &&
	    text_is_utf8(s, n) && event_text_ok(s, false);
}

static enum err
add_path(const struct event_document *doc, json_t *obj)
{
	json_t *path = json_array();

	if (json_object_set_new(obj, "path", path) != 0)
		return ERR_NOMEM;
	if (doc->ncomponents == 0 || doc->ncomponents > EVENT_MAX_PATH)
		return err_say(ERR_INVAL,
		    "a document path has %zu "
		    "components; 1 to %d are allowed",
		    doc->ncomponents, EVENT_MAX_PATH);
	for (size_t i = 0; i < doc->ncomponents; i++) {
		if (!component_ok(doc->component[i]))
			return err_say(ERR_INVAL,
			    "component %zu of a document "
			    "path is not allowed; "
			    "rename the file",
			    i + 1);
		if (json_array_append_new(
			path, json_string(doc->component[i])) != 0)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

static enum err
get_line(const json_t *obj, struct event_document *doc)
{
	const json_t *path;
	struct js r;

	js_init(&r, obj);
	path = js_array(&r, "path", EVENT_MAX_PATH);
	doc->ncomponents = json_array_size(path);
	for (size_t i = 0; i < doc->ncomponents; i++) {
		const char *s = json_string_value(json_array_get(path, i));

		if (s == NULL || !component_ok(s))
			return err_say(ERR_FORMAT,
			    "a document path is not "
			    "allowed");
		doc->component[i] = s;
	}
	if (r.err == ERR_OK && doc->ncomponents == 0)
		return err_say(ERR_FORMAT, "a document has no path");
	event_fields_get(NULL, &r, event_document_fields, doc);
	if (doc->type_code == NULL)
		doc->type_code = "";
	return r.err;
}

enum err
event_manifest_add(const struct event_document *doc, struct buf *out)
{
	CLEANUP_JS json_t *obj = json_object();
	CLEANUP_BUF struct buf line = { 0 };
	struct event_document again = { 0 };
	enum err e;

	if (obj == NULL)
		return ERR_NOMEM;
	e = add_path(doc, obj);
	if (e == ERR_OK)
		e = event_fields_put(event_document_fields, doc, obj);
	if (e == ERR_OK)
		e = get_line(obj, &again); /* what every reader checks */
	if (e)
		return e == ERR_FORMAT ?
		    err_say(ERR_INVAL, "%s", err_detail(e)) :
		    e;
	js_print(obj, &line);
	buf_u8(&line, '\n');
	if (line.err)
		return line.err;
	buf_put(out, line.p, line.len);
	return out->err;
}

static void
keep_text(struct owned *own, const char **text)
{
	size_t n = strlen(*text) + 1;

	assert(n <= own->size - own->used);
	*text = memcpy(own->texts + own->used, *text, n);
	own->used += n;
}

static enum err
read_line(struct event_manifest *m, const char *p, size_t len)
{
	struct event_document *doc = &m->doc[m->n];
	CLEANUP_JS json_t *obj = NULL;
	enum err e;

	if (len > LINE_MAX_BYTES)
		return err_say(
		    ERR_FORMAT, "manifest line %u is too long", m->n + 1);
	e = js_parse(p, len, JS_DEPTH, &obj);
	if (e)
		return e;
	e = get_line(obj, doc);
	if (e)
		return e;
	for (size_t i = 0; i < doc->ncomponents; i++)
		keep_text(m->owned, &doc->component[i]);
	keep_text(m->owned, &doc->media);
	keep_text(m->owned, &doc->type_code);
	m->n++;
	return ERR_OK;
}

/* Grow with what was really read, not with what ${count} claims. */
static enum err
make_room(struct event_manifest *m, size_t *cap)
{
	struct event_document *doc;
	size_t want = *cap ? 2 * *cap : 64;

	if (m->n < *cap)
		return ERR_OK;
	doc = reallocarray(m->doc, want, sizeof(*doc));
	if (doc == NULL)
		return ERR_NOMEM;
	memset(doc + *cap, 0, (want - *cap) * sizeof(*doc));
	m->doc = doc;
	*cap = want;
	return ERR_OK;
}

static enum err
read_lines(struct event_manifest *m, const char *p, size_t len, uint32_t count)
{
	size_t cap = 0;

	while (len > 0) {
		const char *end = memchr(p, '\n', len);
		enum err e = make_room(m, &cap);

		if (e)
			return e;
		if (end == NULL || m->n == count)
			return err_say(ERR_FORMAT,
			    "a manifest does not hold "
			    "%u whole lines",
			    count);
		e = read_line(m, p, (size_t)(end - p));
		if (e)
			return e;
		len -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	if (m->n != count)
		return err_say(ERR_FORMAT,
		    "a manifest holds %u documents "
		    "instead of %u",
		    m->n, count);
	return ERR_OK;
}

/* By components, so that a path stands right before what it is a prefix of. */
static int
compare_paths(const void *x, const void *y)
{
	const struct event_document *const *px = x, *const *py = y;
	const struct event_document *a = *px, *b = *py;

	for (size_t i = 0;; i++) {
		int c;

		if (i == a->ncomponents || i == b->ncomponents)
			return (a->ncomponents > i) - (b->ncomponents > i);
		c = strcmp(a->component[i], b->component[i]);
		if (c)
			return c;
	}
}

static bool
is_prefix(const struct event_document *a, const struct event_document *b)
{
	if (a->ncomponents > b->ncomponents)
		return false;
	for (size_t i = 0; i < a->ncomponents; i++)
		if (strcmp(a->component[i], b->component[i]) != 0)
			return false;
	return true;
}

static enum err
check_unique(const struct event_manifest *m)
{
	CLEANUP(free) const struct event_document **by = NULL;

	by = calloc((size_t)m->n + 1, sizeof(*by));
	if (by == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n; i++)
		by[i] = &m->doc[i];
	qsort(by, m->n, sizeof(*by), compare_paths);
	for (uint32_t i = 1; i < m->n; i++)
		if (is_prefix(by[i - 1], by[i]))
			return err_say(ERR_FORMAT,
			    "documents %zu and %zu have "
			    "the same path, or one "
			    "lies inside the other",
			    (size_t)(by[i - 1] - m->doc) + 1,
			    (size_t)(by[i] - m->doc) + 1);
	return ERR_OK;
}

enum err
event_manifest_read(
    const void *p, size_t len, uint32_t count, struct event_manifest **out)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	struct owned *own;
	enum err e;

	m = calloc(1, sizeof(*m));
	own = m ? malloc(sizeof(*own) + len) : NULL;
	if (own == NULL)
		return ERR_NOMEM;
	own->used = 0;
	own->size = len;
	m->owned = own;
	e = read_lines(m, p, len, count);
	if (e == ERR_OK)
		e = check_unique(m);
	if (e)
		return e;
	*out = TAKE(m);
	return ERR_OK;
}

void
event_manifest_free(struct event_manifest *m)
{
	struct owned *own;

	if (m == NULL)
		return;
	own = m->owned;
	if (own) {
		explicit_bzero(own->texts, own->used);
		free(own);
	}
	free(m->doc);
	free(m);
}
