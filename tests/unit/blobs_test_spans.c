/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blobs that come span by span, and crashes meanwhile. */
#include "blobs_test.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"

START_TEST(leaf_list_must_match)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = NULL;

	ck_assert_int_eq(blobs_begin(b, &blobs_test_id, LENGTH + 1,
			     blobs_test_leaves, SPANS),
	    ERR_FORGED);
	ck_assert_int_eq(blobs_begin(b, &blobs_test_id, LENGTH,
			     blobs_test_leaves, SPANS - 1),
	    ERR_FORGED);
	blobs_test_leaves[40] ^= 1;
	ck_assert_int_eq(
	    blobs_begin(b, &blobs_test_id, LENGTH, blobs_test_leaves, SPANS),
	    ERR_FORGED);
	ck_assert_int_eq(blobs_begin(b, &blobs_test_id, BLOBS_MAX_LENGTH + 1,
			     blobs_test_leaves, SPANS),
	    ERR_TOOBIG);
	ck_assert_int_eq(blobs_get(b, &blobs_test_id, &x), ERR_NOTFOUND);
	blobs_close(b);
}
END_TEST

static void
expect_content(struct blob *x)
{
	static uint8_t got[LENGTH];
	uint64_t bad;

	ck_assert_int_eq(blobs_read(x, 0, got, LENGTH), ERR_OK);
	ck_assert(memcmp(got, blobs_test_bytes, LENGTH) == 0);
	ck_assert_int_eq(blobs_check(x, &bad), ERR_OK);
}

START_TEST(spans_come)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);
	uint64_t bad;
	char c[2];

	ck_assert(!blobs_has(b, &blobs_test_id));
	ck_assert_int_eq(blobs_read(x, 0, c, 1), ERR_PENDING);
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK); /* again: no harm */
	ck_assert(!blobs_span_has(x, 0) && blobs_span_has(x, 1));
	ck_assert_uint_eq(blobs_bytes(b), SEAL_SPAN);
	ck_assert_int_eq(blobs_read(x, SEAL_SPAN, c, 2), ERR_OK);
	ck_assert_int_eq(blobs_read(x, SEAL_SPAN - 1, c, 2), ERR_PENDING);
	ck_assert_int_eq(blobs_read(x, 2 * SEAL_SPAN - 1, c, 2), ERR_PENDING);
	ck_assert_int_eq(blobs_check(x, &bad), ERR_PENDING);
	ck_assert_int_eq(blobs_test_put(x, 0), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 2), ERR_OK);
	ck_assert(blobs_has(b, &blobs_test_id));
	expect_content(x);
	blobs_put(x);
	ck_assert(blobs_test_file(&blobs_test_id, ".blob") &&
	    blobs_test_file(&blobs_test_id, ".leaves") &&
	    !blobs_test_file(&blobs_test_id, ".part") &&
	    !blobs_test_file(&blobs_test_id, ".new"));
	x = blobs_test_begin(b); /* left alone */
	expect_content(x);
	blobs_put(x);
	ck_assert_uint_eq(blobs_bytes(b), LENGTH);
	blobs_close(b);
}
END_TEST

START_TEST(wrong_spans)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(
	    blobs_span_put(x, 0, blobs_test_bytes + SEAL_SPAN, SEAL_SPAN),
	    ERR_FORGED);
	blobs_test_bytes[77] ^= 1;
	ck_assert_int_eq(blobs_test_put(x, 0), ERR_FORGED);
	blobs_test_bytes[77] ^= 1;
	ck_assert_int_eq(
	    blobs_span_put(x, 0, blobs_test_bytes, SEAL_SPAN - 1), ERR_INVAL);
	ck_assert_int_eq(
	    blobs_span_put(x, SPANS, blobs_test_bytes, 1000), ERR_INVAL);
	ck_assert_int_eq(
	    blobs_span_put(x, SPANS - 1, blobs_test_bytes, SEAL_SPAN),
	    ERR_INVAL);
	ck_assert_int_eq(
	    blobs_span_put(x, UINT64_MAX, blobs_test_bytes, 1), ERR_INVAL);
	for (uint64_t i = 0; i < SPANS; i++)
		ck_assert(!blobs_span_has(x, i));
	ck_assert_uint_eq(blobs_bytes(b), 0);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

START_TEST(reopened_in_the_midst)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 2), ERR_OK);
	blobs_put(x);
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert_uint_eq(blobs_bytes(b), 1000);
	ck_assert(!blobs_has(b, &blobs_test_id));
	x = blobs_test_get(b, &blobs_test_id);
	ck_assert(!blobs_span_has(x, 0) && !blobs_span_has(x, 1) &&
	    blobs_span_has(x, 2));
	ck_assert_int_eq(blobs_test_put(x, 0), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	expect_content(x);
	blobs_put(x);
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert(blobs_has(b, &blobs_test_id));
	blobs_close(b);
}
END_TEST

/* One span, none at all: announced with a leaf list, whole without. */
START_TEST(single_spans)
{
	static const size_t sizes[] = { 0, 1000 };
	struct blobs *b = blobs_test_open(0);
	struct blob_id id;
	uint8_t leaf[32];
	uint64_t bad;
	struct blob *x;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		seal_leaf(0, blobs_test_bytes, sizes[i], leaf);
		seal_blob_id(sizes[i], leaf, 1, &id);
		ck_assert_int_eq(
		    blobs_begin(b, &id, sizes[i], leaf, 1), ERR_OK);
		blobs_close(b);
		b = blobs_test_open(0);
		ck_assert(!blobs_has(b, &id));
		x = blobs_test_get(b, &id);
		ck_assert_int_eq(
		    blobs_span_put(x, 0, blobs_test_bytes, sizes[i]), ERR_OK);
		ck_assert(blobs_has(b, &id));
		ck_assert(!blobs_test_file(&id, ".leaves"));
		blobs_put(x);
		x = blobs_test_get(b, &id);
		ck_assert_int_eq(blobs_check(x, &bad), ERR_OK);
		blobs_put(x);
	}
	blobs_close(b);
}
END_TEST

/* Somebody uploads spans, somebody else adds the same blob whole. */
START_TEST(added_while_announced)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);
	struct blob_id id;

	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	ck_assert_int_eq(blobs_add(b, blobs_test_bytes, LENGTH, &id), ERR_OK);
	ck_assert(ID_EQ(&id, &blobs_test_id));
	ck_assert(blobs_has(b, &id));
	ck_assert_uint_eq(blobs_bytes(b), LENGTH);
	expect_content(x);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

START_TEST(dropped_in_the_midst)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	ck_assert_int_eq(blobs_drop(b, &blobs_test_id), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 0), ERR_NOTFOUND);
	ck_assert_uint_eq(blobs_bytes(b), 0);
	blobs_put(x);
	x = blobs_test_begin(b);
	ck_assert(!blobs_span_has(x, 1));
	blobs_put(x);
	ck_assert_int_eq(blobs_drop(b, &blobs_test_id), ERR_OK);
	ck_assert(!blobs_test_file(&blobs_test_id, ".part") &&
	    !blobs_test_file(&blobs_test_id, ".new") &&
	    !blobs_test_file(&blobs_test_id, ".leaves"));
	blobs_close(b);
}
END_TEST

static void
make_partial(void)
{
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	blobs_put(x);
	blobs_close(b);
}

static void
lose(const char *suffix)
{
	char path[400];

	blobs_test_path(&blobs_test_id, suffix, path);
	ck_assert_int_eq(unlink(path), 0);
}

/* A crash may leave any of the names of an announced blob: it is forgotten. */
START_TEST(crash_while_announcing)
{
	static const char *const suffixes[] = { ".new", ".part", ".leaves" };
	struct blob *x = NULL;
	struct blobs *b;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		make_partial();
		lose(suffixes[i]);
		b = blobs_test_open(0);
		ck_assert_int_eq(
		    blobs_get(b, &blobs_test_id, &x), ERR_NOTFOUND);
		ck_assert_uint_eq(blobs_bytes(b), 0);
		blobs_close(b);
		b = blobs_test_open(0); /* now nothing is left of it */
		for (size_t k = 0; k < ARRAY_LEN(suffixes); k++)
			ck_assert(
			    !blobs_test_file(&blobs_test_id, suffixes[k]));
		blobs_close(b);
	}
}
END_TEST

/* The last bit was written, the name of a whole blob not yet. */
START_TEST(crash_before_the_name)
{
	char from[400], to[400], part[400], kept[400];
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	ck_assert_int_eq(blobs_test_put(x, 0), ERR_OK);
	ck_assert_int_eq(blobs_test_put(x, 1), ERR_OK);
	blobs_test_path(&blobs_test_id, ".part", part);
	blobs_test_path(&blobs_test_id, ".kept", kept);
	ck_assert_int_eq(link(part, kept), 0); /* still gets the last bit */
	ck_assert_int_eq(blobs_test_put(x, 2), ERR_OK);
	blobs_put(x);
	blobs_close(b);
	ck_assert_int_eq(rename(kept, part), 0);
	blobs_test_path(&blobs_test_id, ".blob", from);
	blobs_test_path(&blobs_test_id, ".new", to);
	ck_assert_int_eq(rename(from, to), 0);
	b = blobs_test_open(0);
	ck_assert(blobs_has(b, &blobs_test_id));
	ck_assert(!blobs_test_file(&blobs_test_id, ".part"));
	ck_assert_uint_eq(blobs_bytes(b), LENGTH);
	x = blobs_test_get(b, &blobs_test_id);
	expect_content(x);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

/* Bytes without a bit do not count; they may come again. */
START_TEST(crash_before_the_bit)
{
	struct blobs *b;
	struct blob *x;
	char path[400];
	int fd;

	make_partial();
	blobs_test_path(&blobs_test_id, ".part", path);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(file_pwrite(fd, "", 1, BLOBS_HEAD), ERR_OK);
	(void)close(fd);
	b = blobs_test_open(0);
	ck_assert_uint_eq(blobs_bytes(b), 0);
	x = blobs_test_get(b, &blobs_test_id);
	ck_assert(!blobs_span_has(x, 1));
	for (uint64_t i = 0; i < SPANS; i++)
		ck_assert_int_eq(blobs_test_put(x, i), ERR_OK);
	expect_content(x);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

START_TEST(damaged_part)
{
	struct blob *x = NULL;
	struct blobs *b;
	char path[400];

	make_partial();
	blobs_test_flip(&blobs_test_id, ".part", 20);
	b = blobs_test_open(0);
	ck_assert_int_eq(blobs_get(b, &blobs_test_id, &x), ERR_CORRUPT);
	blobs_test_flip(&blobs_test_id, ".part", 20);
	blobs_test_path(&blobs_test_id, ".new", path);
	ck_assert_int_eq(truncate(path, LENGTH - 1), 0);
	ck_assert_int_eq(blobs_get(b, &blobs_test_id, &x), ERR_CORRUPT);
	ck_assert_int_eq(blobs_drop(b, &blobs_test_id), ERR_OK);
	blobs_close(b);
}
END_TEST

struct uploader {
	pthread_t thread;
	struct blobs *b;
	uint64_t first;
};

static void *
upload(void *arg)
{
	struct uploader *u = arg;
	struct blob *x;

	for (uint64_t k = 0; k < SPANS; k++) {
		if (blobs_get(u->b, &blobs_test_id, &x) != ERR_OK ||
		    blobs_test_put(x, (u->first + k) % SPANS) != ERR_OK)
			abort();
		blobs_put(x);
	}
	return NULL;
}

START_TEST(many_uploaders)
{
	struct uploader all[4];
	struct blobs *b = blobs_test_open(0);
	struct blob *x = blobs_test_begin(b);

	blobs_put(x);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		all[i].b = b;
		all[i].first = i;
		ck_assert_int_eq(
		    pthread_create(&all[i].thread, NULL, upload, &all[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		ck_assert_int_eq(pthread_join(all[i].thread, NULL), 0);
	ck_assert(blobs_has(b, &blobs_test_id));
	ck_assert_uint_eq(blobs_bytes(b), LENGTH);
	x = blobs_test_get(b, &blobs_test_id);
	expect_content(x);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

TCase *
blobs_test_spans(void)
{
	const TTest *const tests[] = { leaf_list_must_match, spans_come,
		wrong_spans, reopened_in_the_midst, single_spans,
		added_while_announced, dropped_in_the_midst,
		crash_while_announcing, crash_before_the_name,
		crash_before_the_bit, damaged_part, many_uploaders };
	TCase *c = tcase_create("spans");

	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, blobs_test_setup, blobs_test_teardown);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(c, tests[i]);
	return c;
}
