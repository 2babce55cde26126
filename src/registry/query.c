/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions about single events, and learning what was not sealed to us.
 */
#include "registry/registry_internal.h"

/* Who signed may say so: its host, the patient, a live representative. */
static bool
accredited(struct registry *r, const struct registry_event *ev, bool host)
{
	const struct event *e = ev->e;
	struct event_id delegation;

	if (e->type == EVENT_ACCREDIT)
		return true;
	if (e->type == EVENT_DOCUMENT_SET ||
	    (e->type == EVENT_INQUIRY && e->u.inquiry.has_institution))
		return host;
	return ID_EQ(&ev->sender, &e->patient) ||
	    registry_representative(r, &ev->sender, &e->patient, ev->block_time,
		&delegation) == ERR_OK;
}

static void
fill(struct registry *r, const struct registry_row *row, bool host,
    const struct event *e, struct registry_event *out)
{
	bool final = row->order < REGISTRY_PENDING;

	*out = (struct registry_event){ .id = row->id,
		.tx = row->tx,
		.entry = row->entry,
		.sender = row->sender,
		.order = row->order,
		.height = final ? row->order >> REGISTRY_PLACE_BITS : 0,
		.block_time = row->time,
		.final = final,
		.e = e };
	out->accredited = accredited(r, out, host);
}

/* ---- pending events, copied out ---- */

struct copies {
	struct registry_pending *p;
	size_t n;
};

static void
copies_free(struct copies *x)
{
	for (size_t i = 0; i < x->n; i++)
		registry_pending_free(&x->p[i]);
	free(x->p);
}
#define CLEANUP_COPIES __attribute__((cleanup(copies_free), unused))

static enum err
copy_one(struct copies *x, const struct registry_pending *p)
{
	struct registry_pending *to;
	enum err e = registry_grow((void **)&x->p, x->n, sizeof(*x->p));

	if (e)
		return e;
	to = &x->p[x->n++];
	*to = *p;
	to->json = (struct buf){ 0 };
	buf_put(&to->json, p->json.p, p->json.len);
	return to->json.err;
}

struct want {
	uint8_t kind; /* REGISTRY_KINDS: any event */
	const struct pubkey *patient;
	const struct event_id *id;
};

static bool
wanted(const struct want *want, const struct registry_pending *p)
{
	if (p->kind >= REGISTRY_OPAQUE ||
	    (want->kind != REGISTRY_KINDS && p->kind != want->kind))
		return false;
	if (want->patient &&
	    !(p->has_patient && ID_EQ(&p->patient, want->patient)))
		return false;
	return want->id == NULL || ID_EQ(&p->row.id, want->id);
}

static enum err
copy_pending(struct registry *r, const struct want *want, struct copies *x)
{
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; e == ERR_OK && i < r->npending; i++)
		if (wanted(want, &r->pending[i]))
			e = copy_one(x, &r->pending[i]);
	(void)pthread_mutex_unlock(&r->lock);
	return e;
}

/* ---- each ---- */

struct each {
	struct registry *r;
	struct db_txn *t;
	bool (*fn)(void *ctx, const struct registry_event *ev);
	void *ctx;
	bool more;
	enum err err;
};

static enum err
each_final(struct each *x, uint64_t order)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	CLEANUP(event_free) struct event *e = NULL;
	struct registry_event ev;
	enum err err = registry_record_get(x->r, x->t, order, &rec);

	if (err == ERR_OK)
		err = registry_record_event(&rec, &e);
	if (err)
		return err == ERR_NOTFOUND ? ERR_CORRUPT : err;
	fill(x->r, &rec.row, rec.host, e, &ev);
	x->more = x->fn(x->ctx, &ev);
	return ERR_OK;
}

static bool
each_step(void *ctx, uint64_t order)
{
	struct each *x = ctx;

	x->err = each_final(x, order);
	return x->err == ERR_OK && x->more;
}

static enum err
each_pending(struct each *x, const struct registry_pending *p)
{
	CLEANUP(event_free) struct event *e = NULL;
	struct registry_event ev;
	struct db_val v;
	enum err err;

	/* it became final between the copy and our state */
	if (registry_get_row(x->t, x->r, TAB_ENTRIES, DB_VAL(&p->row.id), &v))
		return ERR_OK;
	err = event_decode(p->json.p, p->json.len, &e);
	if (err)
		return err;
	fill(x->r, &p->row, p->host, e, &ev);
	x->more = x->fn(x->ctx, &ev);
	return ERR_OK;
}

enum err
registry_each(struct registry *r, enum event_type type,
    const struct pubkey *patient,
    bool (*fn)(void *ctx, const struct registry_event *ev), void *ctx)
{
	const struct want want = { (uint8_t)type, patient, NULL };
	CLEANUP_COPIES struct copies pending = { 0 };
	struct db_txn t CLEANUP_TXN;
	struct each x = { r, &t, fn, ctx, true, ERR_OK };

	/* before our state: what is final later is in one of both */
	x.err = copy_pending(r, &want, &pending);
	db_read(r->db, &t);
	if (x.err == ERR_OK)
		registry_index_walk(
		    r, &t, (uint8_t)type, patient, each_step, &x);
	for (size_t i = 0; i < pending.n && x.more && x.err == ERR_OK; i++)
		x.err = each_pending(&x, &pending.p[i]);
	return x.err ? x.err : t.err;
}

/* ---- one ---- */

static enum err
record_of(struct registry *r, struct db_txn *t, const struct event_id *id,
    struct registry_record *out)
{
	struct registry_row row;
	enum err e = registry_row_get(r, t, id, &row);

	return e ? e : registry_record_get(r, t, row.order, out);
}

static enum err
get_pending(
    struct registry *r, const struct event_id *id, struct registry_event *out)
{
	const struct want want = { REGISTRY_KINDS, NULL, id };
	CLEANUP_COPIES struct copies x = { 0 };
	struct event *e = NULL;
	enum err err = copy_pending(r, &want, &x);

	if (err == ERR_OK && x.n == 0)
		err = err_say(
		    ERR_NOTFOUND, "event %s is not known here", TEXT58(id));
	if (err == ERR_OK)
		err = event_decode(x.p->json.p, x.p->json.len, &e);
	if (err == ERR_OK)
		fill(r, &x.p->row, x.p->host, e, out);
	return err;
}

enum err
registry_get(
    struct registry *r, const struct event_id *id, struct registry_event *out)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	struct db_txn t CLEANUP_TXN;
	struct event *e = NULL;
	enum err err;

	memset(out, 0, sizeof(*out));
	db_read(r->db, &t);
	err = record_of(r, &t, id, &rec);
	if (err == ERR_OK && rec.kind == REGISTRY_OPAQUE)
		return err_say(ERR_NOTFOUND,
		    "event %s is not understood; update this program",
		    TEXT58(id));
	if (err == ERR_NOTFOUND)
		return get_pending(r, id, out);
	if (err == ERR_OK)
		err = registry_record_event(&rec, &e);
	if (err == ERR_OK)
		fill(r, &rec.row, rec.host, e, out);
	return err;
}

void
registry_event_free(struct registry_event *ev)
{
	event_free((struct event *)(uintptr_t)ev->e);
	ev->e = NULL;
}

enum err
registry_content_key(
    struct registry *r, const struct event_id *id, struct secret **out)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	struct db_txn t CLEANUP_TXN;
	enum err e;

	db_read(r->db, &t);
	e = record_of(r, &t, id, &rec);
	if (e == ERR_NOTFOUND || (e == ERR_OK && !rec.has_key))
		return err_say(ERR_NOTFOUND,
		    "the content key of event %s is not known here",
		    TEXT58(id));
	return e ? e : secret_copy(rec.key, SEAL_KEY, out);
}

uint64_t
registry_highest(struct registry *r, const struct pubkey *signer,
    const struct pubkey *patient)
{
	const struct want want = { EVENT_INQUIRY, patient, NULL };
	CLEANUP_COPIES struct copies x = { 0 };
	struct db_txn t CLEANUP_TXN;
	uint64_t highest = 0;
	struct db_val v;
	uint8_t key[16];
	enum err e = copy_pending(r, &want, &x);

	db_read(r->db, &t);
	registry_hash(r, signer, patient, key);
	if (registry_get_row(&t, r, TAB_HIGHEST, DB_VAL(&key), &v))
		(void)registry_order_read(v, &highest);
	for (size_t i = 0; e == ERR_OK && i < x.n; i++) {
		CLEANUP(event_free) struct event *ev = NULL;

		if (!ID_EQ(&x.p[i].row.sender, signer))
			continue;
		e = event_decode(x.p[i].json.p, x.p[i].json.len, &ev);
		if (e == ERR_OK && ev->u.inquiry.last > highest)
			highest = ev->u.inquiry.last;
	}
	return highest;
}

/* ---- patients ---- */

struct patients {
	const struct registry *r;
	struct pubkey *key;
	size_t n;
	enum err err;
};

static bool
patient_step(void *ctx, struct db_val key, struct db_val value)
{
	CLEANUP_BUF struct buf plain = { 0 };
	struct patients *x = ctx;

	x->err = registry_rest_open(x->r, TAB_PATIENTS, key, value, &plain);
	if (x->err == ERR_OK && plain.len != sizeof(struct pubkey))
		x->err = ERR_CORRUPT;
	if (x->err == ERR_OK)
		x->err = registry_grow((void **)&x->key, x->n, sizeof(*x->key));
	if (x->err == ERR_OK)
		memcpy(x->key[x->n++].b, plain.p, plain.len);
	return x->err == ERR_OK;
}

enum err
registry_patients(struct registry *r,
    bool (*fn)(void *ctx, const struct pubkey *patient), void *ctx)
{
	struct patients x = { .r = r };
	struct db_txn t CLEANUP_TXN;
	enum err e;

	db_read(r->db, &t);
	db_walk(&t, r->tab[TAB_PATIENTS], (struct db_val){ NULL, 0 },
	    patient_step, &x);
	e = x.err ? x.err : t.err;
	db_abort(&t);
	for (size_t i = 0; e == ERR_OK && i < x.n; i++)
		if (!fn(ctx, &x.key[i]))
			break;
	free(x.key);
	return e;
}

/* ---- learning ---- */

static enum err
learn(struct registry *r, const struct event_id *id, const struct secret *key,
    unsigned *changes)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };
	CLEANUP_WORK struct registry_work w = { .r = r };
	struct registry_row row;
	struct db_val env;
	enum err e = registry_work_begin(r, &w);

	if (e == ERR_OK)
		e = registry_row_get(r, &w.t, id, &row);
	if (e == ERR_NOTFOUND)
		return err_say(e,
		    "event %s is not on the ledger yet, as far "
		    "as it was read; wait for it",
		    TEXT58(id));
	if (e)
		return e;
	if (!registry_raw_get(r, &w.t, row.order, &env))
		return w.t.err ? w.t.err : ERR_CORRUPT;
	e = registry_unseal_with(r, &row, env, key, &o);
	if (e == ERR_OK)
		e = registry_keep(&w, &row, &o);
	return e ? e : registry_work_commit(&w, changes);
}

enum err
registry_learn(struct registry *r, const struct ledger_tx *tx,
    const struct entry_key *entry, const struct secret *key)
{
	unsigned changes = 0;
	struct event_id id;
	enum err e;

	seal_event_id(&r->reader.chain, &tx->sender, entry, &id);
	(void)pthread_mutex_lock(&r->writing);
	e = learn(r, &id, key, &changes);
	(void)pthread_mutex_unlock(&r->writing);
	registry_tell(r, changes);
	return e;
}
