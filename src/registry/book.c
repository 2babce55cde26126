/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The book: every fact that policy rests on, kept in a builder to which new
 * facts are added.  A final decision replaces its pending self there.  When a
 * fact is withdrawn, the book is written anew from the database.
 */
#include "registry/registry_internal.h"

#include "base/clock.h"

void
registry_fact_free(struct registry_fact *f)
{
	event_free(f->e);
	f->e = NULL;
}

void
registry_book_free(struct registry_book *b)
{
	if (b == NULL)
		return;
	policy_builder_free(b->builder);
	free(b->proxy);
	free(b->ending);
	free(b);
}

bool
registry_is_policy(uint8_t kind)
{
	return kind != EVENT_DOCUMENT_SET && kind != EVENT_INQUIRY;
}

static struct policy_source
source(const struct registry_fact *f)
{
	return (struct policy_source){ .id = f->row.id,
		.signer = f->row.sender,
		.order = f->row.order,
		.block_time = f->row.time,
		.final = f->row.order < REGISTRY_PENDING,
		.foreign = f->e && event_is_foreign(f->e) };
}

static enum err
add_ending(struct registry *r, struct registry_book *b,
    const struct registry_fact *f, const struct event_id *ended)
{
	enum err e;

	(void)pthread_mutex_lock(&r->lock);
	e = registry_grow((void **)&b->ending, b->nendings, sizeof(*b->ending));
	if (e == ERR_OK)
		b->ending[b->nendings++] = (struct registry_ending){ *ended,
			f->row.sender, f->row.time };
	(void)pthread_mutex_unlock(&r->lock);
	return e;
}

static enum err
add_end(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct event_end *end = &f->e->u.end;
	const struct policy_source src = source(f);
	enum err e = policy_add_end(
	    b->builder, &src, &end->ends, end->keep_dependents);

	return e ? e : add_ending(r, b, f, &end->ends);
}

/* What becomes of the dependents is not told: they end too. */
static enum err
add_mark(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct policy_source src = source(f);
	enum err e = policy_add_end(b->builder, &src, &f->ended, false);

	return e ? e : add_ending(r, b, f, &f->ended);
}

/* Without a patient: of all for whom the signer may decide. */
static enum err
add_opaque(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct pubkey *signer = &f->row.sender;
	enum err e = policy_add_opaque(
	    b->builder, signer, f->has_patient ? &f->patient : signer);

	(void)r;
	b->nopaque++;
	for (size_t i = 0; !f->has_patient && e == ERR_OK && i < b->nproxies;
	     i++)
		if (ID_EQ(&b->proxy[i].representative, signer))
			e = policy_add_opaque(
			    b->builder, signer, &b->proxy[i].patient);
	return e;
}

static enum err
add_decision(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct policy_source src = source(f);
	enum err e = policy_add_decision(
	    b->builder, &src, &f->e->patient, &f->e->u.decision);

	return e == ERR_INVAL ? add_opaque(r, b, f) : e;
}

static enum err
add_proxy(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct event_delegation *d = &f->e->u.delegation;
	enum err e;

	(void)pthread_mutex_lock(&r->lock);
	e = registry_grow((void **)&b->proxy, b->nproxies, sizeof(*b->proxy));
	if (e == ERR_OK)
		b->proxy[b->nproxies++] = (struct registry_proxy){ f->row.id,
			d->representative, f->e->patient,
			d->from > f->row.time ? d->from : f->row.time,
			d->until };
	(void)pthread_mutex_unlock(&r->lock);
	if (b->nopaque > 0) /* it may be the new representative's */
		r->full = true;
	return e;
}

static enum err
add_delegation(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	const struct policy_source src = source(f);
	enum err e;

	if (!src.final)
		return ERR_OK;
	e = policy_add_delegation(
	    b->builder, &src, &f->e->patient, &f->e->u.delegation);
	if (e == ERR_INVAL)
		return ERR_OK; /* it widens */
	if (e || src.foreign || !ID_EQ(&f->e->patient, &f->row.sender))
		return e;
	return add_proxy(r, b, f);
}

static enum err (*const adders[REGISTRY_KINDS])(struct registry *r,
    struct registry_book *b, const struct registry_fact *f) = {
	[EVENT_DECISION] = add_decision,
	[EVENT_DELEGATION] = add_delegation,
	[EVENT_END] = add_end,
	[REGISTRY_OPAQUE] = add_opaque,
	[REGISTRY_MARK] = add_mark,
};

enum err
registry_book_add(
    struct registry *r, struct registry_book *b, const struct registry_fact *f)
{
	return adders[f->kind] ? adders[f->kind](r, b, f) : ERR_OK;
}

/* ---- anew ---- */

struct rewrite {
	struct registry *r;
	struct registry_book *book;
	struct db_txn *t;
	enum err err;
};

static enum err
rewrite_record(struct rewrite *x, uint64_t order)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	CLEANUP_FACT struct registry_fact f = { 0 };
	enum err e = registry_record_get(x->r, x->t, order, &rec);

	if (e)
		return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
	f.row = rec.row;
	f.kind = rec.kind;
	f.has_patient = rec.has_patient;
	f.patient = rec.patient;
	if (rec.kind != REGISTRY_OPAQUE)
		e = registry_record_event(&rec, &f.e);
	return e ? e : registry_book_add(x->r, x->book, &f);
}

static bool
rewrite_step(void *ctx, uint64_t order)
{
	struct rewrite *x = ctx;

	x->err = rewrite_record(x, order);
	return x->err == ERR_OK;
}

static enum err
rewrite_mark(struct rewrite *x, struct db_val key, struct db_val value)
{
	struct registry_fact f = { .kind = REGISTRY_MARK };
	struct event_id end;
	enum err e;

	if (key.n != 8 + sizeof(f.ended.b) || value.n != sizeof(end.b))
		return ERR_CORRUPT;
	memcpy(f.ended.b, (const uint8_t *)key.p + 8, sizeof(f.ended.b));
	memcpy(end.b, value.p, sizeof(end.b));
	e = registry_row_get(x->r, x->t, &end, &f.row);
	if (e)
		return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
	return registry_book_add(x->r, x->book, &f);
}

static bool
rewrite_mark_step(void *ctx, struct db_val key, struct db_val value)
{
	struct rewrite *x = ctx;

	x->err = rewrite_mark(x, key, value);
	return x->err == ERR_OK;
}

static enum err
rewrite_pending(struct rewrite *x)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < x->r->npending; i++) {
		const struct registry_pending *p = &x->r->pending[i];
		CLEANUP_FACT struct registry_fact f = { 0 };

		if (!registry_is_policy(p->kind))
			continue;
		e = registry_pending_fact(p, &f);
		if (e == ERR_OK)
			e = registry_book_add(x->r, x->book, &f);
	}
	return e;
}

/* Delegations first: what is opaque is told to all whom they concern. */
static enum err
rewrite(struct registry *r, struct registry_book *book)
{
	static const uint8_t kinds[] = { EVENT_DELEGATION, EVENT_DECISION,
		EVENT_END, REGISTRY_OPAQUE };
	struct db_txn t CLEANUP_TXN;
	struct rewrite x = { r, book, &t, ERR_OK };
	enum err e;

	db_read(r->db, &t);
	for (size_t i = 0; x.err == ERR_OK && i < ARRAY_LEN(kinds); i++)
		registry_index_walk(r, &t, kinds[i], NULL, rewrite_step, &x);
	if (x.err == ERR_OK)
		db_walk(&t, r->tab[TAB_ENDS], (struct db_val){ NULL, 0 },
		    rewrite_mark_step, &x);
	e = x.err ? x.err : t.err;
	if (e == ERR_OK)
		e = rewrite_pending(&x);
	return e ? e : registry_members(r, book->builder);
}

static enum err
new_book(struct registry *r, struct registry_book **out)
{
	CLEANUP(registry_book_free)
	struct registry_book *book = calloc(1, sizeof(*book));
	enum err e;

	if (book == NULL)
		return ERR_NOMEM;
	e = policy_builder_new(&book->builder);
	if (e == ERR_OK)
		e = rewrite(r, book);
	if (e)
		return e;
	*out = TAKE(book);
	return ERR_OK;
}

enum err
registry_build(struct registry *r)
{
	CLEANUP(registry_book_free) struct registry_book *book = NULL;
	CLEANUP(policy_free) struct policy *policy = NULL;
	enum err e = r->full ? new_book(r, &book) : ERR_OK;

	if (e == ERR_OK)
		e = policy_build(
		    book ? book->builder : r->book->builder, &policy);
	if (e)
		return e;
	(void)pthread_mutex_lock(&r->lock);
	{
		struct policy *old = r->policy;

		r->policy = policy;
		policy = old;
	}
	if (book) {
		struct registry_book *old = r->book;

		r->book = book;
		book = old;
		r->full = false;
		r->stale = 0;
	}
	(void)pthread_mutex_unlock(&r->lock);
	__atomic_store_n(&r->dirty, false, __ATOMIC_RELEASE);
	return ERR_OK;
}

/* ---- questions ---- */

struct policy *
registry_policy(struct registry *r)
{
	struct policy *p;

	/* only while catching up, when nothing is fresh anyway */
	if (__atomic_load_n(&r->dirty, __ATOMIC_ACQUIRE) &&
	    pthread_mutex_trylock(&r->writing) == 0) {
		enum err e = r->dirty ? registry_build(r) : ERR_OK;

		(void)pthread_mutex_unlock(&r->writing);
		if (e)
			log_error("registry: cannot build the policy: %s",
			    err_detail(e));
	}
	(void)pthread_mutex_lock(&r->lock);
	p = policy_ref(r->policy);
	(void)pthread_mutex_unlock(&r->lock);
	return p;
}

static bool
ended(const struct registry_book *b, const struct registry_proxy *p, int64_t at)
{
	for (size_t i = 0; i < b->nendings; i++)
		if (ID_EQ(&b->ending[i].ended, &p->id) &&
		    ID_EQ(&b->ending[i].signer, &p->patient) &&
		    b->ending[i].time <= at)
			return true;
	return false;
}

static enum err
representative_locked(const struct registry *r, const struct pubkey *key,
    const struct pubkey *patient, int64_t at, struct event_id *out)
{
	const struct registry_book *b = r->book;

	for (size_t i = 0; i < b->nproxies; i++) {
		const struct registry_proxy *p = &b->proxy[i];

		if (!ID_EQ(&p->representative, key) ||
		    !ID_EQ(&p->patient, patient) ||
		    !registry_live(p->from, p->until, at) || ended(b, p, at))
			continue;
		*out = p->id;
		return ERR_OK;
	}
	return ERR_DENIED;
}

enum err
registry_representative(struct registry *r, const struct pubkey *key,
    const struct pubkey *patient, int64_t at, struct event_id *out_delegation)
{
	int64_t wall = clock_wall_ms();
	enum err e;

	(void)pthread_mutex_lock(&r->lock);
	if (at == 0)
		at = wall > r->time ? wall : r->time;
	e = representative_locked(r, key, patient, at, out_delegation);
	(void)pthread_mutex_unlock(&r->lock);
	return e;
}
