/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"

#define VERSION       1
#define MAP_BYTES     (4ULL << 30)
#define KEEP_FINAL_MS (24LL * 3600 * 1000)

/* In the table of numbers: the rule of fees. */
#define FEE_BASE "fee.base"
#define FEE_MORE "fee.more"

static enum err
open_tables(struct ledger_outbox *o)
{
	const struct {
		const char *name;
		struct db_table *table;
	} tables[] = { { "tx", &o->tx }, { "wait", &o->wait },
		{ "byid", &o->byid }, { "counters", &o->counters },
		{ "numbers", &o->numbers }, { "sender", &o->meta },
		{ "load", &o->load } };
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(tables); i++)
		e = db_table(o->db, tables[i].name, tables[i].table);
	return e;
}

static void
init_sync(struct ledger_outbox *o)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&o->sending, NULL);
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
}

enum err
ledger_outbox_open(
    const struct ledger_outbox_opts *opts, struct ledger_outbox **out)
{
	CLEANUP(ledger_outbox_close) struct ledger_outbox *o = NULL;
	const struct db_opts db = { "outbox", VERSION, MAP_BYTES };
	enum err e;

	if (opts->version < 1 || opts->version > 2 || opts->fee < -1)
		return err_say(ERR_INVAL,
		    "transactions are written as version 1 or 2, with a fee "
		    "that is not negative");
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return ERR_NOMEM;
	init_sync(o);
	o->id = opts->id;
	o->chain = opts->chain;
	o->dialect = opts->dialect ? opts->dialect : &ledger_enterprise;
	o->version = opts->version;
	o->fee = opts->fee;
	e = db_open(opts->dir, &db, &o->db);
	if (e == ERR_OK)
		e = open_tables(o);
	if (e == ERR_OK)
		e = ledger_outbox_purge(o);
	if (e)
		return e;
	*out = TAKE(o);
	return ERR_OK;
}

void
ledger_outbox_close(struct ledger_outbox *o)
{
	if (o == NULL)
		return;
	__atomic_store_n(&o->stop, true, __ATOMIC_RELEASE);
	ledger_outbox_kick(o);
	if (o->started)
		(void)pthread_join(o->thread, NULL);
	db_close(o->db);
	free(o->attempt);
	(void)pthread_cond_destroy(&o->wake);
	(void)pthread_mutex_destroy(&o->lock);
	(void)pthread_mutex_destroy(&o->sending);
	free(o);
}

void
ledger_seq_key(uint64_t v, uint8_t out[static 8])
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

uint64_t
ledger_u64_get(
    struct db_txn *t, struct db_table table, const void *name, size_t n)
{
	struct db_val v;
	struct rd r;

	if (!db_get(t, table, (struct db_val){ name, n }, &v))
		return 0;
	rd_init(&r, v.p, v.n);
	return rd_u64(&r);
}

void
ledger_u64_put(struct db_txn *t, struct db_table table, const void *name,
    size_t n, uint64_t value)
{
	uint8_t bytes[8];

	ledger_seq_key(value, bytes);
	db_put(t, table, (struct db_val){ name, n }, DB_VAL(&bytes));
}

/* A row: time 8, id 32, the JSON text exactly as it is sent. */
bool
ledger_row_get(struct ledger_outbox *o, struct db_txn *t, uint64_t seq,
    struct ledger_row *out)
{
	uint8_t key[8];
	struct db_val v;
	struct rd r;

	ledger_seq_key(seq, key);
	if (!db_get(t, o->tx, DB_VAL(&key), &v))
		return false;
	rd_init(&r, v.p, v.n);
	out->time = (int64_t)rd_u64(&r);
	rd_copy(&r, out->id.b, sizeof(out->id.b));
	out->json = (const char *)r.p;
	out->json_len = r.left;
	if (r.err && t->err == ERR_OK)
		t->err = err_say(ERR_CORRUPT,
		    "a row of the outbox is damaged; restore the home from a "
		    "backup");
	return r.err == ERR_OK;
}

void
ledger_row_put(struct ledger_outbox *o, struct db_txn *t, uint64_t seq,
    const struct ledger_row *row)
{
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t key[8];

	ledger_seq_key(seq, key);
	buf_u64(&b, (uint64_t)row->time);
	buf_put(&b, row->id.b, sizeof(row->id.b));
	buf_put(&b, row->json, row->json_len);
	if (b.err) {
		if (t->err == ERR_OK)
			t->err = b.err;
		return;
	}
	db_put(t, o->tx, DB_VAL(&key), (struct db_val){ b.p, b.len });
	db_put(t, o->wait, DB_VAL(&key), DB_VAL(&row->id));
	db_put(t, o->byid, DB_VAL(&row->id), DB_VAL(&key));
}

enum err
ledger_outbox_number(struct ledger_outbox *o, const char *name, uint64_t *out)
{
	CLEANUP_TXN struct db_txn t;

	db_read(o->db, &t);
	*out = ledger_u64_get(&t, o->numbers, name, strlen(name));
	return t.err;
}

enum err
ledger_outbox_fee(struct ledger_outbox *o, const struct ledger_fee *rule)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct ledger_fee old;
	enum err e = ledger_outbox_rule(o, NULL, &old);

	if (e || (old.base == rule->base && old.more == rule->more))
		return e;
	db_write(o->db, &t);
	ledger_u64_put(&t, o->numbers, FEE_BASE, strlen(FEE_BASE),
	    (uint64_t)rule->base + 1); /* 0: never told */
	ledger_u64_put(
	    &t, o->numbers, FEE_MORE, strlen(FEE_MORE), (uint64_t)rule->more);
	return db_commit(&t);
}

enum err
ledger_outbox_rule(
    struct ledger_outbox *o, struct db_txn *t, struct ledger_fee *out)
{
	CLEANUP_TXN struct db_txn own = { 0 };
	uint64_t base;

	if (t == NULL)
		db_read(o->db, t = &own);
	base = ledger_u64_get(t, o->numbers, FEE_BASE, strlen(FEE_BASE));
	*out = o->dialect->fee;
	if (base) {
		out->base = (int64_t)(base - 1);
		out->more = (int64_t)ledger_u64_get(
		    t, o->numbers, FEE_MORE, strlen(FEE_MORE));
	}
	return t->err;
}

enum err
ledger_outbox_json(
    struct ledger_outbox *o, const struct tx_id *id, struct buf *out)
{
	CLEANUP_TXN struct db_txn t;
	struct ledger_row row;
	uint64_t seq;

	db_read(o->db, &t);
	seq = ledger_u64_get(&t, o->byid, id->b, sizeof(id->b));
	if (seq && ledger_row_get(o, &t, seq, &row)) {
		buf_put(out, row.json, row.json_len);
		return out->err;
	}
	if (t.err)
		return t.err;
	return err_say(
	    ERR_NOTFOUND, "the outbox has no transaction %s", TEXT58(id));
}

static bool
is_waiting(struct ledger_outbox *o, struct db_txn *t, const struct tx_id *id)
{
	uint64_t seq = ledger_u64_get(t, o->byid, id->b, sizeof(id->b));
	struct db_val v;
	uint8_t key[8];

	ledger_seq_key(seq, key);
	return seq && db_get(t, o->wait, DB_VAL(&key), &v);
}

bool
ledger_outbox_waits(struct ledger_outbox *o, const struct tx_id *id)
{
	CLEANUP_TXN struct db_txn t;

	db_read(o->db, &t);
	return is_waiting(o, &t, id) || t.err;
}

/* Most blocks hold nothing of ours: look before taking the write lock. */
static bool
concerns_us(struct ledger_outbox *o, const struct ledger_block *b)
{
	CLEANUP_TXN struct db_txn t;

	db_read(o->db, &t);
	for (size_t i = 0; i < b->ntx; i++)
		if (is_waiting(o, &t, &b->tx[i]->id))
			return true;
	return t.err != ERR_OK;
}

enum err
ledger_outbox_block(struct ledger_outbox *o, const struct ledger_block *b)
{
	CLEANUP_TXN struct db_txn t;
	enum err e;

	t = (struct db_txn){ 0 };
	if (!concerns_us(o, b))
		return ERR_OK;
	db_write(o->db, &t);
	for (size_t i = 0; i < b->ntx; i++) {
		const struct tx_id *id = &b->tx[i]->id;
		uint8_t key[8];

		if (!is_waiting(o, &t, id))
			continue;
		ledger_seq_key(
		    ledger_u64_get(&t, o->byid, id->b, sizeof(id->b)), key);
		db_del(&t, o->wait, DB_VAL(&key));
		ledger_load_strike(o, &t, DB_VAL(&key));
	}
	e = db_commit(&t);
	ledger_outbox_kick(o);
	return e;
}

/* What is final for a day, and then the ids that lead nowhere. */
struct purge {
	struct ledger_outbox *o;
	struct db_txn *t;
	int64_t before;
	struct buf rows, ids; /* keys of tx (8) and byid (32) to remove */
};

static bool
find_old_row(void *ctx, struct db_val key, struct db_val value)
{
	struct purge *p = ctx;
	struct db_val v;
	struct rd r;

	rd_init(&r, value.p, value.n);
	if ((int64_t)rd_u64(&r) < p->before && key.n == 8 &&
	    !db_get(p->t, p->o->wait, key, &v))
		buf_put(&p->rows, key.p, key.n);
	return p->rows.err == ERR_OK;
}

static int
compare_seq(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static bool
find_old_id(void *ctx, struct db_val key, struct db_val value)
{
	struct purge *p = ctx;

	/* the walk found the rows in order */
	if (value.n == 8 && key.n == sizeof(struct tx_id) &&
	    bsearch(value.p, p->rows.p, p->rows.len / 8, 8, compare_seq))
		buf_put(&p->ids, key.p, sizeof(struct tx_id));
	return p->ids.err == ERR_OK;
}

static enum err
find_old(struct purge *p)
{
	CLEANUP_TXN struct db_txn t;

	p->t = &t;
	db_read(p->o->db, &t);
	db_walk(&t, p->o->tx, (struct db_val){ "", 0 }, find_old_row, p);
	if (p->rows.len)
		db_walk(
		    &t, p->o->byid, (struct db_val){ "", 0 }, find_old_id, p);
	p->t = NULL;
	return t.err ? t.err : p->rows.err ? p->rows.err : p->ids.err;
}

static enum err
remove_old(struct purge *p)
{
	CLEANUP_TXN struct db_txn t;
	size_t n = sizeof(struct tx_id);

	db_write(p->o->db, &t);
	for (size_t i = 0; i + 8 <= p->rows.len; i += 8)
		db_del(&t, p->o->tx, (struct db_val){ p->rows.p + i, 8 });
	for (size_t i = 0; i + n <= p->ids.len; i += n)
		db_del(&t, p->o->byid, (struct db_val){ p->ids.p + i, n });
	return db_commit(&t);
}

enum err
ledger_outbox_purge(struct ledger_outbox *o)
{
	struct purge p = { .o = o, .before = clock_wall_ms() - KEEP_FINAL_MS };
	enum err e = find_old(&p);

	if (e == ERR_OK && p.rows.len)
		e = remove_old(&p);
	buf_free(&p.rows);
	buf_free(&p.ids);
	return e;
}
