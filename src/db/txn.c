/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "db/db_internal.h"

#define READERS_EVERY_MS (3600LL * 1000)
#define CHUNK_BYTES      4096

/*
 * Inside a write transaction LMDB may move a value at the next write, but we
 * promise values until the end: there they are copied into chunks.
 */
struct chunk {
	struct chunk *next;
	size_t used, cap;
	_Alignas(16) uint8_t bytes[];
};

struct held {
	struct db *d;
	MDB_txn *txn;
	struct chunk *chunks;
};

static void
held_free(struct held *h)
{
	struct chunk *next;

	for (struct chunk *c = h->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(h);
}

static void
fail(struct db_txn *t, int rc, const char *what)
{
	const struct held *h = t->txn;

	t->err = db_err(h->d, rc, what);
}

static bool
usable(struct db_txn *t)
{
	if (t->err == ERR_OK && t->txn == NULL)
		t->err = err_say(ERR_INVAL, "the transaction has ended");
	return t->err == ERR_OK;
}

static MDB_txn *
txn_of(const struct db_txn *t)
{
	return ((struct held *)t->txn)->txn;
}

static MDB_dbi
dbi_of(const struct db_txn *t, struct db_table table)
{
	return ((struct held *)t->txn)->d->table[table.index].dbi;
}

static void
begin(struct db *d, struct db_txn *t, bool write)
{
	struct held *h = calloc(1, sizeof(*h));
	int rc;

	*t = (struct db_txn){ .write = write };
	if (h == NULL) {
		t->err = ERR_NOMEM;
		return;
	}
	h->d = d;
	rc = db_enter(d, write ? 0 : MDB_RDONLY, &h->txn);
	if (rc) {
		t->err = db_err(d, rc, write ? "write" : "read");
		free(h);
		return;
	}
	t->txn = h;
}

void
db_read(struct db *d, struct db_txn *t)
{
	begin(d, t, false);
}

void
db_write(struct db *d, struct db_txn *t)
{
	int64_t now = clock_boot_ms();
	int dead;

	begin(d, t, true);
	if (t->err == ERR_OK && now - d->readers_checked > READERS_EVERY_MS) {
		(void)mdb_reader_check(d->env, &dead);
		d->readers_checked = now;
	}
}

/* A write that was cut short is EIO to LMDB. */
static int
cause(const struct db *d, int rc)
{
	struct statvfs fs;

	return rc == EIO && statvfs(d->dir, &fs) == 0 && fs.f_bavail == 0 ?
	    ENOSPC :
	    rc;
}

enum err
db_commit(struct db_txn *t)
{
	struct held *h;
	int rc;

	if (!usable(t)) {
		db_abort(t);
		return t->err;
	}
	h = t->txn;
	rc = mdb_txn_commit(h->txn);
	if (rc)
		fail(t, cause(h->d, rc), "commit to");
	t->txn = NULL;
	db_leave(h->d);
	held_free(h);
	return t->err;
}

void
db_abort(struct db_txn *t)
{
	struct held *h = t->txn;
	int kept_errno = errno;

	if (h == NULL)
		return;
	mdb_txn_abort(h->txn);
	t->txn = NULL;
	db_leave(h->d);
	held_free(h);
	errno = kept_errno;
}

static void *
room(struct held *h, size_t n)
{
	size_t need = (n + 15) & ~(size_t)15;
	struct chunk *c = h->chunks;
	uint8_t *p;

	if (c == NULL || c->cap - c->used < need) {
		size_t cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;

		c = malloc(sizeof(*c) + cap);
		if (c == NULL)
			return NULL;
		*c = (struct chunk){ .next = h->chunks, .cap = cap };
		h->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += need;
	return p;
}

static bool
lend(struct db_txn *t, const MDB_val *v, struct db_val *out)
{
	void *copy;

	*out = (struct db_val){ v->mv_data, v->mv_size };
	if (!t->write)
		return true;
	copy = room(t->txn, v->mv_size);
	if (copy == NULL) {
		t->err = ERR_NOMEM;
		return false;
	}
	if (v->mv_size > 0)
		memcpy(copy, v->mv_data, v->mv_size);
	out->p = copy;
	return true;
}

static MDB_val
borrow(struct db_val v)
{
	return (MDB_val){ v.n, (void *)(uintptr_t)v.p };
}

bool
db_get(struct db_txn *t, struct db_table table, struct db_val key,
    struct db_val *out)
{
	MDB_val k = borrow(key), v;
	int rc;

	*out = (struct db_val){ NULL, 0 };
	if (!usable(t))
		return false;
	rc = mdb_get(txn_of(t), dbi_of(t, table), &k, &v);
	if (rc == 0)
		return lend(t, &v, out);
	if (rc != MDB_NOTFOUND)
		fail(t, rc, "read");
	return false;
}

static bool
writable(struct db_txn *t)
{
	if (usable(t) && !t->write)
		t->err = err_say(ERR_INVAL, "this transaction only reads");
	return t->err == ERR_OK;
}

void
db_put(struct db_txn *t, struct db_table table, struct db_val key,
    struct db_val value)
{
	MDB_val k = borrow(key), v = borrow(value);
	int rc;

	if (!writable(t))
		return;
	rc = mdb_put(txn_of(t), dbi_of(t, table), &k, &v, 0);
	if (rc)
		fail(t, rc, "write");
}

void
db_del(struct db_txn *t, struct db_table table, struct db_val key)
{
	MDB_val k = borrow(key);
	int rc;

	if (!writable(t))
		return;
	rc = mdb_del(txn_of(t), dbi_of(t, table), &k, NULL);
	if (rc && rc != MDB_NOTFOUND)
		fail(t, rc, "write");
}

static bool
seek(
    struct db_txn *t, MDB_cursor *c, struct db_val from, MDB_val *k, MDB_val *v)
{
	int rc;

	*k = borrow(from);
	rc = mdb_cursor_get(c, k, v, from.n ? MDB_SET_RANGE : MDB_FIRST);
	if (rc && rc != MDB_NOTFOUND)
		fail(t, rc, "read");
	return rc == 0;
}

static MDB_cursor *
cursor(struct db_txn *t, struct db_table table)
{
	MDB_cursor *c;
	int rc;

	if (!usable(t))
		return NULL;
	rc = mdb_cursor_open(txn_of(t), dbi_of(t, table), &c);
	if (rc == 0)
		return c;
	fail(t, rc, "read");
	return NULL;
}

bool
db_next(struct db_txn *t, struct db_table table, struct db_val from,
    struct db_val *out_key, struct db_val *out_value)
{
	MDB_cursor *c = cursor(t, table);
	MDB_val k, v;
	bool there;

	*out_key = *out_value = (struct db_val){ NULL, 0 };
	if (c == NULL)
		return false;
	there = seek(t, c, from, &k, &v) && lend(t, &k, out_key) &&
	    lend(t, &v, out_value);
	mdb_cursor_close(c);
	return there;
}

bool
db_last(struct db_txn *t, struct db_table table, struct db_val *out_key,
    struct db_val *out_value)
{
	MDB_cursor *c = cursor(t, table);
	MDB_val k, v;
	bool there;
	int rc;

	*out_key = *out_value = (struct db_val){ NULL, 0 };
	if (c == NULL)
		return false;
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	if (rc && rc != MDB_NOTFOUND)
		fail(t, rc, "read");
	there = rc == 0 && lend(t, &k, out_key) && lend(t, &v, out_value);
	mdb_cursor_close(c);
	return there;
}

void
db_walk(struct db_txn *t, struct db_table table, struct db_val from,
    bool (*fn)(void *ctx, struct db_val key, struct db_val value), void *ctx)
{
	MDB_cursor *c = cursor(t, table);
	MDB_val k, v;
	int rc = 0;

	if (c == NULL)
		return;
	if (!seek(t, c, from, &k, &v))
		rc = MDB_NOTFOUND;
	while (rc == 0 &&
	    fn(ctx, (struct db_val){ k.mv_data, k.mv_size },
		(struct db_val){ v.mv_data, v.mv_size }) &&
	    t->err == ERR_OK)
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	if (rc && rc != MDB_NOTFOUND)
		fail(t, rc, "read");
	mdb_cursor_close(c);
}

uint64_t
db_count(struct db_txn *t, struct db_table table)
{
	MDB_stat st;
	int rc;

	if (!usable(t))
		return 0;
	rc = mdb_stat(txn_of(t), dbi_of(t, table), &st);
	if (rc == 0)
		return st.ms_entries;
	fail(t, rc, "read");
	return 0;
}

void
db_drop(struct db_txn *t, struct db_table table)
{
	int rc;

	if (!writable(t))
		return;
	rc = mdb_drop(txn_of(t), dbi_of(t, table), 0);
	if (rc)
		fail(t, rc, "empty a table of");
}
