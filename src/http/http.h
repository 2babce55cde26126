/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http: the only room that sees libmicrohttpd and libcurl.  A listener with a
 * table of routes, and a client.  Sizes, times and numbers are bounded on both
 * sides.  Handlers run on the listener's few threads and must not wait for
 * long: a handler that has nothing to say yet parks its request.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/js.h"

/* ---- listener: http/listener.c ---- */

#define HTTP_MAX_SEGMENTS 8

/* One request; everything is borrowed for the time of the handler's call. */
struct http_request {
	const char *method;
	const char *path;                   /* as sent, without the query */
	const char *query;                  /* as sent after '?', "" if none */
	const char *seg[HTTP_MAX_SEGMENTS]; /* decoded path parts for {} */
	size_t nseg;
	const uint8_t *body;
	size_t body_len;
	bool parked; /* the handler parked it before and is called again */
	int64_t since_boot_ms; /* when the request had arrived */
	void *impl;
};

/**
 * http_header(r, name):
 * Return a header's value, borrowed, or NULL.
 */
const char *http_header(const struct http_request *r, const char *name);

/**
 * http_query(r, name):
 * Return a query argument's decoded value, borrowed, or NULL.
 */
const char *http_query(const struct http_request *r, const char *name);

/**
 * http_query_nth(r, name, i):
 * Return the decoded value of the ${i}th argument of that name, from 0 on,
 * borrowed, or NULL.
 */
const char *http_query_nth(
    const struct http_request *r, const char *name, size_t i);

/* What the handler answers; starts as status 200 with no body. */
struct http_reply {
	unsigned status;
	const char *type; /* static string; NULL: application/json */
	struct buf body;
	int fd; /* >= 0: send length bytes of it from offset; closed by http */
	uint64_t offset, length;
	int64_t park_until; /* != 0: clock_boot_ms() at which to call again */
};

/**
 * http_reply_json(r, status, json):
 * Answer ${json}, which is released.
 * Errors: NOMEM.
 */
enum err http_reply_json(
    struct http_reply *r, unsigned status, json_t *json) must_check;

/**
 * http_reply_park(r, until_boot_ms):
 * Keep the request without a thread; the handler is called again when
 * http_wake() is called or the time has come.
 */
void http_reply_park(struct http_reply *r, int64_t until_boot_ms);

/*
 * A route: method, pattern with "{}" for one path part, such as
 * "/v1/blobs/{}/spans/{}", and the largest body.  A handler that returns an
 * error is answered by that error's status and {"code","name","detail"}.
 */
struct http_route {
	const char *method, *pattern;
	size_t max_body;
	enum err (*handler)(void *ctx, const struct http_request *req,
	    struct http_reply *reply);
};

struct http_listen_opts {
	const char *address;            /* "127.0.0.1", "::1", ... */
	uint16_t port;                  /* 0: any */
	const char *tls_cert, *tls_key; /* PEM files; both NULL: in clear */
	unsigned threads, max_connections, max_per_address;
	unsigned idle_s; /* a silent connection is closed */
	/* answers paths without a route; NULL: 404 {"code":10,...} */
	enum err (*fallback)(void *ctx, const struct http_request *req,
	    struct http_reply *reply);
	/* fills in ${reply} for the error ${e}, which is to be answered with
	 * ${reply}->status; NULL: {"code","name","detail"} */
	enum err (*refuse)(void *ctx, enum err e, struct http_reply *reply);
};

struct http_listener;

/**
 * http_listen(opts, routes, n, ctx, out):
 * Serve ${n} ${routes} (borrowed until http_close()) with ${ctx} for the
 * handlers.  In clear only on a loopback address.
 * Errors: INVAL (clear text elsewhere), BUSY (port in use), IO.
 */
enum err http_listen(const struct http_listen_opts *opts,
    const struct http_route *routes, size_t n, void *ctx,
    struct http_listener **out) must_check;

/**
 * http_port(l):
 * Return the port it listens on.
 */
uint16_t http_port(const struct http_listener *l);

/**
 * http_wake(l):
 * Call the handlers of all parked requests again.  Any thread; never blocks
 * on a handler.
 */
void http_wake(struct http_listener *l);

/**
 * http_close(l):
 * Stop accepting, answer what runs, answer parked requests by BUSY, free.
 * NULL is allowed.
 */
void http_close(struct http_listener *l);
DEFINE_CLEANUP(struct http_listener *, http_close);

/* ---- client: http/client.c ---- */

struct http_client_opts {
	const char *ca_file;    /* NULL: the system's */
	const char *pinned_key; /* "sha256//base64", NULL: none */
	int64_t connect_ms, timeout_ms;
};

struct http_client; /* a pool of connections; any thread */

/**
 * http_client_new(opts, out):
 * Make a client.  Only http:// and https:// are spoken, redirects are not
 * followed, TLS is 1.3 at least.
 */
enum err http_client_new(
    const struct http_client_opts *opts, struct http_client **out) must_check;

/**
 * http_client_free(c):
 * NULL is allowed.  No call may be running.
 */
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free);

struct http_call {
	const char *method, *url;
	const char *const
	    *headers; /* "Name: value", NULL-terminated, or NULL */
	const void *body;
	size_t body_len;
	size_t max_answer;  /* a longer one is TOOBIG */
	int64_t timeout_ms; /* 0: the client's */
	int64_t stall_s;    /* less than 4 KiB/s so long is TIMEOUT; 0: not */
	const volatile bool *cancel; /* NULL, or true ends the call */
};

struct http_answer {
	long status;
	struct buf body;
};

/**
 * http_answer_free(a):
 * Wipe and free what the answer holds.
 */
void http_answer_free(struct http_answer *a);
#define CLEANUP_ANSWER __attribute__((cleanup(http_answer_free), unused))

/**
 * http_do(c, call, out):
 * Do one call; any status is OK here.  ${out} starts zeroed.
 * Errors: UNREACHABLE, TIMEOUT, TOOBIG, FORGED (TLS or pin), INTERRUPTED
 * (cancelled), INVAL (url).
 */
enum err http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out) must_check;

/**
 * http_url_part(s, out):
 * Append ${s} percent-encoded as one path part or query value.
 */
void http_url_part(const char *s, struct buf *out);

#endif
