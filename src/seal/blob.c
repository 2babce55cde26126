/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

static void
put_be(uint64_t v, size_t n, uint8_t *out)
{
	while (n-- > 0) {
		out[n] = (uint8_t)v;
		v >>= 8;
	}
}

void
seal_leaf(uint64_t index, const void *span, size_t n, uint8_t out[static 32])
{
	uint8_t number[8];
	const struct seal_part parts[] = {
		SEAL_CONTEXT("leaf"),
		{ number, sizeof(number) },
		{ span, n },
	};

	put_be(index, sizeof(number), number);
	seal_hash(NULL, parts, ARRAY_LEN(parts), out);
}

void
seal_blob_id(
    uint64_t length, const uint8_t *leaves, size_t n, struct blob_id *out)
{
	uint8_t bytes[8];
	const struct seal_part parts[] = {
		SEAL_CONTEXT("blob"),
		{ bytes, sizeof(bytes) },
		{ leaves, 32 * n },
	};

	put_be(length, sizeof(bytes), bytes);
	seal_hash(NULL, parts, ARRAY_LEN(parts), out->b);
}

uint64_t
seal_spans(uint64_t length)
{
	return length == 0 ? 1 : (length - 1) / SEAL_SPAN + 1;
}

enum err
seal_blob_id_of(const void *bytes, size_t len, struct blob_id *out)
{
	CLEANUP_BUF struct buf leaves = { 0 };
	const uint8_t *p = bytes;
	uint64_t spans = seal_spans(len);

	for (uint64_t i = 0; i < spans; i++) {
		size_t at = (size_t)i * SEAL_SPAN;
		size_t n = len - at < SEAL_SPAN ? len - at : SEAL_SPAN;
		uint8_t *leaf = buf_room(&leaves, 32);

		if (leaf == NULL)
			return leaves.err;
		seal_leaf(i, n ? p + at : NULL, n, leaf);
	}
	seal_blob_id(len, leaves.p, (size_t)spans, out);
	return ERR_OK;
}

void
seal_root(const struct blob_id *ids, uint32_t n, uint8_t out[static 32])
{
	uint8_t count[4];
	const struct seal_part parts[] = {
		SEAL_CONTEXT("root"),
		{ count, sizeof(count) },
		{ ids, sizeof(*ids) * (size_t)n },
	};

	put_be(n, sizeof(count), count);
	seal_hash(NULL, parts, ARRAY_LEN(parts), out);
}
