/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking the ledger's final blocks.  The value of every entry of ours is kept,
 * at the cost of the ledger's size: what is sealed to others may be opened
 * later with a content key that we learn, without asking any node.
 */
#include "registry/registry_internal.h"

#include "base/clock.h"

#define FRESH_MS 60000 /* an older block may let policy wait */
#define BATCH    500   /* entries that are read again in one write */

static enum err
take_envelope(
    struct registry_work *w, const struct registry_row *row, struct db_val env)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };
	const uint8_t *public = seal_envelope_public(env.p, env.n);
	uint8_t key[32 + 8];
	bool understood;
	enum err e;

	e = registry_unseal(w->r, row, env, &o);
	understood = o.e != NULL;
	if (e == ERR_OK)
		e = registry_keep(w, row, &o);
	else if (e == ERR_NOKEY)
		e = ERR_OK;
	if (e || understood)
		return e;
	memcpy(key, public, 32);
	(void)registry_order_key(row->order, key + 32);
	registry_put(w, TAB_PUBLICS, DB_VAL(&key), DB_VAL(&row->id));
	return registry_keep_mark(w, row, public);
}

/* A newer accreditation makes older ones that still wait pointless. */
static void
outdate(struct registry_work *w, const struct institution_id *id)
{
	struct registry *r = w->r;

	for (size_t i = 0; i < r->npending; i++) {
		struct registry_pending *p = &r->pending[i];

		if (p->kind != EVENT_ACCREDIT || p->stamp >= w->stamp)
			continue;
		for (size_t k = 0; k < r->naccredits; k++) {
			const struct registry_accredit *a = &r->accredit[k];

			if (ID_EQ(&a->id, &p->row.id) &&
			    ID_EQ(&a->e->u.accredit.institution, id))
				registry_pending_gone(r, p, true);
		}
	}
}

static enum err
take_clear(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };
	enum err e = registry_read_clear(w->r, row, value, &o);

	if (e)
		return e == ERR_NOKEY ? ERR_OK : e;
	outdate(w, &o.e->u.accredit.institution);
	return registry_keep(w, row, &o);
}

static enum err
take_unknown(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };

	(void)value;
	return registry_keep(w, row, &o);
}

static enum err
take_void(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	(void)w;
	(void)value;
	log_debug("registry: entry %s is void", TEXT58(&row->id));
	return ERR_OK;
}

static enum err (*const takers[])(struct registry_work *w,
    const struct registry_row *row, struct db_val value) = {
	[FORM_VOID] = take_void,
	[FORM_ENVELOPE] = take_envelope,
	[FORM_CLEAR] = take_clear,
	[FORM_UNKNOWN] = take_unknown,
};

static void
compare_repeat(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	struct registry_row first;
	struct db_val v;

	if (registry_row_get(w->r, &w->t, &row->id, &first) == ERR_OK &&
	    registry_raw_get(w->r, &w->t, first.order, &v) &&
	    (v.n != value.n || memcmp(v.p, value.p, value.n) != 0))
		log_warn("registry: account %s wrote event %s twice with "
			 "different content; the first one stands",
		    TEXT58(&row->sender), TEXT58(&row->id));
}

static enum err
take_entry(struct registry_work *w, struct registry_row *row,
    const struct ledger_entry *in)
{
	struct db_val value = { in->value, in->len }, v;
	uint8_t order[8];
	enum err e;

	if (in->type != LEDGER_BINARY ||
	    ledger_entry_read(in->key, &row->entry) != ERR_OK)
		return ERR_OK;
	row->order += w->place++;
	seal_event_id(&w->r->reader.chain, &row->sender, &row->entry, &row->id);
	if (registry_get_row(&w->t, w->r, TAB_ENTRIES, DB_VAL(&row->id), &v)) {
		compare_repeat(w, row, value);
		return w->t.err;
	}
	e = registry_row_put(w, row);
	if (e)
		return e;
	registry_put(w, TAB_RAW, registry_order_key(row->order, order), value);
	return takers[registry_form(value)](w, row, value);
}

static enum err
take_tx(struct registry_work *w, const struct ledger_block *b,
    const struct ledger_tx *tx)
{
	enum err e = ERR_OK;

	if (!ID_EQ(&tx->author, &tx->sender))
		return ERR_OK;
	w->stamp = tx->timestamp;
	for (size_t i = 0; e == ERR_OK && i < tx->nentries; i++) {
		struct registry_row row = { .tx = tx->id,
			.sender = tx->sender,
			.order = b->height << REGISTRY_PLACE_BITS,
			.time = b->time };

		e = take_entry(w, &row, &tx->entry[i]);
	}
	return e;
}

static bool
still_narrows(const struct registry *r, const struct tx_id *tx)
{
	for (size_t i = 0; i < r->npending; i++)
		if (r->pending[i].narrow && !r->pending[i].gone &&
		    ID_EQ(&r->pending[i].row.tx, tx))
			return true;
	return false;
}

/* A decision may be seen before what it rests on is final. */
static enum err
find_delegation(struct registry_work *w, const struct registry_pending *p)
{
	CLEANUP(event_free) struct event *e = NULL;
	struct registry_row row;
	enum err err = registry_row_get(w->r, &w->t, &p->delegation, &row);

	if (err)
		return err == ERR_NOTFOUND ? ERR_OK : err;
	if (registry_record_has(w->r, &w->t, row.order))
		return ERR_OK;
	err = event_decode(p->json.p, p->json.len, &e);
	return err ? err : registry_keep_delegation(w, e);
}

/* Within the write of blocks: what they made final is pending no more. */
static enum err
settle(struct registry_work *w)
{
	struct registry *r = w->r;
	struct db_val v;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->npending; i++)
		if (r->pending[i].has_delegation)
			e = find_delegation(w, &r->pending[i]);
	if (e)
		return e;
	for (size_t i = 0; i < r->npending; i++)
		if (registry_get_row(&w->t, r, TAB_ENTRIES,
			DB_VAL(&r->pending[i].row.id), &v))
			registry_pending_gone(r, &r->pending[i], true);
	for (size_t i = 0; i < r->npending; i++) {
		const struct registry_pending *p = &r->pending[i];

		if (p->gone && p->narrow && !still_narrows(r, &p->row.tx))
			registry_del(w, TAB_NARROW, DB_VAL(&p->row.tx));
	}
	return w->t.err;
}

static enum err
put_position(struct registry_work *w, const struct ledger_block *b)
{
	CLEANUP_BUF struct buf v = { 0 };

	buf_u64(&v, b->height);
	buf_put(&v, b->id.b, sizeof(b->id.b));
	buf_u64(&v, (uint64_t)b->time);
	if (v.err)
		return v.err;
	registry_put(w, TAB_STATE, (struct db_val){ "position", 8 },
	    (struct db_val){ v.p, v.len });
	return ERR_OK;
}

/* Another process that shares the registry may have taken it meanwhile. */
static enum err
check_next(
    const struct registry_work *w, const struct ledger_block *b, bool *taken)
{
	const struct registry *r = w->r;
	uint64_t at = w->block ? w->block->height : r->height;
	const struct sig *id = w->block ? &w->block->id : &r->block;

	*taken = b->height <= at;
	if (b->height == at && !ID_EQ(&b->id, id))
		return err_say(ERR_FORK,
		    "the registry has another block %llu than the node",
		    (unsigned long long)b->height);
	if (b->height > at + 1 || b->height >> (63 - REGISTRY_PLACE_BITS))
		return err_say(ERR_INVAL,
		    "block %llu does not follow block %llu of the registry",
		    (unsigned long long)b->height, (unsigned long long)at);
	return ERR_OK;
}

static enum err
take_block(struct registry_work *w, const struct ledger_block *b)
{
	bool taken = false;
	enum err e = check_next(w, b, &taken);

	if (e || taken)
		return e;
	w->place = 0;
	for (size_t i = 0; e == ERR_OK && i < b->ntx; i++)
		e = take_tx(w, b, b->tx[i]);
	if (e == ERR_OK && w->place >> REGISTRY_PLACE_BITS)
		e = err_say(ERR_TOOBIG, "block %llu has too many entries",
		    (unsigned long long)b->height);
	w->block = b;
	return e;
}

enum err
registry_take_blocks(struct registry *r, const struct ledger_block *const *b,
    size_t n, unsigned *changes)
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	enum err e = registry_work_begin(r, &w);

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = take_block(&w, b[i]);
	if (e == ERR_OK && w.wrote)
		e = settle(&w);
	if (e == ERR_OK && w.block)
		e = put_position(&w, w.block);
	if (e)
		return e;
	w.defer = w.block && w.block->time < clock_wall_ms() - FRESH_MS;
	return registry_work_commit(&w, changes);
}

/* ---- once more, with keys or words that were not known ---- */

struct again {
	struct registry *r;
	struct db_txn *t;
	struct registry_row *row;
	size_t n;
	enum err err;
};

static int
by_order(const void *a, const void *b)
{
	uint64_t x = ((const struct registry_row *)a)->order;
	uint64_t y = ((const struct registry_row *)b)->order;

	return (x > y) - (x < y);
}

/* What we could not open, or opened and did not understand. */
static bool
wants_again(struct again *x, const struct registry_row *row)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };

	x->err = registry_record_get(x->r, x->t, row->order, &rec);
	if (x->err == ERR_NOTFOUND) {
		x->err = ERR_OK;
		return true;
	}
	return x->err == ERR_OK && rec.kind == REGISTRY_OPAQUE;
}

static bool
again_step(void *ctx, struct db_val key, struct db_val value)
{
	struct registry_row row;
	struct again *x = ctx;

	x->err = registry_row_read(x->r, key, value, &row);
	if (x->err || !wants_again(x, &row))
		return x->err == ERR_OK;
	x->err = registry_grow((void **)&x->row, x->n, sizeof(*x->row));
	if (x->err == ERR_OK)
		x->row[x->n++] = row;
	return x->err == ERR_OK;
}

/* Take away an opaque record and lend its key, NULL if it has none. */
static enum err
unkeep(struct registry_work *w, const struct registry_row *row,
    struct secret **out_key)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	uint8_t order[8], key[25];
	enum err e = registry_record_get(w->r, &w->t, row->order, &rec);

	if (e)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if (rec.key)
		e = secret_copy(rec.key, SEAL_KEY, out_key);
	registry_del(w, TAB_EVENTS, registry_order_key(row->order, order));
	registry_index_key(w->r, rec.kind, NULL, row->order, key);
	registry_del(w, TAB_INDEX, DB_VAL(&key));
	if (rec.has_patient) {
		registry_index_key(
		    w->r, rec.kind, &rec.patient, row->order, key);
		registry_del(w, TAB_INDEX, DB_VAL(&key));
	}
	return e;
}

static enum err
again_one(struct registry_work *w, const struct registry_row *row)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_OPENED struct registry_opened o = { 0 };
	struct db_val value;
	enum err e;

	if (!registry_raw_get(w->r, &w->t, row->order, &value))
		return w->t.err ? w->t.err : ERR_CORRUPT;
	e = unkeep(w, row, &key);
	if (e == ERR_OK)
		e = takers[registry_form(value)](w, row, value);
	if (e || key == NULL)
		return e;
	e = registry_unseal_with(w->r, row, value, key, &o);
	return e ? e : registry_keep(w, row, &o);
}

static enum err
again_batch(struct registry *r, const struct registry_row *row, size_t n)
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	unsigned changes;
	enum err e = registry_work_begin(r, &w);

	w.full = true;
	w.defer = true;
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = again_one(&w, &row[i]);
	return e ? e : registry_work_commit(&w, &changes);
}

enum err
registry_again(struct registry *r)
{
	struct db_txn t CLEANUP_TXN;
	struct again x = { .r = r, .t = &t };
	enum err e;

	db_read(r->db, &t);
	db_walk(&t, r->tab[TAB_ENTRIES], (struct db_val){ NULL, 0 }, again_step,
	    &x);
	e = x.err ? x.err : t.err;
	db_abort(&t);
	if (x.n > 1)
		qsort(x.row, x.n, sizeof(*x.row), by_order);
	for (size_t i = 0; e == ERR_OK && i < x.n; i += BATCH)
		e = again_batch(
		    r, x.row + i, x.n - i < BATCH ? x.n - i : BATCH);
	free(x.row);
	return e;
}
