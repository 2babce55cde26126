/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client of one node, or of several that stand for each other. */
#include "ledger/ledger_internal.h"

#define CONNECT_MS     5000
#define TIMEOUT_MS     20000
#define MAX_NODES      8
#define MAX_GENERATORS 64
#define SEPARATORS     ", \t"

static bool
is_loopback(const char *host)
{
	size_t n = strcspn(host, "/?#");
	size_t name = strcspn(host, ":/?#");

	if (memchr(host, '@', n))
		return false;
	if (strncmp(host, "[::1]", 5) == 0)
		return strchr(":/", host[5]) != NULL;
	if (strncmp(host, "127.", 4) == 0)
		return strspn(host, "0123456789.") == name;
	return name == 9 && strncasecmp(host, "localhost", 9) == 0;
}

/* Whoever listens on the way could use a key that travels in clear. */
static bool
is_private(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0 ||
	    (strncasecmp(url, "http://", 7) == 0 && is_loopback(url + 7));
}

static enum err
fill_auth(struct ledger_node *n, const struct ledger_node_opts *o)
{
	enum err e = ledger_auth_new(
	    "X-API-Key: ", o->api_key_file, &n->auth[0]);

	if (e == ERR_OK)
		e = ledger_auth_new(
		    "Authorization: Bearer ", o->token_file, &n->auth[1]);
	if (e == ERR_OK && (n->auth[0] || n->auth[1]) && !is_private(n->url))
		return err_say(ERR_CONFIG,
		    "node %s: a key or token would travel in clear; use its "
		    "https address",
		    n->url);
	return e;
}

static enum err
read_generators(struct ledger_node *n, const char *text)
{
	CLEANUP(free) char *list = strdup(text ? text : "");
	char *rest = list, *one;

	if (list == NULL)
		return ERR_NOMEM;
	while ((one = strtok_r(rest, SEPARATORS, &rest))) {
		struct pubkey *key = &n->generator[n->ngenerators];

		if (n->ngenerators == MAX_GENERATORS)
			return err_say(ERR_CONFIG, "more than %d generators",
			    MAX_GENERATORS);
		if (text58_read(one, key->b, sizeof(key->b)) != ERR_OK ||
		    seal_key_check(key) != ERR_OK)
			return err_say(ERR_CONFIG,
			    "generator '%s' is no public key; copy it again",
			    one);
		n->ngenerators++;
	}
	return ERR_OK;
}

/* All but the address. */
static enum err
fill_rules(struct ledger_node *n, const struct ledger_node_opts *o)
{
	enum err e;

	(void)pthread_mutex_init(&n->lock, NULL);
	n->dialect = o->dialect ? o->dialect : &ledger_enterprise;
	n->chain = o->chain;
	n->fee_max = o->fee_max;
	n->generator = calloc(MAX_GENERATORS, sizeof(*n->generator));
	if (n->generator == NULL)
		return ERR_NOMEM;
	if (o->has_generator)
		n->generator[n->ngenerators++] = o->generator;
	e = read_generators(n, o->generators);
	n->has_generator = n->ngenerators > 0;
	return e;
}

static enum err
fill(struct ledger_node *n, const struct ledger_node_opts *o, const char *url)
{
	size_t len;
	enum err e = fill_rules(n, o);

	if (e)
		return e;
	n->url = strdup(url);
	if (n->url == NULL)
		return ERR_NOMEM;
	for (len = strlen(n->url); len > 0 && n->url[len - 1] == '/'; len--)
		n->url[len - 1] = '\0';
	e = fill_auth(n, o);
	if (e)
		return e;
	return http_client_new(
	    &(struct http_client_opts){ .ca_file = o->ca_file,
		.pinned_key = o->pinned_key,
		.connect_ms = CONNECT_MS,
		.timeout_ms = TIMEOUT_MS },
	    &n->http);
}

static enum err
one(const struct ledger_node_opts *o, const char *url, struct ledger_node **out)
{
	CLEANUP(ledger_node_free) struct ledger_node *n = calloc(1, sizeof(*n));
	enum err e = n ? fill(n, o, url) : ERR_NOMEM;

	if (e == ERR_OK)
		*out = TAKE(n);
	return e;
}

/* ${urls} is taken apart. */
static enum err
several(const struct ledger_node_opts *o, char *urls, struct ledger_node *n)
{
	char *rest = urls, *url;
	enum err e = fill_rules(n, o);

	if (e)
		return e;
	n->peer = calloc(MAX_NODES, sizeof(struct ledger_node *));
	if (n->peer == NULL)
		return ERR_NOMEM;
	while (e == ERR_OK && (url = strtok_r(rest, SEPARATORS, &rest))) {
		if (n->npeers == MAX_NODES)
			return err_say(
			    ERR_CONFIG, "more than %d nodes", MAX_NODES);
		e = one(o, url, &n->peer[n->npeers]);
		n->npeers += e == ERR_OK;
	}
	if (e == ERR_OK && n->npeers == 0)
		return err_say(ERR_CONFIG, "no node is named");
	return e;
}

enum err
ledger_node_new(const struct ledger_node_opts *opts, struct ledger_node **out)
{
	CLEANUP(ledger_node_free) struct ledger_node *n = NULL;
	CLEANUP(free) char *urls = strdup(opts->url);
	enum err e;

	if (urls == NULL)
		return ERR_NOMEM;
	if (strpbrk(urls, SEPARATORS) == NULL)
		return one(opts, urls, out);
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return ERR_NOMEM;
	e = several(opts, urls, n);
	if (e)
		return e;
	*out = TAKE(n);
	return ERR_OK;
}

void
ledger_node_free(struct ledger_node *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->npeers; i++)
		ledger_node_free(n->peer[i]);
	free(n->peer);
	http_client_free(n->http);
	for (size_t i = 0; i < ARRAY_LEN(n->auth); i++)
		ledger_auth_free(n->auth[i]);
	free(n->url);
	free(n->generator);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}

size_t
ledger_node_count(const struct ledger_node *n)
{
	return n->npeers ? n->npeers : 1;
}

struct ledger_node *
ledger_node_peer(struct ledger_node *n, size_t i)
{
	return n->npeers ? n->peer[i] : n;
}

const char *
ledger_node_url(const struct ledger_node *n)
{
	return n->npeers ? n->peer[ledger_node_current(n)]->url : n->url;
}
