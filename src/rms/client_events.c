/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#include <inttypes.h>

#define FEED_ANSWER (128u << 20) /* 500 rows, each with its transaction */
#define SETS_ANSWER (64u << 20)
#define WAIT_MAX_MS 25000

enum err
rms_event(struct rms_client *c, const char *tx_json)
{
	CLEANUP_BUF struct buf body = { 0 }, answer = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct rms_call call = { .method = "POST",
		.path = "/v1/events",
		.max_answer = RMS_MAX_ERROR };
	struct js r;
	enum err e;

	buf_fmt(&body, "{\"transaction\":%s}", tx_json);
	if (body.err)
		return body.err;
	call.body = body.p;
	call.body_len = body.len;
	if ((e = rms_call(c, &call, &answer)) ||
	    (e = js_parse(answer.p, answer.len, JS_DEPTH, &j)))
		return e;
	js_init(&r, j);
	(void)js_int(&r, "received", 0, INT64_MAX);
	return r.err;
}

/* Print a transaction and keep its text in ${keep}. */
static enum err
keep_text(const json_t *tx, json_t *keep, const char **out)
{
	CLEANUP_BUF struct buf text = { 0 };
	json_t *s;

	js_print(tx, &text);
	if (text.err)
		return text.err;
	s = json_stringn((const char *)text.p, text.len);
	if (s == NULL || json_array_append_new(keep, s) != 0)
		return ERR_NOMEM;
	*out = json_string_value(s);
	return ERR_OK;
}

static enum err
read_row(
    const json_t *j, uint64_t after, json_t *keep, struct rms_feed_row *out)
{
	struct js r;
	enum err e;

	js_init(&r, j);
	out->seq = (uint64_t)js_int(&r, "seq", 1, INT64_MAX);
	JS_58(&r, "transaction", &out->tx);
	JS_58(&r, "entry", &out->entry);
	JS_58(&r, "sender", &out->sender);
	if (js_has(&r, "key")) {
		out->has_key = true;
		rms_read_64(&r, "key", out->key, sizeof(out->key));
	}
	if (js_has(&r, "json")) {
		const json_t *tx = js_object(&r, "json");

		if (tx && (e = keep_text(tx, keep, &out->json)))
			return e;
	}
	if (r.err == ERR_OK && out->seq <= after)
		return err_say(ERR_FORMAT, "the RMS's events are not in order");
	return r.err;
}

/*
 * Rows rise among themselves.  They may begin below what was asked for: an RMS
 * that lost its store counts anew.
 */
static enum err
read_rows(const json_t *rows, struct rms_feed *f)
{
	uint64_t after = 0;
	enum err e;

	f->owned = json_array();
	f->row = calloc(json_array_size(rows) + 1, sizeof(*f->row));
	if (f->owned == NULL || f->row == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		e = read_row(
		    json_array_get(rows, i), after, f->owned, &f->row[i]);
		if (e)
			return e;
		after = f->row[i].seq;
		f->n++;
	}
	if (f->next < after)
		return err_say(
		    ERR_FORMAT, "the RMS's events end behind their 'next'");
	return ERR_OK;
}

static enum err
read_feed(const json_t *j, struct rms_feed *f)
{
	const json_t *rows;
	struct js r;

	js_init(&r, j);
	rows = js_array(&r, "events", RMS_MAX_ROWS);
	f->next = (uint64_t)js_int(&r, "next", 0, INT64_MAX);
	return r.err ? r.err : read_rows(rows, f);
}

enum err
rms_feed_get(
    struct rms_client *c, uint64_t after, int64_t wait_ms, struct rms_feed *out)
{
	CLEANUP_BUF struct buf query = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct rms_call call = {
		.method = "GET", .path = "/v1/events", .max_answer = FEED_ANSWER
	};
	struct rms_feed f = { 0 };
	enum err e;

	if (wait_ms < 0)
		wait_ms = 0;
	if (wait_ms > WAIT_MAX_MS)
		wait_ms = WAIT_MAX_MS;
	buf_fmt(&query, "after=%" PRIu64 "&wait=%" PRId64, after, wait_ms);
	call.query = buf_text(&query);
	call.wait_ms = wait_ms;
	if ((e = rms_call_json(c, &call, NULL, &j)))
		return e;
	if ((e = read_feed(j, &f)))
		rms_feed_free(&f);
	*out = f;
	return e;
}

void
rms_feed_free(struct rms_feed *f)
{
	free(f->row);
	json_decref(f->owned);
	*f = (struct rms_feed){ 0 };
}

static enum err
read_set(const json_t *j, struct rms_set_ref *out)
{
	struct js r;

	js_init(&r, j);
	JS_58(&r, "set", &out->set);
	JS_58(&r, "transaction", &out->tx);
	JS_58(&r, "entry", &out->entry);
	JS_58(&r, "sender", &out->sender);
	return r.err;
}

enum err
rms_sets(struct rms_client *c, const struct pubkey *patient,
    struct rms_set_ref **out, size_t *out_n)
{
	CLEANUP(free) struct rms_set_ref *refs = NULL;
	CLEANUP_BUF struct buf path = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct rms_call call = { .method = "GET", .max_answer = SETS_ANSWER };
	const json_t *sets;
	struct js r;
	size_t n;
	enum err e;

	buf_fmt(&path, "/v1/patients/%s/sets", TEXT58(patient));
	call.path = buf_text(&path);
	if ((e = rms_call_json(c, &call, NULL, &j)))
		return e;
	js_init(&r, j);
	sets = js_array(&r, "sets", RMS_MAX_SETS);
	if (sets == NULL)
		return r.err;
	n = json_array_size(sets);
	refs = calloc(n + 1, sizeof(*refs));
	if (refs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		if ((e = read_set(json_array_get(sets, i), &refs[i])))
			return e;
	*out = TAKE(refs);
	*out_n = n;
	return ERR_OK;
}
