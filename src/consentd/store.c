/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/store.h"

#include <string.h>

#include "base/js.h"

#define MAP_BYTES (64ULL << 30)
#define FLOOR     "floor"

struct consentd_seq
consentd_seq(uint64_t n)
{
	struct consentd_seq s;

	for (int i = 7; i >= 0; i--, n >>= 8)
		s.b[i] = (uint8_t)n;
	return s;
}

uint64_t
consentd_seq_read(struct db_val key)
{
	struct rd r;

	rd_init(&r, key.p, key.n);
	return rd_u64(&r);
}

static enum err
plain_tables(struct consentd_store *s)
{
	const struct {
		const char *name;
		struct db_table *table;
	} all[] = {
		{ "state", &s->state },
		{ "receipts", &s->receipts },
		{ "held", &s->held },
		{ "held_ids", &s->held_ids },
		{ "held_by", &s->held_by },
		{ "seen", &s->seen },
		{ "roots", &s->roots },
		{ "set_blobs", &s->set_blobs },
		{ "blob_sets", &s->blob_sets },
		{ "granted", &s->granted },
	};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(all); i++)
		e = db_table(s->db, all[i].name, all[i].table);
	return e;
}

static enum err
sealed_tables(struct consentd_store *s)
{
	const struct {
		const char *name;
		struct consentd_rows *rows;
	} all[] = {
		{ "records", &s->records },
		{ "cards", &s->cards },
		{ "feed", &s->feed },
	};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(all); i++) {
		all[i].rows->name = all[i].name;
		all[i].rows->key = s->rest;
		e = db_table(s->db, all[i].name, &all[i].rows->table);
	}
	return e;
}

enum err
consentd_store_open(const char *dir, const struct seal_identity *protect,
    struct consentd_store **out)
{
	CLEANUP(consentd_store_close)
	struct consentd_store *s = calloc(1, sizeof(*s));
	static const struct db_opts opts = { "store", 1, MAP_BYTES };
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	e = seal_rest_key(protect, "store", &s->rest);
	if (e == ERR_OK)
		e = db_open(dir, &opts, &s->db);
	if (e == ERR_OK)
		e = plain_tables(s);
	if (e == ERR_OK)
		e = sealed_tables(s);
	if (e == ERR_OK)
		*out = TAKE(s);
	return e;
}

void
consentd_store_close(struct consentd_store *s)
{
	if (s == NULL)
		return;
	db_close(s->db);
	secret_free(s->rest);
	free(s);
}

enum err
consentd_store_floor(struct consentd_store *s, int64_t *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct db_val v;

	*out = 0;
	db_read(s->db, &t);
	if (db_get(&t, s->state, (struct db_val){ FLOOR, strlen(FLOOR) }, &v))
		*out = (int64_t)consentd_seq_read(v);
	return t.err;
}

enum err
consentd_store_set_floor(void *ctx, int64_t floor)
{
	struct consentd_seq v = consentd_seq((uint64_t)floor);
	struct consentd_store *s = ctx;
	struct db_txn t = { 0 };

	db_write(s->db, &t);
	db_put(
	    &t, s->state, (struct db_val){ FLOOR, strlen(FLOOR) }, DB_VAL(&v));
	return db_commit(&t);
}

static uint64_t
next_seq(struct db_txn *t, struct db_table table)
{
	struct db_val key, value;

	return db_last(t, table, &key, &value) ? consentd_seq_read(key) + 1 : 1;
}

static void
grant(struct consentd_store *s, struct db_txn *t,
    const struct rms_receipt *receipt, unsigned rights)
{
	struct {
		struct institution_id institution;
		struct event_id set;
	} key = { receipt->institution, receipt->set };
	struct db_val v;
	uint8_t bits = (uint8_t)rights;

	if (db_get(t, s->granted, DB_VAL(&key), &v) && v.n == 1)
		bits |= *(const uint8_t *)v.p;
	db_put(t, s->granted, DB_VAL(&key), DB_VAL(&bits));
}

enum err
consentd_store_release(struct consentd_store *s,
    const struct rms_receipt *receipt, unsigned rights)
{
	CLEANUP_JS json_t *j = rms_receipt_json(receipt);
	CLEANUP_BUF struct buf text = { 0 };
	struct consentd_seq seq;
	struct db_txn t = { 0 };

	if (j == NULL)
		return ERR_NOMEM;
	js_print(j, &text);
	if (text.err)
		return text.err;
	db_write(s->db, &t);
	seq = consentd_seq(next_seq(&t, s->receipts));
	db_put(
	    &t, s->receipts, DB_VAL(&seq), (struct db_val){ text.p, text.len });
	grant(s, &t, receipt, rights);
	return db_commit(&t);
}

unsigned
consentd_store_granted(struct consentd_store *s,
    const struct institution_id *institution, const struct event_id *set)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct {
		struct institution_id institution;
		struct event_id set;
	} key = { *institution, *set };
	struct db_val v;

	db_read(s->db, &t);
	if (!db_get(&t, s->granted, DB_VAL(&key), &v) || v.n != 1)
		return 0;
	return *(const uint8_t *)v.p;
}

static void
card_row(const struct consentd_store *s, const struct pubkey *patient,
    uint8_t out[static 32])
{
	const struct seal_part part = { patient->b, sizeof(patient->b) };

	seal_hash(secret_view(s->rest), &part, 1, out);
}

enum err
consentd_store_put_card(
    struct consentd_store *s, const struct pubkey *patient, const char *text)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	uint8_t row[32];
	enum err e;

	card_row(s, patient, row);
	db_write(s->db, &t);
	e = consentd_rows_put(
	    &t, &s->cards, DB_VAL(&row), (struct db_val){ text, strlen(text) });
	return e ? e : db_commit(&t);
}

enum err
consentd_store_card(
    struct consentd_store *s, const struct pubkey *patient, struct buf *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	uint8_t row[32];

	card_row(s, patient, row);
	db_read(s->db, &t);
	return consentd_rows_get(&t, &s->cards, DB_VAL(&row), out);
}

struct telling {
	enum err (*fn)(void *ctx, const void *json, size_t n);
	void *ctx;
	enum err e;
};

static bool
tell_receipt(void *ctx, struct db_val key, struct db_val value)
{
	struct telling *x = ctx;

	(void)key;
	x->e = x->fn(x->ctx, value.p, value.n);
	return x->e == ERR_OK;
}

enum err
consentd_store_receipts(struct consentd_store *s,
    enum err (*fn)(void *ctx, const void *json, size_t n), void *ctx)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct telling x = { fn, ctx, ERR_OK };

	db_read(s->db, &t);
	db_walk(&t, s->receipts, (struct db_val){ "", 0 }, tell_receipt, &x);
	return t.err ? t.err : x.e;
}
