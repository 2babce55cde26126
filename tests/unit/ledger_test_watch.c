/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several nodes are compared, and narrowing counts from any. */
#include "ledger_test_sink.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static struct fake *b;

/* Both have the same five blocks. */
static void
up(void)
{
	follow_up();
	fake_blocks(f, 5);
	b = fake_new();
	json_decref(b->blocks);
	b->blocks = json_deep_copy(f->blocks);
	b->tip = f->tip;
	b->chain = f->chain;
}

static void
down(void)
{
	follow_down();
	fake_free(TAKE(b));
}

static void
follow_both(unsigned depth, unsigned second_port)
{
	struct ledger_node_opts o = { .chain = f->chain,
		.has_generator = true,
		.generator = *seal_identity_key(f->generator) };
	struct ledger_node *n = NULL;
	char urls[100];

	(void)snprintf(urls, sizeof(urls),
	    "http://127.0.0.1:%u, http://127.0.0.1:%u", f->port, second_port);
	o.url = urls;
	OK(ledger_node_new(&o, &n));
	follow_node(depth, n);
	OK(ledger_follow_step(follower));
}

static enum err
state_of(size_t i)
{
	struct ledger_peer_state s;

	ck_assert(ledger_follow_peer(follower, i, &s));
	return s.error;
}

/* Wait until the head is ${e}. */
static void
becomes(enum err e)
{
	for (int i = 0; i < 3000 && head().error != e; i++)
		clock_sleep_ms(10);
	ck_assert_int_eq(head().error, e);
}

static void
names_both(void)
{
	struct ledger_head h = head();
	char url[64];

	ck_assert_uint_eq(h.height, 0);
	ck_assert_int_eq(h.age_ms, INT64_MAX);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", f->port);
	ck_assert_ptr_nonnull(strstr(h.why, url));
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", b->port);
	ck_assert_ptr_nonnull(strstr(h.why, url));
}

static void
cut_both(size_t height)
{
	fake_cut(f, height);
	fake_cut(b, height);
}

START_TEST(agree)
{
	follow_both(1, b->port);
	OK(ledger_follow_watch(follower, 10000));
	ck_assert_uint_eq(head().height, 6);
	OK(state_of(0));
	OK(state_of(1));
	ck_assert(
	    !ledger_follow_peer(follower, 2, &(struct ledger_peer_state){ 0 }));
}
END_TEST

/* The newest block of one is another: denied, said, and over by itself. */
START_TEST(disagree)
{
	CLEANUP_JS json_t *right = json_deep_copy(b->blocks);
	struct ledger_block tip = b->tip;

	fake_cut(b, 5);
	fake_blocks(b, 1); /* signed, too */
	follow_both(1, b->port);
	OK(ledger_follow_watch(follower, 10000));
	becomes(ERR_FORK);
	names_both();
	ck_assert_ptr_nonnull(strstr(head().why, "disagree"));
	ck_assert_int_eq(state_of(1), ERR_FORK);

	fake_down(b); /* proves nothing */
	clock_sleep_ms(300);
	ck_assert_int_eq(head().error, ERR_FORK);
	(void)pthread_mutex_lock(&b->lock);
	json_decref(b->blocks);
	b->blocks = TAKE(right);
	b->tip = tip;
	(void)pthread_mutex_unlock(&b->lock);
	fake_up(b);
	becomes(ERR_OK);
	ck_assert_uint_eq(head().height, 6);
}
END_TEST

/* Far below ours, where we remember no block. */
START_TEST(old_copy)
{
	fake_cut(b, 3);
	fake_blocks(b, 1);
	follow_both(1, b->port); /* has 1 to 6 */
	follow_both(1, b->port); /* knows 6 alone */
	OK(ledger_follow_watch(follower, 10000));
	becomes(ERR_FORK);
	names_both();
}
END_TEST

/* Not final, but one generator signs no height twice. */
START_TEST(signed_twice)
{
	cut_both(5);
	fake_blocks(f, 1);
	fake_blocks(b, 1);
	follow_both(3, b->port);
	OK(ledger_follow_watch(follower, 10000));
	becomes(ERR_FORK);
	names_both();
	ck_assert_ptr_nonnull(strstr(head().why, "signed twice"));
}
END_TEST

START_TEST(behind_is_no_fork)
{
	fake_cut(b, 2);
	follow_both(1, b->port);
	OK(ledger_follow_watch(follower, 10000));
	ck_assert_uint_eq(head().height, 6);
	OK(state_of(1));
}
END_TEST

static void
pending_becomes(const struct tx_id *id)
{
	bool is = false;

	for (int i = 0; i < 3000 && !is; i++) {
		(void)pthread_mutex_lock(&sink.lock);
		is = ID_EQ(&sink.last_pending, id);
		(void)pthread_mutex_unlock(&sink.lock);
		if (!is)
			clock_sleep_ms(10);
	}
	ck_assert(is);
}

/* The one that we follow withholds; the other's pool and blocks count. */
START_TEST(any_says)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *pool = test_tx("alice", "k");
	CLEANUP(ledger_tx_free) struct ledger_tx *block = test_tx("alice", "l");

	follow_both(1, b->port);
	OK(ledger_follow_watch(follower, 10000));
	(void)pthread_mutex_lock(&b->lock);
	(void)json_array_append_new(b->pool, fake_tx(pool));
	(void)pthread_mutex_unlock(&b->lock);
	pending_becomes(&pool->id);
	(void)pthread_mutex_lock(&b->lock);
	(void)json_array_clear(b->pool);
	(void)pthread_mutex_unlock(&b->lock);
	fake_block(b, &block, 1, clock_wall_ms());
	pending_becomes(&block->id);
	ck_assert_str_eq(
	    ledger_node_url(node), ledger_node_url(ledger_node_peer(node, 0)));
	ck_assert_uint_eq(head().height, 6);
}
END_TEST

/* Whoever shows blocks that are much newer is followed. */
START_TEST(lags)
{
	follow_both(1, b->port);
	fake_block(b, NULL, 0, clock_wall_ms() + 20000);
	OK(ledger_follow_watch(follower, 10000));
	for (int i = 0; i < 3000 && head().height < 7; i++) {
		clock_sleep_ms(10);
		OK(ledger_follow_step(follower));
	}
	ck_assert_uint_eq(head().height, 7);
}
END_TEST

/* One that takes connections and says nothing delays nobody. */
START_TEST(slow)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, n), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	follow_both(1, ntohs(at.sin_port));
	OK(ledger_follow_watch(follower, 10));
	becomes(ERR_OK);
	ck_assert_uint_eq(head().height, 6);
	block_with_tx();
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(head().height, 7);
	ck_assert_int_eq(state_of(1), ERR_STALE); /* still no answer */
	OK(state_of(0));
	close(fd);
}
END_TEST

TCase *
watch_tests(void)
{
	TCase *t = tcase_create("watch");

	tcase_add_checked_fixture(t, up, down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, agree);
	tcase_add_test(t, disagree);
	tcase_add_test(t, old_copy);
	tcase_add_test(t, signed_twice);
	tcase_add_test(t, behind_is_no_fork);
	tcase_add_test(t, any_says);
	tcase_add_test(t, lags);
	tcase_add_test(t, slow);
	return t;
}
