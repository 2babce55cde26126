/* SPDX-License-Identifier: GPL-3.0-or-later */
/* db: shared by db.c and txn.c only. */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

#include <lmdb.h>

#include "db/db.h"

struct db {
	MDB_env *env;
	char *dir;
	int64_t readers_checked; /* boot ms; guarded by the write transaction */
};

/**
 * db_err(d, rc, what):
 * Translate LMDB's ${rc}, with a detail that names ${what} and the directory.
 */
enum err db_err(const struct db *d, int rc, const char *what);

#endif
