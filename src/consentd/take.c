/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events come from clients, from the node's pool and in blocks.  Our own rows
 * are written before the registry learns of an event and are the same if that
 * is done twice, so that a crash between the two loses nothing; readers of
 * the feed see a row only after the registry knows its event.
 */
#include <string.h>

#include "consentd/server_internal.h"

/* What one transaction or block adds. */
struct batch {
	struct consentd_feed_row *row;
	uint8_t (*root)[32];
	size_t n, cap;
};

static void
batch_free(struct batch *b)
{
	free(b->row);
	free(b->root);
}
#define CLEANUP_BATCH __attribute__((cleanup(batch_free), unused))

static enum err
batch_room(struct batch *b)
{
	size_t cap = b->cap ? 2 * b->cap : 8;
	struct consentd_feed_row *row;
	uint8_t(*root)[32];

	if (b->n < b->cap)
		return ERR_OK;
	row = realloc(b->row, cap * sizeof(*row));
	if (row)
		b->row = row;
	root = realloc(b->root, cap * sizeof(*root));
	if (root)
		b->root = root;
	if (!row || !root)
		return ERR_NOMEM;
	b->cap = cap;
	return ERR_OK;
}

static void
set_party(const struct event *e, struct consentd_feed_row *row)
{
	row->has_party = true;
	if (e->type == EVENT_DOCUMENT_SET) {
		row->institution = e->u.set.custodian;
	} else if (e->type == EVENT_INQUIRY) {
		row->has_party = e->u.inquiry.has_institution;
		row->institution = e->u.inquiry.institution;
	} else if (e->type == EVENT_DECISION) {
		row->party = e->u.decision.party;
		row->institution = e->u.decision.institution;
		if (e->u.decision.group)
			(void)snprintf(row->group, sizeof(row->group), "%s",
			    e->u.decision.group);
	} else {
		row->has_party = false;
	}
}

/* Add the entries of ${tx} that open to us. */
static enum err
add_tx(struct server *s, const struct ledger_tx *tx, enum consentd_stage stage,
    struct batch *b)
{
	for (size_t i = 0; i < tx->nentries; i++) {
		CLEANUP_OPENED struct opened o = { 0 };
		struct consentd_feed_row *row;
		enum err e = consentd_open(s, tx, i, &o);

		if (e == ERR_NOMEM || e == ERR_CORRUPT || e == ERR_IO)
			return e;
		if (e)
			continue;
		e = batch_room(b);
		if (e)
			return e;
		row = &b->row[b->n];
		memset(row, 0, sizeof(*row));
		row->stage = stage;
		row->id = o.id;
		row->tx = tx->id;
		row->entry = o.entry;
		row->sender = tx->sender;
		row->patient = o.e->patient;
		row->type = o.e->type;
		set_party(o.e, row);
		memcpy(b->root[b->n++], o.public, 32);
	}
	return ERR_OK;
}

static enum err
put_batch(struct server *s, struct db_txn *t, const struct batch *b)
{
	enum err e = t->err;

	for (size_t i = 0; e == ERR_OK && i < b->n; i++) {
		struct consentd_feed_row *row = &b->row[i];

		e = consentd_feed_add(s->store, t, row);
		if (row->type == EVENT_DOCUMENT_SET &&
		    row->stage == CONSENTD_FINAL)
			consentd_store_root(s->store, t, &row->id, b->root[i]);
	}
	return e;
}

static void
publish_locked(struct server *s)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	uint64_t last;

	db_read(s->store->db, &t);
	last = consentd_feed_last(s->store, &t);
	if (t.err == ERR_OK)
		atomic_store(&s->visible, last);
}

static void
tell(struct server *s, uint64_t before)
{
	if (atomic_load(&s->visible) == before)
		return;
	(void)pthread_mutex_lock(&s->waking);
	if (s->listener)
		http_wake(s->listener);
	(void)pthread_mutex_unlock(&s->waking);
}

/* Rows and, if it is not final, the transaction itself. */
static enum err
keep(struct server *s, const struct ledger_tx *tx, const struct batch *b)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf json = { 0 };
	struct institution_id its;
	enum consentd_holder holder = registry_host(s->registry, &tx->sender, 0,
					  &its) == ERR_OK ?
	    CONSENTD_OF_HOST :
	    CONSENTD_OF_PERSON;
	enum err e = ledger_tx_json(tx, s->roots.chain.b[0], &j);

	if (e)
		return e;
	js_print(j, &json);
	if (json.err)
		return json.err;
	db_write(s->store->db, &t);
	e = put_batch(s, &t, b);
	if (e == ERR_OK)
		e = consentd_store_hold(s->store, &t, tx, holder, &json);
	return e ? e : db_commit(&t);
}

/* Say whether all of it is final: nothing is to be held any more. */
static bool
is_settled(struct server *s, const struct batch *b)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	bool settled = b->n > 0;

	db_read(s->store->db, &t);
	for (size_t i = 0; settled && i < b->n; i++)
		settled = consentd_feed_stage(s->store, &t, &b->row[i].id) ==
		    CONSENTD_FINAL;
	return settled && t.err == ERR_OK;
}

static enum err
take_locked(struct server *s, const struct ledger_tx *tx, const struct batch *b)
{
	enum err e = ERR_OK;

	if (is_settled(s, b))
		return ERR_OK;
	e = keep(s, tx, b);
	if (e == ERR_OK)
		e = registry_see(s->registry, tx);
	if (e == ERR_OK)
		publish_locked(s);
	return e;
}

enum err
consentd_take(struct server *s, const struct ledger_tx *tx)
{
	CLEANUP_BATCH struct batch b = { 0 };
	uint64_t before = atomic_load(&s->visible);
	enum err e = add_tx(s, tx, CONSENTD_SEEN, &b);

	if (e)
		return e;
	(void)pthread_mutex_lock(&s->intake);
	e = take_locked(s, tx, &b);
	(void)pthread_mutex_unlock(&s->intake);
	tell(s, before);
	return e;
}

enum err
consentd_take_held(struct server *s)
{
	uint64_t seq = 0;
	enum err e = ERR_OK;

	while (e == ERR_OK) {
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
		CLEANUP_JS json_t *j = NULL;
		CLEANUP_BUF struct buf json = { 0 };
		struct tx_id id;

		e = consentd_store_next_held(s->store, seq, &seq, &id, &json);
		if (e == ERR_NOTFOUND)
			return ERR_OK;
		if (e == ERR_OK)
			e = js_parse(json.p, json.len, JS_DEPTH, &j);
		if (e == ERR_OK)
			e = ledger_tx_read(j, &tx);
		if (e == ERR_OK)
			e = registry_see(s->registry, tx);
		if (e == ERR_BUSY) {
			log_warn("a held transaction counts when it is final");
			e = ERR_OK;
		}
	}
	return e;
}

static enum err
sink_position(void *ctx, uint64_t *height, struct sig *id)
{
	struct server *s = ctx;

	return s->inner.position(s->inner.ctx, height, id);
}

/* Final blocks. */
struct final {
	const struct ledger_block *const *block;
	size_t n, ntx;
};

static enum err
put_blocks(struct server *s, const struct final *f, const struct batch *b)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e;

	db_write(s->store->db, &t);
	e = put_batch(s, &t, b);
	if (e)
		return e;
	for (size_t k = 0; k < f->n; k++)
		for (size_t i = 0; i < f->block[k]->ntx; i++)
			consentd_store_unhold(
			    s->store, &t, &f->block[k]->tx[i]->id);
	return db_commit(&t);
}

static enum err
blocks_locked(struct server *s, const struct final *f, const struct batch *b)
{
	enum err e = f->ntx ? put_blocks(s, f, b) : ERR_OK;

	if (e == ERR_OK)
		e = s->inner.blocks(s->inner.ctx, f->block, f->n);
	if (e == ERR_OK && f->ntx)
		publish_locked(s);
	return e;
}

static enum err
add_block(struct server *s, const struct ledger_block *block, struct batch *b)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < block->ntx; i++)
		e = add_tx(s, block->tx[i], CONSENTD_FINAL, b);
	return e;
}

static enum err
sink_blocks(void *ctx, const struct ledger_block *const *block, size_t n)
{
	CLEANUP_BATCH struct batch b = { 0 };
	struct final f = { block, n, 0 };
	struct server *s = ctx;
	uint64_t before = atomic_load(&s->visible);
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		f.ntx += block[i]->ntx;
		e = add_block(s, block[i], &b);
	}
	if (e)
		return e;
	(void)pthread_mutex_lock(&s->intake);
	e = blocks_locked(s, &f, &b);
	(void)pthread_mutex_unlock(&s->intake);
	tell(s, before);
	return e;
}

static bool
is_held(struct server *s, const struct tx_id *id)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct db_val v;

	db_read(s->store->db, &t);
	return db_get(&t, s->store->held_ids, DB_VAL(id), &v);
}

static enum err
pending_locked(
    struct server *s, const struct ledger_tx *tx, const struct batch *b)
{
	enum err e = b->n > 0 && !is_settled(s, b) ? keep(s, tx, b) : ERR_OK;

	/* too much of one account: it counts when it is final */
	if (e == ERR_BUSY)
		return ERR_OK;
	if (e == ERR_OK)
		e = s->inner.pending(s->inner.ctx, tx);
	if (e == ERR_OK)
		publish_locked(s);
	return e;
}

/* Something in the node's pool; it comes again and again. */
static enum err
sink_pending(void *ctx, const struct ledger_tx *tx)
{
	CLEANUP_BATCH struct batch b = { 0 };
	struct server *s = ctx;
	uint64_t before = atomic_load(&s->visible);
	enum err e = ERR_OK;

	if (!is_held(s, &tx->id))
		e = add_tx(s, tx, CONSENTD_SEEN, &b);
	if (e)
		return e;
	(void)pthread_mutex_lock(&s->intake);
	e = pending_locked(s, tx, &b);
	(void)pthread_mutex_unlock(&s->intake);
	tell(s, before);
	return e;
}

static void
sink_done(void *ctx)
{
	struct server *s = ctx;

	if (s->inner.done)
		s->inner.done(s->inner.ctx);
}

static void
sink_undone(void *ctx)
{
	struct server *s = ctx;

	if (s->resend) /* not in the first round of a start */
		consentd_resend_again(s->resend);
}

struct ledger_sink
consentd_sink(struct server *s)
{
	return (struct ledger_sink){ .ctx = s,
		.position = sink_position,
		.blocks = sink_blocks,
		.pending = sink_pending,
		.done = sink_done,
		.undone = sink_undone };
}
