/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/text.h"
#include "consentd/conf.h"
#include "seal/seal.h"

/* As written in the file. */
struct raw {
	char *dialect, *node, *chain, *generator;
	int64_t final_depth, tx_version, fee;
	char *url, *key;
};

#define AT(field) offsetof(struct raw, field)

static const struct conf_item items[] = {
	{ "ledger", "dialect", CONF_TEXT, AT(dialect), "waves-enterprise", 0, 0,
	    "kind of network" },
	{ "ledger", "node", CONF_TEXT, AT(node), NULL, 0, 0,
	    "URL of the ledger's node; several with commas" },
	{ "ledger", "chain", CONF_TEXT, AT(chain), NULL, 0, 0,
	    "the chain, base58" },
	{ "ledger", "generator", CONF_TEXT, AT(generator), NULL, 0, 0,
	    "keys that sign blocks, base58; none: not checked" },
	{ "ledger", "final_depth", CONF_NUM, AT(final_depth), "1", 1, 1000,
	    "blocks until a block is final" },
	{ "ledger", "tx_version", CONF_NUM, AT(tx_version), "2", 1, 2,
	    "version of the transactions that are written" },
	{ "ledger", "fee", CONF_NUM, AT(fee), "-1", -1, 100000000000,
	    "fee of a transaction; -1: by the node's rule" },
	{ "rms", "url", CONF_TEXT, AT(url), NULL, 0, 0, "URL of the RMS" },
	{ "rms", "key", CONF_TEXT, AT(key), NULL, 0, 0,
	    "the RMS's key, base58" },
};

static void
raw_free(struct raw *r)
{
	conf_free(items, ARRAY_LEN(items), r);
}
#define CLEANUP_RAW __attribute__((cleanup(raw_free), unused))

static enum err
take(const char *path, struct raw *raw, struct consentd_roots *r)
{
	if (!raw->node || !raw->chain || !raw->url || !raw->key)
		return err_say(ERR_CONFIG,
		    "'%s' lacks ledger node, chain, RMS url or key", path);
	r->dialect = ledger_dialect_find(raw->dialect);
	if (r->dialect == NULL)
		return err_say(
		    ERR_CONFIG, "%s: %s", path, err_detail(ERR_CONFIG));
	if (text58_read(raw->chain, r->chain.b, CHAIN_BYTES) != ERR_OK)
		return err_say(
		    ERR_CONFIG, "%s: [ledger] chain is no chain", path);
	if (text58_read(raw->key, r->rms.b, sizeof(r->rms.b)) != ERR_OK ||
	    seal_key_check(&r->rms) != ERR_OK)
		return err_say(ERR_CONFIG, "%s: [rms] key is no key", path);
	r->final_depth = raw->final_depth;
	r->tx_version = raw->tx_version;
	r->fee = raw->fee;
	r->generator = TAKE(raw->generator);
	r->node_url = TAKE(raw->node);
	r->rms_url = TAKE(raw->url);
	return ERR_OK;
}

enum err
consentd_roots_read(const char *dir, struct consentd_roots *r)
{
	CLEANUP(free) char *path = file_join(dir, "client.conf");
	CLEANUP_RAW struct raw raw = { 0 };
	enum err e;

	memset(r, 0, sizeof(*r));
	if (path == NULL)
		return ERR_NOMEM;
	e = conf_defaults(items, ARRAY_LEN(items), &raw);
	if (e == ERR_OK)
		e = conf_read(path, items, ARRAY_LEN(items), NULL, NULL, &raw);
	if (e == ERR_NOTFOUND)
		return err_say(
		    e, "there is no '%s'; restore it from its copy", path);
	return e ? e : take(path, &raw, r);
}

enum err
consentd_roots_write(const char *dir, const struct consentd_roots *r)
{
	CLEANUP(free) char *path = file_join(dir, "client.conf");
	CLEANUP_BUF struct buf b = { 0 };

	buf_str(&b, "[ledger]\n");
	if (r->dialect != &ledger_enterprise)
		buf_fmt(&b, "dialect = %s\n", ledger_dialect_name(r->dialect));
	buf_fmt(&b, "node = %s\nchain = %s\n", r->node_url, TEXT58(&r->chain));
	if (r->generator)
		buf_fmt(&b, "generator = %s\n", r->generator);
	buf_fmt(&b, "final_depth = %lld\n[rms]\nurl = %s\nkey = %s\n",
	    (long long)r->final_depth, r->rms_url, TEXT58(&r->rms));
	if (path == NULL || b.err)
		return ERR_NOMEM;
	return file_write(path, b.p, b.len, 0644);
}

void
consentd_roots_free(struct consentd_roots *r)
{
	free(r->generator);
	free(r->node_url);
	free(r->rms_url);
	r->generator = r->node_url = r->rms_url = NULL;
}

enum err
consentd_node(const struct consentd_conf *c, const struct consentd_roots *r,
    struct ledger_node **out)
{
	const struct ledger_node_opts o = {
		.dialect = r->dialect,
		.url = r->node_url,
		.api_key_file = c->node_key_file,
		.token_file = c->node_token_file,
		.ca_file = c->node_ca,
		.pinned_key = c->node_pin,
		.chain = r->chain,
		.fee_max = c->fee_max,
		.generators = r->generator,
	};

	return ledger_node_new(&o, out);
}
