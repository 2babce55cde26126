/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms_test.h"

#define LENGTH (2 * SEAL_SPAN + 77)

static uint8_t *bytes;
static uint8_t leaves[3 * 32];
static struct blob_id id;

static void
up(void)
{
	fake_up();
	bytes = malloc(LENGTH);
	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < LENGTH; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t i = 0; i < 3; i++)
		seal_leaf(i, bytes + i * SEAL_SPAN,
		    i < 2 ? SEAL_SPAN : LENGTH % SEAL_SPAN, leaves + 32 * i);
	seal_blob_id(LENGTH, leaves, 3, &id);
}

static void
down(void)
{
	free(bytes);
	fake_down();
}

START_TEST(spans)
{
	CLEANUP_BUF struct buf got = { 0 };
	uint64_t length;
	uint8_t bits;

	OK(rms_blob_begin(fake.c, &id, LENGTH, leaves, 3));
	OK(rms_blob_put_span(fake.c, &id, 0, bytes, SEAL_SPAN));
	OK(rms_blob_put_span(fake.c, &id, 2, bytes + 2 * SEAL_SPAN, 77));
	OK(rms_blob_spans(fake.c, &id, &bits, 3));
	ck_assert_uint_eq(bits, 5);
	OK(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got));
	ck_assert_uint_eq(length, LENGTH);
	ck_assert_uint_eq(got.len, sizeof(leaves));
	SAME(got.p, leaves, sizeof(leaves));
	got.len = 5;
	OK(rms_blob_span(fake.c, &id, 0, &got));
	ck_assert_uint_eq(got.len, 5 + SEAL_SPAN);
	SAME(got.p + 5, bytes, SEAL_SPAN);
}
END_TEST

START_TEST(begin_bad)
{
	IS(rms_blob_begin(fake.c, &id, LENGTH, leaves, 2), INVAL);
	IS(rms_blob_begin(fake.c, &id, UINT64_MAX, leaves, 3), INVAL);
	IS(rms_blob_put_span(fake.c, &id, 0, bytes, SEAL_SPAN + 1), INVAL);
	ck_assert_int_eq(atomic_load(&fake.calls), 0);
}
END_TEST

START_TEST(leaves_forged)
{
	CLEANUP_BUF struct buf got = { 0 };
	uint64_t length;

	OK(rms_blob_begin(fake.c, &id, LENGTH, leaves, 3));
	fake.leaves.p[20] ^= 1;
	IS(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got), FORGED);
	fake.leaves.p[20] ^= 1;
	fake.leaves.p[7] ^= 1; /* the length, of as many spans */
	IS(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got), FORGED);
	fake.leaves.p[7] ^= 1;
	fake.leaves.len--;
	IS(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got), FORMAT);
	fake.leaves.len = 8 + 32;
	IS(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got), FORMAT);
	fake.leaves.len = 8 + sizeof(leaves);
	IS(rms_blob_leaves(fake.c, &id, 2 * SEAL_SPAN, &length, &got), TOOBIG);
	ck_assert_uint_eq(got.len, 0);
	OK(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &got));
}
END_TEST

START_TEST(spans_wrong_length)
{
	uint8_t bits[2];

	IS(rms_blob_spans(fake.c, &id, bits, 9), FORMAT);
	fake_say(200, "xy");
	IS(rms_blob_spans(fake.c, &id, bits, 8), TOOBIG);
	OK(rms_blob_spans(fake.c, &id, bits, 9));
}
END_TEST

START_TEST(span_too_long)
{
	CLEANUP_BUF struct buf got = { 0 };

	OK(rms_blob_begin(fake.c, &id, LENGTH, leaves, 3));
	(void)buf_room(&fake.span[1], SEAL_SPAN);
	memset(fake.span[1].p, 0, SEAL_SPAN);
	buf_u8(&fake.span[1], 1);
	IS(rms_blob_span(fake.c, &id, 1, &got), TOOBIG);
	ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(pack)
{
	CLEANUP_BUF struct buf p = { 0 };

	buf_u32(&p, 3);
	buf_put(&p, "a\0b", 3);
	OK(rms_blobs_pack(fake.c, &p));
	ck_assert_uint_eq(fake.body.len, p.len);
	SAME(fake.body.p, p.p, p.len);
	(void)buf_room(&p, RMS_PACK_MAX - p.len);
	OK(rms_blobs_pack(fake.c, &p));
	buf_u8(&p, 0);
	IS(rms_blobs_pack(fake.c, &p), TOOBIG);
}
END_TEST

/* More than are asked at once, some of them twice. */
START_TEST(missing)
{
	enum { N = 25000 };
	CLEANUP(free) struct blob_id *ids = calloc(N, sizeof(*ids));
	CLEANUP(free) bool *gone = calloc(N, sizeof(*gone));

	for (uint32_t i = 0; i < N; i++) {
		struct seal_part part = { &i, sizeof(i) };

		seal_hash(NULL, &part, 1, ids[i].b);
	}
	ids[1] = ids[0];
	fake.misses = 3;
	OK(rms_blobs_missing(fake.c, ids, N, gone));
	ck_assert_int_eq(atomic_load(&fake.calls), 3);
	ck_assert(gone[0] && gone[1]);
	for (size_t i = 2; i < N; i++)
		ck_assert_int_eq(gone[i], i % 10000 % 3 == 0);
	OK(rms_blobs_missing(fake.c, ids, 0, gone));
	ck_assert_int_eq(atomic_load(&fake.calls), 3);
}
END_TEST

START_TEST(missing_unasked)
{
	bool gone[2];
	struct blob_id ids[2] = { { "a" }, { "b" } };

	fake_say(200,
	    "{\"missing\":[\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrx"
	    "r9qxGbA\"]}");
	IS(rms_blobs_missing(fake.c, ids, 2, gone), FORMAT);
}
END_TEST

TCase *
tcase_blobs(void)
{
	TCase *t = tcase_create("blobs");

	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, spans);
	tcase_add_test(t, begin_bad);
	tcase_add_test(t, leaves_forged);
	tcase_add_test(t, spans_wrong_length);
	tcase_add_test(t, span_too_long);
	tcase_add_test(t, pack);
	tcase_add_test(t, missing);
	tcase_add_test(t, missing_unasked);
	return t;
}
