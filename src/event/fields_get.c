/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/event_internal.h"

#include <string.h>

static void
fail(struct js *r, const struct field *f, const char *what)
{
	if (r->err == ERR_OK)
		r->err = err_say(ERR_FORMAT, "member '%s' %s", f->name, what);
}

/* C0, DEL and C1: they would act on the terminal that shows the text. */
bool
event_text_ok(const char *s, bool lines)
{
	const uint8_t *p = (const uint8_t *)s;

	for (; *p; p++) {
		if (lines && (*p == '\n' || *p == '\t'))
			continue;
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			return false;
	}
	return true;
}

static void
get_elsewhere(
    struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	(void)r;
	(void)f;
	(void)at;
}

static void
get_text(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const char *s = js_text(r, f->name, (size_t)f->max);

	(void)in;
	if (*s == '\0')
		fail(r, f, "is empty; leave it out or fill it");
	if (!event_text_ok(s, f->kind == FIELD_NOTE))
		fail(r, f, "holds control characters");
	*(const char **)at = s;
}

static void
get_texts(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const json_t *list = js_array(r, f->name, (size_t)f->max);
	struct event_texts *out = at;

	(void)in;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);

		if (!json_is_string(j) || json_string_length(j) == 0 ||
		    json_string_length(j) > EVENT_MAX_TEXT ||
		    !event_text_ok(json_string_value(j), false)) {
			fail(r, f, "is not a list of texts");
			return;
		}
		out->v[out->n++] = json_string_value(j);
	}
	if (out->n == 0 && f->flags & FIELD_FILLED)
		fail(r, f, "is an empty list; leave it out or fill it");
}

static void
get_int32(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	*(uint32_t *)at = (uint32_t)js_int(r, f->name, f->min, f->max);
}

static void
get_int64(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	*(int64_t *)at = js_int(r, f->name, f->min, f->max);
}

static void
get_bytes(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	js_58(r, f->name, at, f->size);
}

static int
get_index(struct js *r, const struct field *f)
{
	int i = event_name_index(f->names, js_text(r, f->name, EVENT_MAX_TEXT));

	if (i < 0)
		fail(r, f, "has an unknown value");
	return i < 0 ? 0 : i;
}

static void
get_name(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	unsigned v = (unsigned)get_index(r, f);

	(void)in;
	memcpy(at, &v, sizeof(v)); /* enums of this room are unsigned */
}

static void
get_choice(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	*(bool *)at = get_index(r, f) == 1;
}

static void
get_bits(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const json_t *list = js_array(r, f->name, EVENT_MAX_LIST);
	unsigned bits = 0;

	(void)in;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);
		int bit = json_is_string(j) ?
		    event_name_index(f->names, json_string_value(j)) :
		    -1;

		if (bit < 0) {
			fail(r, f, "has an unknown value");
			return;
		}
		bits |= 1U << bit;
	}
	if (bits == 0 && (f->flags & FIELD_OPTIONAL) == 0)
		fail(r, f, "is empty");
	*(unsigned *)at = bits;
}

static void
get_true(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	(void)in;
	if (!json_is_true(json_object_get(r->obj, f->name)))
		fail(r, f, "can only be true");
	*(bool *)at = true;
}

/* Read ${obj}, a member of what ${r} reads, with the table of ${f}. */
static void
get_sub(struct field_in *in, struct js *r, const struct field *f,
    const json_t *obj, void *at)
{
	struct js sub;

	js_init(&sub, obj);
	event_fields_get(in, &sub, f->sub, at);
	if (sub.err == ERR_OK && f->check)
		sub.err = f->check(at);
	if (r->err == ERR_OK)
		r->err = sub.err;
}

static void
get_object(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const json_t *obj = js_object(r, f->name);

	if (r->err == ERR_OK)
		get_sub(in, r, f, obj, at);
}

static void *
array_room(struct field_in *in, struct js *r, size_t bytes)
{
	in->array = calloc(1, bytes);
	in->array_bytes = bytes;
	if (in->array == NULL)
		r->err = ERR_NOMEM;
	return in->array;
}

static void
get_array(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const json_t *list = js_array(r, f->name, (size_t)f->max);
	size_t n = json_array_size(list);
	uint8_t *to = at;

	if (n == 0 && f->flags & FIELD_FILLED)
		fail(r, f, "is an empty list; leave it out or fill it");
	if (r->err || n == 0)
		return;
	if (f->flags & FIELD_ALLOCATED)
		to = *(void **)at = array_room(in, r, n * f->size);
	for (size_t i = 0; i < n && r->err == ERR_OK; i++, to += f->size) {
		const json_t *j = json_array_get(list, i);

		if (f->sub)
			get_sub(in, r, f, j, to);
		else if (!json_is_string(j) ||
		    text58_read(json_string_value(j), to, f->size) != ERR_OK)
			fail(r, f, "is not a list of ids");
	}
	*(size_t *)((uint8_t *)at - f->at + f->count) = n;
}

static void
get_party(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const char *s = js_text(r, f->name, EVENT_MAX_TEXT);
	struct event_decision *d = at;

	(void)in;
	if (strcmp(s, "*") == 0) {
		d->party = EVENT_ANYONE;
	} else if (strncmp(s, "group:", 6) == 0) {
		d->party = EVENT_GROUP;
		d->group = s + 6;
		if (*d->group == '\0' || !event_text_ok(s, false))
			fail(r, f, "names no group");
	} else {
		d->party = EVENT_INSTITUTION;
		js_58(r, f->name, d->institution.b, sizeof(d->institution.b));
	}
}

static void
get_seen(struct field_in *in, struct js *r, const struct field *f, void *at)
{
	const json_t *obj = js_object(r, f->name);
	struct event_decision *d = at;
	const char *key;
	json_t *j;

	(void)in;
	if (r->err)
		return;
	if (json_object_size(obj) > EVENT_MAX_SEEN) {
		fail(r, f, "has too many members");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)obj, key, j)
	{
		struct event_seen *s = &d->seen[d->nseen++];

		if (text58_read(key, s->signer.b, sizeof(s->signer.b)) ||
		    !json_is_integer(j) || json_integer_value(j) < 1) {
			fail(r, f, "is not a map of keys to numbers");
			return;
		}
		s->n = (uint64_t)json_integer_value(j);
	}
}

static void (*const getters[FIELD_KINDS])(
    struct field_in *in, struct js *r, const struct field *f, void *at) = {
	[FIELD_ELSEWHERE] = get_elsewhere,
	[FIELD_TEXT] = get_text,
	[FIELD_NOTE] = get_text,
	[FIELD_TEXTS] = get_texts,
	[FIELD_INT32] = get_int32,
	[FIELD_INT64] = get_int64,
	[FIELD_BYTES] = get_bytes,
	[FIELD_NAME] = get_name,
	[FIELD_BITS] = get_bits,
	[FIELD_TRUE] = get_true,
	[FIELD_CHOICE] = get_choice,
	[FIELD_OBJECT] = get_object,
	[FIELD_ARRAY] = get_array,
	[FIELD_PARTY] = get_party,
	[FIELD_SEEN] = get_seen,
};

static bool
in_table(const struct field *f, const char *name)
{
	for (; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return true;
	return false;
}

void
event_fields_get(
    struct field_in *in, struct js *r, const struct field *fields, void *base)
{
	const char *key;
	json_t *j;

	for (const struct field *f = fields; f->name; f++) {
		if (f->flags & FIELD_OPTIONAL && !js_has(r, f->name))
			continue;
		getters[f->kind](in, r, f, (uint8_t *)base + f->at);
		if (f->has)
			*((bool *)base + f->has - 1) = true;
	}
	if (r->err || in == NULL)
		return;
	json_object_foreach((json_t *)(uintptr_t)r->obj, key, j)
	    in->unknown += !in_table(fields, key);
}
