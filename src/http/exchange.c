/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "http/http_internal.h"

/* Of a body that turns out too long, so much is read over for the sake of a
 * proper answer; then the connection is dropped. */
#define READ_OVER (1 << 20)

void
http_exchange_drop(struct http_exchange *x)
{
	if (x == NULL)
		return;
	buf_free(&x->body);
	free(x->raw);
	free(x->work);
	free(x);
}

void *
http_exchange_new(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct http_exchange *x = calloc(1, sizeof(*x));
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(
	    conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	char *query;

	if (x == NULL)
		return NULL;
	x->l = cls;
	x->conn = conn;
	x->place = i ? i->socket_context : NULL;
	x->raw = strdup(uri);
	x->work = strdup(uri);
	if (x->raw == NULL || x->work == NULL) {
		http_exchange_drop(x);
		return NULL;
	}
	query = strchr(x->raw, '?');
	if (query)
		*query++ = '\0';
	x->req.path = x->raw;
	x->req.query = query ? query : "";
	x->req.impl = x;
	if (x->place)
		x->place->exchange = x;
	http_conn_waits(x, 0);
	return x;
}

static void
count_running(struct http_exchange *x, bool on)
{
	struct http_listener *l = x->l;

	if (x->counted == on)
		return;
	x->counted = on;
	(void)pthread_mutex_lock(&l->lock);
	l->running = on ? l->running + 1 : l->running - 1;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static enum err
call_handler(struct http_exchange *x, struct http_reply *reply)
{
	struct http_listener *l = x->l;

	err_clear(); /* no detail of another request may be told */
	if (x->refused)
		return err_say(x->refused, "%s", x->refused_why);
	if (atomic_load(&l->closing))
		return err_say(ERR_BUSY, "the service is stopping");
	if (x->route)
		return x->route->handler(l->ctx, &x->req, reply);
	return l->opts.fallback(l->ctx, &x->req, reply);
}

static enum MHD_Result
answer(struct http_exchange *x)
{
	count_running(x, true);
	http_conn_rests(x);
	for (;;) {
		unsigned wakes = atomic_load(&x->l->wakes);
		struct http_reply reply = { .status = 200, .fd = -1 };
		enum err e = call_handler(x, &reply);

		if (e || reply.park_until == 0)
			return http_send(x, e, &reply);
		http_reply_release(&reply);
		x->req.parked = true;
		if (http_park(x, reply.park_until, wakes))
			return MHD_YES;
	}
}

static size_t
max_body(const struct http_exchange *x)
{
	return x->route ? x->route->max_body : 0;
}

static void
too_big(struct http_exchange *x)
{
	buf_free(&x->body);
	if (x->refused || x->route == NULL)
		return;
	x->refused = ERR_TOOBIG;
	x->refused_status = MHD_HTTP_CONTENT_TOO_LARGE;
	x->refused_why = "the body is longer than allowed here";
}

/* The head of a request: a body that is announced too long is refused now. */
static enum MHD_Result
begin(struct http_exchange *x, const char *method)
{
	const char *length;

	x->begun = true;
	x->req.method = method;
	x->req.since_boot_ms = clock_boot_ms();
	http_route_find(x);
	length = http_header(&x->req, "Content-Length");
	if (length && strtoull(length, NULL, 10) > max_body(x)) {
		too_big(x);
		return answer(x);
	}
	return MHD_YES;
}

static enum MHD_Result
take_body(struct http_exchange *x, const char *data, size_t *size)
{
	x->passed += *size;
	http_conn_moves(x, *size);
	if (x->passed > max_body(x))
		too_big(x);
	else if (x->refused == ERR_OK)
		buf_put(&x->body, data, *size);
	*size = 0;
	return x->passed > max_body(x) + READ_OVER ? MHD_NO : MHD_YES;
}

enum MHD_Result
http_exchange_run(void *cls, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **con_cls)
{
	struct http_exchange *x = *con_cls;

	(void)cls, (void)conn, (void)url, (void)version;
	if (x == NULL)
		return MHD_NO;
	if (!x->begun)
		return begin(x, method);
	if (*size != 0)
		return take_body(x, data, size);
	if (x->body.err) {
		x->refused = x->body.err;
		x->refused_status = MHD_HTTP_SERVICE_UNAVAILABLE;
		x->refused_why = err_text(x->body.err);
	}
	x->req.body = x->body.p;
	x->req.body_len = x->body.len;
	return answer(x);
}

void
http_exchange_end(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
	struct http_exchange *x = *con_cls;

	(void)cls, (void)conn, (void)why;
	*con_cls = NULL;
	if (x == NULL)
		return;
	count_running(x, false);
	http_conn_waits(x, 0); /* for the next request */
	if (x->place)
		x->place->exchange = NULL;
	http_exchange_drop(x);
}
