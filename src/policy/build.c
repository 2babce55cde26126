/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "policy/policy_internal.h"

/* What is needed only while a policy is made. */
struct build {
	struct policy *p;
	struct fact **decisions, **delegations; /* by id, each id once */
	size_t ndecisions, ndelegations;
	struct end *ends; /* by ended id */
	size_t nends;
	struct opaque *opaques; /* sorted */
	size_t nopaques;
};

static void
build_release(struct build *w)
{
	policy_free(w->p);
	free(w->decisions);
	free(w->delegations);
	free(w->ends);
	free(w->opaques);
}
#define CLEANUP_BUILD __attribute__((cleanup(build_release), unused))

static int
three_way(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
by_id(const void *x, const void *y)
{
	const struct fact *a = *(struct fact *const *)x;
	const struct fact *b = *(struct fact *const *)y;
	int c = memcmp(&a->src.id, &b->src.id, sizeof(a->src.id));

	return c ? c : three_way(a->src.order, b->src.order);
}

static int
by_ended(const void *x, const void *y)
{
	const struct end *a = x, *b = y;

	return memcmp(&a->ended, &b->ended, sizeof(a->ended));
}

static int
by_bytes(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct opaque));
}

int
policy_compare_members(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	int c = memcmp(
	    &a->institution, &b->institution, sizeof(a->institution));

	return c ? c : strcmp(a->group, b->group);
}

int
policy_compare_party(const struct fact *a, const struct fact *b)
{
	if (a->party != b->party)
		return a->party < b->party ? -1 : 1;
	if (a->party == EVENT_GROUP)
		return strcmp(a->group, b->group);
	if (a->party == EVENT_INSTITUTION)
		return memcmp(
		    &a->institution, &b->institution, sizeof(a->institution));
	return 0;
}

static int
compare_streams(const struct fact *a, const struct fact *b)
{
	int c = memcmp(&a->patient, &b->patient, sizeof(a->patient));

	if (c == 0)
		c = policy_compare_party(a, b);
	return c ?
	    c :
	    memcmp(&a->src.signer, &b->src.signer, sizeof(a->src.signer));
}

/* Every tie is broken, so that the order of adding cannot matter. */
static int
by_stream(const void *x, const void *y)
{
	const struct fact *a = ((const struct item *)x)->fact;
	const struct fact *b = ((const struct item *)y)->fact;
	int c = compare_streams(a, b);

	if (c == 0)
		c = three_way(b->n, a->n);
	if (c == 0)
		c = three_way(b->src.order, a->src.order);
	return c ? c : memcmp(&a->src.id, &b->src.id, sizeof(a->src.id));
}

/* ---- copies ---- */

static enum err
copy(const void *from, size_t n, size_t size, void *out)
{
	void *to = calloc(n + 1, size);

	if (to == NULL)
		return ERR_NOMEM;
	if (n)
		memcpy(to, from, n * size);
	*(void **)out = to;
	return ERR_OK;
}

/* Sorted by id; of several with one id the first in ledger order stands. */
static enum err
copy_facts(const struct list *l, struct fact ***out, size_t *out_n)
{
	struct fact **v;
	size_t n = 0;
	enum err e = copy(l->data, l->n, sizeof(*v), &v);

	if (e)
		return e;
	qsort(v, l->n, sizeof(*v), by_id);
	for (size_t i = 0; i < l->n; i++)
		if (n == 0 || !ID_EQ(&v[n - 1]->src.id, &v[i]->src.id))
			v[n++] = v[i];
	*out = v;
	*out_n = n;
	return ERR_OK;
}

static enum err
share_facts(struct policy *p, const struct policy_builder *b)
{
	const struct list *lists[] = { &b->decisions, &b->delegations };

	p->facts = calloc(
	    b->decisions.n + b->delegations.n + 1, sizeof(*p->facts));
	if (p->facts == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->n; k++) {
			struct fact *f = ((struct fact **)lists[i]->data)[k];

			atomic_fetch_add(&f->refs, 1);
			p->facts[p->nfacts++] = f;
		}
	return ERR_OK;
}

static enum err
copy_members(struct policy *p, const struct policy_builder *b)
{
	const struct member *from = b->members.data;

	p->members = calloc(b->members.n + 1, sizeof(*p->members));
	if (p->members == NULL)
		return ERR_NOMEM;
	for (; p->nmembers < b->members.n; p->nmembers++) {
		struct member *to = &p->members[p->nmembers];

		to->institution = from[p->nmembers].institution;
		to->group = strdup(from[p->nmembers].group);
		if (to->group == NULL)
			return ERR_NOMEM;
	}
	qsort(p->members, p->nmembers, sizeof(*p->members),
	    policy_compare_members);
	return ERR_OK;
}

static enum err
copy_all(struct build *w, const struct policy_builder *b)
{
	enum err e = share_facts(w->p, b);

	if (e == ERR_OK)
		e = copy_members(w->p, b);
	if (e == ERR_OK)
		e = copy_facts(&b->decisions, &w->decisions, &w->ndecisions);
	if (e == ERR_OK)
		e = copy_facts(
		    &b->delegations, &w->delegations, &w->ndelegations);
	if (e == ERR_OK)
		e = copy(b->ends.data, b->ends.n, sizeof(*w->ends), &w->ends);
	if (e == ERR_OK)
		e = copy(b->opaques.data, b->opaques.n, sizeof(*w->opaques),
		    &w->opaques);
	if (e)
		return e;
	w->nends = b->ends.n;
	w->nopaques = b->opaques.n;
	qsort(w->ends, w->nends, sizeof(*w->ends), by_ended);
	qsort(w->opaques, w->nopaques, sizeof(*w->opaques), by_bytes);
	return ERR_OK;
}

/* ---- what counts ---- */

struct ended {
	bool is;        /* somebody who may has ended it */
	bool stops;     /* and what rests on it ends with it */
	uint64_t order; /* from here on */
	uint64_t final_order;
};

/* Ends count from first sight, final or not. */
static struct ended
find_ends(const struct build *w, const struct fact *f)
{
	struct ended out = { .order = UINT64_MAX, .final_order = UINT64_MAX };
	struct end key = { .ended = f->src.id };
	const struct end *e = w->nends ?
	    bsearch(&key, w->ends, w->nends, sizeof(key), by_ended) :
	    NULL;

	while (e && e > w->ends && by_ended(&key, e - 1) == 0)
		e--;
	for (; e && e < w->ends + w->nends && by_ended(&key, e) == 0; e++) {
		if (!ID_EQ(&e->src.signer, &f->patient) &&
		    !ID_EQ(&e->src.signer, &f->src.signer))
			continue;
		out.is = true;
		out.stops |= !e->keep;
		if (e->src.order < out.order)
			out.order = e->src.order;
		if (e->src.final && e->src.order < out.final_order)
			out.final_order = e->src.order;
	}
	return out;
}

static bool
is_opaque(const struct build *w, const struct pubkey *patient,
    const struct pubkey *signer)
{
	struct opaque key = { *patient, *signer };

	return w->nopaques &&
	    bsearch(&key, w->opaques, w->nopaques, sizeof(key), by_bytes);
}

static const struct fact *
find_delegation(const struct build *w, const struct event_id *id)
{
	size_t lo = 0, hi = w->ndelegations;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct fact *f = w->delegations[mid];
		int c = memcmp(&f->src.id, id, sizeof(*id));

		if (c == 0)
			return f;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/*
 * The delegation that lets the signer of ${f} decide, if it was live at the
 * decision's block.  A delegation that is not final, not understood or later
 * on the ledger than the decision was not: the denying side.  So is that an
 * end which is not final stops what widens but not what narrows: nobody knows
 * yet which of them comes first.
 */
static const struct fact *
live_delegation(const struct build *w, const struct fact *f)
{
	const struct fact *d = NULL;
	struct ended ended;
	int64_t at = f->src.block_time;

	if (f->has_delegation)
		d = find_delegation(w, &f->delegation);
	if (d == NULL || !d->src.final || d->src.foreign ||
	    !ID_EQ(&d->patient, &f->patient) ||
	    !ID_EQ(&d->src.signer, &f->patient) ||
	    !ID_EQ(&d->representative, &f->src.signer))
		return NULL;
	ended = find_ends(w, d);
	if ((d->powers & EVENT_POWER_DECIDE) == 0 || at < d->from ||
	    (d->until != 0 && at >= d->until) || d->src.order >= f->src.order ||
	    (policy_narrows(f) ? ended.final_order : ended.order) <
		f->src.order)
		return NULL;
	return d;
}

bool
policy_narrows(const struct fact *f)
{
	return f->effect != EVENT_GRANT && f->effect != EVENT_REINSTATE;
}

/*
 * Narrowing counts if the patient signed it, or a representative whose
 * delegation was live: whoever only claims one could deny a patient's grants
 * for ever.  It counts beyond the delegation's scope: the denying side.
 */
static void
classify_narrowing(const struct build *w, struct item *it)
{
	const struct fact *f = it->fact;
	bool counts = ID_EQ(&f->src.signer, &f->patient) ||
	    live_delegation(w, f) != NULL;

	it->role = counts ? ROLE_NARROWS : ROLE_IGNORED;
	it->why = POLICY_NO_DECISION;
}

static void
classify_widening(const struct build *w, struct item *it)
{
	const struct fact *f = it->fact;
	bool own = ID_EQ(&f->src.signer, &f->patient);

	it->role = ROLE_IGNORED;
	it->via = own ? NULL : live_delegation(w, f);
	if (!own && it->via == NULL) {
		it->why = POLICY_DELEGATION;
		return;
	}
	if (f->src.foreign || !f->src.final) {
		it->why = f->src.foreign ? POLICY_OPAQUE : POLICY_PENDING;
		return;
	}
	it->role = ROLE_WIDENS;
	it->why = POLICY_GRANTED;
	if (is_opaque(w, &f->patient, &f->src.signer) ||
	    (it->via && is_opaque(w, &f->patient, &f->patient)))
		it->why = POLICY_OPAQUE;
	else if (find_ends(w, f).is) /* of an institution's too: safe side */
		it->why = POLICY_REVOKED;
	else if (it->via && find_ends(w, it->via).stops)
		it->why = POLICY_DELEGATION;
}

static enum err
make_items(struct build *w)
{
	struct policy *p = w->p;

	p->items = calloc(w->ndecisions + 1, sizeof(*p->items));
	if (p->items == NULL)
		return ERR_NOMEM;
	p->nitems = w->ndecisions;
	for (size_t i = 0; i < p->nitems; i++) {
		struct item *it = &p->items[i];

		it->fact = w->decisions[i];
		if (policy_narrows(it->fact))
			classify_narrowing(w, it);
		else
			classify_widening(w, it);
	}
	qsort(p->items, p->nitems, sizeof(*p->items), by_stream);
	return ERR_OK;
}

/* ---- streams ---- */

/* Every number counts, also of what is pending, foreign or ignored. */
static void
check_numbers(const struct policy *p, struct stream *s)
{
	uint64_t highest = p->items[s->first].fact->n, distinct = 0, prev = 0;

	s->healed = UINT64_MAX;
	for (size_t i = 0; i < s->n; i++) {
		const struct fact *f = p->items[s->first + i].fact;

		if (f->n != prev)
			distinct++;
		else if (s->doubled == 0)
			s->doubled = f->n;
		prev = f->n;
	}
	s->gap = distinct != highest;
	for (size_t i = 0; i < s->n; i++) {
		const struct fact *f = p->items[s->first + i].fact;

		if (f->n > s->doubled && f->src.order < s->healed)
			s->healed = f->src.order;
	}
}

static enum err
make_streams(struct policy *p)
{
	p->streams = calloc(p->nitems + 1, sizeof(*p->streams));
	if (p->streams == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nitems; i++) {
		if (i == 0 ||
		    compare_streams(p->items[i - 1].fact, p->items[i].fact) !=
			0)
			p->streams[p->nstreams++].first = i;
		p->streams[p->nstreams - 1].n++;
	}
	for (size_t i = 0; i < p->nstreams; i++)
		check_numbers(p, &p->streams[i]);
	return ERR_OK;
}

static int
by_time(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return (a > b) - (a < b);
}

static enum err
make_changes(struct policy *p)
{
	p->changes = calloc(2 * p->nitems + 1, sizeof(*p->changes));
	if (p->changes == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nitems; i++) {
		const struct item *it = &p->items[i];

		if (it->role != ROLE_WIDENS)
			continue;
		if (it->fact->from)
			p->changes[p->nchanges++] = it->fact->from;
		if (it->fact->until && it->fact->effect == EVENT_GRANT)
			p->changes[p->nchanges++] = it->fact->until;
	}
	qsort(p->changes, p->nchanges, sizeof(*p->changes), by_time);
	return ERR_OK;
}

enum err
policy_build(struct policy_builder *b, struct policy **out)
{
	CLEANUP_BUILD struct build w = { 0 };
	enum err e;

	w.p = calloc(1, sizeof(*w.p));
	if (w.p == NULL)
		return ERR_NOMEM;
	atomic_init(&w.p->refs, 1);
	e = copy_all(&w, b);
	if (e == ERR_OK)
		e = make_items(&w);
	if (e == ERR_OK)
		e = make_streams(w.p);
	if (e == ERR_OK)
		e = make_changes(w.p);
	if (e)
		return e;
	*out = TAKE(w.p);
	return ERR_OK;
}
