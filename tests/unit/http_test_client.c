/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http_test.h"

#define CERT      TEST_SRCDIR "/tests/vectors/http-tls-cert.pem"
#define KEY       TEST_SRCDIR "/tests/vectors/http-tls-key.pem"
#define PIN       "sha256//vQds7UqiJ3axqoknQYQO1hXiUzoRYjQOrhgKYFiJzus="
#define OTHER_PIN "sha256//AAAA7UqiJ3axqoknQYQO1hXiUzoRYjQOrhgKYFiJzus="

static enum err
get(struct http_client *c, const char *url, size_t max, struct buf *out)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	struct http_call call = { .method = "GET",
		.url = url,
		.max_answer = max,
		.timeout_ms = 3000 };
	enum err e = http_do(c, &call, &a);

	if (e == ERR_OK && out) {
		out->len = 0;
		buf_put(out, a.body.p, a.body.len);
	}
	return e;
}

START_TEST(client_bounds)
{
	char url[200];

	ck_assert_int_eq(
	    get(site.c, site_url("/file", url, sizeof(url)), 4, NULL), ERR_OK);
	ck_assert_int_eq(get(site.c, url, 3, NULL), ERR_TOOBIG);
	ck_assert_int_eq(get(site.c, url, 0, NULL), ERR_TOOBIG);
}
END_TEST

START_TEST(client_redirect_not_followed)
{
	ck_assert_int_eq(ask("GET", "/redirect", NULL, 0, NULL), 302);
}
END_TEST

static const struct {
	const char *url;
	enum err e;
} urls[] = {
	{ "file:///etc/passwd", ERR_INVAL },
	{ "ftp://127.0.0.1/", ERR_INVAL },
	{ "gopher://127.0.0.1/", ERR_INVAL },
	{ "http://", ERR_INVAL },
	{ "http://127.0.0.1:1/some/secret", ERR_UNREACHABLE },
};

START_TEST(client_urls)
{
	ck_assert_int_eq(get(site.c, urls[_i].url, 100, NULL), urls[_i].e);
	ck_assert_ptr_null(strstr(err_detail(urls[_i].e), "secret"));
}
END_TEST

/* A peer that accepts and is silent. */
static int
silent_peer(char *url, size_t cap)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(url, cap, "http://127.0.0.1:%u/", ntohs(a.sin_port));
	return fd;
}

START_TEST(client_timeout)
{
	char url[100];
	CLEANUP_FD int fd = silent_peer(url, sizeof(url));
	struct http_call call = {
		.method = "GET", .url = url, .max_answer = 100, .timeout_ms = 80
	};
	struct http_answer a = { 0 };

	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_TIMEOUT);
}
END_TEST

/* Long before the time is over that a slow line may take. */
START_TEST(client_stall)
{
	char url[100];
	CLEANUP_FD int fd = silent_peer(url, sizeof(url));
	struct http_call call = { .method = "GET",
		.url = url,
		.max_answer = 100,
		.timeout_ms = 25000,
		.stall_s = 1 };
	struct http_answer a = { 0 };
	int64_t began = clock_boot_ms();

	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_TIMEOUT);
	ck_assert_int_lt(clock_boot_ms() - began, 20000);
}
END_TEST

static void *
cancel_thread(void *arg)
{
	volatile bool *cancel = arg;

	clock_sleep_ms(60);
	__atomic_store_n(cancel, true, __ATOMIC_RELEASE);
	return NULL;
}

START_TEST(client_cancel)
{
	volatile bool cancel = false;
	char url[100];
	CLEANUP_FD int fd = silent_peer(url, sizeof(url));
	struct http_call call = { .method = "GET",
		.url = url,
		.max_answer = 100,
		.cancel = &cancel };
	struct http_answer a = { 0 };
	int64_t start = clock_boot_ms();
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_thread,
			     (void *)(uintptr_t)&cancel),
	    0);
	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_INTERRUPTED);
	ck_assert_int_lt(clock_boot_ms() - start, 1000);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* The server was restarted: a kept connection is dead, the call is not. */
START_TEST(client_reconnects)
{
	struct http_client *c = site.c;

	ck_assert_int_eq(ask("GET", "/file", NULL, 0, NULL), 200);
	http_close(TAKE(site.l));
	site.c = NULL;
	site_up();
	http_client_free(site.c);
	site.c = c;
	ck_assert_int_eq(ask("POST", "/echo", "{}", 2, NULL), 200);
}
END_TEST

START_TEST(client_url_part)
{
	CLEANUP_BUF struct buf b = { 0 };

	http_url_part("a/b ?&+\xc3\xa4-._~9%", &b);
	ck_assert_str_eq(buf_text(&b), "a%2Fb%20%3F%26%2B%C3%A4-._~9%25");
}
END_TEST

/* ---- TLS ---- */

static enum err
on_hello(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	buf_str(&reply->body, "hello");
	return ERR_OK;
}

static const struct http_route hello[] = { { "GET", "/", 0, on_hello } };

static const struct {
	const char *ca, *pin;
	enum err e;
} trusts[] = {
	{ CERT, NULL, ERR_OK },
	{ CERT, PIN, ERR_OK },
	{ CERT, OTHER_PIN, ERR_FORGED },
	{ NULL, NULL, ERR_FORGED },
	{ NULL, PIN, ERR_FORGED },
};

START_TEST(tls_trust)
{
	struct http_listen_opts o = {
		.address = "127.0.0.1", .tls_cert = CERT, .tls_key = KEY
	};
	struct http_client_opts co = { .ca_file = trusts[_i].ca,
		.pinned_key = trusts[_i].pin };
	CLEANUP(http_close) struct http_listener *l = NULL;
	CLEANUP(http_client_free) struct http_client *c = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	char url[100];

	ck_assert_int_eq(http_listen(&o, hello, 1, NULL, &l), ERR_OK);
	ck_assert_int_eq(http_client_new(&co, &c), ERR_OK);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", http_port(l));
	ck_assert_int_eq(get(c, url, 100, &b), trusts[_i].e);
	if (trusts[_i].e == ERR_OK)
		ck_assert_str_eq(buf_text(&b), "hello");
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_port(l));
	ck_assert_int_ne(get(c, url, 100, &b), ERR_OK);
}
END_TEST

START_TEST(tls_key_of_another)
{
	struct http_listen_opts o = {
		.address = "127.0.0.1", .tls_cert = CERT, .tls_key = CERT
	};
	struct http_listener *l = NULL;

	ck_assert_int_ne(http_listen(&o, hello, 1, NULL, &l), ERR_OK);
	ck_assert_ptr_null(l);
}
END_TEST

TCase *
client_tests(void)
{
	TCase *t = tcase_create("client");

	tcase_add_checked_fixture(t, site_up, site_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, client_bounds);
	tcase_add_test(t, client_redirect_not_followed);
	tcase_add_loop_test(t, client_urls, 0, ARRAY_LEN(urls));
	tcase_add_test(t, client_timeout);
	tcase_add_test(t, client_stall);
	tcase_add_test(t, client_cancel);
	tcase_add_test(t, client_reconnects);
	tcase_add_test(t, client_url_part);
	tcase_add_loop_test(t, tls_trust, 0, ARRAY_LEN(trusts));
	tcase_add_test(t, tls_key_of_another);
	return t;
}
