/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One write, from begin to the swap of what readers see.  Memory follows the
 * database: what a write finds is applied when it is durable, and if that
 * fails, or another process wrote meanwhile, memory is read anew.
 */
#include "registry/registry_internal.h"

#define CHANGE    "change"
#define STALE_MAX 1000

enum err
registry_grow(void **p, size_t n, size_t size)
{
	void *bigger;

	if ((n & (n - 1)) != 0) /* sizes are powers of two */
		return ERR_OK;
	bigger = reallocarray(*p, n ? 2 * n : 1, size);
	if (bigger == NULL)
		return ERR_NOMEM;
	*p = bigger;
	return ERR_OK;
}

enum err
registry_work_fact(struct registry_work *w, const struct registry_row *row,
    uint8_t kind, struct registry_fact **out)
{
	enum err e = registry_grow(
	    (void **)&w->fact, w->nfacts, sizeof(*w->fact));

	if (e)
		return e;
	*out = &w->fact[w->nfacts++];
	**out = (struct registry_fact){ .row = *row, .kind = kind };
	return ERR_OK;
}

static struct db_val
change_key(void)
{
	return (struct db_val){ CHANGE, strlen(CHANGE) };
}

static uint64_t
change_in_db(struct registry *r, struct db_txn *t)
{
	struct db_val v;
	uint64_t change;

	if (!registry_get_row(t, r, TAB_STATE, change_key(), &v) ||
	    !registry_order_read(v, &change))
		return 1;
	return change;
}

enum err
registry_work_begin(struct registry *r, struct registry_work *w)
{
	uint64_t change;

	memset(w, 0, sizeof(*w));
	w->r = r;
	db_write(r->db, &w->t);
	change = change_in_db(r, &w->t);
	if (w->t.err)
		return w->t.err;
	if (change == r->change)
		return ERR_OK;
	w->loaded = true;
	return registry_load(w, change);
}

/* What was done halfway is read anew by the next who begins. */
void
registry_work_end(struct registry_work *w)
{
	struct registry *r = w->r;

	if (w->t.txn) {
		db_abort(&w->t);
		registry_standing_drop(r);
		for (size_t i = 0; i < r->npending; i++)
			registry_pending_gone(r, &r->pending[i], false);
		if (w->loaded)
			r->change = 0;
	}
	for (size_t i = 0; i < w->nfacts; i++)
		registry_fact_free(&w->fact[i]);
	for (size_t i = 0; i < w->npending; i++)
		registry_pending_free(&w->pending[i]);
	free(w->fact);
	free(w->pending);
}

static enum err
make_durable(struct registry_work *w)
{
	struct registry *r = w->r;
	uint8_t key[8];
	enum err e;

	if (!w->wrote) {
		e = w->t.err;
		db_abort(&w->t);
		return e;
	}
	registry_put(
	    w, TAB_STATE, change_key(), registry_order_key(r->change + 1, key));
	e = db_commit(&w->t);
	if (e == ERR_OK)
		r->change++;
	else
		registry_standing_drop(r);
	return e;
}

static void
apply_position(struct registry *r, const struct ledger_block *b)
{
	(void)pthread_mutex_lock(&r->lock);
	r->height = b->height;
	r->time = b->time;
	r->block = b->id;
	(void)pthread_mutex_unlock(&r->lock);
}

static enum err
apply_facts(struct registry_work *w)
{
	struct registry *r = w->r;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < w->nfacts; i++) {
		struct registry_fact *f = &w->fact[i];

		if (f->kind == EVENT_ACCREDIT)
			e = registry_roster_put(r, &f->row, f->e);
		else if (!r->full)
			e = registry_book_add(r, r->book, f);
		if (registry_is_policy(f->kind))
			__atomic_store_n(&r->dirty, true, __ATOMIC_RELEASE);
	}
	return e;
}

static enum err
apply(struct registry_work *w)
{
	struct registry *r = w->r;
	enum err e;

	if (w->block)
		apply_position(r, w->block);
	if (w->full || r->stale > STALE_MAX)
		r->full = true;
	e = registry_pending_apply(w);
	if (e == ERR_OK)
		e = apply_facts(w);
	if (r->full)
		__atomic_store_n(&r->dirty, true, __ATOMIC_RELEASE);
	if (e == ERR_OK && r->dirty && !w->defer)
		e = registry_build(r);
	return e;
}

static void
owe(struct registry_work *w, unsigned *changes)
{
	struct registry *r = w->r;

	r->owed |= w->changes;
	*changes = r->owed;
	if (r->dirty)
		*changes &= ~(unsigned)REGISTRY_POLICY;
	r->owed &= ~*changes;
}

enum err
registry_work_commit(struct registry_work *w, unsigned *changes)
{
	struct registry *r = w->r;
	enum err e = make_durable(w);

	if (e == ERR_OK)
		e = apply(w);
	if (e) {
		r->change = 0;
		return e;
	}
	owe(w, changes);
	return ERR_OK;
}

void
registry_work_remember(struct registry_work *w, unsigned *changes)
{
	db_abort(&w->t);
	if (apply(w) == ERR_OK)
		owe(w, changes);
	w->r->change = 0;
}

/* Only if nothing is behind may a round go on as if all were well. */
static enum err
refresh(struct registry *r, unsigned *changes)
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	struct db_txn t CLEANUP_TXN;
	uint64_t change;
	enum err e;

	db_read(r->db, &t);
	change = change_in_db(r, &t);
	e = t.err;
	db_abort(&t);
	if (e || (change == r->change && !r->dirty && r->owed == 0))
		return e;
	e = registry_work_begin(r, &w);
	return e ? e : registry_work_commit(&w, changes);
}

enum err
registry_refresh(struct registry *r)
{
	unsigned changes = 0;
	enum err e;

	(void)pthread_mutex_lock(&r->writing);
	e = refresh(r, &changes);
	(void)pthread_mutex_unlock(&r->writing);
	registry_tell(r, changes);
	return e;
}

void
registry_tell(struct registry *r, unsigned changes)
{
	if (changes && r->changed)
		r->changed(r->changed_ctx, changes);
}
