/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which sets a scope covers, and which institutions a party. */
#include "base/text.h"
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

static const struct {
	struct event_scope scope;
	bool covers, unknown_covers;
} scopes[] = {
	{ { .types = { 2, { "img", "lab" } } }, true, false },
	{ { .types = { 1, { "img" } } }, false, false },
	{ { .classes = { 1, { "note" } } }, true, false },
	{ { .classes = { 1, { "other" } } }, false, false },
	{ { .authors = { 1, { "Dr. Who" } } }, true, false },
	{ { .authors = { 1, { "Dr. No" } } }, false, false },
	{ { .has_confidentiality = true, .confidentiality = EVENT_N }, false,
	    false },
	{ { .has_confidentiality = true, .confidentiality = EVENT_R }, true,
	    false },
	{ { .has_confidentiality = true, .confidentiality = EVENT_V }, true,
	    false },
	{ { .without = { 1, { "PSY" } } }, true, false },
	{ { .without = { 2, { "PSY", "HIV" } } }, false, false },
	{ { .all = true, .without = { 1, { "HIV" } } }, false, false },
	{ { .all = true, .types = { 1, { "lab" } } }, true, false },
	{ { .types = { 1, { "lab" } }, .classes = { 1, { "x" } } }, false,
	    false },
	{ { .has_period = true, .period = { 2000, 3000 } }, true, false },
	{ { .has_period = true, .period = { 2001, 3000 } }, false, false },
	{ { .has_period = true, .period = { 1, 1000 } }, true, false },
	{ { .has_period = true, .period = { 1, 999 } }, false, false },
	{ { .has_period = true, .period = { 0, 1500 } }, true, false },
	{ { .has_period = true, .period = { 1500, 0 } }, true, false },
	{ { .all = true }, true, true },
};

/* The same coverage for a grant and for a revocation of a wider grant. */
START_TEST(scope)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.scope = scopes[_i].scope;
	add(&w, PATIENT, &d);
	ck_assert(ask(&w, &q).permit == scopes[_i].covers);
	q.about = NULL;
	ck_assert(ask(&w, &q).permit == scopes[_i].unknown_covers);
}
END_TEST

START_TEST(scope_of_narrowing)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 2);
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.scope = scopes[_i].scope;
	add(&w, PATIENT, &d);
	ck_assert(ask(&w, &q).permit != scopes[_i].covers);
	q.about = NULL;
	ck_assert(!ask(&w, &q).permit);
}
END_TEST

START_TEST(scope_custodian)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct institution_id custodian = inst(7);
	const char *text = TEXT58(&custodian);

	d.scope = (struct event_scope){ .authors = { 1, { text } } };
	add(&w, PATIENT, &d);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(scope_sets)
{
	struct event_id sets[3] = { set_id(4), set_id(9), set_id(1) };
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.scope = (struct event_scope){ .nsets = 3, .sets = sets };
	add(&w, PATIENT, &d);
	sets[2] = set_id(77); /* content is copied */
	want_q(&w, &q, POLICY_GRANTED);
	q.set = &sets[2];
	want_q(&w, &q, POLICY_NO_DECISION);
	q.set = NULL;
	want_q(&w, &q, POLICY_NO_DECISION);
	d.n = 2;
	d.effect = EVENT_EXCLUDE;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_EXCLUDED);
}
END_TEST

START_TEST(scope_of_nothing)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);

	d.scope.all = false;
	add(&w, PATIENT, &d);
	want(&w, POLICY_NO_DECISION);
	d.n = 2;
	d.effect = EVENT_REFUSE;
	add(&w, PATIENT, &d);
	want(&w, POLICY_REFUSED);
}
END_TEST

START_TEST(scope_period_unknown)
{
	struct event_document_set about;
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	about = *q.about;
	about.period = (struct event_period){ 0, 0 };
	q.about = &about;
	d.scope = (struct event_scope){ .has_period = true,
		.period = { 1, 9000 } };
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_NO_DECISION);
	about.period.start = 9000;
	want_q(&w, &q, POLICY_GRANTED);
	about.period.start = 9001;
	want_q(&w, &q, POLICY_NO_DECISION);
	d.n = 2;
	d.effect = EVENT_REFUSE;
	add(&w, PATIENT, &d);
	want_q(&w, &q, POLICY_NO_DECISION);
	about.period.start = 0;
	want_q(&w, &q, POLICY_REFUSED);
}
END_TEST

/* ---- parties ---- */

START_TEST(groups)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct institution_id clinic = inst(CLINIC);

	d.party = EVENT_GROUP;
	d.group = "gps";
	add(&w, PATIENT, &d);
	want(&w, POLICY_NO_DECISION);
	ck_assert_int_eq(policy_add_member(w.b, &clinic, "hospitals"), ERR_OK);
	want(&w, POLICY_NO_DECISION);
	ck_assert_int_eq(policy_add_member(w.b, &clinic, "gps"), ERR_OK);
	want(&w, POLICY_GRANTED);
}
END_TEST

START_TEST(anyone)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct policy_query q = query();

	d.party = EVENT_ANYONE;
	add(&w, PATIENT, &d);
	q.institution = inst(OTHER);
	want_q(&w, &q, POLICY_GRANTED);
	want(&w, POLICY_GRANTED);
	add_simple(&w, PATIENT, EVENT_REVOKE, 1); /* of CLINIC alone */
	want_q(&w, &q, POLICY_GRANTED);
	want(&w, POLICY_REVOKED);
}
END_TEST

START_TEST(specificity_plays_no_part)
{
	struct event_decision d = DECISION(EVENT_REVOKE, 1);

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	d.party = EVENT_ANYONE;
	add(&w, PATIENT, &d);
	want(&w, POLICY_REVOKED);
	add_simple(&w, PATIENT, EVENT_GRANT, 2);
	want(&w, POLICY_GRANTED);
}
END_TEST

void
add_scope(Suite *s)
{
	TCase *table = tcase_create("scope table");

	tcase_add_checked_fixture(table, setup, teardown);
	tcase_add_loop_test(table, scope, 0, (int)ARRAY_LEN(scopes));
	tcase_add_loop_test(
	    table, scope_of_narrowing, 0, (int)ARRAY_LEN(scopes));
	suite_add_tcase(s, table);
	CASE("scope", scope_custodian, scope_sets, scope_of_nothing,
	    scope_period_unknown);
	CASE("parties", groups, anyone, specificity_plays_no_part);
}
