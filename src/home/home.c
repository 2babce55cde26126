/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static enum err
load_key(struct home *h, const struct home_opts *o, const char *name,
    struct seal_identity **out)
{
	CLEANUP(free) char *path = file_join(h->dir, name);

	if (path == NULL)
		return ERR_NOMEM;
	return seal_identity_load(path, o->ask, o->ask_ctx, out);
}

/* reading.key is the newest; reading-1.key, reading-2.key ... are kept to
 * open what was sealed before a rotation. */
static enum err
load_reading(struct home *h, const struct home_opts *o)
{
	enum err e = load_key(h, o, "reading.key", &h->reading[0]);

	if (e != ERR_OK)
		return e;
	for (h->nreading = 1; h->nreading < HOME_MAX_READING; h->nreading++) {
		char name[32];

		(void)snprintf(
		    name, sizeof(name), "reading-%zu.key", h->nreading);
		e = load_key(h, o, name, &h->reading[h->nreading]);
		if (e == ERR_NOTFOUND)
			break;
		if (e != ERR_OK)
			return e;
	}
	err_clear();
	return ERR_OK;
}

static enum err
load_keys(struct home *h, const struct home_opts *o)
{
	enum err e = load_key(h, o, "identity.key", &h->id);

	if (e == ERR_OK && h->has_institution)
		e = load_reading(h, o);
	if (e == ERR_OK)
		e = seal_rest_key(h->id, o->program, &h->rest_key);
	return e;
}

static enum err
open_node(struct home *h)
{
	const struct home_conf *c = &h->conf;
	struct ledger_node_opts o = {
		.dialect = ledger_dialect_find(c->dialect),
		.url = c->node,
		.api_key_file = c->api_key_file,
		.token_file = c->token_file,
		.ca_file = c->node_ca,
		.pinned_key = c->node_pin,
		.chain = h->chain,
		.fee_max = c->fee_max,
		.generators = c->generator,
	};

	return ledger_node_new(&o, &h->node);
}

static enum err
open_rms(struct home *h)
{
	const struct rms_client_opts o = {
		.url = h->conf.rms_url,
		.ca_file = h->conf.rms_ca,
		.pinned_key = h->conf.rms_pin,
		.chain = h->chain,
		.rms = h->rms_key,
		.id = h->id,
	};

	return rms_client_new(&o, &h->rms);
}

static enum err
open_outbox(struct home *h)
{
	CLEANUP(free) char *dir = file_join(h->dir, "outbox");
	const struct ledger_outbox_opts o = {
		.dir = dir,
		.id = h->id,
		.chain = h->chain,
		.dialect = ledger_dialect_find(h->conf.dialect),
		.version = (uint8_t)h->conf.tx_version,
		.fee = h->conf.fee,
	};

	return dir ? ledger_outbox_open(&o, &h->outbox) : ERR_NOMEM;
}

static enum err
open_registry(struct home *h, const struct home_opts *o)
{
	CLEANUP(free) char *dir = file_join(h->program_dir, "registry");
	struct registry_opts r = {
		.dir = dir,
		.reader = { .chain = h->chain, .rms = h->rms_key },
		.rest_key = h->rest_key,
		.changed = o->changed,
		.changed_ctx = o->changed_ctx,
	};

	if (dir == NULL)
		return ERR_NOMEM;
	if (h->has_institution) {
		r.reader.has_institution = true;
		r.reader.institution = h->institution;
		r.reader.reading = (const struct seal_identity *const *)
				       h->reading;
		r.reader.nreading = h->nreading;
	} else
		r.reader.account = h->id;
	return registry_open(&r, &h->registry);
}

/*
 * The follower feeds registry and outbox.  Where to go on after a crash the
 * registry says, so it learns of a block last.
 */
static enum err
on_position(void *ctx, uint64_t *height, struct sig *id)
{
	struct home *h = ctx;

	return h->registry_sink.position(h->registry_sink.ctx, height, id);
}

static enum err
on_blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	struct home *h = ctx;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = ledger_outbox_block(h->outbox, b[i]);
	return e ? e : h->registry_sink.blocks(h->registry_sink.ctx, b, n);
}

static enum err
on_pending(void *ctx, const struct ledger_tx *tx)
{
	struct home *h = ctx;

	return h->registry_sink.pending(h->registry_sink.ctx, tx);
}

static void
on_done(void *ctx)
{
	struct home *h = ctx;
	struct ledger_head head;

	if (h->registry_sink.done)
		h->registry_sink.done(h->registry_sink.ctx);
	ledger_follow_head(h->follower, &head); /* what the last round said */
	if (head.error != ERR_OK && h->hint)
		h->hint(h->hint_ctx);
}

static void
on_undone(void *ctx)
{
	struct home *h = ctx;

	ledger_outbox_again(h->outbox);
}

static enum err
open_follower(struct home *h)
{
	const struct ledger_follow_opts o = {
		.node = h->node,
		.sink = { h, on_position, on_blocks, on_pending, on_done,
		    on_undone },
		.final_depth = (unsigned)h->conf.final_depth,
		.poll_ms = h->conf.poll,
	};

	h->registry_sink = registry_sink(h->registry);
	return ledger_follow_new(&o, &h->follower);
}

enum err
home_open(const struct home_opts *opts, struct home **out)
{
	CLEANUP(home_close) struct home *h = calloc(1, sizeof(*h));
	enum err e;

	if (h == NULL)
		return ERR_NOMEM;
	h->dir = strdup(opts->dir);
	h->program_dir = file_join(opts->dir, opts->program);
	if (h->dir == NULL || h->program_dir == NULL)
		return ERR_NOMEM;
	if ((e = home_conf_load(h)) != ERR_OK ||
	    (e = load_keys(h, opts)) != ERR_OK ||
	    (e = file_mkdirs(h->program_dir)) != ERR_OK ||
	    (e = open_node(h)) != ERR_OK || (e = open_rms(h)) != ERR_OK ||
	    (e = open_outbox(h)) != ERR_OK ||
	    (e = open_registry(h, opts)) != ERR_OK ||
	    (e = open_follower(h)) != ERR_OK)
		return e;
	home_feed_load(h);
	*out = TAKE(h);
	return ERR_OK;
}

void
home_close(struct home *h)
{
	if (h == NULL)
		return;
	h->stop = true;
	if (h->rms)
		rms_client_cancel(h->rms);
	if (h->feed_runs)
		(void)pthread_join(h->feed_thread, NULL);
	ledger_follow_free(h->follower);
	ledger_outbox_close(h->outbox);
	registry_close(h->registry);
	rms_client_free(h->rms);
	ledger_node_free(h->node);
	secret_free(h->rest_key);
	for (size_t i = 0; i < HOME_MAX_READING; i++)
		seal_identity_free(h->reading[i]);
	seal_identity_free(h->id);
	home_conf_release(h);
	free(h->program_dir);
	free(h->dir);
	free(h);
}

const char *
home_dir(const struct home *h)
{
	return h->dir;
}

const struct home_conf *
home_conf(const struct home *h)
{
	return &h->conf;
}

const struct seal_identity *
home_identity(const struct home *h)
{
	return h->id;
}

const struct pubkey *
home_key(const struct home *h)
{
	return seal_identity_key(h->id);
}

const struct chain *
home_chain(const struct home *h)
{
	return &h->chain;
}

const struct pubkey *
home_rms_key(const struct home *h)
{
	return &h->rms_key;
}

const struct institution_id *
home_institution(const struct home *h)
{
	return h->has_institution ? &h->institution : NULL;
}

struct ledger_node *
home_node(struct home *h)
{
	return h->node;
}

struct rms_client *
home_rms(struct home *h)
{
	return h->rms;
}

struct ledger_outbox *
home_outbox(struct home *h)
{
	return h->outbox;
}

struct registry *
home_registry(struct home *h)
{
	return h->registry;
}

struct ledger_follower *
home_follower(struct home *h)
{
	return h->follower;
}

enum err
home_open_sealed(const struct home *h, const uint8_t *in, size_t n, void *out)
{
	enum err e = ERR_FORGED;

	if (!h->has_institution)
		e = seal_box_open(h->id, in, n, out);
	for (size_t i = 0; e != ERR_OK && i < h->nreading; i++)
		e = seal_box_open(h->reading[i], in, n, out);
	return e == ERR_FORGED ?
	    err_say(e, "a sealed key does not open with any key of ours") :
	    e;
}
