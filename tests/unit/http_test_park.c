/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "http_test.h"

#define WAITERS 6
#define ROUNDS  40

struct waiter {
	pthread_t thread;
	char path[100];
	long status;
	char body[200];
	int64_t took_ms;
};

static void *
wait_thread(void *arg)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct waiter *w = arg;
	int64_t start = clock_boot_ms();

	w->status = ask("GET", w->path, NULL, 0, &b);
	w->took_ms = clock_boot_ms() - start;
	(void)snprintf(w->body, sizeof(w->body), "%s", buf_text(&b));
	return NULL;
}

static void
start_waiter(struct waiter *w, unsigned seen, long ms)
{
	(void)snprintf(
	    w->path, sizeof(w->path), "/wait?seen=%u&ms=%ld", seen, ms);
	ck_assert_int_eq(pthread_create(&w->thread, NULL, wait_thread, w), 0);
}

static void
until_calls(unsigned n)
{
	for (int i = 0; i < 2000 && atomic_load(&site.calls) < n; i++)
		clock_sleep_ms(2);
	ck_assert_uint_ge(atomic_load(&site.calls), n);
}

START_TEST(park_deadline)
{
	struct waiter w;

	start_waiter(&w, 0, 60);
	ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
	ck_assert_int_eq(w.status, 200);
	ck_assert_ptr_nonnull(strstr(w.body, "\"late\":true"));
	ck_assert_int_ge(w.took_ms, 60);
	ck_assert_int_lt(w.took_ms, 2000);
	ck_assert_uint_eq(atomic_load(&site.calls), 2);
}
END_TEST

/* More requests are parked than there are threads, and others are served. */
START_TEST(park_many)
{
	struct waiter w[WAITERS];

	for (size_t i = 0; i < WAITERS; i++)
		start_waiter(&w[i], 0, 9000);
	until_calls(WAITERS);
	ck_assert_int_eq(ask("GET", "/file", NULL, 0, NULL), 200);
	atomic_fetch_add(&site.news, 1);
	http_wake(site.l);
	for (size_t i = 0; i < WAITERS; i++) {
		ck_assert_int_eq(pthread_join(w[i].thread, NULL), 0);
		ck_assert_ptr_nonnull(strstr(w[i].body, "\"late\":false"));
		ck_assert_int_lt(w[i].took_ms, 5000);
	}
}
END_TEST

/* A wake between decision and suspension is not lost. */
START_TEST(park_no_lost_wake)
{
	CLEANUP_BUF struct buf b = { 0 };
	int64_t start = clock_boot_ms();

	ck_assert_int_eq(ask("GET", "/race", NULL, 0, &b), 200);
	ck_assert_str_eq(buf_text(&b), "{\"parked\":true}");
	ck_assert_int_lt(clock_boot_ms() - start, 2000);
}
END_TEST

static void *
follow_thread(void *arg)
{
	CLEANUP_BUF struct buf b = { 0 };
	atomic_uint *late = arg;
	char path[100];

	for (unsigned i = 0; i < ROUNDS; i++) {
		(void)snprintf(path, sizeof(path), "/wait?seen=%u&ms=4000", i);
		if (ask("GET", path, NULL, 0, &b) != 200 ||
		    strstr(buf_text(&b), "\"late\":true"))
			atomic_fetch_add(late, 1);
	}
	return NULL;
}

/* News after news, each told by one wake only. */
START_TEST(park_stream_of_wakes)
{
	pthread_t thread;
	atomic_uint late = 0;

	ck_assert_int_eq(
	    pthread_create(&thread, NULL, follow_thread, &late), 0);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		until_calls(2 * i - 1);
		atomic_store(&site.news, i);
		http_wake(site.l);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(atomic_load(&late), 0);
}
END_TEST

START_TEST(park_close)
{
	struct waiter w;
	int64_t start;

	start_waiter(&w, 0, 9000);
	until_calls(1);
	start = clock_boot_ms();
	http_close(TAKE(site.l));
	ck_assert_int_lt(clock_boot_ms() - start, 3000);
	ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
	ck_assert_int_eq(w.status, 503);
	ck_assert_ptr_nonnull(strstr(w.body, "\"BUSY\""));
}
END_TEST

/* A peer that goes away while it is parked costs nothing but its time. */
START_TEST(park_gone)
{
	static const char bare[] = "GET /wait?seen=0&ms=1 HTTP/1.0\r\n\r\n";
	char out[10];
	volatile bool cancel = true;
	struct http_answer a = { 0 };
	char url[100];
	struct http_call call = { .method = "GET",
		.url = site_url("/wait?seen=0&ms=100", url, sizeof(url)),
		.timeout_ms = 20,
		.max_answer = 100 };

	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_TIMEOUT);
	until_calls(2);
	call.cancel = &cancel;
	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_INTERRUPTED);
	raw(bare, sizeof(bare) - 1, out, sizeof(out));
	ck_assert_int_eq(ask("GET", "/file", NULL, 0, NULL), 200);
}
END_TEST

TCase *
park_tests(void)
{
	TCase *t = tcase_create("park");

	tcase_add_checked_fixture(t, site_up, site_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, park_deadline);
	tcase_add_test(t, park_many);
	tcase_add_test(t, park_no_lost_wake);
	tcase_add_test(t, park_stream_of_wakes);
	tcase_add_test(t, park_close);
	tcase_add_test(t, park_gone);
	return t;
}
