/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is accredited. */
#include "registry_test.h"

static void
setup(void)
{
	world_setup();
}

static void
accredit(const struct event *e)
{
	BLOCK(tx_accredit(RMS, e));
}

static void
see_accredit(enum reader at, enum who sender, const struct event *e)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = tx_accredit(sender, e);

	OK(registry_see(W.reg[at], tx));
}

START_TEST(host_belongs_to_its_institution)
{
	struct event e = event_accredit(&W.a, A_HOST, A_READ);
	struct institution_id id;
	struct registry *r = W.reg[AT_B];

	FAILS(registry_host(r, key_of(A_HOST), 0, &id), ERR_UNKNOWNKEY);
	accredit(&e);
	ck_assert(W.changes[AT_B] & REGISTRY_ACCREDIT);
	OK(registry_host(r, key_of(A_HOST), 0, &id));
	ck_assert(ID_EQ(&id, &W.a));
	FAILS(registry_host(r, key_of(A_READ), 0, &id), ERR_UNKNOWNKEY);
	world_close(AT_B);
	world_open(AT_B);
	OK(registry_host(W.reg[AT_B], key_of(A_HOST), 0, &id));
}
END_TEST

START_TEST(only_the_rms_accredits)
{
	struct event e = event_accredit(&W.a, A_HOST, A_READ);
	struct institution_id id;

	BLOCK(tx_accredit(STRANGER, &e));
	see_accredit(AT_B, STRANGER, &e);
	FAILS(
	    registry_host(W.reg[AT_B], key_of(A_HOST), 0, &id), ERR_UNKNOWNKEY);
	ck_assert_uint_eq(count(AT_B, EVENT_ACCREDIT), 0);
}
END_TEST

START_TEST(dates_count)
{
	struct event e = event_accredit(&W.a, A_HOST, A_READ);
	struct institution_id id;
	struct registry *r = W.reg[AT_B];

	e.u.accredit.hosts[0].from = 1000;
	e.u.accredit.hosts[0].until = 2000;
	accredit(&e);
	FAILS(registry_host(r, key_of(A_HOST), 999, &id), ERR_UNKNOWNKEY);
	OK(registry_host(r, key_of(A_HOST), 1000, &id));
	OK(registry_host(r, key_of(A_HOST), 1999, &id));
	FAILS(registry_host(r, key_of(A_HOST), 2000, &id), ERR_UNKNOWNKEY);
	FAILS(registry_host(r, key_of(A_HOST), 0, &id), ERR_UNKNOWNKEY);
	e.u.accredit.hosts[0].until = 0;
	e.u.accredit.until = W.time + 5;
	accredit(&e);
	OK(registry_host(r, key_of(A_HOST), W.time - 10, &id));
	FAILS(registry_host(r, key_of(A_HOST), 0, &id), ERR_UNKNOWNKEY);
}
END_TEST

START_TEST(newest_accreditation_stands)
{
	struct event e = event_accredit(&W.a, A_HOST, A_READ);
	struct event f = event_accredit(&W.a, STRANGER, A_READ);
	CLEANUP(event_free) struct event *got = NULL;
	struct institution_id id;
	struct registry *r = W.reg[AT_B];
	char name[256];

	registry_institution_name(r, &W.a, name);
	ck_assert_int_eq(name[0], '(');
	FAILS(registry_institution(r, &W.a, &got), ERR_NOTFOUND);
	accredit(&e);
	f.u.accredit.name = "Klinik";
	accredit(&f);
	FAILS(registry_host(r, key_of(A_HOST), 0, &id), ERR_UNKNOWNKEY);
	OK(registry_host(r, key_of(STRANGER), 0, &id));
	OK(registry_institution(r, &W.a, &got));
	ck_assert_str_eq(got->u.accredit.name, "Klinik");
	ck_assert_uint_eq(count_of(AT_B, EVENT_ACCREDIT, NULL, true), 2);
	world_close(AT_B);
	world_open(AT_B);
	registry_institution_name(W.reg[AT_B], &W.a, name);
	ck_assert_str_eq(name, "Klinik");
}
END_TEST

START_TEST(long_name_is_cut_between_characters)
{
	struct event e = event_accredit(&W.a, A_HOST, A_READ);
	char name[512] = "x", out[256];

	for (int i = 0; i < 200; i++)
		strcat(name, "\xc3\xa9");
	e.u.accredit.name = name;
	accredit(&e);
	registry_institution_name(W.reg[AT_B], &W.a, out);
	ck_assert_uint_eq(strlen(out), 255);
	e.u.accredit.name = name + 1;
	accredit(&e);
	registry_institution_name(W.reg[AT_B], &W.a, out);
	ck_assert_uint_eq(strlen(out), 254);
}
END_TEST

START_TEST(newest_reading_key_is_used)
{
	struct event e = event_accredit(&W.b, B_HOST, B_READ);
	struct event_accredit *a = &e.u.accredit;
	struct registry *r = W.reg[AT_A];
	struct pubkey key;

	FAILS(registry_reading_key(r, &W.b, &key), ERR_NOTFOUND);
	accredit(&e);
	OK(registry_reading_key(r, &W.b, &key));
	ck_assert(ID_EQ(&key, key_of(B_READ)));
	a->nreading = 3;
	a->reading[1] = (struct event_reading_key){ *key_of(B_READ2), 2, 0 };
	a->reading[2] = (struct event_reading_key){ *key_of(STRANGER),
		W.time + 1000000, 0 };
	accredit(&e);
	OK(registry_reading_key(r, &W.b, &key));
	ck_assert(ID_EQ(&key, key_of(B_READ2)));
	a->reading[1].until = W.time;
	accredit(&e);
	OK(registry_reading_key(r, &W.b, &key));
	ck_assert(ID_EQ(&key, key_of(B_READ)));
}
END_TEST

START_TEST(pending_accreditation_only_takes_away)
{
	struct event e = event_accredit(&W.b, B_HOST, B_READ);
	struct event_accredit *a = &e.u.accredit;
	struct registry *r = W.reg[AT_A];
	struct institution_id id;
	struct pubkey key;

	accredit(&e);
	a->hosts[0].key = *key_of(STRANGER);
	a->reading[0].key = *key_of(B_READ2);
	see_accredit(AT_A, RMS, &e);
	FAILS(registry_host(r, key_of(B_HOST), 0, &id), ERR_UNKNOWNKEY);
	FAILS(registry_host(r, key_of(STRANGER), 0, &id), ERR_UNKNOWNKEY);
	FAILS(registry_reading_key(r, &W.b, &key), ERR_NOTFOUND);
	world_close(AT_A);
	world_open(AT_A);
	r = W.reg[AT_A];
	FAILS(registry_host(r, key_of(B_HOST), 0, &id), ERR_UNKNOWNKEY);
	/* a newer word of the RMS replaces what never became final */
	a->hosts[0].key = *key_of(B_HOST);
	accredit(&e);
	OK(registry_host(r, key_of(B_HOST), 0, &id));
	OK(registry_reading_key(r, &W.b, &key));
	ck_assert(ID_EQ(&key, key_of(B_READ2)));
}
END_TEST

START_TEST(pending_loss_of_a_group_denies)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event g = event_decision(NULL, 1, EVENT_GRANT);
	struct event e = event_accredit(&W.b, B_HOST, B_READ);

	e.u.accredit.groups = (struct event_texts){ 1, { "oncology" } };
	accredit(&e);
	g.u.decision.party = EVENT_GROUP;
	g.u.decision.group = "oncology";
	seal_event(PATIENT, TO(PATIENT, NOBODY, NOBODY), &g, &s);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
	e.u.accredit.groups.n = 0;
	see_accredit(AT_RMS, RMS, &e);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_NO_DECISION);
}
END_TEST

TCase *
registry_test_roster(void)
{
	TCase *tc = tcase_create("roster");

	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, host_belongs_to_its_institution);
	tcase_add_test(tc, only_the_rms_accredits);
	tcase_add_test(tc, dates_count);
	tcase_add_test(tc, newest_accreditation_stands);
	tcase_add_test(tc, long_name_is_cut_between_characters);
	tcase_add_test(tc, newest_reading_key_is_used);
	tcase_add_test(tc, pending_accreditation_only_takes_away);
	tcase_add_test(tc, pending_loss_of_a_group_denies);
	return tc;
}
