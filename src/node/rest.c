/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/node_internal.h"

#define BODY_MAX (3 << 20)

static const struct http_route routes[] = {
	{ "GET", "/node/version", 0, node_get_version },
	{ "GET", "/node/status", 0, node_get_status },
	{ "GET", "/node/config", 0, node_get_config },
	{ "GET", "/node/owner", 0, node_get_owner },
	{ "GET", "/utils/time", 0, node_get_time },
	{ "GET", "/permissions/{}", 0, node_get_permissions },
	{ "GET", "/permissions/{}/at/{}", 0, node_get_permissions },
	{ "POST", "/transactions/broadcast", BODY_MAX, node_post_broadcast },
	{ "POST", "/transactions/calculateFee", BODY_MAX, node_post_fee },
	{ "GET", "/transactions/info/{}", 0, node_get_tx },
	{ "GET", "/transactions/status", 0, node_get_tx_status },
	{ "GET", "/transactions/info", 0, node_get_txs },
	{ "GET", "/transactions/info/", 0, node_get_no_tx },
	{ "GET", "/transactions/unconfirmed", 0, node_get_pool },
	{ "GET", "/transactions/unconfirmed/", 0, node_get_pool },
	{ "GET", "/transactions/unconfirmed/size", 0, node_get_pool_size },
	{ "GET", "/transactions/unconfirmed/info/{}", 0, node_get_pool_tx },
	{ "GET", "/transactions/address/{}/limit/{}", 0, node_get_address_txs },
	{ "GET", "/addresses", 0, node_get_addresses },
	{ "GET", "/addresses/balance/{}", 0, node_get_balance },
	{ "GET", "/addresses/balance/details/{}", 0, node_get_balances },
	{ "GET", "/addresses/publicKey/{}", 0, node_get_address_of },
	{ "GET", "/addresses/validate/{}", 0, node_get_validity },
	{ "GET", "/addresses/data/{}", 0, node_get_data },
	{ "GET", "/addresses/data/{}/{}", 0, node_get_data_key },
	{ "GET", "/blocks/height", 0, node_get_height },
	{ "GET", "/blocks/height/{}", 0, node_get_height_of },
	{ "GET", "/blocks/headers/at/{}", 0, node_get_header_at },
	{ "GET", "/blocks/headers/last", 0, node_get_header_last },
	{ "GET", "/blocks/headers/seq/{}/{}", 0, node_get_header_seq },
	{ "GET", "/blocks/at/{}", 0, node_get_block_at },
	{ "GET", "/blocks/last", 0, node_get_block_last },
	{ "GET", "/blocks/first", 0, node_get_block_first },
	{ "GET", "/blocks/signature/{}", 0, node_get_block },
	{ "GET", "/blocks/child/{}", 0, node_get_block_child },
	{ "GET", "/blocks/seq/{}/{}", 0, node_get_block_seq },
	{ "GET", "/blocks/headers/{}", 0, node_get_header_by_id },
	{ "GET", "/blocks/{}", 0, node_get_block_by_id },
	{ "GET", "/blocks/seqext/{}/{}", 0, node_get_block_seq },
	{ "GET", "/blocks/address/{}/{}/{}", 0, node_get_blocks_of },
	{ "POST", "/debug/rollback", 4096, node_post_rollback },
	{ "DELETE", "/debug/rollback-to/{}", 0, node_delete_rollback },
	{ "GET", "/consentfs/wait", 0, node_get_wait },
};

/* What is no JSON. */
static enum err
say_text(struct http_reply *reply, unsigned status, const char *text)
{
	reply->status = status;
	reply->type = "text/plain; charset=UTF-8";
	buf_str(&reply->body, text);
	return reply->body.err;
}

/* What did not come to a handler or fails in it, as nodes say it. */
static enum err
refuse(void *ctx, enum err e, struct http_reply *reply)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{ 400, "Illegal request-target" },
		{ 405, "HTTP method not allowed" },
	};

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].status == reply->status)
			return say_text(reply, reply->status, texts[i].text);
	if (e == ERR_TOOBIG)
		return node_refuse(reply, 611,
		    "HttpEntity too big, max size '%d' bytes", BODY_MAX);
	if (e == ERR_BUSY)
		return node_refuse(reply, 640, "%s", err_text(e));
	return http_reply_json(reply, 500,
	    json_pack("{s:s}", "error", "There was an internal server error."));
}

enum err
node_no_route(struct http_reply *reply)
{
	reply->status = 404;
	reply->type = "text/plain";
	return ERR_OK;
}

static enum err
no_route(void *ctx, const struct http_request *req, struct http_reply *reply)
{
	(void)ctx, (void)req;
	return node_no_route(reply);
}

enum err
node_rest_listen(struct node *n, const char *address, uint16_t port)
{
	/* a broadcast waits for the disk, hence some more threads */
	struct http_listen_opts o = { .address = address,
		.port = port,
		.threads = 4,
		.max_connections = 512,
		.idle_s = 60,
		.fallback = no_route,
		.refuse = refuse };

	return http_listen(&o, routes, ARRAY_LEN(routes), n, &n->listener);
}

/* ---- errors ---- */

static unsigned
status_of(int number)
{
	static const struct {
		int number;
		unsigned status;
	} map[] = {
		{ 2, 403 },   /* not the API key */
		{ 301, 404 }, /* no such block */
		{ 304, 404 }, /* no such data key */
		{ 311, 404 }, /* no such transaction */
		{ 640, 503 }, /* not able to serve now */
	};

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].number == number)
			return map[i].status;
	return 400;
}

/* {"error":1,...} has more members than others. */
static enum err
wrong_json(struct http_reply *reply)
{
	return http_reply_json(reply, 400,
	    json_pack("{s:i, s:s, s:n, s:{}}", "error", 1, "message",
		"failed to parse json message", "cause", "validationErrors"));
}

/* What a request says may be no UTF-8, or be cut in the middle of a sign. */
static void
make_ascii(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

enum err
node_refuse(struct http_reply *reply, int number, const char *fmt, ...)
{
	char text[500];
	va_list ap;

	if (number == 1)
		return wrong_json(reply);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_ascii(text);
	return http_reply_json(reply, status_of(number),
	    json_pack("{s:i, s:s}", "error", number, "message", text));
}

enum err
node_refuse_tx(struct http_reply *reply, json_t *tx, const char *fmt, ...)
{
	char why[500];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	make_ascii(why);
	return http_reply_json(reply, status_of(112),
	    json_pack("{s:i, s:s+, s:O}", "error", 112, "message",
		"State check failed. Reason: ", why, "tx", tx));
}

enum err
node_say(struct http_reply *reply, unsigned status, const char *details)
{
	return http_reply_json(reply, status,
	    json_pack("{s:s, s:s}", "status", "error", "details", details));
}

/* ---- arguments and parts of answers ---- */

bool
node_is_58(const char *s)
{
	static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
				       "abcdefghijkmnopqrstuvwxyz";

	return s[strspn(s, alphabet)] == '\0';
}

enum err
node_read_address(
    const struct node *n, const char *text, uint8_t out[static NODE_ADDRESS])
{
	static const char prefix[] = "address:";
	uint8_t sum[32];

	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	if (text58_read(text, out, NODE_ADDRESS) != ERR_OK)
		return err_say(ERR_FORMAT, "not an address");
	seal_secure_hash(out, NODE_ADDRESS - 4, sum);
	if (out[0] != 1 || out[1] != n->chain_byte)
		return err_say(ERR_FORMAT, "of another version or chain");
	if (memcmp(out + NODE_ADDRESS - 4, sum, 4) != 0)
		return err_say(ERR_FORMAT, "the checksum does not match");
	return ERR_OK;
}

enum err
node_bad_address(struct http_reply *reply, enum err e)
{
	return node_refuse(reply, 102, "invalid address: %s", err_detail(e));
}

enum err
node_read_int(const char *text, int min, uint64_t *out)
{
	char *end;
	long long v;
	size_t sign = *text == '-' || *text == '+';
	size_t digits = strspn(text + sign, "0123456789");

	errno = 0;
	v = strtoll(text, &end, 10);
	if (digits == 0 || text[sign + digits] != '\0' || errno ||
	    v < INT32_MIN || v > INT32_MAX)
		return err_say(
		    ERR_FORMAT, "Unable to parse Integer from '%.40s'", text);
	if (v < min)
		return err_say(ERR_FORMAT, "'%lld' must be %s", v,
		    min > 0 ? "positive" : "non-negative");
	*out = (uint64_t)v;
	return ERR_OK;
}

static bool
is_json(const struct http_request *req)
{
	static const char type[] = "application/json";
	const char *s = http_header(req, "Content-Type");
	size_t n = sizeof(type) - 1;

	return s && strncasecmp(s, type, n) == 0 &&
	    (s[n] == '\0' || s[n] == ';' || s[n] == ' ');
}

enum err
node_read_body(
    const struct http_request *req, struct http_reply *reply, json_t **out)
{
	enum err e;

	if (!is_json(req))
		return say_text(reply, 415,
		    "The request's Content-Type is not supported. Expected:\n"
		    "application/json");
	if (req->body_len == 0)
		return say_text(
		    reply, 400, "Request entity expected but not supplied");
	e = js_parse(req->body, req->body_len, JS_DEPTH, out);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_OK && json_is_object(*out))
		return ERR_OK;
	json_decref(*out);
	*out = NULL;
	return wrong_json(reply);
}

enum err
node_put_tx(struct node *n, struct db_txn *t, const struct tx_id *id,
    uint64_t height, struct buf *out)
{
	struct db_val v;

	if (!db_get(t, n->t.tx, DB_VAL(id), &v) || v.n < 2)
		return t->err ? t->err :
				err_say(ERR_CORRUPT,
				    "transaction %s is missing", TEXT58(id));
	buf_put(out, v.p, height ? v.n - 1 : v.n);
	if (height) /* into the object's end */
		buf_fmt(out, ",\"height\":%llu%s}", (unsigned long long)height,
		    n->waves ? ",\"applicationStatus\":\"succeeded\"" : "");
	return out->err;
}
