/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "node/node_internal.h"

#define SEQ_MAX  100
#define SIG_TEXT 88 /* longest text of 64 bytes */

enum shape { HEADER, WHOLE };

/* One answer with blocks. */
struct out {
	struct node *n;
	struct db_txn *t;
	struct http_reply *reply;
	enum shape shape;
};

static void
put_58(struct buf *b, const char *name, const void *p, size_t n)
{
	struct text58 t;

	buf_fmt(b, "\"%s\":\"%s\",", name, text58(p, n, &t));
}

static void
put_head(const struct out *o, const struct node_block *b)
{
	struct buf *out = &o->reply->body;
	const struct ledger_block *h = &b->head;
	uint8_t address[NODE_ADDRESS];

	seal_address(&h->generator, o->n->chain_byte, address);
	buf_fmt(out, "{\"version\":1,\"timestamp\":%lld,", (long long)h->time);
	put_58(out, "reference", h->reference.b, sizeof(h->reference.b));
	buf_str(out,
	    o->n->waves ? "\"nxt-consensus\":{\"base-target\":0,"
			  "\"generation-signature\":\"\"}," :
			  "\"poa-consensus\":{"
			  "\"overall-skipped-rounds\":0},");
	buf_str(out, "\"features\":[],");
	put_58(out, "generator", address, sizeof(address));
	put_58(
	    out, "generatorPublicKey", h->generator.b, sizeof(h->generator.b));
	put_58(out, "signature", h->id.b, sizeof(h->id.b));
	if (o->n->waves) {
		put_58(out, "id", h->id.b, sizeof(h->id.b));
		buf_str(out,
		    "\"totalFee\":0,\"reward\":0,"
		    "\"desiredReward\":-1,");
	}
	buf_fmt(out, "\"blocksize\":%u,\"transactionCount\":%u,\"fee\":0,",
	    b->size, b->count);
}

static enum err
put_block(const struct out *o, const struct node_block *b)
{
	struct buf *out = &o->reply->body;
	struct tx_id id;
	enum err e = ERR_OK;

	put_head(o, b);
	if (o->shape == WHOLE) {
		buf_str(out, "\"transactions\":[");
		for (uint32_t i = 0; e == ERR_OK && i < b->count; i++) {
			memcpy(id.b, b->ids + i * sizeof(id.b), sizeof(id.b));
			if (i > 0)
				buf_u8(out, ',');
			e = node_put_tx(o->n, o->t, &id, 0, out);
		}
		buf_str(out, "],");
	}
	buf_fmt(out, "\"height\":%llu}", (unsigned long long)b->head.height);
	return e;
}

/* ---- by height ---- */

static enum err
answer_at(const struct out *o, uint64_t height, const char *otherwise)
{
	struct node_block b;

	if (node_block_at(o->n, o->t, height, &b))
		return put_block(o, &b);
	if (o->t->err)
		return o->t->err;
	if (o->n->waves)
		return node_refuse(o->reply, 301, "block does not exist");
	return node_say(o->reply, 200, otherwise);
}

static enum err
get_at(const struct out *o, const struct http_request *req)
{
	uint64_t height;
	enum err e = node_read_int(req->seg[0], 1, &height);

	if (e)
		return node_refuse(
		    o->reply, 199, "Invalid parameter: %s", err_detail(e));
	return answer_at(o, height, "No block for this height");
}

static enum err
get_last(const struct out *o, const struct http_request *req)
{
	struct node_block b;

	(void)req;
	if (node_block_last(o->n, o->t, &b))
		return put_block(o, &b);
	return o->t->err ? o->t->err : ERR_CORRUPT;
}

static enum err
get_first(const struct out *o, const struct http_request *req)
{
	(void)req;
	return answer_at(o, 1, "No block for this height");
}

static enum err
too_big(const struct out *o)
{
	return node_refuse(o->reply, 10, "Too big sequences requested");
}

static bool
is_of(const struct out *o, const struct node_block *b, const char *generator)
{
	uint8_t address[NODE_ADDRESS];
	struct text58 t;

	seal_address(&b->head.generator, o->n->chain_byte, address);
	return strcmp(text58(address, sizeof(address), &t), generator) == 0;
}

/* Those of ${generator} only, unless it is NULL. */
static enum err
put_seq(const struct out *o, uint64_t from, uint64_t to, const char *generator)
{
	struct buf *out = &o->reply->body;
	struct node_block b;
	enum err e = ERR_OK;

	buf_u8(out, '[');
	for (uint64_t h = from; e == ERR_OK && h <= to; h++) {
		if (!node_block_at(o->n, o->t, h, &b))
			break;
		if (generator && !is_of(o, &b, generator))
			continue;
		if (out->len > 1)
			buf_u8(out, ',');
		e = put_block(o, &b);
		if (out->len > NODE_ANSWER_MAX)
			return too_big(o);
	}
	buf_u8(out, ']');
	return e ? e : o->t->err;
}

static enum err
read_interval(const char *const seg[2], uint64_t *from, uint64_t *to)
{
	enum err e = node_read_int(seg[0], 1, from);

	return e ? e : node_read_int(seg[1], 1, to);
}

static enum err
get_seq(const struct out *o, const struct http_request *req)
{
	uint64_t from, to;
	enum err e = read_interval(req->seg, &from, &to);

	if (e)
		return node_refuse(
		    o->reply, 199, "Invalid parameters: [%s]", err_detail(e));
	if (to < from)
		return node_refuse(o->reply, 199,
		    "Invalid interval: end '%llu' less than start '%llu'",
		    (unsigned long long)to, (unsigned long long)from);
	if (to - from >= SEQ_MAX)
		return too_big(o);
	return put_seq(o, from, to, NULL);
}

static enum err
get_seq_of(const struct out *o, const struct http_request *req)
{
	uint64_t from, to;
	enum err e = read_interval(req->seg + 1, &from, &to);

	if (e)
		return node_refuse(
		    o->reply, 199, "Invalid parameters: [%s]", err_detail(e));
	if (to < from || to - from >= SEQ_MAX)
		return too_big(o);
	return put_seq(o, from, to, req->seg[0]);
}

/* ---- by signature ---- */

enum err
node_find_block(struct node *n, struct db_txn *t, const char *text,
    struct http_reply *reply, uint64_t *out_height)
{
	struct sig id;

	*out_height = 0;
	if (strlen(text) > SIG_TEXT || !node_is_58(text))
		return node_refuse(reply, 101, "invalid signature");
	if (text58_read(text, id.b, sizeof(id.b)) == ERR_OK &&
	    node_block_find(n, t, &id, out_height))
		return ERR_OK;
	if (t->err)
		return t->err;
	return node_refuse(
	    reply, 301, "block with this signature does not exist");
}

static enum err
find(const struct out *o, const char *s, uint64_t *out_height)
{
	return node_find_block(o->n, o->t, s, o->reply, out_height);
}

static enum err
get_height_of(const struct out *o, const struct http_request *req)
{
	uint64_t height;
	enum err e = find(o, req->seg[0], &height);

	if (e || height == 0)
		return e;
	buf_fmt(
	    &o->reply->body, "{\"height\":%llu}", (unsigned long long)height);
	return ERR_OK;
}

static enum err
get_by_signature(const struct out *o, const struct http_request *req)
{
	uint64_t height;
	enum err e = find(o, req->seg[0], &height);

	return e || height == 0 ?
	    e :
	    answer_at(o, height, "No block for this height");
}

/* Public Waves only. */
static enum err
get_by_id(const struct out *o, const struct http_request *req)
{
	return o->n->waves ? get_by_signature(o, req) : node_no_route(o->reply);
}

static enum err
get_child(const struct out *o, const struct http_request *req)
{
	uint64_t height;
	enum err e = find(o, req->seg[0], &height);

	return e || height == 0 ? e :
				  answer_at(o, height + 1, "No child blocks");
}

static enum err
get_height(const struct out *o, const struct http_request *req)
{
	struct node_block b;

	(void)req;
	if (!node_block_last(o->n, o->t, &b))
		return o->t->err ? o->t->err : ERR_CORRUPT;
	buf_fmt(&o->reply->body, "{\"height\":%llu}",
	    (unsigned long long)b.head.height);
	return ERR_OK;
}

/* ---- the routes ---- */

static enum err
in_read(struct node *n, const struct http_request *req,
    struct http_reply *reply, enum shape shape,
    enum err (*fn)(const struct out *, const struct http_request *))
{
	CLEANUP_TXN struct db_txn t;
	struct out o = { n, &t, reply, shape };

	db_read(n->db, &t);
	return fn(&o, req);
}

#define ROUTE(name, shape, fn)                                                 \
	enum err name(void *ctx, const struct http_request *req,               \
	    struct http_reply *reply)                                          \
	{                                                                      \
		return in_read(ctx, req, reply, shape, fn);                    \
	}

ROUTE(node_get_height, HEADER, get_height)
ROUTE(node_get_height_of, HEADER, get_height_of)
ROUTE(node_get_header_at, HEADER, get_at)
ROUTE(node_get_header_last, HEADER, get_last)
ROUTE(node_get_header_seq, HEADER, get_seq)
ROUTE(node_get_block_at, WHOLE, get_at)
ROUTE(node_get_block_last, WHOLE, get_last)
ROUTE(node_get_block_first, WHOLE, get_first)
ROUTE(node_get_block, WHOLE, get_by_signature)
ROUTE(node_get_block_by_id, WHOLE, get_by_id)
ROUTE(node_get_header_by_id, HEADER, get_by_id)
ROUTE(node_get_block_child, WHOLE, get_child)
ROUTE(node_get_block_seq, WHOLE, get_seq)
ROUTE(node_get_blocks_of, WHOLE, get_seq_of)
