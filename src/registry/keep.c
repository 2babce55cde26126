/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeping an event of the ledger that we can open: its record, the ways to
 * find it again, and what follows from it.
 */
#include "registry/registry_internal.h"

#define MARK 32

static void
put_index(struct registry_work *w, const struct registry_record *rec)
{
	const struct registry_row *row = &rec->row;
	uint8_t key[25];

	registry_index_key(w->r, rec->kind, NULL, row->order, key);
	registry_put(w, TAB_INDEX, DB_VAL(&key), (struct db_val){ "", 0 });
	if (!rec->has_patient)
		return;
	registry_index_key(w->r, rec->kind, &rec->patient, row->order, key);
	registry_put(w, TAB_INDEX, DB_VAL(&key), (struct db_val){ "", 0 });
}

/* Whoever is about to be listed: not on the word of a stranger. */
static enum err
put_patient(struct registry_work *w, const struct registry_record *rec)
{
	CLEANUP_BUF struct buf plain = { 0 };
	struct db_val v;
	uint8_t key[16];

	if (!rec->has_patient || rec->kind == REGISTRY_OPAQUE ||
	    (!rec->host && !ID_EQ(&rec->row.sender, &rec->patient)))
		return ERR_OK;
	registry_hash(w->r, &rec->patient, NULL, key);
	if (registry_get_row(&w->t, w->r, TAB_PATIENTS, DB_VAL(&key), &v))
		return ERR_OK;
	buf_put(&plain, rec->patient.b, sizeof(rec->patient.b));
	return registry_rest_put(w, TAB_PATIENTS, DB_VAL(&key), &plain);
}

/* ---- ends, found by their mark ---- */

static enum err
put_end(struct registry_work *w, const struct registry_row *end,
    const struct event_id *ended)
{
	uint8_t key[8 + sizeof(ended->b)];
	struct registry_fact *f;
	enum err e;

	(void)registry_order_key(end->order, key);
	memcpy(key + 8, ended->b, sizeof(ended->b));
	registry_put(w, TAB_ENDS, DB_VAL(&key), DB_VAL(&end->id));
	e = registry_work_fact(w, end, REGISTRY_MARK, &f);
	if (e)
		return e;
	f->ended = *ended;
	w->changes |= REGISTRY_POLICY;
	return ERR_OK;
}

struct marked {
	struct registry_work *w;
	const struct registry_row *row;
	const uint8_t *public;
	enum err (*fn)(struct registry_work *w, const struct registry_row *row,
	    const struct event_id *ended);
	enum err err;
};

static bool
marked_step(void *ctx, struct db_val key, struct db_val value)
{
	struct marked *x = ctx;
	struct event_id ended;

	(void)value;
	if (key.n != MARK + sizeof(ended.b) ||
	    memcmp(key.p, x->public, MARK) != 0)
		return false;
	memcpy(ended.b, (const uint8_t *)key.p + MARK, sizeof(ended.b));
	x->err = x->fn(x->w, x->row, &ended);
	return x->err == ERR_OK;
}

enum err
registry_marked(struct registry_work *w, const struct registry_row *row,
    const uint8_t public[static MARK],
    enum err (*fn)(struct registry_work *w, const struct registry_row *row,
	const struct event_id *ended))
{
	struct marked x = { w, row, public, fn, ERR_OK };

	db_walk(&w->t, w->r->tab[TAB_MARKS], (struct db_val){ public, MARK },
	    marked_step, &x);
	return x.err ? x.err : w->t.err;
}

enum err
registry_keep_mark(struct registry_work *w, const struct registry_row *row,
    const uint8_t public[static MARK])
{
	return registry_marked(w, row, public, put_end);
}

struct earlier {
	const uint8_t *mark;
	struct event_id id;
	bool found;
};

static bool
earlier_step(void *ctx, struct db_val key, struct db_val value)
{
	struct earlier *x = ctx;

	x->found = key.n == MARK + 8 && value.n == sizeof(x->id.b) &&
	    memcmp(key.p, x->mark, MARK) == 0;
	if (x->found)
		memcpy(x->id.b, value.p, value.n);
	return false;
}

/* An envelope that we opened and understood ends nothing by its mark. */
static enum err
end_earlier(struct registry_work *w, const struct earlier *x,
    const struct event_id *ended, uint64_t *out_order)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	struct registry_row row;
	enum err e = registry_row_get(w->r, &w->t, &x->id, &row);

	if (e)
		return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
	*out_order = row.order;
	if (registry_record_has(w->r, &w->t, row.order)) {
		e = registry_record_get(w->r, &w->t, row.order, &rec);
		if (e || rec.kind != REGISTRY_OPAQUE)
			return e;
	}
	return put_end(w, &row, ended);
}

/* From now on the end of ${row} is looked for; it may be there already. */
static enum err
watch(struct registry_work *w, const struct registry_row *row,
    const struct secret *key)
{
	uint8_t from[MARK + 8], mark[MARK + sizeof(row->id.b)];
	struct earlier x = { .mark = from };
	uint64_t order = 0;
	enum err e = ERR_OK;

	if (key == NULL)
		return ERR_OK;
	seal_end_mark(key, from);
	memcpy(mark, from, MARK);
	memcpy(mark + MARK, row->id.b, sizeof(row->id.b));
	registry_put(w, TAB_MARKS, DB_VAL(&mark), (struct db_val){ "", 0 });
	memset(w->r->known, 0, sizeof(w->r->known));
	for (;;) {
		(void)registry_order_key(order, from + MARK);
		x.found = false;
		db_walk(&w->t, w->r->tab[TAB_PUBLICS],
		    (struct db_val){ from, sizeof(from) }, earlier_step, &x);
		if (!x.found || w->t.err)
			return w->t.err;
		e = end_earlier(w, &x, &row->id, &order);
		if (e)
			return e;
		order++;
	}
}

/* ---- by type ---- */

static enum err
keep_set(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	(void)row;
	(void)o;
	w->changes |= REGISTRY_SETS;
	return ERR_OK;
}

static enum err
keep_inquiry(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	uint64_t last = o->e->u.inquiry.last, have = 0;
	struct db_val v;
	uint8_t key[16], value[8];

	registry_hash(w->r, &row->sender, &o->e->patient, key);
	if (registry_get_row(&w->t, w->r, TAB_HIGHEST, DB_VAL(&key), &v))
		(void)registry_order_read(v, &have);
	if (last > have)
		registry_put(w, TAB_HIGHEST, DB_VAL(&key),
		    registry_order_key(last, value));
	w->changes |= REGISTRY_INQUIRY;
	return ERR_OK;
}

/* A fact that owns the event. */
static enum err
add_fact(struct registry_work *w, const struct registry_row *row, uint8_t kind,
    struct registry_opened *o)
{
	struct registry_fact *f;
	enum err e = registry_work_fact(w, row, kind, &f);

	if (e)
		return e;
	f->has_patient = o->has_patient;
	f->patient = o->patient;
	f->e = TAKE(o->e);
	w->changes |= REGISTRY_POLICY;
	return ERR_OK;
}

static enum err
keep_decision(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	enum err e = registry_keep_delegation(w, o->e);

	if (e == ERR_OK && o->e->u.decision.party != EVENT_INSTITUTION)
		e = watch(w, row, o->key);
	return e ? e : add_fact(w, row, EVENT_DECISION, o);
}

static enum err
keep_delegation(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	enum err e = watch(w, row, o->key);

	return e ? e : add_fact(w, row, EVENT_DELEGATION, o);
}

static enum err
keep_end(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	return add_fact(w, row, EVENT_END, o);
}

static enum err
keep_accredit(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	const struct institution_id *id = &o->e->u.accredit.institution;
	uint8_t key[sizeof(id->b) + 8];

	memcpy(key, id->b, sizeof(id->b));
	(void)registry_order_key(~row->order, key + sizeof(id->b));
	registry_put(w, TAB_ACCREDITS, DB_VAL(&key), (struct db_val){ "", 0 });
	w->changes |= REGISTRY_ACCREDIT;
	w->full = true; /* groups may have lost a member */
	return add_fact(w, row, EVENT_ACCREDIT, o);
}

static enum err
keep_opaque(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	log_warn("registry: event %s is not understood; its signer's grants "
		 "are off until this program is updated",
	    TEXT58(&row->id));
	return add_fact(w, row, REGISTRY_OPAQUE, o);
}

static enum err (*const keepers[])(struct registry_work *w,
    const struct registry_row *row, struct registry_opened *o) = {
	[EVENT_DOCUMENT_SET] = keep_set,
	[EVENT_INQUIRY] = keep_inquiry,
	[EVENT_DECISION] = keep_decision,
	[EVENT_DELEGATION] = keep_delegation,
	[EVENT_END] = keep_end,
	[EVENT_ACCREDIT] = keep_accredit,
	[REGISTRY_OPAQUE] = keep_opaque,
};

enum err
registry_is_host(struct registry_work *w, const struct registry_row *row,
    const struct event *e, bool *out)
{
	const struct event_accredit *a;
	const struct institution_id *id = NULL;
	enum err err;

	*out = false;
	if (e && e->type == EVENT_DOCUMENT_SET)
		id = &e->u.set.custodian;
	else if (e && e->type == EVENT_INQUIRY && e->u.inquiry.has_institution)
		id = &e->u.inquiry.institution;
	if (id == NULL)
		return ERR_OK;
	err = registry_standing(w, id, row->order, &a);
	if (err == ERR_OK)
		*out = registry_host_in(a, &row->sender, row->time);
	return err == ERR_NOTFOUND ? ERR_OK : err;
}

/* Once an envelope can be read, its mark alone counts no more. */
static void
replace_marks(struct registry_work *w, const struct registry_row *row)
{
	struct db_val found, v;
	uint8_t order[8], key[8 + sizeof(row->id.b)];
	const struct db_val from = registry_order_key(row->order, order);

	while (db_next(&w->t, w->r->tab[TAB_ENDS], from, &found, &v) &&
	    found.n == sizeof(key) && memcmp(found.p, order, 8) == 0) {
		memcpy(key, found.p, sizeof(key));
		registry_del(w, TAB_ENDS, DB_VAL(&key));
		w->full = true;
	}
}

enum err
registry_keep(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	struct registry_record rec = { .row = *row };
	enum err e;

	if (registry_record_has(w->r, &w->t, row->order))
		return ERR_OK;
	rec.kind = o->e ? (uint8_t)o->e->type : REGISTRY_OPAQUE;
	rec.has_patient = o->has_patient;
	rec.patient = o->patient;
	e = registry_is_host(w, row, o->e, &rec.host);
	if (e == ERR_OK)
		e = registry_record_put(w, &rec, o);
	if (e == ERR_OK)
		e = put_patient(w, &rec);
	if (e)
		return e;
	put_index(w, &rec);
	if (rec.kind != REGISTRY_OPAQUE)
		replace_marks(w, row);
	return keepers[rec.kind](w, row, o);
}

/* ---- a delegation that a decision brings the key of ---- */

static enum err
open_delegation(struct registry_work *w, const struct registry_row *row,
    const struct event *decision)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_OPENED struct registry_opened o = { 0 };
	struct db_val env;
	enum err e;

	if (!registry_raw_get(w->r, &w->t, row->order, &env))
		return ERR_CORRUPT;
	e = secret_copy(decision->u.decision.delegation_key, SEAL_KEY, &key);
	if (e == ERR_OK)
		e = registry_unseal_with(w->r, row, env, key, &o);
	if (e)
		return e;
	if (o.e &&
	    (o.e->type != EVENT_DELEGATION ||
		!ID_EQ(&o.e->patient, &decision->patient)))
		return ERR_FORGED;
	return registry_keep(w, row, &o);
}

enum err
registry_keep_delegation(struct registry_work *w, const struct event *decision)
{
	const struct event_decision *d = &decision->u.decision;
	struct registry_row row;
	enum err e;

	if (!d->has_delegation)
		return ERR_OK;
	e = registry_row_get(w->r, &w->t, &d->delegation, &row);
	if (e == ERR_OK && !registry_record_has(w->r, &w->t, row.order))
		e = open_delegation(w, &row, decision);
	/* the decision is kept all the same: without it, it counts nothing */
	return e == ERR_NOTFOUND || e == ERR_FORGED || e == ERR_FORMAT ?
	    ERR_OK :
	    e;
}
