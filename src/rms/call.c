/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One signed call: the request is signed, sent, and an error in the answer
 * becomes an error here.  After a restart the RMS has forgotten the nonces it
 * saw; it then refuses everything up to its replay floor and says where that
 * is, and the request is signed once more for a time behind it.
 */
#include "rms/rms_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define STREAM_MS         60000 /* on top, for an answer over a slow line */
#define STALL_S           15    /* nearly nothing came for so long */
#define SLOW_BYTES_PER_MS 16    /* what the slowest line is taken to carry */
#define DETAIL_MAX        400

/* The lines of a request's headers, and room for them. */
struct headers {
	struct buf host, key, time, nonce, sig;
	const char *line[7];
};

static void
headers_free(struct headers *h)
{
	buf_free(&h->host);
	buf_free(&h->key);
	buf_free(&h->time);
	buf_free(&h->nonce);
	buf_free(&h->sig);
}

static enum err
headers_make(const struct rms_request *r, bool binary, struct headers *h)
{
	struct text58 nonce;

	buf_fmt(&h->host, "Host: %s", r->host);
	buf_fmt(&h->key, RMS_H_KEY ": %s", TEXT58(&r->key));
	buf_fmt(&h->time, RMS_H_TIME ": %" PRId64, r->time);
	buf_fmt(&h->nonce, RMS_H_NONCE ": %s",
	    text58(r->nonce, sizeof(r->nonce), &nonce));
	buf_fmt(&h->sig, RMS_H_SIG ": %s", TEXT58(&r->sig));
	h->line[0] = buf_text(&h->host);
	h->line[1] = buf_text(&h->key);
	h->line[2] = buf_text(&h->time);
	h->line[3] = buf_text(&h->nonce);
	h->line[4] = buf_text(&h->sig);
	h->line[5] = binary ? "Content-Type: application/octet-stream" : NULL;
	h->line[6] = NULL;
	if (h->host.err || h->key.err || h->time.err || h->nonce.err)
		return ERR_NOMEM;
	return h->sig.err;
}

static enum err
sign(struct rms_client *c, const struct rms_call *call, struct rms_request *r)
{
	int64_t now = clock_wall_ms(), floor = atomic_load(&c->floor);

	*r = (struct rms_request){ .method = call->method,
		.host = c->url.host,
		.path = call->path,
		.query = call->query ? call->query : "",
		.body = call->body,
		.body_len = call->body_len,
		.time = now > floor ? now : floor };
	seal_random(r->nonce, sizeof(r->nonce));
	return rms_request_sign(r, c->id, &c->chain);
}

static enum err
send_once(
    struct rms_client *c, const struct rms_call *call, struct http_answer *out)
{
	__attribute__((cleanup(headers_free))) struct headers h = { 0 };
	CLEANUP_BUF struct buf url = { 0 };
	struct http_call http = { .method = call->method,
		.headers = h.line,
		.body = call->body,
		.body_len = call->body_len,
		.cancel = &c->cancel };
	struct rms_request r;
	enum err e;

	if (__atomic_load_n(&c->cancel, __ATOMIC_ACQUIRE))
		return ERR_INTERRUPTED;
	if ((e = sign(c, call, &r)) || (e = headers_make(&r, call->binary, &h)))
		return e;
	buf_fmt(&url, "%s%s%s%s", c->url.base, r.path, call->query ? "?" : "",
	    r.query);
	http.url = buf_text(&url);
	http.max_answer = call->max_answer > RMS_MAX_ERROR ? call->max_answer :
							     RMS_MAX_ERROR;
	http.timeout_ms = c->timeout_ms + call->wait_ms +
	    (call->stream ? STREAM_MS : 0) +
	    (int64_t)(call->body_len / SLOW_BYTES_PER_MS);
	http.stall_s = call->stream ? STALL_S : 0;
	return url.err ? url.err : http_do(c->http, &http, out);
}

/* An answer that is not ours: a proxy between, or no RMS at all. */
static enum err
foreign_error(struct rms_client *c, long status)
{
	static const struct {
		long status;
		enum err e;
	} map[] = { { 413, ERR_TOOBIG }, { 429, ERR_BUSY },
		{ 502, ERR_UNREACHABLE }, { 503, ERR_BUSY },
		{ 504, ERR_TIMEOUT } };
	enum err e = ERR_FORMAT;

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].status == status)
			e = map[i].e;
	return err_say(e,
	    "'%s' answered HTTP status %ld and not as an RMS "
	    "does; check the RMS's address",
	    c->url.base, status);
}

/* A text from outside: one line, no control characters, not too long. */
static void
tame(const char *s, char out[static DETAIL_MAX + 1])
{
	size_t n = 0;

	for (; *s && n < DETAIL_MAX; s++)
		out[n++] = (char)((unsigned char)*s < 0x20 || *s == 0x7f ? ' ' :
									   *s);
	out[n] = '\0';
}

/* Our own words keep their meaning: the RMS cannot say them for us. */
static enum err
theirs(int64_t code)
{
	enum err e = err_from_code((long)code);

	if (e == ERR_OK)
		return ERR_FORMAT;
	return e == ERR_INTERRUPTED ? ERR_BUSY : e;
}

/* ${retry} is set if the request may be signed again for a later time. */
static enum err
read_error(struct rms_client *c, const struct http_answer *a, bool *retry)
{
	CLEANUP_JS json_t *j = NULL;
	char detail[DETAIL_MAX + 1];
	struct js r;
	int64_t code, floor;
	enum err e;

	if (a->body.len == 0 || a->body.len > RMS_MAX_ERROR)
		return foreign_error(c, a->status);
	e = js_parse(a->body.p, a->body.len, JS_DEPTH, &j);
	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : foreign_error(c, a->status);
	js_init(&r, j);
	code = js_int(&r, "code", 1, 100000);
	if (r.err)
		return foreign_error(c, a->status);
	e = theirs(code);
	tame(js_text(&r, "detail", RMS_MAX_ERROR), detail);
	r.err = ERR_OK;
	floor = js_int_opt(&r, "notBefore", 0, INT64_MAX - 1, -1);
	/* a time far ahead would make a request that is good for long */
	*retry = e == ERR_UNAUTH && r.err == ERR_OK && floor >= 0 &&
	    floor < clock_wall_ms() + RMS_SKEW_MS;
	if (*retry)
		atomic_store(&c->floor, floor + 1);
	if (e == ERR_UNAUTH && strcmp(detail, err_text(e)) == 0)
		return err_say(e,
		    "the RMS does not know who asks; is '%s' the right one, "
		    "and the clock right?",
		    c->url.base);
	return err_say(e, "the RMS says: %s", detail[0] ? detail : err_text(e));
}

enum err
rms_strange(const struct rms_client *c, enum err e)
{
	return err_say(e,
	    "'%s' does not answer as an RMS does (%s); check the RMS's "
	    "address",
	    c->url.base, err_detail(e));
}

enum err
rms_call(struct rms_client *c, const struct rms_call *call, struct buf *out)
{
	bool retry = true;
	enum err e = ERR_OK;

	for (int round = 0; round < 2 && retry; round++) {
		CLEANUP_ANSWER struct http_answer a = { 0 };

		retry = false;
		if ((e = send_once(c, call, &a)))
			return e;
		if (a.status >= 200 && a.status < 300) {
			if (a.body.len > call->max_answer)
				return err_say(ERR_TOOBIG,
				    "the RMS's answer "
				    "is longer than allowed");
			buf_put(out, a.body.p, a.body.len);
			return out->err;
		}
		e = read_error(c, &a, &retry);
	}
	return e;
}

enum err
rms_call_json(struct rms_client *c, struct rms_call *call, const json_t *body,
    json_t **out)
{
	CLEANUP_BUF struct buf text = { 0 }, answer = { 0 };
	enum err e;

	if (body) {
		js_print(body, &text);
		if (text.err)
			return text.err;
		call->body = text.p;
		call->body_len = text.len;
	}
	e = rms_call(c, call, &answer);
	if (body)
		call->body = NULL;
	if (e)
		return e;
	e = js_parse(answer.p, answer.len, JS_DEPTH, out);
	return e == ERR_FORMAT ? rms_strange(c, e) : e;
}
