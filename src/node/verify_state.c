/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/verify_internal.h"

#define FIRST_CAP 1024

/* ---- the newest entry of each key ---- */

static void
hash_key(struct db_val key, uint8_t out[16])
{
	const struct seal_part part = { key.p, key.n };
	uint8_t hash[32];

	seal_hash(NULL, &part, 1, hash);
	memcpy(out, hash, 16);
}

static struct verify_key *
slot(struct verify_key *table, size_t cap, const uint8_t hash[16])
{
	uint64_t at;

	memcpy(&at, hash, sizeof(at));
	for (at &= cap - 1; table[at].height; at = (at + 1) & (cap - 1))
		if (memcmp(table[at].hash, hash, 16) == 0)
			break;
	return &table[at];
}

static enum err
grow(struct verify *v)
{
	size_t cap = v->cap ? 2 * v->cap : FIRST_CAP;
	struct verify_key *more = calloc(cap, sizeof(*more));

	if (more == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->cap; i++)
		if (v->key[i].height)
			*slot(more, cap, v->key[i].hash) = v->key[i];
	free(v->key);
	v->key = more;
	v->cap = cap;
	return ERR_OK;
}

static enum err
note(struct verify *v, struct db_val key, const struct node_place *place)
{
	uint8_t hash[16];
	struct verify_key *k;
	enum err e = 2 * (v->nkeys + 1) > v->cap ? grow(v) : ERR_OK;

	if (e)
		return e;
	hash_key(key, hash);
	k = slot(v->key, v->cap, hash);
	if (k->height == 0)
		v->nkeys++;
	memcpy(k->hash, hash, sizeof(k->hash));
	k->height = (uint32_t)place->height;
	k->index = place->index;
	return ERR_OK;
}

enum err
verify_note(struct verify *v, const json_t *tx, const struct node_place *place)
{
	uint8_t sender[NODE_ADDRESS];
	json_t *entry;
	struct js r;
	size_t i;
	enum err e = ERR_OK;

	js_init(&r, tx);
	js_58(&r, "sender", sender, sizeof(sender));
	json_array_foreach(json_object_get(tx, "data"), i, entry)
	{
		CLEANUP_BUF struct buf key = { 0 };

		buf_put(&key, sender, sizeof(sender));
		buf_str(&key, json_string_value(json_object_get(entry, "key")));
		if (e == ERR_OK)
			e = key.err ?
			    key.err :
			    note(v, (struct db_val){ key.p, key.len }, place);
	}
	return e ? e : r.err;
}

/* ---- data ---- */

struct data_check {
	struct verify *v;
	uint64_t rows;
	enum err err;
};

static const json_t *
entry_of(const json_t *tx, struct db_val key)
{
	json_t *entry;
	size_t i, n = key.n - NODE_ADDRESS;

	json_array_foreach(json_object_get(tx, "data"), i, entry)
	{
		const json_t *name = json_object_get(entry, "key");

		if (json_string_length(name) == n &&
		    memcmp(json_string_value(name),
			(const uint8_t *)key.p + NODE_ADDRESS, n) == 0)
			return entry;
	}
	return NULL;
}

/* The row must be the entry of the transaction at ${k}. */
static enum err
compare_data(struct verify *v, const struct verify_key *k, struct db_val key,
    struct db_val value)
{
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	const json_t *entry;
	struct node_block b;
	struct db_val tx;
	enum err e;

	if (!node_block_at(v->n, v->t, k->height, &b) ||
	    !db_get(v->t, v->n->t.tx,
		(struct db_val){ b.ids + k->index * sizeof(struct tx_id),
		    sizeof(struct tx_id) },
		&tx))
		return v->t->err ? v->t->err : ERR_CORRUPT;
	e = js_parse(tx.p, tx.n, JS_DEPTH, &j);
	entry = e ? NULL : entry_of(j, key);
	if (entry == NULL)
		return e ? e : ERR_CORRUPT;
	js_print(entry, &text);
	if (text.err)
		return text.err;
	if (text.len == value.n && memcmp(text.p, value.p, value.n) == 0)
		return ERR_OK;
	return verify_flaw("data: an entry is stored as '%.*s', block %u wrote "
			   "'%.*s'",
	    value.n > 120 ? 120 : (int)value.n, (const char *)value.p,
	    k->height, text.len > 120 ? 120 : (int)text.len,
	    (const char *)text.p);
}

static bool
data_row(void *ctx, struct db_val key, struct db_val value)
{
	struct data_check *c = ctx;
	const struct verify_key *k = NULL;
	uint8_t hash[16];

	if (c->v->cap) {
		hash_key(key, hash);
		k = slot(c->v->key, c->v->cap, hash);
	}
	if (k == NULL || k->height == 0 || key.n <= NODE_ADDRESS)
		c->err = verify_flaw(
		    "data: an entry is stored that no block wrote");
	else
		c->err = compare_data(c->v, k, key, value);
	return c->err == ERR_OK && ++c->rows <= c->v->nkeys;
}

static enum err
check_data(struct verify *v)
{
	struct data_check c = { .v = v };

	db_walk(v->t, v->n->t.data, (struct db_val){ NULL, 0 }, data_row, &c);
	if (c.err || v->t->err)
		return c.err ? c.err : v->t->err;
	if (c.rows != v->nkeys)
		return verify_flaw("data: %" PRIu64
				   " entries are stored, the blocks wrote %zu",
		    c.rows, v->nkeys);
	return ERR_OK;
}

/* ---- the pool ---- */

struct pool_check {
	struct verify *v;
	enum err err;
};

static enum err
check_pooled(struct verify *v, struct db_val key, struct db_val value)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	struct node_pool_row row;
	struct node_place place = { 1, 1 };
	enum err e = node_pool_read(key, value, &row);

	if (e == ERR_OK)
		e = verify_tx(v, &row.id, "pool", &j, &tx);
	if (e)
		return e;
	js_print(j, &text);
	if (text.err)
		return text.err;
	if (row.full != ledger_tx_full_size(tx) || row.json != text.len)
		return verify_flaw("pool: the sizes of transaction %s are "
				   "stored as %u and %u, they are %zu and %zu",
		    TEXT58(&row.id), row.full, row.json,
		    ledger_tx_full_size(tx), text.len);
	if (node_place_get(v->n, v->t, &row.id, &place) && place.height == 0 &&
	    place.index == row.arrival)
		return ERR_OK;
	return v->t->err ?
	    v->t->err :
	    verify_flaw("pool: transaction %s came as number %" PRIu64
			", stored is block %" PRIu64 ", number %u",
		TEXT58(&row.id), row.arrival, place.height, place.index);
}

static bool
pool_row(void *ctx, struct db_val key, struct db_val value)
{
	struct pool_check *c = ctx;

	c->err = check_pooled(c->v, key, value);
	c->v->pooled++;
	return c->err == ERR_OK;
}

static enum err
check_pool(struct verify *v)
{
	struct pool_check c = { .v = v };

	db_walk(v->t, v->n->t.pool, (struct db_val){ NULL, 0 }, pool_row, &c);
	return c.err ? c.err : v->t->err;
}

/* ---- nothing else ---- */

/* All that belongs there was found: what is more belongs nowhere. */
static enum err
check_counts(struct verify *v)
{
	const struct {
		const char *name;
		struct db_table table;
		uint64_t want;
	} counts[] = {
		{ "setting", v->n->t.setting, 1 },
		{ "block", v->n->t.block, v->height },
		{ "blockid", v->n->t.blockid, v->height },
		{ "tx", v->n->t.tx, v->txs + v->pooled },
		{ "place", v->n->t.place, v->txs + v->pooled },
		{ "pool", v->n->t.pool, v->pooled },
		{ "address", v->n->t.address, v->addresses },
		{ "data", v->n->t.data, v->nkeys },
	};

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		uint64_t n = db_count(v->t, counts[i].table);

		if (v->t->err == ERR_OK && n != counts[i].want)
			return verify_flaw("table '%s' has %" PRIu64
					   " rows, the blocks make %" PRIu64,
			    counts[i].name, n, counts[i].want);
	}
	return v->t->err;
}

static enum err
check_setting(struct verify *v)
{
	uint8_t byte = 0;

	if (node_chain_byte(v->n, v->t, &byte) && byte == v->n->chain_byte)
		return ERR_OK;
	return v->t->err ? v->t->err :
			   verify_flaw("the chain byte is stored as %u, it is "
				       "%u",
			       byte, v->n->chain_byte);
}

enum err
verify_state(struct verify *v)
{
	enum err e = check_setting(v);

	if (e == ERR_OK)
		e = check_pool(v);
	if (e == ERR_OK)
		e = check_data(v);
	return e ? e : check_counts(v);
}
