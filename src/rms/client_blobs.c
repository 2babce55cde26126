/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#include <inttypes.h>

#define MISSING_ANSWER (1u << 20)
#define LEAF           32

/* An asked id and where it stood. */
struct asked {
	struct blob_id id;
	size_t at;
};

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct blob_id));
}

static json_t *
ids_body(const struct blob_id *ids, size_t n)
{
	CLEANUP_JS json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++)
		if (json_array_append_new(array, JS_58_NEW(&ids[i])) != 0)
			return NULL;
	return array ? json_pack("{s:O}", "ids", array) : NULL;
}

/* Mark all places of ${id}; false if it was not asked for. */
static bool
mark(const struct asked *asked, size_t n, const struct blob_id *id,
    bool *out_missing)
{
	const struct asked *hit = bsearch(id, asked, n, sizeof(*asked), by_id);

	if (hit == NULL)
		return false;
	while (hit > asked && ID_EQ(&hit[-1].id, id))
		hit--;
	for (; hit < asked + n && ID_EQ(&hit->id, id); hit++)
		out_missing[hit->at] = true;
	return true;
}

static enum err
read_missing(
    const json_t *j, const struct asked *asked, size_t n, bool *out_missing)
{
	const json_t *ids, *one;
	struct blob_id id;
	struct js r;

	js_init(&r, j);
	ids = js_array(&r, "missing", n);
	if (ids == NULL)
		return r.err;
	for (size_t i = 0; i < json_array_size(ids); i++) {
		one = json_array_get(ids, i);
		if (!json_is_string(one) ||
		    text58_read(json_string_value(one), id.b, sizeof(id.b)) !=
			ERR_OK ||
		    !mark(asked, n, &id, out_missing))
			return err_say(ERR_FORMAT,
			    "the RMS misses a blob "
			    "that it was not asked about");
	}
	return ERR_OK;
}

static enum err
missing_some(struct rms_client *c, const struct blob_id *ids, size_t n,
    bool *out_missing)
{
	CLEANUP(free) struct asked *asked = calloc(n, sizeof(*asked));
	CLEANUP_JS json_t *body = ids_body(ids, n), *answer = NULL;
	struct rms_call call = { .method = "POST",
		.path = "/v1/blobs/missing",
		.max_answer = MISSING_ANSWER };
	enum err e;

	if (asked == NULL || body == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		asked[i] = (struct asked){ ids[i], i };
	qsort(asked, n, sizeof(*asked), by_id);
	if ((e = rms_call_json(c, &call, body, &answer)))
		return e;
	return read_missing(answer, asked, n, out_missing);
}

enum err
rms_blobs_missing(struct rms_client *c, const struct blob_id *ids, size_t n,
    bool *out_missing)
{
	memset(out_missing, 0, n * sizeof(*out_missing));
	for (size_t at = 0; at < n; at += RMS_MAX_MISSING) {
		size_t some = n - at < RMS_MAX_MISSING ? n - at :
							 RMS_MAX_MISSING;
		enum err e = missing_some(c, ids + at, some, out_missing + at);

		if (e)
			return e;
	}
	return ERR_OK;
}

/* Send bytes where the answer has nothing to say but yes. */
static enum err
send_bytes(struct rms_client *c, const char *method, const char *path,
    const struct seal_part *bytes)
{
	CLEANUP_BUF struct buf answer = { 0 };
	const struct rms_call call = { .method = method,
		.path = path,
		.body = bytes->n > 0 ? bytes->p : "",
		.body_len = bytes->n,
		.binary = true,
		.max_answer = RMS_MAX_ERROR };

	return rms_call(c, &call, &answer);
}

enum err
rms_blobs_pack(struct rms_client *c, const struct buf *pack)
{
	if (pack->err)
		return pack->err;
	if (pack->len > RMS_PACK_MAX)
		return err_say(ERR_TOOBIG, "a pack of %zu bytes", pack->len);
	return send_bytes(
	    c, "POST", "/v1/blobs", &(struct seal_part){ pack->p, pack->len });
}

enum err
rms_blob_begin(struct rms_client *c, const struct blob_id *id, uint64_t length,
    const uint8_t *leaves, size_t n)
{
	CLEANUP_BUF struct buf path = { 0 }, body = { 0 };

	if (length > RMS_MAX_BLOB || n != seal_spans(length))
		return err_say(ERR_INVAL,
		    "%zu leaves are not those of "
		    "%" PRIu64 " bytes",
		    n, length);
	buf_fmt(&path, "/v1/blobs/%s/leaves", TEXT58(id));
	buf_u64(&body, length);
	buf_put(&body, leaves, n * LEAF);
	if (path.err || body.err)
		return ERR_NOMEM;
	return send_bytes(
	    c, "PUT", buf_text(&path), &(struct seal_part){ body.p, body.len });
}

enum err
rms_blob_spans(
    struct rms_client *c, const struct blob_id *id, uint8_t *bitmap, size_t n)
{
	CLEANUP_BUF struct buf path = { 0 }, answer = { 0 };
	size_t bytes = (n + 7) / 8;
	struct rms_call call = { .method = "GET", .max_answer = bytes };
	enum err e;

	if (n == 0)
		return ERR_INVAL;
	buf_fmt(&path, "/v1/blobs/%s/spans", TEXT58(id));
	call.path = buf_text(&path);
	if ((e = rms_call(c, &call, &answer)))
		return e;
	if (answer.len != bytes)
		return err_say(ERR_FORMAT, "a list of %zu bytes for %zu spans",
		    answer.len, n);
	memcpy(bitmap, answer.p, bytes);
	return ERR_OK;
}

static void
span_path(const struct blob_id *id, uint64_t i, struct buf *out)
{
	buf_fmt(out, "/v1/blobs/%s/spans/%" PRIu64, TEXT58(id), i);
}

enum err
rms_blob_put_span(struct rms_client *c, const struct blob_id *id, uint64_t i,
    const void *p, size_t n)
{
	CLEANUP_BUF struct buf path = { 0 };

	if (n > SEAL_SPAN)
		return err_say(ERR_INVAL, "a span of %zu bytes", n);
	span_path(id, i, &path);
	return send_bytes(
	    c, "PUT", buf_text(&path), &(struct seal_part){ p, n });
}

enum err
rms_blob_leaves(struct rms_client *c, const struct blob_id *id, uint64_t most,
    uint64_t *out_length, struct buf *out)
{
	CLEANUP_BUF struct buf path = { 0 }, answer = { 0 };
	struct rms_call call = { .method = "GET",
		.max_answer = 8 + seal_spans(most) * LEAF,
		.stream = true };
	struct blob_id got;
	uint64_t length;
	struct rd r;
	size_t n;
	enum err e;

	buf_fmt(&path, "/v1/blobs/%s/leaves", TEXT58(id));
	call.path = buf_text(&path);
	if ((e = rms_call(c, &call, &answer)))
		return e;
	rd_init(&r, answer.p, answer.len);
	length = rd_u64(&r);
	n = r.left / LEAF;
	if (r.err || r.left % LEAF != 0 || length > RMS_MAX_BLOB ||
	    n != seal_spans(length))
		return err_say(
		    ERR_FORMAT, "the RMS's list of leaves is not whole");
	seal_blob_id(length, r.p, n, &got);
	if (!ID_EQ(&got, id))
		return err_say(
		    ERR_FORGED, "the RMS's list of leaves is of another blob");
	buf_put(out, r.p, r.left);
	*out_length = length;
	return out->err;
}

enum err
rms_blob_span(
    struct rms_client *c, const struct blob_id *id, uint64_t i, struct buf *out)
{
	CLEANUP_BUF struct buf path = { 0 };
	struct rms_call call = {
		.method = "GET", .max_answer = SEAL_SPAN, .stream = true
	};

	span_path(id, i, &path);
	call.path = buf_text(&path);
	return rms_call(c, &call, out);
}
