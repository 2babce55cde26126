/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/keystore.h"

#include <pthread.h>
#include <string.h>

#include "consentd/rows.h"
#include "db/db.h"

#define MAP_BYTES (4ULL << 30)
#define HANDLE    16

struct consentd_keys {
	struct db *db;
	struct secret *rest;
	/* handle -> private key, patient */
	struct consentd_rows pairs;
	/* H(rest; patient) -> handle, public key */
	struct consentd_rows patients;
	/* The pair that a thread found last: keys are kept in locked memory,
	 * of which there is little, so no more than one a thread is. */
	pthread_key_t found;
	bool has_found;
};

static void
found_free(void *id)
{
	seal_identity_free(id);
}

static enum err
tables(struct consentd_keys *k)
{
	enum err e = db_table(k->db, "pairs", &k->pairs.table);

	if (e == ERR_OK)
		e = db_table(k->db, "patients", &k->patients.table);
	k->pairs.name = "pairs";
	k->patients.name = "patients";
	k->pairs.key = k->patients.key = k->rest;
	return e;
}

enum err
consentd_keys_open(const char *dir, const struct seal_identity *protect,
    struct consentd_keys **out)
{
	CLEANUP(consentd_keys_close)
	struct consentd_keys *k = calloc(1, sizeof(*k));
	static const struct db_opts opts = { "keystore", 1, MAP_BYTES };
	enum err e;

	if (k == NULL)
		return ERR_NOMEM;
	if (pthread_key_create(&k->found, found_free) != 0)
		return err_say(ERR_NOMEM, "no thread-specific key is left");
	k->has_found = true;
	e = seal_rest_key(protect, "keystore", &k->rest);
	if (e == ERR_OK)
		e = db_open(dir, &opts, &k->db);
	if (e == ERR_OK)
		e = tables(k);
	if (e == ERR_OK)
		*out = TAKE(k);
	return e;
}

void
consentd_keys_close(struct consentd_keys *k)
{
	if (k == NULL)
		return;
	if (k->has_found) {
		found_free(pthread_getspecific(k->found));
		(void)pthread_key_delete(k->found);
	}
	db_close(k->db);
	secret_free(k->rest);
	free(k);
}

/* The row of a patient does not show the patient. */
static void
patient_row(const struct consentd_keys *k, const struct pubkey *patient,
    uint8_t out[static 32])
{
	const struct seal_part part = { patient->b, sizeof(patient->b) };

	seal_hash(secret_view(k->rest), &part, 1, out);
}

static enum err
get_public(struct consentd_keys *k, struct db_txn *t,
    const struct pubkey *patient, struct pubkey *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t row[32];
	struct rd r;
	enum err e;

	patient_row(k, patient, row);
	e = consentd_rows_get(t, &k->patients, DB_VAL(&row), &b);
	if (e)
		return e;
	rd_init(&r, b.p, b.len);
	(void)rd_take(&r, HANDLE);
	rd_copy(&r, out->b, sizeof(out->b));
	return rd_end(&r) ? ERR_CORRUPT : ERR_OK;
}

static enum err
put_pair(struct consentd_keys *k, struct db_txn *t,
    const struct pubkey *patient, const struct seal_identity *id)
{
	CLEANUP_BUF struct buf pair = { 0 }, who = { 0 };
	const struct pubkey *public = seal_identity_key(id);
	uint8_t handle[HANDLE], row[32];
	enum err e;

	seal_handle(public, handle);
	buf_put(&pair, seal_identity_private(id), SEAL_KEY);
	buf_put(&pair, patient->b, sizeof(patient->b));
	buf_put(&who, handle, sizeof(handle));
	buf_put(&who, public->b, sizeof(public->b));
	if (pair.err || who.err)
		return ERR_NOMEM;
	patient_row(k, patient, row);
	e = consentd_rows_put(
	    t, &k->pairs, DB_VAL(&handle), (struct db_val){ pair.p, pair.len });
	if (e == ERR_OK)
		e = consentd_rows_put(t, &k->patients, DB_VAL(&row),
		    (struct db_val){ who.p, who.len });
	return e;
}

enum err
consentd_keys_make(
    struct consentd_keys *k, const struct pubkey *patient, struct pubkey *out)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e = consentd_keys_public(k, patient, out);

	if (e != ERR_NOTFOUND)
		return e;
	e = seal_identity_new(&id);
	if (e)
		return e;
	db_write(k->db, &t);
	e = get_public(k, &t, patient, out); /* somebody was faster? */
	if (e != ERR_NOTFOUND)
		return e;
	e = put_pair(k, &t, patient, id);
	if (e == ERR_OK)
		e = db_commit(&t);
	if (e == ERR_OK)
		*out = *seal_identity_key(id);
	return e;
}

enum err
consentd_keys_public(
    struct consentd_keys *k, const struct pubkey *patient, struct pubkey *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };

	db_read(k->db, &t);
	return get_public(k, &t, patient, out);
}

/* private key || patient */
static enum err
get_pair(struct consentd_keys *k, const uint8_t handle[static HANDLE],
    struct buf *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e;

	db_read(k->db, &t);
	e = consentd_rows_get(
	    &t, &k->pairs, (struct db_val){ handle, HANDLE }, out);
	if (e == ERR_NOTFOUND)
		return ERR_NOKEY;
	if (e == ERR_OK && out->len != (size_t)2 * SEAL_KEY)
		return ERR_CORRUPT;
	return e;
}

enum err
consentd_keys_find(
    void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	struct consentd_keys *k = ctx;
	enum err e = get_pair(k, handle, &b);

	if (e == ERR_OK)
		e = seal_identity_from_private(b.p, &id);
	if (e)
		return e;
	found_free(pthread_getspecific(k->found));
	if (pthread_setspecific(k->found, id) != 0) {
		(void)pthread_setspecific(k->found, NULL);
		return ERR_NOMEM;
	}
	*out = TAKE(id);
	return ERR_OK;
}

enum err
consentd_keys_owner(struct consentd_keys *k,
    const uint8_t handle[static HANDLE], struct pubkey *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	enum err e = get_pair(k, handle, &b);

	if (e == ERR_OK)
		memcpy(out->b, b.p + SEAL_KEY, sizeof(out->b));
	return e;
}
