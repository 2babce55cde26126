/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "node/node_internal.h"

struct data_walk {
	struct buf *out;
	const uint8_t *address;
	uint64_t offset, limit, seen, count;
	bool too_big;
};

static bool
data_row(void *ctx, struct db_val key, struct db_val value)
{
	struct data_walk *w = ctx;

	if (key.n < NODE_ADDRESS ||
	    memcmp(key.p, w->address, NODE_ADDRESS) != 0 ||
	    w->count == w->limit)
		return false;
	if (w->seen++ < w->offset)
		return true;
	if (w->count++ > 0)
		buf_u8(w->out, ',');
	buf_put(w->out, value.p, value.n);
	w->too_big = w->out->len > NODE_ANSWER_MAX;
	return !w->too_big;
}

/* An absent argument leaves ${out} as it is. */
static enum err
number_argument(
    const struct http_request *req, const char *name, int min, uint64_t *out)
{
	const char *s = http_query(req, name);

	return s ? node_read_int(s, min, out) : ERR_OK;
}

static bool
find_data(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const char *name,
    struct db_val *out)
{
	CLEANUP_BUF struct buf key = { 0 };

	if (strlen(name) > LEDGER_MAX_KEY)
		return false;
	buf_put(&key, address, NODE_ADDRESS);
	buf_str(&key, name);
	return key.err == ERR_OK &&
	    db_get(t, n->t.data, (struct db_val){ key.p, key.len }, out);
}

/* Those that the arguments "key" name; public Waves only. */
static enum err
some_data(struct node *n, struct db_txn *t,
    const uint8_t address[static NODE_ADDRESS], const struct http_request *req,
    struct http_reply *reply)
{
	struct buf *out = &reply->body;
	const char *name;
	struct db_val v;

	buf_u8(out, '[');
	for (size_t i = 0; (name = http_query_nth(req, "key", i)); i++) {
		if (!find_data(n, t, address, name, &v))
			continue;
		if (out->len > 1)
			buf_u8(out, ',');
		buf_put(out, v.p, v.n);
	}
	buf_u8(out, ']');
	return t->err;
}

enum err
node_get_data(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	uint8_t address[NODE_ADDRESS];
	struct data_walk w = {
		.out = &reply->body, .address = address, .limit = UINT64_MAX
	};
	CLEANUP_TXN struct db_txn t;
	enum err e;

	db_read(n->db, &t);
	if ((e = number_argument(req, "offset", 0, &w.offset)) ||
	    (e = number_argument(req, "limit", 1, &w.limit)))
		return node_refuse(
		    reply, 199, "Invalid parameters: [%s]", err_detail(e));
	if ((e = node_read_address(n, req->seg[0], address)))
		return node_bad_address(reply, e);
	if (n->waves && http_query(req, "matches"))
		return node_refuse(reply, 199,
		    "the embedded node does not search by patterns");
	if (n->waves && http_query(req, "key"))
		return some_data(n, &t, address, req, reply);
	buf_u8(&reply->body, '[');
	db_walk(&t, n->t.data, DB_VAL(&address), data_row, &w);
	buf_u8(&reply->body, ']');
	if (w.too_big)
		return node_refuse(reply, 10, "Too big sequences requested");
	return t.err;
}

enum err
node_get_data_key(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	uint8_t address[NODE_ADDRESS];
	struct db_val v;
	CLEANUP_TXN struct db_txn t;
	enum err e;

	db_read(n->db, &t);
	if ((e = node_read_address(n, req->seg[0], address)))
		return node_bad_address(reply, e);
	if (find_data(n, &t, address, req->seg[1], &v)) {
		buf_put(&reply->body, v.p, v.n);
		return ERR_OK;
	}
	if (t.err)
		return t.err;
	return node_refuse(reply, 304, "no data for this key");
}
