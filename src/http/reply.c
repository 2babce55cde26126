/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <unistd.h>

#include "base/log.h"
#include "http/http_internal.h"

enum err
http_reply_json(struct http_reply *r, unsigned status, json_t *json)
{
	if (json == NULL)
		return ERR_NOMEM;
	r->status = status;
	r->body.len = 0;
	js_print(json, &r->body);
	json_decref(json);
	return r->body.err;
}

void
http_reply_park(struct http_reply *r, int64_t until_boot_ms)
{
	/* 0 means "not parked" */
	r->park_until = until_boot_ms > 0 ? until_boot_ms : 1;
}

void
http_reply_release(struct http_reply *r)
{
	buf_free(&r->body);
	if (r->fd >= 0)
		(void)close(r->fd);
	r->fd = -1;
}

/*
 * The detail of an error that the caller can act on is told; what concerns
 * our own disk, or why somebody is not let in, is not.
 */
static const char *
public_detail(enum err e)
{
	bool tell = e < ERR_UNAUTH && e != ERR_IO && e != ERR_NOSPACE &&
	    e != ERR_NOMEM;

	if (e == ERR_FORMAT || e == ERR_PENDING)
		tell = true;
	return tell ? err_detail(e) : err_text(e);
}

/* In our own words. */
static enum err
plain_refuse(void *ctx, enum err e, struct http_reply *r)
{
	(void)ctx;
	return http_reply_json(r, r->status,
	    json_pack("{s:i, s:s, s:s}", "code", (int)e, "name", err_name(e),
		"detail", public_detail(e)));
}

static void
error_reply(const struct http_exchange *x, enum err e, struct http_reply *r)
{
	const struct http_listen_opts *o = &x->l->opts;

	r->status = e == x->refused ? x->refused_status : 0;
	if (r->status == 0)
		r->status = (unsigned)err_http(e);
	if (r->status == MHD_HTTP_INTERNAL_SERVER_ERROR || e == ERR_NOSPACE)
		log_error("http: a request failed: %s", err_detail(e));
	if ((o->refuse ? o->refuse : plain_refuse)(x->l->ctx, e, r) == ERR_OK)
		return;
	http_reply_release(r);
	r->body = (struct buf){ 0 };
	r->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void
free_body(void *cls)
{
	struct buf *b = cls;

	buf_free(b);
	free(b);
}

/* The response takes over the body or descriptor of ${r}, or NULL. */
static struct MHD_Response *
make_response(struct http_reply *r)
{
	struct MHD_Response *res;
	struct buf *b;

	if (r->fd >= 0) {
		res = MHD_create_response_from_fd_at_offset64(
		    r->length, r->fd, r->offset);
		if (res)
			r->fd = -1;
		return res;
	}
	b = malloc(sizeof(*b));
	if (b == NULL)
		return NULL;
	*b = r->body;
	res = MHD_create_response_from_buffer_with_free_callback_cls(
	    b->len, b->p, free_body, b);
	if (res)
		r->body = (struct buf){ 0 };
	else
		free(b);
	return res;
}

static bool
add_headers(struct MHD_Response *res, const struct http_reply *r, bool last)
{
	bool has_body = r->type != NULL || r->status != MHD_HTTP_NO_CONTENT;

	if (last &&
	    MHD_add_response_header(res, "Connection", "close") != MHD_YES)
		return false;
	if (has_body &&
	    MHD_add_response_header(res, "Content-Type",
		r->type ? r->type : "application/json") != MHD_YES)
		return false;
	return MHD_add_response_header(res, "Cache-Control", "no-store") ==
	    MHD_YES &&
	    MHD_add_response_header(res, "X-Content-Type-Options", "nosniff") ==
	    MHD_YES;
}

enum MHD_Result
http_send(struct http_exchange *x, enum err e, struct http_reply *r)
{
	enum MHD_Result sent = MHD_NO;
	struct MHD_Response *res;

	if (e == ERR_OK)
		e = r->body.err;
	if (e) {
		http_reply_release(r);
		*r = (struct http_reply){ .fd = -1 };
		error_reply(x, e, r);
	}
	http_conn_waits(x, r->fd >= 0 ? r->length : r->body.len);
	res = make_response(r);
	if (res && add_headers(res, r, atomic_load(&x->l->closing)))
		sent = MHD_queue_response(x->conn, r->status, res);
	if (res)
		MHD_destroy_response(res);
	http_reply_release(r);
	return sent;
}
