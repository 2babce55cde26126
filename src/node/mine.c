/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/node_internal.h"

#define BLOCK_TXS  1000
#define BLOCK_JSON (1 << 20) /* of its transactions, unless it is one */
#define RETRY_MS   1000
#define NAP_MS     1000

/* What goes into the next block: rows of the pool in order of arrival. */
struct draft {
	struct buf ids;      /* struct tx_id */
	struct buf arrivals; /* their keys */
	size_t count;
	uint64_t full, json;
	bool more;
	enum err err;
};

static void
draft_free(struct draft *d)
{
	buf_free(&d->ids);
	buf_free(&d->arrivals);
}

static bool
take_row(void *ctx, struct db_val key, struct db_val value)
{
	struct draft *d = ctx;
	struct node_pool_row row;

	d->err = node_pool_read(key, value, &row);
	if (d->err)
		return false;
	if (d->count > 0 &&
	    (d->count == BLOCK_TXS || d->json + row.json > BLOCK_JSON)) {
		d->more = true;
		return false;
	}
	buf_put(&d->ids, row.id.b, sizeof(row.id.b));
	buf_put(&d->arrivals, key.p, key.n);
	d->full += row.full;
	d->json += row.json;
	d->count++;
	return true;
}

/* What a transaction at ${place} changes. */
static void
apply_json(struct node *n, struct db_txn *t, const struct tx_id *id,
    const struct node_place *place, const json_t *tx)
{
	uint8_t sender[NODE_ADDRESS], author[NODE_ADDRESS];
	struct node_address_key key;
	const json_t *data;
	struct js r;

	js_init(&r, tx);
	js_58(&r, "sender", sender, sizeof(sender));
	if (js_has(&r, "author"))
		js_58(&r, "author", author, sizeof(author));
	else
		memcpy(author, sender, sizeof(author));
	data = js_array(&r, "data", LEDGER_MAX_ENTRIES);
	if (r.err && t->err == ERR_OK)
		t->err = ERR_CORRUPT;
	node_place_put(n, t, id, place);
	node_address_key(sender, place, &key);
	db_put(t, n->t.address, DB_VAL(&key), DB_VAL(id));
	node_address_key(author, place, &key);
	db_put(t, n->t.address, DB_VAL(&key), DB_VAL(id));
	for (size_t i = 0; i < json_array_size(data); i++)
		node_data_put(n, t, sender, json_array_get(data, i));
}

static void
apply(struct node *n, struct db_txn *t, const struct tx_id *id,
    const struct node_place *place)
{
	CLEANUP_JS json_t *tx = NULL;
	struct db_val v;
	enum err e;

	if (!db_get(t, n->t.tx, DB_VAL(id), &v)) {
		if (t->err == ERR_OK)
			t->err = ERR_CORRUPT;
		return;
	}
	e = js_parse(v.p, v.n, JS_DEPTH, &tx);
	if (e && t->err == ERR_OK)
		t->err = e == ERR_NOMEM ? e : ERR_CORRUPT;
	if (e == ERR_OK)
		apply_json(n, t, id, place, tx);
}

/* The next block's head; block 1 if there is none yet. */
static enum err
next_head(struct node *n, struct db_txn *t, const struct draft *d,
    struct node_block *out)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	struct node_block last = { .head.height = 0 };
	int64_t now = clock_wall_ms();

	if (!node_block_last(n, t, &last) && t->err)
		return t->err;
	memset(out, 0, sizeof(*out));
	out->head.height = last.head.height + 1;
	out->head.reference = last.head.id;
	out->head.time = now > last.head.time ? now : last.head.time + 1;
	out->head.generator = *seal_identity_key(n->identity);
	out->count = (uint32_t)d->count;
	out->ids = d->ids.p;
	ledger_block_bytes(
	    &out->head, (const struct tx_id *)d->ids.p, d->count, &bytes);
	out->size = (uint32_t)(bytes.len + SIG_BYTES + d->full);
	if (bytes.err)
		return bytes.err;
	return seal_sign(n->identity, SEAL_BLOCK, NULL, &bytes, &out->head.id);
}

static enum err
put_next(struct node *n, struct db_txn *t, const struct draft *d)
{
	struct node_block b;
	enum err e = next_head(n, t, d, &b);

	if (e)
		return e;
	node_block_put(n, t, &b);
	for (uint32_t i = 0; i < b.count && t->err == ERR_OK; i++) {
		const struct tx_id *id = (const struct tx_id *)d->ids.p + i;
		struct node_place place = { b.head.height, i };

		apply(n, t, id, &place);
		db_del(t, n->t.pool,
		    (struct db_val){ d->arrivals.p + i * sizeof(uint64_t),
			sizeof(uint64_t) });
	}
	return db_commit(t);
}

enum err
node_mine(struct node *n, bool empty, bool *out_more)
{
	__attribute__((cleanup(draft_free))) struct draft d = { 0 };
	CLEANUP_TXN struct db_txn t;

	*out_more = false;
	db_write(n->db, &t);
	db_walk(&t, n->t.pool, (struct db_val){ NULL, 0 }, take_row, &d);
	if (t.err || d.err)
		return t.err ? t.err : d.err;
	if (d.ids.err || d.arrivals.err)
		return ERR_NOMEM;
	if (d.count == 0 && !empty)
		return ERR_OK;
	*out_more = d.more;
	return put_next(n, &t, &d);
}

/* ---- the thread ---- */

static void
nap_locked(struct node *n, int64_t ms)
{
	struct timespec t;

	if (ms > NAP_MS) /* a suspended machine is to notice when it wakes */
		ms = NAP_MS;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ms % 1000 * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&n->changed, &n->lock, &t);
}

/* Give waiting clients the news. */
static void
wake_locked(struct node *n)
{
	if (n->listener)
		http_wake(n->listener);
}

/* Make one block; a failed attempt leaves everything due. */
static enum err
mine_locked(struct node *n, bool empty)
{
	bool was_pending = n->pending, more = false;
	enum err e;

	n->pending = false;
	(void)pthread_mutex_unlock(&n->lock);
	e = node_mine(n, empty, &more);
	if (e)
		log_error("node: no block could be made: %s", err_detail(e));
	(void)pthread_mutex_lock(&n->lock);
	if (e ? was_pending : more)
		n->pending = true;
	if (e == ERR_OK)
		wake_locked(n);
	return e;
}

/* How long ago the last block was made, as far as it matters. */
static int64_t
last_age(struct node *n)
{
	struct node_block last;
	CLEANUP_TXN struct db_txn t;
	int64_t age = n->heartbeat_ms;

	db_read(n->db, &t);
	if (node_block_last(n, &t, &last))
		age = clock_wall_ms() - last.head.time;
	if (age < 0)
		age = 0;
	return age < n->heartbeat_ms ? age : n->heartbeat_ms;
}

void *
node_miner(void *arg)
{
	struct node *n = arg;
	int64_t now = clock_boot_ms(), not_before = now;
	int64_t beat = now + n->heartbeat_ms - last_age(n);

	(void)pthread_mutex_lock(&n->lock);
	while (!n->stop) {
		int64_t due = n->pending ? not_before : beat;

		now = clock_boot_ms();
		if (due < not_before)
			due = not_before;
		if (now < due) {
			nap_locked(n, due - now);
			continue;
		}
		if (mine_locked(n, now >= beat) == ERR_OK) {
			beat = now + n->heartbeat_ms;
			not_before = clock_boot_ms() + n->gap_ms;
		} else
			not_before = clock_boot_ms() + RETRY_MS;
	}
	while (n->pending && mine_locked(n, false) == ERR_OK)
		;
	(void)pthread_mutex_unlock(&n->lock);
	return NULL;
}

void
node_miner_kick(struct node *n)
{
	(void)pthread_mutex_lock(&n->lock);
	n->pending = true;
	(void)pthread_cond_signal(&n->changed);
	(void)pthread_mutex_unlock(&n->lock);
}
