/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 2000

enum err
ledger_follow_new(
    const struct ledger_follow_opts *opts, struct ledger_follower **out)
{
	CLEANUP(ledger_follow_free) struct ledger_follower *f = NULL;

	if (opts->final_depth > LEDGER_MAX_DEPTH)
		return err_say(ERR_INVAL, "blocks are final after at most %d",
		    LEDGER_MAX_DEPTH);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&f->lock, NULL);
	f->node = opts->node;
	f->sink = opts->sink;
	f->final_depth = opts->final_depth ? opts->final_depth : 1;
	f->poll_ms = opts->poll_ms > 0 ? opts->poll_ms : 1000;
	f->error = ERR_STALE;
	f->places = f->final_depth + LEDGER_BATCH;
	f->held = calloc(f->places, sizeof(*f->held));
	if (f->held == NULL)
		return ERR_NOMEM;
	*out = TAKE(f);
	return ERR_OK;
}

void
ledger_follow_kick(struct ledger_follower *f)
{
	__atomic_store_n(&f->kicked, true, __ATOMIC_RELEASE);
}

void
ledger_follow_free(struct ledger_follower *f)
{
	if (f == NULL)
		return;
	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	ledger_follow_kick(f);
	if (f->started)
		(void)pthread_join(f->thread, NULL);
	ledger_watch_stop(f);
	ledger_follow_drop(f);
	free(f->held);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

/* Each change of state is one line, not each round. */
static void
log_change(const struct ledger_follower *f, enum err *logged, enum err e)
{
	if (e == *logged)
		return;
	if (e)
		log_warn("ledger: cannot follow the node: %s", err_detail(e));
	else
		log_info("ledger: following the node at height %llu",
		    (unsigned long long)f->tip);
	*logged = e;
}

static void *
run(void *arg)
{
	struct ledger_follower *f = arg;
	enum err logged = ERR_STALE;
	int64_t pause = BACKOFF_MS;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		enum err e;

		/* a kick from now on wants another round */
		__atomic_store_n(&f->kicked, false, __ATOMIC_RELEASE);
		if (__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
			break;
		e = ledger_follow_step(f);
		if (e == ERR_INTERRUPTED &&
		    __atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
			break;
		log_change(f, &logged, e);
		if (e == ERR_OK) {
			pause = BACKOFF_MS;
			ledger_node_wait(
			    f->node, f->tip, f->poll_ms, &f->kicked);
			continue;
		}
		ledger_nap(pause, &f->kicked);
		if (pause < BACKOFF_MAX_MS / 2)
			pause *= 2;
		else
			pause = BACKOFF_MAX_MS;
	}
	return NULL;
}

enum err
ledger_follow_start(struct ledger_follower *f)
{
	int rc = pthread_create(&f->thread, NULL, run, f);

	if (rc)
		return err_say(
		    err_from_errno(rc), "cannot start the ledger follower");
	f->started = true;
	return ledger_watch_start(f);
}

/* The time that the seen blocks prove to have come; under the lock. */
static int64_t
proved_now(const struct ledger_follower *f)
{
	return f->seen_time + (clock_boot_ms() - f->seen_boot);
}

void
ledger_follow_adopt(struct ledger_follower *f, const struct ledger_mark *m)
{
	int64_t boot = clock_boot_ms();

	(void)pthread_mutex_lock(&f->lock);
	if (m->time >= f->head.time) { /* also after a fork */
		if (f->seen_boot == 0 || m->time > proved_now(f)) {
			f->seen_time = m->time;
			f->seen_boot = boot;
		}
		f->head = *m;
		if (!f->has_head)
			f->head_since = boot;
		f->has_head = true;
	}
	(void)pthread_mutex_unlock(&f->lock);
}

/* A fork: nothing is fresh any more. */
void
ledger_follow_note(struct ledger_follower *f, enum err e)
{
	static const char unproved[] =
	    "the newest blocks hold what is not known here, so that their "
	    "signatures cannot be checked";
	const char *why = e ? err_detail(e) : f->unproved ? unproved : "";

	(void)pthread_mutex_lock(&f->lock);
	f->error = e;
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
	if (e == ERR_FORK)
		f->has_head = false;
	(void)pthread_mutex_unlock(&f->lock);
}

void
ledger_follow_head(struct ledger_follower *f, struct ledger_head *out)
{
	*out = (struct ledger_head){ .age_ms = INT64_MAX };
	(void)pthread_mutex_lock(&f->lock);
	out->error = f->error;
	memcpy(out->why, f->why, sizeof(out->why));
	if (f->has_head) {
		int64_t now = clock_wall_ms(), proved = proved_now(f);

		out->height = f->head.height;
		out->time = f->head.time;
		out->age_ms = (proved > now ? proved : now) - f->head.time;
		ledger_watch_judge(f, out);
	}
	(void)pthread_mutex_unlock(&f->lock);
}
