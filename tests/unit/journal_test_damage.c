/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is on disk is not what was written: crashes, bit flips, tampering. */
#include "journal_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define RECORDS 6

/* The first segment with RECORDS records, and where each begins. */
static uint8_t image[SEGMENT];
static uint32_t starts[RECORDS + 2];
static struct journal_link at; /* after the last one */

static void
make_image(void)
{
	struct journal *j = journal_test_must_open();
	struct journal_record r = { 0 };
	char path[300];
	int fd;

	journal_test_fill(j, 1, RECORDS);
	journal_head(j, &at.seq, at.hash);
	journal_close(j);
	journal_test_path(1, path);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(file_pread(fd, image, SEGMENT, 0), ERR_OK);
	(void)close(fd);
	starts[1] = JOURNAL_SEGMENT_HEAD;
	for (uint32_t i = 1; i <= RECORDS; i++) {
		ck_assert(journal_record_read(
		    image + starts[i], SEGMENT - starts[i], &r));
		starts[i + 1] = starts[i] + r.bytes;
	}
}

static void
put_file(uint64_t first, const uint8_t *bytes, size_t n)
{
	char path[300];
	int fd;

	journal_test_path(first, path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_pwrite(fd, bytes, n, 0), ERR_OK);
	(void)close(fd);
}

static void
expect_open(enum err e)
{
	struct journal *j = NULL;

	ck_assert_int_eq(journal_test_open(&j), e);
	journal_close(j);
}

static void
expect_unchanged(void)
{
	uint8_t now[SEGMENT];
	char path[300];
	int fd;

	journal_test_path(1, path);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(file_pread(fd, now, SEGMENT, 0), ERR_OK);
	(void)close(fd);
	ck_assert(memcmp(now, image, SEGMENT) == 0);
}

/* The last record is gone, all before it are there, and it goes on. */
static void
expect_cut(uint64_t kept)
{
	struct journal *j = journal_test_must_open();
	struct stat st;
	char path[300];

	journal_test_expect(j, 1, kept);
	journal_test_fill(j, kept + 1, kept + 1);
	journal_close(j);
	j = journal_test_must_open();
	journal_test_expect(j, 1, kept + 1);
	journal_close(j);
	journal_test_path(1, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, SEGMENT);
}

START_TEST(short_file)
{
	make_image();
	for (uint32_t n = starts[RECORDS]; n < starts[RECORDS + 1]; n++) {
		put_file(1, image, n);
		if (n < starts[RECORDS + 1] - 8)
			expect_cut(RECORDS - 1);
		else
			expect_open(ERR_OK); /* padding may be what is lost */
	}
	put_file(1, image, starts[RECORDS + 1]);
	expect_cut(RECORDS);
}
END_TEST

/* The same with the file as long as it was: zeros from some byte on. */
START_TEST(zeroed_tail)
{
	uint8_t torn[SEGMENT];

	make_image();
	for (uint32_t n = starts[RECORDS]; n < starts[RECORDS + 1] - 8; n++) {
		memcpy(torn, image, SEGMENT);
		memset(torn + n, 0, starts[RECORDS + 1] - n);
		put_file(1, torn, SEGMENT);
		expect_cut(RECORDS - 1);
	}
}
END_TEST

/* Or a sector in the midst never arrived. */
START_TEST(lost_middle)
{
	uint8_t torn[SEGMENT];

	make_image();
	memcpy(torn, image, SEGMENT);
	memset(torn + starts[RECORDS], 0, 24);
	put_file(1, torn, SEGMENT);
	expect_cut(RECORDS - 1);
}
END_TEST

START_TEST(flipped_byte)
{
	make_image();
	for (uint32_t i = starts[1]; i < starts[RECORDS]; i++) {
		image[i] ^= (uint8_t)(1 << (i % 8));
		put_file(1, image, SEGMENT);
		expect_open(ERR_CORRUPT);
		expect_unchanged();
		image[i] ^= (uint8_t)(1 << (i % 8));
	}
	put_file(1, image, SEGMENT);
	expect_open(ERR_OK);
}
END_TEST

START_TEST(removed_and_swapped)
{
	uint8_t bad[SEGMENT];

	make_image();
	memcpy(bad, image, SEGMENT); /* zeros where record 3 was */
	memset(bad + starts[3], 0, starts[4] - starts[3]);
	put_file(1, bad, SEGMENT);
	expect_open(ERR_CORRUPT);

	memcpy(bad, image, SEGMENT); /* record 3 taken out */
	memmove(bad + starts[3], bad + starts[4], SEGMENT - starts[4]);
	put_file(1, bad, SEGMENT);
	expect_open(ERR_CORRUPT);

	memcpy(bad, image, SEGMENT); /* record 6 twice */
	memcpy(bad + starts[RECORDS + 1], image + starts[RECORDS],
	    starts[RECORDS + 1] - starts[RECORDS]);
	put_file(1, bad, SEGMENT);
	expect_open(ERR_CORRUPT);

	memcpy(bad, image, SEGMENT); /* far behind the end */
	bad[SEGMENT - 9] = 1;
	put_file(1, bad, SEGMENT);
	expect_cut(RECORDS); /* could be one write: 16 KiB < a group */
}
END_TEST

/* Three records written at once, of which the first was lost: never synced. */
START_TEST(torn_group)
{
	CLEANUP_BUF struct buf more = { 0 };
	struct seal_part text = { "late", 4 };

	make_image();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(journal_record_put(journal_test_key, &at,
				     RECORDS + 1, text, &more),
		    ERR_OK);
	memcpy(image + starts[RECORDS + 1], more.p, more.len);
	image[starts[RECORDS + 1] + 70] ^= 1;
	put_file(1, image, SEGMENT);
	expect_cut(RECORDS);
}
END_TEST

/* The same, but the second began a new write: the first had been synced. */
START_TEST(hole_before_a_group)
{
	CLEANUP_BUF struct buf more = { 0 };
	struct seal_part text = { "late", 4 };

	make_image();
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert_int_eq(journal_record_put(journal_test_key, &at,
				     RECORDS + (i < 2 ? 1 : 2), text, &more),
		    ERR_OK);
	memcpy(image + starts[RECORDS + 1], more.p, more.len);
	image[starts[RECORDS + 1] + 70] ^= 1;
	put_file(1, image, SEGMENT);
	expect_open(ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CORRUPT), "record 7"));
}
END_TEST

/* What was cut must not come to life behind the records that replace it. */
START_TEST(cut_bytes_are_zeroed)
{
	uint8_t now[SEGMENT];
	char path[300];
	int fd;

	make_image();
	image[starts[RECORDS] + 60] ^= 1;
	put_file(1, image, SEGMENT);
	expect_open(ERR_OK);
	journal_test_path(1, path);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(file_pread(fd, now, SEGMENT, 0), ERR_OK);
	(void)close(fd);
	for (uint32_t i = starts[RECORDS]; i < SEGMENT; i++)
		ck_assert_uint_eq(now[i], 0);
}
END_TEST

START_TEST(header)
{
	make_image();
	for (uint32_t i = 0; i < JOURNAL_SEGMENT_HEAD; i++) {
		bool version = i >= 8 && i < 12;

		image[i] ^= 1;
		put_file(1, image, SEGMENT);
		expect_open(version ? ERR_UNSUPPORTED : ERR_CORRUPT);
		image[i] ^= 1;
	}
	put_file(1, image, 100);
	expect_open(ERR_CORRUPT);
	put_file(1, image, 0);
	expect_open(ERR_CORRUPT);
}
END_TEST

START_TEST(wrong_key)
{
	struct journal *j = journal_test_must_open();

	journal_test_fill(j, 1, 3);
	journal_close(j);
	secret_bytes(journal_test_key)[31] ^= 1;
	expect_open(ERR_NOKEY);
	secret_bytes(journal_test_key)[31] ^= 1;
	j = journal_test_must_open();
	journal_test_expect(j, 1, 3);
	journal_close(j);
}
END_TEST

/* Of several segments: which are named, and what is missing or changed. */
static size_t
make_segments(uint64_t firsts[8])
{
	struct journal *j = journal_test_must_open();
	size_t n;

	journal_test_fill(j, 1, 450);
	n = j->n_segs;
	ck_assert_uint_ge(n, 3);
	ck_assert_uint_le(n, 8);
	for (size_t i = 0; i < n; i++)
		firsts[i] = j->segs[i].first;
	journal_close(j);
	return n;
}

START_TEST(missing_segment)
{
	uint64_t firsts[8];
	char path[300], other[300];
	size_t n = make_segments(firsts);

	journal_test_path(firsts[1], path);
	(void)snprintf(other, sizeof(other), "%s/kept", journal_test_dir);
	ck_assert_int_eq(rename(path, other), 0);
	expect_open(ERR_CORRUPT);
	journal_test_path(firsts[n - 1] + 1, path); /* under a wrong name */
	ck_assert_int_eq(rename(other, path), 0);
	expect_open(ERR_CORRUPT);
}
END_TEST

/* A segment without records tells what should stand before it. */
START_TEST(missing_before_an_empty_segment)
{
	struct journal *j = journal_test_must_open();
	struct journal_link later = { .seq = 5 };
	int fd;

	journal_test_fill(j, 1, 3);
	journal_close(j);
	j = journal_test_must_open(); /* without a committer as yet */
	ck_assert_int_eq(journal_seg_create(j, &later, &fd), ERR_OK);
	(void)close(fd);
	journal_close(j);
	expect_open(ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CORRUPT), "missing"));
}
END_TEST

START_TEST(tail_of_an_old_segment)
{
	uint64_t firsts[8];
	struct stat st;
	char path[300];
	int fd;

	(void)make_segments(firsts);
	journal_test_path(firsts[1], path);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(ftruncate(fd, st.st_size - 400), 0);
	ck_assert_int_eq(ftruncate(fd, st.st_size), 0);
	(void)close(fd);
	expect_open(ERR_CORRUPT);
}
END_TEST

/* Records that change below an open journal are found when they are read. */
static bool
go_on(void *ctx, uint64_t seq, const void *p, size_t n)
{
	(void)p;
	(void)n;
	*(uint64_t *)ctx = seq;
	return true;
}

START_TEST(changed_while_open)
{
	struct journal *j;
	uint64_t seen = 0;

	make_image();
	j = journal_test_must_open();
	image[starts[4] + 60] ^= 1;
	put_file(1, image, SEGMENT);
	ck_assert_int_eq(journal_read(j, 1, go_on, &seen), ERR_CORRUPT);
	ck_assert_uint_eq(seen, 3);
	journal_close(j);
}
END_TEST

TCase *
journal_test_damage(void)
{
	TCase *c = tcase_create("damage");

	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, journal_test_setup, journal_test_teardown);
	tcase_add_test(c, short_file);
	tcase_add_test(c, zeroed_tail);
	tcase_add_test(c, lost_middle);
	tcase_add_test(c, flipped_byte);
	tcase_add_test(c, removed_and_swapped);
	tcase_add_test(c, torn_group);
	tcase_add_test(c, hole_before_a_group);
	tcase_add_test(c, cut_bytes_are_zeroed);
	tcase_add_test(c, header);
	tcase_add_test(c, wrong_key);
	tcase_add_test(c, missing_segment);
	tcase_add_test(c, missing_before_an_empty_segment);
	tcase_add_test(c, tail_of_an_old_segment);
	tcase_add_test(c, changed_while_open);
	return c;
}
