/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HTTP requests to our listener.  First byte:
 *   s  the rest comes from a socket, in pieces, through libmicrohttpd;
 *   d  the parts as libmicrohttpd hands them on, without it: the method, the
 *      target, Content-Length, each on a line, then the body in pieces.
 * What the handlers are shown keeps the promises of http.h.
 */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fuzz.h"

#define MAX_BODY    64
#define MOST_TURNS  1000
#define MOST_SILENT 4 /* turns: a parked request needs two */
#define PIECE       16

static void
check_text(const char *s)
{
	MUST(s != NULL && memchr(s, 0, 65536) != NULL);
}

static void
check_request(const struct http_request *r)
{
	check_text(r->method);
	check_text(r->path);
	check_text(r->query);
	MUST(strchr(r->path, '?') == NULL);
	MUST(r->nseg <= HTTP_MAX_SEGMENTS && r->body_len <= MAX_BODY);
	for (size_t i = 0; i < r->nseg; i++)
		check_text(r->seg[i]);
	if (http_query(r, "after"))
		check_text(http_query(r, "after"));
	if (http_header(r, "X-Consent-Key"))
		check_text(http_header(r, "X-Consent-Key"));
}

static enum err
echo(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	check_request(r);
	reply->type = "application/octet-stream";
	buf_put(&reply->body, r->body, r->body_len);
	return reply->body.err;
}

static enum err
refuse(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)reply;
	check_request(r);
	return err_say(ERR_DENIED, "no");
}

static enum err
park(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	check_request(r);
	if (!r->parked)
		http_reply_park(reply, clock_boot_ms() + 1);
	return ERR_OK;
}

static const struct http_route routes[] = {
	{ "GET", "/v1/info", 0, echo },
	{ "POST", "/v1/events", MAX_BODY, echo },
	{ "PUT", "/v1/blobs/{}/spans/{}", MAX_BODY, echo },
	{ "GET", "/v1/blobs/{}", 0, refuse },
	{ "GET", "/v1/events", 0, park },
	{ "GET", "/a/{}/{}/{}/{}/{}/{}/{}/{}", 0, echo },
};

/* ---- through libmicrohttpd, which we drive: it has no thread ---- */

static struct MHD_Daemon *mhd;

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
    MHD_AcceptPolicyCallback apc, void *apc_cls, MHD_AccessHandlerCallback dh,
    void *dh_cls, ...);

struct MHD_Daemon *
__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
    MHD_AcceptPolicyCallback apc, void *apc_cls, MHD_AccessHandlerCallback dh,
    void *dh_cls, ...)
{
	va_list ap;

	flags &= ~(unsigned)MHD_USE_INTERNAL_POLLING_THREAD;
	va_start(ap, dh_cls);
	mhd = MHD_start_daemon_va(flags, port, apc, apc_cls, dh, dh_cls, ap);
	va_end(ap);
	return mhd;
}

static struct http_listener *
listen_once(void)
{
	static struct http_listener *l;
	static const struct http_listen_opts o = {
		.address = "127.0.0.1", .threads = 1, .idle_s = 5
	};

	if (l == NULL)
		MUST(http_listen(&o, routes, ARRAY_LEN(routes), NULL, &l) ==
		    ERR_OK);
	return l;
}

/* The peer's end of a new connection. */
static int
dial(void)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int end[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		 end) == 0);
	MUST(MHD_add_connection(mhd, end[0], (const struct sockaddr *)&from,
		 sizeof(from)) == MHD_YES);
	return end[1];
}

/* Let it work and see what it answers; false: nothing. */
static bool
turn(struct http_listener *l, int fd)
{
	char answer[65536];
	ssize_t n;

	http_wake(l);
	MUST(MHD_run(mhd) == MHD_YES);
	n = recv(fd, answer, sizeof(answer), 0);
	MUST(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
	if (n > 9 && memcmp(answer, "HTTP/", 5) == 0)
		MUST(memcmp(answer, "HTTP/1.", 7) == 0);
	return n > 0;
}

static void
hang_up(struct http_listener *l, int fd)
{
	(void)close(fd);
	for (int i = 0; i < MOST_TURNS && l->nconns > 0; i++) {
		http_wake(l);
		MUST(MHD_run(mhd) == MHD_YES);
	}
	MUST(l->nconns == 0 && l->running == 0 && l->parked == NULL);
}

/* Bytes of 0xff are pauses. */
static void
try_socket(const uint8_t *p, size_t n)
{
	struct http_listener *l = listen_once();
	int fd = dial(), silent = 0;

	while (n > 0) {
		const uint8_t *end = memchr(p, 0xff, n);
		size_t some = end ? (size_t)(end - p) : n;

		(void)!send(fd, p, some, MSG_NOSIGNAL);
		some += end != NULL;
		p += some;
		n -= some;
		(void)turn(l, fd);
	}
	(void)shutdown(fd, SHUT_WR);
	while (silent < MOST_SILENT)
		silent = turn(l, fd) ? 0 : silent + 1;
	hang_up(l, fd);
}

/* ---- without libmicrohttpd ---- */

static char fake; /* stands for its connection */
#define FAKE ((struct MHD_Connection *)(void *)&fake)
static const char *length;

const char *__real_MHD_lookup_connection_value(
    struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key);
const char *__wrap_MHD_lookup_connection_value(
    struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key);
const union MHD_ConnectionInfo *__real_MHD_get_connection_info(
    struct MHD_Connection *c, enum MHD_ConnectionInfoType what, ...);
const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(
    struct MHD_Connection *c, enum MHD_ConnectionInfoType what, ...);
enum MHD_Result __real_http_send(
    struct http_exchange *x, enum err e, struct http_reply *reply);
enum MHD_Result __wrap_http_send(
    struct http_exchange *x, enum err e, struct http_reply *reply);
bool __real_http_park(struct http_exchange *x, int64_t until, unsigned wakes);
bool __wrap_http_park(struct http_exchange *x, int64_t until, unsigned wakes);

const char *
__wrap_MHD_lookup_connection_value(
    struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key)
{
	if (c != FAKE)
		return __real_MHD_lookup_connection_value(c, kind, key);
	return strcmp(key, "Content-Length") == 0 && *length ? length : NULL;
}

/* As if there had been no memory for its place among the others. */
const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(
    struct MHD_Connection *c, enum MHD_ConnectionInfoType what, ...)
{
	static const union MHD_ConnectionInfo none;

	return c == FAKE ? &none : __real_MHD_get_connection_info(c, what);
}

static unsigned answers;

enum MHD_Result
__wrap_http_send(struct http_exchange *x, enum err e, struct http_reply *reply)
{
	if (x->conn != FAKE)
		return __real_http_send(x, e, reply);
	MUST(e == ERR_OK || err_http(e) >= 400);
	MUST(x->refused == ERR_OK || x->refused == e);
	http_reply_release(reply);
	answers++;
	return MHD_YES;
}

bool
__wrap_http_park(struct http_exchange *x, int64_t until, unsigned wakes)
{
	return x->conn == FAKE ? false : __real_http_park(x, until, wakes);
}

static char *
line(char **s)
{
	char *from = *s, *end = strchr(from, '\n');

	*s = end ? end + 1 : from + strlen(from);
	if (end)
		*end = '\0';
	return from;
}

/* The head and the pieces of the body; false: the connection is dropped. */
static bool
feed(struct http_exchange *x, const char *method, const char *body, size_t n)
{
	void *cls = x;
	size_t left = 0;

	if (!http_exchange_run(x->l, FAKE, "", method, "", NULL, &left, &cls))
		return false;
	for (size_t some; answers == 0 && n > 0; body += some, n -= some) {
		left = some = n < PIECE ? n : PIECE;
		if (!http_exchange_run(
			x->l, FAKE, "", method, "", body, &left, &cls))
			return false;
		MUST(left == 0);
	}
	return true;
}

/* As libmicrohttpd calls: in the end there is one answer. */
static void
run(struct http_exchange *x, const char *method, const char *body, size_t n)
{
	void *cls = x;
	size_t none = 0;
	bool alive = feed(x, method, body, n);

	if (alive && answers == 0)
		(void)http_exchange_run(
		    x->l, FAKE, "", method, "", NULL, &none, &cls);
	MUST(answers == alive);
	http_exchange_end(
	    x->l, FAKE, &cls, MHD_REQUEST_TERMINATED_COMPLETED_OK);
	MUST(cls == NULL);
}

static void
try_direct(const uint8_t *p, size_t n)
{
	static struct http_listener l = { .routes = routes,
		.nroutes = ARRAY_LEN(routes),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	CLEANUP(free) char *text = fuzz_text(p, n);
	char *s = text;
	const char *method = line(&s), *target = line(&s);
	struct http_exchange *x;

	length = line(&s);
	x = http_exchange_new(&l, target, FAKE);
	MUST(x != NULL);
	answers = 0;
	run(x, method, s, (size_t)(text + n - s));
	MUST(l.running == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n > 0 && p[0] == 's')
		try_socket(p + 1, n - 1);
	else if (n > 0 && p[0] == 'd')
		try_direct(p + 1, n - 1);
	return 0;
}
