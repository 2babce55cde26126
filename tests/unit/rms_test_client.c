/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms_test.h"

#include <pthread.h>

#define TX_JSON "{\"type\":12,\"id\":\"%s\",\"data\":[{\"value\":\"x\"}]}"

static const struct event_id set = { "0123456789abcde" };
static const struct inquiry_id inquiry = { "inquiry-1234567" };
static const struct tx_id tx = { "transaction-of-32-bytes-0123456" };

static const char *
tx_text(char out[static 200])
{
	(void)snprintf(out, 200, TX_JSON, TEXT58(&tx));
	return out;
}

/* ---- the calls ---- */

START_TEST(register_card)
{
	struct rms_card card, kept;

	OK(rms_register(fake.c, &card));
	ck_assert_str_eq(card.url, fake.url);
	OK(rms_card_read(buf_text(&fake.card), &card.rms, &who.chain, &kept));
	ck_assert(ID_EQ(&kept.patient, seal_identity_key(who.patient)));
	ck_assert(ID_EQ(&kept.by_patient, &card.by_patient));
}
END_TEST

/* An answer that another RMS signed leaves nothing behind. */
START_TEST(register_forged)
{
	struct seal_identity *kept = who.rms;
	struct rms_card card;
	enum err e;

	who.rms = who.other;
	e = rms_register(fake.c, &card);
	who.rms = kept;
	IS(e, FORGED);
	ck_assert_uint_eq(fake.card.len, 0);
}
END_TEST

START_TEST(event)
{
	char text[200], want[300];

	OK(rms_event(fake.c, tx_text(text)));
	(void)snprintf(want, sizeof(want), "{\"transaction\":%s}", text);
	ck_assert_str_eq(buf_text(&fake.body), want);
}
END_TEST

/* 80 bytes 01 in base64 */
#define Q4   "AQEBAQEBAQEBAQEB"
#define ONES Q4 Q4 Q4 Q4 Q4 Q4 "AQEBAQEBAQE="

static const char two_rows[] =
    "{\"events\":["
    "{\"seq\":8,\"transaction\":"
    "\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA\","
    "\"entry\":\"FwBWJYw2mExNxjYSkSJcPM\","
    "\"sender\":\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA\"},"
    "{\"seq\":12,\"transaction\":"
    "\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA\","
    "\"entry\":\"FwBWJYw2mExNxjYSkSJcPM\","
    "\"sender\":\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA\","
    "\"key\":\"" ONES "\","
    "\"json\":{\"z\":1,\"a\":\"\\u00e4\\\"\",\"fee\":500000}}],"
    "\"next\":15}";

START_TEST(feed)
{
	CLEANUP_FEED struct rms_feed f = { 0 };

	fake_say(200, two_rows);
	OK(rms_feed_get(fake.c, 7, 1234, &f));
	ck_assert_str_eq(buf_text(&fake.query), "after=7&wait=1234");
	ck_assert_uint_eq(f.n, 2);
	ck_assert_uint_eq(f.next, 15);
	ck_assert_uint_eq(f.row[0].seq, 8);
	ck_assert(!f.row[0].has_key);
	ck_assert_ptr_null(f.row[0].json);
	ck_assert(f.row[1].has_key);
	ck_assert_uint_eq(f.row[1].key[79], 1);
	ck_assert_str_eq(
	    f.row[1].json, "{\"z\":1,\"a\":\"\xc3\xa4\\\"\",\"fee\":500000}");
}
END_TEST

START_TEST(feed_empty)
{
	CLEANUP_FEED struct rms_feed f = { 0 };

	fake_say(200, "{\"events\":[],\"next\":7}");
	OK(rms_feed_get(fake.c, 7, 99999, &f));
	ck_assert_str_eq(buf_text(&fake.query), "after=7&wait=25000");
	ck_assert_uint_eq(f.n, 0);
	ck_assert_uint_eq(f.next, 7);
}
END_TEST

START_TEST(feed_order)
{
	CLEANUP_FEED struct rms_feed f = { 0 };
	char text[sizeof(two_rows)];

	strcpy(text, two_rows);
	memcpy(strstr(text, "\"seq\":12"), "\"seq\": 8", 8);
	fake_say(200, text);
	IS(rms_feed_get(fake.c, 7, 0, &f), FORMAT);
	strcpy(text, two_rows);
	memcpy(strstr(text, "\"next\":15"), "\"next\":11", 9);
	fake_say(200, text);
	IS(rms_feed_get(fake.c, 7, 0, &f), FORMAT);
	ck_assert_uint_eq(f.n, 0);
}
END_TEST

/* The RMS lost its store: rows come anew, or none yet. */
START_TEST(feed_anew)
{
	CLEANUP_FEED struct rms_feed f = { 0 }, none = { 0 };

	fake_say(200, two_rows);
	OK(rms_feed_get(fake.c, 99, 0, &f));
	ck_assert_uint_eq(f.row[0].seq, 8);
	ck_assert_uint_eq(f.next, 15);
	fake_say(200, "{\"events\":[],\"next\":0}");
	OK(rms_feed_get(fake.c, 99, 0, &none));
	ck_assert_uint_eq(none.next, 0);
}
END_TEST

START_TEST(sets)
{
	CLEANUP(free) struct rms_set_ref *refs = NULL;
	size_t n = 0;

	fake_say(200,
	    "{\"sets\":[{\"set\":\"FwBWJYw2mExNxjYSkSJcPM\","
	    "\"transaction\":\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9De"
	    "KVmrxr9qxGbA\",\"entry\":\"FwBWJYw2mExNxjYSkSJcPM\","
	    "\"sender\":\"BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrx"
	    "r9qxGbA\"}]}");
	OK(rms_sets(fake.c, seal_identity_key(who.patient), &refs, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(TEXT58(&refs[0].set), "FwBWJYw2mExNxjYSkSJcPM");
	fake_say(200, "{\"sets\":[{\"set\":\"FwBWJYw2mExNxjYSkSJcPM\"}]}");
	IS(rms_sets(fake.c, seal_identity_key(who.patient), &refs, &n), FORMAT);
}
END_TEST

START_TEST(record)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	struct rms_record r, got;

	OK(secret_new(SEAL_KEY, &key));
	OK(rms_record_make(key, seal_identity_key(who.patient),
	    seal_identity_key(who.patient_rms), &r));
	OK(rms_put_record(fake.c, &set, &r));
	OK(rms_get_record(fake.c, &set, &got));
	SAME(got.patient, r.patient, SEAL_BOX_KEY);
	SAME(got.rms, r.rms, SEAL_BOX_KEY);
}
END_TEST

static void
receipt_due(void)
{
	fake.receipt.tx = tx;
	fake.receipt.set = set;
	fake.receipt.inquiry = inquiry;
	fake.receipt.time = 5;
}

static enum err
release(struct rms_release *out)
{
	char text[200];

	return rms_release_get(
	    fake.c, EVENT_ACCESS, &set, &inquiry, tx_text(text), out);
}

START_TEST(release_key)
{
	CLEANUP_JS json_t *j = NULL;
	struct rms_release rel;
	const char *kind;

	receipt_due();
	OK(release(&rel));
	ck_assert_uint_eq(rel.key[0], 9);
	ck_assert_uint_eq(rel.key[79], 9);
	ck_assert_int_eq(rel.lease_ms, 900000);
	OK(js_parse(fake.body.p, fake.body.len, JS_DEPTH, &j));
	kind = json_string_value(json_object_get(j, "kind"));
	ck_assert_str_eq(kind, "access");
	ck_assert_uint_eq(
	    json_array_size(json_object_get(j, "transactions")), 1);
}
END_TEST

/* A receipt for something else, or by somebody else: no key. */
START_TEST(release_receipt)
{
	struct rms_release rel = { .lease_ms = 77 };

	receipt_due();
	fake.receipt.tx.b[3] ^= 1;
	IS(release(&rel), FORGED);
	receipt_due();
	fake.receipt.set.b[15] ^= 1;
	IS(release(&rel), FORGED);
	receipt_due();
	fake.receipt.inquiry.b[15] ^= 1;
	IS(release(&rel), FORGED);
	receipt_due();
	fake.receipt_by_other = true;
	IS(release(&rel), FORGED);
	ck_assert_int_eq(rel.lease_ms, 77);
}
END_TEST

START_TEST(release_kind)
{
	struct rms_release rel;
	char text[200];

	IS(rms_release_get(
	       fake.c, EVENT_DENIED, &set, &inquiry, tx_text(text), &rel),
	    INVAL);
	IS(rms_release_get(
	       fake.c, EVENT_REQUEST, &set, &inquiry, tx_text(text), &rel),
	    INVAL);
	IS(rms_release_get(fake.c, EVENT_LIST, &set, &inquiry, "{}", &rel),
	    FORMAT);
	ck_assert_int_eq(atomic_load(&fake.calls), 0);
}
END_TEST

/* ---- signatures on the way ---- */

/* Send a signed request, changed after signing. */
static long
send_changed(const char *path, const char *body, int64_t skew)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;
	CLEANUP_ANSWER struct http_answer a = { 0 };
	struct rms_request r = { .method = "POST",
		.host = fake.url + 7,
		.path = "/v1/events",
		.query = "",
		.body = "{}",
		.body_len = 2,
		.time = clock_wall_ms() };
	char head[5][200], url[200];
	const char *lines[] = { head[0], head[1], head[2], head[3], NULL };
	struct http_call call = { .method = "POST",
		.url = url,
		.headers = lines,
		.body = body,
		.body_len = strlen(body),
		.max_answer = 10000 };
	struct text58 t;

	OK(http_client_new(&(struct http_client_opts){ 0 }, &http));
	OK(rms_request_sign(&r, who.patient, &who.chain));
	(void)snprintf(head[0], 200, RMS_H_KEY ": %s", TEXT58(&r.key));
	(void)snprintf(
	    head[1], 200, RMS_H_TIME ": %lld", (long long)(r.time + skew));
	(void)snprintf(head[2], 200, RMS_H_NONCE ": %s",
	    text58(r.nonce, sizeof(r.nonce), &t));
	(void)snprintf(head[3], 200, RMS_H_SIG ": %s", TEXT58(&r.sig));
	(void)snprintf(url, sizeof(url), "%s%s", fake.url, path);
	OK(http_do(http, &call, &a));
	return a.status;
}

START_TEST(tampered)
{
	ck_assert_int_eq(send_changed("/v1/events", "{}", 0), 200);
	ck_assert_int_eq(send_changed("/v1/events", "[]", 0), 401);
	ck_assert_int_eq(send_changed("/v1/events?", "{}", 0), 200);
	ck_assert_int_eq(send_changed("/v1/events?a", "{}", 0), 401);
	ck_assert_int_eq(send_changed("/v1/blobs", "{}", 0), 401);
	ck_assert_int_eq(send_changed("/v1/events", "{}", 1), 401);
}
END_TEST

START_TEST(unsigned_request)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;
	CLEANUP_ANSWER struct http_answer a = { 0 };
	char url[200];
	struct http_call call = {
		.method = "GET", .url = url, .max_answer = 10000
	};

	OK(http_client_new(&(struct http_client_opts){ 0 }, &http));
	(void)snprintf(url, sizeof(url), "%s/v1/events", fake.url);
	OK(http_do(http, &call, &a));
	ck_assert_int_eq(a.status, 401);
}
END_TEST

START_TEST(replay_floor)
{
	char text[200];

	atomic_store(&fake.floor, clock_wall_ms() + 60000);
	OK(rms_event(fake.c, tx_text(text)));
	ck_assert_int_eq(atomic_load(&fake.calls), 2);
	OK(rms_event(fake.c, tx_text(text))); /* the floor is kept in mind */
	ck_assert_int_eq(atomic_load(&fake.calls), 3);
}
END_TEST

/* An RMS that is never content is asked twice, not for ever. */
START_TEST(replay_floor_moving)
{
	char text[200];

	atomic_store(&fake.floor, clock_wall_ms() + 60000);
	atomic_store(&fake.told, clock_wall_ms());
	IS(rms_event(fake.c, tx_text(text)), UNAUTH);
	ck_assert_int_eq(atomic_load(&fake.calls), 2);
}
END_TEST

/* No signature for a time that makes it good for hours. */
START_TEST(replay_floor_far)
{
	char text[200];

	atomic_store(&fake.floor, clock_wall_ms() + 2 * RMS_SKEW_MS);
	IS(rms_event(fake.c, tx_text(text)), UNAUTH);
	ck_assert_int_eq(atomic_load(&fake.calls), 1);
}
END_TEST

/* ---- the end of a client ---- */

START_TEST(cancelled)
{
	char text[200];

	rms_client_cancel(fake.c);
	IS(rms_event(fake.c, tx_text(text)), INTERRUPTED);
	ck_assert_int_eq(atomic_load(&fake.calls), 0);
}
END_TEST

static const struct {
	const char *url;
	enum err e;
} urls[] = {
	{ "http://127.0.0.1:80", ERR_OK },
	{ "http://127.0.0.1:80/", ERR_OK },
	{ "http://[::1]:80", ERR_OK },
	{ "http://localhost", ERR_OK },
	{ "https://rms.example.org", ERR_OK },
	{ "http://rms.example.org", ERR_INVAL },
	{ "http://127.evil.org", ERR_INVAL },
	{ "http://localhost.evil.org", ERR_INVAL },
	{ "http://[::1].evil.org", ERR_INVAL },
	{ "http://10.0.0.1", ERR_INVAL },
	{ "https://rms.example.org/a", ERR_INVAL },
	{ "https://u@rms.example.org", ERR_INVAL },
	{ "file:///etc/passwd", ERR_INVAL },
	{ "", ERR_INVAL },
};

START_TEST(client_url)
{
	CLEANUP(rms_client_free) struct rms_client *c = NULL;
	struct rms_client_opts o = { .url = urls[_i].url,
		.rms = *seal_identity_key(who.rms),
		.id = who.patient };

	ck_assert_int_eq(rms_client_new(&o, &c), urls[_i].e);
}
END_TEST

START_TEST(client_bad_key)
{
	struct rms_client *c = NULL;
	struct rms_client_opts o = { .url = fake.url, .id = who.patient };

	IS(rms_client_new(&o, &c), FORGED);
	ck_assert_ptr_null(c);
}
END_TEST

TCase *
tcase_client(void)
{
	TCase *t = tcase_create("client");

	tcase_add_checked_fixture(t, fake_up, fake_down);
	tcase_add_test(t, register_card);
	tcase_add_test(t, register_forged);
	tcase_add_test(t, event);
	tcase_add_test(t, feed);
	tcase_add_test(t, feed_empty);
	tcase_add_test(t, feed_order);
	tcase_add_test(t, feed_anew);
	tcase_add_test(t, sets);
	tcase_add_test(t, record);
	tcase_add_test(t, release_key);
	tcase_add_test(t, release_receipt);
	tcase_add_test(t, release_kind);
	tcase_add_test(t, tampered);
	tcase_add_test(t, unsigned_request);
	tcase_add_test(t, replay_floor);
	tcase_add_test(t, replay_floor_moving);
	tcase_add_test(t, replay_floor_far);
	tcase_add_test(t, cancelled);
	tcase_add_loop_test(t, client_url, 0, ARRAY_LEN(urls));
	tcase_add_test(t, client_bad_key);
	return t;
}
