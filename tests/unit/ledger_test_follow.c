/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test_sink.h"

#include <string.h>

#include "base/clock.h"

/* ---- chains that hold ---- */

START_TEST(happy)
{
	struct tx_id id;

	ck_assert_int_eq(head().age_ms, INT64_MAX);
	fake_blocks(f, 22);
	id = block_with_tx();
	fake_blocks(f, 20);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 44);
	ck_assert_uint_eq(sink.blocks, 44);
	ck_assert_uint_eq(sink.txs, 1);
	ck_assert(ID_EQ(&sink.last_tx, &id));
	ck_assert_uint_eq(sink.pending, 0);
	ck_assert_uint_eq(sink.done, 1);
	ck_assert_uint_eq(f->seqs, 3);
	ck_assert_uint_eq(head().height, 44);
	ck_assert_int_eq(head().time, f->tip.time);
	ck_assert_int_lt(head().age_ms, 5000);
	ck_assert_int_ge(head().age_ms, 0);
	ck_assert_int_eq(head().error, ERR_OK);

	OK(ledger_follow_step(follower)); /* nothing new */
	ck_assert_uint_eq(sink.blocks, 44);
	ck_assert_uint_eq(f->seqs, 3);
	id = block_with_tx();
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 45);
	ck_assert(ID_EQ(&sink.last_tx, &id));
}
END_TEST

START_TEST(depth_three)
{
	struct tx_id four, five;

	follow(3, true);
	fake_blocks(f, 2);
	four = block_with_tx();
	five = block_with_tx();
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 3);
	ck_assert_uint_eq(sink.txs, 0);
	ck_assert_uint_eq(sink.pending, 2);
	ck_assert(ID_EQ(&sink.last_pending, &five));
	ck_assert_uint_eq(head().height, 5);
	fake_blocks(f, 1);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 4);
	ck_assert(ID_EQ(&sink.last_tx, &four));
}
END_TEST

/* Blocks that are not final may be replaced; the older head is no head. */
START_TEST(replaced_tip)
{
	int64_t now = clock_wall_ms();

	follow(2, true);
	fake_block(f, NULL, 0, now);
	fake_block(f, NULL, 0, now + 10);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
	ck_assert_int_eq(head().time, now + 10);
	fake_cut(f, 2);
	fake_block(f, NULL, 0, now + 5);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
	ck_assert_int_eq(head().time, now + 10);
	fake_block(f, NULL, 0, now + 20);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 3);
	ck_assert_int_eq(head().time, now + 20);
}
END_TEST

/* The time of a block from the future is trusted from then on. */
START_TEST(trusted_time)
{
	int64_t age;

	fake_block(f, NULL, 0, clock_wall_ms() + 3600000);
	OK(ledger_follow_step(follower));
	age = head().age_ms;
	ck_assert_int_ge(age, 0);
	ck_assert_int_lt(age, 5000);
	clock_sleep_ms(30);
	ck_assert_int_ge(head().age_ms, age + 29);
	fake_block(f, NULL, 0, clock_wall_ms() + 7200000);
	OK(ledger_follow_step(follower));
	ck_assert_int_ge(head().age_ms, 0);
}
END_TEST

/* But not if anybody could have said it; a better block ends it. */
START_TEST(unsigned_and_ahead)
{
	follow(1, false);
	fake_block(f, NULL, 0, clock_wall_ms() + 660000);
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	ck_assert_ptr_nonnull(strstr(head().why, "ahead of this machine's"));
	ck_assert_uint_eq(sink.height, 1);
	fake_cut(f, 1);
	fake_block(f, NULL, 0, clock_wall_ms() + 500000);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 2);
	ck_assert_int_lt(head().age_ms, 5000);
}
END_TEST

START_TEST(old_head)
{
	fake_cut(f, 1);
	fake_block(f, NULL, 0, clock_wall_ms() - 500);
	OK(ledger_follow_step(follower));
	ck_assert_int_ge(head().age_ms, 500);
}
END_TEST

/* After a start the newest block's time is proved again, not believed. */
START_TEST(restart)
{
	fake_blocks(f, 3);
	OK(ledger_follow_step(follower));
	follow(1, true);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 4);
	ck_assert_uint_eq(head().height, 4);
	follow(1, true);
	json_object_set_new(
	    fake_at(f, 4), "timestamp", json_integer(clock_wall_ms() + 100000));
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_int_eq(head().age_ms, INT64_MAX);
}
END_TEST

START_TEST(pool)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *a = test_tx("alice", "k"), *b = test_tx("bob", "k");

	json_array_append_new(f->pool, fake_tx(a));
	json_array_append_new(f->pool, fake_tx(a));
	json_array_append_new(f->pool, json_pack("{s:i}", "type", 4));
	json_array_append_new(f->pool, json_string("garbage"));
	json_array_append_new(f->pool, fake_tx(b));
	json_object_set_new(json_array_get(f->pool, 1), "fee", json_integer(1));
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.pending, 2);
	ck_assert(ID_EQ(&sink.last_pending, &b->id));
	ck_assert_uint_eq(sink.txs, 0);
}
END_TEST

START_TEST(sink_fails)
{
	fake_blocks(f, 3);
	sink.fail = ERR_NOSPACE;
	FAILS(ERR_NOSPACE, ledger_follow_step(follower));
	ck_assert_int_eq(head().age_ms, INT64_MAX);
	ck_assert_int_eq(head().error, ERR_NOSPACE);
	ck_assert_uint_eq(sink.done, 0);
	sink.fail = ERR_OK;
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 4);
}
END_TEST

/* A later transaction may come by the feed: this one must not be missing. */
START_TEST(sink_is_full)
{
	struct tx_id id;
	unsigned shown;

	OK(ledger_follow_step(follower));
	id = block_with_tx();
	sink.fail = ERR_FORMAT;
	FAILS(ERR_FORMAT, ledger_follow_step(follower));
	shown = sink.pending;
	sink.fail = ERR_NOSPACE;
	FAILS(ERR_NOSPACE, ledger_follow_step(follower));
	ck_assert_uint_gt(sink.pending, shown);
	ck_assert(ID_EQ(&sink.last_pending, &id));
	for (int i = 0; i < 3; i++) {
		id = block_with_tx();
		FAILS(ERR_NOSPACE, ledger_follow_step(follower));
		ck_assert(ID_EQ(&sink.last_pending, &id));
	}
	sink.fail = ERR_OK;
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.txs, 4);
}
END_TEST

static void
big_block(unsigned n)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("big");
	struct ledger_tx *tx[32];
	static uint8_t value[LEDGER_MAX_VALUE];

	for (unsigned i = 0; i < n; i++) {
		OK(ledger_tx_new(&tx[i]));
		for (char k = 'a'; k < 'e'; k++)
			OK(ledger_tx_binary(
			    tx[i], (char[]){ k, '\0' }, value, sizeof(value)));
		tx[i]->timestamp = i;
		OK(ledger_tx_sign(tx[i], id));
	}
	fake_block(f, tx, n, clock_wall_ms());
	for (unsigned i = 0; i < n; i++)
		ledger_tx_free(tx[i]);
}

/* Too much for one answer: fetched in smaller ranges. */
START_TEST(big_blocks)
{
	big_block(26);
	big_block(26);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 3);
	ck_assert_uint_eq(sink.txs, 52);
	ck_assert_uint_gt(f->seqs, 1);
}
END_TEST

static void
wait_height(uint64_t height)
{
	int64_t until = clock_boot_ms() + 5000;

	while (sink_height() < height && clock_boot_ms() < until)
		clock_sleep_ms(5);
	ck_assert_uint_eq(sink_height(), height);
}

START_TEST(thread)
{
	int64_t begun;

	f->has_wait = true;
	OK(ledger_follow_start(follower));
	wait_height(1);
	fake_blocks(f, 2); /* the long poll sees it */
	wait_height(3);
	fake_down(f);
	clock_sleep_ms(50);
	fake_blocks(f, 1);
	fake_up(f);
	ledger_follow_kick(follower);
	wait_height(4);
	begun = clock_boot_ms();
	ledger_follow_free(TAKE(follower));
	ck_assert_int_lt(clock_boot_ms() - begun, 1000);
}
END_TEST

/* Without a long poll a kick ends the sleep. */
START_TEST(thread_kick)
{
	int64_t begun;

	OK(ledger_follow_start(follower));
	wait_height(1);
	clock_sleep_ms(60);
	fake_blocks(f, 1);
	begun = clock_boot_ms();
	ledger_follow_kick(follower);
	wait_height(2);
	ck_assert_int_lt(clock_boot_ms() - begun, 600);
}
END_TEST

TCase *
follow_tests(void)
{
	TCase *t = tcase_create("follow");

	tcase_add_checked_fixture(t, follow_up, follow_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, happy);
	tcase_add_test(t, depth_three);
	tcase_add_test(t, replaced_tip);
	tcase_add_test(t, trusted_time);
	tcase_add_test(t, unsigned_and_ahead);
	tcase_add_test(t, old_head);
	tcase_add_test(t, restart);
	tcase_add_test(t, pool);
	tcase_add_test(t, sink_fails);
	tcase_add_test(t, sink_is_full);
	tcase_add_test(t, big_blocks);
	tcase_add_test(t, thread);
	tcase_add_test(t, thread_kick);
	return t;
}
