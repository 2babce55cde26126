/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The revoker: after each change of the policy, and by the clock, it looks at
 * everything that is open.  What may not be read any more is made dark, parked
 * requests are refused, running reads drain, the kernel's pages are dropped,
 * keys wiped: in this order.
 */
#include "gate/gate_internal.h"

#include <sys/prctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define TICK_MS  200
#define DRAIN_MS 2000
#define RETRY_MS 5000

static enum err
judge(struct gate *g, const struct gate_set *set, const char *practitioner)
{
	enum err e = gate_fresh(g, home_conf(g->home)->stale_read);

	return e == ERR_OK ?
	    gate_decide(g, set, practitioner, EVENT_RIGHT_READ, NULL) :
	    e;
}

static void
lease_dark(struct gate_lease *l, bool wipe)
{
	if (l == NULL)
		return;
	l->darken = true;
	l->wipe |= wipe;
}

/* Mark what may not go on; gate.lock is held. */
static void
judge_all_locked(struct gate *g, int64_t now)
{
	for (struct gate_lease *l = g->leases; l; l = l->next) {
		bool over = l->key && now >= l->expires_boot;

		if (over ||
		    ((l->lit || l->key) && judge(g, l->about, l->practitioner)))
			lease_dark(l, true);
		for (struct gate_doc *d = g->docs; over && d; d = d->next)
			if (ID_EQ(&d->set->id, &l->set) && d->dark == ERR_OK)
				d->dark = ERR_STALE;
	}
	for (struct gate_doc *d = g->docs; d; d = d->next) {
		enum err why;

		if (d->dark != ERR_OK)
			continue;
		why = judge(g, d->set, d->practitioner);
		if (why == ERR_OK)
			continue;
		d->dark = why;
		lease_dark(gate_lease_find(g, &d->set->id), false);
	}
}

static bool
is_dark(const void *ctx, const struct gate_job *job)
{
	return job->d->dark != ERR_OK && ctx == NULL;
}

static bool
is_late(const void *ctx, const struct gate_job *job)
{
	const int64_t *now = ctx;

	return *now >= job->deadline;
}

static bool
set_is_idle(struct gate *g, const struct event_id *set)
{
	bool idle = true;

	pthread_mutex_lock(&g->lock);
	for (struct gate_doc *d = g->docs; d; d = d->next)
		if (ID_EQ(&d->set->id, set) && d->dark != ERR_OK &&
		    d->reading > 0)
			idle = false;
	pthread_mutex_unlock(&g->lock);
	return idle;
}

/* Take one set that is to be made dark; ${out_wipe}: its key too. */
static bool
next_dark(struct gate *g, struct event_id *set, bool *out_wipe)
{
	struct gate_lease *l;

	pthread_mutex_lock(&g->lock);
	for (l = g->leases; l && !l->darken; l = l->next)
		;
	if (l) {
		*set = l->set;
		*out_wipe = l->wipe;
		l->darken = l->wipe = false;
		l->lit = !*out_wipe;
		if (*out_wipe)
			l->expires_boot = 0; /* of no use from here on */
	}
	pthread_mutex_unlock(&g->lock);
	return l != NULL;
}

static void
wipe_key(struct gate *g, const struct event_id *set)
{
	struct gate_lease *l;

	pthread_mutex_lock(&g->lock);
	l = gate_lease_find(g, set);
	if (l && l->expires_boot == 0) { /* not one of a new grant */
		secret_free(l->key);
		l->key = NULL;
	}
	pthread_mutex_unlock(&g->lock);
}

/* A dark and idle handle of ${set} that still has a key, referenced. */
static struct gate_doc *
next_keyed(struct gate *g, const struct event_id *set)
{
	struct gate_doc *d;

	pthread_mutex_lock(&g->lock);
	for (d = g->docs; d; d = d->next)
		if (ID_EQ(&d->set->id, set) && d->dark != ERR_OK &&
		    d->reading == 0 && d->doc) {
			atomic_fetch_add(&d->refs, 1);
			break;
		}
	pthread_mutex_unlock(&g->lock);
	return d;
}

/* Wipe the document keys of the dark and idle handles of a set. */
static void
wipe_docs(struct gate *g, const struct event_id *set)
{
	struct gate_doc *d;

	while ((d = next_keyed(g, set)) != NULL) {
		pthread_mutex_lock(&d->lock);
		seal_doc_free(d->doc);
		d->doc = NULL;
		pthread_mutex_unlock(&d->lock);
		gate_doc_unref(d);
	}
}

static void
beat(struct gate *g)
{
	if (g->opts.beat)
		g->opts.beat(g->opts.ctx);
}

static void
darken(struct gate *g, const struct event_id *set, bool wipe)
{
	int64_t end = clock_boot_ms() + DRAIN_MS;

	gate_jobs_answer(g, is_dark, NULL, ERR_DENIED);
	while (!set_is_idle(g, set) && clock_boot_ms() < end)
		clock_sleep_ms(1);
	if (!set_is_idle(g, set))
		log_error("gate: reads of set %s do not end", TEXT58(set));
#ifndef WITHOUT_NOTIFY
	if (g->opts.dark)
		g->opts.dark(g->opts.ctx, set);
#endif
	wipe_docs(g, set);
	if (wipe)
		wipe_key(g, set);
	log_info("gate: set %s is dark", TEXT58(set));
	beat(g);
}

/* However a renewal ended without its key, it may be tried again. */
static void
renewal_done(void *ctx, enum err e)
{
	struct gate_doc *d = ctx;
	struct gate_lease *l;

	if (e == ERR_OK)
		return;
	pthread_mutex_lock(&d->g->lock);
	l = gate_lease_find(d->g, &d->set->id);
	if (l) {
		l->renewing = false;
		l->retry_boot = clock_boot_ms() + RETRY_MS;
	}
	pthread_mutex_unlock(&d->g->lock);
}

/* Worker: renew the lease of a set that is in use. */
static enum err
run_renew(struct gate_job *job)
{
	struct gate_doc *d = job->d;
	struct gate *g = d->g;
	const struct gate_note note = {
		.patient = &d->set->patient,
		.set = &d->set->id,
		.kind = EVENT_RENEW,
		.login = g->login,
	};
	enum err e = gate_record(g, &note, &job->inquiry, &job->seq);

	if (e == ERR_OK)
		e = gate_lease_get(
		    g, d->set, EVENT_RENEW, &job->inquiry, job->seq);
	if (e != ERR_OK)
		log_warn("gate: the lease of set %s is not renewed: %s",
		    TEXT58(&d->set->id), err_text(e));
	return e;
}

/* A document of a set whose lease is to be renewed now, referenced. */
static struct gate_doc *
next_renewal(struct gate *g, int64_t now)
{
	struct gate_doc *found = NULL;

	pthread_mutex_lock(&g->lock);
	for (struct gate_doc *d = g->docs; d && !found; d = d->next) {
		struct gate_lease *l = gate_lease_find(g, &d->set->id);

		if (d->dark == ERR_OK && l && l->key && !l->renewing &&
		    now >= l->retry_boot &&
		    l->expires_boot - now < l->granted_ms / 3) {
			l->renewing = true;
			atomic_fetch_add(&d->refs, 1);
			found = d;
		}
	}
	pthread_mutex_unlock(&g->lock);
	return found;
}

static void
renew(struct gate *g, int64_t now)
{
	struct gate_doc *d;

	while ((d = next_renewal(g, now)) != NULL) {
		const struct gate_job job = {
			.d = d, .run = run_renew, .done = renewal_done, .ctx = d
		};

		renewal_done(d, gate_job_add(g, &job));
		gate_doc_unref(d);
	}
}

static void
round_of_the_clock(struct gate *g)
{
	int64_t now = clock_boot_ms();
	struct event_id set;
	bool wipe;

	gate_jobs_answer(g, is_late, &now, ERR_TIMEOUT);
	pthread_mutex_lock(&g->lock);
	judge_all_locked(g, now);
	pthread_mutex_unlock(&g->lock);
	gate_jobs_answer(g, is_dark, NULL, ERR_DENIED);
	while (next_dark(g, &set, &wipe))
		darken(g, &set, wipe);
	renew(g, now);
}

/* When to look again: after a tick, or when a grant begins or ends. */
static int64_t
next_look(struct gate *g)
{
	CLEANUP(policy_free)
	struct policy *p = registry_policy(home_registry(g->home));
	int64_t now = gate_now(g), change = policy_next_change(p, now);

	return change > 0 && change - now < TICK_MS ? change - now + 1 :
						      TICK_MS;
}

/* Wait for a change or the next look; return the changes. */
static unsigned
wait_change(struct gate *g)
{
	int64_t ms = next_look(g);
	struct timespec ts;
	unsigned changes;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ms * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&g->lock);
	while (g->changes == 0 && !g->stop &&
	    pthread_cond_timedwait(&g->timer_cond, &g->lock, &ts) == 0)
		;
	changes = g->changes;
	g->changes = 0;
	pthread_mutex_unlock(&g->lock);
	return changes;
}

void *
gate_timer_run(void *arg)
{
	struct gate *g = arg;

	(void)prctl(PR_SET_NAME, "revoker"); /* what everything rests on */
	while (!g->stop) {
		unsigned changes = wait_change(g);

		round_of_the_clock(g);
		beat(g);
		if (changes &
		    (REGISTRY_POLICY | REGISTRY_SETS | REGISTRY_ACCREDIT))
			gate_list_dirty(g);
	}
	return NULL;
}

void
gate_dark_all(struct gate *g, enum err why)
{
	struct event_id set;
	bool wipe;

	pthread_mutex_lock(&g->lock);
	for (struct gate_doc *d = g->docs; d; d = d->next)
		if (d->dark == ERR_OK)
			d->dark = why;
	for (struct gate_lease *l = g->leases; l; l = l->next)
		lease_dark(l, true);
	pthread_mutex_unlock(&g->lock);
	while (next_dark(g, &set, &wipe))
		darken(g, &set, wipe);
}
