/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several nodes, keys and tokens, fees. */
#include "ledger/ledger_internal.h"
#include "ledger_test.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static struct fake *a, *b;
static struct ledger_node *node;
static char *home;

static void
up(void)
{
	a = fake_new();
	b = fake_new();
	home = test_dir();
}

static void
down(void)
{
	ledger_node_free(TAKE(node));
	fake_free(TAKE(a));
	fake_free(TAKE(b));
	test_dir_remove(TAKE(home));
}

static const char *
path_of(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	return path;
}

static void
write_line(const char *name, const char *text)
{
	OK(file_write(path_of(name), text, strlen(text), 0600));
}

static enum err
make(struct ledger_node_opts o, const char *url)
{
	ledger_node_free(TAKE(node));
	o.url = url;
	o.chain = a->chain;
	return ledger_node_new(&o, &node);
}

static const char *
url_of(const struct fake *first, const struct fake *second)
{
	static char url[128];

	if (second)
		(void)snprintf(url, sizeof(url),
		    "http://127.0.0.1:%u, http://127.0.0.1:%u/", first->port,
		    second->port);
	else
		(void)snprintf(
		    url, sizeof(url), "http://127.0.0.1:%u", first->port);
	return url;
}

START_TEST(key_and_token)
{
	CLEANUP(free) char *key = strdup(path_of("key"));
	CLEANUP(free) char *token = strdup(path_of("token"));
	const struct ledger_node_opts o = { .api_key_file = key,
		.token_file = token };

	write_line("key", "sesame\n");
	write_line("token", "abc.def\n");
	OK(make(o, url_of(a, NULL)));
	OK(ledger_node_handshake(node));
	ck_assert_str_eq(a->key, "sesame");
	ck_assert_str_eq(a->token, "Bearer abc.def");
	write_line("token", "ghi.jkl"); /* a new one, while we run */
	OK(ledger_node_handshake(node));
	ck_assert_str_eq(a->token, "Bearer ghi.jkl");
	write_line("token", " \n");
	FAILS(ERR_CONFIG, ledger_node_handshake(node));
	write_line("token", "two\nlines");
	FAILS(ERR_CONFIG, ledger_node_handshake(node));
	ck_assert_int_eq(unlink(token), 0);
	FAILS(ERR_CONFIG, ledger_node_handshake(node));
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CONFIG), token));
	write_line("token", "mno");
	OK(ledger_node_handshake(node));
	ck_assert_str_eq(a->token, "Bearer mno");
}
END_TEST

START_TEST(key_in_clear)
{
	const struct ledger_node_opts o = { .api_key_file = "/etc/hostname" };

	FAILS(ERR_CONFIG, make(o, "http://node.example:6862"));
	FAILS(ERR_CONFIG, make(o, "http://127.evil.example.org@10.0.0.1"));
	FAILS(ERR_CONFIG, make(o, "http://127.evil.example.org"));
	FAILS(ERR_CONFIG, make(o, "http://127.0.0.1@10.0.0.1"));
	FAILS(ERR_CONFIG, make(o, "http://[::1].example"));
	FAILS(ERR_CONFIG, make(o, "http://localhost.example"));
	OK(make(o, "https://node.example:6862"));
	OK(make(o, "http://[::1]:6862"));
	OK(make(o, "http://localhost"));
	OK(make(o, "http://127.0.0.1/"));
}
END_TEST

/* Both are of one chain here. */
static void
twins(void)
{
	json_decref(b->blocks);
	b->blocks = json_deep_copy(a->blocks);
	b->chain = a->chain;
}

START_TEST(fail_over)
{
	const struct ledger_node_opts o = { 0 };
	uint64_t height = 0;

	twins();
	OK(make(o, url_of(a, b)));
	ck_assert_uint_eq(ledger_node_count(node), 2);
	OK(ledger_node_handshake(node));
	OK(ledger_node_height(node, NULL, &height));
	fake_down(a);
	OK(ledger_node_height(node, NULL, &height));
	ck_assert_str_eq(ledger_node_url(node), url_of(b, NULL));
	fake_down(b);
	FAILS(ERR_UNREACHABLE, ledger_node_height(node, NULL, &height));
	fake_up(a);
	OK(ledger_node_height(node, NULL, &height));
	fake_up(b);
}
END_TEST

/* One that was away at the handshake is met before it is asked. */
START_TEST(late_and_wrong)
{
	const struct ledger_node_opts o = { 0 };
	uint64_t height = 0;

	fake_down(b);
	OK(make(o, url_of(a, b)));
	OK(ledger_node_handshake(node));
	fake_up(b); /* of another chain */
	fake_down(a);
	FAILS(ERR_FORK, ledger_node_height(node, NULL, &height));
	fake_up(a);
	FAILS(ERR_FORK, ledger_node_handshake(node));
}
END_TEST

START_TEST(none_and_many)
{
	const struct ledger_node_opts o = { 0 };

	FAILS(ERR_CONFIG, make(o, " , "));
	FAILS(ERR_CONFIG, make(o, "h h h h h h h h h"));
}
END_TEST

START_TEST(generators)
{
	CLEANUP(seal_identity_free) struct seal_identity *x = test_id("x");
	const struct pubkey *real = seal_identity_key(a->generator);
	CLEANUP(ledger_block_free) struct ledger_block *got = NULL;
	CLEANUP_JS json_t *j = NULL;
	char keys[200];
	struct ledger_node_opts o = { .generators = keys };
	struct text58 t, u;

	(void)snprintf(keys, sizeof(keys), "%s, %s",
	    text58(seal_identity_key(x)->b, 32, &t), text58(real->b, 32, &u));
	OK(make(o, url_of(a, NULL)));
	OK(ledger_node_blocks(node, 1, 1, NULL, &j));
	OK(ledger_node_block(node, json_array_get(j, 0), &got));
	keys[strcspn(keys, ",")] = '\0';
	OK(make(o, url_of(a, NULL)));
	ledger_block_free(TAKE(got));
	FAILS(ERR_FORGED, ledger_node_block(node, json_array_get(j, 0), &got));
	keys[5] = 'l'; /* not in base58 */
	FAILS(ERR_CONFIG, make(o, url_of(a, NULL)));
}
END_TEST

START_TEST(fee_rule)
{
	const struct ledger_node_opts o = { .fee_max = 1000000 };
	struct ledger_fee rule;

	a->fee = (struct ledger_fee){ 1000, 500 };
	OK(make(o, url_of(a, NULL)));
	ck_assert(!ledger_node_fee(node, &rule));
	OK(ledger_node_handshake(node));
	ck_assert(ledger_node_fee(node, &rule));
	ck_assert_int_eq(rule.base, 1000);
	ck_assert_int_eq(rule.more, 500);
	a->fee.more = 10000; /* 147 times */
	FAILS(ERR_CONFIG, ledger_node_handshake(node));
	a->fee = (struct ledger_fee){ -1, 0 };
	FAILS(ERR_FORMAT, ledger_node_handshake(node));
	a->fee = (struct ledger_fee){ INT64_MAX, INT64_MAX };
	FAILS(ERR_FORMAT, ledger_node_handshake(node));
}
END_TEST

static void
keep(struct ledger_outbox *box, size_t bytes)
{
	CLEANUP(free) uint8_t *value = calloc(1, bytes);
	struct ledger_draft *d = NULL;
	struct entry_key key;

	seal_random(key.b, sizeof(key.b));
	OK(ledger_draft_begin(box, &d));
	OK(ledger_draft_entry(d, &key, value, bytes));
	OK(ledger_draft_commit(d, NULL));
}

/* What is written after a handshake pays; what was not enough is paid again. */
START_TEST(fee_paid)
{
	const struct ledger_node_opts o = { 0 };
	CLEANUP(seal_identity_free) struct seal_identity *me = test_id("me");
	const struct ledger_outbox_opts p = { .dir = home,
		.id = me,
		.chain = a->chain,
		.version = 2,
		.fee = -1 };
	CLEANUP(ledger_outbox_close) struct ledger_outbox *box = NULL;
	struct ledger_state s;

	OK(make(o, url_of(a, NULL)));
	OK(ledger_outbox_open(&p, &box));
	keep(box, 1);
	a->fee = (struct ledger_fee){ 1000, 500 };
	a->refuse = "{\"error\":112,\"message\":\"Fee is not enough\"}";
	a->refuse_status = 400;
	a->refuse_times = 1;
	FAILS(ERR_NODE, ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 2);
	ck_assert_ptr_nonnull(strstr(a->body[0], "\"fee\":0,"));
	ck_assert_ptr_nonnull(strstr(a->body[1], "\"fee\":1000,"));
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.waiting, 1);
	ck_assert_str_eq(s.why, "");
	ledger_outbox_close(TAKE(box));
	OK(ledger_outbox_open(&p, &box)); /* it remembers the rule */
	keep(box, 2000);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 4); /* the first one once more */
	ck_assert_ptr_nonnull(strstr(a->body[3], "\"fee\":2000,"));
}
END_TEST

/* That one node has no long poll says nothing about another. */
START_TEST(wait_of_each)
{
	const struct ledger_node_opts o = { 0 };

	twins();
	b->has_wait = true;
	OK(make(o, url_of(a, b)));
	ledger_node_wait(node, 1, 100, NULL);
	ck_assert_uint_eq(a->waits, 1);
	ledger_node_wait(node, 1, 100, NULL); /* not asked at once again */
	ck_assert_uint_eq(a->waits, 1);
	ledger_node_use(node, ledger_node_peer(node, 1));
	ledger_node_wait(node, 1, 100, NULL);
	ck_assert_uint_eq(b->waits, 1);
}
END_TEST

/* One takes transactions and forgets them: the other gets them, too. */
START_TEST(by_turn)
{
	const struct ledger_node_opts o = { 0 };
	CLEANUP(seal_identity_free) struct seal_identity *me = test_id("me");
	const struct ledger_outbox_opts p = {
		.dir = home, .id = me, .chain = a->chain, .version = 2
	};
	CLEANUP(ledger_outbox_close) struct ledger_outbox *box = NULL;

	twins();
	OK(make(o, url_of(a, b)));
	OK(ledger_node_handshake(node));
	OK(ledger_outbox_open(&p, &box));
	keep(box, 1);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 1);
	ck_assert_uint_eq(b->nbodies, 0);
	ledger_outbox_again(box);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 1);
	ck_assert_uint_eq(b->nbodies, 1);
	ck_assert_str_eq(a->body[0], b->body[0]);
	ledger_outbox_again(box);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 2);
	fake_down(b); /* its turn, and nobody waits for it */
	ledger_outbox_again(box);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(a->nbodies, 3);
	fake_up(b);
}
END_TEST

TCase *
peers_tests(void)
{
	TCase *t = tcase_create("peers");

	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, key_and_token);
	tcase_add_test(t, key_in_clear);
	tcase_add_test(t, fail_over);
	tcase_add_test(t, late_and_wrong);
	tcase_add_test(t, wait_of_each);
	tcase_add_test(t, none_and_many);
	tcase_add_test(t, generators);
	tcase_add_test(t, fee_rule);
	tcase_add_test(t, fee_paid);
	tcase_add_test(t, by_turn);
	return t;
}
