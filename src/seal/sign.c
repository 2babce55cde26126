/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waves signatures: Ed25519 equations with the Montgomery key; the sign bit of
 * the Edwards point travels in the top bit of S.
 */
#include "seal/seal_internal.h"

#define SIGN_BIT 0x80

static const uint8_t statement_lead[] = { 0xff, 0xff };
static const struct seal_part statement = SEAL_CONTEXT("statement");
static const char *const use_names[] = {
	[SEAL_REQUEST] = "request",
	[SEAL_CARD] = "card",
	[SEAL_REGISTER] = "register",
	[SEAL_RECEIPT] = "receipt",
	[SEAL_RELEASE] = "release",
	[SEAL_INVENTORY] = "inventory",
	[SEAL_BLOCK] = "block",
};

/* SHA-512 of the parts modulo the group order. */
static void
hash_scalar(const struct seal_part *parts, size_t n, uint8_t out[static 32])
{
	crypto_hash_sha512_state st;
	SECRET_BUF(h, 64);

	(void)crypto_hash_sha512_init(&st);
	for (size_t i = 0; i < n; i++)
		(void)crypto_hash_sha512_update(&st, parts[i].p, parts[i].n);
	(void)crypto_hash_sha512_final(&st, h);
	crypto_core_ed25519_scalar_reduce(out, h);
	sodium_memzero(&st, sizeof(st));
}

/* The secret r: FE FF*31 || a || M || random, or a || M without random. */
static void
nonce_scalar(const uint8_t *a, const uint8_t *rnd, const struct seal_part *msg,
    uint8_t out[static 32])
{
	uint8_t lead[32];
	const struct seal_part parts[] = {
		{ lead, rnd ? sizeof(lead) : 0 },
		{ a, 32 },
		*msg,
		{ rnd, rnd ? 64 : 0 },
	};

	lead[0] = 0xfe;
	for (size_t i = 1; i < sizeof(lead); i++)
		lead[i] = 0xff;
	hash_scalar(parts, ARRAY_LEN(parts), out);
}

void
seal_sign_with(const struct seal_identity *id, const uint8_t *rnd,
    const void *msg, size_t len, struct sig *out)
{
	const struct seal_part m = { msg, len };
	const struct seal_part parts[] = {
		{ out->b, 32 },
		{ id->edwards, 32 },
		m,
	};
	SECRET_BUF(r, 32);
	SECRET_BUF(ha, 32);
	SECRET_BUF(wide, 64);
	SECRET_BUF(a, 32);
	uint8_t h[32];

	nonce_scalar(secret_view(id->private), rnd, &m, r);
	(void)crypto_scalarmult_ed25519_base_noclamp(out->b, r);
	hash_scalar(parts, ARRAY_LEN(parts), h);
	sodium_memzero(wide, sizeof(wide));
	memcpy(wide, secret_view(id->private), 32);
	crypto_core_ed25519_scalar_reduce(a, wide);
	crypto_core_ed25519_scalar_mul(ha, h, a);
	crypto_core_ed25519_scalar_add(out->b + 32, r, ha);
	out->b[63] |= id->edwards[31] & SIGN_BIT;
}

void
seal_sign_raw(const struct seal_identity *id, const void *msg, size_t len,
    struct sig *out)
{
	SECRET_BUF(rnd, 64);

	seal_random(rnd, sizeof(rnd));
	seal_sign_with(id, rnd, msg, len, out);
}

enum err
seal_verify_raw(const struct pubkey *key, const void *msg, size_t len,
    const struct sig *sig)
{
	struct sig plain = *sig;
	uint8_t y[32];
	enum err e = seal_key_check(key);

	if (e != ERR_OK)
		return e;
	seal_field_edwards(key->b, y);
	y[31] |= plain.b[63] & SIGN_BIT;
	plain.b[63] &= (uint8_t)~SIGN_BIT;
	/* refuses S >= L, R and A of small order or not canonical */
	if (crypto_sign_verify_detached(plain.b, msg, len, y) != 0)
		return ERR_FORGED;
	return ERR_OK;
}

static enum err
statement_make(enum seal_use use, const struct chain *chain,
    const struct buf *msg, struct buf *out)
{
	static const struct chain zeros;

	if ((size_t)use >= ARRAY_LEN(use_names))
		return ERR_INVAL;
	if (msg->err)
		return msg->err;
	buf_put(out, statement_lead, sizeof(statement_lead));
	buf_put(out, statement.p, statement.n);
	buf_str(out, use_names[use]);
	buf_u8(out, 0);
	buf_put(out, (chain ? chain : &zeros)->b, CHAIN_BYTES);
	buf_put(out, msg->p, msg->len);
	return out->err;
}

enum err
seal_sign(const struct seal_identity *id, enum seal_use use,
    const struct chain *chain, const struct buf *msg, struct sig *out)
{
	CLEANUP_BUF struct buf all = { 0 };
	enum err e = statement_make(use, chain, msg, &all);

	if (e == ERR_OK)
		seal_sign_raw(id, all.p, all.len, out);
	return e;
}

enum err
seal_verify(const struct pubkey *key, enum seal_use use,
    const struct chain *chain, const struct buf *msg, const struct sig *sig)
{
	CLEANUP_BUF struct buf all = { 0 };
	enum err e = statement_make(use, chain, msg, &all);

	return e == ERR_OK ? seal_verify_raw(key, all.p, all.len, sig) : e;
}
