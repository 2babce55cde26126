/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

/* A number modulo 2^255 - 19 in five limbs of 51 bits. */
struct fe {
	uint64_t v[5];
};

#define MASK ((1ULL << 51) - 1)

static uint64_t
load(const uint8_t *p)
{
	uint64_t x = 0;

	for (unsigned i = 8; i-- > 0;)
		x = x << 8 | p[i];
	return x;
}

static struct fe
fe_read(const uint8_t b[static 32])
{
	return (struct fe){ { load(b) & MASK, load(b + 6) >> 3 & MASK,
	    load(b + 12) >> 6 & MASK, load(b + 19) >> 1 & MASK,
	    load(b + 24) >> 12 & MASK } };
}

static void
fe_carry(struct fe *f)
{
	for (unsigned i = 0; i < 4; i++) {
		f->v[i + 1] += f->v[i] >> 51;
		f->v[i] &= MASK;
	}
}

/* Write the one representative below p. */
static void
fe_write(struct fe f, uint8_t out[static 32])
{
	uint64_t q = 19;

	for (unsigned i = 0; i < 5; i++)
		q = (f.v[i] + q) >> 51;
	f.v[0] += 19 * q;
	fe_carry(&f);
	f.v[4] &= MASK;
	for (unsigned i = 0; i < 32; i++) {
		unsigned bit = 8 * i, limb = bit / 51, shift = bit % 51;
		uint64_t x = f.v[limb] >> shift;

		if (shift > 43 && limb < 4)
			x |= f.v[limb + 1] << (51 - shift);
		out[i] = (uint8_t)x;
	}
}

static unsigned __int128
wide(uint64_t a, uint64_t b)
{
	return (unsigned __int128)a * b;
}

/* Written out: a verification spends a third of its time here. */
static struct fe
fe_mul(struct fe a, struct fe b)
{
	const uint64_t *x = a.v, *y = b.v;
	const uint64_t f1 = 19 * y[1], f2 = 19 * y[2], f3 = 19 * y[3],
		       f4 = 19 * y[4]; /* 2^255 is 19 */
	const unsigned __int128 sum[5] = {
		wide(x[0], y[0]) + wide(x[1], f4) + wide(x[2], f3) +
		    wide(x[3], f2) + wide(x[4], f1),
		wide(x[0], y[1]) + wide(x[1], y[0]) + wide(x[2], f4) +
		    wide(x[3], f3) + wide(x[4], f2),
		wide(x[0], y[2]) + wide(x[1], y[1]) + wide(x[2], y[0]) +
		    wide(x[3], f4) + wide(x[4], f3),
		wide(x[0], y[3]) + wide(x[1], y[2]) + wide(x[2], y[1]) +
		    wide(x[3], y[0]) + wide(x[4], f4),
		wide(x[0], y[4]) + wide(x[1], y[3]) + wide(x[2], y[2]) +
		    wide(x[3], y[1]) + wide(x[4], y[0]),
	};
	unsigned __int128 carry = 0;
	struct fe r;

	for (unsigned i = 0; i < 5; i++) {
		carry += sum[i];
		r.v[i] = (uint64_t)carry & MASK;
		carry >>= 51;
	}
	r.v[0] += 19 * (uint64_t)carry;
	fe_carry(&r);
	return r;
}

/* a^(2^n) * b */
static struct fe
fe_raise(struct fe a, unsigned n, struct fe b)
{
	while (n-- > 0)
		a = fe_mul(a, a);
	return fe_mul(a, b);
}

/* 1/a = a^(2^255 - 21); e<n> below is a^(2^n - 1). */
static struct fe
fe_invert(struct fe a)
{
	struct fe a2 = fe_mul(a, a);
	struct fe a9 = fe_raise(a2, 2, a);
	struct fe a11 = fe_mul(a9, a2);
	struct fe e5 = fe_raise(a11, 1, a9);
	struct fe e10 = fe_raise(e5, 5, e5);
	struct fe e20 = fe_raise(e10, 10, e10);
	struct fe e40 = fe_raise(e20, 20, e20);
	struct fe e50 = fe_raise(e40, 10, e10);
	struct fe e100 = fe_raise(e50, 50, e50);
	struct fe e200 = fe_raise(e100, 100, e100);
	struct fe e250 = fe_raise(e200, 50, e50);

	return fe_raise(e250, 5, a11);
}

void
seal_field_edwards(const uint8_t u[static 32], uint8_t y[static 32])
{
	struct fe above = fe_read(u), below = above;

	below.v[0] += 1;
	/* u - 1 + 2p: no limb can fall below zero */
	above.v[0] += 2 * (MASK - 18) - 1;
	for (unsigned i = 1; i < 5; i++)
		above.v[i] += 2 * MASK;
	fe_write(fe_mul(above, fe_invert(below)), y);
}
