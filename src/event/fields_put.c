/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/event_internal.h"

#include <string.h>

/*
 * Writing is lax about bounds that reading checks: event_encode() reads back
 * what it wrote.  Only what could not be read from C safely is checked here.
 */

/* Make ${*out} the value of a member; leave it NULL to leave it out. */
typedef enum err (*putter)(const struct field *f, const void *at, json_t **out);

static enum err
made(json_t **out, json_t *j)
{
	*out = j;
	return j ? ERR_OK : ERR_NOMEM;
}

static enum err
make_text(const char *s, json_t **out)
{
	if (!text_is_utf8(s, strlen(s)))
		return err_say(ERR_INVAL, "a text is not UTF-8");
	return made(out, json_string(s));
}

static enum err
put_elsewhere(const struct field *f, const void *at, json_t **out)
{
	(void)f;
	(void)at;
	(void)out;
	return ERR_OK;
}

static enum err
put_text(const struct field *f, const void *at, json_t **out)
{
	const char *s = *(const char *const *)at;

	(void)f;
	return s == NULL || *s == '\0' ? ERR_OK : make_text(s, out);
}

static enum err
put_texts(const struct field *f, const void *at, json_t **out)
{
	const struct event_texts *t = at;
	CLEANUP_JS json_t *list = json_array();

	if (t->n > (size_t)f->max)
		return err_say(ERR_INVAL, "list '%s' is too long", f->name);
	for (size_t i = 0; i < t->n; i++) {
		json_t *j = NULL;
		enum err e = make_text(t->v[i], &j);

		if (e)
			return e;
		if (json_array_append_new(list, j) != 0)
			return ERR_NOMEM;
	}
	return t->n ? made(out, TAKE(list)) : ERR_OK;
}

static enum err
put_number(const struct field *f, uint64_t v, json_t **out)
{
	if (f->flags & FIELD_OPTIONAL && v == 0)
		return ERR_OK;
	return made(out, json_integer((json_int_t)v));
}

/* An optional one at its least is what its absence stands for. */
static enum err
put_int32(const struct field *f, const void *at, json_t **out)
{
	uint32_t v = *(const uint32_t *)at;

	if (f->flags & FIELD_OPTIONAL && v <= (uint64_t)f->min)
		return ERR_OK;
	return put_number(f, v, out);
}

/* A value over INT64_MAX turns negative and fails the reading back. */
static enum err
put_int64(const struct field *f, const void *at, json_t **out)
{
	return put_number(f, *(const uint64_t *)at, out);
}

static enum err
put_bytes(const struct field *f, const void *at, json_t **out)
{
	uint8_t any = 0;

	for (size_t i = 0; i < f->size; i++)
		any |= ((const uint8_t *)at)[i];
	if (any == 0 && f->flags & FIELD_OPTIONAL && f->has == 0)
		return ERR_OK;
	return made(out, js_58_new(at, f->size));
}

static enum err
make_name(const char *const *names, unsigned v, json_t **out)
{
	unsigned n = 0;

	while (names[n])
		n++;
	if (v >= n)
		return err_say(ERR_INVAL, "a code is out of range");
	return made(out, json_string(names[v]));
}

static enum err
put_name(const struct field *f, const void *at, json_t **out)
{
	unsigned v;

	memcpy(&v, at, sizeof(v));
	return make_name(f->names, v, out);
}

static enum err
put_choice(const struct field *f, const void *at, json_t **out)
{
	return make_name(f->names, *(const bool *)at, out);
}

static enum err
put_bits(const struct field *f, const void *at, json_t **out)
{
	CLEANUP_JS json_t *list = json_array();
	unsigned bits = *(const unsigned *)at;

	for (unsigned b = 0; f->names[b]; b++)
		if (bits & 1U << b &&
		    json_array_append_new(list, json_string(f->names[b])) != 0)
			return ERR_NOMEM;
	return bits ? made(out, TAKE(list)) : ERR_OK;
}

static enum err
put_true(const struct field *f, const void *at, json_t **out)
{
	(void)f;
	return *(const bool *)at ? made(out, json_true()) : ERR_OK;
}

static enum err
put_object(const struct field *f, const void *at, json_t **out)
{
	CLEANUP_JS json_t *obj = json_object();
	enum err e;

	if (obj == NULL)
		return ERR_NOMEM;
	e = event_fields_put(f->sub, at, obj);
	if (e)
		return e;
	if (json_object_size(obj) == 0 && f->flags & FIELD_OPTIONAL &&
	    f->has == 0)
		return ERR_OK;
	return made(out, TAKE(obj));
}

static enum err
put_element(const struct field *f, const uint8_t *from, json_t **out)
{
	if (f->sub == NULL)
		return made(out, js_58_new(from, f->size));
	return put_object(&(struct field){ .sub = f->sub }, from, out);
}

static enum err
put_array(const struct field *f, const void *at, json_t **out)
{
	size_t n = *(const size_t *)((const uint8_t *)at - f->at + f->count);
	const uint8_t *from = f->flags & FIELD_ALLOCATED ?
	    *(const void *const *)at :
	    at;
	CLEANUP_JS json_t *list = json_array();

	if (n > (size_t)f->max)
		return err_say(ERR_INVAL, "list '%s' is too long", f->name);
	for (size_t i = 0; i < n; i++) {
		json_t *j = NULL;
		enum err e = put_element(f, from + i * f->size, &j);

		if (e)
			return e;
		if (json_array_append_new(list, j) != 0)
			return ERR_NOMEM;
	}
	return n ? made(out, TAKE(list)) : ERR_OK;
}

static enum err
put_party(const struct field *f, const void *at, json_t **out)
{
	const struct event_decision *d = at;
	CLEANUP_BUF struct buf name = { 0 };

	(void)f;
	if (d->party == EVENT_INSTITUTION)
		return made(out, JS_58_NEW(&d->institution));
	if (d->party == EVENT_ANYONE)
		return made(out, json_string("*"));
	if (d->group == NULL)
		return err_say(ERR_INVAL, "a decision names no group");
	buf_fmt(&name, "group:%s", d->group);
	return name.err ? name.err : make_text(buf_text(&name), out);
}

static enum err
put_seen(const struct field *f, const void *at, json_t **out)
{
	const struct event_decision *d = at;
	CLEANUP_JS json_t *obj = json_object();

	if (d->nseen > EVENT_MAX_SEEN)
		return err_say(ERR_INVAL, "list '%s' is too long", f->name);
	for (size_t i = 0; i < d->nseen; i++) {
		const char *key = TEXT58(&d->seen[i].signer);

		if (json_object_get(obj, key))
			return err_say(ERR_INVAL, "a signer is seen twice");
		if (json_object_set_new(
			obj, key, json_integer((json_int_t)d->seen[i].n)) != 0)
			return ERR_NOMEM;
	}
	return d->nseen ? made(out, TAKE(obj)) : ERR_OK;
}

static const putter putters[FIELD_KINDS] = {
	[FIELD_ELSEWHERE] = put_elsewhere,
	[FIELD_TEXT] = put_text,
	[FIELD_NOTE] = put_text,
	[FIELD_TEXTS] = put_texts,
	[FIELD_INT32] = put_int32,
	[FIELD_INT64] = put_int64,
	[FIELD_BYTES] = put_bytes,
	[FIELD_NAME] = put_name,
	[FIELD_BITS] = put_bits,
	[FIELD_TRUE] = put_true,
	[FIELD_CHOICE] = put_choice,
	[FIELD_OBJECT] = put_object,
	[FIELD_ARRAY] = put_array,
	[FIELD_PARTY] = put_party,
	[FIELD_SEEN] = put_seen,
};

enum err
event_fields_put(const struct field *fields, const void *base, json_t *obj)
{
	for (const struct field *f = fields; f->name; f++) {
		json_t *j = NULL;
		enum err e;

		if (f->has && !*((const bool *)base + f->has - 1))
			continue;
		e = putters[f->kind](f, (const uint8_t *)base + f->at, &j);
		if (e)
			return e;
		if (j && json_object_set_new(obj, f->name, j) != 0)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

static void
wipe_text(const json_t *j)
{
	/* the text is ours alone; nobody reads it between this and decref */
	explicit_bzero(
	    (void *)(uintptr_t)json_string_value(j), json_string_length(j));
}

void
event_wipe_json(json_t *j)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		wipe_text(j);
	json_object_foreach(j, key, value) event_wipe_json(value);
	json_array_foreach(j, i, value) event_wipe_json(value);
}
