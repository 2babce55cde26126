/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

void
seal_hash(const uint8_t *key, const struct seal_part *parts, size_t n,
    uint8_t out[static 32])
{
	crypto_generichash_state st;

	(void)crypto_generichash_init(&st, key, key ? 32 : 0, 32);
	for (size_t i = 0; i < n; i++)
		(void)crypto_generichash_update(&st, parts[i].p, parts[i].n);
	(void)crypto_generichash_final(&st, out, 32);
	sodium_memzero(&st, sizeof(st)); /* may hold a key */
}

void
seal_secure_hash(const void *p, size_t n, uint8_t out[static 32])
{
	const struct seal_part part = { p, n };
	SECRET_BUF(inner, 32);

	seal_hash(NULL, &part, 1, inner);
	seal_keccak256(inner, 32, out);
}

void
seal_random(void *out, size_t n)
{
	randombytes_buf(out, n);
}

void
seal_chain_make(
    uint8_t chain_byte, const void *block_id, size_t len, struct chain *out)
{
	const struct seal_part part = { block_id, len };

	out->b[0] = chain_byte;
	seal_hash(NULL, &part, 1, out->b + 1);
}

void
seal_event_id(const struct chain *chain, const struct pubkey *sender,
    const struct entry_key *entry, struct event_id *out)
{
	const struct seal_part parts[] = {
		SEAL_CONTEXT("event"),
		{ chain->b, sizeof(chain->b) },
		{ sender->b, sizeof(sender->b) },
		{ entry->b, sizeof(entry->b) },
	};
	uint8_t h[32];

	seal_hash(NULL, parts, ARRAY_LEN(parts), h);
	memcpy(out->b, h, sizeof(out->b));
}
