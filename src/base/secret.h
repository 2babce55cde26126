/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/secret: keys and passphrases in memory that is locked, guarded, left
 * out of core dumps and wiped when freed.  Short-lived secrets on the stack
 * use SECRET_BUF, which no path can forget to wipe.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct secret;

/**
 * secret_init():
 * Once, first in main(): start libsodium, forbid core dumps, make the process
 * not dumpable, let it lock as much memory as it may.
 * Errors: IO (libsodium or the kernel refused).
 */
enum err secret_init(void) must_check;

/**
 * secret_new(len, out):
 * Store in ${out} a zeroed secret of ${len} bytes.  Those of up to 64 bytes
 * share a page.
 * Errors: NOMEM (RLIMIT_MEMLOCK: nothing is kept in memory that is not locked).
 */
enum err secret_new(size_t len, struct secret **out) must_check;

/**
 * secret_copy(bytes, len, out):
 * As secret_new(), filled with a copy of ${bytes}.
 */
enum err secret_copy(
    const void *bytes, size_t len, struct secret **out) must_check;

/**
 * secret_bytes(s):
 * Return the bytes of ${s}, writable, borrowed until secret_free().
 */
uint8_t *secret_bytes(struct secret *s);

/**
 * secret_view(s):
 * Return the bytes of ${s} to read, borrowed until secret_free().
 */
const uint8_t *secret_view(const struct secret *s);

/**
 * secret_len(s):
 * Return the length of ${s}.
 */
size_t secret_len(const struct secret *s);

/**
 * secret_free(s):
 * Wipe and free ${s}; NULL is allowed.
 */
void secret_free(struct secret *s);
DEFINE_CLEANUP(struct secret *, secret_free);

/**
 * secret_equal(a, b, n):
 * Say whether ${n} bytes are equal, in a time that does not tell where they
 * differ.
 */
bool secret_equal(const void *a, const void *b, size_t n) must_check;

struct secret_wipe {
	void *p;
	size_t len;
};

static inline void
secret_wipe_run(struct secret_wipe *w)
{
	sodium_memzero(w->p, w->len);
}

/* SECRET_BUF(key, 32): uint8_t key[32], wiped at the end of the scope. */
#define SECRET_BUF(name, len)                                                  \
	uint8_t name[len];                                                     \
	__attribute__((cleanup(secret_wipe_run),                               \
	    unused)) struct secret_wipe name##_wipe = { name, sizeof(name) }

#endif
