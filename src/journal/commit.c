/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>

#include "base/file.h"
#include "base/log.h"
#include "journal/journal_internal.h"

/* Take what waits and fits into one write; at least the first. */
static struct journal_waiter *
take(struct journal *j)
{
	size_t space = j->size - j->used;
	struct journal_waiter *group, **end;
	size_t bytes;

	if (space > JOURNAL_GROUP_MAX)
		space = JOURNAL_GROUP_MAX;
	(void)pthread_mutex_lock(&j->lock);
	group = j->queue;
	bytes = journal_record_size(group->n);
	for (end = &group->next; *end; end = &(*end)->next) {
		bytes += journal_record_size((*end)->n);
		if (bytes > space)
			break;
	}
	j->queue = *end;
	if (j->queue == NULL)
		j->queue_end = &j->queue;
	*end = NULL;
	(void)pthread_mutex_unlock(&j->lock);
	return group;
}

static enum err
make_room_in_list(struct journal *j)
{
	struct journal_seg *segs;

	(void)pthread_mutex_lock(&j->lock);
	segs = reallocarray(j->segs, j->n_segs + 1, sizeof(*segs));
	if (segs)
		j->segs = segs;
	(void)pthread_mutex_unlock(&j->lock);
	return segs ? ERR_OK : ERR_NOMEM;
}

static void
add_to_list(struct journal *j, const struct journal_seg *seg, int fd)
{
	(void)pthread_mutex_lock(&j->lock);
	j->segs[j->n_segs++] = *seg;
	(void)pthread_mutex_unlock(&j->lock);
	(void)close(j->fd);
	j->fd = fd;
	j->size = seg->size;
	j->used = seg->used;
}

/*
 * The full segment is synced already: begin the next one.  Without space or
 * memory nothing has changed and a later record may try again.
 */
static enum err
rotate(struct journal *j)
{
	struct journal_seg seg = { 0 };
	enum err e = make_room_in_list(j);
	int fd = -1;

	if (e == ERR_OK)
		e = journal_seg_init(&seg, j->last.seq + 1, j->segment_bytes);
	if (e == ERR_OK)
		e = journal_seg_create(j, &j->last, &fd);
	if (e == ERR_OK) {
		add_to_list(j, &seg, fd);
		return ERR_OK;
	}
	free(seg.marks);
	if (e == ERR_IO)
		j->broken = true;
	return e;
}

static enum err
encode(struct journal *j, struct journal_waiter *group, struct journal_link *at,
    struct buf *out)
{
	uint64_t first = at->seq + 1;
	enum err e = ERR_OK;

	for (struct journal_waiter *w = group; w && e == ERR_OK; w = w->next) {
		e = journal_record_put(
		    j->key, at, first, (struct seal_part){ w->p, w->n }, out);
		w->seq = at->seq;
	}
	return e;
}

static enum err
write_group(struct journal *j, struct journal_waiter *group,
    struct journal_link *at, uint32_t *out_bytes)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	enum err e = encode(j, group, at, &bytes);

	if (e)
		return e;
	*out_bytes = (uint32_t)bytes.len;
	e = file_pwrite(j->fd, bytes.p, bytes.len, j->used);
	if (e == ERR_OK && fdatasync(j->fd) != 0)
		e = err_from_errno(errno);
	if (e) {
		j->broken = true;
		(void)err_say(
		    e, "cannot write to '%s': %s", j->dir, err_text(e));
	}
	return e;
}

static void
publish_locked(struct journal *j, const struct journal_waiter *group,
    const struct journal_link *at, uint32_t bytes)
{
	struct journal_seg *seg = &j->segs[j->n_segs - 1];
	uint32_t off = j->used;

	for (const struct journal_waiter *w = group; w; w = w->next) {
		journal_seg_mark(seg, w->seq, off);
		off += (uint32_t)journal_record_size(w->n);
	}
	j->last = *at;
	j->used += bytes;
	seg->used = j->used;
	(void)pthread_cond_broadcast(&j->news);
}

static void
wake_locked(struct journal_waiter *group, enum err e)
{
	struct journal_waiter *next;

	for (struct journal_waiter *w = group; w; w = next) {
		next = w->next; /* once awake ${w} is gone */
		w->err = e;
		w->done = true;
		(void)pthread_cond_signal(&w->cond);
	}
}

/* A broken journal fails all that wait and closes the gate. */
static void
fail_locked(struct journal *j, struct journal_waiter *group, enum err e)
{
	bool full = e == ERR_NOSPACE && !j->broken;

	wake_locked(group, full ? ERR_NOSPACE : ERR_JOURNAL);
	if (!j->broken)
		return;
	j->closed = true;
	wake_locked(j->queue, ERR_JOURNAL);
	j->queue = NULL;
	j->queue_end = &j->queue;
}

static void
commit(struct journal *j, size_t first_bytes)
{
	struct journal_link at;
	struct journal_waiter *group;
	uint32_t bytes = 0;
	enum err e = ERR_OK;

	if (first_bytes > j->size - j->used)
		e = rotate(j);
	group = take(j);
	at = j->last; /* only this thread changes it */
	if (e == ERR_OK)
		e = write_group(j, group, &at, &bytes);
	if (e)
		log_error("journal: %s%s", err_detail(e),
		    j->broken ? "; nothing is recorded until it was read anew" :
				"");
	(void)pthread_mutex_lock(&j->lock);
	if (e == ERR_OK) {
		publish_locked(j, group, &at, bytes);
		wake_locked(group, ERR_OK);
	} else {
		fail_locked(j, group, e);
	}
	(void)pthread_mutex_unlock(&j->lock);
}

static size_t
wait_for_work(struct journal *j)
{
	size_t bytes = 0;

	(void)pthread_mutex_lock(&j->lock);
	while (j->queue == NULL && !j->stop)
		(void)pthread_cond_wait(&j->work, &j->lock);
	if (j->queue)
		bytes = journal_record_size(j->queue->n);
	(void)pthread_mutex_unlock(&j->lock);
	return bytes;
}

static void *
run(void *arg)
{
	struct journal *j = arg;
	size_t bytes;

	while ((bytes = wait_for_work(j)) != 0) {
		commit(j, bytes);
		if (j->broken)
			journal_mend(j);
	}
	return NULL;
}

/* The committer starts with the first record, so that who opens a journal may
 * give up rights, thread by thread, before there are others. */
static bool
start_locked(struct journal *j)
{
	sigset_t all, old;

	if (j->started)
		return true;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	j->started = pthread_create(&j->thread, NULL, run, j) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!j->started)
		log_error("journal: cannot start a thread");
	return j->started;
}

/* False if the gate is closed already. */
static bool
enqueue_locked(struct journal *j, struct journal_waiter *w)
{
	if (j->closed || j->stop || !start_locked(j))
		return false;
	*j->queue_end = w;
	j->queue_end = &w->next;
	(void)pthread_cond_signal(&j->work);
	return true;
}

enum err
journal_append(struct journal *j, const void *p, size_t n, uint64_t *out_seq)
{
	struct journal_waiter w = { .p = p,
		.n = n,
		.err = ERR_JOURNAL,
		.cond = PTHREAD_COND_INITIALIZER };

	if (n > JOURNAL_MAX_RECORD)
		return err_say(ERR_TOOBIG,
		    "a record of %zu bytes is larger than %d", n,
		    JOURNAL_MAX_RECORD);
	(void)pthread_mutex_lock(&j->lock);
	if (enqueue_locked(j, &w))
		while (!w.done)
			(void)pthread_cond_wait(&w.cond, &j->lock);
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_cond_destroy(&w.cond);
	if (w.err == ERR_NOSPACE)
		return err_say(w.err,
		    "no space for the journal in '%s'; free some", j->dir);
	if (w.err)
		return err_say(w.err,
		    "the journal '%s' cannot be written; see to its disk, then "
		    "it is taken up again by itself",
		    j->dir);
	if (out_seq)
		*out_seq = w.seq;
	return ERR_OK;
}
