/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "db/db.h"
#include "node_test.h"

static int64_t
height(void)
{
	return num(get(200, "/blocks/height"), "height");
}

/* Every block verifies and names its parent; returns how many there are. */
static size_t
check_chain(void)
{
	CLEANUP_JS json_t *blocks = get(200, "/blocks/seq/1/100");
	struct ledger_block last = { .time = 0 };
	size_t n = json_array_size(blocks);

	for (size_t i = 0; i < n; i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;

		ck_assert_int_eq(ledger_block_read(json_array_get(blocks, i),
				     seal_identity_key(world.key), &b),
		    ERR_OK);
		ck_assert_uint_eq(b->height, i + 1);
		ck_assert(ID_EQ(&b->reference, &last.id));
		ck_assert_int_gt(b->time, last.time);
		last = *b;
		last.tx = NULL;
	}
	return n;
}

START_TEST(chain_first)
{
	struct chain chain;
	CLEANUP_JS json_t *first = get(200, "/blocks/first"), *at = NULL,
			  *last = NULL;
	struct sig id, zero = { { 0 } };
	struct js r;

	js_init(&r, first);
	JS_58(&r, "signature", &id);
	ck_assert_int_eq(r.err, ERR_OK);
	seal_chain_make('C', id.b, sizeof(id.b), &chain);
	ck_assert(ID_EQ(&chain, &world.chain));
	node_chain(world.node, &chain);
	ck_assert(ID_EQ(&chain, &world.chain));
	JS_58(&r, "reference", &id);
	ck_assert(ID_EQ(&id, &zero));
	at = get(200, "/blocks/at/1");
	last = get(200, "/blocks/last");
	ck_assert(json_equal(first, at) && json_equal(first, last));
	ck_assert_str_eq(str(first, "generator"), address_of(world.key));
	ck_assert_uint_eq(check_chain(), 1);
}
END_TEST

START_TEST(chain_grows)
{
	CLEANUP_JS json_t *b = NULL, *child = NULL, *by = NULL, *heads = NULL,
			  *head = NULL;
	int64_t h;

	for (int i = 0; i < 5; i++)
		h = mined(send_one());
	ck_assert_int_ge(h, 2);
	ck_assert_uint_eq(check_chain(), (size_t)height());
	b = get(200, "/blocks/at/2");
	by = get(200, "/blocks/signature/%s", str(b, "signature"));
	ck_assert(json_equal(b, by));
	ck_assert_int_eq(
	    num(get(200, "/blocks/height/%s", str(b, "signature")), "height"),
	    2);
	child = get(200, "/blocks/child/%s", str(b, "reference"));
	ck_assert_int_eq(
	    num(get(404, "/blocks/child/%s", str(b, "reference") + 1), "error"),
	    301);
	ck_assert(json_equal(b, child));
	heads = get(200, "/blocks/headers/seq/2/101");
	ck_assert_uint_eq(json_array_size(heads), (size_t)height() - 1);
	(void)json_object_del(b, "transactions");
	ck_assert(json_equal(b, json_array_get(heads, 0)));
	head = get(200, "/blocks/headers/last");
	ck_assert_int_eq(num(json_incref(head), "height"), height());
}
END_TEST

static const struct {
	const char *path;
	long status;
	int64_t error; /* -1: the other shape */
} odd[] = {
	{ "/blocks/at/999", 200, -1 },
	{ "/blocks/headers/at/999", 200, -1 },
	{ "/blocks/at/0", 400, 199 },
	{ "/blocks/at/x", 400, 199 },
	{ "/blocks/at/99999999999999999999", 400, 199 },
	{ "/blocks/seq/5/4", 400, 199 },
	{ "/blocks/seq/1/101", 400, 10 },
	{ "/blocks/headers/seq/1/101", 400, 10 },
	{ "/blocks/height/0", 400, 101 },
	{ "/blocks/height/abc", 404, 301 },
	{ "/blocks/signature/abc", 404, 301 },
	{ "/permissions/abc", 400, 102 },
	{ "/blocks/at/2147483648", 400, 199 },
	{ "/blocks/seqext/1/101", 400, 10 },
	{ "/blocks/address/abc/1/101", 400, 10 },
	{ "/transactions/info", 400, 101 },
	{ "/transactions/info/", 400, 101 },
	{ "/addresses/balance/abc", 400, 102 },
	{ "/addresses/balance/details/abc", 400, 102 },
	{ "/addresses/publicKey/abc", 400, 108 },
	{ "/addresses/validate/%FF", 400, 199 },
};

START_TEST(chain_odd)
{
	CLEANUP_JS json_t *j = get(odd[_i].status, "%s", odd[_i].path);

	if (odd[_i].error < 0)
		ck_assert_str_eq(str(j, "status"), "error");
	ck_assert_int_eq(num(json_incref(j), "error"), odd[_i].error);
}
END_TEST

START_TEST(chain_no_child)
{
	CLEANUP_JS json_t *b = get(200, "/blocks/last");
	CLEANUP_JS json_t *j = get(
	    200, "/blocks/child/%s", str(b, "signature"));

	ck_assert_str_eq(str(j, "details"), "No child blocks");
}
END_TEST

START_TEST(chain_heartbeat)
{
	int64_t start = clock_boot_ms();

	node_close(TAKE(world.node));
	world.heartbeat_ms = 80;
	world_open();
	while (height() < 4 && clock_boot_ms() < start + 5000)
		clock_sleep_ms(10);
	ck_assert_int_ge(height(), 4);
	ck_assert_int_ge(clock_boot_ms() - start, 120);
	(void)check_chain();
}
END_TEST

START_TEST(chain_batches)
{
	int64_t before;

	(void)mined(send_one());
	before = height();
	for (int i = 0; i < 20; i++)
		(void)send_one();
	(void)mined(send_one());
	ck_assert_int_lt(height() - before, 15);
	(void)check_chain();
}
END_TEST

/* What was answered by 200 outlives the node, mined or not. */
START_TEST(chain_durable)
{
	char ids[6][60];
	struct chain chain;

	for (int i = 0; i < 6; i++)
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", send_one());
	node_close(TAKE(world.node));
	world_open();
	for (int i = 0; i < 6; i++)
		ck_assert_int_ge(
		    num(get(200, "/transactions/info/%s", ids[i]), "height"),
		    2);
	node_chain(world.node, &chain);
	ck_assert(ID_EQ(&chain, &world.chain));
	(void)mined(send_one());
	ck_assert_uint_eq(check_chain(), (size_t)height());
}
END_TEST

/* Broadcast, then end without any farewell, as a crash does. */
static void
crash_after_sending(int to)
{
	struct tx_id id;

	world_open();
	for (int i = 0; i < 6; i++) {
		if (text58_read(send_one(), id.b, sizeof(id.b)) != ERR_OK ||
		    write(to, &id, sizeof(id)) != sizeof(id))
			_exit(1);
	}
	_exit(0);
}

START_TEST(chain_crash)
{
	struct tx_id id[6];
	int ends[2], status;
	pid_t child;

	node_close(TAKE(world.node));
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (child == 0)
		crash_after_sending(ends[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], id, sizeof(id)), sizeof(id));
	(void)close(ends[0]);
	(void)close(ends[1]);
	world_open();
	for (int i = 0; i < 6; i++)
		ck_assert_int_ge(mined(TEXT58(&id[i])), 2);
	(void)check_chain();
}
END_TEST

/* A block that was changed on disk is not built upon. */
START_TEST(chain_damaged)
{
	const struct db_opts dbo = { "node", 1, 64ULL << 30 };
	struct node_opts o = {
		.dir = world.dir, .identity = world.key, .chain_byte = 'C'
	};
	struct node *n = NULL;
	struct db *db = NULL;
	struct db_table table;
	struct db_val k, v;
	struct db_txn t;
	uint8_t bytes[500];

	node_close(TAKE(world.node));
	ck_assert_int_eq(db_open(world.dir, &dbo, &db), ERR_OK);
	ck_assert_int_eq(db_table(db, "block", &table), ERR_OK);
	db_write(db, &t);
	ck_assert(db_last(&t, table, &k, &v));
	ck_assert_uint_le(v.n, sizeof(bytes));
	memcpy(bytes, v.p, v.n);
	bytes[70] ^= 1; /* of its time */
	db_put(&t, table, k, (struct db_val){ bytes, v.n });
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	db_close(db);
	ck_assert_int_eq(node_open(&o, &n), ERR_CORRUPT);
	ck_assert_ptr_null(n);
}
END_TEST

START_TEST(chain_refused)
{
	struct node_opts o = {
		.dir = world.dir, .identity = world.key, .chain_byte = 'C'
	};
	struct node *n = NULL;
	struct chain chain;
	char none[150];

	ck_assert_int_eq(node_open(&o, &n), ERR_BUSY);
	node_close(TAKE(world.node));
	ck_assert_int_eq(
	    node_create(o.dir, world.key, 'C', &chain), ERR_EXISTS);
	o.identity = world.alice;
	ck_assert_int_eq(node_open(&o, &n), ERR_CONFIG);
	o.identity = world.key;
	o.chain_byte = 'D';
	ck_assert_int_eq(node_open(&o, &n), ERR_CONFIG);
	o.chain_byte = 'C';
	o.address = "0.0.0.0";
	ck_assert_int_eq(node_open(&o, &n), ERR_INVAL);
	(void)snprintf(none, sizeof(none), "%s/none", world.dir);
	o.dir = none;
	ck_assert_int_eq(node_open(&o, &n), ERR_NOTFOUND);
	ck_assert_int_eq(
	    node_create(o.dir, world.key, '\n', &chain), ERR_INVAL);
	ck_assert_ptr_null(n);
	world_open();
}
END_TEST

/* ---- waiting ---- */

static void *
send_later(void *arg)
{
	(void)arg;
	clock_sleep_ms(60);
	(void)send_one();
	return NULL;
}

START_TEST(wait_for_block)
{
	int64_t start = clock_boot_ms();
	pthread_t thread;
	CLEANUP_JS json_t *j = NULL;

	ck_assert_int_eq(pthread_create(&thread, NULL, send_later, NULL), 0);
	j = get(200, "/consentfs/wait?height=1&ms=8000");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "height")), 2);
	ck_assert_int_lt(clock_boot_ms() - start, 3000);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(wait_ends)
{
	int64_t start = clock_boot_ms();

	ck_assert_int_eq(
	    num(get(200, "/consentfs/wait?height=1&ms=50"), "height"), 1);
	ck_assert_int_ge(clock_boot_ms() - start, 50);
	start = clock_boot_ms();
	ck_assert_int_eq(num(get(200, "/consentfs/wait"), "unconfirmed"), 0);
	ck_assert_int_lt(clock_boot_ms() - start, 3000);
}
END_TEST

/* ---- what clients ask first ---- */

START_TEST(info)
{
	CLEANUP_JS json_t *config = get(200, "/node/config");
	CLEANUP_JS json_t *owner = get(200, "/node/owner");
	CLEANUP_JS json_t *roles = NULL;
	const json_t *fee = json_object_get(config, "minimumFee");

	ck_assert_str_eq(str(config, "chainId"), "C");
	ck_assert_str_eq(str(config, "cryptoType"), "WAVES");
	ck_assert_str_eq(str(config, "consensus"), "POA");
	ck_assert(json_is_integer(json_object_get(fee, "12")));
	ck_assert_str_eq(str(owner, "address"), address_of(world.key));
	ck_assert_str_eq(
	    str(owner, "publicKey"), TEXT58(seal_identity_key(world.key)));
	ck_assert_int_eq(num(get(200, "/node/status"), "blockchainHeight"), 1);
	ck_assert_int_ge(
	    num(get(200, "/utils/time"), "NTP"), clock_wall_ms() - 5000);
	ck_assert_int_eq(
	    num(get(200, "/addresses/balance/%s", address_of(world.alice)),
		"balance"),
	    0);
	ck_assert_int_eq(
	    num(get(200, "/permissions/%s/at/7", address_of(world.alice)),
		"timestamp"),
	    7);
	roles = get(200, "/permissions/%s", address_of(world.alice));
	ck_assert(json_is_array(json_object_get(roles, "roles")));
	json_decref(get(200, "/node/version"));
	ck_assert_int_eq(
	    num(post(200, "/transactions/calculateFee", config), "feeAmount"),
	    0);
}
END_TEST

/* Our own client is content with it. */
START_TEST(ledger_client)
{
	char url[100];
	struct ledger_node_opts o = { .url = url,
		.chain = world.chain,
		.has_generator = true,
		.generator = *seal_identity_key(world.key) };
	CLEANUP(ledger_node_free) struct ledger_node *n = NULL;
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(2, 0);
	CLEANUP(ledger_tx_free) struct ledger_tx *back = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = tx_json(tx);

	(void)snprintf(
	    url, sizeof(url), "http://127.0.0.1:%u", node_port(world.node));
	ck_assert_int_eq(ledger_node_new(&o, &n), ERR_OK);
	ck_assert_int_eq(ledger_node_handshake(n), ERR_OK);
	js_print(j, &text);
	ck_assert_int_eq(
	    ledger_node_broadcast(n, buf_text(&text), &tx->id), ERR_OK);
	ck_assert_int_eq(
	    ledger_node_broadcast(n, buf_text(&text), &tx->id), ERR_OK);
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
	ck_assert_int_eq(ledger_node_tx(n, &tx->id, &back), ERR_OK);
	ck_assert_uint_eq(back->height, 2);
}
END_TEST

TCase *
chain_tests(void)
{
	TCase *t = tcase_create("chain");

	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, chain_first);
	tcase_add_test(t, chain_grows);
	tcase_add_loop_test(t, chain_odd, 0, ARRAY_LEN(odd));
	tcase_add_test(t, chain_no_child);
	tcase_add_test(t, chain_heartbeat);
	tcase_add_test(t, chain_batches);
	tcase_add_test(t, chain_durable);
	tcase_add_test(t, chain_crash);
	tcase_add_test(t, chain_damaged);
	tcase_add_test(t, chain_refused);
	tcase_add_test(t, wait_for_block);
	tcase_add_test(t, wait_ends);
	tcase_add_test(t, info);
	tcase_add_test(t, ledger_client);
	return t;
}
