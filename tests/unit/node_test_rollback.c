/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node_test.h"

#define KEY "X-API-Key: open sesame"

static void
up_with_key(void)
{
	world_up();
	node_close(TAKE(world.node));
	world.api_key = "open sesame";
	world_open();
}

static int64_t
height(void)
{
	return num(get(200, "/blocks/height"), "height");
}

static json_t *
roll(long status, int64_t to, bool keep, const char *header)
{
	CLEANUP_JS json_t *body = json_pack("{s:I, s:b}", "rollbackTo",
	    (json_int_t)to, "returnTransactionsToUtx", keep);

	return call("POST", status, "/debug/rollback", body, header);
}

/* Entry k0 of alice, as the node knows it now. */
static int64_t
newest(long status)
{
	CLEANUP_JS json_t *j = get(
	    status, "/addresses/data/%s/k0", address_of(world.alice));
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = str(j, "value");
	int64_t t = 0;

	if (status != 200)
		return 0;
	ck_assert_int_eq(text64_read(s + 7, strlen(s) - 7, &b), ERR_OK);
	ck_assert_uint_eq(b.len, sizeof(t));
	memcpy(&t, b.p, sizeof(t));
	return t;
}

static size_t
listed(void)
{
	CLEANUP_JS json_t *j = get(
	    200, "/transactions/address/%s/limit/100", address_of(world.alice));

	return json_array_size(json_array_get(j, 0));
}

/* Three blocks of one transaction each above block 1. */
static void
three(char ids[3][60], int64_t value[3])
{
	for (int i = 0; i < 3; i++) {
		(void)snprintf(ids[i], 60, "%s", send_one());
		ck_assert_int_eq(mined(ids[i]), i + 2);
		value[i] = newest(200);
	}
}

START_TEST(forgets)
{
	char ids[3][60];
	int64_t value[3];
	CLEANUP_JS json_t *two = NULL, *three_ = NULL, *answer = NULL;

	three(ids, value);
	two = get(200, "/blocks/at/2");
	three_ = get(200, "/blocks/at/3");
	answer = roll(200, 2, false, KEY);
	ck_assert_str_eq(str(answer, "BlockId"), str(two, "signature"));
	ck_assert_int_eq(height(), 2);
	ck_assert_int_eq(newest(200), value[0]);
	ck_assert_uint_eq(listed(), 1);
	json_decref(get(404, "/transactions/info/%s", ids[1]));
	json_decref(get(404, "/transactions/unconfirmed/info/%s", ids[1]));
	json_decref(get(404, "/blocks/height/%s", str(three_, "signature")));
	json_decref(get(200, "/transactions/info/%s", ids[0]));
	/* and goes on from there, on another branch */
	ck_assert_int_eq(mined(send_one()), 3);
	json_decref(answer);
	answer = get(200, "/blocks/at/3");
	ck_assert_str_eq(str(answer, "reference"), str(two, "signature"));
	ck_assert_str_ne(str(answer, "signature"), str(three_, "signature"));
	/* what was never there before is gone */
	json_decref(roll(200, 1, false, KEY));
	(void)newest(404);
	ck_assert_uint_eq(listed(), 0);
}
END_TEST

START_TEST(returns)
{
	char ids[3][60];
	int64_t value[3];

	three(ids, value);
	json_decref(roll(200, 1, true, KEY));
	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(mined(ids[i]), 2);
	ck_assert_int_eq(newest(200), value[2]);
	ck_assert_uint_eq(listed(), 3);
	/* durable as everything is */
	node_close(TAKE(world.node));
	world_open();
	ck_assert_uint_eq(listed(), 3);
}
END_TEST

START_TEST(to_a_block)
{
	char ids[3][60], path[200];
	int64_t value[3];
	CLEANUP_JS json_t *b = NULL, *a = NULL;

	three(ids, value);
	b = get(200, "/blocks/at/3");
	(void)snprintf(
	    path, sizeof(path), "/debug/rollback-to/%s", str(b, "signature"));
	a = call("DELETE", 200, path, NULL, KEY);
	ck_assert_str_eq(str(a, "BlockId"), str(b, "signature"));
	ck_assert_int_eq(height(), 3);
	ck_assert_int_eq(newest(200), value[1]);
	json_decref(call("DELETE", 400, "/debug/rollback-to/0", NULL, KEY));
}
END_TEST

/* An entry that only a sponsor's list holds is not taken for the sender's. */
START_TEST(author_is_not_sender)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 5000);
	CLEANUP_JS json_t *j = NULL;
	int64_t mine;

	(void)mined(send_one());
	mine = newest(200);
	tx->version = 1;
	tx->author = *seal_identity_key(world.alice);
	tx->sender = *seal_identity_key(world.key);
	ck_assert_int_eq(ledger_tx_encode(tx), ERR_OK);
	seal_sign_raw(world.key, tx->body.p, tx->body.len, &tx->proof);
	j = tx_json(tx);
	json_decref(post(200, "/transactions/broadcast", j));
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 3);
	(void)mined(send_one());
	json_decref(roll(200, 3, false, KEY));
	ck_assert_int_eq(newest(200), mine);
	ck_assert_uint_eq(listed(), 2);
}
END_TEST

START_TEST(refused)
{
	CLEANUP_JS json_t *body = json_pack("{s:s}", "rollbackTo", "1");

	(void)mined(send_one());
	ck_assert_int_eq(num(roll(403, 1, false, NULL), "error"), 2);
	ck_assert_int_eq(
	    num(roll(403, 1, false, "X-API-Key: open sesam"), "error"), 2);
	ck_assert_int_eq(num(call("DELETE", 403, "/debug/rollback-to/abc", NULL,
				 "X-API-Key: "),
			     "error"),
	    2);
	ck_assert_ptr_null(roll(400, 0, false, KEY));
	ck_assert_ptr_null(roll(400, 3, false, KEY));
	ck_assert_int_eq(
	    num(call("POST", 400, "/debug/rollback", body, KEY), "error"), 1);
	ck_assert_int_eq(height(), 2);
	json_decref(roll(200, 2, true, KEY));
	ck_assert_int_eq(height(), 2);
	/* without a key nobody can */
	node_close(TAKE(world.node));
	world.api_key = NULL;
	world_open();
	ck_assert_int_eq(num(roll(403, 1, false, KEY), "error"), 2);
	ck_assert_int_eq(num(roll(403, 1, false, "X-API-Key: "), "error"), 2);
}
END_TEST

TCase *
rollback_tests(void)
{
	TCase *t = tcase_create("rollback");

	tcase_add_checked_fixture(t, up_with_key, world_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, forgets);
	tcase_add_test(t, returns);
	tcase_add_test(t, to_a_block);
	tcase_add_test(t, author_is_not_sender);
	tcase_add_test(t, refused);
	return t;
}
