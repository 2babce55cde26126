/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/conf: INI files against a table.  One row per item says its type,
 * range, default and help; an unknown key, a bad value or a key that is given
 * twice is refused with file and line.  The values land in the caller's struct
 * at the row's offset.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum conf_type {
	CONF_TEXT, /* char *, owned by the struct, freed by conf_free() */
	CONF_NUM,  /* int64_t within min..max */
	CONF_SIZE, /* int64_t bytes; suffixes K M G */
	CONF_TIME, /* int64_t milliseconds; suffixes ms s m h d */
	CONF_BOOL, /* bool; yes or no */
};

struct conf_item {
	const char *section, *key;
	enum conf_type type;
	size_t offset;   /* in the caller's struct */
	const char *def; /* NULL: no default (TEXT stays NULL, others 0) */
	int64_t min, max;
	const char *help;
};

/* A section whose keys are free, such as [practitioners]: each pair is given
 * to fn; an error that it returns refuses the line. */
struct conf_free_section {
	const char *section;
	enum err (*fn)(void *ctx, const char *key, const char *value);
};

/**
 * conf_defaults(items, n, out):
 * Fill the struct ${out} with the defaults of ${n} ${items}.
 * Errors: NOMEM; INVAL (a default in the table is bad).
 */
enum err conf_defaults(
    const struct conf_item *items, size_t n, void *out) must_check;

/**
 * conf_read(path, items, n, free_section, ctx, out):
 * Read ${path} over the values in ${out}.  ${free_section} may be NULL.
 * Errors: CONFIG (detail names file, line and remedy), those of file_read().
 */
enum err conf_read(const char *path, const struct conf_item *items, size_t n,
    const struct conf_free_section *free_section, void *ctx,
    void *out) must_check;

/**
 * conf_print(items, n, values, to):
 * Print the effective configuration in the same syntax.
 */
void conf_print(
    const struct conf_item *items, size_t n, const void *values, FILE *to);

/**
 * conf_free(items, n, values):
 * Free the texts in ${values}.
 */
void conf_free(const struct conf_item *items, size_t n, void *values);

#endif
