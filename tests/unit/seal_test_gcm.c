/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The attack that the commitment in a document's header is there for: GCM
 * does not bind a ciphertext to its key, so whoever knows two keys can make
 * one ciphertext that passes under both.  The test makes one, shows that GCM
 * takes it twice, and that a document is refused.
 */
#include "seal_test.h"

#include <openssl/evp.h>

#define PLAIN 32 /* one free block, and one that balances the tags */

static const struct event_id set = { { 9 } };

struct block {
	uint8_t b[16];
};

static struct block
add(struct block x, const struct block *y)
{
	for (size_t i = 0; i < 16; i++)
		x.b[i] ^= y->b[i];
	return x;
}

/* Multiplication in the field of GHASH, bit by bit. */
static struct block
mul(const struct block *x, struct block v)
{
	struct block z = { { 0 } };

	for (size_t i = 0; i < 128; i++) {
		bool carry = v.b[15] & 1;

		if (x->b[i / 8] >> (7 - i % 8) & 1)
			z = add(z, &v);
		for (size_t k = 15; k > 0; k--)
			v.b[k] = (uint8_t)(v.b[k] >> 1 | v.b[k - 1] << 7);
		v.b[0] = (uint8_t)(v.b[0] >> 1 ^ (carry ? 0xe1 : 0));
	}
	return z;
}

/* 1/x = x^(2^128 - 2) */
static struct block
invert(struct block x)
{
	struct block r = { { 0x80 } };

	for (size_t i = 0; i < 127; i++) {
		x = mul(&x, x);
		r = mul(&r, x);
	}
	return r;
}

static struct block
aes(const uint8_t *key, struct block in)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	struct block out;
	int n;

	ck_assert_int_eq(
	    EVP_EncryptInit_ex(x, EVP_aes_256_ecb(), NULL, key, NULL), 1);
	ck_assert_int_eq(EVP_EncryptUpdate(x, out.b, &n, in.b, 16), 1);
	EVP_CIPHER_CTX_free(x);
	return out;
}

/* The tag of two ciphertext blocks: a sum, in which c[1] has weight H^2. */
static struct block
tag_of(const uint8_t *key, const uint8_t *ad, const struct block c[2])
{
	struct block h = aes(key, (struct block){ { 0 } });
	struct block first = { { [15] = 1 } }, y = { { 0 } };
	struct block lengths = { { [6] = (8 * SEAL_AD) >> 8,
	    [7] = (8 * SEAL_AD) & 0xff,
	    [14] = 1,
	    [15] = 0 } };
	struct block a[3] = { { { 0 } } };
	struct block mask = aes(key, first);

	memcpy(a, ad, SEAL_AD);
	for (size_t i = 0; i < 3; i++)
		y = mul(&h, add(y, &a[i]));
	for (size_t i = 0; i < 2; i++)
		y = mul(&h, add(y, &c[i]));
	y = mul(&h, add(y, &lengths));
	return add(y, &mask);
}

static struct block
weight(const uint8_t *key)
{
	struct block h = aes(key, (struct block){ { 0 } });

	return mul(&h, h);
}

/* Choose c[1] so that both keys give one tag, and return it. */
static struct block
balance(const uint8_t *one, const uint8_t *two, const uint8_t *ad,
    struct block c[2])
{
	struct block t1, t2, w1 = weight(one), w2 = weight(two), factor;

	c[1] = (struct block){ { 0 } };
	t1 = tag_of(one, ad, c);
	t2 = tag_of(two, ad, c);
	t1 = add(t1, &t2);
	factor = invert(add(w1, &w2));
	c[1] = mul(&t1, factor);
	return tag_of(one, ad, c);
}

static bool
gcm_takes(const uint8_t *key, const uint8_t *ad, const uint8_t *sealed)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	const uint8_t nonce[12] = { 0 };
	uint8_t out[PLAIN], tag[16];
	int n;
	bool taken;

	memcpy(tag, sealed + PLAIN, 16);
	taken = EVP_DecryptInit_ex(x, EVP_aes_256_gcm(), NULL, key, nonce) &&
	    EVP_DecryptUpdate(x, NULL, &n, ad, SEAL_AD) &&
	    EVP_DecryptUpdate(x, out, &n, sealed, PLAIN) &&
	    EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, tag) &&
	    EVP_DecryptFinal_ex(x, out, &n);
	EVP_CIPHER_CTX_free(x);
	return taken;
}

/* Key and commitment by a plain reading of PROTOCOL.document. */
static void
derive(const struct secret *parent, const uint8_t *head, uint8_t out[64])
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_str(&b, "consentfs/1 document");
	buf_put(&b, head + 40, 32);
	buf_put(&b, head + 24, 16);
	buf_put(&b, head + 12, 4);
	crypto_generichash(out, 64, b.p, b.len, secret_view(parent), 32);
}

static void
bind(const uint8_t *head, uint8_t ad[static SEAL_AD])
{
	crypto_generichash(ad, 32, head, SEAL_DOC_HEAD, NULL, 0);
	for (size_t i = 32; i < 40; i++)
		ad[i] = 0;
	ad[40] = 1;
}

static enum err
read_under(const struct secret *parent, const uint8_t *sealed)
{
	CLEANUP_BUF struct buf out = { 0 };

	return seal_doc_open_whole(
	    parent, &set, 1, sealed, SEAL_DOC_HEAD + PLAIN + 16, &out);
}

/* ${mine}: whose commitment the header carries. */
static void
make_and_open(bool mine)
{
	CLEANUP(secret_free)
	struct secret *one = secret_of(1), *two = secret_of(2);
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t sealed[SEAL_DOC_HEAD + PLAIN + 16], ad[SEAL_AD];
	uint8_t k1[64], k2[64];
	struct block c[2] = { { { 0xca, 0xfe } } }, tag;

	OK(seal_doc_begin(one, &set, 1, PLAIN, &d, sealed));
	derive(one, sealed, k1);
	derive(two, sealed, k2);
	SAME(sealed + 72, k1 + 32, 32);
	memcpy(sealed + 72, (mine ? k1 : k2) + 32, 32);
	bind(sealed, ad);
	tag = balance(k1, k2, ad, c);
	memcpy(sealed + SEAL_DOC_HEAD, c, PLAIN);
	memcpy(sealed + SEAL_DOC_HEAD + PLAIN, tag.b, 16);
	ck_assert(gcm_takes(k1, ad, sealed + SEAL_DOC_HEAD));
	ck_assert(gcm_takes(k2, ad, sealed + SEAL_DOC_HEAD));
	ck_assert_int_eq(read_under(one, sealed), mine ? ERR_OK : ERR_FORGED);
	ck_assert_int_eq(read_under(two, sealed), mine ? ERR_FORGED : ERR_OK);
}

/* TWO_KEYS: how many are made; each has a salt, so keys of its own. */
START_TEST(two_keys)
{
	const char *n = getenv("TWO_KEYS");

	for (long i = n ? strtol(n, NULL, 10) : 1; i > 0; i--)
		make_and_open(_i == 0);
}
END_TEST

TCase *
tcase_gcm(void)
{
	TCase *t = tcase_create("gcm");

	tcase_set_timeout(t, 3600);
	tcase_add_loop_test(t, two_keys, 0, 2);
	return t;
}
