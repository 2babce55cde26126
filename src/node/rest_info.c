/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "node/node_internal.h"

#define VERSION     "consentfs " PACKAGE_VERSION
#define WAIT_MAX_MS 25000

static json_t *
number(int64_t v)
{
	return json_integer((json_int_t)v);
}

static enum err
last_block(struct node *n, struct node_block *out, uint64_t *out_pool)
{
	CLEANUP_TXN struct db_txn t;

	db_read(n->db, &t);
	*out_pool = db_count(&t, n->t.pool);
	if (!node_block_last(n, &t, out) && t.err == ERR_OK)
		return ERR_CORRUPT;
	out->ids = NULL; /* ends with the transaction */
	return t.err;
}

enum err
node_get_version(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	return http_reply_json(
	    reply, 200, json_pack("{s:s}", "version", VERSION));
}

enum err
node_get_status(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct node_block last;
	char date[CLOCK_TEXT];
	uint64_t pool;
	enum err e = last_block(ctx, &last, &pool);

	(void)req;
	if (e)
		return e;
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:o, s:o, s:s, s:o}", "blockchainHeight",
		number((int64_t)last.head.height), "stateHeight",
		number((int64_t)last.head.height), "updatedTimestamp",
		number(last.head.time), "updatedDate",
		clock_text(last.head.time, date), "lastCheckTimestamp",
		number(clock_wall_ms())));
}

enum err
node_get_config(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	const struct node *n = ctx;

	(void)req;
	return http_reply_json(reply, 200,
	    json_pack("{s:s, s:s, s:s#, s:s, s:{s:i}, s:{s:i}, s:i, s:i, s:o,"
		      " s:s, s:[], s:b, s:{s:o, s:i}}",
		"version", VERSION, "cryptoType", "WAVES", "chainId",
		&n->chain_byte, 1, "consensus", "POA", "minimumFee", "12", 0,
		"additionalFee", "12", 0, "maxTransactionsInMicroBlock", 1000,
		"minMicroBlockAge", 0, "microBlockInterval", number(n->gap_ms),
		"pkiMode", "OFF", "requiredOids", "crlChecksEnabled", 0,
		"blockTiming", "roundDuration", number(n->heartbeat_ms),
		"syncDuration", 0));
}

enum err
node_get_owner(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	const struct node *n = ctx;
	const struct pubkey *key = seal_identity_key(n->identity);
	uint8_t address[NODE_ADDRESS];

	(void)req;
	seal_address(key, n->chain_byte, address);
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:o}", "address",
		js_58_new(address, sizeof(address)), "publicKey",
		JS_58_NEW(key)));
}

enum err
node_get_time(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	int64_t now = clock_wall_ms();

	(void)ctx, (void)req;
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:o}", "system", number(now), "NTP", number(now)));
}

static int64_t
read_long(const char *s, int64_t otherwise)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	if (digits == 0 || digits > 18 || s[digits] != '\0')
		return otherwise;
	return strtoll(s, NULL, 10);
}

/* Everybody may send, nobody is banned; there are no roles to give. */
enum err
node_get_permissions(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	uint8_t address[NODE_ADDRESS];
	enum err e = node_read_address(ctx, req->seg[0], address);
	int64_t at;

	if (e)
		return node_bad_address(reply, e);
	at = read_long(req->nseg > 1 ? req->seg[1] : NULL, clock_wall_ms());
	return http_reply_json(reply, 200,
	    json_pack("{s:[], s:o}", "roles", "timestamp", number(at)));
}

static uint64_t
argument(const struct http_request *req, const char *name, uint64_t absent)
{
	return (uint64_t)read_long(http_query(req, name), (int64_t)absent);
}

enum err
node_get_wait(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	uint64_t height = argument(req, "height", 0);
	uint64_t ms = argument(req, "ms", WAIT_MAX_MS);
	int64_t until = req->since_boot_ms +
	    (int64_t)(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
	struct node_block last;
	uint64_t pool;
	enum err e = last_block(ctx, &last, &pool);

	if (e)
		return e;
	if (last.head.height <= height && clock_boot_ms() < until) {
		http_reply_park(reply, until);
		return ERR_OK;
	}
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:o}", "height", number((int64_t)last.head.height),
		"unconfirmed", number((int64_t)pool)));
}
