/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db: the only room that sees LMDB.  An environment is a directory with a
 * format name and version; tables are named.  A transaction carries a sticky
 * error: after the first failure every call is a no-op, and db_commit() tells.
 * Values borrowed from a transaction live until it ends, also across writes;
 * only those that db_walk() lends in a write transaction end when its ${fn}
 * returns.  Keys are 1..511 bytes, compared as bytes.  Several processes may
 * open one environment; one writer at a time waits for another.  A transaction
 * belongs to one thread.  Writes are durable when db_commit() returns OK. After
 * a write that failed in LMDB's own head transactions fail with IO until none
 * is open any more; the next one opens the environment anew.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct db;

struct db_opts {
	const char *format; /* such as "registry" */
	uint32_t version;   /* another version in the file: UNSUPPORTED */
	uint64_t max_bytes; /* size of the map; MAP_FULL = NOSPACE */
};

/* A byte string, borrowed. */
struct db_val {
	const void *p;
	size_t n;
};

#define DB_VAL(obj) ((struct db_val){ (obj), sizeof(*(obj)) })

struct db_table {
	unsigned index; /* of the environment's tables, as they were opened */
};

/**
 * db_open(dir, opts, out):
 * Open or create the environment in ${dir} (made if missing, 0700).  The same
 * directory must not be opened twice in one process.
 * Errors: UNSUPPORTED (format or version, both named), CORRUPT, UNAUTH, IO.
 */
enum err db_open(
    const char *dir, const struct db_opts *opts, struct db **out) must_check;

/**
 * db_open_read(dir, opts, out):
 * As db_open(), only to read: nothing is made or changed.
 * Errors: as well NOTFOUND.
 */
enum err db_open_read(
    const char *dir, const struct db_opts *opts, struct db **out) must_check;

/**
 * db_close(d):
 * Close; no transaction may be open.  NULL is allowed.
 */
void db_close(struct db *d);
DEFINE_CLEANUP(struct db *, db_close);

/**
 * db_check(d):
 * Read every page of the file: they must hang together, and each must be in
 * use once or free.  What the rows hold is not looked at.
 * Errors: CORRUPT.
 */
enum err db_check(struct db *d) must_check;

/**
 * db_table(d, name, out):
 * Find or create the table ${name}.  Only before the first transaction.
 */
enum err db_table(
    struct db *d, const char *name, struct db_table *out) must_check;

struct db_txn {
	enum err err; /* sticky; read-only for callers */
	void *txn;
	bool write;
};

/**
 * db_read(d, t):
 * Begin a read transaction in ${t}; end it with db_abort().
 */
void db_read(struct db *d, struct db_txn *t);

/**
 * db_write(d, t):
 * Begin the write transaction in ${t}; waits for other writers.  End it with
 * db_commit() or db_abort().
 */
void db_write(struct db *d, struct db_txn *t);

/**
 * db_commit(t):
 * Commit durably, or abort and return the sticky error.
 * Errors: NOSPACE, IO (nothing was written).
 */
enum err db_commit(struct db_txn *t) must_check;

/**
 * db_abort(t):
 * End without writing; harmless on an ended transaction.
 */
void db_abort(struct db_txn *t);
static inline void
cleanup_db_abort(struct db_txn *t)
{
	db_abort(t);
}
/* CLEANUP_TXN struct db_txn t; ends by itself */
#define CLEANUP_TXN __attribute__((cleanup(cleanup_db_abort)))

/**
 * db_get(t, table, key, out):
 * Say whether ${key} is there and lend its value in ${out}.
 */
bool db_get(struct db_txn *t, struct db_table table, struct db_val key,
    struct db_val *out);

/**
 * db_put(t, table, key, value):
 * Set ${key} to ${value} (copied).
 */
void db_put(struct db_txn *t, struct db_table table, struct db_val key,
    struct db_val value);

/**
 * db_del(t, table, key):
 * Remove ${key} if it is there.
 */
void db_del(struct db_txn *t, struct db_table table, struct db_val key);

/**
 * db_next(t, table, from, out_key, out_value):
 * Lend the first row whose key is >= ${from} (empty: the first of all); false
 * at the end.  For many rows use db_walk().
 */
bool db_next(struct db_txn *t, struct db_table table, struct db_val from,
    struct db_val *out_key, struct db_val *out_value);

/**
 * db_last(t, table, out_key, out_value):
 * Lend the row with the greatest key; false if the table is empty.
 */
bool db_last(struct db_txn *t, struct db_table table, struct db_val *out_key,
    struct db_val *out_value);

/**
 * db_walk(t, table, from, fn, ctx):
 * Call ${fn}(ctx, key, value) for every row with key >= ${from} until it
 * returns false.  ${fn} must not write to ${table}.
 */
void db_walk(struct db_txn *t, struct db_table table, struct db_val from,
    bool (*fn)(void *ctx, struct db_val key, struct db_val value), void *ctx);

/**
 * db_count(t, table):
 * Return the number of rows.
 */
uint64_t db_count(struct db_txn *t, struct db_table table);

/**
 * db_drop(t, table):
 * Remove all rows.
 */
void db_drop(struct db_txn *t, struct db_table table);

#endif
