/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test.h"

#include <stdio.h>
#include <string.h>

/* ---- what a node has to refuse ---- */

static json_t *
valid(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = test_tx("alice", "a");

	return fake_tx(tx);
}

static json_t *
entry_json(const char *key, const char *type, json_t *value)
{
	return json_pack(
	    "{s:s, s:s, s:o}", "key", key, "type", type, "value", value);
}

static json_t *
entry0(json_t *tx)
{
	return json_array_get(json_object_get(tx, "data"), 0);
}

static void
set(json_t *j, const char *name, json_t *value)
{
	ck_assert_int_eq(json_object_set_new(j, name, value), 0);
}

static void
add_many(json_t *tx, size_t n)
{
	char key[16];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "k%zu", i);
		ck_assert_int_eq(
		    json_array_append_new(json_object_get(tx, "data"),
			entry_json(
			    key, "integer", json_integer((json_int_t)i))),
		    0);
	}
}

static json_t *
long_text(size_t n)
{
	char *s = malloc(n + 1);
	json_t *j;

	ck_assert_ptr_nonnull(s);
	memset(s, 'x', n);
	s[n] = '\0';
	j = json_string(s);
	free(s);
	return j;
}

static void
bad_101_entries(json_t *j)
{
	add_many(j, 100);
}

static void
bad_duplicate(json_t *j)
{
	json_array_append_new(json_object_get(j, "data"),
	    entry_json("a", "boolean", json_true()));
}

static void
bad_empty_key(json_t *j)
{
	set(entry0(j), "key", json_string(""));
}

static void
bad_long_key(json_t *j)
{
	set(entry0(j), "key", long_text(101));
}

/* 51 characters outside the basic plane are 102 UTF-16 units. */
static void
bad_long_key_pairs(json_t *j)
{
	char key[51 * 4 + 1] = "";

	for (int i = 0; i < 51; i++)
		strcat(key, "\xf0\x9f\x98\x80");
	set(entry0(j), "key", json_string(key));
}

static void
bad_long_string(json_t *j)
{
	set(entry0(j), "type", json_string("string"));
	set(entry0(j), "value", long_text(32768));
}

static void
bad_long_binary(json_t *j)
{
	CLEANUP_BUF struct buf text = { 0 };
	uint8_t *value = calloc(1, 32768);

	ck_assert_ptr_nonnull(value);
	buf_str(&text, "base64:");
	text64(value, 32768, &text);
	set(entry0(j), "value", json_string(buf_text(&text)));
	free(value);
}

static void
bad_whole(json_t *j)
{
	json_t *data = json_object_get(j, "data");

	for (int i = 0; i < 5; i++) {
		char key[3] = { 'k', (char)('0' + i), '\0' };

		json_array_append_new(
		    data, entry_json(key, "string", long_text(32767)));
	}
}

static void
bad_two_proofs(json_t *j)
{
	json_t *proofs = json_object_get(j, "proofs");

	json_array_append(proofs, json_array_get(proofs, 0));
}

static void
bad_no_proof(json_t *j)
{
	set(j, "proofs", json_array());
}

static void
bad_proof_58(json_t *j)
{
	set(j, "proofs", json_pack("[s]", "0OIl"));
}

static void
bad_proof_short(json_t *j)
{
	set(j, "proofs", json_pack("[s]", "2VfUX"));
}

static void
bad_signature(json_t *j)
{
	set(j, "timestamp",
	    json_integer(
		json_integer_value(json_object_get(j, "timestamp")) + 1));
}

static void
bad_fee_text(json_t *j)
{
	set(j, "fee", json_string("0"));
}

static void
bad_fee_real(json_t *j)
{
	set(j, "fee", json_real(1.0));
}

static void
bad_fee_negative(json_t *j)
{
	set(j, "fee", json_integer(-1));
}

static void
bad_time_absent(json_t *j)
{
	json_object_del(j, "timestamp");
}

static void
bad_type(json_t *j)
{
	set(j, "type", json_integer(4));
}

static void
bad_version(json_t *j)
{
	set(j, "version", json_integer(4));
}

static void
bad_sender(json_t *j)
{
	set(j, "senderPublicKey", json_string("abc"));
}

static void
bad_sender_weak(json_t *j)
{
	uint8_t zero[32] = { 0 };

	set(j, "senderPublicKey", js_58_new(zero, 32));
}

static void
bad_author_absent(json_t *j)
{
	json_object_del(j, "authorPublicKey");
}

static void
bad_value_type(json_t *j)
{
	set(entry0(j), "type", json_string("integer"));
}

static void
bad_value_kind(json_t *j)
{
	set(entry0(j), "type", json_string("delete"));
}

static void
bad_base64(json_t *j)
{
	set(entry0(j), "value", json_string("base64:A"));
}

static void
bad_asset(json_t *j)
{
	set(j, "feeAssetId", json_string("WEST"));
}

static const struct invalid {
	const char *name;
	void (*spoil)(json_t *);
	enum ledger_tx_flaw flaw;
} invalids[] = {
	{ "101 entries", bad_101_entries, LEDGER_FLAW_BIG },
	{ "duplicate keys", bad_duplicate, LEDGER_FLAW_CUSTOM },
	{ "empty key", bad_empty_key, LEDGER_FLAW_CUSTOM },
	{ "key of 101 units", bad_long_key, LEDGER_FLAW_BIG },
	{ "key of 51 pairs", bad_long_key_pairs, LEDGER_FLAW_BIG },
	{ "string of 32768", bad_long_string, LEDGER_FLAW_BIG },
	{ "binary of 32768", bad_long_binary, LEDGER_FLAW_BIG },
	{ "full bytes > 153600", bad_whole, LEDGER_FLAW_BIG },
	{ "two proofs", bad_two_proofs, LEDGER_FLAW_PROOF },
	{ "no proof", bad_no_proof, LEDGER_FLAW_PROOF },
	{ "proof not base58", bad_proof_58, LEDGER_FLAW_CUSTOM },
	{ "proof of few bytes", bad_proof_short, LEDGER_FLAW_PROOF },
	{ "bad signature", bad_signature, LEDGER_FLAW_PROOF },
	{ "fee as text", bad_fee_text, LEDGER_FLAW_JSON },
	{ "fee as real", bad_fee_real, LEDGER_FLAW_JSON },
	{ "negative fee", bad_fee_negative, LEDGER_FLAW_CUSTOM },
	{ "no timestamp", bad_time_absent, LEDGER_FLAW_JSON },
	{ "another type", bad_type, LEDGER_FLAW_CUSTOM },
	{ "unknown version", bad_version, LEDGER_FLAW_CUSTOM },
	{ "bad sender", bad_sender, LEDGER_FLAW_KEY },
	{ "weak sender", bad_sender_weak, LEDGER_FLAW_KEY },
	{ "no author", bad_author_absent, LEDGER_FLAW_JSON },
	{ "value of another type", bad_value_type, LEDGER_FLAW_JSON },
	{ "delete entry", bad_value_kind, LEDGER_FLAW_JSON },
	{ "bad base64", bad_base64, LEDGER_FLAW_JSON },
	{ "bad asset", bad_asset, LEDGER_FLAW_CUSTOM },
};

START_TEST(invalid)
{
	const struct invalid *v = &invalids[_i];
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = valid();
	enum ledger_tx_flaw flaw = LEDGER_FLAW_NONE;

	OK(ledger_tx_read_strict(&ledger_enterprise, j, &tx, &flaw));
	ck_assert_int_eq(flaw, LEDGER_FLAW_NONE);
	ledger_tx_free(TAKE(tx));
	v->spoil(j);
	ck_assert_msg(
	    ledger_tx_read_strict(&ledger_enterprise, j, &tx, &flaw) != ERR_OK,
	    "%s", v->name);
	ck_assert_msg(flaw == v->flaw, "%s: flaw %d", v->name, flaw);
	ck_assert((tx != NULL) == (flaw == LEDGER_FLAW_PROOF));
	ledger_tx_free(TAKE(tx));
	ck_assert_int_ne(ledger_tx_read(j, &tx), ERR_OK);
	ck_assert_ptr_null(tx);
}
END_TEST

START_TEST(read_errors)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *tx = NULL, *other = test_tx("bob", "b");
	CLEANUP_JS json_t *j = valid(), *not_object = json_array();
	enum ledger_tx_flaw flaw;

	FAILS(ERR_FORMAT, ledger_tx_read(not_object, &tx));
	FAILS(ERR_FORMAT, ledger_tx_read(NULL, &tx));
	set(j, "id", JS_58_NEW(&other->id));
	FAILS(ERR_FORGED, ledger_tx_read(j, &tx));
	/* nodes ignore what the sender says of id and address */
	OK(ledger_tx_read_strict(&ledger_enterprise, j, &tx, &flaw));
	ck_assert_uint_eq(tx->height, 0);
	ledger_tx_free(TAKE(tx));
	json_object_del(j, "id");
	OK(ledger_tx_read(j, &tx));
	ledger_tx_free(TAKE(tx));
	set(j, "type", json_integer(120));
	FAILS(ERR_UNSUPPORTED, ledger_tx_read(j, &tx));
	set(j, "type", json_integer(12));
	bad_signature(j);
	FAILS(ERR_FORGED, ledger_tx_read(j, &tx));
}
END_TEST

TCase *
invalid_tests(void)
{
	TCase *t = tcase_create("invalid");

	tcase_add_loop_test(t, invalid, 0, (int)ARRAY_LEN(invalids));
	tcase_add_test(t, read_errors);
	return t;
}
