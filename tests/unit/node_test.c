/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node_test.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct world world;

/* ---- the world ---- */

void
world_open(void)
{
	struct node_opts o = { .dir = world.dir,
		.identity = world.key,
		.chain_byte = 'C',
		.heartbeat_ms = world.heartbeat_ms,
		.api_key = world.api_key,
		.dialect = world.waves ? &ledger_waves : NULL };

	ck_assert_int_eq(node_open(&o, &world.node), ERR_OK);
}

void
world_up(void)
{
	const char *tmp = getenv("TMPDIR");
	struct http_client_opts co = { .timeout_ms = 10000 };

	memset(&world, 0, sizeof(world));
	world.heartbeat_ms = 60000;
	(void)snprintf(world.dir, sizeof(world.dir), "%s/node_test.XXXXXX",
	    tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(world.dir));
	ck_assert_int_eq(seal_identity_new(&world.key), ERR_OK);
	ck_assert_int_eq(seal_identity_new(&world.alice), ERR_OK);
	ck_assert_int_eq(http_client_new(&co, &world.c), ERR_OK);
	ck_assert_int_eq(
	    node_create(world.dir, world.key, 'C', &world.chain), ERR_OK);
	world_open();
}

void
world_down(void)
{
	struct dirent *e;
	DIR *d;

	node_close(TAKE(world.node));
	http_client_free(TAKE(world.c));
	seal_identity_free(TAKE(world.key));
	seal_identity_free(TAKE(world.alice));
	d = opendir(world.dir);
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	ck_assert_int_eq(rmdir(world.dir), 0);
}

json_t *
call(const char *method, long status, const char *path, const json_t *body,
    const char *header)
{
	const char *const headers[] = { "Content-Type: application/json",
		header, NULL };
	CLEANUP_ANSWER struct http_answer a = { 0 };
	CLEANUP_BUF struct buf text = { 0 };
	char url[900];
	struct http_call c = { .method = method,
		.url = url,
		.headers = headers,
		.max_answer = 40 << 20 };
	json_t *j = NULL;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s",
	    node_port(world.node), path);
	if (body) {
		js_print(body, &text);
		c.body = text.p;
		c.body_len = text.len;
	}
	ck_assert_int_eq(http_do(world.c, &c, &a), ERR_OK);
	ck_assert_msg(a.status == status, "%s: %ld %s", path, a.status,
	    buf_text(&a.body));
	if (a.body.len && strchr("{[", buf_text(&a.body)[0]))
		ck_assert_msg(
		    js_parse(a.body.p, a.body.len, JS_DEPTH, &j) == ERR_OK,
		    "%s: %s", path, buf_text(&a.body));
	return j;
}

json_t *
get(long status, const char *fmt, ...)
{
	char path[800];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return call("GET", status, path, NULL, NULL);
}

json_t *
post(long status, const char *path, const json_t *body)
{
	return call("POST", status, path, body, NULL);
}

int64_t
num(json_t *j, const char *name)
{
	const json_t *m = json_object_get(j, name);
	int64_t v = json_is_integer(m) ? json_integer_value(m) : -1;

	json_decref(j);
	return v;
}

const char *
str(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "(none)";
}

struct ledger_tx *
make_tx(size_t n, int64_t age_ms)
{
	struct ledger_tx *tx = NULL;
	char key[30];

	ck_assert_int_eq(ledger_tx_new(&tx), ERR_OK);
	tx->timestamp = clock_wall_ms() - age_ms;
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "k%zu", i);
		ck_assert_int_eq(
		    ledger_tx_binary(tx, key, &tx->timestamp, 8), ERR_OK);
	}
	ck_assert_int_eq(ledger_tx_sign(tx, world.alice), ERR_OK);
	return tx;
}

json_t *
tx_json(const struct ledger_tx *tx)
{
	json_t *j = NULL;

	ck_assert_int_eq(ledger_tx_json(tx, 'C', &j), ERR_OK);
	return j;
}

const char *
send_one(void)
{
	static struct text58 id;
	static int64_t last;
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL, *a = NULL;

	while (clock_wall_ms() <= last) /* a new time is a new id */
		clock_sleep_ms(1);
	tx = make_tx(1, 0);
	last = tx->timestamp;
	j = tx_json(tx);
	a = post(200, "/transactions/broadcast", j);
	(void)text58(tx->id.b, sizeof(tx->id.b), &id);
	ck_assert_str_eq(str(a, "id"), id.s);
	return id.s;
}

int64_t
mined(const char *id)
{
	for (int i = 0; i < 1000; i++) {
		CLEANUP_JS json_t *pool = get(
		    200, "/transactions/unconfirmed/size");

		if (json_integer_value(json_object_get(pool, "size")) == 0)
			break;
		clock_sleep_ms(5);
	}
	return num(get(200, "/transactions/info/%s", id), "height");
}

const char *
address_of(const struct seal_identity *id)
{
	static struct text58 t;
	uint8_t a[26];

	seal_address(seal_identity_key(id), 'C', a);
	return text58(a, sizeof(a), &t);
}

/* ---- broadcast ---- */

START_TEST(broadcast_one)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(3, 0);
	CLEANUP(ledger_tx_free) struct ledger_tx *back = NULL;
	CLEANUP_JS json_t *j = tx_json(tx), *a = NULL, *info = NULL;
	const char *id = TEXT58(&tx->id);

	a = post(200, "/transactions/broadcast", j);
	ck_assert(json_equal(a, j));
	ck_assert_int_eq(mined(id), 2);
	info = get(200, "/transactions/info/%s", id);
	ck_assert_int_eq(ledger_tx_read(info, &back), ERR_OK);
	ck_assert(ID_EQ(&back->id, &tx->id));
	ck_assert_uint_eq(back->height, 2);
	json_decref(get(404, "/transactions/unconfirmed/info/%s", id));
}
END_TEST

START_TEST(broadcast_author_of_another)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 0);
	CLEANUP_JS json_t *j = NULL;

	tx->version = 1;
	tx->author = *seal_identity_key(world.key);
	ck_assert_int_eq(ledger_tx_encode(tx), ERR_OK);
	seal_sign_raw(world.alice, tx->body.p, tx->body.len, &tx->proof);
	j = tx_json(tx);
	json_decref(post(200, "/transactions/broadcast", j));
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
}
END_TEST

static int64_t
refused(json_t *j)
{
	CLEANUP_JS json_t *mine = j;

	return num(post(400, "/transactions/broadcast", mine), "error");
}

START_TEST(broadcast_duplicate)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 0);
	CLEANUP_JS json_t *j = tx_json(tx), *a = NULL;

	json_decref(post(200, "/transactions/broadcast", j));
	a = post(400, "/transactions/broadcast", j);
	ck_assert_ptr_nonnull(
	    strstr(str(a, "message"), "AlreadyInProcessing("));
	ck_assert_ptr_nonnull(strstr(str(a, "message"), TEXT58(&tx->id)));
	ck_assert_int_eq(num(json_incref(a), "error"), 199);
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
	/* the same transaction with another signature: other full bytes */
	seal_sign_raw(world.alice, tx->body.p, tx->body.len, &tx->proof);
	json_decref(j);
	j = tx_json(tx);
	json_decref(a);
	a = post(400, "/transactions/broadcast", j);
	ck_assert_ptr_nonnull(strstr(
	    str(a, "message"), "is already in the state on a height of 2"));
	ck_assert_ptr_nonnull(strstr(str(a, "message"), TEXT58(&tx->id)));
	ck_assert(json_equal(json_object_get(a, "tx"), j));
	ck_assert_int_eq(num(json_incref(a), "error"), 112);
}
END_TEST

START_TEST(broadcast_wrong_signature)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 0);

	tx->proof.b[3] ^= 1;
	ck_assert_int_eq(refused(tx_json(tx)), 112);
	ck_assert_int_eq(
	    num(get(200, "/transactions/unconfirmed/size"), "size"), 0);
	json_decref(get(404, "/transactions/info/%s", TEXT58(&tx->id)));
}
END_TEST

START_TEST(broadcast_times)
{
	static const struct {
		int64_t age_ms;
		long status;
	} times[] = {
		{ 125 * 60000, 400 },
		{ 115 * 60000, 200 },
		{ -85 * 60000, 200 },
		{ -95 * 60000, 400 },
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		CLEANUP(ledger_tx_free)
		struct ledger_tx *tx = make_tx(1, times[i].age_ms);
		CLEANUP_JS json_t *j = tx_json(tx);
		int64_t n = num(
		    post(times[i].status, "/transactions/broadcast", j),
		    "error");

		ck_assert_int_eq(n, times[i].status == 200 ? -1 : 303);
	}
}
END_TEST

/* Change one member of a good transaction. */
static int64_t
refused_with(const char *name, json_t *value)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 0);
	json_t *j = tx_json(tx);

	if (value)
		(void)json_object_set_new(j, name, value);
	else
		(void)json_object_del(j, name);
	return refused(j);
}

static json_t *
entries(size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(a,
		    json_pack("{s:o, s:s, s:I}", "key", json_sprintf("k%zu", i),
			"type", "integer", "value", (json_int_t)i));
	return a;
}

START_TEST(broadcast_flaws)
{
	ck_assert_int_eq(refused_with("data", entries(101)), 10);
	ck_assert_int_eq(refused_with("fee", json_string("0")), 1);
	ck_assert_int_eq(refused_with("timestamp", NULL), 1);
	ck_assert_int_eq(refused_with("data", NULL), 1);
	ck_assert_int_eq(
	    refused_with("senderPublicKey", json_string("1111")), 108);
	ck_assert_int_eq(refused_with("type", json_integer(4)), 199);
	ck_assert_int_eq(refused_with("version", json_integer(9)), 199);
	ck_assert_int_eq(refused_with("proofs", json_array()), 112);
	ck_assert_int_eq(refused_with("data",
			     json_pack("[{s:s,s:s,s:i},{s:s,s:s,s:i}]", "key",
				 "a", "type", "integer", "value", 1, "key", "a",
				 "type", "integer", "value", 2)),
	    199);
	ck_assert_int_eq(refused(json_array()), 1);
}
END_TEST

START_TEST(broadcast_version_3)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(1, 0);

	tx->version = 3;
	ck_assert_int_eq(ledger_tx_encode(tx), ERR_OK);
	seal_sign_raw(world.alice, tx->body.p, tx->body.len, &tx->proof);
	ck_assert_int_eq(refused(tx_json(tx)), 112);
}
END_TEST

START_TEST(broadcast_not_json)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	static const char *const headers[] = { "Content-Type: application/json",
		NULL };
	char url[100], big[3000];
	struct http_call c = { .method = "POST",
		.url = url,
		.headers = headers,
		.body = "{\"a\":",
		.body_len = 5,
		.max_answer = 1000 };

	(void)snprintf(url, sizeof(url),
	    "http://127.0.0.1:%u/transactions/broadcast",
	    node_port(world.node));
	ck_assert_int_eq(http_do(world.c, &c, &a), ERR_OK);
	ck_assert_int_eq(a.status, 400);
	ck_assert_ptr_nonnull(strstr(buf_text(&a.body), "\"error\":1,"));
	http_answer_free(&a);
	memset(big, '[', sizeof(big));
	c.body = big;
	c.body_len = sizeof(big);
	ck_assert_int_eq(http_do(world.c, &c, &a), ERR_OK);
	ck_assert_ptr_nonnull(strstr(buf_text(&a.body), "\"error\":1,"));
}
END_TEST

/* ---- state ---- */

START_TEST(state_data)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = make_tx(3, 0);
	CLEANUP_JS json_t *j = tx_json(tx), *all = NULL, *one = NULL,
			  *page = NULL;
	const char *a = address_of(world.alice);

	json_decref(post(200, "/transactions/broadcast", j));
	ck_assert_int_eq(mined(TEXT58(&tx->id)), 2);
	all = get(200, "/addresses/data/%s", a);
	ck_assert(json_equal(all, json_object_get(j, "data")));
	page = get(200, "/addresses/data/address:%s?offset=1&limit=1", a);
	ck_assert_uint_eq(json_array_size(page), 1);
	ck_assert(json_equal(json_array_get(page, 0), json_array_get(all, 1)));
	one = get(200, "/addresses/data/%s/k%%32", a);
	ck_assert_str_eq(str(one, "key"), "k2");
	ck_assert_int_eq(
	    num(get(404, "/addresses/data/%s/k3", a), "error"), 304);
	json_decref(all);
	all = get(200, "/addresses/data/%s", address_of(world.key));
	ck_assert_uint_eq(json_array_size(all), 0);
	ck_assert_int_eq(num(get(400, "/addresses/data/%s1", a), "error"), 102);
}
END_TEST

START_TEST(state_newest_wins)
{
	CLEANUP_JS json_t *one = NULL, *info = NULL;
	const char *id;

	(void)send_one();
	(void)send_one();
	id = send_one();
	(void)mined(id);
	info = get(200, "/transactions/info/%s", id);
	one = get(200, "/addresses/data/%s/k0", address_of(world.alice));
	ck_assert(
	    json_equal(one, json_array_get(json_object_get(info, "data"), 0)));
}
END_TEST

START_TEST(state_address_list)
{
	const char *a = address_of(world.alice);
	CLEANUP_JS json_t *all = NULL, *rest = NULL;
	char ids[4][50], after[50];
	const json_t *list;

	for (int i = 0; i < 4; i++)
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", send_one());
	(void)mined(ids[3]);
	all = get(200, "/transactions/address/%s/limit/3", a);
	list = json_array_get(all, 0);
	ck_assert_uint_eq(json_array_size(list), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(
		    str(json_array_get(list, i), "id"), ids[3 - i]);
	(void)snprintf(after, sizeof(after), "%s", ids[1]);
	rest = get(
	    200, "/transactions/address/%s/limit/10000?after=%s", a, after);
	list = json_array_get(rest, 0);
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(str(json_array_get(list, 0), "id"), ids[0]);
	ck_assert_int_gt(
	    num(json_incref(json_array_get(list, 0)), "height"), 1);
	ck_assert_int_eq(
	    num(get(400, "/transactions/address/%s/limit/10001", a), "error"),
	    10);
	json_decref(get(404, "/transactions/address/%s/limit/5?after=1111", a));
	ck_assert_int_eq(
	    num(get(400, "/transactions/address/1/limit/5"), "error"), 102);
}
END_TEST

START_TEST(state_no_such)
{
	CLEANUP_JS json_t *j = get(404, "/transactions/info/%s", "2gzZ");

	ck_assert_str_eq(str(j, "details"), "Transaction is not in blockchain");
	ck_assert_ptr_null(json_object_get(j, "error"));
	ck_assert_int_eq(
	    num(get(400, "/transactions/info/0OIl"), "error"), 101);
	ck_assert_ptr_null(get(404, "/transactions/status?id=1"));
	ck_assert_ptr_null(get(404, "/"));
}
END_TEST

static void
quiet(enum log_level level, const char *line)
{
	(void)level, (void)line;
}

int
main(void)
{
	Suite *s = suite_create("node");
	TCase *t = tcase_create("broadcast"), *u = tcase_create("state");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	log_set_sink(quiet);
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_add_test(t, broadcast_one);
	tcase_add_test(t, broadcast_author_of_another);
	tcase_add_test(t, broadcast_duplicate);
	tcase_add_test(t, broadcast_wrong_signature);
	tcase_add_test(t, broadcast_times);
	tcase_add_test(t, broadcast_flaws);
	tcase_add_test(t, broadcast_version_3);
	tcase_add_test(t, broadcast_not_json);
	tcase_add_checked_fixture(u, world_up, world_down);
	tcase_add_test(u, state_data);
	tcase_add_test(u, state_newest_wins);
	tcase_add_test(u, state_address_list);
	tcase_add_test(u, state_no_such);
	suite_add_tcase(s, t);
	suite_add_tcase(s, u);
	suite_add_tcase(s, chain_tests());
	suite_add_tcase(s, rollback_tests());
	suite_add_tcase(s, verify_tests());
	suite_add_tcase(s, waves_tests());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
