/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parked requests.  A handler reads the state it waits for and then decides
 * to park; a wake between the two must not be lost.  So the count of wakes is
 * taken before the handler runs and compared under the lock that http_wake()
 * holds while it resumes: either the wake is seen here, or the request is in
 * the list when the wake comes.
 */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_internal.h"

#define TICK_MS 1000 /* longest sleep */

static void
list_locked(struct http_exchange *x, int64_t until)
{
	x->until = until;
	x->parked = true;
	x->prev = NULL;
	x->next = x->l->parked;
	if (x->next)
		x->next->prev = x;
	x->l->parked = x;
}

static void
resume_locked(struct http_exchange *x)
{
	if (x->prev)
		x->prev->next = x->next;
	else
		x->l->parked = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->parked = false;
	MHD_resume_connection(x->conn);
}

bool
http_park(struct http_exchange *x, int64_t until, unsigned wakes)
{
	struct http_listener *l = x->l;
	bool park;

	(void)pthread_mutex_lock(&l->lock);
	park = atomic_load(&l->wakes) == wakes && !atomic_load(&l->closing);
	if (park) {
		MHD_suspend_connection(x->conn);
		list_locked(x, until);
		(void)pthread_cond_broadcast(&l->changed);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return park;
}

void
http_wake(struct http_listener *l)
{
	(void)pthread_mutex_lock(&l->lock);
	atomic_fetch_add(&l->wakes, 1);
	while (l->parked)
		resume_locked(l->parked);
	(void)pthread_mutex_unlock(&l->lock);
}

/* Resume what is due and return how long to sleep. */
static int64_t
resume_due_locked(struct http_listener *l)
{
	int64_t now = clock_boot_ms(), sleep = TICK_MS;
	struct http_exchange *x, *next;

	for (x = l->parked; x; x = next) {
		int64_t left = x->until - now;

		next = x->next;
		if (left <= 0)
			resume_locked(x);
		else if (left < sleep)
			sleep = left;
	}
	return sleep;
}

static void
wait_locked(struct http_listener *l, int64_t ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&l->changed, &l->lock, &t);
}

/* No log is written under the lock. */
static void
tell_cut(struct http_listener *l, unsigned cut)
{
	unsigned open = l->nconns;

	(void)pthread_mutex_unlock(&l->lock);
	log_warn("http: port %u: %u connections were too slow or too many and "
		 "were cut off; %u are open",
	    l->port, cut, open);
	(void)pthread_mutex_lock(&l->lock);
}

void *
http_park_ticker(void *arg)
{
	struct http_listener *l = arg;

	(void)pthread_mutex_lock(&l->lock);
	while (!atomic_load(&l->closing)) {
		unsigned cut = http_conns_tick_locked(l);

		if (cut > 0)
			tell_cut(l, cut);
		else
			wait_locked(l, resume_due_locked(l));
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}
