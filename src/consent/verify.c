/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify: check a copy of the ciphertext view, with no key. */
#include "base/conf.h"
#include "consent/publish_internal.h"

const struct opt consent_verify_opts[] = {
	{ "roots", "FILE",
	    "trust roots (client.conf) instead of a home: needs no key at "
	    "all",
	    false },
	CONSENT_COMMON,
};

/* ---- without a home ---- */

static void
roots_free(struct home_conf *c)
{
	conf_free(home_items, home_nitems, c);
}

/* client.conf as the operator hands it out */
static enum err
open_node(struct consent *c, const char *path, struct chain *chain,
    struct ledger_node **out)
{
	__attribute__((cleanup(roots_free))) struct home_conf conf = { 0 };
	struct ledger_node_opts o = { 0 };
	struct jail j = { 0 };
	enum err e;

	if ((e = conf_defaults(home_items, home_nitems, &conf)) ||
	    (e = conf_read(path, home_items, home_nitems, NULL, NULL, &conf)))
		return e;
	if (conf.node == NULL || conf.chain == NULL ||
	    text58_read(conf.chain, chain->b, sizeof(chain->b)) != ERR_OK)
		return err_say(ERR_CONFIG,
		    "'%s' names no node and chain of the ledger", path);
	o.dialect = ledger_dialect_find(conf.dialect);
	if (o.dialect == NULL)
		return ERR_CONFIG;
	o.url = conf.node;
	o.ca_file = conf.node_ca;
	o.pinned_key = conf.node_pin;
	o.chain = *chain;
	jail_read(&j, conf.node_ca);
	jail_connect(&j, conf.node);
	e = ledger_node_new(&o, out);
	if (e == ERR_OK)
		e = consent_enter(c, &j);
	return e ? e : ledger_node_handshake(*out);
}

/* ---- the verb ---- */

struct verifying {
	struct consent_check *k;
	const char *dir;
};

static enum err
step(void *ctx, const char *name)
{
	struct verifying *v = ctx;
	bool good;

	return consent_copy_check(v->k, v->dir, name, NULL, &good);
}

struct counting {
	const char *dir;
	uint64_t total;
};

static enum err
count_blob(void *ctx, const char *name)
{
	struct counting *c = ctx;
	CLEANUP(free) char *path = file_join(c->dir, name);
	struct stat st;

	if (path == NULL)
		return ERR_NOMEM;
	if (stat(path, &st) == 0)
		c->total += (uint64_t)st.st_size;
	return ERR_OK;
}

static enum err
count_set(void *ctx, const char *name)
{
	struct counting *c = ctx, in = { 0 };
	CLEANUP(free) char *path = NULL;
	enum err e;

	if (asprintf(&path, "%s/%s/blobs", c->dir, name) < 0) {
		path = NULL;
		return ERR_NOMEM;
	}
	in.dir = path;
	e = consent_each_name(path, count_blob, &in);
	c->total += in.total;
	return e == ERR_NOMEM ? e : ERR_OK;
}

/* How much there is to read: told on a terminal, so asked only there. */
static uint64_t
total_of(const char *dir)
{
	struct counting c = { dir, 0 };

	if (!isatty(STDERR_FILENO) ||
	    consent_each_name(dir, count_set, &c) != ERR_OK)
		return 0;
	err_clear();
	return c.total;
}

static enum err
report(const struct consent *c, const struct consent_check *k)
{
	size_t bad = json_array_size(k->findings);
	char bytes[32];

	if (c->json)
		consent_out(json_pack("{s:I,s:I,s:I,s:I,s:O}", "sets",
		    (json_int_t)k->sets, "blobs", (json_int_t)k->blobs, "bytes",
		    (json_int_t)k->bytes, "recordsNotCompared",
		    (json_int_t)k->not_compared, "findings", k->findings));
	else
		printf("%zu sets, %zu blobs, %s checked\n", k->sets, k->blobs,
		    consent_size_text(k->bytes, bytes));
	if (k->not_compared > 0)
		(void)fprintf(stderr,
		    "consent: %zu key records could not be "
		    "compared with the RMS's\n",
		    k->not_compared);
	if (bad == 0)
		return ERR_OK;
	return err_say(ERR_CORRUPT,
	    "the copy is not whole (findings: %zu); take what they name from "
	    "another copy",
	    bad);
}

enum err
consent_verify(struct consent *c)
{
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	CLEANUP_JS json_t *findings = json_array();
	const char *dir = consent_operand(c, 0, "the copy's folder");
	const char *roots = consent_opt(c, "roots");
	struct consent_check k = { .findings = findings, .quiet = c->json };
	struct verifying v = { &k, dir };
	struct chain chain;
	enum err e;

	if (dir == NULL)
		return ERR_INVAL;
	if (findings == NULL)
		return ERR_NOMEM;
	if (roots) {
		e = open_node(c, roots, &chain, &node);
		k.node = node;
		k.chain = &chain;
	} else if ((e = consent_sync(c)) == ERR_OK) {
		k.node = home_node(c->home);
		k.chain = home_chain(c->home);
		k.registry = home_registry(c->home);
		k.records = home_rms(c->home);
	}
	if (e)
		return e;
	consent_progress_begin(&k.progress, "checking", total_of(dir));
	e = consent_each_name(dir, step, &v);
	consent_progress_end(&k.progress);
	return e ? e : report(c, &k);
}
