/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper without a mount: what was opened, beats, the list of mounts. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "keeper/keeper_internal.h"

#define MODEL 4096

static struct keeper *k;

static void
setup(void)
{
	ck_assert_int_eq(keeper_new("/nowhere", &k), ERR_OK);
}

static void
teardown(void)
{
	keeper_free(k);
}

/* Say whether the keeper would drop the pages of ${ino}: it reads only blocks
 * that are marked. */
static bool
is_kept(uint64_t ino)
{
	for (uint32_t i = 0; i < KEEPER_SLOTS; i++)
		if (k->shared->used[i / KEEPER_BLOCK] &&
		    k->shared->ino[i] == ino)
			return true;
	return false;
}

static uint32_t
count_kept(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < KEEPER_SLOTS; i++)
		n += k->shared->ino[i] != 0;
	return n;
}

START_TEST(opened_and_forgotten)
{
	/* numbers side by side share their places, so rows move */
	static bool model[MODEL];
	unsigned seed = 11;
	uint32_t want = 0;

	memset(model, 0, sizeof(model));
	for (int i = 0; i < 40000; i++) {
		uint64_t n = (uint64_t)rand_r(&seed) % MODEL;
		uint64_t ino = (n << 44 | n) + 2;

		if (rand_r(&seed) % 2) {
			ck_assert_int_eq(keeper_opened(k, ino), ERR_OK);
			model[n] = true;
		} else {
			keeper_forgot(k, ino);
			model[n] = false;
		}
	}
	for (uint64_t n = 0; n < MODEL; n++)
		want += model[n];
	ck_assert_uint_eq(count_kept(), want);
	ck_assert_uint_eq(k->n, want);
	for (uint64_t n = 0; n < MODEL; n += 61)
		ck_assert(is_kept((n << 44 | n) + 2) == model[n]);
}
END_TEST

START_TEST(full)
{
	uint64_t ino = 2;

	for (uint32_t i = 0; i < KEEPER_SLOTS / 4 * 3; i++)
		ck_assert_int_eq(keeper_opened(k, ino++), ERR_OK);
	ck_assert_int_eq(keeper_opened(k, ino), ERR_NOMEM);
	ck_assert_int_eq(keeper_opened(k, 2), ERR_OK); /* is there */
	keeper_forgot(k, 2);
	ck_assert_int_eq(keeper_opened(k, ino), ERR_OK);
}
END_TEST

START_TEST(pulse)
{
	struct keeper_pulse p = { 0 };

	for (uint32_t i = 0; i < 5; i++) { /* it moves */
		ck_assert(!keeper_pulse_lost(&p, i, 1, 3));
		clock_sleep_ms(5);
	}
	/* we ourselves did not run: that counts once */
	clock_sleep_ms(50);
	ck_assert(!keeper_pulse_lost(&p, 4, 5, 3));
	ck_assert(!keeper_pulse_lost(&p, 4, 1000, 3)); /* too soon */
	clock_sleep_ms(10);
	ck_assert(!keeper_pulse_lost(&p, 4, 5, 3));
	clock_sleep_ms(10);
	ck_assert(keeper_pulse_lost(&p, 4, 5, 3));
	ck_assert(!keeper_pulse_lost(&p, 5, 5, 3));
}
END_TEST

START_TEST(list_of_mounts)
{
	static const char place[] = "/proc";
	struct keeper_mount m;

	ck_assert_int_eq(keeper_find_mount(place, NULL, &m), ERR_OK);
	ck_assert_str_eq(m.at, place);
	ck_assert(!m.ours);
	free(m.at);
	free(m.source);
	ck_assert_int_eq(keeper_find_mount("/nowhere", NULL, &m), ERR_NOTFOUND);
	ck_assert_int_eq(
	    keeper_find_mount(NULL, keeper_source(k), &m), ERR_NOTFOUND);
	ck_assert_int_eq(keeper_lock(place), ERR_NOTFOUND);
	ck_assert_int_eq(keeper_lock("/nowhere/at all"), ERR_NOTFOUND);
	ck_assert_int_eq(keeper_lock("."), ERR_NOTFOUND);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keeper");
	TCase *c = tcase_create("keeper");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, opened_and_forgotten);
	tcase_add_test(c, full);
	tcase_add_test(c, pulse);
	tcase_add_test(c, list_of_mounts);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
