/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/js: JSON from outside, bounded and typed, on top of jansson.  The
 * getters keep a sticky error so that a message reads as a straight story.
 * One thread per object.
 */
#ifndef BASE_JS_H
#define BASE_JS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

#define JS_DEPTH 12 /* deepest message of ours */

static inline void
cleanup_js(json_t **j)
{
	json_decref(*j);
}
/* CLEANUP_JS json_t *j = NULL; */
#define CLEANUP_JS __attribute__((cleanup(cleanup_js), unused))

/**
 * js_parse(p, n, max_depth, out):
 * Parse one JSON object or array of ${n} bytes: UTF-8, no duplicate members,
 * no NUL, nested at most ${max_depth} deep, nothing behind it.
 * Errors: FORMAT (detail says where), NOMEM.
 */
enum err js_parse(
    const void *p, size_t n, int max_depth, json_t **out) must_check;

/**
 * js_parse_nul(p, n, max_depth, out):
 * As js_parse(), but strings may hold NUL.
 */
enum err js_parse_nul(
    const void *p, size_t n, int max_depth, json_t **out) must_check;

/**
 * js_was_short():
 * Say whether this thread ever lacked memory for JSON: what it made may not be
 * whole.
 */
bool js_was_short(void);

/**
 * js_print(j, out):
 * Append ${j} in compact form with the members in their order.
 */
void js_print(const json_t *j, struct buf *out);

/* Reads members of one object. */
struct js {
	const json_t *obj;
	enum err err; /* FORMAT once a member was missing or of another type */
};

/**
 * js_init(r, obj):
 * Read members of ${obj} (borrowed); anything but an object is an error.
 */
void js_init(struct js *r, const json_t *obj);

/**
 * js_has(r, name):
 * Say whether the member is there and not null.
 */
bool js_has(const struct js *r, const char *name);

/**
 * js_text(r, name, max):
 * Return a string member of at most ${max} bytes, borrowed from the object;
 * "" after an error.
 */
const char *js_text(struct js *r, const char *name, size_t max);

/**
 * js_text_opt(r, name, max):
 * As js_text(), NULL if the member is absent or null.
 */
const char *js_text_opt(struct js *r, const char *name, size_t max);

/**
 * js_int(r, name, min, max):
 * Return an integer member within min..max; ${min} after an error.
 */
int64_t js_int(struct js *r, const char *name, int64_t min, int64_t max);

/**
 * js_int_opt(r, name, min, max, absent):
 * As js_int(), ${absent} if the member is absent or null.
 */
int64_t js_int_opt(
    struct js *r, const char *name, int64_t min, int64_t max, int64_t absent);

/**
 * js_58(r, name, out, len):
 * Read a base58 member of exactly ${len} bytes; zeros after an error.
 */
void js_58(struct js *r, const char *name, void *out, size_t len);

/* JS_58(&r, "set", &id): an id member */
#define JS_58(r, name, idp) js_58(r, name, (idp)->b, sizeof((idp)->b))

/**
 * js_array(r, name, max):
 * Return an array member of at most ${max} elements, borrowed; NULL after an
 * error.
 */
const json_t *js_array(struct js *r, const char *name, size_t max);

/**
 * js_array_opt(r, name, max):
 * As js_array(), NULL if the member is absent or null.
 */
const json_t *js_array_opt(struct js *r, const char *name, size_t max);

/**
 * js_object(r, name):
 * Return an object member, borrowed; NULL after an error.
 */
const json_t *js_object(struct js *r, const char *name);

/**
 * js_58_new(bytes, len):
 * Return a new JSON string with the base58 of ${bytes}.
 */
json_t *js_58_new(const void *bytes, size_t len);

/* JS_58_NEW(&id): a new JSON string of an id */
#define JS_58_NEW(idp) js_58_new((idp)->b, sizeof((idp)->b))

#endif
