/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the parts of journal_test. */
#ifndef JOURNAL_TEST_H
#define JOURNAL_TEST_H

#include <check.h>

#include "journal/journal_internal.h"

#define SEGMENT JOURNAL_SEGMENT_MIN

extern char journal_test_dir[256];
extern struct secret *journal_test_key;

/* Make journal_test_dir and journal_test_key; remove them. */
void journal_test_setup(void);
void journal_test_teardown(void);

/* Open with the key and segments of ${SEGMENT} bytes. */
enum err journal_test_open(struct journal **out) must_check;

/* As above; nothing else will do. */
struct journal *journal_test_must_open(void);

/* Append records from..to (text_of() each). */
void journal_test_fill(struct journal *j, uint64_t from, uint64_t to);

/* Read from..to and compare with what journal_test_fill() wrote. */
void journal_test_expect(struct journal *j, uint64_t from, uint64_t to);

/* The segment's path that begins with record ${first}. */
void journal_test_path(uint64_t first, char out[300]);

/* The next calls of these fail, as many as the number says. */
extern int journal_test_fail_sync, journal_test_fail_space;
extern int journal_test_syncs; /* calls so far */

TCase *journal_test_damage(void);
TCase *journal_test_faults(void);
TCase *journal_test_nth(void);
TCase *journal_test_forged(void);

#endif
