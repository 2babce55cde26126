/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#include "base/text.h"

static void
clamp(uint8_t key[static 32])
{
	key[0] &= 248;
	key[31] &= 127;
	key[31] |= 64;
}

enum err
seal_identity_from_private(
    const uint8_t key[static 32], struct seal_identity **out)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *id = calloc(1, sizeof(*id));
	uint8_t *private;
	enum err e;

	if (id == NULL)
		return ERR_NOMEM;
	e = secret_copy(key, SEAL_KEY, &id->private);
	if (e != ERR_OK)
		return e;
	private = secret_bytes(id->private);
	clamp(private);
	if (crypto_scalarmult_base(id->public.b, private) != 0 ||
	    crypto_scalarmult_ed25519_base_noclamp(id->edwards, private) != 0)
		return err_say(ERR_INVAL, "not a usable private key");
	*out = TAKE(id);
	return ERR_OK;
}

enum err
seal_identity_new(struct seal_identity **out)
{
	SECRET_BUF(key, SEAL_KEY);

	seal_random(key, sizeof(key));
	return seal_identity_from_private(key, out);
}

enum err
seal_identity_from_seed(const char *phrase, struct seal_identity **out)
{
	CLEANUP_BUF struct buf seed = { 0 };
	SECRET_BUF(hash, 32);
	SECRET_BUF(key, 32);

	if (!text_is_utf8(phrase, strlen(phrase)))
		return err_say(ERR_INVAL, "the seed phrase is not UTF-8 text");
	buf_u32(&seed, 0); /* the first account of the wallet */
	buf_str(&seed, phrase);
	if (seed.err)
		return seed.err;
	seal_secure_hash(seed.p, seed.len, hash);
	(void)crypto_hash_sha256(key, hash, sizeof(hash));
	return seal_identity_from_private(key, out);
}

const uint8_t *
seal_identity_private(const struct seal_identity *id)
{
	return secret_view(id->private);
}

const struct pubkey *
seal_identity_key(const struct seal_identity *id)
{
	return &id->public;
}

void
seal_identity_free(struct seal_identity *id)
{
	if (id == NULL)
		return;
	secret_free(id->private);
	free(id);
}

/* The canonical encodings of the points of small order, on the curve and on
 * its twist; p and p + 1 are refused as not canonical. */
static const uint8_t weak[5][32] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	    0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	    0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	    0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	    0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

/* u < 2^255 - 19: not the top bit, and not the 19 highest numbers below. */
static bool
is_canonical(const uint8_t u[static 32])
{
	if (u[31] & 0x80)
		return false;
	if (u[31] != 0x7f || u[0] < 0xed)
		return true;
	for (unsigned i = 1; i < 31; i++)
		if (u[i] != 0xff)
			return true;
	return false;
}

enum err
seal_key_check(const struct pubkey *key)
{
	if (!is_canonical(key->b))
		return err_say(ERR_FORGED, "a public key is not canonical");
	for (size_t i = 0; i < ARRAY_LEN(weak); i++)
		if (sodium_memcmp(key->b, weak[i], 32) == 0)
			return err_say(
			    ERR_FORGED, "a public key is of small order");
	return ERR_OK;
}

void
seal_address(
    const struct pubkey *key, uint8_t chain_byte, uint8_t out[static 26])
{
	uint8_t h[32];

	out[0] = 1; /* version of addresses */
	out[1] = chain_byte;
	seal_secure_hash(key->b, sizeof(key->b), h);
	memcpy(out + 2, h, 20);
	seal_secure_hash(out, 22, h);
	memcpy(out + 22, h, 4);
}
