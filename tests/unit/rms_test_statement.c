/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signed requests, receipts, key records. */
#include "rms_test.h"

static void
request_make(struct rms_request *r)
{
	*r = (struct rms_request){ .method = "POST",
		.host = "127.0.0.1:8080",
		.path = "/v1/events",
		.query = "a=1",
		.body = "{}",
		.body_len = 2,
		.time = 1700000000000 };
	seal_random(r->nonce, sizeof(r->nonce));
	OK(rms_request_sign(r, who.patient, &who.chain));
}

START_TEST(request)
{
	struct rms_request r;

	request_make(&r);
	ck_assert(ID_EQ(&r.key, seal_identity_key(who.patient)));
	OK(rms_request_check(&r, &who.chain));
}
END_TEST

#define CHANGED(field, value)                                                  \
	do {                                                                   \
		struct rms_request bad = r;                                    \
		bad.field = (value);                                           \
		IS(rms_request_check(&bad, &who.chain), FORGED);               \
	} while (0)

START_TEST(request_changed)
{
	struct chain chain = who.chain;
	struct rms_request r;

	request_make(&r);
	CHANGED(method, "PUT");
	CHANGED(host, "127.0.0.1:8081");
	CHANGED(path, "/v1/event");
	CHANGED(query, "a=2");
	CHANGED(query, "");
	CHANGED(body, "[]");
	CHANGED(body_len, 1);
	CHANGED(time, r.time + 1);
	CHANGED(key, *seal_identity_key(who.other));
	CHANGED(nonce[3], (uint8_t)(r.nonce[3] ^ 1));
	CHANGED(sig.b[7], (uint8_t)(r.sig.b[7] ^ 1));
	chain.b[32] ^= 1;
	IS(rms_request_check(&r, &chain), FORGED);
}
END_TEST

/* "path\nquery" may not be moved across the line between them. */
START_TEST(request_shifted)
{
	struct rms_request r;

	request_make(&r);
	r.path = "/v1\nevents";
	IS(rms_request_sign(&r, who.patient, &who.chain), FORGED);
	IS(rms_request_check(&r, &who.chain), FORGED);
}
END_TEST

/* The same words as a receipt would be: one use never stands for another. */
START_TEST(request_other_use)
{
	CLEANUP_BUF struct buf msg = { 0 };
	struct rms_receipt rec = { .time = 5 };

	for (int i = 0; i < 32 + 4 * 16; i++)
		buf_u8(&msg, 0);
	buf_u64(&msg, 5);
	OK(seal_sign(who.rms, SEAL_RECEIPT, &who.chain, &msg, &rec.sig));
	OK(rms_receipt_check(&rec, seal_identity_key(who.rms), &who.chain));
	OK(seal_sign(who.rms, SEAL_REQUEST, &who.chain, &msg, &rec.sig));
	IS(rms_receipt_check(&rec, seal_identity_key(who.rms), &who.chain),
	    FORGED);
}
END_TEST

static void
receipt_make(struct rms_receipt *r)
{
	memset(r, 7, sizeof(*r));
	r->time = 1700000000123;
	OK(rms_receipt_sign(r, who.rms, &who.chain));
}

START_TEST(receipt)
{
	CLEANUP_JS json_t *j = NULL;
	struct rms_receipt r, got;

	receipt_make(&r);
	j = rms_receipt_json(&r);
	ck_assert_ptr_nonnull(j);
	OK(rms_receipt_read(j, &got));
	OK(rms_receipt_check(&got, seal_identity_key(who.rms), &who.chain));
	ck_assert(ID_EQ(&got.institution, &r.institution));
	ck_assert_int_eq(got.time, r.time);
	IS(rms_receipt_check(&got, seal_identity_key(who.other), &who.chain),
	    FORGED);
}
END_TEST

START_TEST(receipt_changed)
{
	const struct pubkey *rms = seal_identity_key(who.rms);
	struct chain chain = who.chain;
	struct rms_receipt r, bad;

	receipt_make(&r);
	for (size_t i = 0; i < offsetof(struct rms_receipt, time); i++) {
		bad = r;
		((uint8_t *)&bad)[i] ^= 0x10;
		IS(rms_receipt_check(&bad, rms, &who.chain), FORGED);
	}
	bad = r;
	bad.time++;
	IS(rms_receipt_check(&bad, rms, &who.chain), FORGED);
	chain.b[0]++;
	IS(rms_receipt_check(&r, rms, &chain), FORGED);
}
END_TEST

START_TEST(receipt_json_bad)
{
	static const char *const names[] = { "transaction", "entry", "inquiry",
		"set", "institution", "time", "signature" };
	CLEANUP_JS json_t *j = NULL;
	struct rms_receipt r, got;

	receipt_make(&r);
	j = rms_receipt_json(&r);
	IS(rms_receipt_read(NULL, &got), FORMAT);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *less = json_copy(j);

		ck_assert_int_eq(
		    json_object_set_new(less, names[i], json_string("z")), 0);
		IS(rms_receipt_read(less, &got), FORMAT);
		ck_assert_int_eq(json_object_del(less, names[i]), 0);
		IS(rms_receipt_read(less, &got), FORMAT);
		json_decref(less);
	}
}
END_TEST

static struct secret *
set_key_make(void)
{
	struct secret *key = NULL;

	OK(secret_new(SEAL_KEY, &key));
	seal_random(secret_bytes(key), SEAL_KEY);
	return key;
}

START_TEST(record)
{
	CLEANUP(secret_free) struct secret *key = set_key_make();
	uint8_t bytes[RMS_RECORD], opened[SEAL_KEY];
	struct rms_record r, got;

	OK(rms_record_make(key, seal_identity_key(who.patient),
	    seal_identity_key(who.patient_rms), &r));
	rms_record_write(&r, bytes);
	OK(rms_record_read(bytes, sizeof(bytes), &got));
	OK(seal_box_open(who.patient, got.patient, SEAL_BOX_KEY, opened));
	SAME(opened, secret_view(key), SEAL_KEY);
	OK(seal_box_open(who.patient_rms, got.rms, SEAL_BOX_KEY, opened));
	SAME(opened, secret_view(key), SEAL_KEY);
	IS(seal_box_open(who.rms, got.rms, SEAL_BOX_KEY, opened), FORGED);
}
END_TEST

START_TEST(record_bad)
{
	CLEANUP(secret_free) struct secret *key = set_key_make();
	CLEANUP(secret_free) struct secret *small = NULL;
	uint8_t bytes[RMS_RECORD + 1] = { 0 };
	struct pubkey weak = { { 0 } };
	struct rms_record r, got;

	OK(rms_record_make(key, seal_identity_key(who.patient),
	    seal_identity_key(who.patient_rms), &r));
	rms_record_write(&r, bytes);
	IS(rms_record_read(bytes, RMS_RECORD - 1, &got), FORMAT);
	IS(rms_record_read(bytes, RMS_RECORD + 1, &got), FORMAT);
	IS(rms_record_read(bytes, 0, &got), FORMAT);
	bytes[0] = 2;
	IS(rms_record_read(bytes, RMS_RECORD, &got), UNSUPPORTED);
	bytes[0] = 1;
	bytes[1] = 2;
	IS(rms_record_read(bytes, RMS_RECORD, &got), UNSUPPORTED);
	OK(secret_new(16, &small));
	IS(rms_record_make(small, seal_identity_key(who.patient),
	       seal_identity_key(who.patient_rms), &r),
	    INVAL);
	IS(rms_record_make(key, &weak, seal_identity_key(who.rms), &r), FORGED);
}
END_TEST

TCase *
tcase_statement(void)
{
	TCase *t = tcase_create("statements");

	tcase_add_checked_fixture(t, parties_up, parties_down);
	tcase_add_test(t, request);
	tcase_add_test(t, request_changed);
	tcase_add_test(t, request_shifted);
	tcase_add_test(t, request_other_use);
	tcase_add_test(t, receipt);
	tcase_add_test(t, receipt_changed);
	tcase_add_test(t, receipt_json_bad);
	tcase_add_test(t, record);
	tcase_add_test(t, record_bad);
	return t;
}
