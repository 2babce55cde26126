/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "policy/policy_internal.h"

/*
 * The rules, in one sentence: a query is permitted if no exclusion stands and
 * some grant in force is newer than everything that stands against it, and
 * what stands against it is every covering narrowing decision and every
 * covering grant that is no longer in force.  "Newer" looks at two decisions
 * only (see newer()), so one narrowing decision more can never turn a denial
 * into a permit.
 */

/* What one decision means for one query. */
enum weight {
	WEIGHT_NONE,
	WEIGHT_HINT,     /* only tells why nothing permits */
	WEIGHT_AGAINST,  /* denies until a newer grant */
	WEIGHT_EXCLUDES, /* denies until a newer reinstatement */
	WEIGHT_FOR,      /* a grant in force */
	WEIGHT_LIFTS,    /* a reinstatement in force */
};

/* Walks over the decisions about the patient and the institution. */
struct walk {
	const struct policy *p;
	const struct policy_query *q;
	size_t stream, item;    /* next ones */
	const struct stream *s; /* of the newest item; NULL: none yet */
};

static bool
is_member(
    const struct policy *p, const struct institution_id *id, const char *group)
{
	struct member key = { .institution = *id };

	key.group = (char *)(uintptr_t)group;
	return p->nmembers &&
	    bsearch(&key, p->members, p->nmembers, sizeof(key),
		policy_compare_members);
}

static bool
party_covers(
    const struct policy *p, const struct policy_query *q, const struct fact *f)
{
	switch (f->party) {
	case EVENT_INSTITUTION:
		return ID_EQ(&f->institution, &q->institution);
	case EVENT_GROUP:
		return is_member(p, &q->institution, f->group);
	case EVENT_ANYONE:
		return true;
	}
	return false;
}

static struct walk
walk_start(const struct policy *p, const struct policy_query *q)
{
	return (struct walk){
		.p = p, .q = q, .stream = policy_first_stream(p, &q->patient)
	};
}

static const struct stream *
next_stream(struct walk *w)
{
	while (w->stream < w->p->nstreams) {
		const struct stream *s = &w->p->streams[w->stream++];
		const struct fact *f = policy_head(w->p, s);

		if (!ID_EQ(&f->patient, &w->q->patient))
			return NULL;
		if (party_covers(w->p, w->q, f))
			return s;
	}
	return NULL;
}

static const struct item *
next_item(struct walk *w)
{
	if (w->s == NULL || w->item == w->s->first + w->s->n) {
		w->s = next_stream(w);
		if (w->s == NULL)
			return NULL;
		w->item = w->s->first;
	}
	return &w->p->items[w->item++];
}

/* ---- newer ---- */

/* A signer's word about its own numbers is not asked: they speak. */
static bool
has_seen(const struct fact *a, const struct fact *b)
{
	for (size_t i = 0; i < a->nseen; i++)
		if (ID_EQ(&a->seen[i].signer, &b->src.signer))
			return a->seen[i].n >= b->n;
	return false;
}

/*
 * Say whether ${a} is newer than ${b}: by number within one stream; else, about
 * one party, by what each had seen; else narrowing that is not confirmed is
 * newest; else by ledger order.  Two that claim to have seen each other cannot
 * both be right: neither is newer then.
 */
static bool
newer(const struct fact *a, const struct fact *b)
{
	if (policy_compare_party(a, b) == 0) {
		bool ab, ba;

		if (ID_EQ(&a->src.signer, &b->src.signer))
			return a->n > b->n;
		ab = has_seen(a, b);
		ba = has_seen(b, a);
		if (ab || ba)
			return ab && !ba;
	}
	if (policy_narrows(b) && !b->src.final)
		return false;
	return a->src.order > b->src.order;
}

/* ---- weighing ---- */

/*
 * The numbers of the signer of ${it}, in every stream that covers the
 * institution.  After a double the signer's permits rest only on higher
 * numbers of that stream, or on what came after the first of them elsewhere;
 * if less were asked, a revocation could heal a double and so permit.
 */
static enum policy_why
check_signer(
    const struct walk *w, const struct stream *own, const struct fact *f)
{
	struct walk all = walk_start(w->p, w->q);
	const struct stream *s;
	bool doubled = false;

	while ((s = next_stream(&all)) != NULL) {
		if (!ID_EQ(&policy_head(w->p, s)->src.signer, &f->src.signer))
			continue;
		if (s->gap)
			return POLICY_GAP;
		if (s->doubled == 0)
			continue;
		doubled |= s == own ? f->n <= s->doubled :
				      f->src.order <= s->healed;
	}
	return doubled ? POLICY_DOUBLE : POLICY_GRANTED;
}

/* What is not understood narrows for every practitioner and every set.
 * Purposes and rights of a narrowing decision do not limit it. */
static bool
narrowing_covers(const struct policy_query *q, const struct fact *f)
{
	if (f->src.foreign)
		return true;
	if (f->practitioner &&
	    (q->practitioner == NULL ||
		strcmp(f->practitioner, q->practitioner) != 0))
		return false;
	return policy_scope_covers(&f->scope, q, true);
}

static bool
widening_covers(const struct policy_query *q, const struct fact *f)
{
	if (f->practitioner &&
	    (q->practitioner == NULL ||
		strcmp(f->practitioner, q->practitioner) != 0))
		return false;
	if (f->purposes.n &&
	    (q->purpose == NULL ||
		!policy_words_have(&f->purposes, q->purpose)))
		return false;
	return policy_scope_covers(&f->scope, q, false);
}

static enum weight
weigh_narrowing(
    const struct policy_query *q, const struct item *it, enum policy_why *why)
{
	static const enum policy_why whys[] = {
		[EVENT_REFUSE] = POLICY_REFUSED,
		[EVENT_REVOKE] = POLICY_REVOKED,
		[EVENT_EXCLUDE] = POLICY_EXCLUDED,
	};
	bool excludes = it->fact->effect == EVENT_EXCLUDE;

	if (it->role != ROLE_NARROWS || !narrowing_covers(q, it->fact))
		return WEIGHT_NONE;
	if (q->right == EVENT_RIGHT_LIST && !excludes)
		return WEIGHT_NONE;
	*why = whys[it->fact->effect];
	return excludes ? WEIGHT_EXCLUDES : WEIGHT_AGAINST;
}

/* Only grants have an end date; a reinstatement that bears one is not
 * understood and lifts nothing. */
static enum weight
weigh_reinstate(const struct walk *w, const struct item *it)
{
	const struct fact *f = it->fact;

	if (it->role != ROLE_WIDENS || it->why != POLICY_GRANTED ||
	    f->until != 0 || w->q->now < f->from || !widening_covers(w->q, f) ||
	    (it->via && !policy_scope_covers(&it->via->scope, w->q, false)) ||
	    check_signer(w, w->s, f) != POLICY_GRANTED)
		return WEIGHT_NONE;
	return WEIGHT_LIFTS;
}

/* Why a grant that covers and counts does not permit; GRANTED if it does. */
static enum policy_why
why_void(const struct walk *w, const struct item *it)
{
	if (it->fact->until != 0 && w->q->now >= it->fact->until)
		return POLICY_EXPIRED;
	if (it->why != POLICY_GRANTED)
		return it->why;
	return check_signer(w, w->s, it->fact);
}

static enum weight
weigh_grant(const struct walk *w, const struct item *it, enum policy_why *why)
{
	const struct fact *f = it->fact;

	if (!widening_covers(w->q, f))
		return WEIGHT_NONE;
	if (w->q->right == 0 || (f->rights & w->q->right) != w->q->right) {
		*why = POLICY_RIGHT;
		return WEIGHT_HINT;
	}
	if (it->via && !policy_scope_covers(&it->via->scope, w->q, false)) {
		*why = POLICY_DELEGATION;
		return WEIGHT_HINT;
	}
	if (it->role == ROLE_IGNORED) {
		*why = it->why;
		return WEIGHT_HINT;
	}
	if (w->q->now < f->from) {
		*why = POLICY_NOT_YET;
		return WEIGHT_HINT;
	}
	*why = why_void(w, it);
	return *why == POLICY_GRANTED ? WEIGHT_FOR : WEIGHT_AGAINST;
}

/* Weigh the newest item ${it} of ${w}; ${why} is set unless NONE. */
static enum weight
weigh(const struct walk *w, const struct item *it, enum policy_why *why)
{
	if (it->fact->effect == EVENT_GRANT)
		return weigh_grant(w, it, why);
	*why = POLICY_NO_DECISION;
	if (it->fact->effect == EVENT_REINSTATE)
		return weigh_reinstate(w, it);
	return weigh_narrowing(w->q, it, why);
}

/* ---- the verdict ---- */

static bool
lifted(const struct policy *p, const struct policy_query *q,
    const struct fact *exclusion)
{
	struct walk w = walk_start(p, q);
	const struct item *it;

	while ((it = next_item(&w)) != NULL) {
		if (it->fact->effect == EVENT_REINSTATE &&
		    newer(it->fact, exclusion) &&
		    weigh_reinstate(&w, it) == WEIGHT_LIFTS)
			return true;
	}
	return false;
}

static bool
excluded(const struct policy *p, const struct policy_query *q,
    struct policy_verdict *out)
{
	struct walk w = walk_start(p, q);
	const struct item *it;

	while ((it = next_item(&w)) != NULL) {
		if (it->fact->effect != EVENT_EXCLUDE ||
		    weigh_narrowing(q, it, &out->why) != WEIGHT_EXCLUDES ||
		    lifted(p, q, it->fact))
			continue;
		out->decision = it->fact->src.id;
		return true;
	}
	out->why = POLICY_NO_DECISION;
	return false;
}

/* Say whether ${grant} is newer than all that stands against it. */
static bool
stands(const struct policy *p, const struct policy_query *q,
    const struct fact *grant)
{
	struct walk w = walk_start(p, q);
	const struct item *it;
	enum policy_why why;

	while ((it = next_item(&w)) != NULL)
		if (it->fact != grant &&
		    weigh(&w, it, &why) == WEIGHT_AGAINST &&
		    !newer(grant, it->fact))
			return false;
	return true;
}

/* Of each stream only the highest grant in force: it beats the lower ones. */
static const struct fact *
best_grant(const struct policy *p, const struct policy_query *q)
{
	struct walk w = walk_start(p, q);
	const struct stream *done = NULL;
	const struct fact *best = NULL;
	const struct item *it;
	enum policy_why why;

	while ((it = next_item(&w)) != NULL) {
		if (w.s == done || it->role != ROLE_WIDENS ||
		    weigh(&w, it, &why) != WEIGHT_FOR)
			continue;
		done = w.s;
		if (stands(p, q, it->fact) &&
		    (best == NULL || newer(it->fact, best)))
			best = it->fact;
	}
	return best;
}

static bool
same_stream(const struct fact *a, const struct fact *b)
{
	return ID_EQ(&a->src.signer, &b->src.signer) &&
	    policy_compare_party(a, b) == 0;
}

/*
 * When the grant ${it}, not older than ${best}, may begin to deny, 0 if never:
 * at its end.  One that begins later, but is void already, denies from its
 * beginning; one of the same stream replaces ${best} then.
 */
static int64_t
denies_from(
    const struct walk *w, const struct item *it, const struct fact *best)
{
	enum policy_why why;
	enum weight weight = weigh(w, it, &why);

	if (weight == WEIGHT_FOR)
		return it->fact->until;
	if (weight != WEIGHT_HINT || why != POLICY_NOT_YET)
		return 0;
	if (same_stream(it->fact, best) || why_void(w, it) != POLICY_GRANTED)
		return it->fact->from;
	return it->fact->until;
}

/* The end of ${best}, or of another grant that is not older than it. */
static int64_t
permit_until(const struct policy *p, const struct policy_query *q,
    const struct fact *best)
{
	struct walk w = walk_start(p, q);
	int64_t until = best->until;
	const struct item *it;

	while ((it = next_item(&w)) != NULL) {
		int64_t t;

		if (it->fact == best || it->fact->effect != EVENT_GRANT ||
		    it->role != ROLE_WIDENS || newer(best, it->fact))
			continue;
		t = denies_from(&w, it, best);
		if (t != 0 && (until == 0 || t < until))
			until = t;
	}
	return until;
}

/* Of several hints the one nearest to a permit is told. */
static int
hint_rank(enum policy_why why)
{
	static const enum policy_why ranks[] = { POLICY_RIGHT, POLICY_OPAQUE,
		POLICY_DELEGATION, POLICY_NOT_YET, POLICY_PENDING };

	for (int i = 0; i < (int)ARRAY_LEN(ranks); i++)
		if (ranks[i] == why)
			return i + 1;
	return 0;
}

static void
explain_denial(const struct policy *p, const struct policy_query *q,
    struct policy_verdict *out)
{
	struct walk w = walk_start(p, q);
	const struct fact *top = NULL;
	const struct item *it;
	int rank = 0;

	while ((it = next_item(&w)) != NULL) {
		enum policy_why why;
		enum weight weight = weigh(&w, it, &why);

		if (weight == WEIGHT_AGAINST &&
		    (top == NULL || newer(it->fact, top)))
			top = it->fact;
		else if (weight != WEIGHT_HINT || top || hint_rank(why) <= rank)
			continue;
		rank = hint_rank(why);
		out->why = why;
		out->decision = it->fact->src.id;
	}
}

void
policy_decide(const struct policy *p, const struct policy_query *q,
    struct policy_verdict *out)
{
	const struct fact *best;

	memset(out, 0, sizeof(*out));
	out->why = POLICY_NO_DECISION;
	if (excluded(p, q, out))
		return;
	best = best_grant(p, q);
	if (best == NULL) {
		explain_denial(p, q, out);
		return;
	}
	out->permit = true;
	out->why = POLICY_GRANTED;
	out->decision = best->src.id;
	out->until = permit_until(p, q, best);
}
