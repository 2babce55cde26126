/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The n-th call fails.  Linked with NTH_WRAP (tests/Makefile.inc) a unit test
 * can let any one allocation or system call of the rooms fail and see what
 * comes of it: the right error, nothing leaked, nothing half done.
 */
#ifndef TESTS_UNIT_NTH_H
#define TESTS_UNIT_NTH_H

#include <check.h>
#include <stdbool.h>

/* Which calls count. */
enum nth {
	NTH_MEMORY = 1, /* malloc and its kin, asprintf, sodium_malloc */
	NTH_CIPHER = 2, /* libcrypto's AES */
	NTH_WRITE = 4,  /* write, sync, rename, unlink, fallocate */
	NTH_READ = 8,   /* open, stat, read, opendir */
	NTH_THREAD = 16,
	NTH_SHORT = 32, /* read and write do half of it */
};

/* Let call ${n} (1: the next) of these fail with ${errnum}; once. */
void nth_arm(unsigned which, unsigned n, int errnum);

/* Let none fail any more and say whether one has. */
bool nth_disarm(void);

/* Say whether one has failed since nth_arm(). */
bool nth_hit(void);

/* Allocations of the rooms that were not freed. */
long nth_live(void);

/* As ck_assert(), within what may be armed: Check allocates too. */
#define NTH_MUST(cond)                                                         \
	do {                                                                   \
		if (!(cond)) {                                                 \
			(void)nth_disarm();                                    \
			ck_abort_msg("must hold: %s", #cond);                  \
		}                                                              \
	} while (0)

/* For further wrappers: say whether this call, one of ${which}, is to fail. */
bool nth_fails(unsigned which);

/*
 * Run ${fn} with the 1st, 2nd ... call failing until one run has none left to
 * fail; return in how many runs one failed.  Each run must leave as many
 * allocations as it found.
 */
unsigned nth_each(unsigned which, int errnum, void (*fn)(void *ctx), void *ctx);

#endif
