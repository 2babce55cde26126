/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The embedded node as one of public Waves. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node_test.h"

static void
up_as_waves(void)
{
	world_up();
	node_close(TAKE(world.node));
	world.waves = true;
	world_open();
}

static struct ledger_tx *
waves_tx(int64_t fee)
{
	struct ledger_tx *tx = make_tx(2, 0);

	ledger_tx_dialect(tx, &ledger_waves, 1);
	tx->fee = fee;
	ck_assert_int_eq(ledger_tx_sign(tx, world.alice), ERR_OK);
	return tx;
}

START_TEST(waves_broadcast)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = waves_tx(100000);
	CLEANUP_JS json_t *j = tx_json(tx), *a = NULL, *status = NULL,
			  *info = NULL;
	char path[200];

	a = post(200, "/transactions/broadcast", j);
	ck_assert(json_equal(a, j));
	ck_assert_ptr_null(json_object_get(a, "author"));
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
	ck_assert_int_eq(
	    num(post(400, "/transactions/broadcast", j), "error"), 112);
	info = get(200, "/transactions/info/%s", TEXT58(&tx->id));
	ck_assert_str_eq(str(info, "applicationStatus"), "succeeded");
	(void)snprintf(path, sizeof(path),
	    "/transactions/status?id=%s&id=11111111111111111111111111111111",
	    TEXT58(&tx->id));
	status = get(200, "%s", path);
	ck_assert_uint_eq(json_array_size(status), 2);
	ck_assert_str_eq(str(json_array_get(status, 0), "status"), "confirmed");
	ck_assert_str_eq(str(json_array_get(status, 1), "status"), "not_found");
}
END_TEST

START_TEST(waves_refused)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *cheap = waves_tx(99999);
	CLEANUP(ledger_tx_free) struct ledger_tx *other = make_tx(1, 0);
	CLEANUP_JS json_t *a = tx_json(cheap), *b = tx_json(other);

	ck_assert_int_eq(
	    num(post(400, "/transactions/broadcast", a), "error"), 112);
	ck_assert_int_eq(
	    num(post(400, "/transactions/broadcast", b), "error"), 199);
	ck_assert_int_eq(
	    num(get(404, "/transactions/info/%s", TEXT58(&cheap->id)), "error"),
	    311);
	ck_assert_int_eq(num(get(404, "/blocks/at/99"), "error"), 301);
	ck_assert_int_eq(
	    num(get(400, "/transactions/status?id=0OIl"), "error"), 116);
	ck_assert_int_eq(num(get(400, "/addresses/data/%s?matches=.*",
				 address_of(world.alice)),
			     "error"),
	    199);
}
END_TEST

START_TEST(waves_blocks_and_data)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = waves_tx(100000);
	CLEANUP_JS json_t *j = tx_json(tx), *b = NULL, *by = NULL, *some = NULL;

	json_decref(post(200, "/transactions/broadcast", j));
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
	b = get(200, "/blocks/at/2");
	ck_assert_str_eq(str(b, "id"), str(b, "signature"));
	by = get(200, "/blocks/%s", str(b, "id"));
	ck_assert(json_equal(b, by));
	some = get(200, "/addresses/data/%s?key=k1&key=none&key=k0",
	    address_of(world.alice));
	ck_assert_uint_eq(json_array_size(some), 2);
	ck_assert_str_eq(str(json_array_get(some, 0), "key"), "k1");
	ck_assert_int_gt(
	    num(get(200, "/addresses/balance/%s", address_of(world.alice)),
		"balance"),
	    100000);
	world_down();
	world_up(); /* of Waves Enterprise: no such routes */
	ck_assert_ptr_null(get(404, "/blocks/%s", str(b, "id")));
	ck_assert_ptr_null(get(404, "/transactions/status?id=1"));
}
END_TEST

TCase *
waves_tests(void)
{
	TCase *t = tcase_create("waves");

	tcase_add_checked_fixture(t, up_as_waves, world_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, waves_broadcast);
	tcase_add_test(t, waves_refused);
	tcase_add_test(t, waves_blocks_and_data);
	return t;
}
