/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base58, base64, hex, UTF-8: whatever is read is written back as it came, so
 * that no value has two spellings.
 */
#include <strings.h>

#include "base/text.h"
#include "fuzz.h"

static void
try_58(const char *s)
{
	uint8_t bytes[TEXT58_MAX_BYTES], again[TEXT58_MAX_BYTES];
	struct text58 t;
	size_t n;
	enum err e = text58_read_any(s, bytes, sizeof(bytes), &n);

	MUST(e == ERR_OK || e == ERR_FORMAT);
	if (e)
		return;
	MUST(n <= sizeof(bytes));
	MUST(strcmp(text58(bytes, n, &t), s) == 0);
	MUST(text58_read(s, again, n) == ERR_OK);
	MUST(memcmp(bytes, again, n) == 0);
	MUST(n == 0 || text58_read(s, again, n - 1) == ERR_FORMAT);
	MUST(n == 0 || text58_read_any(s, again, n - 1, &n) == ERR_FORMAT);
}

static void
try_64(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf bytes = { 0 }, again = { 0 };
	enum err e = text64_read((const char *)p, n, &bytes);

	MUST(e == ERR_OK || e == ERR_FORMAT);
	if (e) {
		MUST(bytes.len == 0);
		return;
	}
	text64(bytes.p, bytes.len, &again);
	MUST(again.len == n && memcmp(again.p, p, n) == 0);
}

static void
try_hex(const char *s)
{
	uint8_t bytes[64];
	char again[2 * sizeof(bytes) + 1];
	size_t n = strlen(s) / 2;

	if (n > sizeof(bytes) || text_hex_read(s, bytes, n) != ERR_OK)
		return;
	text_hex(bytes, n, again);
	MUST(strcasecmp(again, s) == 0);
}

/* The other way round: every value has a text that gives it back. */
static void
write_any(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf text = { 0 }, back = { 0 };
	uint8_t bytes[TEXT58_MAX_BYTES];
	struct text58 t;

	text64(p, n, &text);
	MUST(text64_read(buf_text(&text), text.len, &back) == ERR_OK);
	MUST(back.len == n && (n == 0 || memcmp(back.p, p, n) == 0));
	if (n > TEXT58_MAX_BYTES)
		n = TEXT58_MAX_BYTES;
	MUST(text58_read(text58(p, n, &t), bytes, n) == ERR_OK);
	MUST(memcmp(bytes, p, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *s = fuzz_text(p, n);

	try_58(s);
	try_64(p, n);
	try_hex(s);
	write_any(p, n);
	if (text_is_utf8(s, n))
		MUST(strlen(s) == n || memchr(s, 0, n) != NULL);
	free(s);
	return 0;
}
