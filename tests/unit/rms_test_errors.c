/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers that are errors, and answers that are nonsense. */
#include "rms_test.h"

static const struct event_id set = { "0123456789abcde" };

static const struct {
	unsigned status;
	const char *text;
	enum err e;
} errors[] = {
	{ 403, "{\"code\":21,\"name\":\"DENIED\",\"detail\":\"no\"}",
	    ERR_DENIED },
	{ 503, "{\"code\":26,\"name\":\"STALE\",\"detail\":\"x\"}", ERR_STALE },
	{ 403, "{\"code\":27,\"name\":\"UNKNOWNKEY\",\"detail\":\"x\"}",
	    ERR_UNKNOWNKEY },
	{ 422, "{\"code\":30}", ERR_FORGED },
	{ 404, "{\"code\":10,\"detail\":5}", ERR_NOTFOUND },
	{ 401, "{\"code\":20,\"detail\":\"x\"}", ERR_UNAUTH },
	{ 401, "{\"code\":20,\"notBefore\":-1}", ERR_UNAUTH },
	{ 401, "{\"code\":20,\"notBefore\":\"1\"}", ERR_UNAUTH },
	/* codes that mean something else on this side */
	{ 503, "{\"code\":14,\"detail\":\"x\"}", ERR_BUSY },
	{ 500, "{\"code\":0,\"detail\":\"x\"}", ERR_FORMAT },
	{ 500, "{\"code\":99999,\"detail\":\"x\"}", ERR_FORMAT },
	{ 500, "{\"code\":-1}", ERR_FORMAT },
	{ 500, "{\"code\":\"21\"}", ERR_FORMAT },
	{ 500, "[]", ERR_FORMAT },
	/* no RMS speaks so */
	{ 404, "<html>", ERR_FORMAT },
	{ 502, "<html>bad gateway", ERR_UNREACHABLE },
	{ 503, "", ERR_BUSY },
	{ 302, "", ERR_FORMAT },
	{ 200, "", ERR_FORMAT },
	{ 200, "<html>", ERR_FORMAT },
	{ 200, "{", ERR_FORMAT },
	{ 200, "{\"record\":5}", ERR_FORMAT },
	{ 200, "{\"record\":\"!!!!\"}", ERR_FORMAT },
	{ 200, "{\"record\":\"AAAA\"}", ERR_FORMAT },
	{ 200, "{\"record\":\"\",\"record\":\"\"}", ERR_FORMAT },
	{ 200, "[[[[[[[[[[[[[[[[[[[[[[[[", ERR_FORMAT },
};

START_TEST(error)
{
	struct rms_record r;

	fake_say(errors[_i].status, errors[_i].text);
	ck_assert_int_eq(rms_get_record(fake.c, &set, &r), errors[_i].e);
	ck_assert_int_eq(atomic_load(&fake.calls), 1);
}
END_TEST

START_TEST(detail)
{
	struct rms_record r;
	char text[2000];
	const char *s;

	fake_say(403, "{\"code\":21,\"detail\":\"a\\nb\\u001b[1mc\"}");
	IS(rms_get_record(fake.c, &set, &r), DENIED);
	s = err_detail(ERR_DENIED);
	ck_assert_str_eq(s, "the RMS says: a b [1mc");
	(void)snprintf(
	    text, sizeof(text), "{\"code\":21,\"detail\":\"%01500d\"}", 0);
	fake_say(403, text);
	IS(rms_get_record(fake.c, &set, &r), DENIED);
	ck_assert_uint_lt(strlen(err_detail(ERR_DENIED)), 450);
}
END_TEST

/* Whatever an RMS answers to any call, the client says FORMAT and lives. */
START_TEST(nonsense)
{
	static const char *const texts[] = { "", "{}", "[]", "x", "{\"a\":1}",
		"{\"events\":{},\"next\":1}", "{\"events\":[5],\"next\":1}",
		"{\"sets\":5}", "{\"sets\":[5]}", "{\"missing\":[5]}",
		"{\"missing\":[\"2\"]}", "{\"key\":\"AAAA\",\"lease\":1}",
		"{\"patientRms\":\"2\",\"url\":\"x\",\"signature\":\"2\"}" };
	CLEANUP(free) struct rms_set_ref *refs = NULL;
	CLEANUP_BUF struct buf out = { 0 };
	struct inquiry_id inquiry = { "0" };
	struct blob_id id = { "blob" };
	struct rms_feed f;
	struct rms_release rel;
	struct rms_card card;
	uint64_t length;
	bool missing;
	size_t n;
	static const char tx[] = "{\"id\":\""
				 "BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA"
				 "\"}";

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fake_say(200, texts[i]);
		IS(rms_register(fake.c, &card), FORMAT);
		IS(rms_event(fake.c, "{}"), FORMAT);
		IS(rms_feed_get(fake.c, 0, 0, &f), FORMAT);
		IS(rms_sets(fake.c, seal_identity_key(who.patient), &refs, &n),
		    FORMAT);
		IS(rms_release_get(
		       fake.c, EVENT_LIST, &set, &inquiry, tx, &rel),
		    FORMAT);
		IS(rms_blobs_missing(fake.c, &id, 1, &missing), FORMAT);
		IS(rms_blob_leaves(fake.c, &id, 1 << 30, &length, &out),
		    FORMAT);
	}
}
END_TEST

START_TEST(answer_too_long)
{
	CLEANUP_BUF struct buf big = { 0 };
	struct rms_record r;

	memset(buf_room(&big, RMS_MAX_ERROR + 1), ' ', RMS_MAX_ERROR + 1);
	fake_say(200, buf_text(&big));
	IS(rms_get_record(fake.c, &set, &r), TOOBIG);
}
END_TEST

START_TEST(nobody_there)
{
	struct rms_record r;

	http_close(TAKE(fake.l));
	IS(rms_get_record(fake.c, &set, &r), UNREACHABLE);
}
END_TEST

TCase *
tcase_errors(void)
{
	TCase *t = tcase_create("errors");

	tcase_add_checked_fixture(t, fake_up, fake_down);
	tcase_add_loop_test(t, error, 0, ARRAY_LEN(errors));
	tcase_add_test(t, detail);
	tcase_add_test(t, nonsense);
	tcase_add_test(t, answer_too_long);
	tcase_add_test(t, nobody_there);
	return t;
}
