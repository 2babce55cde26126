/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/rows: tables whose values are encrypted at rest.  A table's name
 * and a row's key are associated data, so that values cannot be swapped.
 */
#ifndef CONSENTD_ROWS_H
#define CONSENTD_ROWS_H

#include "base/bytes.h"
#include "base/secret.h"
#include "db/db.h"

struct consentd_rows {
	struct db_table table;
	const char *name;
	const struct secret *key; /* borrowed */
};

/**
 * consentd_rows_put(t, rows, key, value):
 * Set ${key} to ${value}.  Errors: NOMEM and the sticky error of ${t}.
 */
enum err consentd_rows_put(struct db_txn *t, const struct consentd_rows *rows,
    struct db_val key, struct db_val value) must_check;

/**
 * consentd_rows_get(t, rows, key, out):
 * Append the value of ${key} to ${out}.
 * Errors: NOTFOUND, CORRUPT, NOMEM, the sticky error of ${t}.
 */
enum err consentd_rows_get(struct db_txn *t, const struct consentd_rows *rows,
    struct db_val key, struct buf *out) must_check;

/**
 * consentd_rows_open(rows, key, sealed, out):
 * Append the plain bytes of a value that was met on a walk.
 * Errors: CORRUPT, NOMEM.
 */
enum err consentd_rows_open(const struct consentd_rows *rows, struct db_val key,
    struct db_val sealed, struct buf *out) must_check;

#endif
