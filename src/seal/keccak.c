/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#define RATE 136 /* bytes, for 256 bits of output */

static const uint64_t round_constants[24] = {
	0x0000000000000001,
	0x0000000000008082,
	0x800000000000808a,
	0x8000000080008000,
	0x000000000000808b,
	0x0000000080000001,
	0x8000000080008081,
	0x8000000000008009,
	0x000000000000008a,
	0x0000000000000088,
	0x0000000080008009,
	0x000000008000000a,
	0x000000008000808b,
	0x800000000000008b,
	0x8000000000008089,
	0x8000000000008003,
	0x8000000000008002,
	0x8000000000000080,
	0x000000000000800a,
	0x800000008000000a,
	0x8000000080008081,
	0x8000000000008080,
	0x0000000080000001,
	0x8000000080008008,
};

/* rho and pi walk the lanes in this order with these rotations. */
static const uint8_t walk[24] = { 10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15,
	23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1 };
static const uint8_t turns[24] = { 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14,
	27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44 };

static uint64_t
rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void
theta(uint64_t a[25])
{
	uint64_t c[5];

	for (unsigned x = 0; x < 5; x++)
		c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	for (unsigned i = 0; i < 25; i++)
		a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
}

static void
permute(uint64_t a[25])
{
	for (unsigned round = 0; round < 24; round++) {
		uint64_t moved, row[5];

		theta(a);
		moved = a[1];
		for (unsigned i = 0; i < 24; i++) {
			uint64_t kept = a[walk[i]];

			a[walk[i]] = rotate(moved, turns[i]);
			moved = kept;
		}
		for (unsigned y = 0; y < 25; y += 5) {
			for (unsigned x = 0; x < 5; x++)
				row[x] = a[y + x];
			for (unsigned x = 0; x < 5; x++)
				a[y + x] ^= ~row[(x + 1) % 5] &
				    row[(x + 2) % 5];
		}
		a[0] ^= round_constants[round];
	}
}

static void
absorb(uint64_t a[25], size_t at, uint8_t byte)
{
	a[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void
seal_keccak256(const void *p, size_t n, uint8_t out[static 32])
{
	const uint8_t *in = p;
	uint64_t a[25] = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		absorb(a, at++, in[i]);
		if (at == RATE) {
			permute(a);
			at = 0;
		}
	}
	absorb(a, at, 0x01);
	absorb(a, RATE - 1, 0x80);
	permute(a);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
	sodium_memzero(a, sizeof(a)); /* seed phrases pass through here */
}
