/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal_test.h"

#include <pthread.h>
#include <stdatomic.h>

static struct secret *key, *other_key;
static struct event_id set = { { 1, 2, 3 } }, other_set = { { 1, 2, 4 } };

static void
set_up(void)
{
	key = secret_of(1);
	other_key = secret_of(2);
}

static void
tear_down(void)
{
	secret_free(key);
	secret_free(other_key);
}

static struct buf
plain_of(size_t n)
{
	struct buf b = { 0 };

	ck_assert(buf_room(&b, n) != NULL);
	fill(b.p, n, 5);
	return b;
}

static struct buf
sealed_of(size_t n, uint32_t number)
{
	CLEANUP_BUF struct buf plain = plain_of(n);
	struct buf out = { 0 };

	OK(seal_doc_whole(key, &set, number, &plain, &out));
	return out;
}

static enum err
opens(const struct buf *sealed, uint32_t number)
{
	CLEANUP_BUF struct buf out = { 0 };
	enum err e = seal_doc_open_whole(
	    key, &set, number, sealed->p, sealed->len, &out);

	ck_assert(e == ERR_OK || out.len == 0);
	return e;
}

START_TEST(lengths)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 16383, 16384, 16385,
		32768, 40000, 65536, 1048577 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_BUF struct buf plain = plain_of(sizes[i]);
		CLEANUP_BUF struct buf sealed = { 0 }, out = { 0 };

		buf_str(&sealed, "kept");
		buf_str(&out, "kept");
		OK(seal_doc_whole(key, &set, 7, &plain, &sealed));
		ck_assert_uint_eq(sealed.len - 4, seal_doc_size(sizes[i]));
		OK(seal_doc_open_whole(
		    key, &set, 7, sealed.p + 4, sealed.len - 4, &out));
		ck_assert_uint_eq(out.len, 4 + sizes[i]);
		SAME(out.p, "kept", 4);
		if (sizes[i] > 0)
			SAME(out.p + 4, plain.p, sizes[i]);
	}
	ck_assert_uint_eq(seal_doc_size(0), 128 + 16);
	ck_assert_uint_eq(seal_doc_size(16384), 128 + 16384 + 16);
	ck_assert_uint_eq(seal_doc_size(16385), 128 + 16385 + 32);
	ck_assert_uint_eq(seal_doc_size(UINT64_MAX), UINT64_MAX);
}
END_TEST

/* One salt, one pass: the same document never looks the same twice. */
START_TEST(fresh_salt)
{
	CLEANUP_BUF struct buf a = sealed_of(100, 1), b = sealed_of(100, 1);

	SAME(a.p, b.p, 40);
	ck_assert_mem_ne(a.p + 40, b.p + 40, 32);
	ck_assert_mem_ne(a.p + 72, b.p + 72, 32);
	ck_assert_mem_ne(a.p + 128, b.p + 128, 100);
}
END_TEST

START_TEST(announced_length)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t head[SEAL_DOC_HEAD];
	static uint8_t in[SEAL_CHUNK + 1], out[SEAL_CHUNK + 17];

	OK(seal_doc_begin(key, &set, 1, SEAL_CHUNK + 5, &d, head));
	ck_assert_uint_eq(seal_doc_plain_size(d), SEAL_CHUNK + 5);
	IS(seal_doc_chunk(d, in, 5, out), INVAL);
	IS(seal_doc_chunk(d, in, SEAL_CHUNK + 1, out), INVAL);
	OK(seal_doc_chunk(d, in, SEAL_CHUNK, out));
	IS(seal_doc_chunk(d, in, 6, out), INVAL);
	IS(seal_doc_chunk(d, in, 0, out), INVAL);
	OK(seal_doc_chunk(d, in, 5, out));
	IS(seal_doc_chunk(d, in, 0, out), INVAL);
	IS(seal_doc_read(d, 1, out, 21, in), INVAL);
	seal_doc_free(d);
	d = NULL;
	IS(seal_doc_begin(key, &set, 1, UINT64_MAX, &d, head), TOOBIG);
	ck_assert(d == NULL);
}
END_TEST

/* Flip each bit, open the header and only the chunk it lies in. */
START_TEST(every_bit)
{
	CLEANUP_BUF struct buf b = sealed_of(65536, 1);
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	static uint8_t out[SEAL_CHUNK], zeros[SEAL_CHUNK];

	OK(seal_doc_open(key, &set, 1, b.p, &d));
	for (size_t bit = 8 * SEAL_DOC_HEAD; bit < 8 * b.len; bit++) {
		size_t i = (bit / 8 - SEAL_DOC_HEAD) / SEAL_CHUNK_SEALED;
		uint8_t *chunk = b.p + SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED;
		enum err e;

		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		e = seal_doc_read(d, i, chunk, SEAL_CHUNK_SEALED, out);
		if (e != ERR_FORGED)
			ck_abort_msg("bit %zu", bit);
		if (bit % 1009 == 0)
			SAME(out, zeros, sizeof(out));
		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	OK(opens(&b, 1));
}
END_TEST

START_TEST(every_header_bit)
{
	CLEANUP_BUF struct buf b = sealed_of(65536, 1);

	for (size_t bit = 0; bit < 8 * SEAL_DOC_HEAD; bit++) {
		CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
		static uint8_t out[SEAL_CHUNK];
		enum err e;

		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		e = seal_doc_open(key, &set, 1, b.p, &d);
		if (e == ERR_OK) /* a size that only the chunks belie */
			e = seal_doc_read(
			    d, 0, b.p + SEAL_DOC_HEAD, SEAL_CHUNK_SEALED, out);
		ck_assert_msg(e != ERR_OK, "bit %zu", bit);
		ck_assert_msg(opens(&b, 1) != ERR_OK, "bit %zu", bit);
		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	OK(opens(&b, 1));
}
END_TEST

START_TEST(header_errors)
{
	static const struct {
		size_t at;
		enum err want;
	} flips[] = {
		{ 0, ERR_FORMAT },
		{ 8, ERR_UNSUPPORTED },
		{ 9, ERR_UNSUPPORTED },
		{ 10, ERR_FORMAT },
		{ 15, ERR_FORGED },
		{ 24, ERR_FORGED },
		{ 40, ERR_FORGED },
		{ 72, ERR_FORGED },
		{ 104, ERR_FORMAT },
		{ 127, ERR_FORMAT },
	};
	CLEANUP_BUF struct buf b = sealed_of(10, 1);
	struct seal_doc *d = NULL;

	for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
		b.p[flips[i].at] ^= 1;
		ck_assert_int_eq(
		    seal_doc_open(key, &set, 1, b.p, &d), flips[i].want);
		b.p[flips[i].at] ^= 1;
	}
	b.p[16] = 0xff; /* a size beyond every disk */
	IS(seal_doc_open(key, &set, 1, b.p, &d), FORMAT);
	ck_assert(d == NULL);
}
END_TEST

START_TEST(chunk_swap)
{
	CLEANUP_BUF struct buf b = sealed_of(4 * SEAL_CHUNK, 1);
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	static uint8_t out[SEAL_CHUNK];

	OK(seal_doc_open(key, &set, 1, b.p, &d));
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++)
			ck_assert_int_eq(
			    seal_doc_read(d, k,
				b.p + SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED,
				SEAL_CHUNK_SEALED, out),
			    i == k ? ERR_OK : ERR_FORGED);
	IS(seal_doc_read(d, 4, b.p + SEAL_DOC_HEAD, SEAL_CHUNK_SEALED, out),
	    FORGED);
	IS(seal_doc_read(d, UINT64_MAX, b.p, SEAL_CHUNK_SEALED, out), FORGED);
}
END_TEST

static void
cut_at(const struct buf *b, size_t len)
{
	CLEANUP_BUF struct buf copy = { 0 };

	buf_put(&copy, b->p, len); /* so that a sanitizer sees the end */
	ck_assert_msg(opens(&copy, 1) != ERR_OK, "cut at %zu", len);
}

/* The reader of a truncated chunk, at each of its lengths. */
static void
cut_last_chunk(const struct buf *b, uint64_t index, size_t n)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	static uint8_t out[SEAL_CHUNK_SEALED + 1];

	OK(seal_doc_open(key, &set, 1, b->p, &d));
	for (size_t len = 0; len < n; len++)
		IS(seal_doc_read(d, index, b->p + b->len - n, len, out),
		    FORGED);
	OK(seal_doc_read(d, index, b->p + b->len - n, n, out));
}

START_TEST(truncation)
{
	CLEANUP_BUF struct buf b = sealed_of(3 * SEAL_CHUNK + 100, 1);
	CLEANUP_BUF struct buf longer = { 0 };

	for (size_t i = 0; i <= 3; i++) {
		size_t edge = SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED;

		cut_at(&b, edge);
		cut_at(&b, edge - 1);
		cut_at(&b, edge + 1);
		cut_at(&b, edge + 16);
	}
	for (size_t len = 0; len < b.len; len += 997)
		cut_at(&b, len);
	cut_at(&b, b.len - 1);
	cut_last_chunk(&b, 3, 116);
	buf_put(&longer, b.p, b.len);
	buf_u8(&longer, 0);
	IS(opens(&longer, 1), FORGED);
	OK(opens(&b, 1));
}
END_TEST

/* A cut at a chunk's end whose header was made to fit. */
START_TEST(truncation_with_size)
{
	CLEANUP_BUF struct buf b = sealed_of(2 * SEAL_CHUNK, 1);

	b.p[22] = SEAL_CHUNK >> 8; /* size: 32768 to 16384 */
	b.len = SEAL_DOC_HEAD + SEAL_CHUNK_SEALED;
	IS(opens(&b, 1), FORGED);
}
END_TEST

/* Same set key, another number; another set; another set key. */
START_TEST(splice)
{
	CLEANUP_BUF struct buf a = sealed_of(2 * SEAL_CHUNK, 1);
	CLEANUP_BUF struct buf b = sealed_of(2 * SEAL_CHUNK, 2), out = { 0 };

	OK(opens(&a, 1));
	IS(opens(&a, 2), FORGED);
	IS(opens(&a, 0), FORGED);
	IS(seal_doc_open_whole(key, &other_set, 1, a.p, a.len, &out), FORGED);
	IS(seal_doc_open_whole(other_key, &set, 1, a.p, a.len, &out), FORGED);
	memcpy(a.p + SEAL_DOC_HEAD, b.p + SEAL_DOC_HEAD, SEAL_CHUNK_SEALED);
	IS(opens(&a, 1), FORGED);
	memcpy(b.p + 12, a.p + 12, 4); /* number of a on b */
	IS(opens(&b, 1), FORGED);
}
END_TEST

START_TEST(short_key)
{
	CLEANUP(secret_free) struct secret *half = NULL;
	CLEANUP_BUF struct buf b = sealed_of(10, 1), out = { 0 };
	struct seal_doc *d = NULL;

	OK(secret_new(16, &half));
	IS(seal_doc_open(half, &set, 1, b.p, &d), FORGED);
	IS(seal_doc_whole(half, &set, 1, &b, &out), INVAL);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(in_place)
{
	CLEANUP_BUF struct buf plain = plain_of(SEAL_CHUNK);
	CLEANUP_BUF struct buf b = sealed_of(SEAL_CHUNK, 1);
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t *chunk = b.p + SEAL_DOC_HEAD;

	OK(seal_doc_open(key, &set, 1, b.p, &d));
	OK(seal_doc_read(d, 0, chunk, SEAL_CHUNK_SEALED, chunk));
	SAME(chunk, plain.p, SEAL_CHUNK);
}
END_TEST

#define THREADS 24 /* more than there are spare contexts */
#define ROUNDS  100

static struct buf shared;
static const struct seal_doc *shared_doc;
static atomic_int wrong;

/* Right chunks and damaged ones, in an order of its own. */
static void *
reader(void *arg)
{
	CLEANUP_BUF struct buf plain = plain_of(4 * SEAL_CHUNK);
	unsigned me = *(unsigned *)arg;
	uint8_t in[SEAL_CHUNK_SEALED], out[SEAL_CHUNK];

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t i = (me + round) % 4;
		bool damage = (me + round / 4) % 3 == 0;
		enum err e;

		memcpy(in, shared.p + SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED,
		    sizeof(in));
		in[round] ^= damage;
		e = seal_doc_read(shared_doc, i, in, sizeof(in), out);
		if (e != (damage ? ERR_FORGED : ERR_OK) ||
		    (!damage &&
			memcmp(out, plain.p + i * SEAL_CHUNK, SEAL_CHUNK) != 0))
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

START_TEST(threads)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	pthread_t id[THREADS];
	unsigned number[THREADS];

	shared = sealed_of(4 * SEAL_CHUNK, 1);
	OK(seal_doc_open(key, &set, 1, shared.p, &d));
	shared_doc = d;
	for (unsigned i = 0; i < THREADS; i++) {
		number[i] = i;
		ck_assert_int_eq(
		    pthread_create(&id[i], NULL, reader, &number[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(id[i], NULL), 0);
	ck_assert_int_eq(atomic_load(&wrong), 0);
	buf_free(&shared);
}
END_TEST

START_TEST(derived_keys)
{
	CLEANUP(secret_free) struct secret *a = NULL, *b = NULL, *c = NULL;
	uint8_t x[32], y[32];

	OK(seal_manifest_key(key, &set, &a));
	OK(seal_manifest_key(key, &other_set, &b));
	OK(seal_manifest_key(other_key, &set, &c));
	ck_assert_mem_ne(secret_view(a), secret_view(b), 32);
	ck_assert_mem_ne(secret_view(a), secret_view(c), 32);
	seal_set_commitment(key, &set, x);
	ck_assert_mem_ne(x, secret_view(a), 32);
	seal_set_commitment(key, &other_set, y);
	ck_assert_mem_ne(x, y, 32);
	seal_set_commitment(other_key, &set, y);
	ck_assert_mem_ne(x, y, 32);
	seal_set_commitment(key, &set, y);
	SAME(x, y, 32);
}
END_TEST

TCase *
tcase_document(void)
{
	TCase *t = tcase_create("document");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, lengths);
	tcase_add_test(t, fresh_salt);
	tcase_add_test(t, announced_length);
	tcase_add_test(t, every_bit);
	tcase_add_test(t, every_header_bit);
	tcase_add_test(t, header_errors);
	tcase_add_test(t, chunk_swap);
	tcase_add_test(t, truncation);
	tcase_add_test(t, truncation_with_size);
	tcase_add_test(t, splice);
	tcase_add_test(t, short_key);
	tcase_add_test(t, in_place);
	tcase_add_test(t, threads);
	tcase_add_test(t, derived_keys);
	return t;
}
