/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#define LEASE_MAX_S 86400

void
rms_read_64(struct js *r, const char *name, uint8_t *out, size_t n)
{
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = js_text(r, name, 4 * n);

	memset(out, 0, n);
	if (r->err)
		return;
	if (text64_read(s, strlen(s), &b) == ERR_OK && b.len == n)
		memcpy(out, b.p, n);
	else
		r->err = err_say(ERR_FORMAT,
		    "member '%s' is not base64 of %zu bytes", name, n);
}

/* What was asked for; the receipt must say the same. */
struct asked {
	struct tx_id tx;
	struct inquiry_id inquiry;
	struct event_id set;
};

static enum err
release_body(enum event_kind kind, const char *tx_json, struct asked *asked,
    json_t **out)
{
	CLEANUP_JS json_t *tx = NULL;
	struct js r;
	enum err e;

	if (kind != EVENT_LIST && kind != EVENT_ACCESS && kind != EVENT_RENEW)
		return err_say(
		    ERR_INVAL, "no key is released for this kind of inquiry");
	if ((e = js_parse(tx_json, strlen(tx_json), JS_DEPTH, &tx)))
		return e;
	js_init(&r, tx);
	JS_58(&r, "id", &asked->tx);
	if (r.err)
		return r.err;
	*out = json_pack("{s:s, s:o, s:o, s:[O]}", "kind",
	    event_kind_names[kind], "set", JS_58_NEW(&asked->set), "inquiry",
	    JS_58_NEW(&asked->inquiry), "transactions", tx);
	return *out ? ERR_OK : ERR_NOMEM;
}

static enum err
read_release(const struct rms_client *c, const json_t *j,
    const struct asked *asked, struct rms_release *out)
{
	struct rms_release rel = { 0 };
	const struct rms_receipt *got = &rel.receipt;
	const json_t *receipt;
	struct js r;
	enum err e;

	js_init(&r, j);
	rms_read_64(&r, "key", rel.key, sizeof(rel.key));
	rel.lease_ms = 1000 * js_int(&r, "lease", 0, LEASE_MAX_S);
	receipt = js_object(&r, "receipt");
	if (r.err)
		return r.err;
	if ((e = rms_receipt_read(receipt, &rel.receipt)))
		return e;
	if ((e = rms_receipt_check(got, &c->rms, &c->chain)))
		return err_say(e,
		    "the signature of the RMS's receipt is not "
		    "its own");
	if (!ID_EQ(&got->tx, &asked->tx) || !ID_EQ(&got->set, &asked->set) ||
	    !ID_EQ(&got->inquiry, &asked->inquiry))
		return err_say(
		    ERR_FORGED, "the RMS's receipt is for another inquiry");
	*out = rel;
	return ERR_OK;
}

enum err
rms_release_get(struct rms_client *c, enum event_kind kind,
    const struct event_id *set, const struct inquiry_id *inquiry,
    const char *tx_json, struct rms_release *out)
{
	CLEANUP_JS json_t *body = NULL, *answer = NULL;
	struct asked asked = { .set = *set, .inquiry = *inquiry };
	struct rms_call call = { .method = "POST",
		.path = "/v1/release",
		.max_answer = RMS_MAX_ERROR };
	enum err e;

	if ((e = release_body(kind, tx_json, &asked, &body)) ||
	    (e = rms_call_json(c, &call, body, &answer)))
		return e;
	return read_release(c, answer, &asked, out);
}

static void
record_path(const struct event_id *set, struct buf *out)
{
	buf_fmt(out, "/v1/sets/%s/key", TEXT58(set));
}

enum err
rms_put_record(struct rms_client *c, const struct event_id *set,
    const struct rms_record *r)
{
	CLEANUP_BUF struct buf path = { 0 }, text = { 0 };
	CLEANUP_JS json_t *body = NULL, *answer = NULL;
	struct rms_call call = { .method = "PUT", .max_answer = RMS_MAX_ERROR };
	uint8_t bytes[RMS_RECORD];

	record_path(set, &path);
	rms_record_write(r, bytes);
	text64(bytes, sizeof(bytes), &text);
	body = json_pack("{s:s}", "record", buf_text(&text));
	if (path.err || text.err || body == NULL)
		return ERR_NOMEM;
	call.path = buf_text(&path);
	return rms_call_json(c, &call, body, &answer);
}

enum err
rms_get_record(
    struct rms_client *c, const struct event_id *set, struct rms_record *out)
{
	CLEANUP_BUF struct buf path = { 0 };
	CLEANUP_JS json_t *answer = NULL;
	struct rms_call call = { .method = "GET", .max_answer = RMS_MAX_ERROR };
	uint8_t bytes[RMS_RECORD];
	struct js r;
	enum err e;

	record_path(set, &path);
	call.path = buf_text(&path);
	if ((e = rms_call_json(c, &call, NULL, &answer)))
		return e;
	js_init(&r, answer);
	rms_read_64(&r, "record", bytes, sizeof(bytes));
	if (r.err)
		return r.err;
	return rms_record_read(bytes, sizeof(bytes), out);
}
