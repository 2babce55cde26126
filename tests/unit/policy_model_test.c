/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random stories against the reference.  CONSENTFS_MODEL_RUNS says how many,
 * CONSENTFS_MODEL_SEED where to begin: a failure prints the seed of its story,
 * which with one run repeats it.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_model_test.h"

#define RUNS    2000
#define SEED    20261122
#define QUERIES 10

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

/* ---- the story told to the real thing ---- */

static void
tell(struct policy_builder *b, const struct ev *e, bool early)
{
	struct policy_source src = e->src;
	enum err err = ERR_OK;

	if (early) {
		src.final = false;
		src.order += PENDING_ORDER;
	}
	if (e->kind == DECIDES)
		err = policy_add_decision(b, &src, &e->patient, &e->d);
	else if (e->kind == DELEGATES)
		err = policy_add_delegation(b, &src, &e->patient, &e->g);
	else if (e->kind == ENDS && !early)
		err = policy_add_end(b, &src, &e->ended, e->keep);
	else if (e->kind == IS_OPAQUE)
		err = policy_add_opaque(b, &src.signer, &e->patient);
	else if (e->kind == JOINS)
		err = policy_add_member(b, &e->joins, e->group);
	ck_assert_int_eq(err, ERR_OK);
}

/* Tell the events ${from}..${to} in the order ${order}. */
static void
tell_all(struct policy_builder *b, const struct story *s, const size_t *order,
    size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct ev *e = &s->ev[order ? order[i] : i];

		if (e->repeated && e->src.order % 2)
			tell(b, e, true);
		tell(b, e, false);
		if (e->repeated && e->src.order % 2 == 0)
			tell(b, e, true);
	}
}

static struct policy *
built(struct policy_builder *b)
{
	struct policy *p = NULL;

	ck_assert_int_eq(policy_build(b, &p), ERR_OK);
	return p;
}

static struct policy *
policy_of(const struct story *s, const size_t *order)
{
	CLEANUP(policy_builder_free) struct policy_builder *b = NULL;

	ck_assert_int_eq(policy_builder_new(&b), ERR_OK);
	tell_all(b, s, order, 0, s->n);
	return built(b);
}

#define HOLDS(what, text)                                                      \
	ck_assert_msg(what,                                                    \
	    "%s; CONSENTFS_MODEL_RUNS=1 "                                      \
	    "CONSENTFS_MODEL_SEED=%" PRIu64,                                   \
	    text, story_seed)

static bool
same(const struct policy_verdict *a, const struct policy_verdict *b)
{
	return a->permit == b->permit && a->why == b->why &&
	    a->until == b->until && ID_EQ(&a->decision, &b->decision);
}

/* ---- properties ---- */

static unsigned long seen_whys[POLICY_DELEGATION + 1];

static void
check_reason(const struct policy_verdict *v, const struct ref_verdict *want)
{
	if (want->n == 0) {
		HOLDS(v->why == POLICY_NO_DECISION, "a reason out of nothing");
		return;
	}
	for (size_t i = 0; i < want->n; i++)
		if (v->why == want->whys[i] &&
		    ID_EQ(&v->decision, &want->ids[i]))
			return;
	HOLDS(false, "a reason that does not hold");
}

/* A permit lasts until it says, as long as nothing happens. */
static void
check_until(const struct story *s, const struct policy_query *q,
    const struct policy_verdict *v)
{
	struct policy_query later = *q;
	struct ref_verdict want;

	HOLDS(v->until == 0 || v->until > q->now, "an end in the past");
	for (later.now = q->now; later.now < 250; later.now++) {
		if (v->until && later.now >= v->until)
			return;
		ref_decide(s, &later, &want);
		HOLDS(want.permit, "a permit ends before it says");
	}
}

static void
check_change(const struct policy *p, const struct policy_query *q,
    const struct policy_verdict *v)
{
	int64_t change = policy_next_change(p, q->now);
	struct policy_query later = *q;
	struct policy_verdict then;

	HOLDS(change == 0 || change > q->now, "a change in the past");
	later.now = change ? change - 1 : q->now + 1000;
	policy_decide(p, &later, &then);
	HOLDS(same(v, &then), "an answer changes before it should");
}

static void
check_equal(const struct story *s)
{
	CLEANUP(policy_free) struct policy *p = policy_of(s, NULL);

	for (unsigned i = 0; i < QUERIES; i++) {
		struct event_document_set about;
		struct policy_verdict v;
		struct ref_verdict want;
		struct policy_query q;
		struct event_id set;

		story_query(&q, &about, &set);
		policy_decide(p, &q, &v);
		ref_decide(s, &q, &want);
		HOLDS(v.permit == want.permit, "another answer");
		HOLDS(v.permit == (v.why == POLICY_GRANTED), "permit and why");
		check_reason(&v, &want);
		if (v.permit)
			check_until(s, &q, &v);
		check_change(p, &q, &v);
		seen_whys[v.why]++;
	}
}

static void
check_same_answers(const struct policy *a, const struct policy *b)
{
	for (unsigned i = 0; i < QUERIES; i++) {
		struct event_document_set about;
		struct policy_verdict x, y;
		struct policy_query q;
		struct event_id set;

		story_query(&q, &about, &set);
		policy_decide(a, &q, &x);
		policy_decide(b, &q, &y);
		HOLDS(same(&x, &y), "the order of adding matters");
	}
}

static void
check_order(const struct story *s)
{
	CLEANUP(policy_free) struct policy *p = policy_of(s, NULL);
	CLEANUP(policy_free) struct policy *other = NULL;
	size_t order[STORY_MAX];

	for (size_t i = 0; i < s->n; i++)
		order[i] = i;
	for (size_t i = s->n - 1; i > 0; i--) {
		size_t k = story_below((unsigned)i + 1), kept = order[i];

		order[i] = order[k];
		order[k] = kept;
	}
	other = policy_of(s, order);
	check_same_answers(p, other);
}

/* Building after a prefix disturbs neither the rest nor the first policy. */
static void
check_prefix(const struct story *s)
{
	CLEANUP(policy_builder_free) struct policy_builder *b = NULL;
	CLEANUP(policy_free) struct policy *all = policy_of(s, NULL);
	CLEANUP(policy_free) struct policy *first = NULL, *rest = NULL;
	CLEANUP(policy_free) struct policy *alone = NULL;
	static struct story prefix;

	prefix = *s;
	prefix.n = story_below((unsigned)s->n + 1);
	for (size_t i = 0; i < prefix.n; i++) { /* scopes point into it */
		if (prefix.ev[i].d.scope.nsets)
			prefix.ev[i].d.scope.sets = &prefix.ev[i].set;
		if (prefix.ev[i].g.scope.nsets)
			prefix.ev[i].g.scope.sets = &prefix.ev[i].set;
	}
	ck_assert_int_eq(policy_builder_new(&b), ERR_OK);
	tell_all(b, s, NULL, 0, prefix.n);
	first = built(b);
	tell_all(b, s, NULL, prefix.n, s->n);
	rest = built(b);
	policy_builder_free(TAKE(b));
	check_same_answers(all, rest);
	alone = policy_of(&prefix, NULL);
	check_same_answers(first, alone);
}

/* Whether the newest event, of the widest scope, concerns the query. */
static bool
hits(const struct story *s, const struct policy_query *q)
{
	const struct ev *e = &s->ev[s->n - 1];

	return ID_EQ(&e->patient, &q->patient) && e->d.scope.all &&
	    !e->d.scope.nsets && !e->d.scope.types.n && !e->d.scope.classes.n &&
	    !e->d.scope.authors.n && !e->d.scope.without.n &&
	    !e->d.scope.has_confidentiality && !e->d.scope.has_period &&
	    e->d.practitioner == NULL &&
	    (e->d.party == EVENT_ANYONE ||
		(e->d.party == EVENT_INSTITUTION &&
		    ID_EQ(&e->d.institution, &q->institution))) &&
	    (e->d.effect == EVENT_EXCLUDE || q->right == EVENT_RIGHT_READ);
}

static void
check_narrowing(struct story *s)
{
	CLEANUP(policy_free) struct policy *before = policy_of(s, NULL);
	CLEANUP(policy_free) struct policy *after = NULL;
	bool truthful = story_chance(50);

	story_narrow(s, before, truthful);
	after = policy_of(s, NULL);
	for (unsigned i = 0; i < QUERIES; i++) {
		struct event_document_set about;
		struct policy_verdict x, y;
		struct policy_query q;
		struct event_id set;

		story_query(&q, &about, &set);
		policy_decide(before, &q, &x);
		policy_decide(after, &q, &y);
		HOLDS(x.permit || !y.permit, "narrowing has widened");
		if (truthful && hits(s, &q))
			HOLDS(!y.permit, "narrowing has no effect");
	}
	s->n--;
}

static void
run(void (*check)(struct story *s))
{
	uint64_t runs = setting("CONSENTFS_MODEL_RUNS", RUNS);
	uint64_t seed = setting("CONSENTFS_MODEL_SEED", SEED);
	static struct story s;

	for (uint64_t i = 0; i < runs; i++) {
		story_random(&s, seed + i);
		check(&s);
	}
}

static void
check_all(struct story *s)
{
	check_equal(s);
	check_order(s);
	check_prefix(s);
}

START_TEST(equals_reference)
{
	run(check_all);
	if (setting("CONSENTFS_MODEL_RUNS", RUNS) < RUNS)
		return;
	for (int i = 0; i <= POLICY_DELEGATION; i++) {
		printf("%7lu  %s\n", seen_whys[i], policy_why_texts[i]);
		ck_assert_uint_gt(seen_whys[i], 50); /* or we test nothing */
	}
}
END_TEST

START_TEST(narrowing_narrows)
{
	run(check_narrowing);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy model");
	TCase *tc = tcase_create("random stories");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, equals_reference);
	tcase_add_test(tc, narrowing_narrows);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
