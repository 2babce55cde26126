/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers, finality, and which of two decisions is newer. */
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

START_TEST(gap)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GAP);
	d.party = EVENT_ANYONE; /* another party, the same institution */
	add(&w, PATIENT, &d);
	want(&w, POLICY_GAP);
	add_simple(&w, PATIENT, EVENT_REFUSE, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(gap_at_the_beginning)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GAP);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(gap_elsewhere)
{
	struct event_decision d = DECISION(EVENT_GRANT, 3);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.institution = inst(OTHER);
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
	d.party = EVENT_GROUP; /* of which CLINIC is no member */
	d.group = "gps";
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

/* What is pending, not understood or without effect still bears a number. */
START_TEST(gap_filled_by_any)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_GRANT, 4);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GAP);
	w.foreign = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(gap_before_pending)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GAP);
}
END_TEST

START_TEST(gap_does_not_stop_narrowing)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_REVOKE, 9);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(gap_of_another_signer)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 3);
	want(&w, POLICY_GAP);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(doubled)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_DOUBLE);
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GRANTED);
}
END_TEST

/* The next number governs alone: it does not bring back older grants. */
START_TEST(doubled_healed_by_revocation)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 3);
	struct event_id set = set_id(2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	add_simple(&w, PATIENT, EVENT_EXCLUDE, 2);
	want(&w, POLICY_EXCLUDED);
	add_simple(&w, PATIENT, EVENT_REINSTATE, 3);
	want(&w, POLICY_DOUBLE);
	d.n = 4;
	d.scope = (struct event_scope){ .nsets = 1, .sets = &set };
	add(&w, PATIENT, &d);
	want(&w, POLICY_DOUBLE);
	add_simple(&w, PATIENT, EVENT_GRANT, 5);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(doubled_in_another_party)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);

	d.party = EVENT_ANYONE;
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
	d = DECISION(EVENT_REVOKE, 1);
	d.scope = (struct event_scope){ .types = { 1, { "none" } } };
	add(&w, PATIENT, &d);
	add(&w, PATIENT, &d);
	want(&w, POLICY_DOUBLE);
	d.n = 2;
	add(&w, PATIENT, &d);
	want(&w, POLICY_DOUBLE);
	d = DECISION(EVENT_GRANT, 2);
	d.party = EVENT_ANYONE;
	add(&w, PATIENT, &d); /* after the double was healed */
	want(&w, POLICY_GRANTED);
}
END_TEST

/* The same event twice, first pending, then final, is one event. */
START_TEST(repeat_is_no_double)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct pubkey patient = key(PATIENT);
	struct policy_source s = {
		.id = { { 44 } }, .signer = patient, .order = PENDING_ORDER + 1
	};

	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_OK);
	want(&w, POLICY_PENDING);
	s.order = 7;
	s.final = true;
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_OK);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(pending_grant)
{
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_PENDING);
}
END_TEST

START_TEST(pending_grant_takes_nothing)
{
	struct event_decision d = DECISION(EVENT_GRANT, 2);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.pending = true;
	d.until = 5;
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(pending_revocation)
{
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REVOKE, 2);
	want(&w, POLICY_REVOKED);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_GRANT, 3); /* cannot help yet */
	want(&w, POLICY_REVOKED);
	add_simple(&w, PATIENT, EVENT_GRANT, 4);
	want(&w, POLICY_GRANTED);
}
END_TEST

/* Numbers beat the ledger's order within one signer. */
START_TEST(number_beats_order)
{
	w.order = 50;
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.order = 20;
	add_simple(&w, PATIENT, EVENT_REVOKE, 2);
	want(&w, POLICY_REVOKED);
	w.order = 10;
	add_simple(&w, PATIENT, EVENT_GRANT, 3);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(order_between_signers)
{
	struct event_id via = delegate(&w, REP, NULL);

	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_REVOKE, 1);
	want(&w, POLICY_REVOKED);
	add_by(&w, REP, via, EVENT_GRANT, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

static struct event_decision
seeing(enum event_effect effect, uint64_t n, uint8_t signer, uint64_t seen)
{
	struct event_decision d = DECISION(effect, n);

	d.nseen = 1;
	d.seen[0].signer = key(signer);
	d.seen[0].n = seen;
	return d;
}

/* Pending narrowing stays newest, except for who had seen it. */
START_TEST(seen_beats_pending)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct event_decision d;

	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REFUSE, 1);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	want(&w, POLICY_REFUSED);
	d = seeing(EVENT_GRANT, 2, PATIENT, 1);
	d.has_delegation = true;
	d.delegation = via;
	add(&w, REP, &d);
	want(&w, POLICY_GRANTED);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REFUSE, 2);
	want(&w, POLICY_REFUSED);
}
END_TEST

START_TEST(seen_beats_order)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct event_decision d = seeing(EVENT_REVOKE, 1, REP, 1);

	w.order = 60;
	add_by(&w, REP, via, EVENT_GRANT, 1);
	w.order = 50;
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
	d = seeing(EVENT_GRANT, 2, PATIENT, 1);
	d.has_delegation = true;
	d.delegation = via;
	w.order = 40;
	add(&w, REP, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

/* A signer that claims to have seen the future does not win against who has
 * seen that claim; about its own numbers nobody's claim counts. */
START_TEST(seen_the_future)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct event_decision d = seeing(EVENT_GRANT, 1, PATIENT, 1000);

	d.has_delegation = true;
	d.delegation = via;
	add(&w, REP, &d);
	want(&w, POLICY_GRANTED);
	d = seeing(EVENT_REVOKE, 1, REP, 1);
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
	d = seeing(EVENT_GRANT, 2, PATIENT, 1000);
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_REVOKE, 3);
	want(&w, POLICY_REVOKED);
}
END_TEST

/* Within a stream the highest grant speaks, also where a lower one had seen
 * what the highest had not. */
START_TEST(seen_by_the_highest)
{
	struct event_id via = delegate(&w, REP, NULL);
	struct event_decision d = seeing(EVENT_GRANT, 1, PATIENT, 1);

	d.has_delegation = true;
	d.delegation = via;
	add(&w, REP, &d);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REFUSE, 1);
	want(&w, POLICY_GRANTED);
	add_by(&w, REP, via, EVENT_GRANT, 2);
	want(&w, POLICY_REFUSED);
}
END_TEST

/* Pending is what its flag says, whatever order it came with. */
START_TEST(pending_with_low_order)
{
	struct event_decision d = DECISION(EVENT_REFUSE, 1);
	struct event_id via = delegate(&w, REP, NULL);
	struct pubkey patient = key(PATIENT);
	struct policy_source s = {
		.id = { { 90 } }, .signer = patient, .order = 1
	};

	add_by(&w, REP, via, EVENT_GRANT, 1);
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_OK);
	want(&w, POLICY_REFUSED);
}
END_TEST

/* What was seen of one party says nothing about another. */
START_TEST(seen_is_per_party)
{
	struct event_decision d = seeing(EVENT_GRANT, 1, PATIENT, 9);
	struct event_id via = delegate(&w, REP, NULL);

	d.party = EVENT_ANYONE;
	d.has_delegation = true;
	d.delegation = via;
	add(&w, REP, &d);
	add_simple(&w, PATIENT, EVENT_REVOKE, 1);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(next_n)
{
	struct event_decision party = DECISION(EVENT_GRANT, 1);
	struct pubkey patient = key(PATIENT), rep = key(REP);
	struct policy *p = build(&w);

	ck_assert_uint_eq(policy_next_n(p, &patient, &patient, &party), 1);
	policy_free(p);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.pending = true;
	add_simple(&w, PATIENT, EVENT_REVOKE, 2);
	p = build(&w);
	ck_assert_uint_eq(policy_next_n(p, &patient, &patient, &party), 3);
	ck_assert_uint_eq(policy_next_n(p, &rep, &patient, &party), 1);
	ck_assert_uint_eq(policy_next_n(p, &patient, &rep, &party), 1);
	party.institution = inst(OTHER);
	ck_assert_uint_eq(policy_next_n(p, &patient, &patient, &party), 1);
	party.party = EVENT_GROUP;
	ck_assert_uint_eq(policy_next_n(p, &patient, &patient, &party), 1);
	policy_free(p);
}
END_TEST

START_TEST(seen)
{
	struct event_decision party = DECISION(EVENT_GRANT, 1);
	struct event_id via = delegate(&w, REP, NULL);
	struct pubkey patient = key(PATIENT), rep = key(REP);
	struct event_seen out[4];
	struct policy *p;

	/* strangers, whose keys sort before and after */
	for (uint8_t i = 0; i < 3; i++)
		add_simple(&w, i ? STRANGER + i : 0, EVENT_REFUSE, 1);
	add_by(&w, REP, via, EVENT_GRANT, 1);
	add_by(&w, REP, via, EVENT_GRANT, 2);
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	p = build(&w);
	ck_assert_uint_eq(policy_seen(p, &patient, &party, out, 2), 2);
	ck_assert(ID_EQ(&out[0].signer, &patient) && out[0].n == 1);
	ck_assert(ID_EQ(&out[1].signer, &rep) && out[1].n == 2);
	ck_assert_uint_eq(policy_seen(p, &patient, &party, out, 4), 4);
	party.party = EVENT_ANYONE;
	ck_assert_uint_eq(policy_seen(p, &patient, &party, out, 4), 0);
	policy_free(p);
}
END_TEST

void
add_numbers(Suite *s)
{
	CASE("gaps", gap, gap_at_the_beginning, gap_elsewhere,
	    gap_filled_by_any, gap_before_pending, gap_does_not_stop_narrowing,
	    gap_of_another_signer);
	CASE("doubles", doubled, doubled_healed_by_revocation,
	    doubled_in_another_party, repeat_is_no_double);
	CASE("finality", pending_grant, pending_grant_takes_nothing,
	    pending_revocation);
	CASE("newest", number_beats_order, order_between_signers,
	    seen_beats_pending, seen_beats_order, seen_the_future,
	    seen_is_per_party, seen_by_the_highest, pending_with_low_order);
	CASE("numbering", next_n, seen);
}
