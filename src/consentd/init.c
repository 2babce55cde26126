/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/fresh.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/text.h"
#include "consentd/commands_internal.h"
#include "consentd/conf.h"
#include "node/node.h"
#include "rms/rms.h"
#include "seal/seal.h"

enum {
	DIR_,
	CHAIN_BYTE,
	NODE_LISTEN,
	RMS_LISTEN,
	RMS_URL,
	INTERVAL,
	NODE,
	DIALECT,
	CHAIN,
	DEPTH,
	GENERATOR,
	NOPTS
};

static const struct opt opts[NOPTS] = {
	[DIR_] = { "dir", "DIR", "directory to make", false },
	[CHAIN_BYTE] = { "chain-byte", "E", "chain id, one character", false },
	[NODE_LISTEN] = { "node-listen", "ADDRESS:PORT",
	    "where the embedded node listens", false },
	[RMS_LISTEN] = { "rms-listen", "ADDRESS:PORT",
	    "where the REST API listens", false },
	[RMS_URL] = { "rms-url", "URL", "how clients reach the REST API",
	    false },
	[INTERVAL] = { "block-interval", "TIME",
	    "longest wait of a transaction for its block", false },
	[NODE] = { "node", "URL", "somebody else's node instead of our own",
	    false },
	[DIALECT] = { "dialect", "NAME",
	    "the network: waves-enterprise or waves", false },
	[CHAIN] = { "chain", "BASE58", "the chain that it is on", false },
	[DEPTH] = { "final-depth", "N", "blocks until a block is final",
	    false },
	[GENERATOR] = { "generator", "KEY[,KEY]", "who signs its blocks",
	    false },
};

static enum err
set_url(struct consentd_conf *c, const char *given)
{
	char url[256];

	if (given)
		return consentd_conf_set(&c->url, given);
	(void)snprintf(url, sizeof(url), "http://%s", c->rms_listen);
	return consentd_conf_set(&c->url, url);
}

static enum err
take_options(const struct opt_values *v, struct consentd_conf *c)
{
	struct consentd_listen at;
	enum err e = consentd_conf_defaults(c);

	if (e == ERR_OK && v[CHAIN_BYTE].n)
		e = consentd_conf_set(&c->chain_byte, v[CHAIN_BYTE].v[0]);
	if (e == ERR_OK && v[NODE_LISTEN].n)
		e = consentd_conf_set(&c->node_listen, v[NODE_LISTEN].v[0]);
	if (e == ERR_OK && v[RMS_LISTEN].n)
		e = consentd_conf_set(&c->rms_listen, v[RMS_LISTEN].v[0]);
	if (e == ERR_OK)
		e = set_url(c, v[RMS_URL].n ? v[RMS_URL].v[0] : NULL);
	if (e == ERR_OK && v[INTERVAL].n)
		e = consentd_conf_time(v[INTERVAL].v[0], &c->block_interval);
	if (e == ERR_OK)
		e = consentd_listen_read(c->node_listen, &at);
	if (e == ERR_OK)
		e = consentd_listen_read(c->rms_listen, &at);
	if (e == ERR_OK)
		e = rms_url_check(c->url);
	if (e == ERR_OK && strlen(c->chain_byte) != 1)
		e = err_say(ERR_INVAL, "--chain-byte is one character");
	return e;
}

static enum err
new_key(const char *dir, const char *name, struct seal_identity **out)
{
	CLEANUP(free) char *path = file_join(dir, name);
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	enum err e = path ? seal_identity_new(&id) : ERR_NOMEM;

	if (e == ERR_OK)
		e = seal_identity_save(id, path, NULL);
	if (e == ERR_OK)
		*out = TAKE(id);
	return e;
}

static enum err
write_conf(const char *dir, const struct consentd_conf *c)
{
	CLEANUP(free) char *path = file_join(dir, "consentd.conf");
	CLEANUP(free) char *text = NULL;
	size_t len;
	FILE *f = path ? open_memstream(&text, &len) : NULL;

	if (f == NULL)
		return ERR_NOMEM;
	consentd_conf_print(c, f);
	if (fclose(f) != 0)
		return ERR_NOMEM;
	return file_create(path, text, len, 0600);
}

static enum err
write_roots(
    const char *dir, const struct consentd_conf *c, struct consentd_roots *r)
{
	char url[256];

	(void)snprintf(url, sizeof(url), "http://%s", c->node_listen);
	if (r->node_url == NULL)
		r->node_url = strdup(url);
	r->rms_url = strdup(c->url);
	if (r->node_url == NULL || r->rms_url == NULL)
		return ERR_NOMEM;
	return consentd_roots_write(dir, r);
}

/* With client.conf the directory is whole. */
static const char *const made[] = { "consentd.conf", "rms.key", "node.key",
	"keystore.key", "node", "node/node.lock", "node/lock.mdb",
	"node/data.mdb", "client.conf" };

/* A chain of our own. */
static enum err
make_node(
    const char *dir, const struct consentd_conf *c, struct consentd_roots *r)
{
	CLEANUP(seal_identity_free) struct seal_identity *node = NULL;
	CLEANUP(free) char *chain_dir = file_join(dir, "node");
	enum err e = chain_dir ? new_key(dir, "node.key", &node) : ERR_NOMEM;

	if (e == ERR_OK)
		e = node_create(
		    chain_dir, node, (uint8_t)c->chain_byte[0], &r->chain);
	if (e == ERR_OK)
		r->generator = strdup(TEXT58(seal_identity_key(node)));
	return e || r->generator ? e : ERR_NOMEM;
}

static enum err
make(const char *dir, const struct consentd_conf *c, struct consentd_roots *r)
{
	CLEANUP(seal_identity_free) struct seal_identity *rms = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *protect = NULL;
	enum err e = file_mkdirs(dir);

	if (e == ERR_OK)
		e = fresh_begin(dir, made, ARRAY_LEN(made));
	if (e == ERR_OK)
		e = write_conf(dir, c);
	if (e == ERR_OK)
		e = new_key(dir, "rms.key", &rms);
	if (e == ERR_OK)
		e = new_key(dir, "keystore.key", &protect);
	if (e == ERR_OK && r->node_url == NULL)
		e = make_node(dir, c, r);
	if (e)
		return e;
	r->rms = *seal_identity_key(rms);
	e = write_roots(dir, c, r);
	if (e == ERR_OK)
		e = fresh_end(dir);
	if (e == ERR_OK)
		printf(
		    "chain %s\nrms %s\n", TEXT58(&r->chain), TEXT58(&r->rms));
	return e;
}

/* What the node says is not believed: it is there to be compared. */
static enum err
no_chain(const struct consentd_conf *c, struct consentd_roots *r)
{
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	struct chain chain;
	enum err e = consentd_node(c, r, &node);

	if (e == ERR_OK)
		e = ledger_node_chain(node, &chain);
	return e ? e :
		   err_say(ERR_INVAL,
		       "give the chain by --chain; the node says it is %s, "
		       "compare that with what its operators publish",
		       TEXT58(&chain));
}

/* Of somebody else's node, or of our own. */
static enum err
take_dialect(const struct opt_values *v, struct consentd_roots *r)
{
	if (v[DIALECT].n == 0)
		return ERR_OK;
	r->dialect = ledger_dialect_find(v[DIALECT].v[0]);
	return r->dialect ? ERR_OK :
			    err_say(ERR_INVAL, "%s", err_detail(ERR_CONFIG));
}

/* Somebody else's node. */
static enum err
take_node(const struct opt_values *v, struct consentd_conf *c,
    struct consentd_roots *r)
{
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	const char *depth = v[DEPTH].n ? v[DEPTH].v[0] : "1";
	char *end;
	enum err e = consentd_conf_set(&c->node_listen, "");

	r->node_url = strdup(v[NODE].v[0]);
	if (v[GENERATOR].n && !(r->generator = strdup(v[GENERATOR].v[0])))
		return ERR_NOMEM;
	r->final_depth = strtoll(depth, &end, 10);
	if (e || r->node_url == NULL)
		return ERR_NOMEM;
	if (*end || r->final_depth < 1 || r->final_depth > 1000)
		return err_say(ERR_INVAL, "--final-depth is 1 to 1000");
	if (v[CHAIN].n == 0)
		return no_chain(c, r);
	if (text58_read(v[CHAIN].v[0], r->chain.b, CHAIN_BYTES) != ERR_OK)
		return err_say(ERR_INVAL, "--chain is no chain; copy it again");
	e = consentd_node(c, r, &node);
	return e ? e : ledger_node_handshake(node);
}

enum err
consentd_init(int argc, char **argv)
{
	struct opt_values v[NOPTS], operands;
	CLEANUP_CONF struct consentd_conf c = { 0 };
	CLEANUP_ROOTS struct consentd_roots r = {
		.dialect = &ledger_enterprise,
		.final_depth = 1,
	};
	enum err e = opt_parse(opts, NOPTS, argc, argv, v, &operands);

	if (e)
		return e;
	if (v[DIR_].n == 0 || operands.n > 0)
		return err_say(ERR_INVAL,
		    "usage: consentd init --dir DIR [option]...; see "
		    "consentd(8)");
	e = take_options(v, &c);
	if (e == ERR_OK)
		e = take_dialect(v, &r);
	if (e == ERR_OK && v[NODE].n)
		e = take_node(v, &c, &r);
	if (e == ERR_OK)
		e = make(v[DIR_].v[0], &c, &r);
	if (e == ERR_EXISTS)
		return err_say(e,
		    "there is something of consentd in '%s' already; nothing "
		    "was changed there",
		    v[DIR_].v[0]);
	return e;
}
