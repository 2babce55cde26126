/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between Waves Enterprise and public Waves. */
#include "ledger_test.h"

#include <string.h>

/* Of the official library, and one of the public main network. */
static json_t *
public_txs(void)
{
	CLEANUP_JS json_t *all = test_file("waves.json");
	json_t *list = json_array();
	json_t *real = json_array_get(
	    json_object_get(all, "fromRepositories"), 0);

	json_array_extend(
	    list, json_object_get(all, "publicWavesDataTransactions"));
	json_array_append(list, real);
	return list;
}

static void
same_body(const json_t *v, const struct ledger_tx *tx)
{
	CLEANUP_BUF struct buf hex = { 0 };

	for (size_t i = 0; i < tx->body.len; i++)
		buf_fmt(&hex, "%02x", tx->body.p[i]);
	ck_assert_str_eq(buf_text(&hex), test_text(v, "bodyHex"));
	ck_assert_str_eq(TEXT58(&tx->id), test_text(v, "id"));
}

START_TEST(public_vectors)
{
	CLEANUP_JS json_t *list = public_txs();

	ck_assert_uint_eq(json_array_size(list), 3);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const json_t *json = json_object_get(v, "json");
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL, *no = NULL;
		CLEANUP_JS json_t *again = NULL;
		enum ledger_tx_flaw flaw;

		OK(ledger_tx_read(json, &tx));
		ck_assert_ptr_eq(tx->dialect, &ledger_waves);
		ck_assert(ID_EQ(&tx->author, &tx->sender));
		same_body(v, tx);
		OK(ledger_tx_json(tx, 'W', &again));
		ck_assert_ptr_null(json_object_get(again, "author"));
		ck_assert_ptr_null(json_object_get(again, "authorPublicKey"));
		OK(ledger_tx_read_strict(&ledger_waves, again, &no, &flaw));
		ledger_tx_free(TAKE(no));
		FAILS(ERR_FORMAT,
		    ledger_tx_read_strict(
			&ledger_enterprise, again, &no, &flaw));
		ck_assert_int_eq(flaw, LEDGER_FLAW_JSON);
	}
}
END_TEST

/* A signature is of one network's body only. */
START_TEST(other_network)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("x");
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL, *got = NULL;
	CLEANUP_JS json_t *j = NULL;
	enum ledger_tx_flaw flaw;

	OK(ledger_tx_new(&tx));
	ledger_tx_dialect(tx, &ledger_waves, 2);
	ck_assert_int_eq(tx->version, 1);
	OK(ledger_tx_binary(tx, "k", "v", 1));
	OK(ledger_tx_sign(tx, id));
	OK(ledger_tx_json(tx, 'R', &j));
	OK(ledger_tx_read(j, &got));
	ck_assert(ID_EQ(&got->id, &tx->id));
	ledger_tx_free(TAKE(got));
	json_object_set_new(j, "authorPublicKey", JS_58_NEW(&tx->sender));
	json_object_del(j, "id");
	FAILS(ERR_FORGED, ledger_tx_read(j, &got));
	json_object_set_new(j, "version", json_integer(2));
	FAILS(ERR_UNSUPPORTED,
	    ledger_tx_read_strict(&ledger_waves, j, &got, &flaw));
	ck_assert_int_eq(flaw, LEDGER_FLAW_CUSTOM);
	tx->version = 2;
	FAILS(ERR_UNSUPPORTED, ledger_tx_sign(tx, id));
}
END_TEST

static int64_t
fee_of(const struct ledger_dialect *d, size_t bytes)
{
	const struct ledger_fee rule = { 100, 7 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP(free) uint8_t *value = calloc(1, bytes);

	OK(ledger_tx_new(&tx));
	ledger_tx_dialect(tx, d, 2);
	OK(ledger_tx_binary(tx, "k", value, bytes));
	OK(ledger_tx_pay(tx, &rule));
	return tx->fee;
}

START_TEST(fees)
{
	/* body: 85 bytes and the entry's 6 more than its value */
	ck_assert_int_eq(fee_of(&ledger_enterprise, 1), 100);
	ck_assert_int_eq(fee_of(&ledger_enterprise, 1024 - 91), 100);
	ck_assert_int_eq(fee_of(&ledger_enterprise, 1025 - 91), 107);
	ck_assert_int_eq(fee_of(&ledger_enterprise, 2049 - 91), 114);
	/* full bytes, 6 more an entry */
	ck_assert_int_eq(fee_of(&ledger_waves, 1024 - 134), 100);
	ck_assert_int_eq(fee_of(&ledger_waves, 1025 - 134), 107);
}
END_TEST

START_TEST(names)
{
	ck_assert_ptr_eq(
	    ledger_dialect_find("waves-enterprise"), &ledger_enterprise);
	ck_assert_ptr_eq(ledger_dialect_find("waves"), &ledger_waves);
	ck_assert_ptr_null(ledger_dialect_find("gost"));
}
END_TEST

TCase *
dialect_tests(void)
{
	TCase *t = tcase_create("dialect");

	tcase_add_test(t, public_vectors);
	tcase_add_test(t, other_network);
	tcase_add_test(t, fees);
	tcase_add_test(t, names);
	return t;
}
