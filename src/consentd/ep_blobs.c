/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>

#include "consentd/server_internal.h"

#define MAX_IDS    10000
#define MAX_PIECES (RMS_PACK_MAX / 4)
#define BYTES      "application/octet-stream"
#define LEAF       32

static void
count_upload(struct server *s, const struct http_request *req)
{
	atomic_fetch_add(&s->uploaded, req->body_len);
}

static enum err
add_missing(struct server *s, const json_t *ids, json_t *missing)
{
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *text = json_string_value(json_array_get(ids, i));
		struct blob_id id;

		if (text == NULL ||
		    text58_read(text, id.b, sizeof(id.b)) != ERR_OK)
			return err_say(ERR_FORMAT, "no blob id");
		if (!blobs_has(s->blobs, &id) &&
		    json_array_append_new(missing, JS_58_NEW(&id)) != 0)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

enum err
consentd_post_missing(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *body = NULL, *missing = json_array();
	const json_t *ids;
	struct js r;
	enum err e = consentd_body(req, &body);

	(void)c;
	if (e || missing == NULL)
		return e ? e : ERR_NOMEM;
	js_init(&r, body);
	ids = js_array(&r, "ids", MAX_IDS);
	e = r.err ? r.err : add_missing(s, ids, missing);
	if (e)
		return e;
	return http_reply_json(
	    reply, 200, json_pack("{s:O}", "missing", missing));
}

/* Cut a pack into its pieces: count them, then note them. */
static enum err
cut_pack(
    const struct http_request *req, struct blobs_piece *pieces, size_t *out_n)
{
	struct rd r;
	size_t n = 0;

	rd_init(&r, req->body, req->body_len);
	while (r.err == ERR_OK && r.left > 0) {
		size_t len = rd_u32(&r);
		const uint8_t *p = rd_take(&r, len);

		if (pieces && p)
			pieces[n] = (struct blobs_piece){ .p = p, .n = len };
		n++;
	}
	*out_n = n;
	return rd_end(&r) || n == 0 || n > MAX_PIECES ?
	    err_say(ERR_FORMAT, "a pack is cut short or empty") :
	    ERR_OK;
}

enum err
consentd_post_blobs(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(free) struct blobs_piece *pieces = NULL;
	size_t n;
	enum err e = cut_pack(req, NULL, &n);

	(void)c;
	count_upload(s, req);
	if (e)
		return e;
	pieces = calloc(n, sizeof(*pieces));
	if (pieces == NULL)
		return ERR_NOMEM;
	e = cut_pack(req, pieces, &n);
	if (e == ERR_OK)
		e = blobs_add_many(s->blobs, pieces, n);
	if (e)
		return e;
	return http_reply_json(
	    reply, 200, json_pack("{s:I}", "stored", (json_int_t)n));
}

enum err
consentd_put_leaves(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	struct blob_id id;
	uint64_t length;
	struct rd r;
	enum err e = PATH_ID(req, 0, &id);

	(void)c;
	count_upload(s, req);
	if (e)
		return e;
	rd_init(&r, req->body, req->body_len);
	length = rd_u64(&r);
	if (r.err || r.left % LEAF != 0 || length > BLOBS_MAX_LENGTH ||
	    r.left / LEAF != seal_spans(length))
		return err_say(
		    ERR_FORMAT, "a leaf list is a length and its leaves");
	e = blobs_begin(s->blobs, &id, length, r.p, r.left / LEAF);
	return e ? e : consentd_done(reply);
}

struct asked {
	struct server *s;
	const struct caller *c;
	bool may;
};

static bool
try_set(void *ctx, const struct event_id *id)
{
	CLEANUP_EVENT struct registry_event set = { 0 };
	struct asked *a = ctx;

	if (registry_get(a->s->registry, id, &set) == ERR_OK)
		a->may = consentd_may_copy(a->s, a->c, &set);
	return !a->may;
}

/* Open a blob for reading; unknown and forbidden look alike. */
static enum err
get_blob(struct server *s, const struct caller *c,
    const struct http_request *req, struct blob **out)
{
	struct asked a = { s, c, false };
	struct blob_id id;
	enum err e = PATH_ID(req, 0, &id);

	if (e == ERR_OK)
		e = consentd_store_holders(s->store, &id, try_set, &a);
	if (e == ERR_OK && !a.may)
		e = err_say(ERR_NOTFOUND, "%s", err_text(ERR_NOTFOUND));
	return e ? e : blobs_get(s->blobs, &id, out);
}

enum err
consentd_get_leaves(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	const uint8_t *leaves;
	size_t n;
	enum err e = get_blob(s, c, req, &x);

	if (e)
		return e;
	leaves = blobs_leaves(x, &n);
	buf_u64(&reply->body, blobs_length(x));
	buf_put(&reply->body, leaves, n * LEAF);
	reply->type = BYTES;
	return reply->body.err;
}

/* Which spans are there: what an upload that was cut off goes on from. */
enum err
consentd_get_spans(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	struct blob_id id;
	uint8_t *bitmap;
	size_t n;
	enum err e = PATH_ID(req, 0, &id);

	(void)c;
	if (e == ERR_OK)
		e = blobs_get(s->blobs, &id, &x);
	if (e)
		return e;
	(void)blobs_leaves(x, &n);
	bitmap = buf_room(&reply->body, (n + 7) / 8);
	if (bitmap == NULL)
		return reply->body.err;
	memset(bitmap, 0, (n + 7) / 8);
	for (size_t i = 0; i < n; i++)
		if (blobs_span_has(x, i))
			bitmap[i / 8] |= (uint8_t)(1u << i % 8);
	reply->type = BYTES;
	return ERR_OK;
}

static enum err
span_number(const struct http_request *req, struct blob *x, uint64_t *out)
{
	const char *text = req->nseg > 1 ? req->seg[1] : "";
	size_t n, digits = strspn(text, "0123456789");

	(void)blobs_leaves(x, &n);
	if (digits == 0 || digits > 18 || text[digits])
		return err_say(ERR_NOTFOUND, "no such span");
	*out = strtoull(text, NULL, 10);
	return *out < n ? ERR_OK : err_say(ERR_NOTFOUND, "no such span");
}

enum err
consentd_put_span(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	struct blob_id id;
	uint64_t i;
	enum err e = PATH_ID(req, 0, &id);

	(void)c;
	count_upload(s, req);
	if (e == ERR_OK)
		e = blobs_get(s->blobs, &id, &x);
	if (e == ERR_OK)
		e = span_number(req, x, &i);
	if (e == ERR_OK)
		e = blobs_span_put(x, i, req->body, req->body_len);
	return e ? e : consentd_done(reply);
}

enum err
consentd_get_span(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	uint64_t i, length;
	enum err e = get_blob(s, c, req, &x);

	if (e == ERR_OK)
		e = span_number(req, x, &i);
	if (e)
		return e;
	if (!blobs_span_has(x, i))
		return err_say(ERR_NOTFOUND, "the span has not come yet");
	length = blobs_length(x) - i * SEAL_SPAN;
	if (length > SEAL_SPAN)
		length = SEAL_SPAN;
	reply->fd = fcntl(blobs_fd(x), F_DUPFD_CLOEXEC, 0);
	if (reply->fd < 0)
		return err_say(ERR_IO, "cannot hand on a descriptor");
	reply->offset = i * SEAL_SPAN;
	reply->length = length;
	reply->type = BYTES;
	return ERR_OK;
}
