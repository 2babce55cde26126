/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/text.h"
#include "policy_model_test.h"

/* ---- does it cover? ---- */

static bool
among(const struct event_texts *t, const char *s)
{
	for (size_t i = 0; i < t->n; i++)
		if (s && strcmp(t->v[i], s) == 0)
			return true;
	return false;
}

/* yes, no, or it depends on what is not known */
enum match { NO, YES, UNKNOWN };

static enum match
both(enum match a, enum match b)
{
	if (a == NO || b == NO)
		return NO;
	return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : YES;
}

static enum match
known(const void *what, bool matches)
{
	return what == NULL ? UNKNOWN : matches ? YES : NO;
}

static bool
without_ok(const struct event_scope *s, const struct event_document_set *a)
{
	for (size_t i = 0; i < a->sensitivity.n; i++)
		if (among(&s->without, a->sensitivity.v[i]))
			return false;
	return true;
}

static enum match
period_match(const struct event_scope *s, const struct event_document_set *a)
{
	const struct event_period *w = &s->period;
	int64_t start, end;

	if (a == NULL || (a->period.start == 0 && a->period.end == 0))
		return UNKNOWN;
	start = a->period.start ? a->period.start : INT64_MIN;
	end = a->period.end ? a->period.end : INT64_MAX;
	if (w->start && end < w->start)
		return NO;
	return w->end && start > w->end ? NO : YES;
}

static enum match
scope_match(const struct event_scope *s, const struct policy_query *q)
{
	const struct event_document_set *a = q->about;
	enum match m = UNKNOWN; /* nothing given */
	bool given = s->all;

#define CRITERION(is_given, matches)                                           \
	do {                                                                   \
		if (is_given) {                                                \
			m = both(given ? m : YES, matches);                    \
			given = true;                                          \
		}                                                              \
	} while (0)
	if (s->all)
		m = YES;
	CRITERION(
	    s->nsets, known(q->set, q->set && ID_EQ(q->set, &s->sets[0])));
	CRITERION(s->types.n, known(a, a && among(&s->types, a->type_code)));
	CRITERION(
	    s->classes.n, known(a, a && among(&s->classes, a->class_code)));
	CRITERION(s->authors.n,
	    known(a,
		a &&
		    (among(&s->authors, a->author) ||
			among(&s->authors, TEXT58(&a->custodian)))));
	CRITERION(s->has_confidentiality,
	    known(a, a && a->confidentiality <= s->confidentiality));
	CRITERION(s->without.n, known(a, a && without_ok(s, a)));
	CRITERION(s->has_period, period_match(s, a));
	return m;
}

static bool
person_ok(const char *want, const struct policy_query *q)
{
	return want == NULL ||
	    (q->practitioner && strcmp(want, q->practitioner) == 0);
}

static bool
same_party(const struct event_decision *a, const struct event_decision *b)
{
	if (a->party != b->party)
		return false;
	if (a->party == EVENT_ANYONE)
		return true;
	return a->party == EVENT_GROUP ?
	    strcmp(a->group, b->group) == 0 :
	    ID_EQ(&a->institution, &b->institution);
}

static bool
party_covers(const struct story *s, const struct policy_query *q,
    const struct event_decision *d)
{
	if (d->party == EVENT_ANYONE)
		return true;
	if (d->party == EVENT_INSTITUTION)
		return ID_EQ(&d->institution, &q->institution);
	for (size_t i = 0; i < s->n; i++)
		if (s->ev[i].kind == JOINS &&
		    ID_EQ(&s->ev[i].joins, &q->institution) &&
		    strcmp(s->ev[i].group, d->group) == 0)
			return true;
	return false;
}

/* ---- does it count? ---- */

static bool
narrows(const struct ev *e)
{
	return e->d.effect == EVENT_REFUSE || e->d.effect == EVENT_REVOKE ||
	    e->d.effect == EVENT_EXCLUDE;
}

static bool
by_patient(const struct ev *e)
{
	return ID_EQ(&e->src.signer, &e->patient);
}

static bool
ends_it(const struct ev *end, const struct ev *e)
{
	return end->kind == ENDS && ID_EQ(&end->ended, &e->src.id) &&
	    (ID_EQ(&end->src.signer, &e->patient) ||
		ID_EQ(&end->src.signer, &e->src.signer));
}

static const struct ev *
delegation_of(const struct story *s, const struct ev *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->ev[i].kind == DELEGATES && e->d.has_delegation &&
		    ID_EQ(&s->ev[i].src.id, &e->d.delegation))
			return &s->ev[i];
	return NULL;
}

static bool
authorised(const struct story *s, const struct ev *e)
{
	const struct ev *g = delegation_of(s, e);
	int64_t t = e->src.block_time;

	if (by_patient(e))
		return true;
	if (g == NULL || !by_patient(g) || !ID_EQ(&g->patient, &e->patient))
		return false;
	if (!ID_EQ(&g->g.representative, &e->src.signer) || !g->src.final ||
	    g->src.foreign || !(g->g.powers & EVENT_POWER_DECIDE))
		return false;
	if (t < g->g.from || (g->g.until && t >= g->g.until))
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (ends_it(&s->ev[i], g) &&
		    s->ev[i].src.order < e->src.order &&
		    (s->ev[i].src.final || !narrows(e)))
			return false;
	return g->src.order < e->src.order;
}

static bool
opaque_signer(const struct story *s, const struct pubkey *signer,
    const struct pubkey *patient)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->ev[i].kind == IS_OPAQUE &&
		    ID_EQ(&s->ev[i].src.signer, signer) &&
		    ID_EQ(&s->ev[i].patient, patient))
			return true;
	return false;
}

/* One signer's numbers about one party: ${like} tells which. */
struct numbers {
	bool gap;
	uint64_t doubled, healed;
};

static bool
in_stream(const struct ev *e, const struct ev *like)
{
	return e->kind == DECIDES && ID_EQ(&e->patient, &like->patient) &&
	    ID_EQ(&e->src.signer, &like->src.signer) &&
	    same_party(&e->d, &like->d);
}

static struct numbers
numbers_of(const struct story *s, const struct ev *like)
{
	struct numbers out = { .healed = UINT64_MAX };
	uint64_t highest = 0;

	for (size_t i = 0; i < s->n; i++)
		if (in_stream(&s->ev[i], like) && s->ev[i].d.n > highest)
			highest = s->ev[i].d.n;
	for (uint64_t n = 1; n <= highest; n++) {
		unsigned used = 0;

		for (size_t i = 0; i < s->n; i++)
			used += in_stream(&s->ev[i], like) && s->ev[i].d.n == n;
		out.gap |= used == 0;
		if (used > 1)
			out.doubled = n;
	}
	for (size_t i = 0; i < s->n; i++)
		if (in_stream(&s->ev[i], like) && s->ev[i].d.n > out.doubled &&
		    s->ev[i].src.order < out.healed)
			out.healed = s->ev[i].src.order;
	return out;
}

static enum policy_why
numbers_say(
    const struct story *s, const struct policy_query *q, const struct ev *e)
{
	enum policy_why why = POLICY_GRANTED;

	for (size_t i = 0; i < s->n; i++) {
		const struct ev *o = &s->ev[i];
		struct numbers n;

		if (o->kind != DECIDES || !ID_EQ(&o->patient, &e->patient) ||
		    !ID_EQ(&o->src.signer, &e->src.signer) ||
		    !party_covers(s, q, &o->d))
			continue;
		n = numbers_of(s, o);
		if (n.gap)
			return POLICY_GAP;
		if (n.doubled == 0)
			continue;
		if (in_stream(o, e) ? e->d.n <= n.doubled :
				      e->src.order <= n.healed)
			why = POLICY_DOUBLE;
	}
	return why;
}

/* GRANTED, or why this widening decision, though final, denies. */
static enum policy_why
void_because(
    const struct story *s, const struct policy_query *q, const struct ev *e)
{
	const struct ev *g = by_patient(e) ? NULL : delegation_of(s, e);

	if (e->d.effect == EVENT_GRANT && e->d.until && q->now >= e->d.until)
		return POLICY_EXPIRED;
	if (opaque_signer(s, &e->src.signer, &e->patient) ||
	    (g && opaque_signer(s, &e->patient, &e->patient)))
		return POLICY_OPAQUE;
	for (size_t i = 0; i < s->n; i++)
		if (ends_it(&s->ev[i], e))
			return POLICY_REVOKED;
	for (size_t i = 0; g && i < s->n; i++)
		if (ends_it(&s->ev[i], g) &&
		    (!s->ev[i].keep || s->ev[i].src.foreign))
			return POLICY_DELEGATION;
	return numbers_say(s, q, e);
}

/* ---- the sides ---- */

enum side { NEITHER, HINT, FOR, AGAINST, EXCLUDES, LIFTS };

static enum side
side_of_narrowing(const struct story *s, const struct policy_query *q,
    const struct ev *e, enum policy_why *why)
{
	if (!authorised(s, e))
		return NEITHER;
	if (!e->src.foreign &&
	    (scope_match(&e->d.scope, q) == NO ||
		!person_ok(e->d.practitioner, q)))
		return NEITHER;
	if (e->d.effect == EVENT_EXCLUDE) {
		*why = POLICY_EXCLUDED;
		return EXCLUDES;
	}
	*why = e->d.effect == EVENT_REFUSE ? POLICY_REFUSED : POLICY_REVOKED;
	return q->right == EVENT_RIGHT_READ ? AGAINST : NEITHER;
}

static bool
widening_covers(const struct policy_query *q, const struct ev *e)
{
	return scope_match(&e->d.scope, q) == YES &&
	    person_ok(e->d.practitioner, q) &&
	    (e->d.purposes.n == 0 || among(&e->d.purposes, q->purpose));
}

static bool
within_delegation(
    const struct story *s, const struct policy_query *q, const struct ev *e)
{
	return by_patient(e) ||
	    scope_match(&delegation_of(s, e)->g.scope, q) == YES;
}

static enum side
side_of_grant(const struct story *s, const struct policy_query *q,
    const struct ev *e, enum policy_why *why)
{
	if (!widening_covers(q, e))
		return NEITHER;
	*why = POLICY_RIGHT;
	if (!(e->d.rights & q->right))
		return HINT;
	*why = POLICY_DELEGATION;
	if (!authorised(s, e) || !within_delegation(s, q, e))
		return HINT;
	*why = POLICY_OPAQUE;
	if (e->src.foreign)
		return HINT;
	*why = POLICY_PENDING;
	if (!e->src.final)
		return HINT;
	*why = POLICY_NOT_YET;
	if (q->now < e->d.from)
		return HINT;
	*why = void_because(s, q, e);
	return *why == POLICY_GRANTED ? FOR : AGAINST;
}

static enum side
side_of(const struct story *s, const struct policy_query *q, const struct ev *e,
    enum policy_why *why)
{
	*why = POLICY_NO_DECISION;
	if (e->kind != DECIDES || !ID_EQ(&e->patient, &q->patient) ||
	    !party_covers(s, q, &e->d))
		return NEITHER;
	if (narrows(e))
		return side_of_narrowing(s, q, e, why);
	if (e->d.effect == EVENT_GRANT)
		return side_of_grant(s, q, e, why);
	return widening_covers(q, e) && authorised(s, e) &&
		within_delegation(s, q, e) && e->src.final && !e->src.foreign &&
		q->now >= e->d.from && !e->d.until &&
		void_because(s, q, e) == POLICY_GRANTED ?
	    LIFTS :
	    NEITHER;
}

static bool
knows(const struct ev *a, const struct ev *b)
{
	for (size_t i = 0; i < a->d.nseen; i++)
		if (ID_EQ(&a->d.seen[i].signer, &b->src.signer) &&
		    a->d.seen[i].n >= b->d.n)
			return true;
	return false;
}

/* Does the widening ${a} beat ${b}? */
static bool
beats(const struct ev *a, const struct ev *b)
{
	bool party = same_party(&a->d, &b->d);

	if (party && ID_EQ(&a->src.signer, &b->src.signer))
		return a->d.n > b->d.n;
	if (party && knows(b, a))
		return false; /* both claim it: the denying side */
	if (party && knows(a, b))
		return true;
	if (narrows(b) && !b->src.final)
		return false;
	return a->src.order > b->src.order;
}

static void
note(struct ref_verdict *out, const struct ev *e, enum policy_why why)
{
	out->ids[out->n] = e->src.id;
	out->whys[out->n++] = why;
}

static int
rank(enum policy_why why)
{
	return why == POLICY_PENDING ? 5 :
	    why == POLICY_NOT_YET    ? 4 :
	    why == POLICY_DELEGATION ? 3 :
	    why == POLICY_OPAQUE     ? 2 :
	    why == POLICY_RIGHT      ? 1 :
				       0;
}

/* Exclusions that stand. */
static void
find_exclusions(
    const struct story *s, const enum side *side, struct ref_verdict *out)
{
	for (size_t i = 0; i < s->n; i++) {
		bool lifted = false;

		for (size_t k = 0; k < s->n; k++)
			lifted |= side[k] == LIFTS &&
			    beats(&s->ev[k], &s->ev[i]);
		if (side[i] == EXCLUDES && !lifted)
			note(out, &s->ev[i], POLICY_EXCLUDED);
	}
}

/* Grants that beat all that is against, the highest of their signer. */
static void
find_grants(
    const struct story *s, const enum side *side, struct ref_verdict *out)
{
	for (size_t i = 0; i < s->n; i++) {
		bool stands = side[i] == FOR;

		for (size_t k = 0; k < s->n; k++) {
			if (side[k] == AGAINST && stands)
				stands = beats(&s->ev[i], &s->ev[k]);
			if (side[k] == FOR && in_stream(&s->ev[k], &s->ev[i]) &&
			    s->ev[k].d.n > s->ev[i].d.n)
				stands = false;
		}
		if (stands)
			note(out, &s->ev[i], POLICY_GRANTED);
	}
}

/* What is against, else the best hint. */
static void
find_reasons(const struct story *s, const enum side *side,
    const enum policy_why *why, struct ref_verdict *out)
{
	int best = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (side[i] == AGAINST)
			note(out, &s->ev[i], why[i]);
		if (side[i] == HINT && rank(why[i]) > best)
			best = rank(why[i]);
	}
	if (out->n)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (side[i] == HINT && rank(why[i]) == best)
			note(out, &s->ev[i], why[i]);
}

void
ref_decide(const struct story *s, const struct policy_query *q,
    struct ref_verdict *out)
{
	enum side side[STORY_MAX];
	enum policy_why why[STORY_MAX];

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < s->n; i++)
		side[i] = side_of(s, q, &s->ev[i], &why[i]);
	find_exclusions(s, side, out);
	if (out->n)
		return;
	find_grants(s, side, out);
	out->permit = out->n > 0;
	if (!out->permit)
		find_reasons(s, side, why, out);
}
