/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event, inside: one table per JSON object says where each member lives in
 * the C struct, how it is written and what its bounds are.  Reading, writing
 * and the count of unknown members all follow the same table (fields.c).
 */
#ifndef EVENT_EVENT_INTERNAL_H
#define EVENT_EVENT_INTERNAL_H

#include <stddef.h>

#include "event/event.h"

enum field_kind {
	FIELD_ELSEWHERE, /* "v" and "type": read and written by event.c */
	FIELD_TEXT,      /* const char *, at most max bytes, one line */
	FIELD_NOTE,      /* the same; line breaks allowed */
	FIELD_TEXTS,     /* struct event_texts */
	FIELD_INT32,     /* uint32_t within min..max */
	FIELD_INT64,     /* int64_t or uint64_t within min..max */
	FIELD_BYTES,     /* base58 of size bytes */
	FIELD_NAME,      /* enum: one of names */
	FIELD_BITS,      /* unsigned: array of names, bit 0 the first */
	FIELD_TRUE,      /* bool, only ever written as true */
	FIELD_CHOICE,    /* bool: the first or the second of names */
	FIELD_OBJECT,    /* struct with its own table sub */
	FIELD_ARRAY,     /* of size-byte ids, or of structs with table sub */
	FIELD_PARTY,     /* party, institution, group of a decision */
	FIELD_SEEN,      /* nseen, seen of a decision */
	FIELD_KINDS
};

#define FIELD_OPTIONAL  1 /* may be absent; zero or empty is left out */
#define FIELD_FILLED    2 /* an empty list is malformed: all, or none? */
#define FIELD_ALLOCATED 4 /* the struct holds a pointer to the array */

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	unsigned flags;
	size_t at;    /* offset in the struct */
	size_t size;  /* of the bytes, or of one element */
	size_t count; /* FIELD_ARRAY: offset of the size_t that counts */
	size_t has;   /* 1 + offset of the bool that says it is there; or 0 */
	int64_t min, max;
	const char *const *names;
	const struct field *sub;
	/* what no table can say, checked once the members are read */
	enum err (*check)(void *base);
};

/* State of reading one event. */
struct field_in {
	unsigned unknown;
	void *array; /* the one allocated array that an event can have */
	size_t array_bytes;
};

/* A type of event: its table and its last check. */
struct field_type {
	const struct field *fields;
	enum err (*check)(void *event);
};

extern const struct field_type event_types[];
extern const struct field event_item_fields[];
extern const struct field event_document_fields[];

/**
 * event_item_check(item):
 * Complete an item that was just read: what may be absent gets its default.
 */
enum err event_item_check(void *item) must_check;

/**
 * event_fields_get(in, r, fields, base):
 * Read the members of ${r} into the zeroed struct ${base}.  Errors stick to
 * ${r}.  ${in} may be NULL if unknown members do not matter and the table has
 * no allocated array.
 */
void event_fields_get(
    struct field_in *in, struct js *r, const struct field *fields, void *base);

/**
 * event_fields_put(fields, base, obj):
 * Set the members of ${obj}.
 * Errors: INVAL, NOMEM.
 */
enum err event_fields_put(
    const struct field *fields, const void *base, json_t *obj) must_check;

/**
 * event_text_ok(s, lines):
 * Say whether ${s} is free of control characters; ${lines} allows breaks.
 */
bool event_text_ok(const char *s, bool lines);

/**
 * event_wipe_json(j):
 * Overwrite every text value in ${j}, which may hold a content key.
 */
void event_wipe_json(json_t *j);

#endif
