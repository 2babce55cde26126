/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is accredited.  Of each institution the newest final accreditation
 * stands, and until it is final a newer one already takes away: a host must
 * be in the final one and in every pending one.
 */
#include <stdio.h>

#include "registry/registry_internal.h"

bool
registry_live(int64_t from, int64_t until, int64_t at)
{
	return from <= at && (until == 0 || at < until);
}

bool
registry_host_in(
    const struct event_accredit *a, const struct pubkey *key, int64_t at)
{
	if (!registry_live(a->from, a->until, at))
		return false;
	for (size_t i = 0; i < a->nhosts; i++)
		if (ID_EQ(&a->hosts[i].key, key) &&
		    registry_live(a->hosts[i].from, a->hosts[i].until, at))
			return true;
	return false;
}

static bool
reads_with(const struct event_accredit *a, const struct pubkey *key, int64_t at)
{
	if (!registry_live(a->from, a->until, at))
		return false;
	for (size_t i = 0; i < a->nreading; i++)
		if (ID_EQ(&a->reading[i].key, key) &&
		    registry_live(a->reading[i].from, a->reading[i].until, at))
			return true;
	return false;
}

static bool
has_group(const struct event_accredit *a, const char *group)
{
	for (size_t i = 0; i < a->groups.n; i++)
		if (strcmp(a->groups.v[i], group) == 0)
			return true;
	return false;
}

/* ---- the accreditation that stood at some place of the ledger ---- */

static void
accredit_release(struct registry_accredit *a)
{
	event_free(a->e);
	buf_free(&a->json);
	*a = (struct registry_accredit){ 0 };
}

void
registry_standing_drop(struct registry *r)
{
	for (size_t i = 0; i < REGISTRY_STANDING; i++)
		accredit_release(&r->standing[i]);
}

static enum err
standing_order(struct registry_work *w, const struct institution_id *id,
    uint64_t order, uint64_t *out)
{
	uint8_t from[sizeof(id->b) + 8];
	struct db_val key, value;
	uint64_t inverted = 0;

	memcpy(from, id->b, sizeof(id->b));
	(void)registry_order_key(~order, from + sizeof(id->b));
	if (!db_next(
		&w->t, w->r->tab[TAB_ACCREDITS], DB_VAL(&from), &key, &value) ||
	    key.n != sizeof(from) || memcmp(key.p, id->b, sizeof(id->b)) != 0)
		return w->t.err ? w->t.err : ERR_NOTFOUND;
	(void)registry_order_read(
	    (struct db_val){ (const uint8_t *)key.p + sizeof(id->b), 8 },
	    &inverted);
	*out = ~inverted;
	return ERR_OK;
}

enum err
registry_standing(struct registry_work *w, const struct institution_id *id,
    uint64_t order, const struct event_accredit **out)
{
	struct registry_accredit *slot =
	    &w->r->standing[id->b[0] % REGISTRY_STANDING];
	CLEANUP_RECORD struct registry_record rec = { 0 };
	uint64_t at = 0;
	enum err e = standing_order(w, id, order, &at);

	if (e)
		return e;
	if (slot->e == NULL || slot->order != at ||
	    !ID_EQ(&slot->e->u.accredit.institution, id)) {
		accredit_release(slot);
		e = registry_record_get(w->r, &w->t, at, &rec);
		if (e == ERR_OK)
			e = registry_record_event(&rec, &slot->e);
		if (e)
			return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
		slot->order = at;
	}
	*out = &slot->e->u.accredit;
	return ERR_OK;
}

/* ---- the newest ones, in memory ---- */

static bool
is_final(const struct registry_accredit *a)
{
	return a->order < REGISTRY_PENDING;
}

static struct registry_accredit *
find_final(const struct registry *r, const struct institution_id *id)
{
	for (size_t i = 0; i < r->naccredits; i++)
		if (is_final(&r->accredit[i]) &&
		    ID_EQ(&r->accredit[i].e->u.accredit.institution, id))
			return &r->accredit[i];
	return NULL;
}

static enum err
copy_accredit(const struct registry_row *row, const struct event *e,
    struct registry_accredit *out)
{
	enum err err = event_encode(e, &out->json);

	if (err == ERR_OK)
		err = event_decode(out->json.p, out->json.len, &out->e);
	out->id = row->id;
	out->order = row->order;
	return err;
}

static enum err
put_locked(struct registry *r, struct registry_accredit *a)
{
	struct registry_accredit *old = is_final(a) ?
	    find_final(r, &a->e->u.accredit.institution) :
	    NULL;
	enum err e;

	if (old) {
		struct registry_accredit kept = *old;

		*old = *a; /* the caller frees what was replaced */
		*a = kept;
		return ERR_OK;
	}
	e = registry_grow(
	    (void **)&r->accredit, r->naccredits, sizeof(*r->accredit));
	if (e)
		return e;
	r->accredit[r->naccredits++] = *a;
	*a = (struct registry_accredit){ 0 };
	return ERR_OK;
}

enum err
registry_roster_put(
    struct registry *r, const struct registry_row *row, const struct event *e)
{
	struct registry_accredit a = { 0 };
	enum err err = copy_accredit(row, e, &a);

	if (err == ERR_OK) {
		(void)pthread_mutex_lock(&r->lock);
		err = put_locked(r, &a);
		(void)pthread_mutex_unlock(&r->lock);
	}
	accredit_release(&a);
	return err;
}

void
registry_roster_remove(struct registry *r, const struct event_id *id)
{
	for (size_t i = 0; i < r->naccredits; i++) {
		if (is_final(&r->accredit[i]) || !ID_EQ(&r->accredit[i].id, id))
			continue;
		accredit_release(&r->accredit[i]);
		r->accredit[i] = r->accredit[--r->naccredits];
		return;
	}
}

void
registry_roster_drop(struct registry *r)
{
	(void)pthread_mutex_lock(&r->lock);
	while (r->naccredits > 0)
		accredit_release(&r->accredit[--r->naccredits]);
	(void)pthread_mutex_unlock(&r->lock);
}

/* Of the rows of one institution the first is the newest. */
struct newest {
	struct institution_id id;
	bool any;
	uint64_t *order;
	size_t n;
	enum err err;
};

static bool
newest_step(void *ctx, struct db_val key, struct db_val value)
{
	const size_t n = sizeof(struct institution_id);
	struct newest *x = ctx;
	const uint8_t *k = key.p;
	uint64_t inverted;

	(void)value;
	if (key.n != n + 8) {
		x->err = ERR_CORRUPT;
		return false;
	}
	if (x->any && memcmp(k, x->id.b, n) == 0)
		return true;
	x->any = true;
	memcpy(x->id.b, k, n);
	(void)registry_order_read((struct db_val){ k + n, 8 }, &inverted);
	x->err = registry_grow((void **)&x->order, x->n, sizeof(*x->order));
	if (x->err == ERR_OK)
		x->order[x->n++] = ~inverted;
	return x->err == ERR_OK;
}

static enum err
load_one(struct registry *r, struct db_txn *t, uint64_t order)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	CLEANUP(event_free) struct event *e = NULL;
	enum err err = registry_record_get(r, t, order, &rec);

	if (err == ERR_OK)
		err = registry_record_event(&rec, &e);
	if (err)
		return err == ERR_NOTFOUND ? ERR_CORRUPT : err;
	return registry_roster_put(r, &rec.row, e);
}

enum err
registry_roster_load(struct registry *r, struct db_txn *t)
{
	struct newest x = { 0 };
	enum err e;

	registry_roster_drop(r);
	db_walk(t, r->tab[TAB_ACCREDITS], (struct db_val){ NULL, 0 },
	    newest_step, &x);
	e = t->err ? t->err : x.err;
	for (size_t i = 0; e == ERR_OK && i < x.n; i++)
		e = load_one(r, t, x.order[i]);
	free(x.order);
	return e;
}

/* Does every pending accreditation of the institution say so too? */
static bool
all_pending(const struct registry *r, const struct institution_id *id,
    bool (*says)(const struct event_accredit *a, const void *what, int64_t at),
    const void *what, int64_t at)
{
	for (size_t i = 0; i < r->naccredits; i++) {
		const struct registry_accredit *a = &r->accredit[i];

		if (!is_final(a) && ID_EQ(&a->e->u.accredit.institution, id) &&
		    !says(&a->e->u.accredit, what, at))
			return false;
	}
	return true;
}

static bool
says_host(const struct event_accredit *a, const void *key, int64_t at)
{
	return registry_host_in(a, key, at);
}

static bool
says_reading(const struct event_accredit *a, const void *key, int64_t at)
{
	return reads_with(a, key, at);
}

static bool
says_group(const struct event_accredit *a, const void *group, int64_t at)
{
	return registry_live(a->from, a->until, at) && has_group(a, group);
}

/* Only the writer changes the roster, so it reads it without the lock. */
enum err
registry_members(struct registry *r, struct policy_builder *b)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < r->naccredits; i++) {
		const struct event_accredit *a = &r->accredit[i].e->u.accredit;

		if (!is_final(&r->accredit[i]))
			continue;
		for (size_t k = 0; e == ERR_OK && k < a->groups.n; k++) {
			const char *group = a->groups.v[k];

			if (says_group(a, group, r->time) &&
			    all_pending(
				r, &a->institution, says_group, group, r->time))
				e = policy_add_member(
				    b, &a->institution, group);
		}
	}
	return e;
}

/* ---- questions ---- */

static enum err
host_locked(const struct registry *r, const struct pubkey *key, int64_t at,
    struct institution_id *out)
{
	if (at == 0)
		at = r->time;
	for (size_t i = 0; i < r->naccredits; i++) {
		const struct event_accredit *a = &r->accredit[i].e->u.accredit;

		if (!is_final(&r->accredit[i]) ||
		    !registry_host_in(a, key, at) ||
		    !all_pending(r, &a->institution, says_host, key, at))
			continue;
		*out = a->institution;
		return ERR_OK;
	}
	return ERR_UNKNOWNKEY;
}

enum err
registry_host(struct registry *r, const struct pubkey *key, int64_t at,
    struct institution_id *out)
{
	enum err e;

	(void)pthread_mutex_lock(&r->lock);
	e = host_locked(r, key, at, out);
	(void)pthread_mutex_unlock(&r->lock);
	return e ?
	    err_say(e, "account %s is not an accredited host", TEXT58(key)) :
	    ERR_OK;
}

static enum err
reading_locked(const struct registry *r, const struct institution_id *id,
    struct pubkey *out)
{
	const struct registry_accredit *final = find_final(r, id);
	const struct event_reading_key *best = NULL;

	for (size_t i = 0; final && i < final->e->u.accredit.nreading; i++) {
		const struct event_accredit *a = &final->e->u.accredit;
		const struct event_reading_key *k = &a->reading[i];

		if (reads_with(a, &k->key, r->time) &&
		    registry_live(k->from, k->until, r->time) &&
		    all_pending(r, id, says_reading, &k->key, r->time) &&
		    (best == NULL || k->from >= best->from))
			best = k;
	}
	if (best == NULL)
		return ERR_NOTFOUND;
	*out = best->key;
	return ERR_OK;
}

enum err
registry_reading_key(
    struct registry *r, const struct institution_id *id, struct pubkey *out)
{
	enum err e;

	(void)pthread_mutex_lock(&r->lock);
	e = reading_locked(r, id, out);
	(void)pthread_mutex_unlock(&r->lock);
	return e ?
	    err_say(e, "institution %s has no reading key now", TEXT58(id)) :
	    ERR_OK;
}

enum err
registry_institution(
    struct registry *r, const struct institution_id *id, struct event **out)
{
	CLEANUP_BUF struct buf json = { 0 };
	const struct registry_accredit *a;

	(void)pthread_mutex_lock(&r->lock);
	a = find_final(r, id);
	if (a)
		buf_put(&json, a->json.p, a->json.len);
	(void)pthread_mutex_unlock(&r->lock);
	if (a == NULL)
		return err_say(ERR_NOTFOUND, "institution %s is not accredited",
		    TEXT58(id));
	return json.err ? json.err : event_decode(json.p, json.len, out);
}

void
registry_institution_name(
    struct registry *r, const struct institution_id *id, char out[static 256])
{
	const struct registry_accredit *a;

	(void)pthread_mutex_lock(&r->lock);
	a = find_final(r, id);
	if (a)
		(void)snprintf(out, 256, "%s", a->e->u.accredit.name);
	else
		(void)snprintf(out, 256, "(%.40s)", TEXT58(id));
	(void)pthread_mutex_unlock(&r->lock);
	for (size_t n = strlen(out); n > 0 && !text_is_utf8(out, n); n--)
		out[n - 1] = '\0'; /* cut within a character */
}
