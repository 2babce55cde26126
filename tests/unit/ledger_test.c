/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test.h"

#include <string.h>

#include "base/log.h"
#include "base/secret.h"

/* ---- transactions against the vectors ---- */

static json_t *vectors;
static json_t *good; /* weDataTransactions */

static void
load(void)
{
	vectors = test_file("waves.json");
	good = json_object_get(vectors, "weDataTransactions");
	ck_assert_uint_eq(json_array_size(good), 18);
}

static void
unload(void)
{
	json_decref(vectors);
	vectors = good = NULL;
}

/* The JSON of a vector: exact text where there is one. */
static json_t *
vector_json(const json_t *v)
{
	const char *wire = test_text(v, "wireJson");
	json_t *j = NULL;

	if (*wire == '\0')
		return json_deep_copy(json_object_get(v, "json"));
	OK(js_parse(wire, strlen(wire), JS_DEPTH, &j));
	return j;
}

static bool
is_signed(const json_t *v)
{
	return json_object_get(v, "sig_rnd") != NULL;
}

static void
same_hex(const json_t *v, const char *name, const void *p, size_t n)
{
	char *hex = malloc(2 * n + 1);

	ck_assert_ptr_nonnull(hex);
	text_hex(p, n, hex);
	ck_assert_msg(strcmp(test_text(v, name), hex) == 0, "%s of %s", name,
	    test_text(v, "name"));
	free(hex);
}

static void
same_full(const json_t *v, const struct ledger_tx *tx)
{
	CLEANUP_BUF struct buf full = { 0 };
	uint8_t hash[32];
	struct seal_part part;

	buf_u8(&full, 0);
	buf_put(&full, tx->body.p, tx->body.len);
	buf_u8(&full, 1);
	buf_u16(&full, 1);
	buf_u16(&full, 64);
	buf_put(&full, tx->proof.b, 64);
	ck_assert_uint_eq(full.len, ledger_tx_full_size(tx));
	ck_assert_int_eq((json_int_t)full.len,
	    json_integer_value(json_object_get(v, "fullLength")));
	part = (struct seal_part){ full.p, full.len };
	seal_hash(NULL, &part, 1, hash);
	same_hex(v, "fullHashBlake2b", hash, 32);
}

START_TEST(vector_read)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(good); i++) {
		const json_t *v = json_array_get(good, i);
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
		CLEANUP_JS json_t *j = vector_json(v);

		if (!is_signed(v))
			continue;
		ck_assert_msg(ledger_tx_read(j, &tx) == ERR_OK, "%s",
		    test_text(v, "name"));
		same_hex(v, "bodyHex", tx->body.p, tx->body.len);
		ck_assert_str_eq(TEXT58(&tx->id), test_text(v, "id"));
		same_full(v, tx);
		n++;
	}
	ck_assert_uint_eq(n, 16);
}
END_TEST

/* What we print is byte for byte what the official library sends. */
START_TEST(vector_print)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(good); i++) {
		const json_t *v = json_array_get(good, i);
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
		CLEANUP_JS json_t *j = vector_json(v), *again = NULL;
		CLEANUP_BUF struct buf text = { 0 };

		if (!is_signed(v))
			continue;
		OK(ledger_tx_read(j, &tx));
		OK(ledger_tx_json(tx, 'V', &again));
		ck_assert_int_eq(json_equal(j, again), 1);
		js_print(again, &text);
		if (*test_text(v, "wireJson")) {
			ck_assert_str_eq(
			    buf_text(&text), test_text(v, "wireJson"));
			n++;
		}
		tx->height = 77;
		json_decref(again);
		again = NULL;
		OK(ledger_tx_json(tx, 'V', &again));
		ck_assert_int_eq(
		    json_integer_value(json_object_get(again, "height")), 77);
	}
	ck_assert_uint_eq(n, 14);
}
END_TEST

/* Both signatures of each vector: with and without randomness. */
START_TEST(vector_signatures)
{
	for (size_t i = 0; i < json_array_size(good); i++) {
		const json_t *v = json_array_get(good, i);
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
		CLEANUP_JS json_t *j = vector_json(v);

		if (!is_signed(v))
			continue;
		(void)json_object_set_new(
		    j, "proofs", json_pack("[s]", test_text(v, "sig_det")));
		OK(ledger_tx_read(j, &tx));
	}
}
END_TEST

static struct ledger_entry *
one_entry(struct ledger_tx *tx, const char *key)
{
	tx->entry = calloc(1, sizeof(*tx->entry));
	ck_assert_ptr_nonnull(tx->entry);
	tx->entry->key = strdup(key);
	tx->nentries = 1;
	return tx->entry;
}

static const json_t *
vector_named(const char *name)
{
	for (size_t i = 0; i < json_array_size(good); i++)
		if (strcmp(test_text(json_array_get(good, i), "name"), name) ==
		    0)
			return json_array_get(good, i);
	ck_abort_msg("no vector %s", name);
	return NULL;
}

static void
same_unsigned(const char *name, struct ledger_tx *tx)
{
	const json_t *v = vector_named(name), *j = json_object_get(v, "json");

	OK(text58_read(test_text(j, "senderPublicKey"), tx->sender.b, 32));
	OK(text58_read(test_text(j, "authorPublicKey"), tx->author.b, 32));
	tx->timestamp = json_integer_value(json_object_get(j, "timestamp"));
	tx->fee = json_integer_value(json_object_get(j, "fee"));
	OK(ledger_tx_encode(tx));
	same_hex(v, "bodyHex", tx->body.p, tx->body.len);
}

/* Two vectors of the libraries' own tests have no signature. */
START_TEST(vector_unsigned)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *a = NULL, *b = NULL;
	struct ledger_entry *e;

	OK(ledger_tx_new(&a));
	e = one_entry(a, "test");
	e->type = LEDGER_STRING;
	e->value = (uint8_t *)strdup("test");
	e->len = 4;
	same_unsigned("v2-factory-test-string", a);

	OK(ledger_tx_new(&b));
	b->version = 1;
	e = one_entry(b, "height");
	e->type = LEDGER_INTEGER;
	e->number = 100;
	same_unsigned("v1-factory-tests-height", b);
}
END_TEST

/* ---- blocks against the vectors ---- */

START_TEST(vector_blocks)
{
	CLEANUP_JS json_t *v = test_file("ledger_v1.json");
	const json_t *blocks = json_object_get(v, "blocks");
	struct pubkey generator;
	struct chain chain, told;

	OK(text58_read(test_text(v, "generator"), generator.b, 32));
	OK(text58_read(test_text(v, "chain"), told.b, sizeof(told.b)));
	ck_assert_uint_eq(json_array_size(blocks), 2);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
		CLEANUP_BUF struct buf bytes = { 0 };
		const json_t *one = json_array_get(blocks, i);

		OK(ledger_block_read(
		    json_object_get(one, "json"), &generator, &b));
		ck_assert_uint_eq(b->height, i + 1);
		ck_assert_uint_eq(b->ntx, i);
		ledger_block_bytes(b, i ? &b->tx[0]->id : NULL, i, &bytes);
		same_hex(one, "bytesHex", bytes.p, bytes.len);
		seal_chain_make('V', b->id.b, sizeof(b->id.b), &chain);
		ck_assert_int_eq(ID_EQ(&chain, &told), i == 0);
	}
}
END_TEST

/* ---- our own ---- */

START_TEST(own_limits)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("x");
	static uint8_t value[LEDGER_MAX_VALUE + 1];
	char key[2] = "";

	OK(ledger_tx_new(&tx));
	FAILS(ERR_INVAL, ledger_tx_binary(tx, "", value, 1));
	FAILS(ERR_INVAL, ledger_tx_binary(tx, "\xff", value, 1));
	FAILS(ERR_TOOBIG, ledger_tx_binary(tx, "a", value, sizeof(value)));
	for (int i = 0; i < 4; i++) {
		key[0] = (char)('a' + i);
		OK(ledger_tx_binary(tx, key, value, LEDGER_MAX_VALUE));
	}
	OK(ledger_tx_sign(tx, id));
	/* between our limit and the nodes' */
	OK(ledger_tx_binary(tx, "last", value, 20000));
	OK(ledger_tx_encode(tx));
	ck_assert_uint_gt(ledger_tx_full_size(tx), LEDGER_MAX_TX);
	FAILS(ERR_TOOBIG, ledger_tx_sign(tx, id));
	tx->version = 3;
	FAILS(ERR_UNSUPPORTED, ledger_tx_sign(tx, id));
}
END_TEST

START_TEST(own_hundred)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL, *again = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("x");
	CLEANUP_JS json_t *j = NULL;
	struct entry_key key = { { 0 } };
	struct text58 t;

	OK(ledger_tx_new(&tx));
	for (int i = 0; i < 100; i++) {
		key.b[15] = (uint8_t)i;
		OK(ledger_tx_binary(tx, ledger_entry_name(&key, &t), "v", 1));
	}
	FAILS(ERR_TOOBIG, ledger_tx_binary(tx, "more", "v", 1));
	tx->timestamp = 5;
	tx->version = 1;
	OK(ledger_tx_sign(tx, id));
	j = fake_tx(tx);
	OK(ledger_tx_read(j, &again));
	ck_assert(ID_EQ(&again->id, &tx->id));
	ck_assert_ptr_eq(ledger_entry_find(again, &key), &again->entry[99]);
	key.b[15] = 100;
	ck_assert_ptr_null(ledger_entry_find(again, &key));
}
END_TEST

START_TEST(entry_names)
{
	struct entry_key key, again;
	struct text58 t;

	seal_random(key.b, sizeof(key.b));
	OK(ledger_entry_read(ledger_entry_name(&key, &t), &again));
	ck_assert(ID_EQ(&key, &again));
	FAILS(ERR_FORMAT, ledger_entry_read("cfs1.", &again));
	FAILS(ERR_FORMAT, ledger_entry_read("cfs1.11", &again));
	FAILS(ERR_FORMAT, ledger_entry_read("cfs2.1111111111111111", &again));
	OK(ledger_entry_read("cfs1.1111111111111111", &again));
	FAILS(ERR_FORMAT, ledger_entry_read("cfs1.11111111111111111", &again));
}
END_TEST

static void
quiet(enum log_level level, const char *line)
{
	(void)level, (void)line;
}

static Suite *
suite(void)
{
	Suite *s = suite_create("ledger");
	TCase *t = tcase_create("tx");

	tcase_add_checked_fixture(t, load, unload);
	tcase_add_test(t, vector_read);
	tcase_add_test(t, vector_print);
	tcase_add_test(t, vector_signatures);
	tcase_add_test(t, vector_unsigned);
	tcase_add_test(t, vector_blocks);
	tcase_add_test(t, own_limits);
	tcase_add_test(t, own_hundred);
	tcase_add_test(t, entry_names);
	suite_add_tcase(s, t);
	suite_add_tcase(s, dialect_tests());
	suite_add_tcase(s, peers_tests());
	suite_add_tcase(s, watch_tests());
	suite_add_tcase(s, blocks_tests());
	suite_add_tcase(s, we_blocks_tests());
	suite_add_tcase(s, invalid_tests());
	suite_add_tcase(s, node_tests());
	suite_add_tcase(s, follow_tests());
	suite_add_tcase(s, follow_bad_tests());
	suite_add_tcase(s, follow_reorg_tests());
	suite_add_tcase(s, outbox_tests());
	suite_add_tcase(s, outbox_send_tests());
	return s;
}

int
main(void)
{
	SRunner *r;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	log_set_sink(quiet);
	r = srunner_create(suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
