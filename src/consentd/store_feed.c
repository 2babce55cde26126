/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/store.h"

#define NO_PARTY 255
#define SEEN     (1 + sizeof(struct tx_id)) /* a row of that table */

static void
row_write(const struct consentd_feed_row *row, struct buf *out)
{
	buf_u8(out, (uint8_t)row->stage);
	buf_u8(out, row->first);
	buf_put(out, row->id.b, sizeof(row->id.b));
	buf_put(out, row->tx.b, sizeof(row->tx.b));
	buf_put(out, row->entry.b, sizeof(row->entry.b));
	buf_put(out, row->sender.b, sizeof(row->sender.b));
	buf_put(out, row->patient.b, sizeof(row->patient.b));
	buf_u8(out, (uint8_t)row->type);
	buf_u8(out, row->has_party ? (uint8_t)row->party : NO_PARTY);
	buf_put(out, row->institution.b, sizeof(row->institution.b));
	buf_str(out, row->group);
}

static bool
is_known(const struct consentd_feed_row *row)
{
	return row->stage >= CONSENTD_SEEN && row->stage <= CONSENTD_FINAL &&
	    row->type <= EVENT_ACCREDIT && row->party <= EVENT_ANYONE;
}

static enum err
row_read(const struct buf *in, struct consentd_feed_row *row)
{
	struct rd r;
	uint8_t party;

	rd_init(&r, in->p, in->len);
	row->stage = rd_u8(&r);
	row->first = rd_u8(&r);
	rd_copy(&r, row->id.b, sizeof(row->id.b));
	rd_copy(&r, row->tx.b, sizeof(row->tx.b));
	rd_copy(&r, row->entry.b, sizeof(row->entry.b));
	rd_copy(&r, row->sender.b, sizeof(row->sender.b));
	rd_copy(&r, row->patient.b, sizeof(row->patient.b));
	row->type = rd_u8(&r);
	party = rd_u8(&r);
	row->has_party = party != NO_PARTY;
	row->party = row->has_party ? party : EVENT_INSTITUTION;
	rd_copy(&r, row->institution.b, sizeof(row->institution.b));
	if (r.err || r.left >= sizeof(row->group) || !is_known(row))
		return ERR_CORRUPT;
	memcpy(row->group, r.p, r.left);
	row->group[r.left] = '\0';
	return ERR_OK;
}

uint64_t
consentd_feed_last(struct consentd_store *s, struct db_txn *t)
{
	struct db_val key, value;

	return db_last(t, s->feed.table, &key, &value) ?
	    consentd_seq_read(key) :
	    0;
}

int
consentd_feed_stage(
    struct consentd_store *s, struct db_txn *t, const struct event_id *id)
{
	struct db_val v;
	int stage;

	if (!db_get(t, s->seen, DB_VAL(id), &v))
		return 0;
	stage = v.n == SEEN ? *(const uint8_t *)v.p : 0;
	if (stage >= CONSENTD_SEEN && stage <= CONSENTD_FINAL)
		return stage;
	t->err = err_say(ERR_CORRUPT,
	    "a row of table 'seen' is damaged; restore the directory from a "
	    "backup");
	return 0;
}

/* Note the stage; the transaction of the first sight is remembered. */
static void
mark(struct consentd_store *s, struct db_txn *t,
    const struct consentd_feed_row *row)
{
	struct tx_id first = row->tx;
	uint8_t value[SEEN];
	struct db_val v;

	if (db_get(t, s->seen, DB_VAL(&row->id), &v)) {
		memcpy(first.b, (const uint8_t *)v.p + 1, sizeof(first.b));
		if (row->stage == CONSENTD_FINAL)
			consentd_store_unhold(s, t, &first);
	}
	value[0] = (uint8_t)row->stage;
	memcpy(value + 1, first.b, sizeof(first.b));
	db_put(t, s->seen, DB_VAL(&row->id), DB_VAL(&value));
}

enum err
consentd_feed_add(
    struct consentd_store *s, struct db_txn *t, struct consentd_feed_row *row)
{
	CLEANUP_BUF struct buf b = { 0 };
	int before = consentd_feed_stage(s, t, &row->id);
	struct consentd_seq seq;

	if (before >= (int)row->stage || t->err)
		return t->err;
	mark(s, t, row);
	row->first = before == 0;
	row_write(row, &b);
	if (b.err)
		return b.err;
	seq = consentd_seq(consentd_feed_last(s, t) + 1);
	return consentd_rows_put(
	    t, &s->feed, DB_VAL(&seq), (struct db_val){ b.p, b.len });
}

enum err
consentd_feed_next(struct consentd_store *s, struct db_txn *t, uint64_t after,
    struct consentd_feed_row *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct consentd_seq from = consentd_seq(after + 1);
	struct db_val key, v;
	enum err e;

	if (!db_next(t, s->feed.table, DB_VAL(&from), &key, &v))
		return t->err ? t->err : ERR_NOTFOUND;
	out->seq = consentd_seq_read(key);
	e = consentd_rows_open(&s->feed, key, v, &b);
	return e ? e : row_read(&b, out);
}
