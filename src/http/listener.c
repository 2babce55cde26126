/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "http/http_internal.h"

#define DRAIN_S        5 /* how long http_close() waits for running answers */
#define PEM_MAX        65536
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

enum { DEF_THREADS = 2, DEF_CONNECTIONS = 256, DEF_IDLE_S = 30 };

/* Where to listen. */
struct place {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
	bool loopback;
};

static enum err
read_place(const char *address, uint16_t port, struct place *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, address, &out->u.in4.sin_addr) == 1) {
		out->u.in4.sin_family = AF_INET;
		out->u.in4.sin_port = htons(port);
		out->len = sizeof(out->u.in4);
		out->loopback = ntohl(out->u.in4.sin_addr.s_addr) >> 24 ==
		    IN_LOOPBACKNET;
		return ERR_OK;
	}
	if (inet_pton(AF_INET6, address, &out->u.in6.sin6_addr) == 1) {
		out->u.in6.sin6_family = AF_INET6;
		out->u.in6.sin6_port = htons(port);
		out->len = sizeof(out->u.in6);
		out->loopback = IN6_IS_ADDR_LOOPBACK(&out->u.in6.sin6_addr);
		return ERR_OK;
	}
	return err_say(
	    ERR_INVAL, "'%s' is no IP address to listen on", address);
}

static enum err
open_socket(
    const struct http_listen_opts *o, const struct place *place, int *out)
{
	CLEANUP_FD int fd = -1;
	int on = 1;

	fd = socket(place->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return err_say(
		    ERR_IO, "cannot make a socket: %s", strerror(errno));
	if (bind(fd, &place->u.sa, place->len) != 0 || listen(fd, 128) != 0)
		return err_say(errno == EADDRINUSE ? ERR_BUSY : ERR_IO,
		    "cannot listen on %s port %u: %s", o->address, o->port,
		    strerror(errno));
	*out = fd;
	fd = -1;
	return ERR_OK;
}

static uint16_t
port_of(int fd)
{
	struct place p = { .len = sizeof(p.u) };

	if (getsockname(fd, &p.u.sa, &p.len) != 0)
		return 0;
	return ntohs(
	    p.u.sa.sa_family == AF_INET ? p.u.in4.sin_port : p.u.in6.sin6_port);
}

static void __attribute__((format(printf, 2, 0)))
library_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	(void)cls;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

static enum err
start_daemon(struct http_listener *l, int fd, const char *cert, const char *key)
{
	const struct http_listen_opts *o = &l->opts;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD |
	    MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		    (void *)(uintptr_t)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	if (cert)
		flags |= MHD_USE_TLS;
	l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http_exchange_run, l,
	    MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
	    o->threads, MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->max_per_address,
	    MHD_OPTION_CONNECTION_TIMEOUT, o->idle_s,
	    MHD_OPTION_URI_LOG_CALLBACK, http_exchange_new, l,
	    MHD_OPTION_NOTIFY_COMPLETED, http_exchange_end, l,
	    MHD_OPTION_NOTIFY_CONNECTION, http_conns_notify, l,
	    MHD_OPTION_ARRAY, cert ? tls : none, MHD_OPTION_END);
	if (l->daemon)
		return ERR_OK;
	return err_say(ERR_IO, "cannot start the listener%s",
	    cert ? "; check certificate and key" : "");
}

static enum err
start(struct http_listener *l)
{
	const struct http_listen_opts *o = &l->opts;
	CLEANUP_BUF struct buf cert = { 0 }, key = { 0 };
	CLEANUP_FD int fd = -1;
	struct place place;
	enum err e;

	if ((e = read_place(o->address, o->port, &place)))
		return e;
	if (!o->tls_cert != !o->tls_key)
		return err_say(ERR_INVAL,
		    "a certificate needs its key and a key its certificate");
	if (!o->tls_cert && !place.loopback)
		return err_say(ERR_INVAL,
		    "clear text only on a loopback "
		    "address, not on %s; give a certificate and a key",
		    o->address);
	if (o->tls_cert &&
	    ((e = file_read(o->tls_cert, PEM_MAX, &cert)) ||
		(e = file_read(o->tls_key, PEM_MAX, &key))))
		return e;
	if ((e = open_socket(o, &place, &fd)))
		return e;
	l->port = port_of(fd);
	e = start_daemon(
	    l, fd, o->tls_cert ? buf_text(&cert) : NULL, buf_text(&key));
	if (e == ERR_OK)
		fd = -1; /* the daemon's now */
	return e;
}

static void
set_defaults(struct http_listen_opts *o)
{
	if (o->threads == 0)
		o->threads = DEF_THREADS;
	if (o->max_connections == 0)
		o->max_connections = DEF_CONNECTIONS;
	if (o->max_connections < o->threads)
		o->max_connections = o->threads;
	if (o->idle_s == 0)
		o->idle_s = DEF_IDLE_S;
}

static void
init_locks(struct http_listener *l)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&l->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
}

enum err
http_listen(const struct http_listen_opts *opts,
    const struct http_route *routes, size_t n, void *ctx,
    struct http_listener **out)
{
	CLEANUP(http_close) struct http_listener *l = NULL;
	enum err e;

	http_init();
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	init_locks(l);
	l->opts = *opts;
	set_defaults(&l->opts);
	l->routes = routes;
	l->nroutes = n;
	l->ctx = ctx;
	if ((e = start(l)))
		return e;
	if (pthread_create(&l->ticker, NULL, http_park_ticker, l) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	l->ticking = true;
	*out = TAKE(l);
	return ERR_OK;
}

uint16_t
http_port(const struct http_listener *l)
{
	return l->port;
}

/* Parked and running requests get their answers before the daemon stops. */
static void
drain(struct http_listener *l)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DRAIN_S;
	(void)pthread_mutex_lock(&l->lock);
	while (l->running > 0 &&
	    pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
		;
	(void)pthread_mutex_unlock(&l->lock);
}

/*
 * It listens until the end; who comes meanwhile is told that the service is
 * stopping.  MHD_quiesce_daemon() and the threads of the pool both take the
 * socket out of the epoll set, and who is second aborts the process.
 */
void
http_close(struct http_listener *l)
{
	if (l == NULL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	atomic_store(&l->closing, true);
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	if (l->daemon) {
		http_wake(l);
		drain(l);
		MHD_stop_daemon(l->daemon);
	}
	if (l->ticking)
		(void)pthread_join(l->ticker, NULL);
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}
