/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sealed documents.  The first byte says what the rest is:
 *   even: a sealed document as it came; the commitment is made to fit if bit
 *         1 is set, so that all behind it is reached;
 *   odd:  u16 size, u16 place, u8 change: a document of that size is sealed,
 *         one byte of it is changed and opened: it must be refused.
 */
#include "fuzz.h"

#define SALT_AT       40
#define SET_AT        24
#define NUMBER_AT     12
#define COMMITMENT_AT 72
#define NUMBER        7
#define UNTOUCHED     0xa5

static const struct event_id set = { "fuzzed document" };

/* What seal/document.c derives from the parent key. */
static void
fit_commitment(uint8_t *head)
{
	static const char context[] = "consentfs/1 document";
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t out[64];

	buf_put(&b, context, sizeof(context) - 1);
	buf_put(&b, head + SALT_AT, 32);
	buf_put(&b, head + SET_AT, 16);
	buf_put(&b, head + NUMBER_AT, 4);
	MUST(b.err == ERR_OK);
	(void)crypto_generichash(out, sizeof(out), b.p, b.len,
	    secret_view(fuzz_secret(1)), SEAL_KEY);
	memcpy(head + COMMITMENT_AT, out + 32, 32);
}

static bool
is_refusal(enum err e)
{
	return e == ERR_FORMAT || e == ERR_UNSUPPORTED || e == ERR_FORGED;
}

/* After a refusal no plain byte may stand there: untouched or wiped. */
static bool
shows_nothing(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != UNTOUCHED && p[i] != 0)
			return false;
	return true;
}

/* One chunk after the other, as the mount reads. */
static void
read_chunks(const uint8_t *p, size_t n)
{
	static uint8_t plain[SEAL_CHUNK];
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	enum err e = seal_doc_open(fuzz_secret(1), &set, NUMBER, p, &d);

	MUST(e == ERR_OK || is_refusal(e));
	if (e)
		return;
	for (size_t i = 0, at = SEAL_DOC_HEAD; at < n; i++) {
		size_t some = n - at < SEAL_CHUNK_SEALED ? n - at :
							   SEAL_CHUNK_SEALED;

		memset(plain, UNTOUCHED, sizeof(plain));
		e = seal_doc_read(d, i, p + at, some, plain);
		MUST(e == ERR_OK || e == ERR_FORGED);
		MUST(e == ERR_OK || shows_nothing(plain, sizeof(plain)));
		at += some;
	}
	MUST(seal_doc_read(d, UINT64_MAX, p, 16, plain) == ERR_FORGED);
}

static void
try_raw(const uint8_t *p, size_t n, bool fit)
{
	CLEANUP_BUF struct buf in = { 0 }, out = { 0 };
	enum err e;

	buf_put(&in, p, n);
	if (fit && n >= SEAL_DOC_HEAD)
		fit_commitment(in.p);
	e = seal_doc_open_whole(
	    fuzz_secret(1), &set, NUMBER, in.p, in.len, &out);
	MUST(e == ERR_OK || is_refusal(e));
	MUST(e == ERR_OK || out.len == 0);
	if (e == ERR_OK)
		MUST(seal_doc_size(out.len) == n);
	if (n >= SEAL_DOC_HEAD)
		read_chunks(in.p, in.len);
}

static void
make(size_t size, struct buf *plain, struct buf *sealed)
{
	uint8_t *p = buf_room(plain, size);

	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i * 31 + size);
	MUST(seal_doc_whole(fuzz_secret(1), &set, NUMBER, plain, sealed) ==
	    ERR_OK);
}

static void
try_changed(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf plain = { 0 }, sealed = { 0 }, out = { 0 };
	struct rd r;
	uint16_t size, at;
	uint8_t change;
	enum err e;

	rd_init(&r, p, n);
	size = rd_u16(&r);
	at = rd_u16(&r);
	change = rd_u8(&r);
	make(size, &plain, &sealed);
	sealed.p[at % sealed.len] ^= change;
	e = seal_doc_open_whole(
	    fuzz_secret(1), &set, NUMBER, sealed.p, sealed.len, &out);
	if (change) {
		MUST(is_refusal(e) && out.len == 0);
		return;
	}
	MUST(e == ERR_OK && out.len == size);
	MUST(size == 0 || memcmp(out.p, plain.p, size) == 0);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const size_t sizes[] = { 0, 1, 300, SEAL_CHUNK, 20000 };
	static const uint8_t changed[][6] = { { 1, 0, 9, 0, 3, 0 },
		{ 1, 1, 0, 0, 200, 1 }, { 1, 0x41, 0, 0, 8, 0x80 } };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_BUF struct buf plain = { 0 }, in = { 0 };

		buf_u8(&in, (uint8_t)(i & 2));
		make(sizes[i], &plain, &in);
		fuzz_seed(to, in.p, in.len);
	}
	for (size_t i = 0; i < ARRAY_LEN(changed); i++)
		fuzz_seed(to, changed[i], sizeof(changed[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n == 0)
		return 0;
	if (p[0] & 1)
		try_changed(p + 1, n - 1);
	else
		try_raw(p + 1, n - 1, p[0] & 2);
	return 0;
}
