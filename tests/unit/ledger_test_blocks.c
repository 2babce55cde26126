/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks of a real node of public Waves: tests/vectors/waves_blocks.json. */
#include "ledger/ledger_internal.h"
#include "ledger_test.h"

static json_t *vectors, *blocks;
static struct pubkey generator;

static void
load(void)
{
	struct js r;

	vectors = test_file("waves_blocks.json");
	blocks = json_object_get(vectors, "blocks");
	js_init(&r, json_array_get(blocks, 1));
	JS_58(&r, "generatorPublicKey", &generator);
	OK(r.err);
}

static void
unload(void)
{
	json_decref(vectors);
}

static bool proved;

static enum err
read_as(const json_t *j, const struct pubkey *pinned, size_t *out_ntx)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	const struct ledger_pins pins = { 'R', pinned != NULL, pinned };
	enum err e = ledger_block_read_as(&ledger_waves, j, &pins, &b);

	if (e == ERR_OK && out_ntx)
		*out_ntx = b->ntx;
	proved = e == ERR_OK && b->proved;
	return e;
}

START_TEST(genuine)
{
	static const size_t ntx[] = { 0, 0, 0, 0, 1, 2, 3, 5, 1, 0, 0 };
	struct sig before = { { 0 } };

	ck_assert_uint_eq(json_array_size(blocks), ARRAY_LEN(ntx));
	for (size_t i = 0; i < ARRAY_LEN(ntx); i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
		const struct ledger_pins pins = { 'R', 1, &generator };

		OK(ledger_block_read_as(
		    &ledger_waves, json_array_get(blocks, i), &pins, &b));
		ck_assert_uint_eq(b->height, i + 1);
		ck_assert_uint_eq(b->ntx, ntx[i]);
		ck_assert(i == 0 || ID_EQ(&b->reference, &before));
		before = b->id;
	}
}
END_TEST

START_TEST(with_state_hash)
{
	json_t *light = json_object_get(vectors, "light");
	struct pubkey key;
	struct js r;

	js_init(&r, light);
	JS_58(&r, "generatorPublicKey", &key);
	OK(read_as(light, &key, NULL));
	json_object_del(light, "stateHash");
	FAILS(ERR_FORGED, read_as(light, &key, NULL));
}
END_TEST

/* Of a public network and the other kind of node. */
START_TEST(stage_network)
{
	const json_t *list = json_object_get(vectors, "stage");

	ck_assert_uint_eq(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
		struct ledger_pins pins = { 'S', 1, &generator };
		struct js r;

		js_init(&r, json_array_get(list, i));
		JS_58(&r, "generatorPublicKey", &generator);
		OK(ledger_block_read_as(
		    &ledger_waves, json_array_get(list, i), &pins, &b));
		ledger_block_free(TAKE(b));
		pins.chain_byte = 'W';
		FAILS(ERR_FORGED,
		    ledger_block_read_as(
			&ledger_waves, json_array_get(list, i), &pins, &b));
	}
}
END_TEST

/* Every member that the header bears, in every block. */
START_TEST(changed)
{
	static const char *const numbers[] = { "timestamp", "desiredReward" };
	static const char *const hashes[] = { "id", "reference",
		"transactionsRoot", "generatorPublicKey" };
	static const char other[] =
	    "3so4VMTqWunqpqF9NCEoJNJp55DZP8uwJB4o6tX155TS";
	unsigned n = 0;

	for (size_t i = 1; i < json_array_size(blocks); i++) {
		const json_t *b = json_array_get(blocks, i);

		for (size_t k = 0; k < ARRAY_LEN(numbers); k++, n++) {
			CLEANUP_JS json_t *j = json_deep_copy(b);
			json_int_t v = json_integer_value(
			    json_object_get(j, numbers[k]));

			json_object_set_new(j, numbers[k], json_integer(v + 1));
			FAILS(ERR_FORGED, read_as(j, &generator, NULL));
			OK(read_as(j, NULL, NULL)); /* nobody looks */
		}
		for (size_t k = 0; k < ARRAY_LEN(hashes); k++, n++) {
			CLEANUP_JS json_t *j = json_deep_copy(b);

			json_object_set_new(j, hashes[k], json_string(other));
			FAILS(ERR_FORGED, read_as(j, &generator, NULL));
		}
	}
	ck_assert_uint_eq(n, 60);
}
END_TEST

START_TEST(changed_votes)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 1));

	OK(read_as(j, &generator, NULL));
	json_object_set_new(j, "features", json_pack("[i,i]", 19, 20));
	FAILS(ERR_FORGED, read_as(j, &generator, NULL));
	json_object_set_new(j, "features", json_pack("[s]", "19"));
	FAILS(ERR_FORMAT, read_as(j, &generator, NULL));
}
END_TEST

START_TEST(other_signature)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 5));
	const json_t *b = json_array_get(blocks, 6);

	json_object_set(j, "signature", json_object_get(b, "signature"));
	FAILS(ERR_FORGED, read_as(j, &generator, NULL));
}
END_TEST

START_TEST(other_generator)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("x");

	FAILS(ERR_FORGED,
	    read_as(json_array_get(blocks, 5), seal_identity_key(id), NULL));
}
END_TEST

void
test_count_again(json_t *j)
{
	json_object_set_new(j, "transactionCount",
	    json_integer((json_int_t)json_array_size(
		json_object_get(j, "transactions"))));
}

/* What a node withholds, repeats, adds or moves. */
START_TEST(other_list)
{
	for (size_t i = 4; i <= 7; i++) {
		CLEANUP_JS json_t *less = json_deep_copy(
		    json_array_get(blocks, i));
		CLEANUP_JS json_t *more = json_deep_copy(less);
		CLEANUP_JS json_t *moved = json_deep_copy(less);
		json_t *list = json_object_get(less, "transactions");

		json_array_remove(list, 0);
		test_count_again(less);
		FAILS(ERR_FORGED, read_as(less, &generator, NULL));
		list = json_object_get(more, "transactions");
		json_array_append(list, json_array_get(list, 0));
		test_count_again(more);
		FAILS(ERR_FORGED, read_as(more, &generator, NULL));
		list = json_object_get(moved, "transactions");
		json_array_append(list, json_array_get(list, 0));
		json_array_remove(list, 0);
		if (i > 4)
			FAILS(ERR_FORGED, read_as(moved, &generator, NULL));
	}
}
END_TEST

/* A list with other types cannot be proved: it is the node's word. */
START_TEST(other_types)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 8));
	size_t ntx;

	OK(read_as(j, &generator, &ntx));
	ck_assert_uint_eq(ntx, 1);
}
END_TEST

START_TEST(not_known)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 5));

	json_object_set_new(j, "version", json_integer(4));
	FAILS(ERR_UNSUPPORTED, read_as(j, &generator, NULL));
	json_object_set_new(j, "version", json_integer(5));
	json_object_del(j, "nxt-consensus");
	FAILS(ERR_FORMAT, read_as(j, &generator, NULL));
}
END_TEST

/* ---- votes of finality, and blocks that challenge others ---- */

static json_t *
new_block(const char *name)
{
	json_t *j = json_deep_copy(
	    json_object_get(json_object_get(vectors, "new"), name));
	struct js r;

	js_init(&r, j);
	JS_58(&r, "generatorPublicKey", &generator);
	OK(r.err);
	return j;
}

static void
not_proved(const json_t *j)
{
	(void)read_as(j, &generator, NULL);
	ck_assert(!proved);
}

/* Each member of ${inner} is signed. */
static void
each_is_signed(json_t *j, json_t *inner)
{
	const char *name;
	json_t *v;
	unsigned n = 0;

	OK(read_as(j, &generator, NULL));
	ck_assert(proved);
	json_object_foreach(inner, name, v) if (json_is_integer(v))
	{
		json_int_t was = json_integer_value(v);

		json_integer_set(v, was + 1);
		not_proved(j);
		json_integer_set(v, was);
		n++;
	}
	else if (json_is_array(v))
	{
		json_array_append_new(v, json_integer(1));
		not_proved(j);
		json_array_remove(v, json_array_size(v) - 1);
		n++;
	}
	else if (json_is_string(v))
	{
		CLEANUP_JS json_t *was = json_deep_copy(v);
		char *s = strdup(json_string_value(v));
		char *mid = s + strlen(s) / 2;

		*mid = *mid == '2' ? '3' : '2';
		json_string_set(v, s);
		not_proved(j);
		json_string_set(v, json_string_value(was));
		free(s);
		n++;
	}
	OK(read_as(j, &generator, NULL));
	ck_assert_uint_ge(n, 3);
}

START_TEST(finality)
{
	CLEANUP_JS json_t *j = new_block("votes");
	json_t *votes = json_object_get(j, "finalizationVoting");

	each_is_signed(j, votes);
	/* the other kind of node calls it so */
	json_object_set(votes, "finalizedHeight",
	    json_object_get(votes, "finalizedBlockHeight"));
	json_object_del(votes, "finalizedBlockHeight");
	json_object_set_new(votes, "conflictEndorsements", json_array());
	each_is_signed(j, votes);
}
END_TEST

START_TEST(challenged)
{
	CLEANUP_JS json_t *j = new_block("challenged");

	each_is_signed(j, json_object_get(j, "challengedHeader"));
}
END_TEST

/* Taken, but not for signed: it makes nothing fresh. */
START_TEST(not_told)
{
	static const char *const missing[] = { "timestamp", "base-target",
		"generation-signature" };
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("x");
	CLEANUP_JS json_t *j = new_block("conflict");

	OK(read_as(j, &generator, NULL));
	ck_assert(!proved);
	FAILS(ERR_FORGED, read_as(j, seal_identity_key(id), NULL));
	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		CLEANUP_JS json_t *c = new_block("challenged");

		json_object_del(
		    json_object_get(c, "challengedHeader"), missing[i]);
		OK(read_as(c, &generator, NULL));
		ck_assert(!proved);
	}
}
END_TEST

/* S + L leaves the id as it is, and the leaf is of what stands there. */
START_TEST(malleable_proof)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 4));
	json_t *tx = json_array_get(json_object_get(j, "transactions"), 0);
	uint8_t sum[64],
	    order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
		    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	unsigned carry = 0;

	OK(text58_read(
	    json_string_value(json_array_get(json_object_get(tx, "proofs"), 0)),
	    sum, sizeof(sum)));
	for (int i = 0; i < 32; i++) {
		uint8_t low = i == 31 ? sum[63] & 0x7f : sum[32 + i];

		carry += low + order[i];
		sum[32 + i] = (uint8_t)((i == 31 ? sum[63] & 0x80 : 0) |
		    (carry & (i == 31 ? 0x7f : 0xff)));
		carry >>= 8;
	}
	json_object_set_new(
	    tx, "proofs", json_pack("[o]", js_58_new(sum, sizeof(sum))));
	FAILS(ERR_FORGED, read_as(j, &generator, NULL));
	OK(read_as(j, NULL, NULL));
}
END_TEST

TCase *
blocks_tests(void)
{
	TCase *t = tcase_create("blocks");

	tcase_add_checked_fixture(t, load, unload);
	tcase_add_test(t, genuine);
	tcase_add_test(t, with_state_hash);
	tcase_add_test(t, stage_network);
	tcase_add_test(t, changed);
	tcase_add_test(t, changed_votes);
	tcase_add_test(t, other_signature);
	tcase_add_test(t, other_generator);
	tcase_add_test(t, other_list);
	tcase_add_test(t, other_types);
	tcase_add_test(t, not_known);
	tcase_add_test(t, finality);
	tcase_add_test(t, challenged);
	tcase_add_test(t, not_told);
	tcase_add_test(t, malleable_proof);
	return t;
}
