/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"

static void
on_registry(void *ctx, unsigned changes)
{
	struct gate *g = ctx;

	pthread_mutex_lock(&g->lock);
	g->changes |= changes;
	pthread_cond_signal(&g->timer_cond);
	pthread_mutex_unlock(&g->lock);
}

static void
on_hint(void *ctx)
{
	gate_list_dirty(ctx);
}

static void
init_locks(struct gate *g)
{
	pthread_condattr_t mono;

	(void)pthread_condattr_init(&mono);
	(void)pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_mutex_init(&g->sets_lock, NULL);
	(void)pthread_mutex_init(&g->lease_lock, NULL);
	(void)pthread_cond_init(&g->jobs_cond, &mono);
	(void)pthread_cond_init(&g->timer_cond, &mono);
	(void)pthread_cond_init(&g->drained_cond, &mono);
	(void)pthread_cond_init(&g->sets_cond, &mono);
	(void)pthread_condattr_destroy(&mono);
	g->queue_end = &g->queue;
}

static enum err
open_journal(struct gate *g, const char *dir)
{
	CLEANUP(free)
	char *path = file_join(
	    dir, g->opts.ciphertext ? "backup/journal" : "mount/journal");
	struct journal_opts opts = { .dir = path };
	enum err e = seal_rest_key(
	    home_identity(g->home), "journal", &g->journal_key);

	if (path == NULL)
		return ERR_NOMEM;
	opts.key = g->journal_key;
	return e == ERR_OK ? journal_open(&opts, &g->journal) : e;
}

static enum err
open_cache(struct gate *g, const char *dir)
{
	const struct home_conf *c = home_conf(g->home);
	CLEANUP(free)
	char *path = file_join(
	    dir, g->opts.ciphertext ? "backup/cache" : c->cache_dir);
	const struct blobs_opts o = { .dir = path,
		.max_bytes = (uint64_t)c->cache_size };

	return path ? blobs_open(&o, &g->cache) : ERR_NOMEM;
}

/* A journal that was taken away and begun anew is drained from its start. */
static enum err
find_position(struct gate *g)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *d = NULL;
	struct ledger_outbox *o = home_outbox(g->home);
	enum err e;

	e = ledger_outbox_number(o, gate_position(g), &g->drained);
	if (e != ERR_OK || g->drained <= journal_last(g->journal))
		return e;
	log_warn("gate: the journal was begun anew");
	g->drained = 0;
	e = ledger_draft_begin(o, &d);
	if (e != ERR_OK)
		return e;
	ledger_draft_set(d, gate_position(g), 0);
	return ledger_draft_commit(TAKE(d), NULL);
}

enum err
gate_open(const struct gate_opts *opts, struct gate **out)
{
	CLEANUP(gate_close) struct gate *g = calloc(1, sizeof(*g));
	struct home_opts h = {
		.dir = opts->home_dir,
		.program = opts->ciphertext ? "backup" : "mount",
		.ask = opts->ask,
		.ask_ctx = opts->ask_ctx,
		.changed = on_registry,
		.changed_ctx = g,
	};
	enum err e;

	if (g == NULL)
		return ERR_NOMEM;
	init_locks(g);
	g->opts = *opts;
	g->login = strdup(opts->login);
	if (g->login == NULL)
		return ERR_NOMEM;
	e = home_open(&h, &g->home);
	if (e == ERR_OK)
		e = open_journal(g, opts->home_dir);
	if (e == ERR_OK)
		e = open_cache(g, opts->home_dir);
	if (e == ERR_OK)
		e = gate_catalog_make(g);
	if (e != ERR_OK)
		return e;
	e = find_position(g);
	if (e == ERR_OK)
		*out = TAKE(g);
	return e;
}

const struct home *
gate_home(const struct gate *g)
{
	return g->home;
}

enum err
gate_start(struct gate *g)
{
	const struct {
		pthread_t *thread;
		void *(*run)(void *arg);
	} threads[] = {
		{ &g->timer, gate_timer_run },
		{ &g->drainer, gate_drain_run },
		{ &g->lister, gate_list_run },
		{ &g->worker[0], gate_jobs_run },
		{ &g->worker[1], gate_jobs_run },
		{ &g->worker[2], gate_jobs_run },
		{ &g->worker[3], gate_jobs_run },
	};
	enum err e = home_start(g->home, on_hint, g);

	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(threads); i++) {
		if (pthread_create(
			threads[i].thread, NULL, threads[i].run, g) != 0)
			e = err_say(ERR_NOMEM, "cannot start a thread");
		else
			g->started++;
	}
	gate_list_dirty(g);
	return e;
}

static void
wake_all(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	pthread_cond_broadcast(&g->jobs_cond);
	pthread_cond_broadcast(&g->timer_cond);
	pthread_cond_broadcast(&g->drained_cond);
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_lock(&g->sets_lock);
	pthread_cond_broadcast(&g->sets_cond);
	pthread_mutex_unlock(&g->sets_lock);
	journal_poke(g->journal);
	rms_client_cancel(home_rms(g->home));
}

void
gate_dark(struct gate *g)
{
	if (g->stop)
		return;
	g->stop = true; /* first: an open from here on is dark */
	gate_dark_all(g, ERR_INTERRUPTED);
}

void
gate_stop(struct gate *g)
{
	pthread_t threads[] = { g->timer, g->drainer, g->lister, g->worker[0],
		g->worker[1], g->worker[2], g->worker[3] };

	gate_dark(g);
	if (g->stopped)
		return;
	g->stopped = true;
	wake_all(g);
	for (unsigned i = 0; i < g->started; i++)
		(void)pthread_join(threads[i], NULL);
	g->started = 0;
	gate_flush_denied(g, 0, true);
	if (gate_drain_all(g) != ERR_OK)
		log_warn("gate: inquiries stay in the journal until the next "
			 "start");
	else if (ledger_outbox_send(home_outbox(g->home), home_node(g->home)) !=
	    ERR_OK)
		log_warn("gate: inquiries stay in the outbox until the next "
			 "start");
}

void
gate_close(struct gate *g)
{
	if (g == NULL)
		return;
	gate_catalog_free(g->catalog);
	for (size_t i = 0; i < g->nsets; i++)
		gate_set_free(&g->set[i]->pub);
	free(g->set);
	gate_lease_free_all(g);
	blobs_close(g->cache);
	journal_close(g->journal);
	secret_free(g->journal_key);
	home_close(g->home);
	free(g->login);
	free(g);
}
