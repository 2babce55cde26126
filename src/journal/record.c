/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "journal/journal_internal.h"

#define RECORD_MAGIC 0x63664a52 /* "cfJR" */

static const char context[] = "consentfs/1 journal";

static size_t
padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

size_t
journal_record_size(size_t n)
{
	return padded(JOURNAL_RECORD_MIN + n);
}

static void
chain_hash(const uint8_t *p, size_t n, uint8_t out[static 32])
{
	const struct seal_part parts[] = {
		{ context, sizeof(context) - 1 },
		{ p, n },
	};

	seal_hash(NULL, parts, ARRAY_LEN(parts), out);
}

enum err
journal_record_put(const struct secret *key, struct journal_link *at,
    uint64_t group, struct seal_part payload, struct buf *out)
{
	size_t start = out->len, n = payload.n + SEAL_REST_EXTRA;
	uint8_t head[JOURNAL_RECORD_HEAD];
	enum err e;

	buf_u32(out, RECORD_MAGIC);
	buf_u32(out, (uint32_t)n);
	buf_u64(out, at->seq + 1);
	buf_u64(out, group);
	buf_put(out, at->hash, sizeof(at->hash));
	if (out->err)
		return out->err;
	memcpy(head, out->p + start, sizeof(head)); /* ${out} may move */
	e = seal_rest(
	    key, (struct seal_part){ head, sizeof(head) }, payload, out);
	if (e)
		return e;
	buf_put(out, (const uint8_t[8]){ 0 }, padded(n) - n);
	if (out->err)
		return out->err;
	at->seq++;
	chain_hash(out->p + start, out->len - start, at->hash);
	return ERR_OK;
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

bool
journal_record_read(const uint8_t *p, size_t n, struct journal_record *out)
{
	size_t end;
	struct rd r;

	rd_init(&r, p, n);
	if (rd_u32(&r) != RECORD_MAGIC)
		return false;
	*out = (struct journal_record){ .p = p };
	out->sealed = rd_u32(&r);
	out->seq = rd_u64(&r);
	out->group = rd_u64(&r);
	out->chain = rd_take(&r, 32);
	if (r.err || out->sealed < SEAL_REST_EXTRA ||
	    out->sealed > JOURNAL_MAX_RECORD + SEAL_REST_EXTRA)
		return false;
	end = JOURNAL_RECORD_HEAD + out->sealed;
	out->bytes = (uint32_t)padded(end);
	return out->bytes <= n && all_zero(p + end, out->bytes - end);
}

enum err
journal_record_open(
    const struct secret *key, const struct journal_record *r, struct buf *out)
{
	return seal_rest_open(key,
	    (struct seal_part){ r->p, JOURNAL_RECORD_HEAD },
	    (struct seal_part){ r->p + JOURNAL_RECORD_HEAD, r->sealed }, out);
}

void
journal_link_next(struct journal_link *at, const struct journal_record *r)
{
	at->seq = r->seq;
	chain_hash(r->p, r->bytes, at->hash);
}
