/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands to the node what is held: at once what is new, all of it again from
 * time to time, since a node's pool can lose what it took.
 */
#include <string.h>
#include <time.h>

#include "consentd/server_internal.h"

#define AGAIN_MS       15000
#define BACKOFF_MS     500
#define BACKOFF_MAX_MS 15000
#define DOWN_MS        2000 /* how long no request waits for the node in vain */

struct resend {
	struct server *s;
	pthread_t thread;
	pthread_mutex_t lock; /* guards kicked, all, stop */
	pthread_cond_t wake;
	bool kicked, all, stop;
	_Atomic int64_t down_until; /* boot time */
	uint64_t sent;              /* thread only: newest that was sent */
	bool refusal_said;          /* thread only */
};

static enum err
broadcast(struct resend *r, const char *json, const struct tx_id *id)
{
	enum err e = ledger_node_broadcast(r->s->ledger, json, id);

	if (ledger_node_away(e))
		atomic_store(&r->down_until, clock_boot_ms() + DOWN_MS);
	return e;
}

/* A refusal is the transaction's fault; the others go on. */
static enum err
send_one(struct resend *r, const char *json, const struct tx_id *id)
{
	enum err e = broadcast(r, json, id);

	if (e == ERR_OK || ledger_node_away(e))
		return e;
	if (!r->refusal_said)
		log_warn("node: does not take transaction %s: %s", TEXT58(id),
		    err_detail(e));
	r->refusal_said = true;
	return ERR_OK;
}

static bool
is_stopping(struct resend *r)
{
	bool stop;

	(void)pthread_mutex_lock(&r->lock);
	stop = r->stop;
	(void)pthread_mutex_unlock(&r->lock);
	return stop;
}

/* Send what is held above ${after}. */
static enum err
send_held(struct resend *r, uint64_t after)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && !is_stopping(r)) {
		CLEANUP_BUF struct buf json = { 0 };
		struct tx_id id;

		e = consentd_store_next_held(
		    r->s->store, after, &after, &id, &json);
		if (e == ERR_NOTFOUND)
			return ERR_OK;
		if (e == ERR_OK)
			e = send_one(r, buf_text(&json), &id);
		if (e == ERR_OK && after > r->sent)
			r->sent = after;
	}
	return e;
}

struct narrowing {
	struct resend *r;
	enum err e;
};

static void
send_narrowing(void *ctx, const char *json, const struct tx_id *id)
{
	struct narrowing *n = ctx;

	if (n->e == ERR_OK && !is_stopping(n->r))
		n->e = send_one(n->r, json, id);
}

static enum err
send_all(struct resend *r)
{
	struct narrowing n = { r, ERR_OK };
	enum err e = send_held(r, 0);

	if (e == ERR_OK)
		e = registry_resend(r->s->registry, send_narrowing, &n);
	return e ? e : n.e;
}

/* Wait for a kick or until ${ms} are over; false at the end.  ${out_all}: what
 * the node had may be lost. */
static bool
wait(struct resend *r, int64_t ms, bool *out_all)
{
	struct timespec t;
	bool go;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&r->lock);
	while (!r->kicked && !r->stop &&
	    pthread_cond_timedwait(&r->wake, &r->lock, &t) == 0)
		;
	*out_all = r->all;
	r->kicked = r->all = false;
	go = !r->stop;
	(void)pthread_mutex_unlock(&r->lock);
	return go;
}

static int64_t
pause_after(unsigned fails)
{
	int64_t ms = fails < 6 ? BACKOFF_MS << fails : BACKOFF_MAX_MS;

	if (fails == 0)
		return AGAIN_MS;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void *
run(void *arg)
{
	struct resend *r = arg;
	int64_t again = 0;
	unsigned fails = 0;
	bool lost = false;

	do {
		bool all = lost || clock_boot_ms() >= again;
		enum err e = all ? send_all(r) : send_held(r, r->sent);

		if (all)
			again = clock_boot_ms() + AGAIN_MS;
		fails = e ? fails + 1 : 0;
	} while (wait(r, pause_after(fails), &lost));
	return NULL;
}

enum err
consentd_resend_start(struct server *s, struct resend **out)
{
	struct resend *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int rc;

	if (r == NULL)
		return ERR_NOMEM;
	r->s = s;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	rc = pthread_create(&r->thread, NULL, run, r);
	if (rc) {
		free(r);
		return err_say(err_from_errno(rc),
		    "cannot start the thread that sends to the node");
	}
	*out = r;
	return ERR_OK;
}

void
consentd_resend_stop(struct resend *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
	(void)pthread_join(r->thread, NULL);
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
wake(struct resend *r, bool all)
{
	(void)pthread_mutex_lock(&r->lock);
	r->kicked = true;
	r->all |= all;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
}

void
consentd_resend_kick(struct resend *r)
{
	wake(r, false);
}

void
consentd_resend_again(struct resend *r)
{
	wake(r, true);
}

void
consentd_resend_now(struct resend *r, const struct ledger_tx *tx)
{
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf json = { 0 };
	enum err e;

	if (clock_boot_ms() < atomic_load(&r->down_until)) {
		consentd_resend_kick(r);
		return;
	}
	e = ledger_tx_json(tx, r->s->roots.chain.b[0], &j);
	if (e == ERR_OK) {
		js_print(j, &json);
		e = json.err;
	}
	if (e == ERR_OK)
		e = broadcast(r, buf_text(&json), &tx->id);
	if (e)
		consentd_resend_kick(r);
}
