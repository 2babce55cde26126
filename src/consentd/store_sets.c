/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/store.h"

struct set_blob_key {
	struct event_id set;
	uint8_t number[4];
};

struct blob_set_key {
	struct blob_id blob;
	struct event_id set;
};

void
consentd_store_root(struct consentd_store *s, struct db_txn *t,
    const struct event_id *set, const uint8_t root[static 32])
{
	struct db_val v;

	if (!db_get(t, s->roots, DB_VAL(set), &v))
		db_put(t, s->roots, DB_VAL(set), (struct db_val){ root, 32 });
}

enum err
consentd_store_get_root(struct consentd_store *s, const struct event_id *set,
    uint8_t out[static 32])
{
	CLEANUP_TXN struct db_txn t = { 0 };
	struct db_val v;

	db_read(s->db, &t);
	if (!db_get(&t, s->roots, DB_VAL(set), &v))
		return t.err ? t.err : ERR_NOTFOUND;
	if (v.n != 32)
		return ERR_CORRUPT;
	memcpy(out, v.p, 32);
	return ERR_OK;
}

enum err
consentd_store_record(struct consentd_store *s, const struct event_id *set,
    struct rms_record *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	CLEANUP_BUF struct buf b = { 0 };
	enum err e;

	db_read(s->db, &t);
	e = consentd_rows_get(&t, &s->records, DB_VAL(set), &b);
	if (e)
		return e;
	return rms_record_read(b.p, b.len, out) ? ERR_CORRUPT : ERR_OK;
}

static void
put_blob(struct consentd_store *s, struct db_txn *t, const struct event_id *set,
    const struct blob_id *blob, uint32_t i)
{
	struct set_blob_key forth = { *set,
		{ (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
		    (uint8_t)i } };
	struct blob_set_key back = { *blob, *set };

	db_put(t, s->set_blobs, DB_VAL(&forth), DB_VAL(blob));
	db_put(t, s->blob_sets, DB_VAL(&back), DB_VAL(&forth.number));
}

enum err
consentd_store_publish(struct consentd_store *s, const struct event_id *set,
    const struct rms_record *record, const struct blob_id *blobs, uint32_t n)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	CLEANUP_BUF struct buf old = { 0 };
	uint8_t bytes[RMS_RECORD];
	enum err e;

	rms_record_write(record, bytes);
	db_write(s->db, &t);
	e = consentd_rows_get(&t, &s->records, DB_VAL(set), &old);
	if (e == ERR_OK && old.len == sizeof(bytes) &&
	    memcmp(old.p, bytes, sizeof(bytes)) == 0)
		return ERR_OK;
	if (e == ERR_OK)
		return err_say(
		    ERR_EXISTS, "the set has another key record already");
	if (e != ERR_NOTFOUND)
		return e;
	e = consentd_rows_put(&t, &s->records, DB_VAL(set), DB_VAL(&bytes));
	if (e)
		return e;
	for (uint32_t i = 0; i < n; i++)
		put_blob(s, &t, set, &blobs[i], i);
	return db_commit(&t);
}

struct holders {
	const struct blob_id *blob;
	struct event_id *set;
	size_t n;
	enum err err;
};

static bool
add_holder(void *ctx, struct db_val key, struct db_val value)
{
	const struct blob_set_key *k = key.p;
	struct holders *h = ctx;
	struct event_id *set;

	(void)value;
	if (key.n != sizeof(*k) || !ID_EQ(&k->blob, h->blob))
		return false;
	set = realloc(h->set, (h->n + 1) * sizeof(*set));
	if (set == NULL) {
		h->err = ERR_NOMEM;
		return false;
	}
	h->set = set;
	h->set[h->n++] = k->set;
	return true;
}

static enum err
read_holders(struct consentd_store *s, struct holders *h)
{
	CLEANUP_TXN struct db_txn t = { 0 };

	db_read(s->db, &t);
	db_walk(&t, s->blob_sets, DB_VAL(h->blob), add_holder, h);
	return t.err ? t.err : h->err;
}

enum err
consentd_store_holders(struct consentd_store *s, const struct blob_id *blob,
    bool (*fn)(void *ctx, const struct event_id *set), void *ctx)
{
	struct holders h = { .blob = blob };
	CLEANUP(free) struct event_id *set = NULL;
	enum err e = read_holders(s, &h);

	set = h.set;
	for (size_t i = 0; e == ERR_OK && i < h.n; i++)
		if (!fn(ctx, &set[i]))
			break;
	return e;
}
