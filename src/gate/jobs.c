/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parked requests: a job is worked on by one of a few threads, but answered by
 * whoever comes first: the worker, a time-out, an interrupt or a revocation.
 */
#include "gate/gate_internal.h"

#include "base/clock.h"

void
gate_doc_unref(struct gate_doc *d)
{
	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	seal_doc_free(d->doc);
	blobs_put(d->blob);
	blobs_put(d->spoilt);
	gate_set_free(d->set);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void
job_unref(struct gate_job *job)
{
	if (atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	gate_doc_unref(job->d);
	free(job);
}

/* Take ${job} off the live list; gate.lock is held. */
static void
unlink_live(struct gate_job *job)
{
	if (job->live_at == NULL)
		return;
	*job->live_at = job->live_next;
	if (job->live_next)
		job->live_next->live_at = job->live_at;
	job->live_at = NULL;
}

static void
answer(struct gate *g, struct gate_job *job, enum err e)
{
	bool mine = !atomic_exchange(&job->answered, true);
	bool was_live;

	pthread_mutex_lock(&g->lock);
	was_live = job->live_at != NULL;
	unlink_live(job);
	pthread_mutex_unlock(&g->lock);
	if (mine)
		job->done(job->ctx, e);
	if (was_live)
		job_unref(job);
}

enum err
gate_job_add(struct gate *g, const struct gate_job *proto)
{
	struct gate_job *job = malloc(sizeof(*job));
	enum err dark;
	bool full;

	if (job == NULL)
		return ERR_NOMEM;
	*job = *proto;
	job->next = NULL;
	job->refs = 2;
	job->answered = false;
	job->deadline = clock_boot_ms() + GATE_PARK_MS;
	atomic_fetch_add(&job->d->refs, 1);
	pthread_mutex_lock(&g->lock);
	/* the revoker answers what it finds: nothing may come after it */
	dark = atomic_load(&job->d->dark);
	full = g->njobs >= GATE_MAX_JOBS || g->stop;
	if (!full && dark == ERR_OK) {
		g->njobs++;
		*g->queue_end = job;
		g->queue_end = &job->next;
		job->live_next = g->live;
		job->live_at = &g->live;
		if (g->live)
			g->live->live_at = &job->live_next;
		g->live = job;
		pthread_cond_signal(&g->jobs_cond);
	}
	pthread_mutex_unlock(&g->lock);
	if (!full && dark == ERR_OK)
		return ERR_OK;
	gate_doc_unref(job->d);
	free(job);
	if (dark != ERR_OK)
		return dark;
	return err_say(ERR_BUSY, "too many requests wait");
}

/* The first live job that matches, referenced. */
static struct gate_job *
pick(struct gate *g, bool (*match)(const void *ctx, const struct gate_job *job),
    const void *ctx)
{
	struct gate_job *job;

	pthread_mutex_lock(&g->lock);
	for (job = g->live; job; job = job->live_next)
		if (match(ctx, job)) {
			atomic_fetch_add(&job->refs, 1);
			break;
		}
	pthread_mutex_unlock(&g->lock);
	return job;
}

void
gate_jobs_answer(struct gate *g,
    bool (*match)(const void *ctx, const struct gate_job *job), const void *ctx,
    enum err e)
{
	struct gate_job *job;

	while ((job = pick(g, match, ctx)) != NULL) {
		answer(g, job, e);
		job_unref(job);
	}
}

static struct gate_job *
next_job(struct gate *g)
{
	struct gate_job *job;

	pthread_mutex_lock(&g->lock);
	while (g->queue == NULL && !g->stop)
		pthread_cond_wait(&g->jobs_cond, &g->lock);
	job = g->queue;
	if (job) {
		g->queue = job->next;
		if (g->queue == NULL)
			g->queue_end = &g->queue;
		g->njobs--;
	}
	pthread_mutex_unlock(&g->lock);
	return job;
}

void *
gate_jobs_run(void *arg)
{
	struct gate *g = arg;
	struct gate_job *job;

	while ((job = next_job(g)) != NULL) {
		enum err e = g->stop ? ERR_INTERRUPTED : ERR_OK;

		err_clear(); /* the detail is that of this job, or none */
		if (e == ERR_OK && !atomic_load(&job->answered))
			e = job->run(job);
		gate_tell(g, job->d->set, job->d->number, e);
		answer(g, job, e);
		job_unref(job);
	}
	return NULL;
}

struct interrupted {
	const struct gate_doc *d;
	const void *ctx;
};

static bool
is_interrupted(const void *ctx, const struct gate_job *job)
{
	const struct interrupted *i = ctx;

	return job->d == i->d && job->ctx == i->ctx;
}

void
gate_doc_interrupt(struct gate_doc *d, void *ctx)
{
	const struct interrupted i = { d, ctx };

	gate_jobs_answer(d->g, is_interrupted, &i, ERR_INTERRUPTED);
}
