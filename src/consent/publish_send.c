/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sealed blobs to the RMS: small ones in packs, large ones by spans, and only
 * what it lacks.
 */
#include "consent/publish_internal.h"

#define LEAF     32
#define PACK_MIN 65536
#define PACKS    64 /* so many packs at least: what is lost with one is little */
#define AGAIN_MS 100

struct upload {
	struct rms_client *rms;
	struct buf pack;
	uint64_t pack_bytes; /* of blobs in it */
	size_t pack_max;
	uint8_t *span; /* SEAL_SPAN bytes */
	uint64_t sent;
	struct consent_progress progress;
};

static void
upload_free(struct upload *u)
{
	buf_free(&u->pack);
	free(u->span);
}
#define CLEANUP_UPLOAD __attribute__((cleanup(upload_free), unused))

static enum err
damaged(const struct consent_blob *b)
{
	return err_say(ERR_CORRUPT,
	    "the sealed bytes of %s are damaged on "
	    "this disk; %s",
	    TEXT58(&b->id),
	    b->fd >= 0 ? "--restart seals them anew" : "take another copy");
}

/* A descriptor of the blob's file; ${own} closes it if it was opened here. */
static enum err
blob_fd(const struct consent_blob *b, int *own, int *out)
{
	struct stat st;

	*out = b->fd;
	if (b->fd >= 0)
		return ERR_OK;
	*own = *out = open(b->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*out < 0 || fstat(*out, &st) != 0)
		return err_say(err_from_errno(errno), "cannot open '%s': %s",
		    b->path, strerror(errno));
	return (uint64_t)st.st_size == b->length ? ERR_OK : damaged(b);
}

static enum err
flush(struct upload *u)
{
	enum err e;

	if (u->pack.len == 0)
		return ERR_OK;
	e = rms_blobs_pack(u->rms, &u->pack);
	if (e)
		return e;
	u->sent += u->pack_bytes;
	consent_progress_add(&u->progress, u->pack_bytes);
	u->pack.len = 0;
	u->pack_bytes = 0;
	return ERR_OK;
}

static enum err
send_small(struct upload *u, const struct consent_blob *b)
{
	CLEANUP_FD int own = -1;
	struct blob_id id;
	uint8_t *to;
	int fd;
	enum err e;

	if (u->pack.len + 4 + b->length > u->pack_max && (e = flush(u)))
		return e;
	if ((e = blob_fd(b, &own, &fd)))
		return e;
	buf_u32(&u->pack, (uint32_t)b->length);
	to = buf_room(&u->pack, b->length);
	if (to == NULL)
		return u->pack.err;
	if ((e = file_pread(fd, to, b->length, (off_t)b->at)) ||
	    (e = seal_blob_id_of(to, b->length, &id)))
		return e;
	u->pack_bytes += b->length;
	return ID_EQ(&id, &b->id) ? ERR_OK : damaged(b);
}

static enum err
read_span(struct upload *u, const struct consent_blob *b, int fd, uint64_t i,
    size_t *out_n)
{
	uint64_t left = b->length - i * SEAL_SPAN;

	*out_n = left < SEAL_SPAN ? left : SEAL_SPAN;
	return file_pread(fd, u->span, *out_n, (off_t)(b->at + i * SEAL_SPAN));
}

static enum err
announce(struct upload *u, const struct consent_blob *b, int fd, size_t n)
{
	CLEANUP(free) uint8_t *leaves = calloc(n, LEAF);
	struct blob_id id;
	size_t len;
	enum err e;

	if (leaves == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if ((e = read_span(u, b, fd, i, &len)))
			return e;
		seal_leaf(i, u->span, len, leaves + i * LEAF);
	}
	seal_blob_id(b->length, leaves, n, &id);
	if (!ID_EQ(&id, &b->id))
		return damaged(b);
	return rms_blob_begin(u->rms, &b->id, b->length, leaves, n);
}

static enum err
send_large(struct upload *u, const struct consent_blob *b)
{
	size_t n = seal_spans(b->length), len;
	CLEANUP(free) uint8_t *has = calloc((n + 7) / 8, 1);
	CLEANUP_FD int own = -1;
	int fd;
	enum err e;

	if (has == NULL)
		return ERR_NOMEM;
	if ((e = blob_fd(b, &own, &fd)) || (e = announce(u, b, fd, n)) ||
	    (e = rms_blob_spans(u->rms, &b->id, has, n)))
		return e;
	for (size_t i = 0; i < n; i++) {
		if ((e = read_span(u, b, fd, i, &len)))
			return e;
		if (has[i / 8] & 1 << i % 8) {
			consent_progress_skip(&u->progress, len);
			continue;
		}
		e = rms_blob_put_span(u->rms, &b->id, i, u->span, len);
		if (e)
			return e;
		u->sent += len;
		consent_progress_add(&u->progress, len);
	}
	return ERR_OK;
}

static enum err
ask_missing(struct rms_client *rms, const struct consent_blob *b, size_t n,
    bool *missing)
{
	CLEANUP(free) struct blob_id *ids = calloc(n, sizeof(*ids));

	if (ids == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		ids[i] = b[i].id;
	return rms_blobs_missing(rms, ids, n, missing);
}

/* Small packs where there is little to send: a break must not cost much. */
static size_t
pack_size(const struct consent_blob *b, size_t n, const bool *missing)
{
	uint64_t small = 0;

	for (size_t i = 0; i < n; i++)
		if (missing[i] && b[i].length <= CONSENT_SMALL)
			small += b[i].length;
	small /= PACKS;
	return small < PACK_MIN  ? PACK_MIN :
	    small > RMS_PACK_MAX ? RMS_PACK_MAX :
				   small;
}

static enum err
send_missing(struct upload *u, const struct consent_blob *b, size_t n,
    const bool *missing)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		if (!missing[i])
			consent_progress_skip(&u->progress, b[i].length);
		else if (b[i].length <= CONSENT_SMALL)
			e = send_small(u, &b[i]);
		else
			e = send_large(u, &b[i]);
	}
	return e ? e : flush(u);
}

enum err
consent_upload(struct rms_client *rms, const struct consent_blob *b, size_t n,
    uint64_t *out_sent)
{
	CLEANUP(free) bool *missing = calloc(n, sizeof(*missing));
	CLEANUP_UPLOAD struct upload u = { .rms = rms,
		.span = malloc(SEAL_SPAN) };
	uint64_t total = 0;
	enum err e;

	*out_sent = 0;
	if (missing == NULL || u.span == NULL)
		return ERR_NOMEM;
	if ((e = ask_missing(rms, b, n, missing)))
		return e;
	for (size_t i = 0; i < n; i++)
		total += b[i].length;
	u.pack_max = pack_size(b, n, missing);
	consent_progress_begin(&u.progress, "sending", total);
	e = send_missing(&u, b, n, missing);
	consent_progress_end(&u.progress);
	*out_sent = u.sent;
	return e;
}

/* The RMS may be a little behind with the ledger. */
enum err
consent_put_record(
    struct home *h, const struct event_id *set, const struct rms_record *record)
{
	int64_t end = clock_boot_ms() + home_conf(h)->final_wait;

	for (;;) {
		enum err e = rms_put_record(home_rms(h), set, record);

		if ((e != ERR_PENDING && e != ERR_NOTFOUND && e != ERR_BUSY) ||
		    clock_boot_ms() >= end)
			return e;
		clock_sleep_ms(AGAIN_MS);
	}
}
