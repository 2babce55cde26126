/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transactions that are not final yet.  Anybody can register and hand over
 * what a node will never take, so what is held of one account is limited, and
 * what is held of all that no institution answers for.
 */
#include "consentd/store.h"

#include <string.h>

#define HELD "held" /* the number given last: none is given twice */

static const struct consentd_held_size most[] = {
	[CONSENTD_OF_PERSON] = { CONSENTD_PERSON_ENTRIES,
	    CONSENTD_PERSON_BYTES },
	[CONSENTD_OF_HOST] = { CONSENTD_HOST_ENTRIES, CONSENTD_HOST_BYTES },
};
static const struct consentd_held_size most_of_persons = { UINT64_MAX,
	CONSENTD_PERSONS_BYTES };

/* A row of held_ids; those of older versions end behind the number. */
struct held {
	uint64_t seq;
	bool counted;
	enum consentd_holder holder;
	struct pubkey sender;
	struct consentd_held_size size;
};

static void
held_write(const struct held *h, struct buf *out)
{
	buf_u64(out, h->seq);
	buf_u8(out, (uint8_t)h->holder);
	buf_put(out, h->sender.b, sizeof(h->sender.b));
	buf_u64(out, h->size.entries);
	buf_u64(out, h->size.bytes);
}

static void
held_read(struct db_val v, struct held *h)
{
	struct rd r;

	rd_init(&r, v.p, v.n);
	h->seq = rd_u64(&r);
	h->counted = r.left > 0;
	h->holder = rd_u8(&r) == CONSENTD_OF_HOST ? CONSENTD_OF_HOST :
						    CONSENTD_OF_PERSON;
	rd_copy(&r, h->sender.b, sizeof(h->sender.b));
	h->size.entries = rd_u64(&r);
	h->size.bytes = rd_u64(&r);
	h->counted = h->counted && r.err == ERR_OK;
}

static struct consentd_held_size
size_get(struct consentd_store *s, struct db_txn *t, const struct pubkey *of)
{
	struct consentd_held_size n = { 0, 0 };
	struct db_val v;
	struct rd r;

	if (!db_get(t, s->held_by, DB_VAL(of), &v))
		return n;
	rd_init(&r, v.p, v.n);
	n.entries = rd_u64(&r);
	n.bytes = rd_u64(&r);
	return n;
}

static void
size_put(struct consentd_store *s, struct db_txn *t, const struct pubkey *of,
    const struct consentd_held_size *n)
{
	struct {
		struct consentd_seq entries, bytes;
	} v = { consentd_seq(n->entries), consentd_seq(n->bytes) };

	if (n->entries || n->bytes)
		db_put(t, s->held_by, DB_VAL(of), DB_VAL(&v));
	else
		db_del(t, s->held_by, DB_VAL(of));
}

/* Say whether it still fits. */
static bool
add(struct consentd_store *s, struct db_txn *t, const struct pubkey *of,
    const struct consentd_held_size *more,
    const struct consentd_held_size *limit)
{
	struct consentd_held_size n = size_get(s, t, of);

	n.entries += more->entries;
	n.bytes += more->bytes;
	size_put(s, t, of, &n);
	return n.entries <= limit->entries && n.bytes <= limit->bytes;
}

static void
take_off(struct consentd_store *s, struct db_txn *t, const struct pubkey *of,
    const struct consentd_held_size *less)
{
	struct consentd_held_size n = size_get(s, t, of);

	n.entries -= less->entries < n.entries ? less->entries : n.entries;
	n.bytes -= less->bytes < n.bytes ? less->bytes : n.bytes;
	size_put(s, t, of, &n);
}

/* No account has this key: the sum of all persons'. */
static const struct pubkey all_persons;

static enum err
count(struct consentd_store *s, struct db_txn *t, const struct held *h)
{
	if (!add(s, t, &h->sender, &h->size, &most[h->holder]))
		return err_say(ERR_BUSY,
		    "too much of this account waits for the ledger; try again "
		    "when it is confirmed");
	if (h->holder == CONSENTD_OF_PERSON &&
	    !add(s, t, &all_persons, &h->size, &most_of_persons))
		return err_say(
		    ERR_BUSY, "too much waits for the ledger; try again later");
	return t->err;
}

static uint64_t
next_number(struct consentd_store *s, struct db_txn *t)
{
	const struct db_val name = { HELD, strlen(HELD) };
	struct consentd_seq seq;
	struct db_val v;
	uint64_t last = db_get(t, s->state, name, &v) ? consentd_seq_read(v) :
							0;

	seq = consentd_seq(last + 1);
	db_put(t, s->state, name, DB_VAL(&seq));
	return last + 1;
}

enum err
consentd_store_hold(struct consentd_store *s, struct db_txn *t,
    const struct ledger_tx *tx, enum consentd_holder holder,
    const struct buf *json)
{
	CLEANUP_BUF struct buf row = { 0 }, id = { 0 };
	struct held h = { .holder = holder,
		.sender = tx->sender,
		.size = { tx->nentries, json->len } };
	struct consentd_seq seq;
	struct db_val v;
	enum err e;

	if (db_get(t, s->held_ids, DB_VAL(&tx->id), &v) || t->err)
		return t->err;
	e = count(s, t, &h);
	if (e)
		return e;
	h.seq = next_number(s, t);
	held_write(&h, &id);
	buf_put(&row, tx->id.b, sizeof(tx->id.b));
	buf_put(&row, json->p, json->len);
	if (row.err || id.err || json->err)
		return ERR_NOMEM;
	seq = consentd_seq(h.seq);
	db_put(t, s->held, DB_VAL(&seq), (struct db_val){ row.p, row.len });
	db_put(
	    t, s->held_ids, DB_VAL(&tx->id), (struct db_val){ id.p, id.len });
	return t->err;
}

void
consentd_store_unhold(
    struct consentd_store *s, struct db_txn *t, const struct tx_id *id)
{
	struct consentd_seq seq;
	struct db_val v;
	struct held h;

	if (!db_get(t, s->held_ids, DB_VAL(id), &v))
		return;
	held_read(v, &h);
	seq = consentd_seq(h.seq);
	db_del(t, s->held, DB_VAL(&seq));
	db_del(t, s->held_ids, DB_VAL(id));
	if (!h.counted)
		return;
	take_off(s, t, &h.sender, &h.size);
	if (h.holder == CONSENTD_OF_PERSON)
		take_off(s, t, &all_persons, &h.size);
}

static enum err
read_held(struct db_val v, struct tx_id *out_id, struct buf *out)
{
	struct rd r;

	rd_init(&r, v.p, v.n);
	rd_copy(&r, out_id->b, sizeof(out_id->b));
	if (r.err)
		return ERR_CORRUPT;
	buf_put(out, r.p, r.left);
	return out->err;
}

enum err
consentd_store_held(
    struct consentd_store *s, const struct tx_id *id, struct buf *out_json)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct consentd_seq seq;
	struct tx_id same;
	struct db_val v;

	db_read(s->db, &t);
	if (!db_get(&t, s->held_ids, DB_VAL(id), &v))
		return t.err ? t.err : ERR_NOTFOUND;
	seq = consentd_seq(consentd_seq_read(v));
	if (!db_get(&t, s->held, DB_VAL(&seq), &v))
		return t.err ? t.err : ERR_NOTFOUND;
	return read_held(v, &same, out_json);
}

enum err
consentd_store_next_held(struct consentd_store *s, uint64_t after,
    uint64_t *out_seq, struct tx_id *out_id, struct buf *out_json)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct consentd_seq from = consentd_seq(after + 1);
	struct db_val key, v;

	db_read(s->db, &t);
	if (!db_next(&t, s->held, DB_VAL(&from), &key, &v))
		return t.err ? t.err : ERR_NOTFOUND;
	*out_seq = consentd_seq_read(key);
	return read_held(v, out_id, out_json);
}
