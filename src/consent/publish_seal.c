/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Seal the sources into the spool.  A document's bytes are durable before the
 * index speaks of them, and it is sealed in one pass or not at all.
 */
#include "consent/publish_internal.h"

#define SYNC_BYTES (64u << 20) /* at most so much is sealed in vain */

struct sealer {
	struct consent_spool *s;
	uint8_t *plain, *span; /* SEAL_SPAN each */
	size_t fill;           /* of span */
	uint64_t length;       /* of the blob so far, with what is in span */
	struct buf leaves;
	struct buf rows; /* to be written when the data is durable */
	uint64_t unsynced;
	struct consent_progress progress;
};

static void
sealer_free(struct sealer *x)
{
	if (x->plain)
		sodium_memzero(x->plain, SEAL_SPAN);
	free(x->plain);
	free(x->span);
	buf_free(&x->leaves);
	buf_free(&x->rows);
}
#define CLEANUP_SEALER __attribute__((cleanup(sealer_free), unused))

/* The span is full, or the blob at its end. */
static enum err
put_span(struct sealer *x)
{
	uint8_t *leaf = buf_room(&x->leaves, 32);
	uint64_t i = x->leaves.len / 32 - 1;
	enum err e;

	if (leaf == NULL)
		return x->leaves.err;
	seal_leaf(i, x->span, x->fill, leaf);
	e = file_pwrite(
	    x->s->data, x->span, x->fill, (off_t)(x->s->end + i * SEAL_SPAN));
	x->unsynced += x->fill;
	x->fill = 0;
	return e;
}

static enum err
put(struct sealer *x, const uint8_t *p, size_t n)
{
	x->length += n;
	while (n > 0) {
		size_t k = SEAL_SPAN - x->fill < n ? SEAL_SPAN - x->fill : n;
		enum err e;

		memcpy(x->span + x->fill, p, k);
		x->fill += k;
		p += k;
		n -= k;
		if (x->fill == SEAL_SPAN && n > 0 && (e = put_span(x)))
			return e;
	}
	return ERR_OK;
}

/* First the bytes, then the rows that speak of them. */
static enum err
sync_rows(struct sealer *x)
{
	struct consent_spool *s = x->s;
	size_t done = 0;

	if (x->rows.err)
		return x->rows.err;
	if (fdatasync(s->data) != 0)
		return err_say(ERR_IO, "cannot write to '%s': %s", s->dir,
		    strerror(errno));
	while (done < x->rows.len) {
		ssize_t n = write(
		    s->index, x->rows.p + done, x->rows.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_say(err_from_errno(errno),
			    "cannot write to '%s': %s", s->dir,
			    strerror(errno));
		done += (size_t)n;
	}
	x->rows.len = 0;
	x->unsynced = 0;
	return ERR_OK;
}

/* The blob is whole: note it as number ${i}. */
static enum err
end_blob(struct sealer *x, uint32_t i)
{
	struct consent_spool *s = x->s;
	struct consent_blob *b = &s->blob[i];
	enum err e;

	if (x->fill > 0 && (e = put_span(x)))
		return e;
	*b = (struct consent_blob){
		.length = x->length, .fd = s->data, .at = s->end
	};
	seal_blob_id(x->length, x->leaves.p, x->leaves.len / 32, &b->id);
	consent_spool_row(s, i, &x->rows);
	if (x->rows.err)
		return x->rows.err;
	s->sealed[i] = true;
	s->end += x->length;
	x->length = 0;
	x->leaves.len = 0;
	return x->unsynced >= SYNC_BYTES ? sync_rows(x) : ERR_OK;
}

/* Up to SEAL_SPAN bytes; a file that ends early has changed. */
static enum err
read_plain(struct sealer *x, const struct consent_source *src, int fd, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = read(fd, x->plain + got, n - got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_say(ERR_IO, "cannot read '%s': %s",
			    src->file, strerror(errno));
		if (k == 0)
			return err_say(ERR_CONFLICT,
			    "'%s' was changed while "
			    "it was read; --restart publishes it anew",
			    src->file);
		got += (size_t)k;
	}
	return ERR_OK;
}

static enum err
seal_chunks(struct sealer *x, struct seal_doc *d, size_t n)
{
	uint8_t sealed[SEAL_CHUNK_SEALED];
	size_t at = 0;
	enum err e;

	do {
		size_t k = n - at < SEAL_CHUNK ? n - at : SEAL_CHUNK;

		if ((e = seal_doc_chunk(d, x->plain + at, k, sealed)) ||
		    (e = put(x, sealed, k + 16)))
			return e;
		at += k;
	} while (at < n);
	return ERR_OK;
}

static enum err
seal_source(struct sealer *x, const struct consent_source *src, uint32_t i)
{
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	uint8_t head[SEAL_DOC_HEAD];
	uint64_t left = src->size;
	CLEANUP_FD int fd = open(src->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum err e;

	if (fd < 0)
		return err_say(err_from_errno(errno), "cannot open '%s': %s",
		    src->file, strerror(errno));
	if ((e = consent_source_same(src, fd)) ||
	    (e = seal_doc_begin(
		 x->s->set_key, &x->s->set, i, src->size, &d, head)) ||
	    (e = put(x, head, sizeof(head))))
		return e;
	do {
		size_t n = left < SEAL_SPAN ? left : SEAL_SPAN;

		if ((e = read_plain(x, src, fd, n)) ||
		    (e = seal_chunks(x, d, n)))
			return e;
		left -= n;
		consent_progress_add(&x->progress, n);
	} while (left > 0);
	if ((e = consent_source_same(src, fd)))
		return e;
	return end_blob(x, i);
}

/* The manifest is document 0, under a key of its own. */
static enum err
seal_manifest(struct sealer *x)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_BUF struct buf plain = { 0 }, sealed = { 0 };
	struct consent_spool *s = x->s;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < s->src.n; i++)
		e = consent_source_line(
		    &s->src.v[i], s->type_code, &s->blob[i + 1].id, &plain);
	if (e == ERR_OK)
		e = seal_manifest_key(s->content_key, &s->set, &key);
	if (e == ERR_OK)
		e = seal_doc_whole(key, &s->set, 0, &plain, &sealed);
	if (e == ERR_OK)
		e = put(x, sealed.p, sealed.len);
	return e ? e : end_blob(x, 0);
}

/* Before anything is sealed: what no RMS and no reader takes is not begun. */
static enum err
check_manifest(const struct consent_spool *s)
{
	CLEANUP_BUF struct buf plain = { 0 };
	struct blob_id longest;
	enum err e = ERR_OK;

	memset(&longest, 0xff, sizeof(longest));
	for (size_t i = 0; e == ERR_OK && i < s->src.n; i++) {
		e = consent_source_line(
		    &s->src.v[i], s->type_code, &longest, &plain);
		if (e == ERR_OK &&
		    seal_doc_size(plain.len) > EVENT_MAX_MANIFEST)
			e = err_say(ERR_TOOBIG,
			    "the list of %zu files is longer than %u MiB; "
			    "publish them as several sets",
			    s->src.n, EVENT_MAX_MANIFEST >> 20);
	}
	return e;
}

static enum err
seal_all(struct sealer *x)
{
	struct consent_spool *s = x->s;
	enum err e = s->sealed[0] ? ERR_OK : check_manifest(s);

	for (uint32_t i = 1; e == ERR_OK && i <= s->src.n; i++) {
		if (s->sealed[i])
			consent_progress_skip(
			    &x->progress, s->src.v[i - 1].size);
		else
			e = seal_source(x, &s->src.v[i - 1], i);
	}
	if (e == ERR_OK && !s->sealed[0])
		e = seal_manifest(x);
	return e;
}

enum err
consent_spool_seal(struct consent_spool *s)
{
	CLEANUP_SEALER struct sealer x = {
		.s = s, .plain = malloc(SEAL_SPAN), .span = malloc(SEAL_SPAN)
	};
	enum err e, synced;

	if (x.plain == NULL || x.span == NULL)
		return ERR_NOMEM;
	consent_progress_begin(&x.progress, "sealing", s->src.bytes);
	e = seal_all(&x);
	consent_progress_end(&x.progress);
	synced = e == ERR_NOMEM ? e : sync_rows(&x);
	if (e == ERR_OK && synced == ERR_OK && fsync(s->index) != 0)
		return err_say(ERR_IO, "cannot write to '%s': %s", s->dir,
		    strerror(errno));
	return e ? e : synced;
}
