/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rows_db.c takes the place of what db.h offers within a transaction
 * (--wrap): every lookup finds one row, which is the input's.
 */
#ifndef TESTS_FUZZ_ROWS_H
#define TESTS_FUZZ_ROWS_H

#include "db/db.h"
#include "fuzz.h"

/* The row that is there from now on; an empty key: none. */
void fuzz_row(struct db_val key, struct db_val value);

#endif
