/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include "base/log.h"

static enum err
announce(struct gate *g, const struct blob_id *id, uint64_t most)
{
	CLEANUP_BUF struct buf leaves = { 0 };
	uint64_t length = 0;
	enum err e = rms_blob_leaves(
	    home_rms(g->home), id, most, &length, &leaves);

	return e == ERR_OK ?
	    blobs_begin(g->cache, id, length, leaves.p, leaves.len / 32) :
	    e;
}

/* A blob of one span proves itself: no leaf list, one wait for the disk. */
static enum err
fetch_small(struct gate *g, const struct blob_id *id)
{
	CLEANUP_BUF struct buf span = { 0 };
	struct blob_id got;
	enum err e = rms_blob_span(home_rms(g->home), id, 0, &span);

	if (e == ERR_OK)
		e = seal_blob_id_of(span.p, span.len, &got);
	if (e == ERR_OK && !ID_EQ(&got, id))
		e = err_say(ERR_FORGED, "the RMS sent another blob");
	return e == ERR_OK ? blobs_add(g->cache, span.p, span.len, &got) : e;
}

enum err
gate_blob(struct gate *g, const struct blob_id *id, uint64_t length,
    struct blob **out)
{
	enum err e = blobs_get(g->cache, id, out);

	if (e == ERR_CORRUPT) { /* our disk: fetch it anew */
		e = blobs_drop(g->cache, id);
		if (e == ERR_OK)
			e = ERR_NOTFOUND;
	}
	if (e != ERR_NOTFOUND)
		return e;
	if (length > 0 && length <= SEAL_SPAN)
		e = fetch_small(g, id);
	else
		e = announce(g, id, length ? length : EVENT_MAX_MANIFEST);
	return e == ERR_OK ? blobs_get(g->cache, id, out) : e;
}

/* Everything was verified when it came: if ${x} is not as it came, our disk has
 * spoilt it, and it is forgotten. */
static enum err
forget_if_spoilt(
    struct gate *g, const struct blob_id *id, struct blob *x, bool *out_spoilt)
{
	uint64_t bad;
	enum err e = blobs_check(x, &bad);

	*out_spoilt = e == ERR_CORRUPT || e == ERR_IO;
	if (!*out_spoilt)
		return e == ERR_PENDING ? ERR_OK : e;
	log_warn("gate: the cache is damaged (%s); it is fetched anew",
	    err_detail(e));
	e = blobs_drop(g->cache, id);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
gate_blob_sound(struct gate *g, const struct blob_id *id, struct blob **out)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	bool spoilt = false;
	enum err e = gate_blob(g, id, 0, &x);

	if (e == ERR_OK)
		e = forget_if_spoilt(g, id, x, &spoilt);
	if (e == ERR_OK && spoilt)
		return gate_blob(g, id, 0, out);
	if (e == ERR_OK)
		*out = TAKE(x);
	return e;
}

enum err
gate_doc_renew(struct gate_doc *d)
{
	const struct blob_id *id = &d->set->manifest->doc[d->number - 1].blob;
	bool spoilt = false;
	enum err e = d->blob ? forget_if_spoilt(d->g, id, d->blob, &spoilt) :
			       ERR_OK;

	if (e != ERR_OK || !spoilt)
		return e;
	pthread_mutex_lock(&d->lock);
	if (d->spoilt == NULL) { /* another worker was faster */
		d->spoilt = d->blob;
		d->blob = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	return ERR_OK;
}

/* Length and bytes are the RMS's: what is not as it must be is forged. */
static enum err
fetch_span(struct gate *g, const struct blob_id *id, struct blob *x, uint64_t i)
{
	CLEANUP_BUF struct buf span = { 0 };
	enum err e = rms_blob_span(home_rms(g->home), id, i, &span);

	if (e == ERR_OK)
		e = blobs_span_put(x, i, span.p, span.len);
	return e == ERR_INVAL ?
	    err_say(ERR_FORGED, "the RMS sent a span that is too short") :
	    e;
}

enum err
gate_blob_range(struct gate *g, const struct blob_id *id, struct blob *x,
    uint64_t off, uint64_t n)
{
	uint64_t length = blobs_length(x), last;

	if (n == 0 || off >= length)
		return ERR_OK;
	if (n > length - off)
		n = length - off;
	last = (off + n - 1) / SEAL_SPAN;
	for (uint64_t i = off / SEAL_SPAN; i <= last; i++) {
		enum err e = ERR_OK;

		if (!blobs_span_has(x, i))
			e = fetch_span(g, id, x, i);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}
