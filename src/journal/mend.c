/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * After a write or a sync that failed nobody knows what the disk holds, and
 * another sync may say yes and mean nothing.  The gate stays closed until the
 * segments were read from the disk, and checked, as they are at a start.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "journal/journal_internal.h"

#define FIRST_MS 1000
#define LAST_MS  30000

static void
free_segs(struct journal_seg *segs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(segs[i].marks);
	free(segs);
}

/* Everything that was acknowledged must be there. */
static enum err
check_whole(const struct journal *j, const struct journal *fresh)
{
	if (fresh->last.seq > j->last.seq ||
	    (fresh->last.seq == j->last.seq &&
		memcmp(fresh->last.hash, j->last.hash, sizeof(j->last.hash)) ==
		    0))
		return ERR_OK;
	return err_say(ERR_CORRUPT,
	    "the disk lost records of journal '%s'; keep a copy and have it "
	    "examined",
	    j->dir);
}

static void
go_on_with(struct journal *j, struct journal *fresh)
{
	int fd = j->fd;

	(void)pthread_mutex_lock(&j->lock);
	free_segs(j->segs, j->n_segs);
	j->segs = TAKE(fresh->segs);
	j->n_segs = fresh->n_segs;
	j->last = fresh->last;
	j->closed = false;
	(void)pthread_cond_broadcast(&j->news);
	(void)pthread_mutex_unlock(&j->lock);
	j->fd = fresh->fd;
	fresh->fd = -1;
	fresh->n_segs = 0;
	j->size = fresh->size;
	j->used = fresh->used;
	j->broken = false;
	(void)close(fd);
}

static enum err
read_anew(struct journal *j)
{
	struct journal fresh = { .dir = j->dir,
		.key = j->key,
		.segment_bytes = j->segment_bytes,
		.fd = -1 };
	enum err e;

	(void)pthread_mutex_lock(&j->drop_lock);
	e = journal_recover(&fresh);
	if (e == ERR_OK)
		e = check_whole(j, &fresh);
	if (e == ERR_OK)
		go_on_with(j, &fresh);
	(void)pthread_mutex_unlock(&j->drop_lock);
	free_segs(fresh.segs, fresh.n_segs);
	cleanup_fd_close(&fresh.fd);
	return e;
}

/* False: the journal is being closed. */
static bool
wait_ms(struct journal *j, int64_t ms)
{
	int64_t until = clock_boot_ms() + ms, now;
	bool stop;

	(void)pthread_mutex_lock(&j->lock);
	while (!j->stop && (now = clock_boot_ms()) < until)
		journal_wait_slice_locked(j, &j->work, until - now);
	stop = j->stop;
	(void)pthread_mutex_unlock(&j->lock);
	return !stop;
}

void
journal_mend(struct journal *j)
{
	enum err e, said = ERR_OK;

	for (int64_t ms = FIRST_MS; j->broken && wait_ms(j, ms);) {
		e = read_anew(j);
		if (e != ERR_OK && e != said)
			log_error(
			    "journal: it stays closed: %s", err_detail(e));
		said = e;
		ms = ms * 2 < LAST_MS ? ms * 2 : LAST_MS;
	}
	if (!j->broken)
		log_warn("journal: read and checked anew; records are taken "
			 "again");
}
