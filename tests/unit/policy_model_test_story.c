/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random stories and queries, all from one seed. */
#include <string.h>

#include "policy_model_test.h"

uint64_t story_seed;
static uint64_t rng;

/* splitmix64 */
static uint64_t
next_random(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void
story_begin(uint64_t seed)
{
	rng = story_seed = seed;
}

unsigned
story_below(unsigned n)
{
	return (unsigned)(next_random() % n);
}

bool
story_chance(unsigned percent)
{
	return story_below(100) < percent;
}

/* Pick by weight from 0..n-1. */
static unsigned
pick(const unsigned *weights, size_t n)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	at = story_below(sum);
	for (unsigned i = 0;; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
}
#define PICK(...)                                                              \
	pick((const unsigned[]){ __VA_ARGS__ },                                \
	    sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

/* ---- names: a handful of everything, so that things meet ---- */

static const char *const types[] = { "lab", "img" };
static const char *const classes[] = { "note", "report" };
static const char *const authors[] = { "who", "no" };
static const char *const labels[] = { "HIV", "PSY" };
static const char *const people[] = { "jane", "joe" };
static const char *const purposes[] = { "TREAT", "HRESCH" };
static const char *const groups[] = { "gps", "labs" };

static struct pubkey
key(unsigned b)
{
	struct pubkey k = { { (uint8_t)b } };

	return k;
}

static struct institution_id
inst(unsigned b)
{
	struct institution_id i = { { (uint8_t)b } };

	return i;
}

static struct event_id
set_id(unsigned b)
{
	struct event_id i = { { 0xff, (uint8_t)b } };

	return i;
}

static int64_t
moment(void)
{
	return 10 * (int64_t)story_below(11);
}

/* Keys 1 and 2 are patients, 3 and 4 representatives of both, 5 a stranger. */
static struct pubkey
any_patient(void)
{
	return key(story_chance(85) ? 1 : 2);
}

/* ---- one event ---- */

static void
one_text(struct event_texts *t, const char *const *from)
{
	t->n = 1;
	t->v[0] = from[story_below(2)];
}

static void
random_scope(struct ev *e, struct event_scope *s)
{
	memset(s, 0, sizeof(*s));
	s->all = story_chance(55);
	if (s->all && story_chance(75))
		return;
	if (story_chance(25)) {
		e->set = set_id(story_below(3));
		s->nsets = 1;
		s->sets = &e->set;
	}
	if (story_chance(20))
		one_text(&s->types, types);
	if (story_chance(20))
		one_text(&s->classes, classes);
	if (story_chance(10))
		one_text(&s->authors, authors);
	if (story_chance(15))
		one_text(&s->without, labels);
	s->has_confidentiality = story_chance(15);
	s->confidentiality = (enum event_level)story_below(3);
	s->has_period = story_chance(15);
	s->period.start = moment();
	s->period.end = s->period.start + moment();
}

static void
random_source(struct ev *e, unsigned index)
{
	e->src.id.b[0] = (uint8_t)(index + 1);
	e->src.order = (index * 10 + story_below(40)) * 100 + index;
	e->src.block_time = moment();
	e->src.final = story_chance(82);
	e->src.foreign = story_chance(5);
	e->repeated = e->src.final && story_chance(5);
	if (!e->src.final)
		e->src.order += PENDING_ORDER;
}

static bool
same_party(const struct event_decision *a, const struct event_decision *b)
{
	return a->party == b->party &&
	    (a->party == EVENT_ANYONE ||
		(a->party == EVENT_GROUP ?
			a->group == b->group :
			ID_EQ(&a->institution, &b->institution)));
}

static uint64_t
highest(const struct story *s, const struct ev *e, const struct pubkey *signer)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->ev[i].kind == DECIDES &&
		    ID_EQ(&s->ev[i].patient, &e->patient) &&
		    ID_EQ(&s->ev[i].src.signer, signer) &&
		    same_party(&s->ev[i].d, &e->d) && s->ev[i].d.n > n)
			n = s->ev[i].d.n;
	return n;
}

/* Mostly the truth, sometimes a lie. */
static void
random_seen(const struct story *s, struct ev *e)
{
	for (unsigned k = 1; k <= 5; k++) {
		struct pubkey signer = key(k);
		uint64_t n = highest(s, e, &signer);

		if (story_chance(10))
			n = 1 + story_below(5);
		if (n == 0 || story_chance(40))
			continue;
		e->d.seen[e->d.nseen].signer = signer;
		e->d.seen[e->d.nseen++].n = n;
	}
}

static void
random_number(const struct story *s, struct ev *e)
{
	uint64_t n = highest(s, e, &e->src.signer);

	e->d.n = n + 1;
	if (n > 0 && story_chance(8))
		e->d.n = n;
	else if (story_chance(7))
		e->d.n = n + 2;
	else if (n > 1 && story_chance(10))
		e->d.n = 1 + story_below((unsigned)n); /* fills, or doubles */
}

static void
random_party(struct event_decision *d)
{
	unsigned p = PICK(50, 8, 15, 5, 22);

	d->party = p < 2 ? EVENT_INSTITUTION :
	    p < 4        ? EVENT_GROUP :
			   EVENT_ANYONE;
	d->institution = inst(p < 2 ? p + 1 : 0);
	d->group = p == 2 || p == 3 ? groups[p - 2] : NULL;
}

/* An earlier delegation, most often a fitting one. */
static void
random_delegation(const struct story *s, struct ev *e)
{
	e->d.has_delegation = story_chance(95);
	e->d.delegation.b[0] = (uint8_t)(1 + story_below(STORY_MAX));
	for (size_t i = 0; i < s->n; i++)
		if (s->ev[i].kind == DELEGATES && story_chance(70) &&
		    (story_chance(10) ||
			ID_EQ(&s->ev[i].g.representative, &e->src.signer)))
			e->d.delegation = s->ev[i].src.id;
}

static void
random_decision(const struct story *s, struct ev *e)
{
	static const enum event_effect effects[] = { EVENT_GRANT, EVENT_REFUSE,
		EVENT_REVOKE, EVENT_EXCLUDE, EVENT_REINSTATE };

	e->kind = DECIDES;
	e->patient = any_patient();
	e->src.signer = e->patient;
	if (story_chance(40))
		e->src.signer = key(3 + PICK(60, 30, 10));
	if (!ID_EQ(&e->src.signer, &e->patient))
		random_delegation(s, e);
	random_party(&e->d);
	random_number(s, e);
	random_seen(s, e);
	e->d.effect = effects[PICK(50, 7, 15, 14, 14)];
	random_scope(e, &e->d.scope);
	e->d.practitioner = story_chance(8) ? people[story_below(2)] : NULL;
	if (story_chance(8))
		one_text(&e->d.purposes, purposes);
	e->d.rights = story_chance(85) ? 3 : 1 + story_below(2);
	e->d.from = story_chance(15) ? moment() : 0;
	e->d.until = story_chance(15) ? moment() : 0;
}

static void
random_delegates(struct ev *e)
{
	e->kind = DELEGATES;
	e->patient = any_patient();
	e->src.signer = story_chance(92) ? e->patient : key(3 + story_below(3));
	e->src.final = e->src.final || story_chance(50);
	e->g.representative = key(3 + story_below(2));
	e->g.powers = story_chance(90) ? EVENT_POWER_DECIDE : EVENT_POWER_VIEW;
	random_scope(e, &e->g.scope);
	e->g.scope.all |= story_chance(50);
	e->g.from = story_chance(15) ? moment() : 0;
	e->g.until = story_chance(15) ? moment() : 0;
}

static void
random_end(const struct story *s, struct ev *e)
{
	const struct ev *what = &s->ev[story_below((unsigned)s->n)];

	e->kind = ENDS;
	e->ended = what->src.id;
	e->src.signer = what->patient;
	if (story_chance(30))
		e->src.signer = key(1 + story_below(5));
	e->keep = story_chance(50);
}

static void
random_event(struct story *s)
{
	struct ev *e = &s->ev[s->n];

	memset(e, 0, sizeof(*e));
	random_source(e, (unsigned)s->n);
	switch (PICK(68, 13, 8, 2, 9)) {
	case 1:
		random_delegates(e);
		break;
	case 2:
		if (s->n > 0)
			random_end(s, e);
		else
			random_delegates(e);
		break;
	case 3:
		e->kind = IS_OPAQUE;
		e->patient = any_patient();
		e->src.signer = e->patient;
		if (story_chance(50))
			e->src.signer = key(3 + story_below(3));
		break;
	case 4:
		e->kind = JOINS;
		e->joins = inst(1 + story_below(2));
		e->group = groups[story_below(2)];
		break;
	default:
		random_decision(s, e);
	}
	s->n++;
}

void
story_random(struct story *s, uint64_t seed)
{
	unsigned length;

	story_begin(seed);
	length = 1 + story_below(STORY_MAX - 2); /* room for one event more */
	for (s->n = 0; s->n < length;)
		random_event(s);
}

void
story_query(struct policy_query *q, struct event_document_set *about,
    struct event_id *set)
{
	memset(q, 0, sizeof(*q));
	memset(about, 0, sizeof(*about));
	*set = set_id(story_below(3));
	about->custodian = inst(7);
	about->type_code = types[story_below(2)];
	about->class_code = classes[story_below(2)];
	about->author = story_chance(80) ? authors[story_below(2)] : NULL;
	about->confidentiality = (enum event_level)story_below(3);
	if (story_chance(40))
		one_text(&about->sensitivity, labels);
	about->period.start = moment();
	if (story_chance(70))
		about->period.end = about->period.start + moment();
	q->institution = inst(story_chance(85) ? 1 : 2);
	q->patient = any_patient();
	q->practitioner = story_chance(90) ? people[story_below(2)] : NULL;
	q->set = story_chance(95) ? set : NULL;
	q->about = story_chance(95) ? about : NULL;
	q->purpose = story_chance(95) ? purposes[story_below(2)] : NULL;
	q->right = story_chance(75) ? EVENT_RIGHT_READ : EVENT_RIGHT_LIST;
	q->now = moment() + story_below(10);
}

void
story_narrow(struct story *s, const struct policy *p, bool truthful)
{
	struct ev *e = &s->ev[s->n];

	memset(e, 0, sizeof(*e));
	random_source(e, (unsigned)s->n);
	e->kind = DECIDES;
	e->patient = e->src.signer = any_patient();
	e->src.order = 500000 + (e->src.final ? 0 : PENDING_ORDER);
	e->src.foreign = e->repeated = false;
	random_party(&e->d);
	e->d.effect = story_chance(50) ? EVENT_REVOKE : EVENT_EXCLUDE;
	random_scope(e, &e->d.scope);
	e->d.practitioner = story_chance(20) ? people[story_below(2)] : NULL;
	e->d.n = policy_next_n(p, &e->patient, &e->patient, &e->d);
	if (truthful)
		e->d.nseen = policy_seen(
		    p, &e->patient, &e->d, e->d.seen, EVENT_MAX_SEEN);
	else
		random_seen(s, e);
	s->n++;
}
