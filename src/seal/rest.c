/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

enum err
seal_rest_key(
    const struct seal_identity *id, const char *purpose, struct secret **out)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	const struct seal_part parts[] = {
		SEAL_CONTEXT("rest"),
		{ purpose, strlen(purpose) },
	};
	enum err e = secret_new(SEAL_KEY, &key);

	if (e != ERR_OK)
		return e;
	seal_hash(secret_view(id->private), parts, ARRAY_LEN(parts),
	    secret_bytes(key));
	*out = TAKE(key);
	return ERR_OK;
}

enum err
seal_rest(const struct secret *key, struct seal_part ad, struct seal_part in,
    struct buf *out)
{
	uint8_t *to;

	if (secret_len(key) != SEAL_KEY)
		return ERR_INVAL;
	to = buf_room(out, in.n + SEAL_REST_EXTRA);
	if (to == NULL)
		return out->err;
	seal_random(to, NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(to + NONCE, NULL, in.p,
	    in.n, ad.p, ad.n, NULL, to, secret_view(key));
	return ERR_OK;
}

enum err
seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out)
{
	const uint8_t *from = in.p;
	uint8_t *to;

	if (in.n < SEAL_REST_EXTRA || secret_len(key) != SEAL_KEY)
		return ERR_CORRUPT;
	to = buf_room(out, in.n - SEAL_REST_EXTRA);
	if (to == NULL)
		return out->err;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(to, NULL, NULL,
		from + NONCE, in.n - NONCE, ad.p, ad.n, from,
		secret_view(key)) != 0) {
		out->len -= in.n - SEAL_REST_EXTRA;
		return ERR_CORRUPT;
	}
	return ERR_OK;
}
