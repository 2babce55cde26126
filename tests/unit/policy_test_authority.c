/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may decide: delegations, ends, what is opaque or foreign. */
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

START_TEST(stranger)
{
	add_simple(&w, STRANGER, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, STRANGER, EVENT_EXCLUDE, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(representative)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
	add_by(&w, REP, via, EVENT_EXCLUDE, 2);
	want(&w, POLICY_EXCLUDED);
	add_simple(&w, PATIENT, EVENT_REINSTATE, 1);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	add_by(&w, REP, via, EVENT_REINSTATE, 3);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(representative_of_another)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP2, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
	add_by(&w, REP, set_id(8), EVENT_GRANT, 1); /* unknown */
	want(&w, POLICY_DELEGATION);
	add_simple(&w, REP, EVENT_GRANT, 2); /* names none */
	want(&w, POLICY_DELEGATION);
}
END_TEST

/* Only the patient delegates: a representative cannot pass it on. */
START_TEST(delegation_by_another)
{
	struct event_delegation d = { .representative = key(REP2),
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	struct policy_source s = {
		.id = { { 200 } }, .signer = key(REP), .order = 1, .final = true
	};
	struct pubkey patient = key(PATIENT);

	w.next_order = 10;
	ck_assert_int_eq(policy_add_delegation(w.b, &s, &patient, &d), ERR_OK);
	add_by(&w, REP2, s.id, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

/* One patient's delegation says nothing about another's records. */
START_TEST(delegation_for_another_patient)
{
	struct event_delegation d = { .representative = key(REP),
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	struct policy_source s = {
		.id = { { 200 } }, .signer = key(7), .order = 1, .final = true
	};
	struct pubkey other = key(7);

	w.next_order = 10;
	ck_assert_int_eq(policy_add_delegation(w.b, &s, &other, &d), ERR_OK);
	add_by(&w, REP, s.id, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

/* Nor does a delegation that the patient signed about somebody else. */
START_TEST(delegation_about_another)
{
	struct event_delegation d = { .representative = key(REP),
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	struct policy_source s = { .id = { { 200 } },
		.signer = key(PATIENT),
		.order = 1,
		.final = true };
	struct pubkey other = key(7);

	w.next_order = 10;
	ck_assert_int_eq(policy_add_delegation(w.b, &s, &other, &d), ERR_OK);
	add_by(&w, REP, s.id, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_pending_with_low_order)
{
	struct event_delegation d = { .representative = key(REP),
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	struct policy_source s = {
		.id = { { 200 } }, .signer = key(PATIENT), .order = 1
	};
	struct pubkey patient = key(PATIENT);

	w.next_order = 10;
	ck_assert_int_eq(policy_add_delegation(w.b, &s, &patient, &d), ERR_OK);
	add_by(&w, REP, s.id, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_not_final)
{
	struct event_id via;

	w.pending = true;
	via = delegate(&w, REP, NULL);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_foreign)
{
	struct event_id via;

	w.foreign = true;
	via = delegate(&w, REP, NULL);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_later_than_decision)
{
	struct event_id via;

	w.order = 50;
	via = delegate(&w, REP, NULL);
	w.order = 49;
	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_powers)
{
	struct event_delegation d = { .powers = EVENT_POWER_VIEW |
		    EVENT_POWER_EXPORT | EVENT_POWER_NOTICES,
		.scope = { .all = true } };
	struct event_id via = delegate(&w, REP, &d);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

static const struct {
	int64_t block_time;
	bool live;
} moments[] = { { 999, false }, { 1000, true }, { 1999, true },
	{ 2000, false } };

START_TEST(delegation_period)
{
	struct event_delegation d = { .powers = EVENT_POWER_DECIDE,
		.scope = { .all = true },
		.from = 1000,
		.until = 2000 };
	struct event_id via = delegate(&w, REP, &d);

	w.block_time = moments[_i].block_time;
	add_by(&w, REP, via, EVENT_GRANT, 1);
	/* what was decided in time stays after the delegation has run out */
	want(&w, moments[_i].live ? POLICY_GRANTED : POLICY_DELEGATION);
}
END_TEST

START_TEST(delegation_scope)
{
	struct event_delegation d = { .powers = EVENT_POWER_DECIDE,
		.scope = { .types = { 1, { "img" } } } };
	struct policy_query q = query();
	struct event_document_set about;
	struct event_id via = delegate(&w, REP, &d);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	want_q(&w, &q, POLICY_DELEGATION);
	about = *q.about;
	about.type_code = "img";
	q.about = &about;
	want_q(&w, &q, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 1);
	add_by(&w, REP, via, EVENT_REINSTATE, 2);
	want_q(&w, &q, POLICY_GRANTED);
	want(&w, POLICY_EXCLUDED);
}
END_TEST

START_TEST(narrowing_without_delegation)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_by(&w, REP, set_id(8), EVENT_REVOKE, 1); /* unknown here */
	want(&w, POLICY_GRANTED);                    /* or anybody could deny */
	add_by(&w, REP, delegate(&w, REP, NULL), EVENT_REVOKE, 2);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(ended_before_decision)
{
	struct event_id via = delegate(&w, REP, NULL);

	end(&w, PATIENT, via, true);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(ended_after_decision)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	end(&w, PATIENT, via, true);
	want(&w, POLICY_GRANTED);
	w.pending = true; /* counts from first sight */
	end(&w, PATIENT, via, false);
	want(&w, POLICY_DELEGATION);
}
END_TEST

/* Which of them comes first is known when both are final. */
START_TEST(end_not_final_stops_no_refusal)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	w.pending = _i == 0;
	end(&w, PATIENT, via, true);
	want(&w, POLICY_GRANTED);
	w.pending = true;
	add_by(&w, REP, via, EVENT_REVOKE, 2);
	want(&w, _i == 0 ? POLICY_REVOKED : POLICY_GRANTED);
}
END_TEST

/* Ended twice: whoever said that all ends is heard, in either order. */
START_TEST(ended_twice)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct event_id via2 = delegate(&w, REP2, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	end(&w, PATIENT, via, _i == 0);
	end(&w, PATIENT, via, _i != 0);
	want(&w, POLICY_DELEGATION);
	add_by(&w, REP2, via2, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
}
END_TEST

/* It does not uncover an older grant. */
START_TEST(ended_uncovers_nothing)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	end(&w, PATIENT, via, false);
	want(&w, POLICY_DELEGATION);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(end_by_another)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	end(&w, STRANGER, via, false);
	end(&w, REP, via, false);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(end_not_understood)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	w.foreign = true;
	end(&w, PATIENT, via, true);
	want(&w, POLICY_DELEGATION);
}
END_TEST

START_TEST(end_of_group_decision)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct event_id via = delegate(&w, REP, NULL), id;

	d.party = EVENT_ANYONE;
	d.has_delegation = true;
	d.delegation = via;
	id = add(&w, REP, &d);
	want(&w, POLICY_GRANTED);
	end(&w, STRANGER, id, false);
	want(&w, POLICY_GRANTED);
	end(&w, REP, id, true); /* by its own signer */
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(end_lifts_no_narrowing)
{
	struct event_decision d = DECISION(EVENT_EXCLUDE, 1);
	struct event_id id;

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.party = EVENT_ANYONE;
	id = add(&w, PATIENT, &d);
	end(&w, PATIENT, id, false);
	want(&w, POLICY_EXCLUDED);
	d.effect = EVENT_REINSTATE;
	d.n = 2;
	id = add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
	end(&w, PATIENT, id, false); /* and takes a reinstatement back */
	want(&w, POLICY_EXCLUDED);
}
END_TEST

START_TEST(opaque)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct pubkey patient = key(PATIENT), rep = key(REP), other = key(8);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	ck_assert_int_eq(policy_add_opaque(w.b, &rep, &other), ERR_OK);
	ck_assert_int_eq(policy_add_opaque(w.b, &other, &patient), ERR_OK);
	want(&w, POLICY_GRANTED);
	ck_assert_int_eq(policy_add_opaque(w.b, &rep, &patient), ERR_OK);
	want(&w, POLICY_OPAQUE);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
	ck_assert_int_eq(policy_add_opaque(w.b, &patient, &patient), ERR_OK);
	want(&w, POLICY_OPAQUE);
}
END_TEST

/* The patient's opaque event may be the end of the delegation. */
START_TEST(opaque_reaches_dependents)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct pubkey patient = key(PATIENT);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	ck_assert_int_eq(policy_add_opaque(w.b, &patient, &patient), ERR_OK);
	want(&w, POLICY_OPAQUE);
}
END_TEST

START_TEST(foreign_grant)
{
	w.foreign = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_OPAQUE);
	add_simple(&w, PATIENT, EVENT_GRANT, 2); /* its number counted */
	want(&w, POLICY_GRANTED);
	w.foreign = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(foreign_narrowing)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.scope = (struct event_scope){ .types = { 1, { "none" } } };
	d.practitioner = "joe";
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
	w.foreign = true;
	d.n = 3;
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(foreign_reinstate)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	w.foreign = true;
	add_simple(&w, PATIENT, EVENT_REINSTATE, 3);
	want(&w, POLICY_EXCLUDED);
}
END_TEST

void
add_authority(Suite *s)
{
	TCase *period = tcase_create("delegation loops");

	CASE("delegation", stranger, representative, representative_of_another,
	    delegation_by_another, delegation_for_another_patient,
	    delegation_about_another, delegation_pending_with_low_order,
	    delegation_not_final, delegation_foreign,
	    delegation_later_than_decision, delegation_powers, delegation_scope,
	    narrowing_without_delegation);
	tcase_add_checked_fixture(period, setup, teardown);
	tcase_add_loop_test(
	    period, delegation_period, 0, (int)ARRAY_LEN(moments));
	tcase_add_loop_test(period, ended_twice, 0, 2);
	tcase_add_loop_test(period, end_not_final_stops_no_refusal, 0, 2);
	suite_add_tcase(s, period);
	CASE("ends", ended_before_decision, ended_after_decision,
	    ended_uncovers_nothing, end_by_another, end_not_understood,
	    end_of_group_decision, end_lifts_no_narrowing);
	CASE("opaque", opaque, opaque_reaches_dependents, foreign_grant,
	    foreign_narrowing, foreign_reinstate);
}
