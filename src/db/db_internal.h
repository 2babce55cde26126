/* SPDX-License-Identifier: GPL-3.0-or-later */
/* db: shared by db.c and txn.c only. */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "db/db.h"

#define DB_MAX_TABLES 32

struct db {
	MDB_env *env; /* lock, and not changed while there are users */
	char *dir;
	struct db_opts opts; /* format owned */
	bool read_only;
	int64_t readers_checked; /* boot ms; guarded by the write transaction */
	pthread_mutex_t lock;
	unsigned users;   /* lock; transactions */
	int64_t reopened; /* lock; boot ms */
	struct {
		char *name;
		MDB_dbi dbi;
	} table[DB_MAX_TABLES]; /* lock, or without users */
	unsigned ntables;
};

/**
 * db_enter(d, flags, out):
 * Begin a transaction of LMDB in ${out}; the environment stays as it is until
 * db_leave().  Return LMDB's code, then nothing is to be left.
 */
int db_enter(struct db *d, unsigned flags, MDB_txn **out);

/**
 * db_leave(d):
 * A transaction has ended.
 */
void db_leave(struct db *d);

/**
 * db_err(d, rc, what):
 * Translate LMDB's ${rc}, with a detail that names ${what} and the directory.
 */
enum err db_err(const struct db *d, int rc, const char *what);

#endif
