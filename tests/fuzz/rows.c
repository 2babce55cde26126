/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The values that registry, store, keystore, outbox and node keep in LMDB, as
 * they are read: first byte the table, second the length of the row's key,
 * then key and value.  Every lookup finds that row.
 */
#include "rows.h"

#include "consentd/keystore.h"
#include "consentd/store.h"
#include "ledger/ledger_internal.h"
#include "node/node_internal.h"
#include "registry/registry_internal.h"

static const struct event_id id = { "row" };
static const struct tx_id tx = { "row" };

/* A refusal of our own data: it is damaged, or it is not there. */
static bool
is_damage(enum err e)
{
	return e == ERR_CORRUPT || e == ERR_NOTFOUND || e == ERR_NOKEY;
}

static bool
is_damage_or_version(enum err e)
{
	return is_damage(e) || e == ERR_UNSUPPORTED;
}

static struct registry *
registry(void)
{
	static struct registry *r;
	char dir[128];
	struct registry_opts o = { .dir = dir,
		.reader = { .account = fuzz_identity(1),
		    .rms = *fuzz_pubkey(2) },
		.rest_key = fuzz_secret(3) };

	(void)snprintf(dir, sizeof(dir), "%s/registry", fuzz_dir());
	if (r == NULL)
		MUST(registry_open(&o, &r) == ERR_OK);
	return r;
}

static void
read_record(struct registry *r, struct db_txn *t)
{
	CLEANUP_RECORD struct registry_record rec;
	CLEANUP(event_free) struct event *e = NULL;
	enum err err = registry_record_get(r, t, 1, &rec);

	MUST(err == ERR_OK || is_damage(err));
	if (err)
		return;
	MUST(rec.kind <= REGISTRY_OPAQUE);
	MUST(!rec.has_key || rec.key != NULL);
	err = registry_record_event(&rec, &e);
	MUST(err == ERR_OK || is_damage(err));
}

static bool
any(void *ctx, uint64_t order)
{
	(void)ctx, (void)order;
	return true;
}

static void
try_registry(void)
{
	struct registry *r = registry();
	struct registry_row row;
	struct db_txn t = { 0 };
	struct db_val v = { NULL, 0 };
	uint64_t order;
	enum err e = registry_row_get(r, &t, &id, &row);

	MUST(e == ERR_OK || is_damage(e));
	read_record(r, &t);
	registry_index_walk(r, &t, 0, NULL, any, NULL);
	if (registry_get_row(&t, r, TAB_INDEX, v, &v))
		MUST(!registry_order_read(v, &order) || v.n == 8);
}

/* All that is read at a start; the same row stands in every table. */
static void
try_load(void)
{
	struct registry_work w = { .r = registry() };
	enum err e = registry_load(&w, 1);

	MUST(e == ERR_OK || is_damage_or_version(e));
	registry_work_end(&w);
}

static void
check_feed(const struct consentd_feed_row *row)
{
	MUST(row->stage == CONSENTD_SEEN || row->stage == CONSENTD_FINAL);
	MUST(row->type <= EVENT_ACCREDIT && row->party <= EVENT_ANYONE);
	MUST(memchr(row->group, 0, sizeof(row->group)) != NULL);
}

static bool
any_set(void *ctx, const struct event_id *set)
{
	(void)ctx, (void)set;
	return true;
}

static enum err
any_receipt(void *ctx, const void *json, size_t n)
{
	CLEANUP_JS json_t *j = NULL;
	struct rms_receipt receipt;

	(void)ctx;
	if (js_parse(json, n, JS_DEPTH, &j) == ERR_OK)
		(void)!rms_receipt_read(j, &receipt);
	return ERR_OK;
}

static struct consentd_store *
store(void)
{
	static struct consentd_store *s;
	char dir[128];

	(void)snprintf(dir, sizeof(dir), "%s/store", fuzz_dir());
	if (s == NULL)
		MUST(consentd_store_open(dir, fuzz_identity(1), &s) == ERR_OK);
	return s;
}

static void
try_store(void)
{
	CLEANUP_BUF struct buf held = { 0 }, next = { 0 }, card = { 0 };
	struct consentd_store *s = store();
	struct consentd_feed_row row = { 0 };
	struct db_txn t = { 0 };
	const struct rms_record ours = { .custody = 1 };
	struct rms_record record;
	struct tx_id same;
	uint8_t root[32] = { 0 };
	int64_t floor;
	uint64_t seq;
	enum err e = consentd_feed_next(s, &t, 0, &row);

	MUST(e == ERR_OK || is_damage(e));
	if (e == ERR_OK)
		check_feed(&row);
	e = consentd_store_record(s, &id, &record);
	MUST(e == ERR_OK || is_damage(e));
	e = consentd_store_get_root(s, &id, root);
	MUST(e == ERR_OK || is_damage(e));
	consentd_store_root(s, &t, &id, root);
	e = consentd_store_publish(s, &id, &ours, &(struct blob_id){ "b" }, 1);
	MUST(e == ERR_OK || e == ERR_EXISTS);
	e = consentd_store_held(s, &tx, &held);
	MUST(e == ERR_OK || is_damage(e));
	e = consentd_store_next_held(s, 0, &seq, &same, &next);
	MUST(e == ERR_OK || is_damage(e));
	MUST(consentd_store_floor(s, &floor) == ERR_OK);
	MUST(consentd_store_card(s, fuzz_pubkey(1), &card) != ERR_NOMEM);
	t.err = ERR_OK;
	MUST(consentd_feed_stage(s, &t, &id) <= CONSENTD_FINAL);
	MUST(t.err == ERR_OK || t.err == ERR_CORRUPT);
	MUST(consentd_store_holders(
		 s, &(struct blob_id){ "b" }, any_set, NULL) == ERR_OK);
	MUST(consentd_store_receipts(s, any_receipt, NULL) == ERR_OK);
}

static void
try_keys(void)
{
	static struct consentd_keys *k;
	static const uint8_t handle[16];
	const struct seal_identity *found = NULL;
	struct pubkey key;
	char dir[128];
	enum err e;

	(void)snprintf(dir, sizeof(dir), "%s/keys", fuzz_dir());
	if (k == NULL)
		MUST(consentd_keys_open(dir, fuzz_identity(1), &k) == ERR_OK);
	e = consentd_keys_public(k, fuzz_pubkey(1), &key);
	MUST(e == ERR_OK || is_damage(e));
	e = consentd_keys_find(k, handle, &found);
	MUST(e == ERR_OK || is_damage(e));
	MUST((e == ERR_OK) == (found != NULL));
	e = consentd_keys_owner(k, handle, &key);
	MUST(e == ERR_OK || is_damage(e));
}

static void
try_outbox(void)
{
	static struct ledger_outbox *o;
	CLEANUP_BUF struct buf json = { 0 };
	char dir[128];
	const struct ledger_outbox_opts opts = {
		.dir = dir, .id = fuzz_identity(1), .version = 2
	};
	struct db_txn t = { 0 };
	struct ledger_row row = { 0 };
	uint64_t n;
	enum err e;

	(void)snprintf(dir, sizeof(dir), "%s/outbox", fuzz_dir());
	if (o == NULL)
		MUST(ledger_outbox_open(&opts, &o) == ERR_OK);
	if (ledger_row_get(o, &t, 1, &row))
		MUST(row.json != NULL || row.json_len == 0);
	else
		MUST(t.err == ERR_CORRUPT || ledger_outbox_waiting(o) == 0);
	e = ledger_outbox_json(o, &tx, &json);
	MUST(e == ERR_OK || is_damage(e));
	e = ledger_outbox_number(o, "n", &n);
	MUST(e == ERR_OK || is_damage(e));
	MUST(ledger_outbox_purge(o) == ERR_OK);
}

static void
try_node(void)
{
	static struct node n;
	struct db_txn t = { 0 }, t2 = { 0 }, t3 = { 0 };
	struct node_block b;
	struct node_place place;
	struct sig block = { "b" };
	uint64_t height;

	if (node_block_at(&n, &t, 7, &b))
		MUST(b.head.height == 7 && (b.count == 0 || b.ids != NULL));
	else
		MUST(t.err == ERR_CORRUPT || t.err == ERR_OK);
	(void)node_block_last(&n, &t2, &b);
	(void)node_place_get(&n, &t3, &tx, &place);
	t3.err = ERR_OK;
	(void)node_block_find(&n, &t3, &block, &height);
}

/* A row of the pool is read by itself. */
static void
try_pool(struct db_val key, struct db_val value)
{
	struct node_pool_row row;
	enum err e = node_pool_read(key, value, &row);

	MUST(e == ERR_OK || e == ERR_CORRUPT);
	MUST(e || (key.n == 8 && value.n == 40));
}

static void
seed(const struct fuzz_taker *to, char table, size_t key, size_t value)
{
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t *p;

	buf_u8(&b, (uint8_t)table);
	buf_u8(&b, (uint8_t)key);
	p = buf_room(&b, key + value);
	MUST(p != NULL);
	memset(p, 1, key + value);
	fuzz_seed(to, b.p, b.len);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const struct {
		char table;
		size_t key, value;
	} rows[] = { { 'r', 16, 112 }, { 'r', 8, 150 }, { 'r', 25, 8 },
		{ 'l', 32, 200 }, { 'l', 24, 100 }, { 's', 8, 150 },
		{ 's', 16, 162 }, { 's', 32, 32 }, { 's', 48, 4 },
		{ 's', 8, 33 }, { 'k', 16, 64 }, { 'k', 32, 48 },
		{ 'o', 8, 60 }, { 'o', 32, 8 }, { 'n', 8, 176 },
		{ 'n', 32, 12 }, { 'n', 8, 40 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		seed(to, rows[i].table, rows[i].key, rows[i].value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct {
		char c;
		void (*run)(void);
	} tables[] = { { 'r', try_registry }, { 'l', try_load },
		{ 's', try_store }, { 'k', try_keys }, { 'o', try_outbox },
		{ 'n', try_node } };
	struct db_val key, value;

	if (n < 2 || n - 2 < p[1])
		return 0;
	/* opened while there is no row */
	(void)registry();
	(void)store();
	key = (struct db_val){ p + 2, p[1] };
	value = (struct db_val){ p + 2 + p[1], n - 2 - p[1] };
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (p[0] != tables[i].c)
			continue;
		fuzz_row(key, value);
		tables[i].run();
		fuzz_row((struct db_val){ NULL, 0 }, value);
	}
	try_pool(key, value);
	return 0;
}
