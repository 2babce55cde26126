/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/bytes: a growing buffer to write into and a cursor to read with.  Both
 * keep a sticky error: after the first failure every call is a no-op (reads
 * give zeros), so that a format reads as a straight story with one check at
 * the end.  Integers are big-endian.  One thread per object.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Zero-initialise; the body is read-only for callers. */
struct buf {
	uint8_t *p;
	size_t len, cap;
	enum err err;
};

/**
 * buf_put(b, p, n):
 * Append ${n} bytes.  Sticky errors: NOMEM.
 */
void buf_put(struct buf *b, const void *p, size_t n);

/**
 * buf_room(b, n):
 * Append ${n} bytes of undefined content and return where they begin, or NULL
 * after an error.  Valid until the next append.
 */
uint8_t *buf_room(struct buf *b, size_t n);

/**
 * buf_str(b, s):
 * Append the characters of ${s} without its NUL.
 */
void buf_str(struct buf *b, const char *s);

/**
 * buf_fmt(b, fmt, ...):
 * Append formatted text without a NUL.
 */
void buf_fmt(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * buf_u8(b, v), buf_u16, buf_u32, buf_u64:
 * Append one big-endian integer.
 */
void buf_u8(struct buf *b, uint8_t v);
/** buf_u16(b, v): see buf_u8(). */
void buf_u16(struct buf *b, uint16_t v);
/** buf_u32(b, v): see buf_u8(). */
void buf_u32(struct buf *b, uint32_t v);
/** buf_u64(b, v): see buf_u8(). */
void buf_u64(struct buf *b, uint64_t v);

/**
 * buf_text(b):
 * Return the content as a NUL-terminated string, borrowed until the next
 * append; "" after an error.
 */
const char *buf_text(struct buf *b);

/**
 * buf_free(b):
 * Wipe and free the bytes; ${b} is empty and usable again.
 */
void buf_free(struct buf *b);

/* CLEANUP_BUF struct buf b = { 0 }; */
#define CLEANUP_BUF __attribute__((cleanup(buf_free), unused))

/* A cursor over borrowed bytes. */
struct rd {
	const uint8_t *p;
	size_t left;
	enum err err; /* FORMAT once something was missing */
};

/**
 * rd_init(r, p, n):
 * Start reading the ${n} bytes at ${p}, which must outlive ${r}.
 */
void rd_init(struct rd *r, const void *p, size_t n);

/**
 * rd_u8(r), rd_u16, rd_u32, rd_u64:
 * Take one big-endian integer; 0 after an error.
 */
uint8_t rd_u8(struct rd *r);
/** rd_u16(r): see rd_u8(). */
uint16_t rd_u16(struct rd *r);
/** rd_u32(r): see rd_u8(). */
uint32_t rd_u32(struct rd *r);
/** rd_u64(r): see rd_u8(). */
uint64_t rd_u64(struct rd *r);

/**
 * rd_take(r, n):
 * Take ${n} bytes and return where they begin, or NULL if fewer are left.
 */
const uint8_t *rd_take(struct rd *r, size_t n);

/**
 * rd_copy(r, out, n):
 * Take ${n} bytes into ${out}; zeros after an error.
 */
void rd_copy(struct rd *r, void *out, size_t n);

/**
 * rd_end(r):
 * Return the sticky error, or FORMAT if bytes are left over.
 */
enum err rd_end(const struct rd *r) must_check;

#endif
