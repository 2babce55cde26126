/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "node/node_internal.h"

#define ADDRESS_LIMIT 10000

enum err
node_no_tx(const struct node *n, struct http_reply *reply)
{
	if (n->waves)
		return node_refuse(reply, 311, "transactions does not exist");
	return node_say(reply, 404, "Transaction is not in blockchain");
}

enum err
node_read_id(const char *s, struct tx_id *out, bool *out_whole)
{
	*out_whole = text58_read(s, out->b, sizeof(out->b)) == ERR_OK;
	return node_is_58(s) ? ERR_OK : ERR_FORMAT;
}

enum err
node_get_no_tx(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	return node_refuse(reply, 101, "invalid signature");
}

enum err
node_get_tx(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	struct node_place place;
	struct tx_id id;
	bool whole;
	CLEANUP_TXN struct db_txn t;

	db_read(n->db, &t);
	if (node_read_id(req->seg[0], &id, &whole) != ERR_OK)
		return node_refuse(reply, 101, "invalid signature");
	if (whole && node_place_get(n, &t, &id, &place) && place.height)
		return node_put_tx(n, &t, &id, place.height, &reply->body);
	return t.err ? t.err : node_no_tx(n, reply);
}

enum err
node_get_pool_tx(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	struct node_place place;
	struct tx_id id;
	bool whole;
	CLEANUP_TXN struct db_txn t;

	db_read(n->db, &t);
	if (node_read_id(req->seg[0], &id, &whole) != ERR_OK)
		return node_refuse(reply, 101, "invalid signature");
	if (whole && node_place_get(n, &t, &id, &place) && !place.height)
		return node_put_tx(n, &t, &id, 0, &reply->body);
	if (t.err)
		return t.err;
	return n->waves ? node_no_tx(n, reply) :
			  node_say(reply, 404, "Transaction is not in UTX");
}

/* ---- the pool ---- */

struct pool_walk {
	struct node *n;
	struct db_txn *t;
	struct buf *out; /* NULL: only count */
	uint64_t count, bytes;
	enum err err;
};

static bool
pool_row(void *ctx, struct db_val key, struct db_val value)
{
	struct pool_walk *w = ctx;
	struct node_pool_row row;

	w->err = node_pool_read(key, value, &row);
	if (w->err)
		return false;
	w->bytes += row.full;
	if (w->count++ > 0 && w->out)
		buf_u8(w->out, ',');
	if (w->out)
		w->err = node_put_tx(w->n, w->t, &row.id, 0, w->out);
	return w->err == ERR_OK;
}

static enum err
walk_pool(struct pool_walk *w)
{
	db_walk(w->t, w->n->t.pool, (struct db_val){ NULL, 0 }, pool_row, w);
	return w->err ? w->err : w->t->err;
}

enum err
node_get_pool(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_TXN struct db_txn t;
	struct pool_walk w = { ctx, &t, &reply->body, 0, 0, ERR_OK };
	enum err e;

	(void)req;
	db_read(w.n->db, &t);
	buf_u8(&reply->body, '[');
	e = walk_pool(&w);
	buf_u8(&reply->body, ']');
	return e;
}

enum err
node_get_pool_size(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_TXN struct db_txn t;
	struct pool_walk w = { ctx, &t, NULL, 0, 0, ERR_OK };
	enum err e;

	(void)req;
	db_read(w.n->db, &t);
	e = walk_pool(&w);
	if (e)
		return e;
	return http_reply_json(reply, 200,
	    json_pack("{s:I, s:I}", "size", (json_int_t)w.count, "sizeInBytes",
		(json_int_t)w.bytes));
}

/* ---- an address's transactions, newest first ---- */

struct address_walk {
	struct node *n;
	struct db_txn *t;
	struct buf *out;
	const uint8_t *address;
	const struct node_address_key *after; /* NULL, or left out */
	uint64_t limit, count;
	bool too_big;
	enum err err;
};

static bool
address_row(void *ctx, struct db_val key, struct db_val value)
{
	struct address_walk *w = ctx;
	struct node_place place;
	struct tx_id id;

	if (key.n != sizeof(struct node_address_key) ||
	    memcmp(key.p, w->address, NODE_ADDRESS) != 0 ||
	    w->count == w->limit)
		return false;
	if (w->after && memcmp(key.p, w->after->b, key.n) == 0)
		return true;
	if (value.n != sizeof(id)) {
		w->err = ERR_CORRUPT;
		return false;
	}
	memcpy(id.b, value.p, sizeof(id.b));
	if (!node_place_get(w->n, w->t, &id, &place))
		w->err = w->t->err ? w->t->err : ERR_CORRUPT;
	if (w->count++ > 0)
		buf_u8(w->out, ',');
	if (w->err == ERR_OK)
		w->err = node_put_tx(w->n, w->t, &id, place.height, w->out);
	w->too_big = w->out->len > NODE_ANSWER_MAX;
	return w->err == ERR_OK && !w->too_big;
}

static enum err
list_address(struct address_walk *w, struct http_reply *reply)
{
	const struct node_place newest = { UINT64_MAX, UINT32_MAX };
	struct node_address_key from;

	node_address_key(w->address, &newest, &from);
	if (w->after)
		from = *w->after;
	buf_str(w->out, "[[");
	db_walk(w->t, w->n->t.address, DB_VAL(&from), address_row, w);
	buf_str(w->out, "]]");
	if (w->err || w->t->err)
		return w->err ? w->err : w->t->err;
	if (w->too_big)
		return node_refuse(reply, 10, "Too big sequences requested");
	return ERR_OK;
}

enum err
node_get_address_txs(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	uint8_t address[NODE_ADDRESS];
	const char *after = http_query(req, "after");
	struct node_address_key last;
	struct node_place place;
	struct tx_id id;
	bool whole;
	CLEANUP_TXN struct db_txn t;
	struct address_walk w = {
		.n = n, .t = &t, .out = &reply->body, .address = address
	};
	enum err e;

	db_read(n->db, &t);
	if ((e = node_read_address(n, req->seg[0], address)))
		return node_bad_address(reply, e);
	if (node_read_int(req->seg[1], 0, &w.limit) != ERR_OK)
		return node_refuse(reply, 199, "invalid.limit");
	if (w.limit > ADDRESS_LIMIT)
		return node_refuse(reply, 10, "Too big sequences requested");
	if (after == NULL)
		return list_address(&w, reply);
	if (node_read_id(after, &id, &whole) != ERR_OK)
		return node_refuse(
		    reply, 199, "Unable to decode transaction id");
	if (!whole || !node_place_get(n, &t, &id, &place) || !place.height)
		return t.err ? t.err : node_no_tx(n, reply);
	node_address_key(address, &place, &last);
	w.after = &last;
	return list_address(&w, reply);
}
