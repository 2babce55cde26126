/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/ids: the identifiers that all rooms pass about.  They are types, not
 * byte arrays, so that the compiler refuses a swap.  All are plain values.
 */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CHAIN_BYTES   33
#define SIG_BYTES     64
#define ADDRESS_CHARS 35 /* base58 of 26 bytes, without the final NUL */

/* An account: Curve25519 public key, Montgomery u, as Waves writes it. */
struct pubkey {
	uint8_t b[32];
};

/* Waves signature over some bytes. */
struct sig {
	uint8_t b[SIG_BYTES];
};

/* Chain id byte || H(id of block 1). */
struct chain {
	uint8_t b[CHAIN_BYTES];
};

/* Event = set = decision = delegation id (FORMATS: Event id). */
struct event_id {
	uint8_t b[16];
};

/* The 16 random bytes of an entry key "cfs1." + base58. */
struct entry_key {
	uint8_t b[16];
};

/* One item of an inquiry. */
struct inquiry_id {
	uint8_t b[16];
};

/* An institution, fixed for ever. */
struct institution_id {
	uint8_t b[16];
};

/* Blob id or root of a set. */
struct blob_id {
	uint8_t b[32];
};

/* Transaction id: BLAKE2b-256 of the body. */
struct tx_id {
	uint8_t b[32];
};

#define ID_EQ(x, y)                                                            \
	(sizeof((x)->b) == sizeof((y)->b) &&                                   \
	    memcmp((x)->b, (y)->b, sizeof((x)->b)) == 0)

#endif
