/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rows.  What is on the ledger in clear (ids, marks, values) lies in
 * clear; what we learned by opening it, and who signed, is encrypted with the
 * table's name and the row's key as associated data.
 */
#include "registry/registry_internal.h"

#define RECORD_VERSION 1
#define FLAG_HOST      1
#define FLAG_KEY       2
#define FLAG_PATIENT   4
#define FLAGS_ALL      7
#define HASH           16
#define INDEX_KEY      (1 + HASH + 8)
#define MAX_AD         64

const char *const registry_tab_names[TAB_COUNT] = {
	[TAB_STATE] = "state",
	[TAB_ENTRIES] = "entries",
	[TAB_RAW] = "raw",
	[TAB_PUBLICS] = "publics",
	[TAB_EVENTS] = "events",
	[TAB_INDEX] = "index",
	[TAB_ACCREDITS] = "accredits",
	[TAB_NARROW] = "narrow",
	[TAB_HIGHEST] = "highest",
	[TAB_PATIENTS] = "patients",
	[TAB_MARKS] = "marks",
	[TAB_ENDS] = "ends",
};

struct db_val
registry_order_key(uint64_t order, uint8_t out[static 8])
{
	for (int i = 7; i >= 0; i--, order >>= 8)
		out[i] = (uint8_t)order;
	return (struct db_val){ out, 8 };
}

bool
registry_order_read(struct db_val v, uint64_t *out)
{
	struct rd r;

	rd_init(&r, v.p, v.n);
	*out = rd_u64(&r);
	return rd_end(&r) == ERR_OK;
}

void
registry_hash(const struct registry *r, const struct pubkey *a,
    const struct pubkey *b, uint8_t out[static 16])
{
	const struct seal_part parts[] = { { "registry", 8 },
		{ a->b, sizeof(a->b) }, { b ? b->b : NULL, b ? 32 : 0 } };
	uint8_t h[32];

	seal_hash(secret_view(r->rest), parts, b ? 3 : 2, h);
	memcpy(out, h, HASH);
}

bool
registry_get_row(struct db_txn *t, const struct registry *r,
    enum registry_tab tab, struct db_val key, struct db_val *out)
{
	return db_get(t, r->tab[tab], key, out);
}

void
registry_put(struct registry_work *w, enum registry_tab tab, struct db_val key,
    struct db_val value)
{
	db_put(&w->t, w->r->tab[tab], key, value);
	w->wrote = true;
}

void
registry_del(struct registry_work *w, enum registry_tab tab, struct db_val key)
{
	db_del(&w->t, w->r->tab[tab], key);
	w->wrote = true;
}

static struct seal_part
place(enum registry_tab tab, struct db_val key, uint8_t out[static MAX_AD])
{
	size_t n = strlen(registry_tab_names[tab]);

	memcpy(out, registry_tab_names[tab], n);
	memcpy(out + n, key.p, key.n);
	return (struct seal_part){ out, n + key.n };
}

enum err
registry_rest_open(const struct registry *r, enum registry_tab tab,
    struct db_val key, struct db_val sealed, struct buf *out)
{
	uint8_t ad[MAX_AD];
	enum err e = seal_rest_open(r->rest, place(tab, key, ad),
	    (struct seal_part){ sealed.p, sealed.n }, out);

	return e == ERR_CORRUPT ?
	    err_say(e,
		"a row of the registry's table '%s' is damaged; remove the "
		"registry, it is made anew from the ledger",
		registry_tab_names[tab]) :
	    e;
}

enum err
registry_rest_get(const struct registry *r, struct db_txn *t,
    enum registry_tab tab, struct db_val key, struct buf *out)
{
	struct db_val v;

	if (!db_get(t, r->tab[tab], key, &v))
		return t->err ? t->err : ERR_NOTFOUND;
	return registry_rest_open(r, tab, key, v, out);
}

enum err
registry_rest_put(struct registry_work *w, enum registry_tab tab,
    struct db_val key, const struct buf *plain)
{
	CLEANUP_BUF struct buf sealed = { 0 };
	uint8_t ad[MAX_AD];
	enum err e;

	if (plain->err)
		return plain->err;
	e = seal_rest(w->r->rest, place(tab, key, ad),
	    (struct seal_part){ plain->p, plain->len }, &sealed);
	if (e == ERR_OK)
		registry_put(
		    w, tab, key, (struct db_val){ sealed.p, sealed.len });
	return e;
}

static void
row_write(const struct registry_row *row, struct buf *out)
{
	buf_put(out, row->id.b, sizeof(row->id.b));
	buf_put(out, row->tx.b, sizeof(row->tx.b));
	buf_put(out, row->entry.b, sizeof(row->entry.b));
	buf_put(out, row->sender.b, sizeof(row->sender.b));
	buf_u64(out, row->order);
	buf_u64(out, (uint64_t)row->time);
}

static void
row_read(struct rd *r, struct registry_row *out)
{
	rd_copy(r, out->id.b, sizeof(out->id.b));
	rd_copy(r, out->tx.b, sizeof(out->tx.b));
	rd_copy(r, out->entry.b, sizeof(out->entry.b));
	rd_copy(r, out->sender.b, sizeof(out->sender.b));
	out->order = rd_u64(r);
	out->time = (int64_t)rd_u64(r);
}

enum err
registry_row_read(const struct registry *r, struct db_val key,
    struct db_val value, struct registry_row *out)
{
	CLEANUP_BUF struct buf plain = { 0 };
	struct rd rd;
	enum err e = registry_rest_open(r, TAB_ENTRIES, key, value, &plain);

	if (e)
		return e;
	rd_init(&rd, plain.p, plain.len);
	row_read(&rd, out);
	return rd_end(&rd) ? ERR_CORRUPT : ERR_OK;
}

enum err
registry_row_get(const struct registry *r, struct db_txn *t,
    const struct event_id *id, struct registry_row *out)
{
	struct db_val v;

	if (!db_get(t, r->tab[TAB_ENTRIES], DB_VAL(id), &v))
		return t->err ? t->err : ERR_NOTFOUND;
	return registry_row_read(r, DB_VAL(id), v, out);
}

enum err
registry_row_put(struct registry_work *w, const struct registry_row *row)
{
	CLEANUP_BUF struct buf plain = { 0 };

	row_write(row, &plain);
	return registry_rest_put(w, TAB_ENTRIES, DB_VAL(&row->id), &plain);
}

bool
registry_raw_get(const struct registry *r, struct db_txn *t, uint64_t order,
    struct db_val *out)
{
	uint8_t key[8];

	return db_get(t, r->tab[TAB_RAW], registry_order_key(order, key), out);
}

bool
registry_record_has(const struct registry *r, struct db_txn *t, uint64_t order)
{
	struct db_val v;
	uint8_t key[8];

	return db_get(
	    t, r->tab[TAB_EVENTS], registry_order_key(order, key), &v);
}

enum err
registry_record_put(struct registry_work *w, const struct registry_record *rec,
    const struct registry_opened *o)
{
	CLEANUP_BUF struct buf plain = { 0 };
	uint8_t key[8];

	buf_u8(&plain, RECORD_VERSION);
	buf_u8(&plain, rec->kind);
	buf_u8(&plain,
	    (uint8_t)((rec->host ? FLAG_HOST : 0) | (o->key ? FLAG_KEY : 0) |
		(rec->has_patient ? FLAG_PATIENT : 0)));
	row_write(&rec->row, &plain);
	buf_put(&plain, rec->patient.b, sizeof(rec->patient.b));
	if (o->key)
		buf_put(&plain, secret_view(o->key), SEAL_KEY);
	buf_put(&plain, o->payload.p, o->payload.len);
	return registry_rest_put(
	    w, TAB_EVENTS, registry_order_key(rec->row.order, key), &plain);
}

static enum err
record_read(struct registry_record *out)
{
	struct rd r;
	uint8_t flags;

	rd_init(&r, out->plain.p, out->plain.len);
	if (rd_u8(&r) != RECORD_VERSION)
		return ERR_CORRUPT;
	out->kind = rd_u8(&r);
	flags = rd_u8(&r);
	out->host = flags & FLAG_HOST;
	out->has_key = flags & FLAG_KEY;
	out->has_patient = flags & FLAG_PATIENT;
	row_read(&r, &out->row);
	rd_copy(&r, out->patient.b, sizeof(out->patient.b));
	if (out->has_key)
		out->key = rd_take(&r, SEAL_KEY);
	out->json = (struct db_val){ r.p, r.left };
	return r.err || out->kind > REGISTRY_OPAQUE || flags > FLAGS_ALL ?
	    ERR_CORRUPT :
	    ERR_OK;
}

enum err
registry_record_get(const struct registry *r, struct db_txn *t, uint64_t order,
    struct registry_record *out)
{
	uint8_t key[8];
	enum err e;

	memset(out, 0, sizeof(*out));
	e = registry_rest_get(
	    r, t, TAB_EVENTS, registry_order_key(order, key), &out->plain);
	return e ? e : record_read(out);
}

void
registry_record_free(struct registry_record *rec)
{
	buf_free(&rec->plain);
}

enum err
registry_record_event(const struct registry_record *rec, struct event **out)
{
	enum err e = event_decode(rec->json.p, rec->json.n, out);

	return e == ERR_FORMAT || e == ERR_UNSUPPORTED ?
	    err_say(ERR_CORRUPT,
		"an event of the registry was understood "
		"once and is no more: %s",
		err_detail(e)) :
	    e;
}

void
registry_index_key(const struct registry *r, uint8_t kind,
    const struct pubkey *patient, uint64_t order, uint8_t out[static INDEX_KEY])
{
	out[0] = kind;
	if (patient)
		registry_hash(r, patient, NULL, out + 1);
	else
		memset(out + 1, 0, HASH);
	(void)registry_order_key(order, out + 1 + HASH);
}

struct index_walk {
	uint8_t prefix[INDEX_KEY];
	bool (*fn)(void *ctx, uint64_t order);
	void *ctx;
};

static bool
index_step(void *ctx, struct db_val key, struct db_val value)
{
	const struct index_walk *walk = ctx;
	const uint8_t *k = key.p;
	uint64_t order;

	(void)value;
	if (key.n != INDEX_KEY || memcmp(k, walk->prefix, 1 + HASH) != 0 ||
	    !registry_order_read((struct db_val){ k + 1 + HASH, 8 }, &order))
		return false;
	return walk->fn(walk->ctx, order);
}

void
registry_index_walk(const struct registry *r, struct db_txn *t, uint8_t kind,
    const struct pubkey *patient, bool (*fn)(void *ctx, uint64_t order),
    void *ctx)
{
	struct index_walk walk = { .fn = fn, .ctx = ctx };

	registry_index_key(r, kind, patient, 0, walk.prefix);
	db_walk(t, r->tab[TAB_INDEX],
	    (struct db_val){ walk.prefix, sizeof(walk.prefix) }, index_step,
	    &walk);
}
