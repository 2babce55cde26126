/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The published list of what may be looked at: immutable, shared, swapped. */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct catalog {
	struct gate_catalog pub; /* first: gate_catalog is cast to this */
	_Atomic unsigned refs;
	struct gate_patient *patient;
	size_t cap;
};

union catalog_ptr {
	const struct gate_catalog *c;
	struct catalog *f;
};

static void
free_patient(struct gate_patient *p)
{
	union {
		const char *c;
		char *p;
	} name = { p->name };
	union {
		const struct gate_set *const *c;
		const struct gate_set **p;
	} set = { p->set };

	for (size_t i = 0; i < p->nsets; i++)
		gate_set_free(p->set[i]);
	free(set.p);
	free(name.p);
}

void
gate_catalog_free(const struct gate_catalog *c)
{
	union catalog_ptr u = { c };

	if (c == NULL || atomic_fetch_sub(&u.f->refs, 1) != 1)
		return;
	for (size_t i = 0; i < u.f->pub.npatients; i++)
		free_patient(&u.f->patient[i]);
	free(u.f->patient);
	free(u.f);
}

const struct gate_catalog *
gate_catalog(struct gate *g)
{
	union catalog_ptr u;

	pthread_mutex_lock(&g->sets_lock);
	u.c = g->catalog;
	atomic_fetch_add(&u.f->refs, 1);
	pthread_mutex_unlock(&g->sets_lock);
	return u.c;
}

bool
gate_catalog_has(struct gate *g, const struct event_id *set)
{
	CLEANUP(gate_catalog_free)
	const struct gate_catalog *c = gate_catalog(g);

	for (size_t i = 0; i < c->npatients; i++)
		for (size_t k = 0; k < c->patient[i].nsets; k++)
			if (ID_EQ(&c->patient[i].set[k]->id, set))
				return true;
	return false;
}

struct making {
	struct gate *g;
	struct catalog *c;
	enum err e;
};

/* The sets of one patient that may be listed now. */
static enum err
fill_sets(struct gate *g, struct gate_patient *p)
{
	const struct gate_set **set = calloc(g->nsets + 1, sizeof(*set));
	char practitioner[GATE_PRACTITIONER];
	struct gate_set_full **known;
	size_t n;

	if (set == NULL)
		return ERR_NOMEM;
	gate_practitioner(g, g->login, practitioner);
	pthread_mutex_lock(&g->sets_lock);
	known = g->set; /* only the listing thread changes these */
	n = g->nsets;
	pthread_mutex_unlock(&g->sets_lock);
	for (size_t i = 0; i < n; i++) {
		const struct gate_set *s = &known[i]->pub;

		if (ID_EQ(&s->patient, &p->key) && s->name &&
		    gate_decide(g, s, practitioner, EVENT_RIGHT_LIST, NULL) ==
			ERR_OK)
			set[p->nsets++] = gate_set_ref(s);
	}
	p->set = set;
	return ERR_OK;
}

static bool
add_patient(void *ctx, const char *alias, const struct rms_card *card)
{
	struct making *m = ctx;
	struct catalog *c = m->c;
	struct gate_patient *p;

	if (c->pub.npatients == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct gate_patient *more = realloc(
		    c->patient, cap * sizeof(*more));

		if (more == NULL) {
			m->e = ERR_NOMEM;
			return false;
		}
		c->patient = more;
		c->cap = cap;
	}
	p = &c->patient[c->pub.npatients];
	*p = (struct gate_patient){ .key = card->patient,
		.name = strdup(alias) };
	m->e = p->name ? fill_sets(m->g, p) : ERR_NOMEM;
	c->pub.npatients++;
	return m->e == ERR_OK;
}

static void
publish(struct gate *g, struct catalog *c)
{
	const struct gate_catalog *old;

	pthread_mutex_lock(&g->sets_lock);
	old = g->catalog;
	c->pub.generation = old ? old->generation + 1 : 1;
	g->catalog = &c->pub;
	pthread_mutex_unlock(&g->sets_lock);
	gate_catalog_free(old);
}

static bool
equal(const struct gate_catalog *a, const struct gate_catalog *b)
{
	if (a == NULL || a->npatients != b->npatients)
		return false;
	for (size_t i = 0; i < a->npatients; i++) {
		const struct gate_patient *x = &a->patient[i];
		const struct gate_patient *y = &b->patient[i];

		if (x->nsets != y->nsets || strcmp(x->name, y->name) != 0)
			return false;
		for (size_t k = 0; k < x->nsets; k++)
			if (x->set[k] != y->set[k])
				return false;
	}
	return true;
}

enum err
gate_catalog_make(struct gate *g)
{
	struct catalog *c = calloc(1, sizeof(*c));
	struct making m = { g, c, ERR_OK };
	enum err e;

	if (c == NULL)
		return ERR_NOMEM;
	c->refs = 1;
	e = home_cards(g->home, add_patient, &m);
	if (e == ERR_OK)
		e = m.e;
	c->pub.patient = c->patient;
	if (e != ERR_OK || equal(g->catalog, &c->pub)) {
		gate_catalog_free(&c->pub);
		return e;
	}
	publish(g, c);
	if (g->opts.changed && g->started > 0)
		g->opts.changed(g->opts.ctx);
	return ERR_OK;
}
