/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "event/event.h"

#define AT(field) offsetof(struct home_conf, field)
#define DAY       86400000LL

const struct conf_item home_items[] = {
	{ "identity", "institution", CONF_TEXT, AT(institution), NULL, 0, 0,
	    "base58 id of the institution; a person has none" },
	{ "identity", "host_name", CONF_TEXT, AT(host_name), NULL, 0, 0,
	    "name of this machine in the accreditation" },
	{ "ledger", "dialect", CONF_TEXT, AT(dialect), "waves-enterprise", 0, 0,
	    "kind of network: waves-enterprise or waves" },
	{ "ledger", "node", CONF_TEXT, AT(node), NULL, 0, 0,
	    "URL of the ledger's node; several with commas" },
	{ "ledger", "chain", CONF_TEXT, AT(chain), NULL, 0, 0,
	    "trust root: base58 of chain id and hash of block 1" },
	{ "ledger", "generator", CONF_TEXT, AT(generator), NULL, 0, 0,
	    "trust root: key that signs blocks; several with commas" },
	{ "ledger", "final_depth", CONF_NUM, AT(final_depth), "1", 1, 1000,
	    "blocks until an event is final" },
	{ "ledger", "tx_version", CONF_NUM, AT(tx_version), "2", 1, 2,
	    "version of the transactions that are written" },
	{ "ledger", "fee", CONF_NUM, AT(fee), "-1", -1, 100000000000,
	    "fee of a transaction in the network's smallest unit; -1: by the "
	    "node's rule" },
	{ "ledger", "fee_max", CONF_NUM, AT(fee_max), "1000000000", 0,
	    100000000000, "a node that asks for more is not paid" },
	{ "ledger", "poll", CONF_TIME, AT(poll), "5s", 50, 60000,
	    "longest wait between two looks at the node" },
	{ "ledger", "final_wait", CONF_TIME, AT(final_wait), "30s", 1000,
	    3600000, "how long a command waits until what it sent is final" },
	{ "ledger", "ca", CONF_TEXT, AT(node_ca), NULL, 0, 0,
	    "PEM file of the authority of the node's certificate" },
	{ "ledger", "pin", CONF_TEXT, AT(node_pin), NULL, 0, 0,
	    "pinned TLS key of the node: sha256//base64" },
	{ "ledger", "api_key_file", CONF_TEXT, AT(api_key_file), NULL, 0, 0,
	    "file with the node's API key" },
	{ "ledger", "token_file", CONF_TEXT, AT(token_file), NULL, 0, 0,
	    "file with the bearer token for the node; read again when it "
	    "changes" },
	{ "rms", "url", CONF_TEXT, AT(rms_url), NULL, 0, 0,
	    "URL of the record management system" },
	{ "rms", "key", CONF_TEXT, AT(rms_key), NULL, 0, 0,
	    "trust root: the record management system's key" },
	{ "rms", "rms_ca", CONF_TEXT, AT(rms_ca), NULL, 0, 0,
	    "PEM file of the authority of its certificate" },
	{ "rms", "rms_pin", CONF_TEXT, AT(rms_pin), NULL, 0, 0,
	    "pinned TLS key: sha256//base64" },
	{ "mount", "cache_dir", CONF_TEXT, AT(cache_dir), "cache", 0, 0,
	    "folder of the ciphertext cache" },
	{ "mount", "cache_size", CONF_SIZE, AT(cache_size), "16G", 1 << 20,
	    1LL << 50, "largest size of the ciphertext cache" },
	{ "mount", "purpose", CONF_TEXT, AT(purpose), "TREAT", 0, 0,
	    "purpose of use of the opens" },
	{ "mount", "stale_open", CONF_TIME, AT(stale_open), "60s", 1000, DAY,
	    "oldest head of the ledger for a new open" },
	{ "mount", "stale_read", CONF_TIME, AT(stale_read), "300s", 1000, DAY,
	    "oldest head for reads of open files" },
	{ "mount", "outbox_records", CONF_NUM, AT(outbox_records), "10000", 20,
	    1000000, "so many opens may wait for the ledger" },
	{ "mount", "outbox_age", CONF_TIME, AT(outbox_age), "24h", 1000,
	    30 * DAY, "and so long" },
};
const size_t home_nitems = ARRAY_LEN(home_items);

static bool
has_login(const struct home *h, const char *login)
{
	for (size_t i = 0; i < h->npractitioners; i++)
		if (strcmp(h->practitioner[i].login, login) == 0)
			return true;
	return false;
}

/* One line of [practitioners]: login = id, Name */
static enum err
add_practitioner(void *ctx, const char *login, const char *value)
{
	struct home *h = ctx;
	struct home_practitioner *p = &h->practitioner[h->npractitioners];
	const char *comma = strchr(value, ',');

	if (comma == NULL || comma == value)
		return err_say(ERR_CONFIG,
		    "write '%s = id, Name' in [practitioners]", login);
	if (has_login(h, login))
		return err_say(ERR_CONFIG,
		    "'%s' is given twice in [practitioners]; remove one of "
		    "them",
		    login);
	if (h->npractitioners == HOME_MAX_PRACTITIONERS)
		return err_say(ERR_CONFIG, "more than %d practitioners",
		    HOME_MAX_PRACTITIONERS);
	p->login = strdup(login);
	p->id = strndup(value, (size_t)(comma - value));
	p->name = strdup(comma + 1 + strspn(comma + 1, " "));
	h->npractitioners++;
	return p->login && p->id && p->name ? ERR_OK : ERR_NOMEM;
}

static enum err
root(const char *path, const char *key, const char *text, void *out, size_t n)
{
	if (text == NULL)
		return err_say(ERR_CONFIG,
		    "'%s': %s is missing; take it from the operator's "
		    "client.conf",
		    path, key);
	if (text58_read(text, out, n) != ERR_OK)
		return err_say(ERR_CONFIG,
		    "'%s': %s is not base58 of %zu bytes; copy it again", path,
		    key, n);
	return ERR_OK;
}

/* What curl would take for the name of a file. */
static enum err
pin(const char *path, const char *key, const char *text)
{
	static const char lead[] = "sha256//";
	CLEANUP_BUF struct buf sum = { 0 };
	size_t n = sizeof(lead) - 1;

	if (text == NULL ||
	    (strncmp(text, lead, n) == 0 &&
		text64_read(text + n, strlen(text + n), &sum) == ERR_OK &&
		sum.len == 32))
		return ERR_OK;
	return err_say(ERR_CONFIG,
	    "'%s': %s is not sha256// and the base64 of 32 bytes; copy it "
	    "again",
	    path, key);
}

static enum err
check_words(const struct home_conf *c, const char *path)
{
	enum err e = pin(path, "ledger pin", c->node_pin);

	if (e == ERR_OK && ledger_dialect_find(c->dialect) == NULL)
		return err_say(ERR_CONFIG, "'%s': dialect: %s", path,
		    err_detail(ERR_CONFIG));

	if (e == ERR_OK)
		e = pin(path, "rms rms_pin", c->rms_pin);
	if (e == ERR_OK && event_name_index(event_purposes, c->purpose) < 0)
		e = err_say(ERR_CONFIG,
		    "'%s': '%s' is no purpose of use; give one such as TREAT",
		    path, c->purpose);
	return e;
}

/* The keys that are believed. */
static enum err
decode_roots(struct home *h, const char *path)
{
	const struct home_conf *c = &h->conf;
	enum err e = root(
	    path, "ledger chain", c->chain, h->chain.b, CHAIN_BYTES);

	if (e == ERR_OK)
		e = root(path, "rms key", c->rms_key, h->rms_key.b, 32);
	if (e == ERR_OK && seal_key_check(&h->rms_key) != ERR_OK)
		e = err_say(ERR_CONFIG,
		    "'%s': rms key is no valid key; take it from the "
		    "operator's client.conf",
		    path);
	return e;
}

static enum err
decode(struct home *h, const char *path)
{
	const struct home_conf *c = &h->conf;
	enum err e;

	if (c->node == NULL || c->rms_url == NULL)
		return err_say(ERR_CONFIG,
		    "'%s': ledger node and rms url are needed; take them from "
		    "the operator's client.conf",
		    path);
	e = decode_roots(h, path);
	if (e == ERR_OK)
		e = check_words(c, path);
	if (e != ERR_OK || c->institution == NULL)
		return e;
	h->has_institution = true;
	return root(path, "identity institution", c->institution,
	    h->institution.b, sizeof(h->institution.b));
}

enum err
home_conf_load(struct home *h)
{
	const struct conf_free_section people = { "practitioners",
		add_practitioner };
	CLEANUP(free) char *path = file_join(h->dir, "consent.conf");
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	e = conf_defaults(home_items, home_nitems, &h->conf);
	if (e == ERR_OK)
		e = conf_read(
		    path, home_items, home_nitems, &people, h, &h->conf);
	if (e == ERR_NOTFOUND)
		return err_say(e,
		    "no home in '%s'; make one with 'consent keygen --home %s "
		    "--roots client.conf'",
		    h->dir, h->dir);
	return e == ERR_OK ? decode(h, path) : e;
}

void
home_conf_release(struct home *h)
{
	conf_free(home_items, home_nitems, &h->conf);
	for (size_t i = 0; i < h->npractitioners; i++) {
		free(h->practitioner[i].login);
		free(h->practitioner[i].id);
		free(h->practitioner[i].name);
	}
	h->npractitioners = 0;
}

void
home_practitioner(struct home *h, const char *login, const char **out_name,
    const char **out_id)
{
	*out_name = *out_id = login;
	for (size_t i = 0; i < h->npractitioners; i++)
		if (strcmp(h->practitioner[i].login, login) == 0) {
			*out_name = h->practitioner[i].name;
			*out_id = h->practitioner[i].id;
		}
}
