/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#define VERSION          1
#define AEAD_AES_256_GCM 1
#define SALT             32
#define COMMITMENT       32
#define HEAD_ZEROS       (SEAL_DOC_HEAD - 104)
/* Keeps every sum below inside 63 bits. */
#define SIZE_MOST (1ULL << 60)

static const char magic[8] = { 'C', 'F', 'S', 'E', 'A', 'L', '1', '\n' };

struct seal_doc {
	struct seal_cipher *cipher;
	uint64_t size, chunks;
	uint64_t next; /* chunk to be sealed; sealing only */
	bool sealing;
	uint8_t head_hash[32];
};

/* What a document is, as its header says. */
struct head {
	uint32_t number;
	uint64_t size;
	struct event_id set;
	uint8_t salt[SALT], commitment[COMMITMENT];
};

static uint64_t
chunks_of(uint64_t size)
{
	return size == 0 ? 1 : (size - 1) / SEAL_CHUNK + 1;
}

uint64_t
seal_doc_size(uint64_t size)
{
	if (size > SIZE_MOST)
		return UINT64_MAX;
	return SEAL_DOC_HEAD + size + SEAL_TAG * chunks_of(size);
}

static void
head_write(const struct head *h, struct buf *out)
{
	static const uint8_t zeros[HEAD_ZEROS];

	buf_put(out, magic, sizeof(magic));
	buf_u8(out, VERSION);
	buf_u8(out, AEAD_AES_256_GCM);
	buf_u16(out, 0);
	buf_u32(out, h->number);
	buf_u64(out, h->size);
	buf_put(out, h->set.b, sizeof(h->set.b));
	buf_put(out, h->salt, SALT);
	buf_put(out, h->commitment, COMMITMENT);
	buf_put(out, zeros, sizeof(zeros));
}

static enum err
head_read(const uint8_t *bytes, struct head *h)
{
	struct rd r;
	const uint8_t *zeros;
	uint8_t version, aead;
	uint16_t pad;

	rd_init(&r, bytes, SEAL_DOC_HEAD);
	if (sodium_memcmp(rd_take(&r, sizeof(magic)), magic, sizeof(magic)) !=
	    0)
		return err_say(ERR_FORMAT, "not a sealed document");
	version = rd_u8(&r);
	aead = rd_u8(&r);
	if (version != VERSION || aead != AEAD_AES_256_GCM)
		return err_say(ERR_UNSUPPORTED,
		    "sealed document of version %u, cipher %u; upgrade",
		    version, aead);
	pad = rd_u16(&r);
	h->number = rd_u32(&r);
	h->size = rd_u64(&r);
	rd_copy(&r, h->set.b, sizeof(h->set.b));
	rd_copy(&r, h->salt, SALT);
	rd_copy(&r, h->commitment, COMMITMENT);
	zeros = rd_take(&r, HEAD_ZEROS);
	if (pad != 0 || h->size > SIZE_MOST ||
	    !sodium_is_zero(zeros, HEAD_ZEROS))
		return err_say(ERR_FORMAT, "malformed sealed document");
	return rd_end(&r);
}

/* key 32 || commitment 32 */
static enum err
derive(const struct secret *parent, const struct head *h,
    uint8_t out[static SEAL_KEY + COMMITMENT])
{
	static const struct seal_part context = SEAL_CONTEXT("document");
	CLEANUP_BUF struct buf b = { 0 };

	if (secret_len(parent) != SEAL_KEY)
		return ERR_INVAL;
	buf_put(&b, context.p, context.n);
	buf_put(&b, h->salt, SALT);
	buf_put(&b, h->set.b, sizeof(h->set.b));
	buf_u32(&b, h->number);
	if (b.err)
		return b.err;
	(void)crypto_generichash(out, SEAL_KEY + COMMITMENT, b.p, b.len,
	    secret_view(parent), SEAL_KEY);
	return ERR_OK;
}

static enum err
doc_new(const uint8_t *key, const struct head *h, const uint8_t *head_bytes,
    bool sealing, struct seal_doc **out)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = calloc(1, sizeof(*d));
	const struct seal_part part = { head_bytes, SEAL_DOC_HEAD };
	enum err e;

	if (d == NULL)
		return ERR_NOMEM;
	d->size = h->size;
	d->chunks = chunks_of(h->size);
	d->sealing = sealing;
	seal_hash(NULL, &part, 1, d->head_hash);
	e = seal_cipher_new(key, sealing, &d->cipher);
	if (e == ERR_OK)
		*out = TAKE(d);
	return e;
}

enum err
seal_doc_begin(const struct secret *parent, const struct event_id *set,
    uint32_t number, uint64_t size, struct seal_doc **out,
    uint8_t out_head[static SEAL_DOC_HEAD])
{
	struct head h = { .number = number, .size = size, .set = *set };
	CLEANUP_BUF struct buf b = { 0 };
	SECRET_BUF(keys, SEAL_KEY + COMMITMENT);
	enum err e;

	if (size > SIZE_MOST)
		return ERR_TOOBIG;
	seal_random(h.salt, sizeof(h.salt));
	e = derive(parent, &h, keys);
	if (e != ERR_OK)
		return e;
	memcpy(h.commitment, keys + SEAL_KEY, COMMITMENT);
	head_write(&h, &b);
	if (b.err)
		return b.err;
	memcpy(out_head, b.p, SEAL_DOC_HEAD);
	return doc_new(keys, &h, out_head, true, out);
}

enum err
seal_doc_open(const struct secret *parent, const struct event_id *set,
    uint32_t number, const uint8_t head[static SEAL_DOC_HEAD],
    struct seal_doc **out)
{
	struct head h = { 0 };
	SECRET_BUF(keys, SEAL_KEY + COMMITMENT);
	enum err e = head_read(head, &h);

	if (e != ERR_OK)
		return e;
	if (h.number != number || !ID_EQ(&h.set, set))
		return ERR_FORGED;
	e = derive(parent, &h, keys);
	if (e != ERR_OK)
		return e == ERR_INVAL ? ERR_FORGED : e;
	if (sodium_memcmp(h.commitment, keys + SEAL_KEY, COMMITMENT) != 0)
		return ERR_FORGED;
	return doc_new(keys, &h, head, false, out);
}

void
seal_doc_free(struct seal_doc *d)
{
	if (d == NULL)
		return;
	seal_cipher_free(d->cipher);
	free(d);
}

uint64_t
seal_doc_plain_size(const struct seal_doc *d)
{
	return d->size;
}

/* Plain length of a chunk that exists. */
static size_t
chunk_length(const struct seal_doc *d, uint64_t index)
{
	if (index + 1 < d->chunks)
		return SEAL_CHUNK;
	return (size_t)(d->size - (d->chunks - 1) * SEAL_CHUNK);
}

static void
chunk_bind(const struct seal_doc *d, struct seal_chunk *k)
{
	memcpy(k->ad, d->head_hash, 32);
	for (unsigned i = 0; i < 8; i++)
		k->ad[32 + i] = (uint8_t)(k->number >> (56 - 8 * i));
	k->ad[40] = k->number + 1 == d->chunks;
}

enum err
seal_doc_chunk(struct seal_doc *d, const void *in, size_t n, uint8_t *out)
{
	struct seal_chunk k = {
		.number = d->next, .in = in, .n = n, .out = out
	};

	if (!d->sealing || d->next >= d->chunks ||
	    n != chunk_length(d, d->next))
		return err_say(
		    ERR_INVAL, "a document is not of its announced length");
	chunk_bind(d, &k);
	d->next++; /* first: a nonce is never used twice */
	return seal_cipher_seal(d->cipher, &k);
}

enum err
seal_doc_read(const struct seal_doc *d, uint64_t index, const uint8_t *in,
    size_t n, uint8_t *out)
{
	struct seal_chunk k = { .number = index, .in = in, .out = out };

	if (d->sealing)
		return ERR_INVAL;
	if (index >= d->chunks || n != chunk_length(d, index) + SEAL_TAG)
		return ERR_FORGED;
	k.n = n - SEAL_TAG;
	chunk_bind(d, &k);
	return seal_cipher_open(d->cipher, &k);
}

enum err
seal_doc_whole(const struct secret *parent, const struct event_id *set,
    uint32_t number, const struct buf *plain, struct buf *out)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t *to;
	enum err e;

	if (plain->err)
		return plain->err;
	to = buf_room(out, (size_t)seal_doc_size(plain->len));
	if (to == NULL)
		return out->err;
	e = seal_doc_begin(parent, set, number, plain->len, &d, to);
	to += SEAL_DOC_HEAD;
	for (uint64_t i = 0; e == ERR_OK && i < d->chunks; i++) {
		size_t n = chunk_length(d, i);

		e = seal_doc_chunk(
		    d, n ? plain->p + i * SEAL_CHUNK : NULL, n, to);
		to += n + SEAL_TAG;
	}
	if (e != ERR_OK)
		out->len -= (size_t)seal_doc_size(plain->len);
	return e;
}

enum err
seal_doc_open_whole(const struct secret *parent, const struct event_id *set,
    uint32_t number, const uint8_t *sealed, size_t len, struct buf *out)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t *to;
	enum err e;

	if (len < SEAL_DOC_HEAD)
		return err_say(ERR_FORMAT, "not a sealed document");
	e = seal_doc_open(parent, set, number, sealed, &d);
	if (e != ERR_OK)
		return e;
	if (seal_doc_size(d->size) != len)
		return ERR_FORGED;
	to = buf_room(out, (size_t)d->size);
	if (to == NULL)
		return out->err;
	sealed += SEAL_DOC_HEAD;
	for (uint64_t i = 0; e == ERR_OK && i < d->chunks; i++) {
		size_t n = chunk_length(d, i);

		e = seal_doc_read(d, i, sealed, n + SEAL_TAG, to);
		sealed += n + SEAL_TAG;
		to += n;
	}
	if (e != ERR_OK) {
		sodium_memzero(out->p + out->len - d->size, (size_t)d->size);
		out->len -= (size_t)d->size;
	}
	return e;
}

enum err
seal_manifest_key(const struct secret *content_key, const struct event_id *set,
    struct secret **out)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	const struct seal_part parts[] = {
		SEAL_CONTEXT("manifest"),
		{ set->b, sizeof(set->b) },
	};
	enum err e;

	if (secret_len(content_key) != SEAL_KEY)
		return ERR_INVAL;
	e = secret_new(SEAL_KEY, &key);
	if (e != ERR_OK)
		return e;
	seal_hash(secret_view(content_key), parts, ARRAY_LEN(parts),
	    secret_bytes(key));
	*out = TAKE(key);
	return ERR_OK;
}

void
seal_set_commitment(const struct secret *set_key, const struct event_id *set,
    uint8_t out[static 32])
{
	const struct seal_part parts[] = {
		SEAL_CONTEXT("setcommit"),
		{ set->b, sizeof(set->b) },
	};

	seal_hash(secret_view(set_key), parts, ARRAY_LEN(parts), out);
}
