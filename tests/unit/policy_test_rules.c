/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One signer's decisions: rights, purposes, practitioners, time, exclusions. */
#include "policy_test.h"

static struct world w;

static void
setup(void)
{
	world_open(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

/* ---- basics ---- */

START_TEST(nothing_denies)
{
	struct policy_query q = query();
	struct policy_verdict v = ask(&w, &q);
	struct event_id zero = { { 0 } };

	ck_assert_int_eq(v.why, POLICY_NO_DECISION);
	ck_assert(ID_EQ(&v.decision, &zero));
	q.patient = key(PATIENT + 1);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want_q(&w, &q, POLICY_NO_DECISION);
}
END_TEST

START_TEST(grant_permits)
{
	struct event_id id = add_simple(&w, PATIENT, EVENT_GRANT, 1);
	struct policy_query q = query();
	struct policy_verdict v = ask(&w, &q);

	ck_assert(v.permit && v.until == 0 && ID_EQ(&v.decision, &id));
	q.institution = inst(OTHER);
	want_q(&w, &q, POLICY_NO_DECISION);
}
END_TEST

START_TEST(refuse_then_grant)
{
	add_simple(&w, PATIENT, EVENT_REFUSE, 1);
	want(&w, POLICY_REFUSED);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(revoke_ends_read_only)
{
	struct policy_query q = query();
	struct policy_verdict v;
	struct event_id id;

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	id = add_simple(&w, PATIENT, EVENT_REVOKE, 2);
	v = ask(&w, &q);
	ck_assert(v.why == POLICY_REVOKED && ID_EQ(&v.decision, &id));
	q.right = EVENT_RIGHT_LIST;
	want_q(&w, &q, POLICY_GRANTED);
}
END_TEST

START_TEST(refuse_gives_no_list)
{
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_REFUSE, 1);
	q.right = EVENT_RIGHT_LIST;
	want_q(&w, &q, POLICY_NO_DECISION);
}
END_TEST

START_TEST(rights)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.rights = EVENT_RIGHT_LIST;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_RIGHT);
	q.right = EVENT_RIGHT_LIST;
	want_q(&w, &q, POLICY_GRANTED);
	q.right = (enum event_right)BOTH;
	want_q(&w, &q, POLICY_RIGHT);
}
END_TEST

START_TEST(list_grant_keeps_read_grant)
{
	struct event_decision d = DECISION(EVENT_GRANT, 2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.rights = EVENT_RIGHT_LIST;
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(purposes)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.purposes.n = 2;
	d.purposes.v[0] = "HPAYMT";
	d.purposes.v[1] = "ETREAT";
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_NO_DECISION);
	q.purpose = NULL;
	want_q(&w, &q, POLICY_NO_DECISION);
	q.purpose = "ETREAT";
	want_q(&w, &q, POLICY_GRANTED);
}
END_TEST

/* A purpose is what the asker says: narrowing does not rest on it. */
START_TEST(purposes_of_narrowing)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.purposes.n = 1;
	d.purposes.v[0] = "HRESCH";
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(practitioner_of_grant)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.practitioner = "joe";
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_NO_DECISION);
	q.practitioner = NULL;
	want_q(&w, &q, POLICY_NO_DECISION);
	q.practitioner = "joe";
	want_q(&w, &q, POLICY_GRANTED);
}
END_TEST

START_TEST(practitioner_of_exclusion)
{
	struct event_decision d = DECISION(EVENT_EXCLUDE, 2);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.practitioner = "joe";
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_GRANTED);
	q.practitioner = NULL;
	want_q(&w, &q, POLICY_GRANTED);
	q.practitioner = "joe";
	want_q(&w, &q, POLICY_EXCLUDED);
}
END_TEST

/* ---- time ---- */

START_TEST(expiry)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.until = 600000;
	add(&w, PATIENT, &d);
	ck_assert_int_eq(ask(&w, &q).until, 600000);
	q.now = 599999;
	want_q(&w, &q, POLICY_GRANTED);
	q.now = 600000;
	want_q(&w, &q, POLICY_EXPIRED);
}
END_TEST

START_TEST(expired_uncovers_nothing)
{
	struct event_decision d = DECISION(EVENT_GRANT, 2);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.until = 600000;
	add(&w, PATIENT, &d);
	ck_assert_int_eq(ask(&w, &q).until, 600000);
	q.now = 600000;
	want_q(&w, &q, POLICY_EXPIRED);
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want_q(&w, &q, POLICY_GRANTED);
	ck_assert_int_eq(ask(&w, &q).until, 0);
}
END_TEST

START_TEST(expired_covers_its_scope_only)
{
	struct event_decision d = DECISION(EVENT_GRANT, 2);
	struct event_id set = set_id(2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.until = 5;
	d.scope = (struct event_scope){ .nsets = 1, .sets = &set };
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(not_yet)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.from = 600000;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_NOT_YET);
	q.now = 600000;
	want_q(&w, &q, POLICY_GRANTED);
}
END_TEST

START_TEST(future_takes_nothing_away)
{
	struct event_decision d = DECISION(EVENT_GRANT, 2);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.from = 600000;
	d.until = 700000;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_GRANTED);
	ck_assert_int_eq(ask(&w, &q).until, 600000); /* ask again then */
	q.now = 600000;
	ck_assert_int_eq(ask(&w, &q).until, 700000);
	q.now = 700000;
	want_q(&w, &q, POLICY_EXPIRED);
}
END_TEST

/* Of another signer's, the end counts: the grant that decides stays. */
START_TEST(future_of_another)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct event_id via = delegate(&w, REP, NULL);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.has_delegation = true;
	d.delegation = via;
	d.from = 600000;
	d.until = 700000;
	add(&w, REP, &d);
	ck_assert_int_eq(ask(&w, &q).until, 700000);
}
END_TEST

/* A later grant of the stream may know less than the one that decides now. */
START_TEST(future_replaces)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	struct event_id via = delegate(&w, REP, NULL);

	w.pending = true;
	add_by(&w, REP, via, EVENT_REFUSE, 1);
	d.nseen = 1;
	d.seen[0].signer = key(REP);
	d.seen[0].n = 1;
	add(&w, PATIENT, &d);
	d = DECISION(EVENT_GRANT, 2);
	d.from = 600000;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_GRANTED);
	ck_assert_int_eq(ask(&w, &q).until, 600000);
	q.now = 600000;
	want_q(&w, &q, POLICY_REFUSED);
}
END_TEST

/* Ended before it began: it denies from its beginning, as an expired one. */
START_TEST(void_future)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();
	struct event_id id;

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.party = EVENT_ANYONE;
	d.from = 600000;
	id = add(&w, PATIENT, &d);
	ck_assert_int_eq(ask(&w, &q).until, 0);
	end(&w, PATIENT, id, false);
	ck_assert_int_eq(ask(&w, &q).until, 600000);
	want_q(&w, &q, POLICY_GRANTED);
	q.now = 600000;
	want_q(&w, &q, POLICY_REVOKED);
}
END_TEST

START_TEST(narrowing_has_no_end)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.until = 5;
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(next_change)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy *p;

	d.from = 10;
	d.until = 20;
	add(&w, PATIENT, &d);
	d.n = 2;
	d.from = 15;
	d.until = 0;
	add(&w, PATIENT, &d);
	w.pending = true;
	d.n = 3;
	d.from = 12;
	add(&w, PATIENT, &d);
	p = build(&w);
	ck_assert_int_eq(policy_next_change(p, 0), 10);
	ck_assert_int_eq(policy_next_change(p, 9), 10);
	ck_assert_int_eq(policy_next_change(p, 10), 15);
	ck_assert_int_eq(policy_next_change(p, 15), 20);
	ck_assert_int_eq(policy_next_change(p, 20), 0);
	policy_free(p);
}
END_TEST

/* ---- exclusions ---- */

START_TEST(exclusion)
{
	struct event_decision d = DECISION(EVENT_EXCLUDE, 2);
	struct event_id set = set_id(1);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.scope = (struct event_scope){ .nsets = 1, .sets = &set };
	add(&w, PATIENT, &d);
	add_simple(&w, PATIENT, EVENT_GRANT, 3); /* does not help */
	want_q(&w, &q, POLICY_EXCLUDED);
	q.right = EVENT_RIGHT_LIST;
	want_q(&w, &q, POLICY_EXCLUDED);
	set = set_id(2);
	q.set = &set;
	want_q(&w, &q, POLICY_GRANTED);
}
END_TEST

START_TEST(reinstate_restores)
{
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	add_simple(&w, PATIENT, EVENT_REINSTATE, 3);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_REVOKE, 4);
	want(&w, POLICY_REVOKED);
	q.right = EVENT_RIGHT_LIST;
	want_q(&w, &q, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 5);
	want_q(&w, &q, POLICY_EXCLUDED);
}
END_TEST

START_TEST(reinstate_alone_gives_nothing)
{
	add_simple(&w, PATIENT, EVENT_REINSTATE, 1);
	want(&w, POLICY_NO_DECISION);
}
END_TEST

START_TEST(reinstate_must_cover)
{
	struct event_decision d = DECISION(EVENT_REINSTATE, 3);
	struct event_id set = set_id(2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	d.scope = (struct event_scope){ .nsets = 1, .sets = &set };
	add(&w, PATIENT, &d);
	want(&w, POLICY_EXCLUDED);
	set = set_id(1);
	d.n = 4;
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(reinstate_must_be_final)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REINSTATE, 3);
	want(&w, POLICY_EXCLUDED);
}
END_TEST

START_TEST(reinstate_with_dates)
{
	struct event_decision d = DECISION(EVENT_REINSTATE, 3);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	d.from = 600000;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_EXCLUDED);
	q.now = 600000;
	want_q(&w, &q, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 4);
	d.n = 5;
	d.until = 900000;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_EXCLUDED);
}
END_TEST

void
add_rules(Suite *s)
{
	CASE("basics", nothing_denies, grant_permits, refuse_then_grant,
	    revoke_ends_read_only, refuse_gives_no_list, rights,
	    list_grant_keeps_read_grant, purposes, purposes_of_narrowing,
	    practitioner_of_grant, practitioner_of_exclusion);
	CASE("time", expiry, expired_uncovers_nothing,
	    expired_covers_its_scope_only, not_yet, future_takes_nothing_away,
	    future_of_another, future_replaces, void_future,
	    narrowing_has_no_end, next_change);
	CASE("exclusions", exclusion, reinstate_restores,
	    reinstate_alone_gives_nothing, reinstate_must_cover,
	    reinstate_must_be_final, reinstate_with_dates);
}
