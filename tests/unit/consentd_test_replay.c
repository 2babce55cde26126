/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/replay.h"
#include "consentd_test.h"

#define NOW 1000000000

static struct {
	struct consentd_replay *r;
	int64_t kept;
	unsigned keeps;
	enum err fail;
} t;

static enum err
keep(void *ctx, int64_t floor)
{
	(void)ctx;
	if (t.fail)
		return t.fail;
	t.kept = floor;
	t.keeps++;
	return ERR_OK;
}

static void
begin(int64_t floor)
{
	const struct consentd_replay_opts o = {
		.floor = floor, .now = NOW, .reserve = keep
	};

	consentd_replay_free(t.r);
	OK(consentd_replay_new(&o, &t.r));
}

static void
up(void)
{
	memset(&t, 0, sizeof(t));
	begin(0);
}

static void
down(void)
{
	consentd_replay_free(t.r);
	t.r = NULL;
}

/* The request ${n} of signer ${who}. */
static enum err
take(unsigned who, uint64_t n, int64_t time, int64_t *floor)
{
	struct consentd_stamp st = { .time = time, .known = who < 100 };
	int64_t ignored;

	memcpy(st.key.b, &who, sizeof(who));
	memcpy(st.nonce, &n, sizeof(n));
	return consentd_replay_take(t.r, &st, NOW, floor ? floor : &ignored);
}

START_TEST(test_once)
{
	OK(take(1, 1, NOW, NULL));
	IS(take(1, 1, NOW, NULL), UNAUTH);
	OK(take(1, 2, NOW, NULL));
	OK(take(2, 1, NOW, NULL)); /* another signer's nonce */
	IS(take(2, 1, NOW + 1, NULL), UNAUTH);
}
END_TEST

START_TEST(test_skew)
{
	int64_t floor = 1;

	OK(take(1, 1, NOW - RMS_SKEW_MS, NULL));
	OK(take(1, 2, NOW + RMS_SKEW_MS, NULL));
	IS(take(1, 3, NOW - RMS_SKEW_MS - 1, &floor), UNAUTH);
	ck_assert_int_eq(floor, 0);
	IS(take(1, 4, NOW + RMS_SKEW_MS + 1, NULL), UNAUTH);
}
END_TEST

START_TEST(test_restart)
{
	int64_t floor = 0;

	OK(take(1, 1, NOW, NULL));
	ck_assert_int_ge(t.kept, NOW);
	begin(t.kept);
	IS(take(1, 1, NOW, &floor), UNAUTH);
	ck_assert_int_eq(floor, t.kept);
	IS(take(1, 2, floor, NULL), UNAUTH);
	OK(take(1, 2, floor + 1, NULL));
}
END_TEST

/* The clock was ten years ahead, and is right again. */
START_TEST(test_floor_of_a_wrong_clock)
{
	struct consentd_stamp st = { .time = NOW + RMS_SKEW_MS + 1 };
	int64_t floor = 0;

	begin(NOW + 10LL * 365 * 86400 * 1000);
	IS(take(1, 1, NOW + RMS_SKEW_MS, &floor), UNAUTH);
	ck_assert_int_eq(floor, NOW + RMS_SKEW_MS);
	OK(consentd_replay_take(t.r, &st, NOW + 1, &floor));
}
END_TEST

START_TEST(test_reserves_ahead)
{
	for (uint64_t i = 0; i < 100; i++)
		OK(take(1, i, NOW + (int64_t)i, NULL));
	ck_assert_uint_eq(t.keeps, 1);
	OK(take(1, 1000, t.kept + 1, NULL));
	ck_assert_uint_eq(t.keeps, 2);
	/* never beyond what a caller may sign */
	OK(take(1, 1001, NOW + RMS_SKEW_MS, NULL));
	ck_assert_int_eq(t.kept, NOW + RMS_SKEW_MS);
}
END_TEST

START_TEST(test_nothing_without_floor)
{
	t.fail = ERR_NOSPACE;
	IS(take(1, 1, NOW, NULL), NOSPACE);
	t.fail = ERR_OK;
	OK(take(1, 1, NOW, NULL));
}
END_TEST

/* What is forgotten can not come again. */
START_TEST(test_bounded)
{
	int64_t floor = 0;

	for (uint64_t i = 0; i < 50000; i++)
		OK(take(1, i, NOW + (int64_t)i / 1000, NULL));
	IS(take(1, 0, NOW, &floor), UNAUTH);
	ck_assert_int_gt(floor, NOW);
	ck_assert_int_lt(floor, NOW + 50);
	IS(take(1, 49999, NOW + 49, NULL), UNAUTH);
	IS(take(1, 49999, NOW + 50, NULL), UNAUTH);
	OK(take(1, 50001, NOW + 50, NULL));
	OK(take(2, 0, NOW, NULL)); /* nobody else pays */
}
END_TEST

START_TEST(test_strangers)
{
	enum err e = ERR_OK;
	unsigned n;

	for (n = 100; e == ERR_OK && n < 10000; n++)
		e = take(n, 1, NOW, NULL);
	ck_assert_int_eq(e, ERR_BUSY);
	ck_assert_uint_lt(n, 5000);
	OK(take(1, 1, NOW, NULL)); /* who is known comes through */
	IS(take(100, 1, NOW, NULL), UNAUTH);
}
END_TEST

TCase *
tcase_replay(void)
{
	TCase *tc = tcase_create("replay");

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, test_once);
	tcase_add_test(tc, test_skew);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_reserves_ahead);
	tcase_add_test(tc, test_floor_of_a_wrong_clock);
	tcase_add_test(tc, test_nothing_without_floor);
	tcase_add_test(tc, test_bounded);
	tcase_add_test(tc, test_strangers);
	return tc;
}
