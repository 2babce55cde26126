/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any one call fails: nothing that was acknowledged is lost. */
#include "journal_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "nth.h"

#define STORY   14   /* records */
#define PAYLOAD 1500 /* bytes of each: a segment takes ten */
#define DROP    11

static int
remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

/* By what is not wrapped: nothing here is to fail. */
static void
clear_dir(void)
{
	(void)nftw(journal_test_dir, remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

static void
payload_of(uint64_t seq, uint8_t out[PAYLOAD])
{
	memset(out, (int)seq, PAYLOAD);
}

/* The numbers of a story. */
struct told {
	uint64_t acked, next;
	unsigned which;
	enum err io; /* what a failed call of the disk gives */
};

static bool
check_record(void *ctx, uint64_t seq, const void *p, size_t n)
{
	struct told *t = ctx;
	uint8_t want[PAYLOAD];

	payload_of(seq, want);
	NTH_MUST(seq == t->next && n == PAYLOAD && memcmp(p, want, n) == 0);
	t->next++;
	return true;
}

/* The error is one that this failure may give. */
static bool
is_due(const struct told *t, enum err e)
{
	if (e == ERR_OK || !nth_hit())
		return e == ERR_OK;
	if (t->which == NTH_MEMORY)
		return e == ERR_NOMEM || e == ERR_JOURNAL;
	return e == t->io || e == ERR_JOURNAL || e == ERR_IO;
}

/* All that was acknowledged is there, and at most one record more. */
static void
look_again(struct told *t)
{
	struct journal *j = journal_test_must_open();
	uint64_t last = journal_last(j),
		 first = t->acked + 1 >= DROP ? DROP : 1;

	ck_assert(last == t->acked || last == t->acked + 1);
	t->next = first;
	ck_assert_int_eq(journal_read(j, first, check_record, t), ERR_OK);
	ck_assert_uint_eq(t->next, last + 1);
	journal_close(j);
}

/* Append, read, drop, close. */
static void
use(struct journal *j, struct told *t)
{
	uint8_t bytes[PAYLOAD];
	uint64_t seq;
	enum err e = ERR_OK;

	for (uint64_t i = 1; i <= STORY && e == ERR_OK; i++) {
		payload_of(i, bytes);
		e = journal_append(j, bytes, sizeof(bytes), &seq);
		if (e == ERR_OK)
			t->acked = seq;
	}
	NTH_MUST(is_due(t, e));
	NTH_MUST(journal_last(j) == t->acked);
	t->next = 1;
	e = journal_read(j, 1, check_record, t);
	NTH_MUST(is_due(t, e));
	NTH_MUST(e || t->next == t->acked + 1);
	e = journal_drop(j, DROP);
	NTH_MUST(is_due(t, e));
	journal_close(j);
}

static void
story(void *ctx)
{
	struct told *t = ctx;
	struct journal *j = NULL;
	enum err e;

	clear_dir();
	t->acked = 0;
	e = journal_test_open(&j);
	NTH_MUST((e == ERR_OK) == (j != NULL));
	NTH_MUST(is_due(t, e));
	if (j)
		use(j, t);
	e = journal_test_open(&j); /* the call may fail here too */
	NTH_MUST(is_due(t, e));
	if (e == ERR_OK)
		journal_close(j);
	if (!nth_hit())
		return;
	look_again(t); /* it has failed once: no more does */
}

START_TEST(each_call_fails)
{
	static const struct {
		unsigned which;
		int errnum;
		enum err io;
	} rows[] = { { NTH_MEMORY, ENOMEM, ERR_NOMEM },
		{ NTH_WRITE, EIO, ERR_IO }, { NTH_WRITE, ENOSPC, ERR_NOSPACE },
		{ NTH_READ, EIO, ERR_IO }, { NTH_READ, EMFILE, ERR_IO },
		{ NTH_THREAD, EAGAIN, ERR_BUSY } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told t = { .which = rows[i].which, .io = rows[i].io };

		ck_assert_uint_ge(
		    nth_each(rows[i].which, rows[i].errnum, story, &t), 1);
	}
}
END_TEST

/* Calls that do less than they were asked for are not failures. */
START_TEST(short_calls)
{
	struct told t = { .which = NTH_SHORT };

	ck_assert_uint_ge(nth_each(NTH_SHORT, 0, story, &t), 20);
}
END_TEST

/* ---- a tail that must be cut ---- */

/* A journal whose newest segment is torn and too short. */
static void
tear(void)
{
	struct journal *j = journal_test_must_open();
	char path[300];
	int fd;

	journal_test_fill(j, 1, 5);
	journal_close(j);
	journal_test_path(1, path);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_pwrite(fd, "torn", 4, 2000), ERR_OK);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	(void)close(fd);
}

static void
repair(void *ctx)
{
	struct told *t = ctx;
	struct journal *j = NULL;
	enum err e;

	clear_dir();
	tear();
	nth_arm(t->which, (unsigned)t->next, (int)t->acked);
	e = journal_test_open(&j);
	(void)nth_disarm();
	ck_assert((e == ERR_OK) == (j != NULL));
	ck_assert(is_due(t, e));
	if (e == ERR_OK)
		journal_close(j);
	j = journal_test_must_open();
	journal_test_expect(j, 1, 5);
	journal_close(j);
}

START_TEST(repair_fails)
{
	static const struct {
		unsigned which;
		int errnum;
		enum err io;
	} rows[] = { { NTH_MEMORY, ENOMEM, ERR_NOMEM },
		{ NTH_WRITE, EIO, ERR_IO }, { NTH_WRITE, ENOSPC, ERR_NOSPACE },
		{ NTH_READ, EIO, ERR_IO } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told t = { .which = rows[i].which,
			.io = rows[i].io,
			.acked = (uint64_t)rows[i].errnum };

		for (t.next = 1; t.next == 1 || nth_hit(); t.next++)
			repair(&t);
		ck_assert_uint_ge(t.next, 5);
	}
}
END_TEST

/* ---- options ---- */

START_TEST(options)
{
	CLEANUP(secret_free) struct secret *little = NULL;
	struct journal_opts o = { journal_test_dir, NULL, 0 };
	struct journal *j = NULL;
	static uint8_t big[JOURNAL_MAX_RECORD];

	ck_assert_int_eq(secret_copy(big, 16, &little), ERR_OK);
	o.key = little;
	ck_assert_int_eq(journal_open(&o, &j), ERR_INVAL);
	o.key = journal_test_key;
	o.segment_bytes = JOURNAL_SEGMENT_MIN - 1;
	ck_assert_int_eq(journal_open(&o, &j), ERR_INVAL);
	o.segment_bytes = JOURNAL_SEGMENT_MAX + 1;
	ck_assert_int_eq(journal_open(&o, &j), ERR_INVAL);
	o.segment_bytes = 0; /* the default has room for a whole group */
	ck_assert_int_eq(journal_open(&o, &j), ERR_OK);
	ck_assert_int_eq(journal_append(j, big, sizeof(big), NULL), ERR_OK);
	/* until the next second, whatever the time */
	ck_assert_uint_eq(
	    journal_wait(j, 1, clock_boot_ms() + 999), journal_last(j));
	journal_close(j);
}
END_TEST

TCase *
journal_test_nth(void)
{
	TCase *c = tcase_create("nth");

	tcase_add_checked_fixture(c, journal_test_setup, journal_test_teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, each_call_fails);
	tcase_add_test(c, short_calls);
	tcase_add_test(c, repair_fails);
	tcase_add_test(c, options);
	return c;
}
