/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/rows.h"

#include "seal/seal.h"

static void
place(const struct consentd_rows *rows, struct db_val key, struct buf *out)
{
	buf_str(out, rows->name);
	buf_u8(out, 0);
	buf_put(out, key.p, key.n);
}

enum err
consentd_rows_put(struct db_txn *t, const struct consentd_rows *rows,
    struct db_val key, struct db_val value)
{
	CLEANUP_BUF struct buf ad = { 0 }, sealed = { 0 };
	enum err e;

	place(rows, key, &ad);
	if (ad.err)
		return ad.err;
	e = seal_rest(rows->key, (struct seal_part){ ad.p, ad.len },
	    (struct seal_part){ value.p, value.n }, &sealed);
	if (e)
		return e;
	db_put(t, rows->table, key, (struct db_val){ sealed.p, sealed.len });
	return t->err;
}

enum err
consentd_rows_get(struct db_txn *t, const struct consentd_rows *rows,
    struct db_val key, struct buf *out)
{
	struct db_val v;

	if (!db_get(t, rows->table, key, &v))
		return t->err ? t->err : ERR_NOTFOUND;
	return consentd_rows_open(rows, key, v, out);
}

enum err
consentd_rows_open(const struct consentd_rows *rows, struct db_val key,
    struct db_val sealed, struct buf *out)
{
	CLEANUP_BUF struct buf ad = { 0 };
	enum err e;

	place(rows, key, &ad);
	if (ad.err)
		return ad.err;
	e = seal_rest_open(rows->key, (struct seal_part){ ad.p, ad.len },
	    (struct seal_part){ sealed.p, sealed.n }, out);
	if (e == ERR_CORRUPT)
		return err_say(e,
		    "a row of table '%s' is damaged; restore the directory "
		    "from a backup",
		    rows->name);
	return e;
}
