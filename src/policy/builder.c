/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "policy/policy_internal.h"

#define GROUP_MAX EVENT_MAX_TEXT

enum err
policy_builder_new(struct policy_builder **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? ERR_OK : ERR_NOMEM;
}

static void
free_facts(struct list *l)
{
	struct fact **f = l->data;

	for (size_t i = 0; i < l->n; i++)
		policy_fact_free(f[i]);
	free(f);
}

void
policy_builder_free(struct policy_builder *b)
{
	if (b == NULL)
		return;
	free_facts(&b->decisions);
	free_facts(&b->delegations);
	for (size_t i = 0; i < b->members.n; i++)
		free(((struct member *)b->members.data)[i].group);
	free(b->ends.data);
	free(b->opaques.data);
	free(b->members.data);
	free(b);
}

/* Room for one more element of ${size} bytes, or NULL. */
static void *
push(struct list *l, size_t size)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		void *p = reallocarray(l->data, cap, size);

		if (p == NULL)
			return NULL;
		l->data = p;
		l->cap = cap;
	}
	return (uint8_t *)l->data + size * l->n++;
}

/* ---- a fact is one block: the struct, then all that it points to ---- */

static size_t
text_bytes(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static size_t
texts_bytes(const struct event_texts *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += text_bytes(t->v[i]);
	return n;
}

static size_t
scope_bytes(const struct event_scope *s)
{
	return s->nsets * sizeof(*s->sets) + texts_bytes(&s->types) +
	    texts_bytes(&s->classes) + texts_bytes(&s->authors) +
	    texts_bytes(&s->without);
}

static void *
pack(uint8_t **at, const void *p, size_t n)
{
	void *to = *at;

	if (n > 0)
		memcpy(to, p, n);
	*at += n;
	return to;
}

static const char *
pack_text(uint8_t **at, const char *s)
{
	return s ? pack(at, s, text_bytes(s)) : NULL;
}

static struct words
pack_texts(uint8_t **at, const struct event_texts *t)
{
	struct words w = { t->n, (const char *)*at };

	for (size_t i = 0; i < t->n; i++)
		(void)pack_text(at, t->v[i]);
	return w;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct event_id));
}

static void
pack_scope(uint8_t **at, const struct event_scope *s, struct scope *out)
{
	struct event_id *sets = pack(at, s->sets, s->nsets * sizeof(*s->sets));

	if (s->nsets)
		qsort(sets, s->nsets, sizeof(*sets), compare_ids);
	out->all = s->all;
	out->nsets = s->nsets;
	out->sets = sets;
	out->has_confidentiality = s->has_confidentiality;
	out->confidentiality = s->confidentiality;
	out->has_period = s->has_period;
	out->period = s->period;
	out->types = pack_texts(at, &s->types);
	out->classes = pack_texts(at, &s->classes);
	out->authors = pack_texts(at, &s->authors);
	out->without = pack_texts(at, &s->without);
}

static bool
texts_ok(const struct event_texts *t)
{
	if (t->n > EVENT_MAX_LIST)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i] == NULL)
			return false;
	return true;
}

static bool
scope_ok(const struct event_scope *s)
{
	return s->nsets <= EVENT_MAX_SETS && (s->nsets == 0 || s->sets) &&
	    texts_ok(&s->types) && texts_ok(&s->classes) &&
	    texts_ok(&s->authors) && texts_ok(&s->without);
}

static bool
decision_ok(const struct event_decision *d)
{
	return d->n > 0 && (unsigned)d->effect <= EVENT_REINSTATE &&
	    (unsigned)d->party <= EVENT_ANYONE &&
	    (d->party != EVENT_GROUP || d->group) &&
	    d->nseen <= EVENT_MAX_SEEN && texts_ok(&d->purposes) &&
	    scope_ok(&d->scope);
}

static struct fact *
fact_new(
    const struct policy_source *src, const struct pubkey *patient, size_t extra)
{
	struct fact *f = calloc(1, sizeof(*f) + extra);

	if (f == NULL)
		return NULL;
	atomic_init(&f->refs, 1);
	f->src = *src;
	f->patient = *patient;
	return f;
}

void
policy_fact_free(struct fact *f)
{
	if (f && atomic_fetch_sub(&f->refs, 1) == 1)
		free(f);
}

enum err
policy_add_decision(struct policy_builder *b, const struct policy_source *src,
    const struct pubkey *patient, const struct event_decision *d)
{
	struct fact **slot, *f;
	uint8_t *at;

	if (!decision_ok(d))
		return err_say(ERR_INVAL, "a decision is out of bounds");
	f = fact_new(src, patient,
	    d->nseen * sizeof(*d->seen) + scope_bytes(&d->scope) +
		text_bytes(d->group) + text_bytes(d->practitioner) +
		texts_bytes(&d->purposes));
	slot = f ? push(&b->decisions, sizeof(*slot)) : NULL;
	if (slot == NULL) {
		free(f);
		return ERR_NOMEM;
	}
	*slot = f;
	at = (uint8_t *)(f + 1);
	f->nseen = d->nseen; /* first: they need the alignment */
	f->seen = pack(&at, d->seen, d->nseen * sizeof(*d->seen));
	pack_scope(&at, &d->scope, &f->scope);
	f->party = d->party;
	f->institution = d->institution;
	f->group = pack_text(&at, d->group);
	f->practitioner = pack_text(&at, d->practitioner);
	f->purposes = pack_texts(&at, &d->purposes);
	f->n = d->n;
	f->effect = d->effect;
	f->rights = d->rights;
	f->from = d->from;
	f->until = d->until;
	f->has_delegation = d->has_delegation;
	f->delegation = d->delegation;
	return ERR_OK;
}

enum err
policy_add_delegation(struct policy_builder *b, const struct policy_source *src,
    const struct pubkey *patient, const struct event_delegation *d)
{
	struct fact **slot, *f;
	uint8_t *at;

	if (!scope_ok(&d->scope))
		return err_say(ERR_INVAL, "a delegation is out of bounds");
	f = fact_new(src, patient, scope_bytes(&d->scope));
	slot = f ? push(&b->delegations, sizeof(*slot)) : NULL;
	if (slot == NULL) {
		free(f);
		return ERR_NOMEM;
	}
	*slot = f;
	at = (uint8_t *)(f + 1);
	pack_scope(&at, &d->scope, &f->scope);
	f->representative = d->representative;
	f->powers = d->powers;
	f->from = d->from;
	f->until = d->until;
	return ERR_OK;
}

enum err
policy_add_end(struct policy_builder *b, const struct policy_source *src,
    const struct event_id *ended, bool keep_dependents)
{
	struct end *e = push(&b->ends, sizeof(*e));

	if (e == NULL)
		return ERR_NOMEM;
	e->src = *src;
	e->ended = *ended;
	/* what is not understood takes away all that it could */
	e->keep = keep_dependents && !src->foreign;
	return ERR_OK;
}

enum err
policy_add_opaque(struct policy_builder *b, const struct pubkey *signer,
    const struct pubkey *patient)
{
	struct opaque *o = push(&b->opaques, sizeof(*o));

	if (o == NULL)
		return ERR_NOMEM;
	o->patient = *patient;
	o->signer = *signer;
	return ERR_OK;
}

enum err
policy_add_member(struct policy_builder *b,
    const struct institution_id *institution, const char *group)
{
	struct member *m;
	char *name;

	if (group == NULL || strnlen(group, GROUP_MAX + 1) > GROUP_MAX)
		return err_say(ERR_INVAL, "a group name is out of bounds");
	name = strdup(group);
	m = name ? push(&b->members, sizeof(*m)) : NULL;
	if (m == NULL) {
		free(name);
		return ERR_NOMEM;
	}
	m->institution = *institution;
	m->group = name;
	return ERR_OK;
}
