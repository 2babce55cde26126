/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/text.h"

#include <sodium.h>
#include <string.h>

static const char alphabet[] =
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const char *
text58(const void *bytes, size_t len, struct text58 *out)
{
	const uint8_t *in = bytes;
	uint8_t digits[TEXT58_CHARS] = { 0 };
	size_t n = 0, zeros = 0, o = 0;

	if (len > TEXT58_MAX_BYTES)
		len = TEXT58_MAX_BYTES;
	while (zeros < len && in[zeros] == 0)
		zeros++;
	for (size_t i = zeros; i < len; i++) {
		unsigned carry = in[i];

		for (size_t k = 0; k < n || carry; k++) {
			carry += (unsigned)digits[k] << 8;
			digits[k] = (uint8_t)(carry % 58);
			carry /= 58;
			if (k >= n)
				n = k + 1;
		}
	}
	for (; o < zeros; o++)
		out->s[o] = '1';
	while (n > 0)
		out->s[o++] = alphabet[digits[--n]];
	out->s[o] = '\0';
	return out->s;
}

/* A number of 32-bit words, the lowest first. */
struct words {
	uint32_t w[TEXT58_MAX_BYTES / 4];
	size_t n;
};

/* ${x} times ${factor} plus ${carry}; false: too large. */
static bool
words_push(struct words *x, uint32_t factor, uint64_t carry)
{
	for (size_t k = 0; k < x->n || carry; k++) {
		if (k >= ARRAY_LEN(x->w))
			return false;
		carry += (uint64_t)x->w[k] * factor;
		x->w[k] = (uint32_t)carry;
		carry >>= 32;
		if (k >= x->n)
			x->n = k + 1;
	}
	return true;
}

/* Five digits at a time: 58^5 fits in 32 bits. */
static bool
words_read(const char *s, struct words *x)
{
	while (*s) {
		uint32_t factor = 1, digits = 0;

		for (int i = 0; i < 5 && *s; i++, s++) {
			const char *at = strchr(alphabet, *s);

			if (at == NULL)
				return false;
			digits = digits * 58 + (uint32_t)(at - alphabet);
			factor *= 58;
		}
		if (!words_push(x, factor, digits))
			return false;
	}
	return true;
}

enum err
text58_read_any(const char *s, void *out, size_t cap, size_t *out_len)
{
	struct words x = { 0 };
	size_t n, zeros = 0;

	if (strnlen(s, TEXT58_CHARS) >= TEXT58_CHARS)
		return ERR_FORMAT;
	for (; *s == '1'; s++)
		zeros++;
	if (!words_read(s, &x))
		return ERR_FORMAT;
	for (n = 4 * x.n; n > 0; n--) /* the top word may begin with zeros */
		if (x.w[(n - 1) / 4] >> (n - 1) % 4 * 8)
			break;
	if (zeros + n > cap)
		return ERR_FORMAT;
	memset(out, 0, zeros);
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[zeros + n - 1 - i] = (uint8_t)(x.w[i / 4] >>
		    i % 4 * 8);
	*out_len = zeros + n;
	return ERR_OK;
}

enum err
text58_read(const char *s, void *out, size_t len)
{
	uint8_t tmp[TEXT58_MAX_BYTES];
	size_t n;

	if (len > sizeof(tmp) ||
	    text58_read_any(s, tmp, sizeof(tmp), &n) != ERR_OK || n != len)
		return ERR_FORMAT;
	memcpy(out, tmp, len);
	return ERR_OK;
}

void
text64(const void *bytes, size_t len, struct buf *out)
{
	size_t n = sodium_base64_encoded_len(
	    len, sodium_base64_VARIANT_ORIGINAL);
	uint8_t *to = buf_room(out, n);

	if (to == NULL)
		return;
	sodium_bin2base64(
	    (char *)to, n, bytes, len, sodium_base64_VARIANT_ORIGINAL);
	out->len--; /* its NUL */
}

/* libsodium 1.0.18 takes every byte with the top bit for some digit. */
static bool
is_ascii(const char *s, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= (uint8_t)s[i];
	return any < 0x80;
}

enum err
text64_read(const char *s, size_t len, struct buf *out)
{
	size_t n = 0, room = len / 4 * 3 + 3;
	uint8_t *to;

	if (!is_ascii(s, len))
		return ERR_FORMAT;
	to = buf_room(out, room);
	if (to == NULL)
		return out->err;
	if (sodium_base642bin(to, room, s, len, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0) {
		out->len -= room;
		return ERR_FORMAT;
	}
	out->len -= room - n;
	return ERR_OK;
}

void
text_hex(const void *bytes, size_t len, char *out)
{
	sodium_bin2hex(out, 2 * len + 1, bytes, len);
}

enum err
text_hex_read(const char *s, void *out, size_t len)
{
	size_t n = 0;

	if (strlen(s) != 2 * len ||
	    sodium_hex2bin(out, len, s, 2 * len, NULL, &n, NULL) != 0 ||
	    n != len)
		return ERR_FORMAT;
	return ERR_OK;
}

/* The length of the UTF-8 sequence at ${p}, 0 if it is none (RFC 3629). */
static size_t
sequence(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} kinds[] = { { 0x80, 0x00, 1 }, { 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (size_t k = 0; k < 4; k++) {
		uint32_t c = p[0] & (uint8_t)~kinds[k].mask;

		if ((p[0] & kinds[k].mask) != kinds[k].lead)
			continue;
		if (left < k + 1)
			return 0;
		for (size_t i = 1; i <= k; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < kinds[k].least || c > 0x10ffff ||
		    (c >= 0xd800 && c <= 0xdfff))
			return 0;
		return k + 1;
	}
	return 0;
}

void
text_plain(char *s)
{
	for (; *s; s++) {
		unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1];

		if (a < 0x20 || a == 0x7f)
			s[0] = '?';
		else if (a == 0xc2 && b >= 0x80 && b < 0xa0)
			s[0] = s[1] = '?';
	}
}

bool
text_is_utf8(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;

	while (len > 0) {
		size_t n = sequence(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}
