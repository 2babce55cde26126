/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/log.h"
#include "node/node_internal.h"

#define DEPTH_MAX 2000 /* as nodes' max-rollback-depth */

/*
 * One rollback.  Everything is read as it was before, by a transaction that
 * does not see what the other one writes.
 */
struct back {
	struct node *n;
	struct db_txn *r, *w;
	uint64_t height; /* the last that stays */
	bool keep;       /* transactions return to the pool */
	json_t *touched; /* sender -> keys of entries that were taken back */
};

static const char *
text_of(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

/* ---- what a transaction did ---- */

static enum err
touch(struct back *b, const json_t *tx)
{
	const char *sender = text_of(tx, "sender");
	json_t *keys = json_object_get(b->touched, sender), *entry;
	size_t i;

	if (keys == NULL) {
		keys = json_object();
		if (json_object_set_new(b->touched, sender, keys) != 0)
			return ERR_NOMEM;
	}
	json_array_foreach(json_object_get(tx, "data"), i,
	    entry) if (json_object_set_new(keys, text_of(entry, "key"),
			   json_true()) != 0) return ERR_NOMEM;
	return ERR_OK;
}

static void
unlist(struct back *b, const struct node_place *place,
    const struct pubkey *account)
{
	uint8_t address[NODE_ADDRESS];
	struct node_address_key row;

	seal_address(account, b->n->chain_byte, address);
	node_address_key(address, place, &row);
	db_del(b->w, b->n->t.address, DB_VAL(&row));
}

static void
settle(struct back *b, const struct ledger_tx *tx, size_t json_size)
{
	const struct node_pool_row row = { .id = tx->id,
		.full = (uint32_t)ledger_tx_full_size(tx),
		.json = (uint32_t)json_size };
	struct node *n = b->n;

	if (b->keep) {
		node_pool_put(n, b->w, &row);
		return;
	}
	db_del(b->w, n->t.place, DB_VAL(&tx->id));
	db_del(b->w, n->t.tx, DB_VAL(&tx->id));
}

static enum err
undo_tx(struct back *b, const struct tx_id *id, const struct node_place *place)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	struct db_val v;
	enum err e;

	if (!db_get(b->r, b->n->t.tx, DB_VAL(id), &v))
		return b->r->err ? b->r->err : ERR_CORRUPT;
	if ((e = js_parse(v.p, v.n, JS_DEPTH, &j)) ||
	    (e = ledger_tx_read(j, &tx)) || (e = touch(b, j)))
		return e;
	unlist(b, place, &tx->sender);
	unlist(b, place, &tx->author);
	settle(b, tx, v.n);
	return ERR_OK;
}

static enum err
undo_block(struct back *b, uint64_t height)
{
	struct node_block block;
	enum err e = ERR_OK;

	if (!node_block_at(b->n, b->r, height, &block))
		return b->r->err ? b->r->err : ERR_CORRUPT;
	for (uint32_t i = 0; e == ERR_OK && i < block.count; i++) {
		const struct node_place place = { height, i };
		struct tx_id id;

		memcpy(id.b, block.ids + i * sizeof(id.b), sizeof(id.b));
		e = undo_tx(b, &id, &place);
	}
	node_block_del(b->n, b->w, &block);
	return e;
}

/* ---- data: the newest entries that are left ---- */

struct search {
	struct back *b;
	const char *sender;
	uint8_t address[NODE_ADDRESS]; /* its bytes */
	json_t *keys;                  /* not found yet */
	enum err err;
};

/* The entries of ${tx}, which stays, that are sought. */
static void
take_entries(struct search *s, const json_t *tx)
{
	json_t *entry;
	size_t i;

	if (strcmp(text_of(tx, "sender"), s->sender) != 0)
		return; /* listed under its author */
	json_array_foreach(json_object_get(tx, "data"), i,
	    entry) if (json_object_del(s->keys, text_of(entry, "key")) == 0)
	    node_data_put(s->b->n, s->b->w, s->address, entry);
}

static bool
search_row(void *ctx, struct db_val key, struct db_val value)
{
	struct search *s = ctx;
	CLEANUP_JS json_t *j = NULL;
	struct db_val v;

	if (key.n != sizeof(struct node_address_key) ||
	    memcmp(key.p, s->address, NODE_ADDRESS) != 0)
		return false;
	if (!db_get(s->b->r, s->b->n->t.tx, value, &v)) {
		s->err = s->b->r->err ? s->b->r->err : ERR_CORRUPT;
		return false;
	}
	s->err = js_parse(v.p, v.n, JS_DEPTH, &j);
	if (s->err == ERR_OK)
		take_entries(s, j);
	return s->err == ERR_OK && json_object_size(s->keys) > 0;
}

/* Once from the newest to the oldest, then the rest never was. */
static enum err
restore_sender(struct back *b, const char *sender, json_t *keys)
{
	const struct node_place newest = { b->height, UINT32_MAX };
	struct search s = { .b = b, .sender = sender, .keys = keys };
	struct node_address_key from;
	json_t *none;
	const char *key;
	enum err e = node_read_address(b->n, sender, s.address);

	if (e)
		return ERR_CORRUPT;
	node_address_key(s.address, &newest, &from);
	db_walk(b->r, b->n->t.address, DB_VAL(&from), search_row, &s);
	json_object_foreach(keys, key, none)
	    node_data_del(b->n, b->w, s.address, key);
	return s.err;
}

static enum err
restore_data(struct back *b)
{
	const char *sender;
	json_t *keys;
	enum err e = ERR_OK;

	json_object_foreach(b->touched, sender, keys)
	{
		e = restore_sender(b, sender, keys);
		if (e)
			break;
	}
	return e;
}

/* ---- the whole ---- */

static enum err
go_back(struct back *b, uint64_t tip)
{
	enum err e = ERR_OK;

	b->touched = json_object();
	if (b->touched == NULL)
		return ERR_NOMEM;
	for (uint64_t h = b->height + 1; e == ERR_OK && h <= tip; h++)
		e = undo_block(b, h);
	if (e == ERR_OK)
		e = restore_data(b);
	json_decref(b->touched);
	if (e == ERR_OK)
		e = b->r->err;
	return e ? e : db_commit(b->w);
}

enum err
node_rollback(struct node *n, uint64_t height, bool keep)
{
	struct node_block last;
	CLEANUP_TXN struct db_txn w = { 0 }, r = { 0 };
	struct back b = { n, &r, &w, height, keep, NULL };
	enum err e;

	db_write(n->db, &w); /* first: nobody writes from here on */
	db_read(n->db, &r);
	if (!node_block_last(n, &r, &last))
		return r.err ? r.err : ERR_CORRUPT;
	if (height == 0 || height > last.head.height)
		return ERR_NOTFOUND;
	if (last.head.height - height > DEPTH_MAX)
		return err_say(ERR_TOOBIG,
		    "a rollback takes back at most %d blocks", DEPTH_MAX);
	e = go_back(&b, last.head.height);
	if (e)
		return e;
	log_warn("node: rolled back from block %llu to %llu",
	    (unsigned long long)last.head.height, (unsigned long long)height);
	node_miner_kick(n);
	return ERR_OK;
}
