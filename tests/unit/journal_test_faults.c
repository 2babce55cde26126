/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The disk fails: these definitions take the place of the C library's. */
#include "journal_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"

int journal_test_fail_sync, journal_test_fail_space;
int journal_test_syncs;

int
fdatasync(int fd)
{
	journal_test_syncs++;
	if (journal_test_fail_sync > 0) {
		journal_test_fail_sync--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
posix_fallocate(int fd, off_t off, off_t len)
{
	if (journal_test_fail_space > 0) {
		journal_test_fail_space--;
		return ENOSPC;
	}
	return syscall(SYS_fallocate, fd, 0, off, len) == 0 ? 0 : errno;
}

START_TEST(failed_sync_mends_itself)
{
	struct journal *j = journal_test_must_open();
	int64_t until = clock_boot_ms() + 20000;
	enum err e = ERR_JOURNAL;
	uint64_t seq = 0;

	journal_test_fill(j, 1, 3);
	journal_test_fail_sync = 2; /* and the first attempt to mend it */
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_JOURNAL);
	while (e == ERR_JOURNAL && clock_boot_ms() < until) {
		clock_sleep_ms(20);
		e = journal_append(j, "y", 1, &seq);
	}
	ck_assert_int_eq(e, ERR_OK);
	ck_assert_uint_ge(seq, 4);
	journal_close(j);
	j = journal_test_must_open(); /* the chain holds */
	ck_assert_uint_eq(journal_last(j), seq);
	journal_close(j);
}
END_TEST

START_TEST(lost_records_keep_it_closed)
{
	struct journal *j = journal_test_must_open();
	char path[300];
	struct stat st;

	journal_test_fill(j, 1, 3);
	journal_test_path(1, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, JOURNAL_SEGMENT_HEAD), 0);
	ck_assert_int_eq(truncate(path, st.st_size), 0);
	journal_test_fail_sync = 1;
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_JOURNAL);
	clock_sleep_ms(1500); /* it has looked */
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_JOURNAL);
	journal_close(j);
}
END_TEST

START_TEST(failed_sync_closes)
{
	struct journal *j = journal_test_must_open();
	int syncs;

	journal_test_fill(j, 1, 3);
	journal_test_fail_sync = 1;
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_JOURNAL);
	syncs = journal_test_syncs;
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_JOURNAL);
	ck_assert_int_eq(journal_test_syncs, syncs); /* never tried again */
	journal_test_expect(j, 1, 3);
	journal_close(j);

	journal_test_fail_sync = 1; /* and the disk is not well yet */
	ck_assert_int_eq(journal_test_open(&j), ERR_IO);
	j = journal_test_must_open();
	ck_assert_uint_ge(journal_last(j), 3);
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_OK);
	journal_close(j);
}
END_TEST

static void *
append_once(void *arg)
{
	static enum err results[6];
	static unsigned next;
	enum err *mine =
	    &results[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)];

	*mine = journal_append(arg, "x", 1, NULL);
	return mine;
}

START_TEST(failed_sync_fails_all)
{
	struct journal *j = journal_test_must_open();
	pthread_t t[6];
	void *e;
	int syncs = journal_test_syncs;

	journal_test_fail_sync = 1000;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(
		    pthread_create(&t[i], NULL, append_once, j), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		ck_assert_int_eq(pthread_join(t[i], &e), 0);
		ck_assert_int_eq(*(enum err *)e, ERR_JOURNAL);
	}
	ck_assert_int_eq(journal_test_syncs, syncs + 1);
	ck_assert_uint_eq(journal_last(j), 0);
	journal_close(j);
	journal_test_fail_sync = 0;
}
END_TEST

/* A full disk refuses records, and takes them again once there is space. */
START_TEST(full_disk)
{
	struct journal *j;
	enum err e = ERR_OK;
	uint64_t last;

	journal_test_fail_space = 1;
	ck_assert_int_eq(journal_test_open(&j), ERR_NOSPACE);
	j = journal_test_must_open();
	journal_test_fail_space = 2;
	for (int i = 0; i < 300 && e == ERR_OK; i++)
		e = journal_append(j, "x", 1, NULL);
	ck_assert_int_eq(e, ERR_NOSPACE);
	last = journal_last(j);
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_NOSPACE);
	ck_assert_int_eq(journal_append(j, "x", 1, NULL), ERR_OK);
	ck_assert_uint_eq(journal_last(j), last + 1);
	journal_close(j);
	j = journal_test_must_open();
	ck_assert_uint_eq(journal_last(j), last + 1);
	journal_close(j);
}
END_TEST

TCase *
journal_test_faults(void)
{
	TCase *c = tcase_create("faults");

	tcase_add_checked_fixture(c, journal_test_setup, journal_test_teardown);
	tcase_add_test(c, failed_sync_closes);
	tcase_add_test(c, failed_sync_mends_itself);
	tcase_add_test(c, lost_records_keep_it_closed);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, failed_sync_fails_all);
	tcase_add_test(c, full_disk);
	return c;
}
