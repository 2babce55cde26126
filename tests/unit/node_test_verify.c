/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "db/db.h"
#include "node_test.h"

static const struct db_opts dbo = { "node", 1, 64ULL << 30 };
static const char *const tables[] = { "setting", "block", "blockid", "tx",
	"place", "pool", "address", "data" };
static uint64_t seed;

static uint64_t
random_below(uint64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % n;
}

/* ---- a chain with a row of every kind, at rest ---- */

static void
send_as_another(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(3, 5000);
	CLEANUP_JS json_t *j = NULL;

	tx->version = 1;
	tx->author = *seal_identity_key(world.key);
	ck_assert_int_eq(ledger_tx_encode(tx), ERR_OK);
	seal_sign_raw(world.alice, tx->body.p, tx->body.len, &tx->proof);
	j = tx_json(tx);
	json_decref(post(200, "/transactions/broadcast", j));
	(void)mined(TEXT58(&tx->id));
}

/* As it is when a node dies before it makes the next block. */
static void
leave_in_pool(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(2, 0);
	CLEANUP_BUF struct buf text = { 0 }, row = { 0 };
	CLEANUP_JS json_t *j = tx_json(tx);
	static const uint8_t place[12] = { [11] = 9 }, arrival[8] = { [7] = 9 };
	struct db_table t[3];
	struct db *db = NULL;
	struct db_txn w;

	js_print(j, &text);
	buf_put(&row, tx->id.b, sizeof(tx->id.b));
	buf_u32(&row, (uint32_t)ledger_tx_full_size(tx));
	buf_u32(&row, (uint32_t)text.len);
	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, "tx", &t[0]), ERR_OK);
	ck_assert_int_eq(db_table(db, "place", &t[1]), ERR_OK);
	ck_assert_int_eq(db_table(db, "pool", &t[2]), ERR_OK);
	db_write(db, &w);
	db_put(&w, t[0], DB_VAL(&tx->id), (struct db_val){ text.p, text.len });
	db_put(&w, t[1], DB_VAL(&tx->id), DB_VAL(&place));
	db_put(&w, t[2], DB_VAL(&arrival), (struct db_val){ row.p, row.len });
	ck_assert_int_eq(db_commit(&w), ERR_OK);
	db_close(db);
}

static void
verify_up(void)
{
	world_up();
	for (int i = 0; i < 4; i++)
		(void)mined(send_one());
	send_as_another();
	node_close(TAKE(world.node));
	leave_in_pool();
}

static enum err
verified(struct node_verified *out)
{
	const struct node_verify_opts o = { .dir = world.dir,
		.chain = world.chain,
		.generator = *seal_identity_key(world.key) };

	return node_verify(&o, out);
}

START_TEST(whole)
{
	struct node_verified n = { 0 };

	ck_assert_int_eq(verified(&n), ERR_OK);
	ck_assert_uint_eq(n.blocks, 6);
	ck_assert_uint_eq(n.txs, 5);
	ck_assert_uint_eq(n.pooled, 1);
}
END_TEST

START_TEST(another_chain)
{
	struct node_verify_opts o = { .dir = world.dir,
		.chain = world.chain,
		.generator = *seal_identity_key(world.alice) };
	struct node_verified n;

	ck_assert_int_eq(node_verify(&o, &n), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CORRUPT), "block 1:"));
	o.generator = *seal_identity_key(world.key);
	o.chain.b[5] ^= 1;
	ck_assert_int_eq(node_verify(&o, &n), ERR_CORRUPT);
	o.dir = "/none";
	ck_assert_int_ne(node_verify(&o, &n), ERR_OK);
	world_open();
	ck_assert_int_eq(verified(&n), ERR_BUSY);
}
END_TEST

/* ---- every kind of row ---- */

struct row {
	struct buf key, value;
};

struct rows {
	struct row row[200];
	size_t n;
};

static bool
keep_row(void *ctx, struct db_val key, struct db_val value)
{
	struct rows *r = ctx;

	ck_assert_uint_lt(r->n, ARRAY_LEN(r->row));
	buf_put(&r->row[r->n].key, key.p, key.n);
	buf_put(&r->row[r->n++].value, value.p, value.n);
	return true;
}

static void
read_rows(const char *table, struct rows *out)
{
	struct db *db = NULL;
	struct db_table t;
	struct db_txn r;

	memset(out, 0, sizeof(*out));
	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, table, &t), ERR_OK);
	db_read(db, &r);
	db_walk(&r, t, (struct db_val){ NULL, 0 }, keep_row, out);
	ck_assert_int_eq(r.err, ERR_OK);
	db_abort(&r);
	db_close(db);
}

/* Write ${row} with one bit changed instead of what is there. */
static void
write_changed(
    const char *table, const struct row *row, bool in_key, uint64_t bit)
{
	CLEANUP_BUF struct buf key = { 0 }, value = { 0 };
	struct buf *b = in_key ? &key : &value;
	struct db *db = NULL;
	struct db_table t;
	struct db_txn w;

	buf_put(&key, row->key.p, row->key.len);
	buf_put(&value, row->value.p, row->value.len);
	b->p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, table, &t), ERR_OK);
	db_write(db, &w);
	db_del(&w, t, (struct db_val){ row->key.p, row->key.len });
	db_put(&w, t, (struct db_val){ key.p, key.len },
	    (struct db_val){ value.p, value.len });
	ck_assert_int_eq(db_commit(&w), ERR_OK);
	db_close(db);
}

static void
write_without(const char *table, const struct row *row)
{
	struct db *db = NULL;
	struct db_table t;
	struct db_txn w;

	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, table, &t), ERR_OK);
	db_write(db, &w);
	db_del(&w, t, (struct db_val){ row->key.p, row->key.len });
	ck_assert_int_eq(db_commit(&w), ERR_OK);
	db_close(db);
}

static void
must_be_found(const char *table, const char *what, uint64_t bit)
{
	struct node_verified n;
	enum err e = verified(&n);

	ck_assert_msg(e == ERR_CORRUPT, "table %s, %s bit %llu: %s", table,
	    what, (unsigned long long)bit, e ? err_detail(e) : "not found");
}

/* With FLIPS=N so many bits of each row. */
START_TEST(row_changed)
{
	const char *table = tables[_i], *flips = getenv("FLIPS");
	char path[150];
	CLEANUP_BUF struct buf pristine = { 0 };
	struct rows rows;
	struct node_verified n;

	seed = (uint64_t)_i;
	(void)snprintf(path, sizeof(path), "%s/data.mdb", world.dir);
	ck_assert_int_eq(file_read(path, 10 << 20, &pristine), ERR_OK);
	read_rows(table, &rows);
	ck_assert_uint_gt(rows.n, 0);
	for (size_t i = 0; i < rows.n; i++) {
		struct row *r = &rows.row[i];

		for (int k = 0; k < (flips ? atoi(flips) : 1); k++)
			for (int key = 0; key < 2; key++) {
				size_t len = key ? r->key.len : r->value.len;
				uint64_t bit = random_below(8 * len);

				write_changed(table, r, key, bit);
				must_be_found(
				    table, key ? "key" : "value", bit);
				ck_assert_int_eq(file_write(path, pristine.p,
						     pristine.len, 0600),
				    ERR_OK);
			}
		write_without(table, r);
		must_be_found(table, "without", i);
		ck_assert_int_eq(
		    file_write(path, pristine.p, pristine.len, 0600), ERR_OK);
		buf_free(&r->key);
		buf_free(&r->value);
	}
	ck_assert_int_eq(verified(&n), ERR_OK);
}
END_TEST

/* A row more than the blocks make is found as well. */
START_TEST(row_added)
{
	struct rows rows;
	struct db *db = NULL;
	struct db_table t;
	struct db_txn w;

	read_rows(tables[_i], &rows);
	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, tables[_i], &t), ERR_OK);
	rows.row[0].key.p[rows.row[0].key.len - 1] ^= 0x40;
	db_write(db, &w);
	db_put(&w, t, (struct db_val){ rows.row[0].key.p, rows.row[0].key.len },
	    (struct db_val){ rows.row[0].value.p, rows.row[0].value.len });
	ck_assert_int_eq(db_commit(&w), ERR_OK);
	db_close(db);
	must_be_found(tables[_i], "added", 0);
	for (size_t i = 0; i < rows.n; i++) {
		buf_free(&rows.row[i].key);
		buf_free(&rows.row[i].value);
	}
}
END_TEST

TCase *
verify_tests(void)
{
	TCase *t = tcase_create("verify");

	tcase_add_checked_fixture(t, verify_up, world_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, whole);
	tcase_add_test(t, another_chain);
	tcase_add_loop_test(t, row_changed, 0, ARRAY_LEN(tables));
	tcase_add_loop_test(t, row_added, 0, ARRAY_LEN(tables));
	return t;
}
