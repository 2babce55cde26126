/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

struct site site;

/* ---- the handlers ---- */

static enum err
on_echo(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx;
	reply->type = "application/octet-stream";
	buf_put(&reply->body, req->body, req->body_len);
	return ERR_OK;
}

static enum err
on_show(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	const char *q = http_query(req, "q");
	const char *head = http_header(req, "x-test");

	(void)ctx;
	return http_reply_json(reply, 201,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "method",
		req->method, "path", req->path, "query", req->query, "a",
		req->seg[0], "b", req->nseg > 1 ? req->seg[1] : "", "q", q,
		"head", head));
}

static enum err
on_error(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	enum err e = err_from_code(strtol(req->seg[0], NULL, 10));

	(void)ctx, (void)reply;
	if (http_query(req, "mute"))
		return e;
	return err_say(e, "inner matter");
}

static enum err
on_file(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	FILE *f = tmpfile();

	(void)ctx, (void)req;
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fputs("0123456789abcdef", f), 0);
	ck_assert_int_eq(fflush(f), 0);
	reply->fd = dup(fileno(f));
	(void)fclose(f);
	reply->offset = 10;
	reply->length = 4;
	return ERR_OK;
}

/* Answers once there is news, or "late" when its time has come. */
static enum err
on_wait(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct site *s = ctx;
	long ms = strtol(http_query(req, "ms"), NULL, 10);
	unsigned seen = (unsigned)strtoul(http_query(req, "seen"), NULL, 10);
	unsigned news = atomic_load(&s->news);
	bool late = clock_boot_ms() >= req->since_boot_ms + ms;

	atomic_fetch_add(&s->calls, 1);
	if (news == seen && !late) {
		http_reply_park(reply, req->since_boot_ms + ms);
		return ERR_OK;
	}
	return http_reply_json(reply, 200,
	    json_pack("{s:i, s:b}", "news", (int)news, "late", (int)late));
}

/* The news come just when the handler has decided to wait for them. */
static enum err
on_race(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct site *s = ctx;
	unsigned news = atomic_fetch_add(&s->news, 1);

	if (news > 0)
		return http_reply_json(
		    reply, 200, json_pack("{s:b}", "parked", (int)req->parked));
	http_reply_park(reply, req->since_boot_ms + 4000);
	http_wake(s->l);
	return ERR_OK;
}

/* A blocking call to another listener of this process, as a gateway does. */
static enum err
on_relay(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	struct site *s = ctx;
	struct http_call call = { .method = "GET",
		.url = http_query(req, "to"),
		.max_answer = 1000 };
	enum err e = http_do(s->c, &call, &a);

	if (e)
		return e;
	buf_put(&reply->body, a.body.p, a.body.len);
	return ERR_OK;
}

static enum err
on_redirect(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	reply->status = 302;
	return ERR_OK;
}

static const struct http_route routes[] = {
	{ "POST", "/echo", 1000, on_echo },
	{ "GET", "/show/{}", 0, on_show },
	{ "PUT", "/show/{}", 100, on_show },
	{ "GET", "/show/{}/of/{}", 0, on_show },
	{ "GET", "/error/{}", 0, on_error },
	{ "GET", "/file", 0, on_file },
	{ "GET", "/wait", 0, on_wait },
	{ "GET", "/race", 0, on_race },
	{ "GET", "/relay", 0, on_relay },
	{ "GET", "/redirect", 0, on_redirect },
};

/* ---- the site ---- */

void
site_up(void)
{
	struct http_listen_opts o = { .address = "127.0.0.1", .threads = 2 };
	struct http_client_opts co = { .timeout_ms = 10000 };

	atomic_store(&site.news, 0);
	atomic_store(&site.calls, 0);
	ck_assert_int_eq(http_client_new(&co, &site.c), ERR_OK);
	ck_assert_int_eq(
	    http_listen(&o, routes, ARRAY_LEN(routes), &site, &site.l), ERR_OK);
	ck_assert_uint_ne(http_port(site.l), 0);
}

void
site_down(void)
{
	http_close(TAKE(site.l));
	http_client_free(TAKE(site.c));
}

const char *
site_url(const char *path, char *out, size_t cap)
{
	(void)snprintf(
	    out, cap, "http://127.0.0.1:%u%s", http_port(site.l), path);
	return out;
}

long
ask(const char *method, const char *path, const void *body, size_t len,
    struct buf *out)
{
	const char *const headers[] = { "X-Test: yes", NULL };
	CLEANUP_ANSWER struct http_answer a = { 0 };
	char url[500];
	struct http_call call = { .method = method,
		.url = site_url(path, url, sizeof(url)),
		.headers = headers,
		.body = body,
		.body_len = len,
		.max_answer = 100000 };

	ck_assert_msg(http_do(site.c, &call, &a) == ERR_OK, "%s", path);
	if (out) {
		out->len = 0;
		buf_put(out, a.body.p, a.body.len);
	}
	return a.status;
}

void
raw(const char *bytes, size_t len, char *out, size_t cap)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(http_port(site.l)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t got = 0;
	ssize_t n;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			     sizeof(patience)),
	    0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	while (got < cap - 1) {
		n = recv(fd, out + got, cap - 1 - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
		out[got] = '\0';
		if (strstr(out, "\r\n\r\n"))
			break;
	}
	out[got] = '\0';
	(void)close(fd);
}

/* ---- routes and answers ---- */

static json_t *
parse(struct buf *b)
{
	json_t *j = NULL;

	ck_assert_int_eq(js_parse(b->p, b->len, JS_DEPTH, &j), ERR_OK);
	return j;
}

static const char *
text_of(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "(none)";
}

START_TEST(route_parts)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_JS json_t *j = NULL;

	ck_assert_int_eq(
	    ask("GET", "/show/a%2Fb%20+/of/%C3%A4?x=1&q=1%202+3", NULL, 0, &b),
	    201);
	j = parse(&b);
	ck_assert_str_eq(text_of(j, "a"), "a/b +");
	ck_assert_str_eq(text_of(j, "b"), "\xc3\xa4");
	ck_assert_str_eq(text_of(j, "q"), "1 2 3");
	ck_assert_str_eq(text_of(j, "head"), "yes");
	ck_assert_str_eq(text_of(j, "path"), "/show/a%2Fb%20+/of/%C3%A4");
	ck_assert_str_eq(text_of(j, "query"), "x=1&q=1%202+3");
}
END_TEST

START_TEST(route_method)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_JS json_t *j = NULL;

	ck_assert_int_eq(ask("PUT", "/show/k", "{}", 2, &b), 201);
	j = parse(&b);
	ck_assert_str_eq(text_of(j, "method"), "PUT");
	ck_assert_str_eq(text_of(j, "q"), "(none)");
	ck_assert_int_eq(ask("DELETE", "/show/k", NULL, 0, &b), 405);
	ck_assert_int_eq(ask("HEAD", "/show/k", NULL, 0, &b), 201);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

static const struct {
	const char *path;
	long status;
} bad_paths[] = {
	{ "/", 404 },
	{ "/show", 404 },
	{ "/show/", 404 },
	{ "/show/a/", 404 },
	{ "/show/a/of", 404 },
	{ "/show/a/of/b/c", 404 },
	{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", 404 },
	{ "/show/a%00b", 400 },
	{ "/show/a%4", 400 },
	{ "/show/a%zz", 400 },
	{ "/show/a?q=%", 400 },
	{ "/show/a?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", 400 },
};

START_TEST(route_bad)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_JS json_t *j = NULL;

	ck_assert_int_eq(
	    ask("GET", bad_paths[_i].path, NULL, 0, &b), bad_paths[_i].status);
	j = parse(&b);
	ck_assert_str_eq(text_of(j, "name"),
	    bad_paths[_i].status == 404 ? "NOTFOUND" : "INVAL");
}
END_TEST

static enum err
bare(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	reply->status = 404;
	reply->type = "text/plain";
	return ERR_OK;
}

START_TEST(route_fallback)
{
	struct http_listen_opts o = {
		.address = "::1", .threads = 1, .fallback = bare
	};
	CLEANUP(http_close) struct http_listener *l = NULL;
	CLEANUP_ANSWER struct http_answer a = { 0 };
	char url[100];
	struct http_call call = { .method = "POST",
		.url = url,
		.max_answer = 100,
		.body = "{}",
		.body_len = 2 };

	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_OK);
	(void)snprintf(url, sizeof(url), "http://[::1]:%u/no", http_port(l));
	ck_assert_int_eq(http_do(site.c, &call, &a), ERR_OK);
	ck_assert_int_eq(a.status, 404);
	ck_assert_uint_eq(a.body.len, 0);
}
END_TEST

/* code, is the cause told to the caller? */
static const struct {
	enum err e;
	bool told;
} causes[] = {
	{ ERR_INVAL, true },
	{ ERR_NOTFOUND, true },
	{ ERR_CONFLICT, true },
	{ ERR_IO, false },
	{ ERR_UNAUTH, false },
	{ ERR_DENIED, false },
	{ ERR_FORGED, false },
	{ ERR_CORRUPT, false },
};

START_TEST(error_detail)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_JS json_t *j = NULL;
	char path[40];

	(void)snprintf(path, sizeof(path), "/error/%d", causes[_i].e);
	ck_assert_int_eq(ask("GET", path, NULL, 0, &b), err_http(causes[_i].e));
	j = parse(&b);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(j, "code")), causes[_i].e);
	ck_assert_str_eq(text_of(j, "name"), err_name(causes[_i].e));
	ck_assert_str_eq(text_of(j, "detail"),
	    causes[_i].told ? "inner matter" : err_text(causes[_i].e));
}
END_TEST

START_TEST(error_detail_not_of_another)
{
	CLEANUP_BUF struct buf b = { 0 };

	for (int i = 0; i < 8; i++) {
		(void)ask("GET", "/error/10", NULL, 0, &b);
		(void)ask("GET", "/error/10?mute", NULL, 0, &b);
		ck_assert_ptr_null(strstr(buf_text(&b), "inner"));
	}
}
END_TEST

START_TEST(file_range)
{
	CLEANUP_BUF struct buf b = { 0 };

	ck_assert_int_eq(ask("GET", "/file", NULL, 0, &b), 200);
	ck_assert_str_eq(buf_text(&b), "abcd");
}
END_TEST

START_TEST(relay)
{
	CLEANUP_BUF struct buf b = { 0 };
	char path[400] = "/relay?to=", to[200];
	struct http_listener *first = site.l;
	CLEANUP(http_close) struct http_listener *second = NULL;
	struct http_listen_opts o = { .address = "127.0.0.1", .threads = 1 };

	ck_assert_int_eq(
	    http_listen(&o, routes, ARRAY_LEN(routes), &site, &second), ERR_OK);
	site.l = second;
	(void)site_url("/file", to, sizeof(to));
	site.l = first;
	http_url_part(to, &b);
	(void)strncat(path, buf_text(&b), sizeof(path) - 20);
	ck_assert_int_eq(ask("GET", path, NULL, 0, &b), 200);
	ck_assert_str_eq(buf_text(&b), "abcd");
}
END_TEST

/* ---- bodies ---- */

START_TEST(body_echo)
{
	CLEANUP_BUF struct buf b = { 0 };
	char body[1000];

	memset(body, 'x', sizeof(body));
	body[500] = '\0';
	ck_assert_int_eq(ask("POST", "/echo", body, sizeof(body), &b), 200);
	ck_assert_uint_eq(b.len, sizeof(body));
	ck_assert_mem_eq(b.p, body, sizeof(body));
	ck_assert_int_eq(ask("POST", "/echo", NULL, 0, &b), 200);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(ask("POST", "/echo", body, 999, &b), 200);
}
END_TEST

/* The body never comes, yet the refusal does. */
START_TEST(body_announced_too_long)
{
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 1001\r\n\r\n";
	char out[2000];

	raw(head, sizeof(head) - 1, out, sizeof(out));
	ck_assert_msg(strncmp(out, "HTTP/1.1 413", 12) == 0, "%s", out);
}
END_TEST

/* A client of ours does not begin to send what is refused. */
START_TEST(body_refused_before_sending)
{
	CLEANUP_BUF struct buf b = { 0 }, body = { 0 };

	memset(buf_room(&body, 3 << 20), 'x', 3 << 20);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(
		    ask("POST", "/echo", body.p, body.len, &b), 413);
}
END_TEST

START_TEST(body_chunked_too_long)
{
	CLEANUP_BUF struct buf b = { 0 };
	char out[2000];

	buf_str(&b,
	    "POST /echo HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 11; i++)
		buf_fmt(&b, "64\r\n%0100d\r\n", i);
	buf_str(&b, "0\r\n\r\n");
	raw((const char *)b.p, b.len, out, sizeof(out));
	ck_assert_msg(strncmp(out, "HTTP/1.1 413", 12) == 0, "%s", out);
}
END_TEST

START_TEST(body_for_none)
{
	static const char head[] = "GET /file HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 1\r\n\r\nx";
	char out[2000];

	raw(head, sizeof(head) - 1, out, sizeof(out));
	ck_assert_msg(strncmp(out, "HTTP/1.1 413", 12) == 0, "%s", out);
}
END_TEST

/* A head whose arguments fill the connection's memory is never heard of
 * again, and leaves nothing behind: LeakSanitizer. */
START_TEST(head_too_long)
{
	CLEANUP_BUF struct buf b = { 0 };
	char out[1];

	buf_str(&b, "GET /file?");
	memset(buf_room(&b, 30000), '&', 30000);
	buf_str(&b, " HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 10; i++)
		raw((const char *)b.p, b.len, out, sizeof(out));
	clock_sleep_ms(300);
}
END_TEST

/* ---- where it listens ---- */

START_TEST(listen_refused)
{
	struct http_listener *l = NULL;
	struct http_listen_opts o = { .address = "0.0.0.0" };

	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_INVAL);
	o.address = "::";
	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_INVAL);
	o.address = "localhost";
	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_INVAL);
	o.address = "127.0.0.1";
	o.tls_cert = "/nonexistent";
	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_INVAL);
	o.tls_key = "/nonexistent";
	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_NOTFOUND);
	o.tls_cert = o.tls_key = NULL;
	o.port = http_port(site.l);
	ck_assert_int_eq(http_listen(&o, routes, 1, NULL, &l), ERR_BUSY);
	ck_assert_ptr_null(l);
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
	Suite *s = suite_create("http");
	TCase *t = tcase_create("routes");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	log_set_sink(quiet);
	tcase_add_checked_fixture(t, site_up, site_down);
	tcase_add_test(t, route_parts);
	tcase_add_test(t, route_method);
	tcase_add_loop_test(t, route_bad, 0, ARRAY_LEN(bad_paths));
	tcase_add_test(t, route_fallback);
	tcase_add_loop_test(t, error_detail, 0, ARRAY_LEN(causes));
	tcase_add_test(t, error_detail_not_of_another);
	tcase_add_test(t, file_range);
	tcase_add_test(t, relay);
	tcase_add_test(t, body_echo);
	tcase_add_test(t, body_announced_too_long);
	tcase_add_test(t, body_refused_before_sending);
	tcase_add_test(t, body_chunked_too_long);
	tcase_add_test(t, body_for_none);
	tcase_add_test(t, head_too_long);
	tcase_add_test(t, listen_refused);
	suite_add_tcase(s, t);
	suite_add_tcase(s, park_tests());
	suite_add_tcase(s, client_tests());
	suite_add_tcase(s, slow_tests());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
