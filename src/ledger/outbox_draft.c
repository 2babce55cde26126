/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"

struct ledger_draft {
	struct ledger_outbox *o;
	struct db_txn t; /* counters and transactions stand or fall together */
	enum err err;    /* sticky */
	struct ledger_tx *tx; /* being filled, or NULL */
	size_t size;          /* full bytes of tx so far */
	struct tx_id last;
	uint64_t seq; /* of it */
	unsigned records, minor;
};

enum err
ledger_draft_begin(struct ledger_outbox *o, struct ledger_draft **out)
{
	struct ledger_draft *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_NOMEM;
	d->o = o;
	db_write(o->db, &d->t);
	if (d->t.err) {
		enum err e = d->t.err;

		free(d);
		return e;
	}
	*out = d;
	return ERR_OK;
}

void
ledger_draft_abort(struct ledger_draft *d)
{
	if (d == NULL)
		return;
	db_abort(&d->t);
	ledger_tx_free(d->tx);
	free(d);
}

uint64_t
ledger_draft_count(
    struct ledger_draft *d, const void *name, size_t n, uint64_t floor)
{
	uint64_t v = ledger_u64_get(&d->t, d->o->counters, name, n) + 1;

	if (v < floor)
		v = floor;
	ledger_u64_put(&d->t, d->o->counters, name, n, v);
	return v;
}

uint64_t
ledger_draft_get(struct ledger_draft *d, const char *name)
{
	return ledger_u64_get(&d->t, d->o->numbers, name, strlen(name));
}

void
ledger_draft_set(struct ledger_draft *d, const char *name, uint64_t value)
{
	ledger_u64_put(&d->t, d->o->numbers, name, strlen(name), value);
}

/* Timestamps of one outbox strictly increase, whatever the clock does. */
static int64_t
next_time(struct ledger_outbox *o, struct db_txn *t)
{
	int64_t last = (int64_t)ledger_u64_get(t, o->meta, "time", 4);
	int64_t now = clock_wall_ms();

	if (now <= last)
		now = last + 1;
	ledger_u64_put(t, o->meta, "time", 4, (uint64_t)now);
	return now;
}

enum err
ledger_outbox_keep(struct ledger_outbox *o, struct db_txn *t,
    struct ledger_tx *tx, uint64_t seq)
{
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct ledger_fee rule;
	struct ledger_row row;
	enum err e = ledger_outbox_rule(o, t, &rule);

	tx->timestamp = next_time(o, t);
	tx->height = 0;
	tx->fee = o->fee;
	if (e == ERR_OK && o->fee < 0)
		e = ledger_tx_pay(tx, &rule);
	if (e == ERR_OK)
		e = ledger_tx_sign(tx, o->id);
	if (e == ERR_OK)
		e = ledger_tx_json(tx, o->chain.b[0], &j);
	if (e)
		return e;
	js_print(j, &text);
	if (text.err)
		return text.err;
	row = (struct ledger_row){ tx->timestamp, tx->id, (const char *)text.p,
		text.len };
	ledger_row_put(o, t, seq, &row);
	return t->err;
}

/* Sign what is collected and make it a row. */
static enum err
finish_tx(struct ledger_draft *d)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = TAKE(d->tx);
	struct ledger_outbox *o = d->o;
	uint64_t seq = ledger_u64_get(&d->t, o->meta, "seq", 3) + 1;
	enum err e;

	ledger_u64_put(&d->t, o->meta, "seq", 3, seq);
	e = ledger_outbox_keep(o, &d->t, tx, seq);
	d->last = tx->id;
	d->seq = seq;
	return e;
}

static enum err
begin_tx(struct ledger_draft *d)
{
	enum err e = ledger_tx_new(&d->tx);

	if (e)
		return e;
	ledger_tx_dialect(d->tx, d->o->dialect, d->o->version);
	e = ledger_tx_encode(d->tx); /* empty: what all have in common */
	d->size = ledger_tx_full_size(d->tx);
	return e;
}

static enum err
add_entry(struct ledger_draft *d, const char *name, const void *value, size_t n)
{
	size_t more = ledger_entry_size(name, n);
	enum err e = ERR_OK;

	if (d->tx &&
	    (d->tx->nentries == LEDGER_MAX_ENTRIES ||
		d->size + more > LEDGER_MAX_TX))
		e = finish_tx(d);
	if (e == ERR_OK && d->tx == NULL)
		e = begin_tx(d);
	if (e == ERR_OK)
		e = ledger_tx_binary(d->tx, name, value, n);
	d->size += more;
	return e;
}

enum err
ledger_draft_entry(struct ledger_draft *d, const struct entry_key *key,
    const void *value, size_t n)
{
	struct text58 name;

	if (d->err == ERR_OK)
		d->err = add_entry(d, ledger_entry_name(key, &name), value, n);
	return d->err;
}

void
ledger_draft_records(struct ledger_draft *d, unsigned records, unsigned minor)
{
	d->records = records;
	d->minor = minor;
}

/* The last transaction stands for all of the draft. */
static void
put_records(struct ledger_draft *d)
{
	uint8_t key[8];

	ledger_seq_key(d->seq, key);
	if (d->seq)
		ledger_load_put(
		    d->o, &d->t, DB_VAL(&key), d->records, d->minor);
}

enum err
ledger_draft_commit(struct ledger_draft *d, struct tx_id *out_last)
{
	struct ledger_outbox *o = d->o;
	enum err e = d->err;

	if (e == ERR_OK && d->tx)
		e = finish_tx(d);
	put_records(d);
	if (e == ERR_OK)
		e = db_commit(&d->t);
	if (e == ERR_OK && out_last)
		*out_last = d->last;
	ledger_draft_abort(d);
	if (e == ERR_OK)
		ledger_outbox_kick(o);
	return e;
}

static enum err
read_row(struct ledger_outbox *o, struct db_txn *t, uint64_t seq,
    struct ledger_tx **out)
{
	CLEANUP_JS json_t *j = NULL;
	struct ledger_row row;
	enum err e;

	if (!ledger_row_get(o, t, seq, &row))
		return t->err ? t->err : ERR_NOTFOUND;
	e = js_parse(row.json, row.json_len, JS_DEPTH, &j);
	if (e == ERR_OK)
		e = ledger_tx_read(j, out);
	return e ?
	    err_say(ERR_CORRUPT, "a transaction in the outbox is damaged: %s",
		err_detail(e)) :
	    ERR_OK;
}

enum err
ledger_outbox_renew(struct ledger_outbox *o, uint64_t seq)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_TXN struct db_txn t;
	enum err e;

	db_write(o->db, &t);
	e = t.err ? t.err : read_row(o, &t, seq, &tx);
	if (e == ERR_OK)
		e = ledger_outbox_keep(o, &t, tx, seq);
	return e ? e : db_commit(&t);
}

enum err
ledger_outbox_repay(struct ledger_outbox *o, uint64_t seq)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_TXN struct db_txn t;
	struct ledger_fee rule;
	int64_t paid;
	enum err e;

	db_write(o->db, &t);
	e = t.err ? t.err : ledger_outbox_rule(o, &t, &rule);
	if (e == ERR_OK)
		e = read_row(o, &t, seq, &tx);
	if (e)
		return e;
	paid = tx->fee;
	e = ledger_tx_pay(tx, &rule);
	if (e || o->fee >= 0 || tx->fee <= paid)
		return e;
	e = ledger_outbox_keep(o, &t, tx, seq);
	return e ? e : db_commit(&t);
}
