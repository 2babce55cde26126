/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"
#include "ledger_test.h"

#include <string.h>

#include "base/clock.h"

static struct fake *f;
static struct ledger_node *node;

static void
up(void)
{
	f = fake_new();
	node = fake_client(f, true);
}

static void
down(void)
{
	ledger_node_free(TAKE(node));
	fake_free(TAKE(f));
}

START_TEST(handshake)
{
	CLEANUP(ledger_node_free) struct ledger_node *other = NULL;
	struct chain kept = f->chain;

	OK(ledger_node_handshake(node));
	f->chain.b[0] = 'T'; /* the node is on 'T', the client on 'V' */
	FAILS(ERR_FORK, ledger_node_handshake(node));
	f->chain = kept;
	f->chain.b[20] ^= 1; /* the client expects another block 1 */
	other = fake_client(f, true);
	FAILS(ERR_FORK, ledger_node_handshake(other));
	f->chain = kept;
	f->raw_status = 200;
	f->raw = "{\"chainId\":\"V\",\"cryptoType\":\"GOST\"}";
	FAILS(ERR_UNSUPPORTED, ledger_node_handshake(node));
	f->raw = "{\"chainId\":86,\"cryptoType\":\"WAVES\"}";
	FAILS(ERR_FORMAT, ledger_node_handshake(node));
	f->raw = "<html>";
	FAILS(ERR_FORMAT, ledger_node_handshake(node));
	f->raw = "";
	FAILS(ERR_FORMAT, ledger_node_handshake(node));
	fake_down(f);
	FAILS(ERR_UNREACHABLE, ledger_node_handshake(node));
}
END_TEST

static enum err
send_with(const char *answer, unsigned status)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = test_tx("alice", "k");
	CLEANUP_JS json_t *j = fake_tx(tx);
	CLEANUP_BUF struct buf text = { 0 };

	js_print(j, &text);
	f->refuse = answer;
	f->refuse_status = status;
	f->refuse_times = 1;
	return ledger_node_broadcast(node, buf_text(&text), &tx->id);
}

START_TEST(broadcast)
{
	static const struct {
		enum err e;
		unsigned status;
		const char *answer;
	} cases[] = {
		{ ERR_OK, 400,
		    "{\"error\":199,\"message\":\"Custom("
		    "AlreadyInProcessing(%s))\"}" },
		{ ERR_OK, 400,
		    "{\"error\":112,\"message\":\"Transaction %s "
		    "is already in the state on a height of 4\"}" },
		{ ERR_NODE, 400,
		    "{\"error\":199,\"message\":\"Custom("
		    "AlreadyInProcessing(abc))\"}" },
		{ ERR_NODE, 400,
		    "{\"error\":112,\"message\":\"Transaction %s "
		    "has a wrong proof\"}" },
		{ ERR_NODE, 400, "{\"error\":303,\"message\":\"already %s\"}" },
		{ ERR_NODE, 403, "{\"error\":638,\"message\":\"watcher\"}" },
		{ ERR_NODE, 500,
		    "{\"error\":\"There was an internal server "
		    "error.\"}" },
		{ ERR_BUSY, 500, "<html>" },
		{ ERR_NODE, 404, "" },
		{ ERR_NODE, 200, "{\"status\":\"error\",\"details\":\"no\"}" },
		{ ERR_NODE, 200, "{\"error\":112,\"message\":\"no\"}" },
		{ ERR_BUSY, 503, "{\"error\":642,\"message\":\"later\"}" },
		{ ERR_BUSY, 503, "<html>" },
		{ ERR_FORMAT, 200, "<html>" },
		{ ERR_FORMAT, 200, "{\"id\":\"abc\"}" },
		{ ERR_FORMAT, 200, "[]" },
		{ ERR_FORMAT, 200, "{\"id\":\"x\",\"id\":\"%s\"}" },
		{ ERR_OK, 200, "{\"id\":\"%s\",\"deep\":[[[[]]]]}" },
		{ ERR_FORMAT, 200,
		    "{\"id\":\"%s\",\"deep\":"
		    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}" },
	};

	OK(send_with(NULL, 0));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum err e = send_with(cases[i].answer, cases[i].status);

		ck_assert_msg(e == cases[i].e, "case %zu: %s", i, err_name(e));
	}
	fake_down(f);
	FAILS(ERR_UNREACHABLE, send_with(NULL, 0));
}
END_TEST

/* Each number of a refusal: what it is, and what is to be done. */
START_TEST(refusals)
{
	static const struct {
		unsigned status;
		int number;
		const char *message, *says;
		enum err e;
	} cases[] = {
		{ 400, 199, "already done", "", ERR_NODE },
		{ 400, 400, "Transaction %s is already in", NULL, ERR_OK },
		{ 400, 303, "too old", "set the clock", ERR_NODE },
		{ 400, 112, "lacks permission", "role 'sender'", ERR_NODE },
		{ 400, 112, "negative balance", "'fee'", ERR_NODE },
		{ 400, 112, "Fee 1 is less than 2", "'fee'", ERR_NODE },
		{ 400, 112, "not activated", "'tx_version'", ERR_NODE },
		{ 400, 112, "invalid proof", "'tx_version'", ERR_NODE },
		{ 400, 112, "of another kind", "", ERR_NODE },
		{ 400, 199, "fee too low", "'fee'", ERR_NODE },
		{ 400, 199, "duplicate keys", "'tx_version'", ERR_NODE },
		{ 400, 1, "bad json", "'tx_version'", ERR_NODE },
		{ 400, 10, "too big", "'tx_version'", ERR_NODE },
		{ 400, 101, "bad id", "'tx_version'", ERR_NODE },
		{ 400, 102, "bad address", "'tx_version'", ERR_NODE },
		{ 400, 108, "bad key", "'tx_version'", ERR_NODE },
		{ 400, 312, "bad type", "'tx_version'", ERR_NODE },
		{ 400, 306, "script failed", "", ERR_NODE },
		{ 400, 307, "script says no", "", ERR_NODE },
		{ 403, 2, "no key", "'api_key_file'", ERR_NODE },
		{ 401, 618, "no token", "token or key", ERR_NODE },
		{ 401, 619, "expired", "token or key", ERR_NODE },
		{ 400, 620, "claims", "token or key", ERR_NODE },
		{ 403, 621, "role", "token or key", ERR_NODE },
		{ 401, 622, "invalid", "token or key", ERR_NODE },
		{ 403, 636, "owner", "token or key", ERR_NODE },
		{ 403, 638, "watcher", "configure another", ERR_NODE },
		{ 403, 703, "snapshot", "frozen", ERR_NODE },
		{ 503, 640, "unhealthy", "", ERR_BUSY },
		{ 503, 642, "connections", "", ERR_BUSY },
		{ 418, 9999, "new", "", ERR_NODE },
		{ 401, 9999, "new", "token or key", ERR_NODE },
		{ 502, 0, "gateway", "", ERR_BUSY },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char answer[128], number[16];
		enum err e;

		(void)snprintf(answer, sizeof(answer),
		    "{\"error\":%d,\"message\":\"%s\"}", cases[i].number,
		    cases[i].message);
		(void)snprintf(number, sizeof(number), "%d", cases[i].number);
		e = send_with(answer, cases[i].status);
		ck_assert_msg(e == cases[i].e, "case %zu: %s", i, err_name(e));
		if (e == ERR_OK)
			continue;
		ck_assert_msg(strstr(err_detail(e), cases[i].says) != NULL &&
			strstr(err_detail(e), number) != NULL &&
			strstr(err_detail(e), cases[i].message) != NULL,
		    "case %zu: %s", i, err_detail(e));
	}
}
END_TEST

/* The number and the message of a refusal reach the operator. */
START_TEST(broadcast_detail)
{
	enum err e = send_with("{\"error\":303,\"message\":\"too old\"}", 400);

	ck_assert_int_eq(e, ERR_NODE);
	ck_assert_ptr_nonnull(strstr(err_detail(e), "303"));
	ck_assert_ptr_nonnull(strstr(err_detail(e), "too old"));
}
END_TEST

START_TEST(fetch_tx)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *a = test_tx("alice", "k"), *b = test_tx("bob", "k"),
			 *got = NULL;

	FAILS(ERR_NOTFOUND, ledger_node_tx(node, &a->id, &got));
	fake_block(f, &a, 1, clock_wall_ms());
	OK(ledger_node_tx(node, &a->id, &got));
	ck_assert(ID_EQ(&got->id, &a->id));
	ck_assert_uint_eq(got->height, 2);
	ledger_tx_free(TAKE(got));

	json_array_append_new(f->pool, fake_tx(b));
	OK(ledger_node_tx(node, &b->id, &got));
	ck_assert_uint_eq(got->height, 0);
	ledger_tx_free(TAKE(got));
	/* the right id over another content */
	json_object_set_new(json_array_get(f->pool, 0), "fee", json_integer(9));
	FAILS(ERR_FORGED, ledger_node_tx(node, &b->id, &got));
	ck_assert_ptr_null(got);
}
END_TEST

START_TEST(fetch_another)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *a = test_tx("alice", "k"), *b = test_tx("bob", "k"),
			 *got = NULL;
	CLEANUP_JS json_t *j = fake_tx(a);
	CLEANUP_BUF struct buf text = { 0 };

	js_print(j, &text);
	f->raw_status = 200;
	f->raw = buf_text(&text);
	FAILS(ERR_FORGED, ledger_node_tx(node, &b->id, &got));
	OK(ledger_node_tx(node, &a->id, &got));
}
END_TEST

START_TEST(deep_answer)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *got = NULL;
	struct tx_id id = { { 1 } };
	char deep[4001];

	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	f->raw_status = 200;
	f->raw = deep;
	FAILS(ERR_FORMAT, ledger_node_tx(node, &id, &got));
}
END_TEST

START_TEST(big_answer)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *got = NULL;
	struct tx_id id = { { 1 } };
	size_t n = (1 << 20) + 10;
	char *big = malloc(n);

	ck_assert_ptr_nonnull(big);
	memset(big, ' ', n - 1);
	big[n - 1] = '\0';
	f->raw_status = 200;
	f->raw = big;
	FAILS(ERR_TOOBIG, ledger_node_tx(node, &id, &got));
	f->raw = NULL;
	free(big);
}
END_TEST

static size_t
blocks_from_one(void)
{
	CLEANUP_JS json_t *j = NULL;

	OK(ledger_node_blocks(node, 1, 3, NULL, &j));
	return json_array_size(j);
}

/* A node without ranges is asked for one block, and for a range later. */
START_TEST(ranges_404)
{
	fake_blocks(f, 2);
	f->no_seq = true;
	ck_assert_uint_eq(blocks_from_one(), 1);
	ck_assert_uint_eq(blocks_from_one(), 1);
	ck_assert_uint_eq(f->seqs, 1);
	f->no_seq = false;
	node->no_seq = clock_boot_ms(); /* some minutes later */
	ck_assert_uint_eq(blocks_from_one(), 3);
	ck_assert_uint_eq(blocks_from_one(), 3);
	ck_assert_uint_eq(f->seqs, 3);
}
END_TEST

/* A node without a long poll is asked for it once. */
START_TEST(wait_404)
{
	int64_t begun = clock_boot_ms();

	ledger_node_wait(node, 1, 60, NULL);
	ledger_node_wait(node, 1, 60, NULL);
	ck_assert_uint_eq(f->waits, 1);
	ck_assert_int_ge(clock_boot_ms() - begun, 110);
	ck_assert_int_lt(clock_boot_ms() - begun, 900);
}
END_TEST

static void *
later(void *arg)
{
	volatile bool *flag = arg;

	clock_sleep_ms(100);
	if (flag)
		__atomic_store_n(flag, true, __ATOMIC_RELEASE);
	else
		fake_blocks(f, 1);
	return NULL;
}

START_TEST(wait_cancel)
{
	volatile bool cancel = false;
	int64_t begun = clock_boot_ms();
	pthread_t t;

	f->has_wait = _i;
	pthread_create(&t, NULL, later, (void *)(uintptr_t)&cancel);
	ledger_node_wait(node, 1, 20000, &cancel);
	ck_assert_int_lt(clock_boot_ms() - begun, 900);
	pthread_join(t, NULL);
}
END_TEST

START_TEST(wait_news)
{
	int64_t begun = clock_boot_ms();
	pthread_t t;

	f->has_wait = true;
	pthread_create(&t, NULL, later, NULL);
	ledger_node_wait(node, 1, 20000, NULL);
	ck_assert_int_ge(clock_boot_ms() - begun, 90);
	ck_assert_int_lt(clock_boot_ms() - begun, 2000);
	pthread_join(t, NULL);
	ck_assert_uint_eq(f->waits, 1);
}
END_TEST

/* Unconfirmed transactions answer at once: not a busy loop. */
START_TEST(wait_pool)
{
	int64_t begun = clock_boot_ms();

	f->has_wait = true;
	json_array_append_new(f->pool, json_object());
	for (int i = 0; i < 4; i++)
		ledger_node_wait(node, 1, 20000, NULL);
	ck_assert_int_ge(clock_boot_ms() - begun, 150);
	ck_assert_int_lt(clock_boot_ms() - begun, 2000);
}
END_TEST

TCase *
node_tests(void)
{
	TCase *t = tcase_create("node");

	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, handshake);
	tcase_add_test(t, broadcast);
	tcase_add_test(t, refusals);
	tcase_add_test(t, broadcast_detail);
	tcase_add_test(t, fetch_tx);
	tcase_add_test(t, fetch_another);
	tcase_add_test(t, deep_answer);
	tcase_add_test(t, big_answer);
	tcase_add_test(t, ranges_404);
	tcase_add_test(t, wait_404);
	tcase_add_loop_test(t, wait_cancel, 0, 2);
	tcase_add_test(t, wait_news);
	tcase_add_test(t, wait_pool);
	return t;
}
