/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test_sink.h"

#include <string.h>

#include "base/clock.h"

/* ---- chains that do not ---- */

START_TEST(forked)
{
	CLEANUP_JS json_t *kept = NULL;

	fake_blocks(f, 3);
	OK(ledger_follow_step(follower));
	kept = json_incref(fake_at(f, 4));
	fake_cut(f, 3);
	FAILS(ERR_FORK, ledger_follow_step(follower)); /* lower */
	ck_assert_int_eq(head().age_ms, INT64_MAX);
	ck_assert_int_eq(head().error, ERR_FORK);
	fake_block(f, NULL, 0, clock_wall_ms() + 7);
	FAILS(ERR_FORK, ledger_follow_step(follower)); /* another 4 */
	ck_assert_int_eq(head().age_ms, INT64_MAX);
	follow(1, true);
	FAILS(ERR_FORK, ledger_follow_step(follower)); /* after a start too */
	fake_blocks(f, 1);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 4);
	fake_cut(f, 3);
	json_array_append(f->blocks, kept);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(head().height, 4);
	ck_assert_int_lt(head().age_ms, 10000);
}
END_TEST

START_TEST(other_chain)
{
	f->chain.b[30] ^= 1;
	follow(1, true);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 0);
	ck_assert_int_eq(head().age_ms, INT64_MAX);
}
END_TEST

START_TEST(wrong_reference)
{
	struct sig wrong = { { 1 } };

	fake_blocks(f, 4);
	json_object_set_new(fake_at(f, 4), "reference", JS_58_NEW(&wrong));
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 3);
	fake_resign(f, 4); /* the generator itself forks */
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 3);
}
END_TEST

START_TEST(wrong_signature)
{
	CLEANUP(seal_identity_free) struct seal_identity *real = f->generator;
	struct sig wrong = f->tip.id;

	fake_blocks(f, 1);
	wrong.b[40] ^= 1;
	json_object_set_new(fake_at(f, 2), "signature", JS_58_NEW(&wrong));
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 1);
	fake_cut(f, 1);
	f->generator = test_id("another generator");
	fake_blocks(f, 1);
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	/* signed by another, and says that it is ours */
	json_object_set_new(fake_at(f, 2), "generatorPublicKey",
	    JS_58_NEW(seal_identity_key(real)));
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 1);
}
END_TEST

static json_t *
tx_at(size_t height)
{
	return json_array_get(
	    json_object_get(fake_at(f, height), "transactions"), 0);
}

static void
spoil_value(void)
{
	json_object_set_new(
	    json_array_get(json_object_get(tx_at(2), "data"), 0), "value",
	    json_string("base64:AAAA"));
}

static void
spoil_proof(void)
{
	struct sig wrong = { { 1 } };

	json_object_set_new(
	    tx_at(2), "proofs", json_pack("[o]", JS_58_NEW(&wrong)));
}

static void
spoil_id(void)
{
	json_object_del(tx_at(2), "id");
	spoil_value();
}

static void
spoil_removed(void)
{
	json_array_clear(json_object_get(fake_at(f, 2), "transactions"));
	json_object_set_new(fake_at(f, 2), "transactionCount", json_integer(0));
}

static void
spoil_added(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = test_tx("eve", "k");

	json_array_append_new(
	    json_object_get(fake_at(f, 2), "transactions"), fake_tx(tx));
	json_object_del(fake_at(f, 2), "transactionCount");
}

static void
spoil_replaced(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = test_tx("eve", "k");

	json_array_set_new(
	    json_object_get(fake_at(f, 2), "transactions"), 0, fake_tx(tx));
}

static void
spoil_time(void)
{
	json_object_set_new(
	    fake_at(f, 2), "timestamp", json_integer(clock_wall_ms() + 1));
}

static void (*const spoilers[])(void) = { spoil_value, spoil_proof, spoil_id,
	spoil_removed, spoil_added, spoil_replaced, spoil_time };

START_TEST(tampered)
{
	(void)block_with_tx();
	fake_blocks(f, 1);
	spoilers[_i]();
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 1);
	ck_assert_uint_eq(sink.txs, 0);
}
END_TEST

START_TEST(miscounted)
{
	(void)block_with_tx();
	json_object_set_new(fake_at(f, 2), "transactionCount", json_integer(2));
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 1);
}
END_TEST

START_TEST(backwards)
{
	fake_blocks(f, 1);
	fake_block(f, NULL, 0, f->tip.time - 1);
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
}
END_TEST

START_TEST(wrong_height)
{
	fake_blocks(f, 2);
	json_object_set_new(fake_at(f, 3), "height", json_integer(4));
	fake_resign(f, 3);
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
}
END_TEST

/* A height without its blocks; errors with status 200; no JSON at all. */
START_TEST(garbage)
{
	static const struct {
		const char *raw;
		unsigned status;
		enum err e;
	} cases[] = {
		{ "{\"status\":\"error\",\"details\":\"x\"}", 200,
		    ERR_NOTFOUND },
		{ "{\"error\":1,\"message\":\"x\"}", 200, ERR_NODE },
		{ "{\"error\":\"There was an internal server error.\"}", 500,
		    ERR_NODE },
		{ "\xff\xfe", 200, ERR_FORMAT },
		{ "[]", 200, ERR_FORMAT },
		{ "{\"height\":\"7\"}", 200, ERR_FORMAT },
		{ "{\"height\":7.5}", 200, ERR_FORMAT },
		{ "{\"height\":99999999999999999999}", 200, ERR_FORMAT },
		{ "{\"height\":-1}", 200, ERR_FORMAT },
		{ "busy", 503, ERR_BUSY },
	};

	OK(ledger_follow_step(follower));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum err e;

		f->raw = cases[i].raw;
		f->raw_status = cases[i].status;
		e = ledger_follow_step(follower);
		ck_assert_msg(e == cases[i].e, "case %zu: %s", i, err_name(e));
		ck_assert_uint_eq(head().height, 1);
	}
	f->raw = NULL;
	f->height = 9;
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	f->height = 0;
	fake_blocks(f, 1);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
}
END_TEST

/* A claimed height makes nothing final. */
START_TEST(claimed_height)
{
	follow(3, true);
	fake_blocks(f, 3);
	f->height = 100;
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
}
END_TEST

/* ---- networks whose blocks we cannot check: skip, do not stop ---- */

static json_t *
vector_tx(const char *name)
{
	CLEANUP_JS json_t *v = test_file("waves.json");
	const json_t *all = json_object_get(v, "weDataTransactions");

	for (size_t i = 0; i < json_array_size(all); i++)
		if (strcmp(test_text(json_array_get(all, i), "name"), name) ==
		    0)
			return json_deep_copy(
			    json_object_get(json_array_get(all, i), "json"));
	ck_abort_msg("no vector %s", name);
	return NULL;
}

static void
put_foreign(json_t *tx)
{
	json_t *b = fake_at(f, 2);

	json_array_append_new(json_object_get(b, "transactions"), tx);
	json_object_del(b, "transactionCount");
}

START_TEST(container)
{
	fake_blocks(f, 1);
	put_foreign(json_pack("{s:i, s:s}", "type", 4, "id", "abc"));
	put_foreign(json_pack("{s:i, s:s, s:[o, {s:i}]}", "type", 120, "id",
	    "abc", "transactions", vector_tx("v3-badge-trusted-sender"), "type",
	    103));
	put_foreign(vector_tx("v1-bool"));
	follow(1, false);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
	ck_assert_uint_eq(sink.txs, 2);
}
END_TEST

/* Everybody can turn S into S + L: the transaction must not vanish. */
START_TEST(other_spelling)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63,
		0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
		0x14, [31] = 0x10 };
	CLEANUP(ledger_tx_free)
	struct ledger_tx *tx = test_tx("alice", "k"), *got = NULL;
	json_t *j = fake_tx(tx);
	struct sig other = tx->proof;
	uint8_t sign = other.b[63] & 0x80;
	unsigned carry = 0;

	other.b[63] &= 0x7f;
	for (int i = 0; i < 32; i++) {
		carry += (unsigned)other.b[32 + i] + order[i];
		other.b[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	other.b[63] |= sign;
	json_object_set_new(j, "proofs", json_pack("[o]", JS_58_NEW(&other)));
	FAILS(ERR_FORGED, ledger_tx_read(j, &got));
	fake_blocks(f, 1);
	put_foreign(j);
	fake_resign(f, 2);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.txs, 1);
	ck_assert(ID_EQ(&sink.last_tx, &tx->id));
	/* and what we hand on has the first spelling */
	OK(ledger_node_tx(node, &tx->id, &got));
	ck_assert(ID_EQ(&got->proof, &tx->proof));
}
END_TEST

/* Accounts with scripts, newer versions, NUL in texts. */
START_TEST(strange)
{
	json_t *j = vector_tx("v1-bool");

	fake_blocks(f, 1);
	json_array_append_new(json_object_get(j, "proofs"), json_string("111"));
	put_foreign(j);
	j = vector_tx("v1-bool");
	json_object_set_new(j, "version", json_integer(9));
	put_foreign(j);
	j = vector_tx("v1-string-ascii");
	json_object_set_new(json_array_get(json_object_get(j, "data"), 0),
	    "key", json_stringn("a\0b", 3));
	put_foreign(j);
	put_foreign(vector_tx("v1-int-small"));
	follow(1, false);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.txs, 1);
}
END_TEST

/* A body that does not have its id is a node's lie anywhere. */
START_TEST(foreign_lie)
{
	json_t *j = vector_tx("v1-bool");

	fake_blocks(f, 1);
	json_object_set_new(j, "fee", json_integer(1));
	put_foreign(j);
	follow(1, false);
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 1);
}
END_TEST

TCase *
follow_bad_tests(void)
{
	TCase *t = tcase_create("follow-bad");

	tcase_add_checked_fixture(t, follow_up, follow_down);
	tcase_add_test(t, forked);
	tcase_add_test(t, other_chain);
	tcase_add_test(t, wrong_reference);
	tcase_add_test(t, wrong_signature);
	tcase_add_loop_test(t, tampered, 0, (int)ARRAY_LEN(spoilers));
	tcase_add_test(t, miscounted);
	tcase_add_test(t, backwards);
	tcase_add_test(t, wrong_height);
	tcase_add_test(t, garbage);
	tcase_add_test(t, claimed_height);
	tcase_add_test(t, container);
	tcase_add_test(t, other_spelling);
	tcase_add_test(t, strange);
	tcase_add_test(t, foreign_lie);
	return t;
}
