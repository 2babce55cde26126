/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/accredit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/text.h"
#include "consentd/commands_internal.h"
#include "consentd/conf.h"
#include "ledger/ledger.h"

#define REQUEST_MAX 65536
#define CLEAR       2 /* byte 0 of an entry in clear */
#define CONFIRM_MS  60000
#define SERVER_MS   10000
#define LOOK_MS     50

enum { DIR_, NAME, GROUP, END_HOST, NOPTS };

static const struct opt opts[NOPTS] = {
	[DIR_] = { "dir", "DIR", "consentd's directory", false },
	[NAME] = { "name", "NAME", "the institution's name", false },
	[GROUP] = { "group", "GROUP", "a group that it belongs to", true },
	[END_HOST] = { "end-host", "KEY", "a host that ends now", true },
};

/* The newest accreditations, in ledger order. */
struct roll {
	struct pubkey rms;
	uint64_t height;
	struct sig id;
	struct event **e;
	size_t n;
	struct ledger_follower *follower;
	struct tx_id mine; /* what is waited for, */
	uint64_t found;    /* and the final block that has it; 0: none yet */
};

static void
roll_free(struct roll *r)
{
	for (size_t i = 0; i < r->n; i++)
		event_free(r->e[i]);
	free(r->e);
	ledger_follow_free(r->follower);
}
#define CLEANUP_ROLL __attribute__((cleanup(roll_free), unused))

static enum err
enter(struct roll *r, struct event *e)
{
	struct event **more;

	for (size_t i = 0; i < r->n; i++)
		if (ID_EQ(&r->e[i]->u.accredit.institution,
			&e->u.accredit.institution)) {
			event_free(r->e[i]);
			r->e[i] = e;
			return ERR_OK;
		}
	more = realloc(r->e, (r->n + 1) * sizeof(struct event *));
	if (more == NULL) {
		event_free(e);
		return ERR_NOMEM;
	}
	r->e = more;
	r->e[r->n++] = e;
	return ERR_OK;
}

static enum err
read_entry(struct roll *r, const struct ledger_entry *en)
{
	struct entry_key key;
	struct event *e = NULL;

	if (ledger_entry_read(en->key, &key) != ERR_OK ||
	    en->type != LEDGER_BINARY || en->len < 2 || en->value[0] != CLEAR)
		return ERR_OK;
	if (event_decode(en->value + 1, en->len - 1, &e) != ERR_OK)
		return ERR_OK;
	if (e->type == EVENT_ACCREDIT)
		return enter(r, e);
	event_free(e);
	return ERR_OK;
}

static enum err
read_tx(void *ctx, const struct ledger_tx *tx)
{
	struct roll *r = ctx;
	enum err e = ERR_OK;

	if (!ID_EQ(&tx->sender, &r->rms))
		return ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < tx->nentries; i++)
		e = read_entry(r, &tx->entry[i]);
	return e;
}

static enum err
read_block(struct roll *r, const struct ledger_block *b)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < b->ntx; i++) {
		e = read_tx(r, b->tx[i]);
		if (ID_EQ(&b->tx[i]->id, &r->mine))
			r->found = b->height;
	}
	r->height = b->height;
	r->id = b->id;
	return e;
}

static enum err
read_blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = read_block(ctx, b[i]);
	return e;
}

static enum err
read_position(void *ctx, uint64_t *height, struct sig *id)
{
	const struct roll *r = ctx;

	*height = r->height;
	*id = r->id;
	return ERR_OK;
}

/* Walk the whole chain; what is not final yet counts as the newest. */
static enum err
read_roll(struct ledger_node *node, const struct consentd_roots *roots,
    struct roll *r)
{
	const struct ledger_follow_opts o = { .node = node,
		.sink = { .ctx = r,
		    .position = read_position,
		    .blocks = read_blocks,
		    .pending = read_tx },
		.final_depth = (unsigned)roots->final_depth };
	enum err e = ledger_follow_new(&o, &r->follower);

	return e ? e : ledger_follow_step(r->follower);
}

static const struct event_accredit *
find_institution(const struct roll *r, const struct institution_id *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (ID_EQ(&r->e[i]->u.accredit.institution, id))
			return &r->e[i]->u.accredit;
	return NULL;
}

static const struct event_accredit *
find_host(const struct roll *r, const struct pubkey *key)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct event_accredit *a = &r->e[i]->u.accredit;

		for (size_t k = 0; k < a->nhosts; k++)
			if (ID_EQ(&a->hosts[k].key, key))
				return a;
	}
	return NULL;
}

/* Begin with what the ledger has, now that the institution is known. */
static enum err
add_request(const struct roll *r, const char *path, int64_t now,
    struct accreditation *a)
{
	CLEANUP_BUF struct buf json = { 0 };
	struct accreditation probe = { 0 };
	const struct event_accredit *newest = NULL;
	enum err e = file_read(path, REQUEST_MAX, &json);

	if (e == ERR_OK)
		e = consentd_acc_request(&probe, json.p, json.len, now);
	if (e == ERR_OK && !a->has_institution)
		newest = find_institution(r, &probe.e.u.accredit.institution);
	consentd_acc_free(&probe);
	if (e == ERR_OK && newest)
		e = consentd_acc_take(a, newest);
	if (e == ERR_OK)
		e = consentd_acc_request(a, json.p, json.len, now);
	if (e == ERR_FORMAT || e == ERR_CONFLICT)
		return err_say(e, "'%s': %s", path, err_detail(e));
	return e;
}

static enum err
end_host(const struct roll *r, const char *text, int64_t now,
    struct accreditation *a)
{
	const struct event_accredit *newest;
	struct pubkey key;
	enum err e = text58_read(text, key.b, sizeof(key.b));

	if (e)
		return err_say(ERR_INVAL, "'%s' is no key", text);
	newest = a->has_institution ? NULL : find_host(r, &key);
	if (newest)
		e = consentd_acc_take(a, newest);
	return e ? e : consentd_acc_end_host(a, &key, now);
}

/*
 * From when it counts: readers go by the time of blocks, and a block's may be
 * before the time of a transaction in it.
 */
static int64_t
ledger_now(const struct roll *r)
{
	int64_t now = clock_wall_ms();
	struct ledger_head head;

	ledger_follow_head(r->follower, &head);
	return head.height && head.time < now ? head.time : now;
}

static enum err
merge(const struct roll *r, const struct opt_values *v,
    const struct opt_values *files, struct accreditation *a)
{
	int64_t now = clock_wall_ms();
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < files->n; i++)
		e = add_request(r, files->v[i], ledger_now(r), a);
	for (size_t i = 0; e == ERR_OK && i < v[END_HOST].n; i++)
		e = end_host(r, v[END_HOST].v[i], now, a);
	if (e == ERR_OK && v[NAME].n)
		e = consentd_acc_name(a, v[NAME].v[0]);
	else if (e == ERR_OK &&
	    !find_institution(r, &a->e.u.accredit.institution))
		e = err_say(ERR_INVAL,
		    "give the new institution's name by --name: you vouch "
		    "for it");
	for (size_t i = 0; e == ERR_OK && i < v[GROUP].n; i++)
		e = consentd_acc_group(a, v[GROUP].v[i]);
	return e;
}

static enum err
make_tx(struct ledger_node *node, const struct consentd_roots *roots,
    const struct seal_identity *rms, const struct event *ev,
    struct ledger_tx **out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_BUF struct buf value = { 0 };
	struct ledger_fee fee;
	struct entry_key key;
	struct text58 name;
	enum err e;

	seal_random(key.b, sizeof(key.b));
	buf_u8(&value, CLEAR);
	e = event_encode(ev, &value);
	if (e == ERR_OK)
		e = ledger_tx_new(&tx);
	if (e)
		return e;
	ledger_tx_dialect(tx, roots->dialect, (uint8_t)roots->tx_version);
	tx->timestamp = clock_wall_ms();
	e = ledger_tx_binary(
	    tx, ledger_entry_name(&key, &name), value.p, value.len);
	if (e == ERR_OK && roots->fee < 0 && ledger_node_fee(node, &fee))
		e = ledger_tx_pay(tx, &fee);
	else
		tx->fee = roots->fee;
	if (e == ERR_OK)
		e = ledger_tx_sign(tx, rms);
	if (e == ERR_OK)
		*out = TAKE(tx);
	return e;
}

static enum err
confirm(struct ledger_node *node, struct roll *r, const struct tx_id *id)
{
	int64_t until = clock_boot_ms() + CONFIRM_MS;

	r->mine = *id;
	while (clock_boot_ms() < until) {
		struct ledger_head head;
		enum err e = ledger_follow_step(r->follower);

		if (r->found)
			return ERR_OK;
		if (e && !ledger_node_away(e))
			return e;
		ledger_follow_head(r->follower, &head);
		ledger_node_wait(node, head.height, LOOK_MS, NULL);
	}
	return err_say(ERR_PENDING,
	    "transaction %s is with the node, but in no final block yet",
	    TEXT58(id));
}

/* A server that runs is to know it too, before we say that it is done. */
static void
await_server(const char *dir, uint64_t height)
{
	int64_t until = clock_boot_ms() + SERVER_MS;

	while (clock_boot_ms() < until) {
		CLEANUP_JS json_t *j = NULL;
		CLEANUP_BUF struct buf text = { 0 };
		struct js r;

		if (consentd_health(dir, &text) != ERR_OK ||
		    js_parse(text.p, text.len, JS_DEPTH, &j) != ERR_OK)
			return; /* none runs */
		js_init(&r, j);
		if (js_int(&r, "height", 0, INT64_MAX) >= (int64_t)height ||
		    r.err)
			return;
		clock_sleep_ms(LOOK_MS);
	}
}

static enum err
write_out(struct ledger_node *node, const struct consentd_roots *roots,
    const struct seal_identity *rms, const struct accreditation *a,
    struct roll *r)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf json = { 0 };
	enum err e = make_tx(node, roots, rms, &a->e, &tx);

	if (e == ERR_OK)
		e = ledger_tx_json(tx, roots->chain.b[0], &j);
	if (e)
		return e;
	js_print(j, &json);
	if (json.err)
		return json.err;
	e = ledger_node_broadcast(node, buf_text(&json), &tx->id);
	if (e == ERR_OK)
		e = confirm(node, r, &tx->id);
	if (e == ERR_OK)
		printf("accredited %s, transaction %s\n",
		    TEXT58(&a->e.u.accredit.institution), TEXT58(&tx->id));
	return e;
}

static enum err
meet(const char *dir, const struct consentd_roots *roots,
    struct ledger_node **out)
{
	CLEANUP_CONF struct consentd_conf c = { 0 };
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	enum err e = consentd_conf_read(dir, &c);

	if (e == ERR_OK)
		e = consentd_node(&c, roots, &node);
	if (e == ERR_OK)
		e = ledger_node_handshake(node);
	if (e == ERR_OK)
		*out = TAKE(node);
	return e;
}

static enum err
accredit(const struct opt_values *v, const struct opt_values *files)
{
	CLEANUP(seal_identity_free) struct seal_identity *rms = NULL;
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	CLEANUP_ROOTS struct consentd_roots roots = { 0 };
	CLEANUP_ROLL struct roll roll = { 0 };
	CLEANUP_ACCREDITATION struct accreditation a = { 0 };
	CLEANUP(free) char *key = file_join(v[DIR_].v[0], "rms.key");
	enum err e = key ? consentd_roots_read(v[DIR_].v[0], &roots) :
			   ERR_NOMEM;

	if (e == ERR_OK)
		e = seal_identity_load(key, NULL, NULL, &rms);
	if (e == ERR_OK)
		e = meet(v[DIR_].v[0], &roots, &node);
	if (e)
		return e;
	roll.rms = *seal_identity_key(rms);
	e = read_roll(node, &roots, &roll);
	if (e == ERR_OK)
		e = merge(&roll, v, files, &a);
	if (e == ERR_OK)
		e = write_out(node, &roots, rms, &a, &roll);
	if (e == ERR_OK)
		await_server(
		    v[DIR_].v[0], roll.found + (uint64_t)roots.final_depth - 1);
	return e;
}

enum err
consentd_accredit(int argc, char **argv)
{
	struct opt_values v[NOPTS], files;
	enum err e = opt_parse(opts, NOPTS, argc, argv, v, &files);

	if (e)
		return e;
	if (v[DIR_].n == 0 || (files.n == 0 && v[END_HOST].n == 0))
		return err_say(ERR_INVAL,
		    "usage: consentd accredit --dir DIR --name NAME "
		    "[--group G]... [--end-host KEY]... [REQUEST.json]...");
	return accredit(v, &files);
}
