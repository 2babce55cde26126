/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the listener share.  An exchange is one request from its
 * first line to its last byte of answer; it belongs to the one thread of the
 * pool that has its connection.  Lock order: http_listener.lock, then what
 * libmicrohttpd locks itself.
 */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/http.h"

#define HTTP_MAX_PARTS 16
#define HTTP_MAX_ARGS  16

struct http_arg {
	const char *name, *value;
};

/* A connection, from accept to close; all of it under the listener's lock. */
struct http_conn {
	struct http_conn *prev, *next;
	int fd;
	bool cut;
	int64_t since;  /* we wait for the peer since then; 0: it for us */
	uint64_t moved; /* bytes, since then */
	struct http_exchange *exchange; /* its thread's: not ended yet */
};

struct http_exchange {
	struct http_listener *l;
	struct MHD_Connection *conn;
	struct http_conn *place; /* NULL: there was no memory for it */
	char *raw;               /* the request target as sent, cut at '?' */
	char *work; /* the same, taken apart and decoded in place */
	struct http_request req;
	const struct http_route *route; /* NULL: the fallback's */
	enum err refused;               /* answer this instead of a handler's */
	unsigned refused_status;
	const char *refused_why;
	struct http_arg args[HTTP_MAX_ARGS];
	size_t nargs;
	struct buf body;
	bool begun;
	bool counted;                      /* in l->running */
	uint64_t passed;                   /* body bytes seen, kept or not */
	bool parked;                       /* l->lock: in l's list */
	struct http_exchange *prev, *next; /* l->lock */
	int64_t until;                     /* l->lock */
};

struct http_listener {
	struct MHD_Daemon *daemon;
	struct http_listen_opts opts;
	const struct http_route *routes;
	size_t nroutes;
	void *ctx;
	uint16_t port;
	atomic_bool closing;
	atomic_uint wakes; /* grows by each http_wake() */
	pthread_mutex_t lock;
	pthread_cond_t changed;       /* list, running or closing */
	struct http_exchange *parked; /* lock */
	size_t running;               /* lock: requests being answered */
	struct http_conn *conns;      /* lock */
	unsigned nconns;              /* lock */
	unsigned dying;               /* lock: of them, cut off already */
	unsigned cut;                 /* lock: not told to the operator yet */
	int64_t say_at;               /* lock: not before */
	pthread_t ticker;
	bool ticking;
};

/**
 * http_init():
 * Once per process: libcurl, and a peer that hangs up is an error, no signal.
 */
void http_init(void);

/**
 * http_exchange_new(cls, uri, conn):
 * Begin an exchange for libmicrohttpd; NULL without memory.
 */
void *http_exchange_new(
    void *cls, const char *uri, struct MHD_Connection *conn);

/**
 * http_exchange_run(cls, conn, url, method, version, data, size, con_cls):
 * Take body bytes or, at the end, have the request answered.
 */
enum MHD_Result http_exchange_run(void *cls, struct MHD_Connection *conn,
    const char *url, const char *method, const char *version, const char *data,
    size_t *size, void **con_cls);

/**
 * http_exchange_end(cls, conn, con_cls, why):
 * End and free the exchange.
 */
void http_exchange_end(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why);

/**
 * http_exchange_drop(x):
 * Free an exchange whose head never came to its end: libmicrohttpd tells of
 * the end only what a handler has heard of.
 */
void http_exchange_drop(struct http_exchange *x);

/**
 * http_conns_notify(cls, conn, ctx, what):
 * A connection of listener ${cls} begins or ends.
 */
void http_conns_notify(void *cls, struct MHD_Connection *conn, void **ctx,
    enum MHD_ConnectionNotificationCode what);

/**
 * http_conns_tick_locked(l):
 * Cut off the connections that keep us waiting for too long; return how many
 * were cut off that the operator is to be told of now.
 */
unsigned http_conns_tick_locked(struct http_listener *l);

/**
 * http_conn_waits(x, moved):
 * From now on we wait for the peer of ${x}: for bytes of its request, or for
 * the ${moved} bytes of its answer to be taken.
 */
void http_conn_waits(struct http_exchange *x, uint64_t moved);

/**
 * http_conn_moves(x, n):
 * ${n} more bytes came.
 */
void http_conn_moves(struct http_exchange *x, uint64_t n);

/**
 * http_conn_rests(x):
 * From now on the peer waits for us.
 */
void http_conn_rests(struct http_exchange *x);

/**
 * http_route_find(x):
 * Take the target apart, find the route of ${x} and decode its parts; what
 * cannot be served is left in x->refused.
 */
void http_route_find(struct http_exchange *x);

/**
 * http_park(x, until, wakes):
 * Suspend the connection of ${x} and return true, or return false if somebody
 * woke the listener since it had counted ${wakes}, or it is closing.
 */
bool http_park(struct http_exchange *x, int64_t until, unsigned wakes);

/**
 * http_park_ticker(l):
 * Thread: resumes parked requests whose time has come.
 */
void *http_park_ticker(void *l);

/**
 * http_send(x, e, reply):
 * Answer ${reply}, or the error ${e}; ${reply} is released.
 */
enum MHD_Result http_send(
    struct http_exchange *x, enum err e, struct http_reply *reply);

/**
 * http_reply_release(reply):
 * Free what ${reply} holds.
 */
void http_reply_release(struct http_reply *reply);

#endif
