/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/event_internal.h"

#include <string.h>

#define EVENT_VERSION 1

/* What a decoded event's texts and array live in. */
struct owned {
	json_t *root;
	void *array;
	size_t array_bytes;
};

static enum err
parse(const void *json, size_t len, json_t **out)
{
	if (len > EVENT_MAX_BYTES)
		return err_say(ERR_FORMAT, "an event of %zu bytes", len);
	return js_parse(json, len, JS_DEPTH, out);
}

/* Version before all else: another version may mean anything. */
static enum err
read_head(struct js *r, enum event_type *out_type)
{
	int64_t v = js_int(r, "v", 0, INT64_MAX);
	const char *name;
	int type;

	if (r->err)
		return r->err;
	if (v != EVENT_VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "an event of version %lld; "
		    "update this program",
		    (long long)v);
	name = js_text(r, "type", EVENT_MAX_TEXT);
	type = event_name_index(event_type_names, name);
	if (r->err)
		return r->err;
	if (type < 0)
		return err_say(ERR_FORMAT, "an event of unknown type");
	*out_type = (enum event_type)type;
	return ERR_OK;
}

enum err
event_decode(const void *json, size_t len, struct event **out)
{
	CLEANUP(event_free) struct event *e = calloc(1, sizeof(*e));
	struct field_in in = { 0 };
	struct owned *own;
	struct js r;
	enum err err;

	own = e ? calloc(1, sizeof(*own)) : NULL;
	if (own == NULL)
		return ERR_NOMEM;
	e->owned = own;
	err = parse(json, len, &own->root);
	if (err)
		return err;
	js_init(&r, own->root);
	err = read_head(&r, &e->type);
	if (err)
		return err;
	event_fields_get(&in, &r, event_types[e->type].fields, e);
	own->array = in.array;
	own->array_bytes = in.array_bytes;
	e->unknown = in.unknown;
	if (r.err == ERR_OK && event_types[e->type].check)
		r.err = event_types[e->type].check(e);
	if (r.err)
		return r.err;
	*out = TAKE(e);
	return ERR_OK;
}

void
event_free(struct event *e)
{
	struct owned *own;

	if (e == NULL)
		return;
	own = e->owned;
	if (own) {
		event_wipe_json(own->root);
		json_decref(own->root);
		if (own->array)
			explicit_bzero(own->array, own->array_bytes);
		free(own->array);
		free(own);
	}
	explicit_bzero(e, sizeof(*e));
	free(e);
}

bool
event_is_foreign(const struct event *e)
{
	return e->unknown != 0;
}

static enum err
build(const struct event *e, json_t *obj)
{
	if ((unsigned)e->type > EVENT_ACCREDIT)
		return err_say(ERR_INVAL, "an event of unknown type");
	if (json_object_set_new(obj, "v", json_integer(EVENT_VERSION)) != 0 ||
	    json_object_set_new(
		obj, "type", json_string(event_type_names[e->type])) != 0)
		return ERR_NOMEM;
	return event_fields_put(event_types[e->type].fields, e, obj);
}

/* What we write, every reader must accept: bounds, texts, required members. */
static enum err
read_back(const struct buf *text)
{
	CLEANUP(event_free) struct event *again = NULL;
	enum err e = event_decode(text->p, text->len, &again);

	return e == ERR_FORMAT ? err_say(ERR_INVAL, "%s", err_detail(e)) : e;
}

static enum err
print(json_t *obj, struct buf *out)
{
	CLEANUP_BUF struct buf text = { 0 };
	enum err e;

	js_print(obj, &text);
	if (text.err)
		return text.err;
	e = read_back(&text);
	if (e)
		return e;
	buf_put(out, text.p, text.len);
	return out->err;
}

enum err
event_encode(const struct event *e, struct buf *out)
{
	CLEANUP_JS json_t *obj = json_object();
	enum err err;

	if (obj == NULL)
		return ERR_NOMEM;
	if (e->type == EVENT_DECISION && e->u.decision.until != 0 &&
	    e->u.decision.effect != EVENT_GRANT)
		return err_say(ERR_INVAL, "only a grant has an end date");
	err = build(e, obj);
	if (err == ERR_OK)
		err = print(obj, out);
	event_wipe_json(obj);
	return err;
}

enum err
event_item_decode(
    const void *json, size_t len, struct event_item *out, json_t **out_keep)
{
	CLEANUP_JS json_t *root = NULL;
	struct field_in in = { 0 };
	struct js r;
	enum err e = parse(json, len, &root);

	if (e)
		return e;
	memset(out, 0, sizeof(*out));
	js_init(&r, root);
	event_fields_get(&in, &r, event_item_fields, out);
	if (r.err)
		return r.err;
	*out_keep = TAKE(root);
	return event_item_check(out);
}

enum err
event_item_encode(const struct event_item *item, struct buf *out)
{
	CLEANUP_JS json_t *obj = json_object(), *keep = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	struct event_item again;
	enum err e;

	if (obj == NULL)
		return ERR_NOMEM;
	e = event_fields_put(event_item_fields, item, obj);
	if (e)
		return e;
	js_print(obj, &text);
	if (text.err)
		return text.err;
	e = event_item_decode(text.p, text.len, &again, &keep);
	if (e)
		return e == ERR_FORMAT ?
		    err_say(ERR_INVAL, "%s", err_detail(e)) :
		    e;
	buf_put(out, text.p, text.len);
	return out->err;
}
