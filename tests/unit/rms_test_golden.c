/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Samples that were made once, when the protocol was settled (PROTOCOL.rms
 * prints them): every later version must read them.
 */
#include "rms_test.h"

static json_t *all;

static void
up(void)
{
	CLEANUP_BUF struct buf b = { 0 };

	parties_up();
	OK(file_read(TEST_SRCDIR "/tests/vectors/rms_v1.json", 100000, &b));
	OK(js_parse(b.p, b.len, JS_DEPTH, &all));
}

static void
down(void)
{
	json_decref(TAKE(all));
	parties_down();
}

static const char *
text_of(const char *part, const char *name)
{
	const char *s = json_string_value(
	    json_object_get(json_object_get(all, part), name));

	ck_assert_msg(s != NULL, "%s.%s", part, name);
	return s;
}

START_TEST(card)
{
	struct rms_card got;
	char words[128];

	OK(rms_card_read(text_of("card", "text"), seal_identity_key(who.rms),
	    &who.chain, &got));
	ck_assert_str_eq(got.url, text_of("card", "url"));
	ck_assert_str_eq(TEXT58(&got.patient), text_of("card", "patient"));
	ck_assert(ID_EQ(&got.patient_rms, seal_identity_key(who.patient_rms)));
	rms_card_words(&got, words);
	ck_assert_str_eq(words, text_of("card", "words"));
}
END_TEST

START_TEST(request)
{
	const char *body = text_of("request", "body");
	struct rms_request r = { .method = text_of("request", "method"),
		.host = text_of("request", "host"),
		.path = text_of("request", "path"),
		.query = text_of("request", "query"),
		.body = body,
		.body_len = strlen(body) };

	r.time = json_integer_value(
	    json_object_get(json_object_get(all, "request"), "time"));
	OK(text58_read(text_of("request", "key"), r.key.b, 32));
	OK(text58_read(text_of("request", "nonce"), r.nonce, 16));
	OK(text58_read(text_of("request", "signature"), r.sig.b, 64));
	OK(rms_request_check(&r, &who.chain));
	r.time++;
	IS(rms_request_check(&r, &who.chain), FORGED);
}
END_TEST

START_TEST(receipt)
{
	struct rms_receipt r;

	OK(rms_receipt_read(json_object_get(all, "receipt"), &r));
	OK(rms_receipt_check(&r, seal_identity_key(who.rms), &who.chain));
}
END_TEST

START_TEST(record)
{
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = text_of("record", "record");
	uint8_t want[SEAL_KEY], got[SEAL_KEY];
	struct rms_record r;

	OK(text64_read(s, strlen(s), &b));
	OK(rms_record_read(b.p, b.len, &r));
	OK(text_hex_read(text_of("record", "setKey"), want, SEAL_KEY));
	OK(seal_box_open(who.patient, r.patient, SEAL_BOX_KEY, got));
	SAME(got, want, SEAL_KEY);
	OK(seal_box_open(who.patient_rms, r.rms, SEAL_BOX_KEY, got));
	SAME(got, want, SEAL_KEY);
}
END_TEST

TCase *
tcase_golden(void)
{
	TCase *t = tcase_create("golden");

	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, card);
	tcase_add_test(t, request);
	tcase_add_test(t, receipt);
	tcase_add_test(t, record);
	return t;
}
