/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node/node_internal.h"

/*
 * Routes of accounts.  There is no money in this network: a balance is 0 and
 * so is every fee; or, as public Waves wants fees, a balance never ends.
 */
static json_t *
balance(const struct node *n)
{
	return json_integer(n->waves ? 10000000000000000 : 0);
}

static json_t *
address_json(const struct node *n, const struct pubkey *key)
{
	uint8_t address[NODE_ADDRESS];

	seal_address(key, n->chain_byte, address);
	return js_58_new(address, sizeof(address));
}

enum err
node_get_addresses(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	const struct node *n = ctx;

	(void)req;
	return http_reply_json(reply, 200,
	    json_pack("[o]", address_json(n, seal_identity_key(n->identity))));
}

/* Of an address, ${values} behind it; takes them. */
static enum err
answer_balance(const struct node *n, const struct http_request *req,
    struct http_reply *reply, json_t *values)
{
	CLEANUP_JS json_t *rest = values, *j = NULL;
	uint8_t address[NODE_ADDRESS];
	enum err e = node_read_address(n, req->seg[0], address);

	if (e)
		return node_bad_address(reply, e);
	j = json_pack("{s:o}", "address", js_58_new(address, sizeof(address)));
	if (json_object_update(j, rest) != 0)
		return ERR_NOMEM;
	return http_reply_json(reply, 200, TAKE(j));
}

enum err
node_get_balance(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	return answer_balance(ctx, req, reply,
	    json_pack(
		"{s:i, s:o}", "confirmations", 0, "balance", balance(ctx)));
}

enum err
node_get_balances(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	return answer_balance(ctx, req, reply,
	    json_pack("{s:o, s:i, s:o, s:o}", "regular", balance(ctx),
		"generating", 0, "available", balance(ctx), "effective",
		balance(ctx)));
}

enum err
node_get_address_of(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct pubkey key;

	if (text58_read(req->seg[0], key.b, sizeof(key.b)) != ERR_OK)
		return node_refuse(reply, 108,
		    "invalid public key: Can't create public key from string "
		    "'%.100s'",
		    req->seg[0]);
	return http_reply_json(
	    reply, 200, json_pack("{s:o}", "address", address_json(ctx, &key)));
}

enum err
node_get_validity(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	uint8_t address[NODE_ADDRESS];
	const struct node *n = ctx;
	enum err e = node_read_address(n, req->seg[0], address);

	if (n->waves && (e == ERR_OK || e == ERR_FORMAT))
		return http_reply_json(reply, 200,
		    json_pack("{s:o, s:b}", "address",
			json_string(e ? "" : req->seg[0]), "valid",
			e == ERR_OK));
	if (e)
		return node_refuse(reply, 199,
		    "Invalid address or alias: InvalidAddress(%s)",
		    err_detail(e));
	return http_reply_json(reply, 200,
	    json_pack("{s:s, s:b}", "addressOrAlias", req->seg[0], "valid", 1));
}
