/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms_test.h"

struct fake fake;

static enum err
ok(struct http_reply *reply)
{
	return http_reply_json(reply, 200, json_object());
}

static enum err
floor_reply(struct http_reply *reply, int64_t floor)
{
	return http_reply_json(reply, 401,
	    json_pack("{s:i, s:s, s:s, s:I}", "code", ERR_UNAUTH, "name",
		"UNAUTH", "detail", "too old", "notBefore", (json_int_t)floor));
}

/* Keep the request and check it as an RMS does; ${done}: it is answered. */
static enum err
admit(const struct http_request *http, struct http_reply *reply, bool *done)
{
	int64_t floor = atomic_load(&fake.floor);
	struct rms_request r;
	enum err e;

	*done = false;
	atomic_fetch_add(&fake.calls, 1);
	if ((e = rms_request_read(http, &r)) ||
	    (e = rms_request_check(&r, &who.chain)))
		return e == ERR_FORGED ? ERR_UNAUTH : e;
	if (strcmp(r.host, fake.url + strlen("http://")) != 0 ||
	    !ID_EQ(&r.key, seal_identity_key(who.patient)))
		return ERR_UNAUTH;
	if (r.time <= floor) {
		int64_t told = atomic_load(&fake.told);

		*done = true;
		return floor_reply(reply, told ? told : floor);
	}
	fake.query.len = fake.body.len = 0;
	buf_str(&fake.query, r.query);
	buf_put(&fake.body, r.body, r.body_len);
	if (fake.canned) {
		*done = true;
		reply->status = fake.canned_status;
		buf_put(&reply->body, fake.canned, fake.canned_len);
	}
	return ERR_OK;
}

#define HANDLER(name)                                                          \
	static enum err name##_do(                                             \
	    const struct http_request *req, struct http_reply *reply);         \
	static enum err name(void *ctx, const struct http_request *req,        \
	    struct http_reply *reply)                                          \
	{                                                                      \
		bool done;                                                     \
		enum err e = admit(req, reply, &done);                         \
                                                                               \
		(void)ctx;                                                     \
		return e || done ? e : name##_do(req, reply);                  \
	}                                                                      \
	static enum err name##_do(const struct http_request *req               \
	    __attribute__((unused)),                                           \
	    struct http_reply *reply)

HANDLER(on_register)
{
	struct rms_card card;

	card_make(fake.url, &card);
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:s, s:o}", "patientRms",
		JS_58_NEW(&card.patient_rms), "url", card.url, "signature",
		JS_58_NEW(&card.by_rms)));
}

/* A string member of the body. */
static void
take_member(const char *name, struct buf *out)
{
	CLEANUP_JS json_t *j = NULL;
	struct js r;

	OK(js_parse(fake.body.p, fake.body.len, JS_DEPTH, &j));
	js_init(&r, j);
	out->len = 0;
	buf_str(out, js_text(&r, name, 5000));
	OK(r.err);
}

HANDLER(on_card)
{
	take_member("card", &fake.card);
	return ok(reply);
}

HANDLER(on_event)
{
	return http_reply_json(reply, 200, json_pack("{s:i}", "received", 1));
}

HANDLER(on_none)
{
	(void)reply;
	return ERR_NOTFOUND;
}

HANDLER(on_release)
{
	CLEANUP_BUF struct buf key = { 0 };
	uint8_t sealed[SEAL_BOX_KEY];

	memset(sealed, 9, sizeof(sealed));
	text64(sealed, sizeof(sealed), &key);
	OK(rms_receipt_sign(&fake.receipt,
	    fake.receipt_by_other ? who.other : who.rms, &who.chain));
	return http_reply_json(reply, 200,
	    json_pack("{s:s, s:i, s:o}", "key", buf_text(&key), "lease", 900,
		"receipt", rms_receipt_json(&fake.receipt)));
}

HANDLER(on_put_record)
{
	take_member("record", &fake.record);
	return ok(reply);
}

HANDLER(on_get_record)
{
	return http_reply_json(
	    reply, 200, json_pack("{s:s}", "record", buf_text(&fake.record)));
}

/* Every ${misses}-th of the asked ids, the last one first. */
HANDLER(on_missing)
{
	CLEANUP_JS json_t *j = NULL;
	json_t *missing = json_array(), *ids;
	size_t n;

	OK(js_parse(fake.body.p, fake.body.len, JS_DEPTH, &j));
	ids = json_object_get(j, "ids");
	n = json_array_size(ids);
	ck_assert_uint_le(n, 10000);
	for (size_t i = n; i-- > 0;)
		if (i % fake.misses == 0)
			ck_assert_int_eq(
			    json_array_append(missing, json_array_get(ids, i)),
			    0);
	return http_reply_json(
	    reply, 200, json_pack("{s:o}", "missing", missing));
}

HANDLER(on_pack)
{
	return ok(reply);
}

HANDLER(on_put_leaves)
{
	(void)snprintf(fake.blob, sizeof(fake.blob), "%s", req->seg[0]);
	fake.leaves.len = 0;
	buf_put(&fake.leaves, req->body, req->body_len);
	return ok(reply);
}

HANDLER(on_get_leaves)
{
	buf_put(&reply->body, fake.leaves.p, fake.leaves.len);
	return ERR_OK;
}

HANDLER(on_spans)
{
	uint8_t bits = 0;

	for (int i = 0; i < FAKE_SPANS; i++)
		if (fake.span[i].len > 0)
			bits |= (uint8_t)(1 << i);
	buf_u8(&reply->body, bits);
	return ERR_OK;
}

/* The span that the path names. */
static struct buf *
span_of(const struct http_request *req)
{
	long i = strtol(req->seg[1], NULL, 10);

	ck_assert_str_eq(req->seg[0], fake.blob);
	ck_assert(i >= 0 && i < FAKE_SPANS);
	return &fake.span[i];
}

HANDLER(on_put_span)
{
	struct buf *span = span_of(req);

	span->len = 0;
	buf_put(span, req->body, req->body_len);
	return ok(reply);
}

HANDLER(on_get_span)
{
	const struct buf *span = span_of(req);

	buf_put(&reply->body, span->p, span->len);
	return ERR_OK;
}

static const struct http_route routes[] = {
	{ "POST", "/v1/patients", 1000, on_register },
	{ "PUT", "/v1/patients/{}/card", 4000, on_card },
	{ "GET", "/v1/patients/{}/sets", 0, on_none },
	{ "POST", "/v1/events", 1000, on_event },
	{ "GET", "/v1/events", 0, on_none },
	{ "POST", "/v1/release", 4000, on_release },
	{ "PUT", "/v1/sets/{}/key", 1000, on_put_record },
	{ "GET", "/v1/sets/{}/key", 0, on_get_record },
	{ "POST", "/v1/blobs/missing", 1 << 20, on_missing },
	{ "POST", "/v1/blobs", RMS_PACK_MAX, on_pack },
	{ "PUT", "/v1/blobs/{}/leaves", 4000, on_put_leaves },
	{ "GET", "/v1/blobs/{}/leaves", 0, on_get_leaves },
	{ "GET", "/v1/blobs/{}/spans", 0, on_spans },
	{ "PUT", "/v1/blobs/{}/spans/{}", SEAL_SPAN, on_put_span },
	{ "GET", "/v1/blobs/{}/spans/{}", 0, on_get_span },
};

void
fake_up(void)
{
	struct http_listen_opts o = { .address = "127.0.0.1", .threads = 1 };
	struct rms_client_opts co = { .url = fake.url, .timeout_ms = 5000 };

	parties_up();
	memset(&fake, 0, sizeof(fake));
	OK(http_listen(&o, routes, ARRAY_LEN(routes), NULL, &fake.l));
	(void)snprintf(fake.url, sizeof(fake.url), "http://127.0.0.1:%u",
	    http_port(fake.l));
	co.chain = who.chain;
	co.rms = *seal_identity_key(who.rms);
	co.id = who.patient;
	OK(rms_client_new(&co, &fake.c));
}

void
fake_down(void)
{
	rms_client_free(fake.c);
	http_close(fake.l);
	buf_free(&fake.query);
	buf_free(&fake.body);
	buf_free(&fake.card);
	buf_free(&fake.record);
	buf_free(&fake.leaves);
	for (int i = 0; i < FAKE_SPANS; i++)
		buf_free(&fake.span[i]);
	parties_down();
}

void
fake_say(unsigned status, const char *text)
{
	fake.canned = text;
	fake.canned_len = strlen(text);
	fake.canned_status = status;
}
