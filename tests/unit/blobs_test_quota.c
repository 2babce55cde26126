/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A cache that is full, and a disk that fails. */
#include "blobs_test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static int fail_data, fail_names, fail_all;

/* These take the place of the C library's. */
int
fdatasync(int fd)
{
	if (fail_data > 0 && fail_data-- == 1) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	if (fail_names > 0 && fail_names-- == 1) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	if (fail_all > 0 && fail_all-- == 1) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_syncfs, fd);
}

START_TEST(oldest_goes)
{
	struct blobs *b = blobs_test_open(3000);
	struct blob_id id[4];

	for (uint8_t i = 0; i < 3; i++)
		id[i] = blobs_test_add(b, i, 1000);
	blobs_put(blobs_test_get(b, &id[0])); /* used: 1 is the oldest now */
	id[3] = blobs_test_add(b, 3, 1000);
	ck_assert(blobs_has(b, &id[0]) && !blobs_has(b, &id[1]) &&
	    blobs_has(b, &id[2]) && blobs_has(b, &id[3]));
	ck_assert(!blobs_test_file(&id[1], ".blob"));
	ck_assert_uint_eq(blobs_bytes(b), 3000);
	blobs_close(b);
}
END_TEST

START_TEST(open_ones_stay)
{
	struct blobs *b = blobs_test_open(3000);
	struct blob_id id[3], late;
	struct blob *x[3];
	char c;

	for (uint8_t i = 0; i < 3; i++) {
		id[i] = blobs_test_add(b, i, 1000);
		x[i] = blobs_test_get(b, &id[i]);
	}
	ck_assert_int_eq(blobs_add(b, "new", 3, &late), ERR_NOSPACE);
	ck_assert_uint_eq(blobs_bytes(b), 3000);
	ck_assert_int_eq(blobs_read(x[0], 0, &c, 1), ERR_OK);
	blobs_put(x[1]);
	ck_assert_int_eq(blobs_add(b, "new", 3, &late), ERR_OK);
	ck_assert(blobs_has(b, &id[0]) && !blobs_has(b, &id[1]) &&
	    blobs_has(b, &id[2]));
	ck_assert_uint_eq(blobs_bytes(b), 2003);
	blobs_put(x[0]);
	blobs_put(x[2]);
	blobs_close(b);
}
END_TEST

START_TEST(too_big_evicts_nothing)
{
	struct blobs *b = blobs_test_open(3000);
	struct blob_id id = blobs_test_add(b, 'a', 1000), big;

	ck_assert_int_eq(
	    blobs_add(b, blobs_test_bytes, 3001, &big), ERR_NOSPACE);
	ck_assert_int_eq(
	    blobs_begin(b, &blobs_test_id, LENGTH, blobs_test_leaves, SPANS),
	    ERR_NOSPACE);
	ck_assert(blobs_has(b, &id));
	ck_assert_uint_eq(blobs_bytes(b), 1000);
	blobs_close(b);
}
END_TEST

START_TEST(spans_make_room)
{
	struct blobs *b = blobs_test_open(LENGTH + 500);
	struct blob_id id = blobs_test_add(b, 'a', 1000);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 0), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 2), ERR_OK);
	ck_assert(blobs_has(b, &id));
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	ck_assert(!blobs_has(b, &id));
	ck_assert(blobs_has(b, &blobs_test_id));
	ck_assert_uint_eq(blobs_bytes(b), LENGTH);
	blobs_put(x);
	(void)blobs_test_add(b, 'b', 600);
	ck_assert(!blobs_has(b, &blobs_test_id));
	ck_assert(!blobs_test_file(&blobs_test_id, ".leaves"));
	blobs_close(b);
}
END_TEST

START_TEST(unfinished_ones_go_too)
{
	struct blobs *b = blobs_test_open(LENGTH);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 0), ERR_OK);
	blobs_put(x);
	(void)blobs_test_add(b, 'a', LENGTH - 10);
	ck_assert_int_eq(blobs_get(b, &blobs_test_id, &x), ERR_NOTFOUND);
	ck_assert(!blobs_test_file(&blobs_test_id, ".part"));
	ck_assert_uint_eq(blobs_bytes(b), LENGTH - 10);
	blobs_close(b);
}
END_TEST

/* The order of use is known after a restart, as old as the disk tells. */
START_TEST(order_survives)
{
	static const time_t ago[3] = { 85000, 80000, 90000 };
	struct blobs *b = blobs_test_open(3000);
	struct blob_id id[3];
	char path[400];

	for (uint8_t i = 0; i < 3; i++)
		id[i] = blobs_test_add(b, i, 1000);
	blobs_close(b);
	for (size_t i = 0; i < 3; i++) {
		time_t used = time(NULL) - ago[i];
		const struct timespec times[2] = { { used, 0 }, { used, 0 } };

		blobs_test_path(&id[i], ".blob", path);
		ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	}
	b = blobs_test_open(3000);
	blobs_put(blobs_test_get(b, &id[0])); /* noted on disk */
	blobs_close(b);
	b = blobs_test_open(2000); /* 2 was used longest ago */
	ck_assert(blobs_has(b, &id[0]) && blobs_has(b, &id[1]) &&
	    !blobs_has(b, &id[2]));
	blobs_close(b);
	b = blobs_test_open(1000);
	ck_assert(blobs_has(b, &id[0]) && !blobs_has(b, &id[1]));
	ck_assert_uint_eq(blobs_bytes(b), 1000);
	blobs_close(b);
}
END_TEST

/* Enough for the table to grow, and to be emptied again. */
START_TEST(many_entries)
{
	static struct blobs_piece pieces[300];
	static uint32_t numbers[300];
	struct blobs *b = blobs_test_open(1200);
	size_t left = 0;

	for (uint32_t i = 0; i < 300; i++) {
		numbers[i] = i;
		pieces[i].p = &numbers[i];
		pieces[i].n = 4;
	}
	ck_assert_int_eq(blobs_add_many(b, pieces, 300), ERR_OK);
	ck_assert_uint_eq(b->n_entries, 300);
	(void)blobs_test_add(b, 'x', 1000);
	for (size_t i = 0; i < 300; i++)
		left += blobs_has(b, &pieces[i].id);
	ck_assert_uint_eq(left, 50);
	ck_assert_uint_eq(b->n_entries, 51);
	ck_assert(blobs_has(b, &pieces[299].id));
	blobs_close(b);
}
END_TEST

START_TEST(failed_span)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	for (int nth = 1; nth <= 2; nth++) { /* of the bytes, of the bit */
		fail_data = nth;
		ck_assert_int_eq(blobs_test_put(x, 0), ERR_IO);
		ck_assert_int_eq(fail_data, 0);
		ck_assert(!blobs_span_has(x, 0));
		ck_assert_int_eq(blobs_test_put(x, 1), ERR_IO); /* closed */
		blobs_put(x);
		x = blobs_test_get(b, &blobs_test_id);
		ck_assert(blobs_span_has(x, 0) == (nth == 2));
		ck_assert_uint_eq(blobs_bytes(b), nth == 2 ? SEAL_SPAN : 0);
	}
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	blobs_put(x);
	ck_assert_int_eq(blobs_drop(b, &blobs_test_id), ERR_OK);
	ck_assert_uint_eq(blobs_bytes(b), 0);
	blobs_close(b);
}
END_TEST

START_TEST(failed_add)
{
	struct blobs *b = blobs_test_open(0);
	static struct blobs_piece pieces[100];
	static uint32_t numbers[100];
	struct blob_id id;

	fail_names = 1; /* the file's: nothing is there */
	ck_assert_int_eq(blobs_add(b, "x", 1, &id), ERR_IO);
	ck_assert_int_eq(seal_blob_id_of("x", 1, &id), ERR_OK);
	ck_assert(!blobs_has(b, &id));
	ck_assert_uint_eq(blobs_bytes(b), 0);
	ck_assert_int_eq(blobs_add(b, "x", 1, &id), ERR_OK);
	for (uint32_t i = 0; i < 100; i++) {
		numbers[i] = i;
		pieces[i].p = &numbers[i];
		pieces[i].n = 4;
	}
	fail_all = 1;
	ck_assert_int_eq(blobs_add_many(b, pieces, 100), ERR_IO);
	ck_assert(!blobs_has(b, &pieces[5].id));
	ck_assert_uint_eq(blobs_bytes(b), 1);
	fail_names = 2; /* the directory's: no flush is trusted any more */
	ck_assert_int_eq(blobs_add(b, "y", 1, &id), ERR_IO);
	ck_assert_int_eq(blobs_add(b, "y", 1, &id), ERR_IO);
	ck_assert_int_eq(blobs_add(b, "z", 1, &id), ERR_IO);
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert_int_eq(blobs_add(b, "z", 1, &id), ERR_OK);
	blobs_close(b);
}
END_TEST

/* What a cache loses by a failed flush it fetches again. */
START_TEST(cache_goes_on_after_a_failed_flush)
{
	struct blobs *b = blobs_test_open(1 << 20);
	struct blob_id id;

	fail_names = 2; /* the directory's */
	ck_assert_int_eq(blobs_add(b, "y", 1, &id), ERR_IO);
	ck_assert_int_eq(fail_names, 0);
	ck_assert_int_eq(blobs_add(b, "y", 1, &id), ERR_OK);
	ck_assert_int_eq(blobs_add(b, "z", 1, &id), ERR_OK);
	ck_assert_uint_eq(blobs_bytes(b), 2);
	blobs_close(b);
}
END_TEST

static TCase *
make_case(const char *name, const TTest *const *tests, size_t n)
{
	TCase *c = tcase_create(name);

	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, blobs_test_setup, blobs_test_teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(c, tests[i]);
	return c;
}

TCase *
blobs_test_quota(void)
{
	const TTest *const tests[] = { oldest_goes, open_ones_stay,
		too_big_evicts_nothing, spans_make_room, unfinished_ones_go_too,
		order_survives, many_entries };

	return make_case("quota", tests, ARRAY_LEN(tests));
}

TCase *
blobs_test_faults(void)
{
	const TTest *const tests[] = { failed_span, failed_add,
		cache_goes_on_after_a_failed_flush };

	return make_case("faults", tests, ARRAY_LEN(tests));
}
