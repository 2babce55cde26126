/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of seal share with each other and with the unit test, and
 * with nobody else.
 */
#ifndef SEAL_SEAL_INTERNAL_H
#define SEAL_SEAL_INTERNAL_H

#include "seal/seal.h"

struct seal_identity {
	struct secret *private; /* 32 bytes, clamped */
	struct pubkey public;   /* Montgomery u */
	uint8_t edwards[32];    /* the same key as an Ed25519 point */
};

/* A context string as a part of a hash, without its NUL. */
#define SEAL_CONTEXT(s)                                                        \
	{                                                                      \
		"consentfs/1 " s, sizeof("consentfs/1 " s) - 1                 \
	}

/**
 * seal_keccak256(p, n, out):
 * Original Keccak-256 (padding 01), not SHA3-256.
 */
void seal_keccak256(const void *p, size_t n, uint8_t out[static 32]);

/**
 * seal_field_edwards(u, y):
 * y = (u - 1) / (u + 1) modulo 2^255 - 19: the Ed25519 point of a Curve25519
 * key, sign bit zero.  For public values: not constant time by design.
 */
void seal_field_edwards(const uint8_t u[static 32], uint8_t y[static 32]);

/**
 * seal_sign_with(id, rnd, msg, len, out):
 * Waves signature with 64 given random bytes; with NULL the deterministic
 * form without any.
 */
void seal_sign_with(const struct seal_identity *id, const uint8_t *rnd,
    const void *msg, size_t len, struct sig *out);

/* ---- AES-256-GCM under one key: seal/cipher.c ---- */

#define SEAL_TAG 16
#define SEAL_AD  41 /* H(header), chunk number, last */

struct seal_cipher;

struct seal_chunk {
	uint64_t number; /* the nonce */
	uint8_t ad[SEAL_AD];
	const uint8_t *in;
	size_t n; /* plain bytes */
	uint8_t *out;
};

/**
 * seal_cipher_new(key, sealing, out):
 * A cipher that seals, or one that opens, under ${key}.
 */
enum err seal_cipher_new(const uint8_t key[static 32], bool sealing,
    struct seal_cipher **out) must_check;

/**
 * seal_cipher_free(c):
 * Wipe and free; NULL is allowed.
 */
void seal_cipher_free(struct seal_cipher *c);
DEFINE_CLEANUP(struct seal_cipher *, seal_cipher_free);

/**
 * seal_cipher_seal(c, k):
 * Write the sealed bytes and the tag to ${k}->out.
 * Errors: NOMEM.
 */
enum err seal_cipher_seal(
    struct seal_cipher *c, const struct seal_chunk *k) must_check;

/**
 * seal_cipher_open(c, k):
 * Check the tag behind ${k}->in and write the plain bytes; zeros if it does
 * not match.  Several threads may use one ${c}.
 * Errors: FORGED, NOMEM.
 */
enum err seal_cipher_open(
    struct seal_cipher *c, const struct seal_chunk *k) must_check;

#endif
