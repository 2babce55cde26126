/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/text: base58 (Bitcoin alphabet, as Waves writes every key and id),
 * base64 (RFC 4648, padded), hex, and the printed forms of ids.  Decoders
 * accept exactly one spelling of a value.  Any thread.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define TEXT58_MAX_BYTES 256 /* longest value that base58 is used for */
#define TEXT58_CHARS     360 /* enough for its characters and a NUL */

/* One printed id: struct text58 t; ... text58(&id, sizeof(id), &t) */
struct text58 {
	char s[TEXT58_CHARS];
};

/**
 * text58(bytes, len, out):
 * Write ${bytes} (at most TEXT58_MAX_BYTES) as base58 into ${out} and return
 * its string.
 */
const char *text58(const void *bytes, size_t len, struct text58 *out);

/* TEXT58(&key): a printed id that lives until the end of the block. */
#define TEXT58(idp) text58((idp)->b, sizeof((idp)->b), &(struct text58){ "" })

/**
 * text58_read(s, out, len):
 * Read base58 that stands for exactly ${len} bytes into ${out}.
 * Errors: FORMAT (other characters, another length).
 */
enum err text58_read(const char *s, void *out, size_t len) must_check;

/**
 * text58_read_any(s, out, cap, out_len):
 * Read base58 of at most ${cap} bytes.
 * Errors: FORMAT.
 */
enum err text58_read_any(
    const char *s, void *out, size_t cap, size_t *out_len) must_check;

/**
 * text64(bytes, len, out):
 * Append ${bytes} as base64 to ${out}.
 */
void text64(const void *bytes, size_t len, struct buf *out);

/**
 * text64_read(s, len, out):
 * Append the bytes that ${len} characters of base64 at ${s} stand for.
 * Errors: FORMAT, NOMEM.
 */
enum err text64_read(const char *s, size_t len, struct buf *out) must_check;

/**
 * text_hex(bytes, len, out):
 * Write 2 * ${len} lower-case digits and a NUL into ${out}.
 */
void text_hex(const void *bytes, size_t len, char *out);

/**
 * text_hex_read(s, out, len):
 * Read exactly ${len} bytes of lower- or upper-case hex.
 * Errors: FORMAT.
 */
enum err text_hex_read(const char *s, void *out, size_t len) must_check;

/**
 * text_plain(s):
 * Replace what a terminal may obey, or what begins another line, in ${s} by
 * '?': control characters, also those of two bytes.
 */
void text_plain(char *s);

/**
 * text_is_utf8(s, len):
 * Say whether ${len} bytes are UTF-8 without NUL.
 */
bool text_is_utf8(const char *s, size_t len);

#endif
