/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"
#include "node/node_internal.h"

/* Say whether the request shows the API key; without one nobody can. */
static bool
is_operator(const struct node *n, const struct http_request *req)
{
	const char *key = http_header(req, "X-API-Key");
	uint8_t hash[32];

	if (!n->has_api_key || key == NULL)
		return false;
	seal_secure_hash(key, strlen(key), hash);
	return secret_equal(hash, n->api_key, sizeof(hash));
}

static enum err
no_key(struct http_reply *reply)
{
	return node_refuse(reply, 2, "Provided API key is not correct");
}

static enum err
not_found(struct http_reply *reply)
{
	reply->status = 400;
	reply->type = "text/plain; charset=UTF-8";
	buf_str(&reply->body, "Block at height not found");
	return ERR_OK;
}

static enum err
roll_back(struct node *n, uint64_t height, bool keep, struct http_reply *reply)
{
	struct node_block last;
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e = node_rollback(n, height, keep);

	if (e == ERR_NOTFOUND)
		return not_found(reply);
	if (e == ERR_TOOBIG)
		return node_refuse(reply, 199, "%s", err_detail(e));
	if (e)
		return e;
	db_read(n->db, &t);
	if (!node_block_at(n, &t, height, &last))
		return t.err ? t.err : ERR_CORRUPT;
	return http_reply_json(reply, 200,
	    json_pack("{s:o}", "BlockId", JS_58_NEW(&last.head.id)));
}

enum err
node_post_rollback(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *j = NULL;
	const json_t *keep;
	struct js r;
	int64_t height;
	enum err e;

	if (!is_operator(ctx, req))
		return no_key(reply);
	e = node_read_body(req, reply, &j);
	if (e || j == NULL)
		return e;
	keep = json_object_get(j, "returnTransactionsToUtx");
	js_init(&r, j);
	height = js_int(&r, "rollbackTo", INT32_MIN, INT32_MAX);
	if (r.err || !json_is_boolean(keep))
		return node_refuse(reply, 1, " ");
	return roll_back(
	    ctx, height > 0 ? (uint64_t)height : 0, json_is_true(keep), reply);
}

enum err
node_delete_rollback(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node *n = ctx;
	uint64_t height;
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e;

	if (!is_operator(n, req))
		return no_key(reply);
	db_read(n->db, &t);
	e = node_find_block(n, &t, req->seg[0], reply, &height);
	db_abort(&t);
	return e || height == 0 ? e : roll_back(n, height, false, reply);
}
