/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/conf.h"

#include <string.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/text.h"
#include "rms/rms.h"

#define AT(field) offsetof(struct consentd_conf, field)
#define MINUTE    60000LL
#define DAY       (MINUTE * 60 * 24)

static const struct conf_item items[] = {
	{ "node", "listen", CONF_TEXT, AT(node_listen), "127.0.0.1:6862", 0, 0,
	    "address of the embedded node; empty: the node of client.conf" },
	{ "node", "chain_byte", CONF_TEXT, AT(chain_byte), "E", 0, 0,
	    "the embedded node's chain id, one character" },
	{ "node", "block_interval", CONF_TIME, AT(block_interval), "1s", 10,
	    MINUTE, "longest wait of a transaction for its block" },
	{ "node", "heartbeat", CONF_TIME, AT(heartbeat), "15s", 1000,
	    10 * MINUTE, "longest time between two blocks" },
	{ "node", "api_key_file", CONF_TEXT, AT(api_key_file), NULL, 0, 0,
	    "file with the key of the embedded node's rollback routes; none: "
	    "they are off" },
	{ "ledger", "ca", CONF_TEXT, AT(node_ca), NULL, 0, 0,
	    "PEM file of the authority of the node's certificate" },
	{ "ledger", "pin", CONF_TEXT, AT(node_pin), NULL, 0, 0,
	    "pinned TLS key of the node: sha256//base64" },
	{ "ledger", "api_key_file", CONF_TEXT, AT(node_key_file), NULL, 0, 0,
	    "file with the API key that the node of client.conf asks for" },
	{ "ledger", "token_file", CONF_TEXT, AT(node_token_file), NULL, 0, 0,
	    "file with the bearer token for it; read again when it changes" },
	{ "ledger", "fee_max", CONF_NUM, AT(fee_max), "1000000000", 0,
	    100000000000, "a node that asks for more is not paid" },
	{ "rms", "listen", CONF_TEXT, AT(rms_listen), "127.0.0.1:6860", 0, 0,
	    "address of the REST API" },
	{ "rms", "url", CONF_TEXT, AT(url), "http://127.0.0.1:6860", 0, 0,
	    "address by which clients reach the REST API: https, or http on "
	    "loopback" },
	{ "rms", "lease", CONF_TIME, AT(lease), "900s", 1000, DAY,
	    "how long a released key may be used" },
	{ "rms", "threads", CONF_NUM, AT(threads), "4", 1, 256,
	    "threads that answer requests" },
	{ "rms", "max_connections", CONF_NUM, AT(max_connections), "1000", 1,
	    100000, "connections at once" },
	{ "rms", "per_address", CONF_NUM, AT(per_address), "256", 1, 100000,
	    "connections at once of one address" },
	{ "rms", "idle", CONF_TIME, AT(idle), "60s", 1000, 60 * MINUTE,
	    "a silent connection is closed after this" },
	{ "rms", "registrations", CONF_NUM, AT(registrations), "1000", 1,
	    1000000, "new patients an hour at most" },
	{ "rms", "tls_cert", CONF_TEXT, AT(tls_cert), NULL, 0, 0,
	    "PEM file with the certificate; none: in clear on loopback" },
	{ "rms", "tls_key", CONF_TEXT, AT(tls_key), NULL, 0, 0,
	    "PEM file with the certificate's private key" },
	{ "policy", "stale_open", CONF_TIME, AT(stale_open), "60s", 1000,
	    60 * MINUTE, "no key is released on an older view of the ledger" },
};

enum err
consentd_conf_defaults(struct consentd_conf *c)
{
	memset(c, 0, sizeof(*c));
	return conf_defaults(items, ARRAY_LEN(items), c);
}

enum err
consentd_conf_read(const char *dir, struct consentd_conf *c)
{
	CLEANUP(free) char *path = file_join(dir, "consentd.conf");
	enum err e = path ? consentd_conf_defaults(c) : ERR_NOMEM;

	if (e == ERR_OK)
		e = conf_read(path, items, ARRAY_LEN(items), NULL, NULL, c);
	if (e == ERR_OK)
		e = rms_url_check(c->url);
	if (e == ERR_NOTFOUND)
		return err_say(e,
		    "'%s' is no directory of consentd; make one by "
		    "'consentd init --dir %s'",
		    dir, dir);
	return e;
}

enum err
consentd_conf_set(char **field, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return ERR_NOMEM;
	free(*field);
	*field = copy;
	return ERR_OK;
}

enum err
consentd_conf_time(const char *text, int64_t *out_ms)
{
	char *end;
	long long n = strtoll(text, &end, 10);
	bool ms = strcmp(end, "ms") == 0;

	if (end == text || (!ms && strcmp(end, "s") != 0) || n < 1 ||
	    n > MINUTE)
		return err_say(ERR_INVAL,
		    "'%s' is no block interval; give a time such as 500ms or "
		    "1s",
		    text);
	*out_ms = ms ? n : n * 1000;
	if (*out_ms >= 10 && *out_ms <= MINUTE)
		return ERR_OK;
	return err_say(ERR_INVAL, "a block interval is 10ms to 60s");
}

void
consentd_conf_print(const struct consentd_conf *c, FILE *to)
{
	conf_print(items, ARRAY_LEN(items), c, to);
}

void
consentd_conf_free(struct consentd_conf *c)
{
	conf_free(items, ARRAY_LEN(items), c);
}

enum err
consentd_listen_read(const char *text, struct consentd_listen *out)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	char *end = NULL;
	unsigned long port = 0;

	if (n > 2 && from[0] == '[' && from[n - 1] == ']') {
		from++;
		n -= 2;
	}
	if (colon && colon[1] >= '0' && colon[1] <= '9')
		port = strtoul(colon + 1, &end, 10);
	if (end == NULL || *end || port > UINT16_MAX || n == 0 ||
	    n >= sizeof(out->address))
		return err_say(ERR_CONFIG,
		    "'%s' is no address to listen on; write it as "
		    "127.0.0.1:6860",
		    text);
	memcpy(out->address, from, n);
	out->address[n] = '\0';
	out->port = (uint16_t)port;
	return ERR_OK;
}

enum err
consentd_url_fix(const char *url, uint16_t port, char **out)
{
	CLEANUP_BUF struct buf b = { 0 };
	size_t n = strlen(url);

	if (n > 2 && strcmp(url + n - 2, ":0") == 0)
		buf_fmt(&b, "%.*s:%u", (int)(n - 2), url, port);
	else
		buf_str(&b, url);
	*out = strdup(buf_text(&b));
	return b.err || *out == NULL ? ERR_NOMEM : ERR_OK;
}
