/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Segments that somebody made who knows the format: misplaced records with
 * good tags, headers with good hashes, files that change under a running
 * journal, names that are none.
 */
#include "journal_test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define FIELDS  64
#define SIZE_AT 12
#define TEXT    "record of one size"

/* ---- bytes of a file ---- */

static void
edit(uint64_t first, void *p, size_t n, off_t at, bool put)
{
	char path[300];
	int fd;

	journal_test_path(first, path);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    put ? file_pwrite(fd, p, n, at) : file_pread(fd, p, n, at), ERR_OK);
	(void)close(fd);
}

static size_t
record_bytes(void)
{
	return journal_record_size(sizeof(TEXT));
}

static off_t
record_at(unsigned i)
{
	return (off_t)(JOURNAL_SEGMENT_HEAD + (i - 1) * record_bytes());
}

static void
append_some(struct journal *j, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(
		    journal_append(j, TEXT, sizeof(TEXT), NULL), ERR_OK);
}

static bool
any(void *ctx, uint64_t seq, const void *p, size_t n)
{
	(void)ctx, (void)seq, (void)p, (void)n;
	return true;
}

static void
expect_read(struct journal *j, enum err want)
{
	ck_assert_int_eq(journal_read(j, 1, any, NULL), want);
}

/* ---- under a running journal ---- */

/* A record of ours at another record's place. */
START_TEST(moved_record)
{
	struct journal *j = journal_test_must_open();
	uint8_t bytes[256];

	append_some(j, 4);
	expect_read(j, ERR_OK);
	edit(1, bytes, record_bytes(), record_at(1), false);
	edit(1, bytes, record_bytes(), record_at(3), true);
	expect_read(j, ERR_CORRUPT);
	journal_close(j);
}
END_TEST

/* The same number of another history, under the same key. */
START_TEST(other_history)
{
	struct journal *j = journal_test_must_open();
	uint8_t bytes[256];
	char path[300];

	append_some(j, 3);
	journal_close(j);
	edit(1, bytes, record_bytes(), record_at(2), false);
	journal_test_path(1, path);
	ck_assert_int_eq(unlink(path), 0);
	j = journal_test_must_open();
	append_some(j, 3);
	edit(1, bytes, record_bytes(), record_at(2), true);
	expect_read(j, ERR_CORRUPT);
	journal_close(j);
}
END_TEST

START_TEST(lost_files)
{
	struct journal *j = journal_test_must_open();
	uint8_t zeros[256] = { 0 };
	char path[300];

	append_some(j, 3);
	edit(1, zeros, record_bytes(), record_at(1), true);
	expect_read(j, ERR_CORRUPT);
	journal_test_path(1, path);
	ck_assert_int_eq(truncate(path, record_at(2)), 0);
	expect_read(j, ERR_CORRUPT);
	ck_assert_int_eq(unlink(path), 0);
	expect_read(j, ERR_NOTFOUND);
	journal_close(j);
}
END_TEST

struct writer {
	struct journal *j;
	unsigned more;
	uint64_t seen;
};

/* What comes while we read is read as well. */
static bool
append_more(void *ctx, uint64_t seq, const void *p, size_t n)
{
	struct writer *w = ctx;

	(void)p, (void)n;
	ck_assert_uint_eq(seq, w->seen + 1);
	w->seen = seq;
	if (w->more > 0) {
		w->more--;
		append_some(w->j, 1);
	}
	return true;
}

START_TEST(growing)
{
	struct writer w = { journal_test_must_open(), 300, 0 };

	append_some(w.j, 1);
	ck_assert_int_eq(journal_read(w.j, 1, append_more, &w), ERR_OK);
	ck_assert_uint_eq(w.seen, 301);
	journal_close(w.j);
}
END_TEST

/* ---- headers ---- */

/* As segment.c makes them; ${key} may be another's. */
static void
hash_head(uint8_t *p, const struct secret *key)
{
	static const char context[] = "consentfs/1 journal segment";
	const struct seal_part keyed[] = { { context, sizeof(context) - 1 },
		{ p, FIELDS } };
	const struct seal_part plain = { p, FIELDS + 32 };

	seal_hash(secret_view(key), keyed, 2, p + FIELDS);
	seal_hash(NULL, &plain, 1, p + FIELDS + 32);
}

static void
expect_open(enum err want)
{
	struct journal *j = NULL;

	ck_assert_int_eq(journal_test_open(&j), want);
	journal_close(j);
}

static void
try_head(uint32_t size, uint64_t first, enum err want)
{
	uint8_t head[JOURNAL_SEGMENT_HEAD], kept[JOURNAL_SEGMENT_HEAD];

	edit(1, head, sizeof(head), 0, false);
	memcpy(kept, head, sizeof(head));
	for (int i = 0; i < 4; i++)
		head[SIZE_AT + i] = (uint8_t)(size >> (24 - 8 * i));
	head[SIZE_AT + 11] = (uint8_t)first;
	hash_head(head, journal_test_key);
	edit(1, head, sizeof(head), 0, true);
	expect_open(want);
	edit(1, kept, sizeof(kept), 0, true);
}

START_TEST(odd_headers)
{
	char from[300], to[300];

	journal_close(journal_test_must_open());
	try_head(SEGMENT, 1, ERR_OK);
	try_head(JOURNAL_SEGMENT_MIN - 1, 1, ERR_CORRUPT);
	try_head(JOURNAL_SEGMENT_MAX + 1, 1, ERR_CORRUPT);
	try_head(SEGMENT, 2, ERR_CORRUPT);
	journal_test_path(1, from);
	journal_test_path(0, to);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(link(to, from), 0);
	try_head(SEGMENT, 0, ERR_CORRUPT);
	ck_assert_int_eq(unlink(from), 0);
	ck_assert_int_eq(rename(to, from), 0);
	expect_open(ERR_OK);
}
END_TEST

/* A first segment of another key is another's journal; a later one forged. */
START_TEST(foreign_second)
{
	CLEANUP(secret_free) struct secret *other = NULL;
	struct journal *j = journal_test_must_open();
	uint8_t head[JOURNAL_SEGMENT_HEAD], big[JOURNAL_MAX_RECORD] = { 0 };

	for (int i = 0; i < 3; i++) /* the second begins with record 2 */
		ck_assert_int_eq(
		    journal_append(j, big, sizeof(big), NULL), ERR_OK);
	journal_close(j);
	ck_assert_int_eq(
	    secret_copy("another key of thirty-two bytes.", 32, &other),
	    ERR_OK);
	edit(2, head, sizeof(head), 0, false);
	hash_head(head, other);
	edit(2, head, sizeof(head), 0, true);
	expect_open(ERR_CORRUPT);
}
END_TEST

/* Too far behind the last record to be one unfinished write. */
START_TEST(far_away)
{
	struct journal_opts o = { journal_test_dir, journal_test_key,
		4 * JOURNAL_GROUP_MAX };
	struct journal *j = NULL;
	uint8_t byte = 1;

	ck_assert_int_eq(journal_open(&o, &j), ERR_OK);
	append_some(j, 1);
	journal_close(j);
	edit(1, &byte, 1, 3 * JOURNAL_GROUP_MAX, true);
	ck_assert_int_eq(journal_open(&o, &j), ERR_CORRUPT);
}
END_TEST

/* Names of the right length that name no segment. */
START_TEST(other_names)
{
	static const char *const names[] = { "0000000000000001.sex",
		"000000000000000x.seg", "notes" };
	char path[300];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%.200s/%s",
		    journal_test_dir, names[i]);
		ck_assert_int_eq(file_write(path, "x", 1, 0600), ERR_OK);
	}
	expect_open(ERR_OK);
}
END_TEST

/* ---- the shape of a record ---- */

START_TEST(shapes)
{
	struct journal_link at = { 0 };
	const struct seal_part payload = { "payload", 7 };
	CLEANUP_BUF struct buf b = { 0 };
	struct journal_record r;

	ck_assert_int_eq(
	    journal_record_put(journal_test_key, &at, 1, payload, &b), ERR_OK);
	ck_assert(journal_record_read(b.p, b.len, &r));
	for (size_t n = 0; n < b.len; n++)
		ck_assert(!journal_record_read(b.p, n, &r));
	b.p[b.len - 1] = 1; /* padding */
	ck_assert(!journal_record_read(b.p, b.len, &r));
	b.p[b.len - 1] = 0;
	b.p[7] = SEAL_REST_EXTRA - 1;
	ck_assert(!journal_record_read(b.p, b.len, &r));
	b.p[6] = 0xff; /* larger than any */
	ck_assert(!journal_record_read(b.p, b.len, &r));
}
END_TEST

TCase *
journal_test_forged(void)
{
	TCase *c = tcase_create("forged");

	tcase_add_checked_fixture(c, journal_test_setup, journal_test_teardown);
	tcase_add_test(c, moved_record);
	tcase_add_test(c, other_history);
	tcase_add_test(c, lost_files);
	tcase_add_test(c, growing);
	tcase_add_test(c, odd_headers);
	tcase_add_test(c, foreign_second);
	tcase_add_test(c, far_away);
	tcase_add_test(c, other_names);
	tcase_add_test(c, shapes);
	return c;
}
