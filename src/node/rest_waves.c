/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node/node_internal.h"

/* Routes that only nodes of public Waves have: lists of things by name. */

typedef enum err lister(
    struct node *n, struct db_txn *t, const char *name, struct buf *out);

/* [...] of what each argument ${name} names. */
static enum err
list(struct node *n, const struct http_request *req, const char *name,
    lister *fn, struct buf *out)
{
	CLEANUP_TXN struct db_txn t;
	const char *s;
	enum err e = ERR_OK;

	db_read(n->db, &t);
	buf_u8(out, '[');
	for (size_t i = 0; (s = http_query_nth(req, name, i)); i++) {
		if (i > 0)
			buf_u8(out, ',');
		e = fn(n, &t, s, out);
		if (e || t.err)
			return e ? e : t.err;
	}
	buf_u8(out, ']');
	return out->err;
}

static enum err
put_status(struct node *n, struct db_txn *t, const char *s, struct buf *out)
{
	struct node_place place = { 0 };
	struct node_block last;
	struct text58 text;
	struct tx_id id;
	bool whole;

	if (node_read_id(s, &id, &whole) || !whole)
		return ERR_FORMAT;
	buf_fmt(out, "{\"id\":\"%s\",", text58(id.b, sizeof(id.b), &text));
	if (!node_place_get(n, t, &id, &place))
		buf_str(out, "\"status\":\"not_found\",\"confirmations\":0}");
	else if (place.height == 0)
		buf_str(out, "\"status\":\"unconfirmed\",\"confirmations\":0}");
	else if (node_block_last(n, t, &last))
		buf_fmt(out,
		    "\"status\":\"confirmed\",\"height\":%llu,"
		    "\"confirmations\":%llu,"
		    "\"applicationStatus\":\"succeeded\"}",
		    (unsigned long long)place.height,
		    (unsigned long long)(last.head.height - place.height));
	return ERR_OK;
}

static enum err
put_info(struct node *n, struct db_txn *t, const char *s, struct buf *out)
{
	struct node_place place;
	struct tx_id id;
	bool whole;

	if (node_read_id(s, &id, &whole))
		return ERR_FORMAT;
	if (!whole || !node_place_get(n, t, &id, &place) || place.height == 0)
		return ERR_NOTFOUND;
	return node_put_tx(n, t, &id, place.height, out);
}

static enum err
answer(struct node *n, const struct http_request *req, lister *fn,
    struct http_reply *reply)
{
	enum err e = list(n, req, "id", fn, &reply->body);

	if (e == ERR_FORMAT)
		return node_refuse(reply, 116, "Request contains invalid IDs.");
	return e == ERR_NOTFOUND ? node_no_tx(n, reply) : e;
}

enum err
node_get_tx_status(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;

	return n->waves ? answer(n, req, put_status, reply) :
			  node_no_route(reply);
}

enum err
node_get_txs(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;

	return n->waves ? answer(n, req, put_info, reply) :
			  node_get_no_tx(ctx, req, reply);
}
