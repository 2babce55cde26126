/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <string.h>

#include "base/secret.h"

#define PIECE 16 /* chunks that are read and opened at once */

static const struct blob_id *
blob_of(const struct gate_doc *d)
{
	return &d->set->manifest->doc[d->number - 1].blob;
}

/* Open ciphertext and header on the first read; d->lock is held. */
static enum err
prepare_locked(struct gate_doc *d)
{
	uint8_t head[SEAL_DOC_HEAD];
	struct seal_doc *doc = NULL;
	enum err e;

	if (d->blob == NULL) {
		struct blob *x = NULL;

		e = blobs_get(d->g->cache, blob_of(d), &x);
		if (e != ERR_OK)
			return e == ERR_NOTFOUND || e == ERR_CORRUPT ?
			    ERR_PENDING :
			    e;
		d->blob = x;
	}
	if (d->doc)
		return ERR_OK;
	e = blobs_read(d->blob, 0, head, sizeof(head));
	if (e == ERR_OK)
		e = gate_lease_doc(d->g, d, head, &doc);
	if (e == ERR_NOKEY) /* wiped between two grants: ask again */
		return ERR_PENDING;
	if (e == ERR_OK && seal_doc_plain_size(doc) != gate_doc_size(d)) {
		seal_doc_free(doc);
		return err_say(ERR_FORGED,
		    "a document is not as long as the manifest says");
	}
	d->doc = doc;
	return e;
}

static enum err
prepare(struct gate_doc *d)
{
	enum err e;

	if (d->doc && d->blob)
		return ERR_OK;
	pthread_mutex_lock(&d->lock);
	e = prepare_locked(d);
	pthread_mutex_unlock(&d->lock);
	return e;
}

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static bool has_scratch;

static void
make_scratch_key(void)
{
	has_scratch = pthread_key_create(&scratch_key, free) == 0;
}

/* A thread's room for ciphertext, freed with the thread; NULL: no memory. */
static uint8_t *
scratch(void)
{
	uint8_t *p;

	(void)pthread_once(&scratch_once, make_scratch_key);
	if (!has_scratch)
		return NULL;
	p = pthread_getspecific(scratch_key);
	if (p)
		return p;
	p = malloc((size_t)PIECE * SEAL_CHUNK_SEALED);
	if (p && pthread_setspecific(scratch_key, p) != 0) {
		free(p);
		p = NULL;
	}
	return p;
}

/* A part of one chunk. */
struct cut {
	uint64_t index;
	const uint8_t *sealed;
	size_t sealed_n, skip, take;
};

/* Whole chunks are opened in place. */
static enum err
open_chunk(const struct gate_doc *d, const struct cut *c, uint8_t *out)
{
	SECRET_BUF(plain, SEAL_CHUNK);
	enum err e;

	if (c->skip == 0 && c->take == c->sealed_n - 16)
		return seal_doc_read(
		    d->doc, c->index, c->sealed, c->sealed_n, out);
	e = seal_doc_read(d->doc, c->index, c->sealed, c->sealed_n, plain);
	if (e == ERR_OK)
		memcpy(out, plain + c->skip, c->take);
	return e;
}

/* How many sealed bytes the chunks first..last have. */
static size_t
sealed_length(uint64_t size, uint64_t first, uint64_t last)
{
	uint64_t end = (last + 1) * SEAL_CHUNK;

	if (end > size)
		end = size;
	return (size_t)(end - first * SEAL_CHUNK + 16 * (last - first + 1));
}

static enum err
read_piece(struct gate_doc *d, uint64_t off, uint8_t *out, size_t n)
{
	uint64_t first = off / SEAL_CHUNK, last = (off + n - 1) / SEAL_CHUNK;
	size_t all = sealed_length(gate_doc_size(d), first, last);
	uint8_t *sealed = scratch();
	struct blob *x = d->blob;
	enum err e = sealed && x ?
	    blobs_read(
		x, SEAL_DOC_HEAD + first * SEAL_CHUNK_SEALED, sealed, all) :
	    sealed ? ERR_PENDING :
		     ERR_NOMEM;

	for (uint64_t i = first; e == ERR_OK && i <= last; i++) {
		size_t at = (size_t)(i - first) * SEAL_CHUNK_SEALED;
		struct cut c = { .index = i, .sealed = sealed + at };

		c.sealed_n = all - at < SEAL_CHUNK_SEALED ? all - at :
							    SEAL_CHUNK_SEALED;
		c.skip = i == first ? (size_t)(off % SEAL_CHUNK) : 0;
		c.take = c.sealed_n - 16 - c.skip;
		if (c.take > n)
			c.take = n;
		e = open_chunk(d, &c, out);
		out += c.take;
		n -= c.take;
	}
	return e;
}

static enum err
read_all(struct gate_doc *d, uint64_t off, uint8_t *out, size_t n)
{
	enum err e = prepare(d);

	while (e == ERR_OK && n > 0) {
		size_t room = (size_t)PIECE * SEAL_CHUNK -
		    (size_t)(off % SEAL_CHUNK);
		size_t k = n < room ? n : room;

		e = read_piece(d, off, out, k);
		off += k;
		out += k;
		n -= k;
	}
	return e;
}

/* Our disk may have spoilt what was verified when it came: once, a worker looks
 * and fetches it anew. */
static enum err
suspect(struct gate_doc *d, enum err e)
{
	if (e != ERR_CORRUPT && e != ERR_FORGED && e != ERR_INVAL &&
	    e != ERR_IO)
		return e;
	return atomic_exchange(&d->suspect, true) ? e : ERR_PENDING;
}

/*
 * The order counts: a reader is counted before it looks whether the document
 * is dark, and looks again after decrypting; a revocation makes it dark first
 * and then waits for the count to fall.
 */
enum err
gate_doc_read(
    struct gate_doc *d, uint64_t off, void *p, size_t n, size_t *out_n)
{
	uint64_t size = gate_doc_size(d);
	enum err e, dark;

	*out_n = 0;
	if (off >= size)
		n = 0;
	else if (n > size - off)
		n = (size_t)(size - off);
	err_clear();
	atomic_fetch_add(&d->reading, 1);
	e = atomic_load(&d->dark);
	if (e == ERR_OK)
		e = suspect(d, read_all(d, off, p, n));
	dark = atomic_load(&d->dark);
	if (dark != ERR_OK)
		e = dark;
	if (e == ERR_OK) {
		/* the reply may be followed by a close before we hear of it */
		atomic_fetch_add(&d->refs, 1);
		*out_n = n;
		return ERR_OK;
	}
	sodium_memzero(p, n);
	gate_tell(d->g, d->set, d->number, e);
	atomic_fetch_sub(&d->reading, 1);
	return e;
}

void
gate_doc_read_end(struct gate_doc *d)
{
	atomic_fetch_sub(&d->reading, 1);
	gate_doc_unref(d);
}

/* For a document that the ledger names ENOENT would be a lie. */
static enum err
lost(enum err e)
{
	return e == ERR_NOTFOUND ?
	    err_say(ERR_IO,
		"the RMS has lost or spoilt its key or sealed bytes; its "
		"operator restores them from a copy (consent restore)") :
	    e;
}

/* Worker: bring the ciphertext of a range. */
static enum err
run_fetch(struct gate_job *job)
{
	struct gate_doc *d = job->d;
	CLEANUP(blobs_put) struct blob *x = NULL;
	uint64_t first = job->off / SEAL_CHUNK;
	uint64_t last = (job->off + job->n) / SEAL_CHUNK;
	enum err e = d->suspect && !d->spoilt ? gate_doc_renew(d) : ERR_OK;

	if (e == ERR_OK)
		e = gate_blob(
		    d->g, blob_of(d), seal_doc_size(gate_doc_size(d)), &x);
	if (e == ERR_OK && !gate_lease_ready(d->g, &d->set->id))
		e = gate_lease_get(
		    d->g, d->set, EVENT_ACCESS, &d->inquiry, d->seq);
	if (e == ERR_OK) /* the header is needed too */
		e = gate_blob_range(d->g, blob_of(d), x, 0, SEAL_DOC_HEAD);
	if (e == ERR_OK)
		e = gate_blob_range(d->g, blob_of(d), x,
		    SEAL_DOC_HEAD + first * SEAL_CHUNK_SEALED,
		    (last - first + 1) * SEAL_CHUNK_SEALED);
	return e == ERR_OK ? (enum err)atomic_load(&d->dark) : lost(e);
}

enum err
gate_doc_fetch(
    struct gate_doc *d, uint64_t off, size_t n, gate_done done, void *ctx)
{
	const struct gate_job job = {
		.d = d,
		.run = run_fetch,
		.done = done,
		.ctx = ctx,
		.off = off,
		.n = n,
	};

	return gate_job_add(d->g, &job);
}
