/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How much waits: a transaction may carry one record or a hundred, so what
 * the callers count is kept beside the rows.
 */
#include "ledger/ledger_internal.h"

#include "base/clock.h"

#define RECORDS "records"
#define MINOR   "minor"

static void
add(struct ledger_outbox *o, struct db_txn *t, const char *name, int64_t n)
{
	uint64_t now = ledger_u64_get(t, o->numbers, name, strlen(name));

	ledger_u64_put(t, o->numbers, name, strlen(name), now + (uint64_t)n);
}

void
ledger_load_put(struct ledger_outbox *o, struct db_txn *t, struct db_val seq,
    unsigned records, unsigned minor)
{
	CLEANUP_BUF struct buf b = { 0 };

	if (records == 0)
		return;
	buf_u64(&b, (uint64_t)clock_wall_ms());
	buf_u32(&b, records);
	buf_u32(&b, minor);
	if (b.err && t->err == ERR_OK)
		t->err = b.err;
	db_put(t, o->load, seq, (struct db_val){ b.p, b.len });
	add(o, t, RECORDS, records);
	add(o, t, MINOR, minor);
}

void
ledger_load_strike(struct ledger_outbox *o, struct db_txn *t, struct db_val seq)
{
	struct db_val v;
	struct rd r;

	if (!db_get(t, o->load, seq, &v))
		return;
	rd_init(&r, v.p, v.n);
	(void)rd_u64(&r);
	add(o, t, RECORDS, -(int64_t)rd_u32(&r));
	add(o, t, MINOR, -(int64_t)rd_u32(&r));
	db_del(t, o->load, seq);
}

uint64_t
ledger_outbox_waiting(struct ledger_outbox *o)
{
	CLEANUP_TXN struct db_txn t;

	db_read(o->db, &t);
	return db_count(&t, o->wait);
}

enum err
ledger_outbox_state(struct ledger_outbox *o, struct ledger_state *out)
{
	CLEANUP_TXN struct db_txn t;
	struct db_val key, v;
	struct rd r;

	*out = (struct ledger_state){ 0 };
	db_read(o->db, &t);
	out->waiting = db_count(&t, o->wait);
	out->records = ledger_u64_get(&t, o->numbers, RECORDS, strlen(RECORDS));
	out->minor = ledger_u64_get(&t, o->numbers, MINOR, strlen(MINOR));
	if (db_next(&t, o->load, (struct db_val){ "", 0 }, &key, &v)) {
		rd_init(&r, v.p, v.n);
		out->since = (int64_t)rd_u64(&r);
	}
	(void)pthread_mutex_lock(&o->lock);
	memcpy(out->why, o->why, sizeof(out->why));
	(void)pthread_mutex_unlock(&o->lock);
	return t.err;
}
