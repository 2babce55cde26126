/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/bytes.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Keep one byte more than needed so that buf_text() can always end it. */
static bool
grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *p;

	if (b->err)
		return false;
	if (n > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
		b->err = ERR_NOMEM;
		return false;
	}
	while (cap < b->len + n + 1)
		cap *= 2;
	if (cap == b->cap)
		return true;
	p = malloc(cap); /* not realloc: the old copy must be wiped */
	if (p == NULL) {
		b->err = ERR_NOMEM;
		return false;
	}
	if (b->p) {
		memcpy(p, b->p, b->len);
		sodium_memzero(b->p, b->len);
		free(b->p);
	}
	b->p = p;
	b->cap = cap;
	return true;
}

uint8_t *
buf_room(struct buf *b, size_t n)
{
	if (!grow(b, n))
		return NULL;
	b->len += n;
	return b->p + b->len - n;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = buf_room(b, n);

	if (to && n > 0)
		memcpy(to, p, n);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->err = ERR_INVAL;
	else if (grow(b, (size_t)n)) {
		(void)vsnprintf(
		    (char *)b->p + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

static void
put_be(struct buf *b, uint64_t v, unsigned n)
{
	uint8_t *p = buf_room(b, n);

	for (unsigned i = 0; p && i < n; i++)
		p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

void
buf_u8(struct buf *b, uint8_t v)
{
	put_be(b, v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void
buf_u32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

const char *
buf_text(struct buf *b)
{
	if (b->err || !grow(b, 0))
		return "";
	b->p[b->len] = '\0';
	return (const char *)b->p;
}

void
buf_free(struct buf *b)
{
	int kept_errno = errno;

	if (b->p) {
		sodium_memzero(b->p, b->cap);
		free(b->p);
	}
	memset(b, 0, sizeof(*b));
	errno = kept_errno;
}

void
rd_init(struct rd *r, const void *p, size_t n)
{
	r->p = p;
	r->left = n;
	r->err = ERR_OK;
}

const uint8_t *
rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err || n > r->left) {
		r->err = ERR_FORMAT;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

void
rd_copy(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

static uint64_t
get_be(struct rd *r, unsigned n)
{
	const uint8_t *p = rd_take(r, n);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t
rd_u16(struct rd *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t
rd_u32(struct rd *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t
rd_u64(struct rd *r)
{
	return get_be(r, 8);
}

enum err
rd_end(const struct rd *r)
{
	if (r->err)
		return r->err;
	return r->left ? ERR_FORMAT : ERR_OK;
}
