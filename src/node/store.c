/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/file.h"
#include "node/node_internal.h"

#define VERSION    1
#define MAP_BYTES  (64ULL << 30)
#define BLOCK_HEAD (64 + 8 + 64 + 32 + 4 + 4)

static enum err
open_tables(struct node *n)
{
	const struct {
		const char *name;
		struct db_table *table;
	} tables[] = {
		{ "setting", &n->t.setting },
		{ "block", &n->t.block },
		{ "blockid", &n->t.blockid },
		{ "tx", &n->t.tx },
		{ "place", &n->t.place },
		{ "pool", &n->t.pool },
		{ "address", &n->t.address },
		{ "data", &n->t.data },
	};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(tables); i++)
		e = db_table(n->db, tables[i].name, tables[i].table);
	return e;
}

enum err
node_store_open(const char *dir, bool read_only, struct node *n)
{
	const struct db_opts opts = { "node", VERSION, MAP_BYTES };
	CLEANUP(free) char *lock = file_join(dir, "node.lock");
	enum err e;

	if (lock == NULL)
		return ERR_NOMEM;
	if ((e = file_lock(lock, &n->lock_fd)) ||
	    (e = (read_only ? db_open_read : db_open)(dir, &opts, &n->db)))
		return e;
	return open_tables(n);
}

void
node_store_close(struct node *n)
{
	db_close(TAKE(n->db));
	if (n->lock_fd >= 0)
		(void)close(n->lock_fd);
	n->lock_fd = -1;
}

static void
corrupt(struct db_txn *t, const char *what)
{
	if (t->err == ERR_OK)
		t->err = err_say(ERR_CORRUPT,
		    "a %s of the node's chain is damaged; restore it from a "
		    "backup",
		    what);
}

static struct db_val
chain_byte_key(void)
{
	static const char name[] = "chain byte";

	return (struct db_val){ name, sizeof(name) - 1 };
}

bool
node_chain_byte(struct node *n, struct db_txn *t, uint8_t *out)
{
	struct db_val v;

	if (!db_get(t, n->t.setting, chain_byte_key(), &v))
		return false;
	if (v.n == 1)
		*out = *(const uint8_t *)v.p;
	else
		corrupt(t, "chain byte");
	return t->err == ERR_OK;
}

void
node_chain_byte_put(struct node *n, struct db_txn *t, const uint8_t *byte)
{
	db_put(t, n->t.setting, chain_byte_key(), DB_VAL(byte));
}

static struct db_val
key_u64(uint64_t v, uint8_t out[static 8])
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
	return (struct db_val){ out, 8 };
}

static uint64_t
read_u64(struct db_txn *t, struct db_val v, const char *what)
{
	struct rd r;
	uint64_t x;

	rd_init(&r, v.p, v.n);
	x = rd_u64(&r);
	if (rd_end(&r) != ERR_OK)
		corrupt(t, what);
	return x;
}

static bool
read_block(
    struct db_txn *t, uint64_t height, struct db_val v, struct node_block *out)
{
	struct rd r;

	memset(out, 0, sizeof(*out));
	rd_init(&r, v.p, v.n);
	out->head.height = height;
	rd_copy(&r, out->head.id.b, sizeof(out->head.id.b));
	out->head.time = (int64_t)rd_u64(&r);
	rd_copy(&r, out->head.reference.b, sizeof(out->head.reference.b));
	rd_copy(&r, out->head.generator.b, sizeof(out->head.generator.b));
	out->size = rd_u32(&r);
	out->count = rd_u32(&r);
	out->ids = rd_take(&r, (size_t)out->count * sizeof(struct tx_id));
	if (rd_end(&r) != ERR_OK) {
		corrupt(t, "block");
		return false;
	}
	return true;
}

bool
node_block_at(
    struct node *n, struct db_txn *t, uint64_t height, struct node_block *out)
{
	struct db_val v;
	uint8_t key[8];

	return db_get(t, n->t.block, key_u64(height, key), &v) &&
	    read_block(t, height, v, out);
}

bool
node_block_last(struct node *n, struct db_txn *t, struct node_block *out)
{
	struct db_val k, v;

	return db_last(t, n->t.block, &k, &v) &&
	    read_block(t, read_u64(t, k, "block's height"), v, out);
}

void
node_block_put(struct node *n, struct db_txn *t, const struct node_block *b)
{
	CLEANUP_BUF struct buf v = { 0 };
	uint8_t key[8];

	buf_put(&v, b->head.id.b, sizeof(b->head.id.b));
	buf_u64(&v, (uint64_t)b->head.time);
	buf_put(&v, b->head.reference.b, sizeof(b->head.reference.b));
	buf_put(&v, b->head.generator.b, sizeof(b->head.generator.b));
	buf_u32(&v, b->size);
	buf_u32(&v, b->count);
	buf_put(&v, b->ids, b->count * sizeof(struct tx_id));
	if (v.err) {
		if (t->err == ERR_OK)
			t->err = v.err;
		return;
	}
	(void)key_u64(b->head.height, key);
	db_put(t, n->t.block, DB_VAL(&key), (struct db_val){ v.p, v.len });
	db_put(t, n->t.blockid, DB_VAL(&b->head.id), DB_VAL(&key));
}

void
node_block_del(struct node *n, struct db_txn *t, const struct node_block *b)
{
	uint8_t key[8];

	db_del(t, n->t.block, key_u64(b->head.height, key));
	db_del(t, n->t.blockid, DB_VAL(&b->head.id));
}

bool
node_block_find(struct node *n, struct db_txn *t, const struct sig *id,
    uint64_t *out_height)
{
	struct db_val v;

	if (!db_get(t, n->t.blockid, DB_VAL(id), &v))
		return false;
	*out_height = read_u64(t, v, "block's height");
	return t->err == ERR_OK;
}

bool
node_place_get(struct node *n, struct db_txn *t, const struct tx_id *id,
    struct node_place *out)
{
	struct db_val v;
	struct rd r;

	if (!db_get(t, n->t.place, DB_VAL(id), &v))
		return false;
	rd_init(&r, v.p, v.n);
	out->height = rd_u64(&r);
	out->index = rd_u32(&r);
	if (rd_end(&r) != ERR_OK)
		corrupt(t, "transaction's place");
	return t->err == ERR_OK;
}

static void
put_place(const struct node_place *place, uint64_t mask, uint8_t out[12])
{
	uint32_t index = place->index ^ (uint32_t)mask;

	(void)key_u64(place->height ^ mask, out);
	for (int i = 3; i >= 0; i--, index >>= 8)
		out[8 + i] = (uint8_t)index;
}

void
node_place_put(struct node *n, struct db_txn *t, const struct tx_id *id,
    const struct node_place *place)
{
	uint8_t v[12];

	put_place(place, 0, v);
	db_put(t, n->t.place, DB_VAL(id), DB_VAL(&v));
}

void
node_address_key(const uint8_t address[static NODE_ADDRESS],
    const struct node_place *place, struct node_address_key *out)
{
	memcpy(out->b, address, NODE_ADDRESS);
	put_place(place, UINT64_MAX, out->b + NODE_ADDRESS);
}

enum err
node_pool_read(
    struct db_val key, struct db_val value, struct node_pool_row *out)
{
	struct rd k, v;

	rd_init(&k, key.p, key.n);
	rd_init(&v, value.p, value.n);
	out->arrival = rd_u64(&k);
	rd_copy(&v, out->id.b, sizeof(out->id.b));
	out->full = rd_u32(&v);
	out->json = rd_u32(&v);
	if (rd_end(&k) != ERR_OK || rd_end(&v) != ERR_OK)
		return err_say(ERR_CORRUPT,
		    "a row of the node's pool is "
		    "damaged; restore it from a backup");
	return ERR_OK;
}

void
node_pool_put(struct node *n, struct db_txn *t, const struct node_pool_row *row)
{
	CLEANUP_BUF struct buf v = { 0 };
	struct node_place place = { .height = 0 };
	struct db_val k, old;
	uint64_t arrival = 1;
	uint8_t key[8];

	if (db_last(t, n->t.pool, &k, &old))
		arrival = read_u64(t, k, "row of the pool") + 1;
	buf_put(&v, row->id.b, sizeof(row->id.b));
	buf_u32(&v, row->full);
	buf_u32(&v, row->json);
	if (v.err && t->err == ERR_OK)
		t->err = v.err;
	db_put(
	    t, n->t.pool, key_u64(arrival, key), (struct db_val){ v.p, v.len });
	place.index = (uint32_t)arrival;
	node_place_put(n, t, &row->id, &place);
}

static void
data_key(struct db_txn *t, const uint8_t address[static NODE_ADDRESS],
    const char *name, struct buf *out)
{
	buf_put(out, address, NODE_ADDRESS);
	buf_str(out, name);
	if (out->err && t->err == ERR_OK)
		t->err = out->err;
}

void
node_data_put(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "key"));
	CLEANUP_BUF struct buf key = { 0 }, value = { 0 };

	data_key(t, address, name ? name : "", &key);
	js_print(entry, &value);
	if (value.err && t->err == ERR_OK)
		t->err = value.err;
	db_put(t, n->t.data, (struct db_val){ key.p, key.len },
	    (struct db_val){ value.p, value.len });
}

void
node_data_del(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const char *name)
{
	CLEANUP_BUF struct buf key = { 0 };

	data_key(t, address, name, &key);
	db_del(t, n->t.data, (struct db_val){ key.p, key.len });
}
