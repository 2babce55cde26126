/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "journal/journal_internal.h"

#define DEFAULT_SEGMENT (4 << 20)
#define WAIT_SLICE_MS   5000

static enum err
take_lock(struct journal *j)
{
	CLEANUP(free) char *path = file_join(j->dir, "lock");

	return path ? file_lock(path, &j->lock_fd) : ERR_NOMEM;
}

static enum err
check_opts(const struct journal_opts *opts)
{
	if (secret_len(opts->key) != SEAL_KEY)
		return err_say(
		    ERR_INVAL, "the journal's key is not %d bytes", SEAL_KEY);
	if (opts->segment_bytes != 0 &&
	    (opts->segment_bytes < JOURNAL_SEGMENT_MIN ||
		opts->segment_bytes > JOURNAL_SEGMENT_MAX))
		return err_say(ERR_INVAL,
		    "journal segments have %d to %d bytes", JOURNAL_SEGMENT_MIN,
		    JOURNAL_SEGMENT_MAX);
	return ERR_OK;
}

static struct journal *
journal_new(const struct journal_opts *opts)
{
	struct journal *j = calloc(1, sizeof(*j));
	pthread_condattr_t attr;

	if (j == NULL)
		return NULL;
	j->lock_fd = j->fd = -1;
	j->queue_end = &j->queue;
	j->segment_bytes = opts->segment_bytes ? (uint32_t)opts->segment_bytes :
						 DEFAULT_SEGMENT;
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_mutex_init(&j->drop_lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&j->news, &attr);
	(void)pthread_cond_init(&j->work, &attr);
	(void)pthread_condattr_destroy(&attr);
	j->dir = strdup(opts->dir);
	return j;
}

enum err
journal_open(const struct journal_opts *opts, struct journal **out)
{
	CLEANUP(journal_close) struct journal *j = NULL;
	enum err e = check_opts(opts);

	if (e)
		return e;
	j = journal_new(opts);
	if (j == NULL || j->dir == NULL)
		return ERR_NOMEM;
	if ((e = secret_copy(secret_view(opts->key), SEAL_KEY, &j->key)) != 0 ||
	    (e = file_mkdirs(j->dir)) != ERR_OK ||
	    (e = take_lock(j)) != ERR_OK || (e = journal_recover(j)) != ERR_OK)
		return e;
	*out = TAKE(j);
	return ERR_OK;
}

static void
stop(struct journal *j)
{
	(void)pthread_mutex_lock(&j->lock);
	j->stop = true;
	(void)pthread_cond_signal(&j->work);
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_join(j->thread, NULL);
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->started)
		stop(j);
	for (size_t i = 0; i < j->n_segs; i++)
		free(j->segs[i].marks);
	free(j->segs);
	cleanup_fd_close(&j->fd);
	cleanup_fd_close(&j->lock_fd);
	(void)pthread_cond_destroy(&j->news);
	(void)pthread_cond_destroy(&j->work);
	(void)pthread_mutex_destroy(&j->drop_lock);
	(void)pthread_mutex_destroy(&j->lock);
	secret_free(j->key);
	free(j->dir);
	free(j);
}

void
journal_head(struct journal *j, uint64_t *out_seq, uint8_t out_hash[static 32])
{
	(void)pthread_mutex_lock(&j->lock);
	*out_seq = j->last.seq;
	memcpy(out_hash, j->last.hash, sizeof(j->last.hash));
	(void)pthread_mutex_unlock(&j->lock);
}

uint64_t
journal_last(struct journal *j)
{
	uint8_t hash[32];
	uint64_t seq;

	journal_head(j, &seq, hash);
	return seq;
}

void
journal_wait_slice_locked(struct journal *j, pthread_cond_t *cond, int64_t ms)
{
	struct timespec ts;

	if (ms > WAIT_SLICE_MS)
		ms = WAIT_SLICE_MS;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(cond, &j->lock, &ts);
}

static void
wait_locked(struct journal *j, uint64_t seq, int64_t until_boot_ms)
{
	uint64_t pokes = j->pokes;

	while (j->last.seq <= seq && j->pokes == pokes && !j->poked) {
		int64_t now = clock_boot_ms();

		if (until_boot_ms <= now)
			break;
		journal_wait_slice_locked(j, &j->news, until_boot_ms - now);
	}
	j->poked = false;
}

uint64_t
journal_wait(struct journal *j, uint64_t seq, int64_t until_boot_ms)
{
	uint64_t last;

	(void)pthread_mutex_lock(&j->lock);
	j->waiting++;
	wait_locked(j, seq, until_boot_ms);
	j->waiting--;
	last = j->last.seq;
	(void)pthread_mutex_unlock(&j->lock);
	return last;
}

/* Nobody waits: the poke is kept for the next one, who may be on its way. */
void
journal_poke(struct journal *j)
{
	(void)pthread_mutex_lock(&j->lock);
	j->pokes++;
	j->poked = j->waiting == 0;
	(void)pthread_cond_broadcast(&j->news);
	(void)pthread_mutex_unlock(&j->lock);
}
