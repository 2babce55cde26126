/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal_test.h"

#define LENGTH (2 * (size_t)SEAL_SPAN + 1000)

static struct buf blob;

static void
set_up(void)
{
	uint8_t *p = buf_room(&blob, LENGTH);

	ck_assert(p != NULL);
	fill(p, LENGTH, 3);
}

static void
tear_down(void)
{
	buf_free(&blob);
}

static void
leaves_of(const struct buf *b, uint8_t leaves[3][32])
{
	for (size_t i = 0; i < 3; i++)
		seal_leaf(i, b->p + i * SEAL_SPAN, i < 2 ? SEAL_SPAN : 1000,
		    leaves[i]);
}

START_TEST(spans)
{
	ck_assert_uint_eq(seal_spans(0), 1);
	ck_assert_uint_eq(seal_spans(1), 1);
	ck_assert_uint_eq(seal_spans(SEAL_SPAN), 1);
	ck_assert_uint_eq(seal_spans(SEAL_SPAN + 1), 2);
	ck_assert_uint_eq(seal_spans(UINT64_MAX), 1ULL << 44);
}
END_TEST

START_TEST(whole_is_leaves)
{
	uint8_t leaves[3][32], empty[32];
	struct blob_id a, b;

	leaves_of(&blob, leaves);
	seal_blob_id(LENGTH, leaves[0], 3, &a);
	OK(seal_blob_id_of(blob.p, blob.len, &b));
	ck_assert(ID_EQ(&a, &b));
	seal_leaf(0, NULL, 0, empty);
	seal_blob_id(0, empty, 1, &a);
	OK(seal_blob_id_of(NULL, 0, &b));
	ck_assert(ID_EQ(&a, &b));
}
END_TEST

/* The ids by a plain reading of PROTOCOL.document. */
START_TEST(bytes)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct blob_id id, again;
	uint8_t leaf[32], want[32], root[32];

	buf_str(&b, "consentfs/1 leaf");
	buf_u64(&b, 0);
	buf_str(&b, "abc");
	crypto_generichash(want, 32, b.p, b.len, NULL, 0);
	seal_leaf(0, "abc", 3, leaf);
	SAME(leaf, want, 32);
	b.len = 0;
	buf_str(&b, "consentfs/1 blob");
	buf_u64(&b, 3);
	buf_put(&b, want, 32);
	crypto_generichash(again.b, 32, b.p, b.len, NULL, 0);
	OK(seal_blob_id_of("abc", 3, &id));
	ck_assert(ID_EQ(&id, &again));
	b.len = 0;
	buf_str(&b, "consentfs/1 root");
	buf_u32(&b, 1);
	buf_put(&b, id.b, 32);
	crypto_generichash(want, 32, b.p, b.len, NULL, 0);
	seal_root(&id, 1, root);
	SAME(root, want, 32);
}
END_TEST

START_TEST(span_swap)
{
	CLEANUP_BUF struct buf swapped = { 0 };
	uint8_t leaves[3][32], others[3][32];
	struct blob_id a, b;

	buf_put(&swapped, blob.p + SEAL_SPAN, SEAL_SPAN);
	buf_put(&swapped, blob.p, SEAL_SPAN);
	buf_put(&swapped, blob.p + 2 * SEAL_SPAN, 1000);
	OK(seal_blob_id_of(blob.p, blob.len, &a));
	OK(seal_blob_id_of(swapped.p, swapped.len, &b));
	ck_assert(!ID_EQ(&a, &b));
	/* the leaves tell a span's place, so a moved span matches none */
	leaves_of(&blob, leaves);
	leaves_of(&swapped, others);
	ck_assert_mem_ne(leaves[0], others[1], 32);
	ck_assert_mem_ne(leaves[1], others[0], 32);
	SAME(leaves[2], others[2], 32);
}
END_TEST

START_TEST(changed_or_cut)
{
	struct blob_id a, b;

	OK(seal_blob_id_of(blob.p, blob.len, &a));
	OK(seal_blob_id_of(blob.p, blob.len - 1, &b));
	ck_assert(!ID_EQ(&a, &b));
	OK(seal_blob_id_of(blob.p, SEAL_SPAN, &b));
	ck_assert(!ID_EQ(&a, &b));
	blob.p[LENGTH - 1] ^= 1;
	OK(seal_blob_id_of(blob.p, blob.len, &b));
	ck_assert(!ID_EQ(&a, &b));
}
END_TEST

START_TEST(roots)
{
	struct blob_id ids[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
	uint8_t a[32], b[32];

	seal_root(ids, 3, a);
	seal_root(ids, 2, b);
	ck_assert_mem_ne(a, b, 32);
	ids[0].b[0] = 2;
	ids[1].b[0] = 1;
	seal_root(ids, 3, b);
	ck_assert_mem_ne(a, b, 32);
}
END_TEST

TCase *
tcase_blob(void)
{
	TCase *t = tcase_create("blob");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, spans);
	tcase_add_test(t, whole_is_leaves);
	tcase_add_test(t, bytes);
	tcase_add_test(t, span_swap);
	tcase_add_test(t, changed_or_cut);
	tcase_add_test(t, roots);
	return t;
}
