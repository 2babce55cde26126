/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Peers that keep the listener waiting, or fill its table. */
#include "http_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define IDLE_S 1
#define TABLE  32

static struct http_listener *l;

static enum err
on_hello(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	return http_reply_json(reply, 200, json_object());
}

static enum err
on_wait(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx;
	if (!req->parked) {
		http_reply_park(reply, req->since_boot_ms + 3000);
		return ERR_OK;
	}
	return http_reply_json(reply, 200, json_object());
}

static const struct http_route routes[] = {
	{ "GET", "/hello", 0, on_hello },
	{ "GET", "/wait", 0, on_wait },
	{ "POST", "/body", 1 << 20, on_hello },
};

static void
up_with(unsigned idle_s)
{
	const struct http_listen_opts o = { .address = "127.0.0.1",
		.threads = 2,
		.idle_s = idle_s,
		.max_connections = TABLE };

	ck_assert_int_eq(
	    http_listen(&o, routes, ARRAY_LEN(routes), NULL, &l), ERR_OK);
}

static void
up(void)
{
	up_with(IDLE_S);
}

static void
down(void)
{
	http_close(TAKE(l));
}

static int
dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(http_port(l)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			     sizeof(patience)),
	    0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static bool
say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) ==
	    (ssize_t)strlen(text);
}

/* Did an answer of 200 come? */
static bool
answered(int fd)
{
	char b[1000] = "";

	return recv(fd, b, sizeof(b) - 1, 0) > 12 &&
	    memcmp(b + 9, "200", 3) == 0;
}

/* Send a byte now and then; return after how many ms we were cut off. */
static int64_t
drip(const char *begin)
{
	int64_t at = clock_boot_ms();
	int fd = dial();

	ck_assert(say(fd, begin));
	while (clock_boot_ms() - at < 20000 && say(fd, "a"))
		clock_sleep_ms(100);
	(void)close(fd);
	return clock_boot_ms() - at;
}

START_TEST(slow_requests)
{
	static const char *const begun[] = {
		"GET /hello HTTP/1.1\r\nX: ",
		"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
	};
	int64_t ms = drip(begun[_i]);

	ck_assert_int_ge(ms, 1000 * IDLE_S);
	ck_assert_int_lt(ms, 15000);
}
END_TEST

/* A peer that waits for us is not slow. */
START_TEST(parked_is_not_slow)
{
	int fd = dial();

	ck_assert(say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
	ck_assert(answered(fd));
	(void)close(fd);
}
END_TEST

/* Nor is one that brings enough in the time that it takes. */
START_TEST(steady_is_not_slow)
{
	static char part[40000];
	int fd = dial();

	memset(part, 'a', sizeof(part) - 1);
	ck_assert(say(fd,
	    "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: "
	    "799980\r\n\r\n"));
	for (int i = 0; i < 20; i++) {
		ck_assert(say(fd, part));
		clock_sleep_ms(150);
	}
	ck_assert(answered(fd));
	(void)close(fd);
}
END_TEST

/* A full table makes room for those who have something to say. */
START_TEST(table_full)
{
	int idle[5 * TABLE];

	down();
	up_with(60); /* nobody is cut off for being silent */
	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		int fd;

		idle[i] = dial();
		clock_sleep_ms(20);
		if (i % TABLE != TABLE - 1)
			continue;
		fd = dial();
		ck_assert(say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
		ck_assert(answered(fd));
		(void)close(fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(idle); i++)
		(void)close(idle[i]);
}
END_TEST

TCase *
slow_tests(void)
{
	TCase *t = tcase_create("slow");

	tcase_add_checked_fixture(t, up, down);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, slow_requests, 0, 2);
	tcase_add_test(t, parked_is_not_slow);
	tcase_add_test(t, steady_is_not_slow);
	tcase_add_test(t, table_full);
	return t;
}
