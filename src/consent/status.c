/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status: the ledger as this home sees it. */
#include "consent/consent.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

#define LOOK_MS 3000 /* that each of several nodes has for an answer */

/* What is shown, and whether it is known. */
struct view {
	enum err synced;
	char why[LEDGER_WHY + 200]; /* not */
	struct ledger_head head;
	struct ledger_state box;
	enum err room; /* in it */
	char full[LEDGER_WHY + 200];
	struct text58 address;
	bool has_fee, has_balance;
	struct ledger_fee fee;
	int64_t balance;
};

static void
look(struct consent *c, struct view *v)
{
	struct ledger_node *n = home_node(c->home);
	uint8_t address[26];

	seal_address(home_key(c->home), home_chain(c->home)->b[0], address);
	(void)text58(address, sizeof(address), &v->address);
	v->has_fee = ledger_node_fee(n, &v->fee);
	if (home_conf(c->home)->fee >= 0) {
		v->has_fee = true;
		v->fee = (struct ledger_fee){ home_conf(c->home)->fee, 0 };
	}
	v->has_balance = v->synced == ERR_OK && v->has_fee && v->fee.base > 0 &&
	    ledger_node_balance(n, home_key(c->home), &v->balance) == ERR_OK;
}

/* A transaction of ours with one event has up to two KiB. */
static int64_t
affordable(const struct view *v)
{
	return v->balance / (v->fee.base + v->fee.more);
}

static const char *
freshness(const struct consent *c)
{
	const struct home_conf *conf = home_conf(c->home);

	if (conf->generator == NULL)
		return "the node's word: no generator is pinned";
	return ledger_dialect_find(conf->dialect) == &ledger_enterprise ?
	    "blocks signed by a pinned generator; one with transactions of "
	    "unknown kinds is the node's word, and makes nothing fresh" :
	    "blocks signed by a pinned generator; what they hold is proved "
	    "where all of it are data transactions, else the node's word";
}

/* The other nodes may know better. */
static void
compare(struct consent *c, struct view *v)
{
	struct ledger_follower *f = home_follower(c->home);
	enum err e = ledger_follow_watch(f, LOOK_MS);

	ledger_follow_head(f, &v->head);
	if (e == ERR_OK && v->head.error == ERR_FORK)
		e = err_say(ERR_FORK, "%s", v->head.why);
	if (v->synced == ERR_OK)
		v->synced = e;
	(void)snprintf(v->why, sizeof(v->why), "%s", err_detail(v->synced));
}

static void
put(json_t *j, const char *name, json_t *value)
{
	if (json_object_set_new(j, name, value) != 0)
		json_object_clear(j);
}

static json_t *
nodes_json(struct consent *c)
{
	struct ledger_peer_state p;
	json_t *a = json_array();

	for (size_t i = 0; ledger_follow_peer(home_follower(c->home), i, &p);
	     i++)
		if (json_array_append_new(a,
			json_pack("{s:s,s:I,s:s,s:s}", "url", p.url, "height",
			    (json_int_t)p.height, "state", err_name(p.error),
			    "why", p.why)) != 0)
			break;
	return a;
}

static void
show_nodes(struct consent *c)
{
	struct ledger_peer_state p;

	for (size_t i = 0; ledger_follow_peer(home_follower(c->home), i, &p);
	     i++)
		printf("%-13s %s at height %llu%s%s\n",
		    i ? "" : "nodes:", p.url, (unsigned long long)p.height,
		    p.why[0] ? ": " : "", p.why);
}

static void
show_json(struct consent *c, const struct view *v)
{
	json_t *j = json_pack("{s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "height",
	    (json_int_t)v->head.height, "time", (json_int_t)v->head.time,
	    "waiting", (json_int_t)v->box.waiting, "records",
	    (json_int_t)v->box.records, "since", (json_int_t)v->box.since,
	    "refused", v->box.why, "ledger", err_name(v->synced));

	put(j, "address", json_string(v->address.s));
	put(j, "dialect", json_string(home_conf(c->home)->dialect));
	put(j, "node", json_string(ledger_node_url(home_node(c->home))));
	put(j, "nodes", nodes_json(c));
	put(j, "refusedOpens", json_integer((json_int_t)v->box.minor));
	put(j, "full", json_boolean(v->room != ERR_OK));
	put(j, "chain", JS_58_NEW(home_chain(c->home)));
	put(j, "generatorPinned",
	    json_boolean(home_conf(c->home)->generator != NULL));
	if (v->has_fee) {
		put(j, "fee", json_integer(v->fee.base));
		put(j, "feeMore", json_integer(v->fee.more));
	}
	if (v->has_balance) {
		put(j, "balance", json_integer(v->balance));
		put(j, "transactionsLeft", json_integer(affordable(v)));
	}
	consent_out(j);
}

static void
show_money(const struct view *v)
{
	if (!v->has_fee)
		return;
	if (v->fee.base == 0)
		printf("fee:          none\n");
	else
		printf("fee:          %lld, and %lld for each KiB after the "
		       "first\n",
		    (long long)v->fee.base, (long long)v->fee.more);
	if (v->has_balance)
		printf("balance:      %lld, enough for about %lld "
		       "transactions\n",
		    (long long)v->balance, (long long)affordable(v));
}

static void
show(struct consent *c, const struct view *v)
{
	char when[CLOCK_TEXT];

	printf("ledger:       %s\nheight:       %llu\nnewest block: %s\n",
	    v->synced == ERR_OK ? "reachable" : v->why,
	    (unsigned long long)v->head.height,
	    v->head.height ? clock_text(v->head.time, when) : "none");
	printf("network:      %s, chain '%c' (%s)\nnode:         %s\n"
	       "freshness:    %s\naddress:      %s\n",
	    home_conf(c->home)->dialect, home_chain(c->home)->b[0],
	    TEXT58(home_chain(c->home)), ledger_node_url(home_node(c->home)),
	    freshness(c), v->address.s);
	show_nodes(c);
	show_money(v);
	printf("to be sent:   %llu transactions with %llu inquiries\n",
	    (unsigned long long)v->box.waiting,
	    (unsigned long long)v->box.records);
	if (v->box.since)
		printf("oldest since: %s\n", clock_text(v->box.since, when));
	if (v->room != ERR_OK)
		printf("outbox:       full: %s\n", v->full);
	if (v->box.why[0])
		printf("refused:      %s\n", v->box.why);
}

enum err
consent_status(struct consent *c)
{
	struct view v = { 0 };
	enum err e = consent_home(c);

	if (e != ERR_OK)
		return e;
	v.synced = home_sync(c->home);
	compare(c, &v);
	e = ledger_outbox_state(home_outbox(c->home), &v.box);
	if (e != ERR_OK)
		return e;
	v.room = home_outbox_room(c->home, &v.box);
	(void)snprintf(v.full, sizeof(v.full), "%s", err_detail(v.room));
	look(c, &v);
	if (c->json)
		show_json(c, &v);
	else
		show(c, &v);
	return v.synced == ERR_OK ? ERR_OK : err_say(v.synced, "%s", v.why);
}
