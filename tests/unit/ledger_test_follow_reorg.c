/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is not final may be replaced; what is final may not. */
#include "ledger_test_sink.h"

#include <string.h>

#include "base/clock.h"

static void
step_to(uint64_t final, uint64_t newest)
{
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, final);
	ck_assert_uint_eq(head().height, newest);
}

/* Walked back to the common ancestor, and what is new is read once. */
START_TEST(within_depth)
{
	struct tx_id lost, kept;
	unsigned seqs;

	follow(3, true);
	fake_blocks(f, 4);
	lost = block_with_tx();
	step_to(4, 6);
	ck_assert(ID_EQ(&sink.last_pending, &lost));
	seqs = f->seqs;
	step_to(4, 6);
	ck_assert_uint_eq(f->seqs, seqs); /* nothing is fetched again */
	ck_assert_uint_eq(sink.pending, 1);

	fake_cut(f, 5); /* one of two goes */
	kept = block_with_tx();
	fake_blocks(f, 1);
	step_to(5, 7);
	ck_assert_uint_eq(sink.undone, 1);
	ck_assert_uint_eq(sink.pending, 2);
	fake_blocks(f, 1);
	step_to(6, 8);
	ck_assert_uint_eq(sink.txs, 1);
	ck_assert(ID_EQ(&sink.last_tx, &kept));
}
END_TEST

/* What stands above a block that becomes final may mean more then. */
START_TEST(told_again)
{
	struct tx_id five;

	follow(3, true);
	fake_blocks(f, 2);
	(void)block_with_tx();
	five = block_with_tx();
	step_to(3, 5);
	ck_assert_uint_eq(sink.pending, 2);
	fake_blocks(f, 1);
	step_to(4, 6);
	ck_assert_uint_eq(sink.pending, 3);
	ck_assert(ID_EQ(&sink.last_pending, &five));
	step_to(4, 6);
	ck_assert_uint_eq(sink.pending, 3);
}
END_TEST

/* As deep as it may be: all that is not final. */
START_TEST(whole_depth)
{
	follow(3, true);
	fake_blocks(f, 5);
	step_to(4, 6);
	fake_cut(f, 4);
	OK(ledger_follow_step(follower)); /* the node is lower now */
	ck_assert_uint_eq(sink.undone, 1);
	ck_assert_uint_eq(sink.height, 4);
	fake_blocks(f, 3);
	step_to(5, 7);
	ck_assert_uint_eq(sink.undone, 1);
}
END_TEST

START_TEST(deeper_than_final)
{
	CLEANUP_JS json_t *four = NULL, *five = NULL, *six = NULL;

	follow(3, true);
	fake_blocks(f, 5);
	step_to(4, 6);
	four = json_incref(fake_at(f, 4));
	five = json_incref(fake_at(f, 5));
	six = json_incref(fake_at(f, 6));
	fake_cut(f, 3);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_ptr_nonnull(strstr(head().why, "below our block 4"));
	ck_assert_uint_eq(head().height, 0);
	fake_blocks(f, 10);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_ptr_nonnull(strstr(head().why, "signed two blocks 4"));
	ck_assert_uint_eq(sink.height, 4); /* the checkpoint stays */
	fake_cut(f, 3);
	json_array_append(f->blocks, four);
	json_array_append(f->blocks, five);
	json_array_append(f->blocks, six);
	step_to(4, 6); /* by itself */
	ck_assert_int_eq(head().error, ERR_OK);
	ck_assert_str_eq(head().why, "");
}
END_TEST

/* Where no generator signs, nobody is named. */
START_TEST(other_chain_unsigned)
{
	follow(3, false);
	fake_blocks(f, 5);
	step_to(4, 6);
	fake_cut(f, 3);
	fake_blocks(f, 3);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_ptr_nonnull(strstr(head().why, "does not hold our block 4"));
}
END_TEST

/* A final block that the sink did not take is given again, once. */
START_TEST(refused_then_taken)
{
	follow(3, true);
	fake_blocks(f, 1);
	step_to(0, 2);
	sink.fail = ERR_NOSPACE;
	fake_blocks(f, 4);
	for (int i = 0; i < 5; i++)
		FAILS(ERR_NOSPACE, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.blocks, 0);
	sink.fail = ERR_OK;
	step_to(4, 6);
	ck_assert_uint_eq(sink.blocks, 4);
}
END_TEST

/* Another process that shares the store took blocks meanwhile. */
START_TEST(position_moves)
{
	follow(3, true);
	fake_blocks(f, 7);
	step_to(6, 8);
	sink.height = 4;
	OK(text58_read(test_text(fake_at(f, 4), "signature"), sink.id.b,
	    sizeof(sink.id.b)));
	step_to(6, 8);
	ck_assert_uint_eq(sink.undone, 0);
}
END_TEST

/* More than is held: fetched again when final, and then checked. */
START_TEST(much_is_held)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id("big");
	static uint8_t value[LEDGER_MAX_VALUE];

	follow(100, true);
	for (unsigned n = 0; n < 99; n++) {
		struct ledger_tx *tx[2];

		for (unsigned i = 0; i < 2; i++) {
			OK(ledger_tx_new(&tx[i]));
			for (char k = 'a'; k < 'e'; k++)
				OK(ledger_tx_binary(tx[i], (char[]){ k, '\0' },
				    value, sizeof(value)));
			tx[i]->timestamp = 2 * n + i;
			OK(ledger_tx_sign(tx[i], id));
		}
		fake_block(f, tx, 2, clock_wall_ms());
		ledger_tx_free(tx[0]);
		ledger_tx_free(tx[1]);
	}
	step_to(1, 100);
	ck_assert_uint_eq(sink.pending, 198);
	ck_assert_uint_eq(sink.undone, 0);
	fake_blocks(f, 30);
	step_to(31, 130);
	ck_assert_uint_eq(sink.txs, 60);
}
END_TEST

/* ---- while catching up old blocks are given together ---- */

#define OLD 7200000

static void
old_blocks(unsigned n)
{
	int64_t at = clock_wall_ms() - OLD;

	while (n-- > 0)
		fake_block(f, NULL, 0, at > f->tip.time ? at : f->tip.time);
}

static void
old_chain(unsigned depth, unsigned n)
{
	json_array_clear(f->blocks);
	memset(&f->tip, 0, sizeof(f->tip));
	old_blocks(n);
	OK(text58_read(test_text(fake_at(f, 1), "signature"), &f->tip.id,
	    sizeof(f->tip.id)));
	seal_chain_make('V', f->tip.id.b, sizeof(f->tip.id.b), &f->chain);
	fake_cut(f, n);
	follow(depth, true);
}

START_TEST(old_ones_together)
{
	old_chain(1, 145);
	step_to(145, 145);
	ck_assert_uint_eq(sink.blocks, 145);
	ck_assert_uint_eq(sink.calls, 2);
	old_blocks(3);
	fake_blocks(f, 2); /* these alone */
	step_to(150, 150);
	ck_assert_uint_eq(sink.blocks, 150);
	ck_assert_uint_eq(sink.calls, 5);
}
END_TEST

/* Right after several were given at once, as deep as it may be, and deeper. */
START_TEST(replaced_after_batch)
{
	old_chain(3, 45);
	step_to(43, 45);
	ck_assert_uint_eq(sink.calls, 1);
	fake_cut(f, 43);
	old_blocks(3);
	step_to(44, 46);
	ck_assert_uint_eq(sink.undone, 1);
	ck_assert_uint_eq(sink.blocks, 44); /* each once */
	fake_cut(f, 43);
	old_blocks(9);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 44);
}
END_TEST

/* Those above a batch that was refused move before it is taken. */
START_TEST(replaced_above_refused_batch)
{
	struct tx_id id;

	old_chain(3, 20);
	sink.fail = ERR_NOSPACE;
	FAILS(ERR_NOSPACE, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.calls, 1);
	fake_cut(f, 15); /* some of them seemed final and were not given */
	old_blocks(3);
	id = block_with_tx();
	sink.fail = ERR_OK;
	step_to(17, 19);
	ck_assert_uint_eq(sink.undone, 1);
	fake_blocks(f, 2);
	step_to(19, 21);
	ck_assert_uint_eq(sink.blocks, 19);
	ck_assert_uint_eq(sink.txs, 1);
	ck_assert(ID_EQ(&sink.last_tx, &id));
}
END_TEST

START_TEST(forged_in_an_answer)
{
	old_chain(1, 20);
	json_object_set_new(fake_at(f, 12), "timestamp", json_integer(1));
	FAILS(ERR_FORGED, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 11); /* up to there they hold */
	ck_assert_uint_eq(sink.calls, 1);
}
END_TEST

/* Another chain that goes on where ours is final is named at once. */
START_TEST(fork_in_an_answer)
{
	CLEANUP_JS json_t *twelve = NULL;

	old_chain(1, 11);
	old_blocks(1);
	twelve = json_incref(fake_at(f, 12));
	fake_cut(f, 10);
	old_blocks(1);
	json_array_append(f->blocks, twelve);
	FAILS(ERR_FORK, ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 11);
}
END_TEST

TCase *
follow_reorg_tests(void)
{
	TCase *t = tcase_create("follow-reorg");

	tcase_add_checked_fixture(t, follow_up, follow_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, within_depth);
	tcase_add_test(t, told_again);
	tcase_add_test(t, whole_depth);
	tcase_add_test(t, deeper_than_final);
	tcase_add_test(t, other_chain_unsigned);
	tcase_add_test(t, refused_then_taken);
	tcase_add_test(t, position_moves);
	tcase_add_test(t, much_is_held);
	tcase_add_test(t, old_ones_together);
	tcase_add_test(t, replaced_after_batch);
	tcase_add_test(t, replaced_above_refused_batch);
	tcase_add_test(t, forged_in_an_answer);
	tcase_add_test(t, fork_in_an_answer);
	return t;
}
