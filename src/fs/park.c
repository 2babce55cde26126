/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parked requests.  libfuse calls the interrupt function with the request's
 * lock held, at once if the interrupt is there already, and frees the request
 * with the reply: to reply from inside that function would free the lock that
 * is held.  So it only queues; a thread of its own tells the gate.
 */
#include "fs/ops_internal.h"

enum { PARK_NEW, PARK_ARMED, PARK_DONE };

struct fs_park *
fs_park_new(
    fuse_req_t req, struct fs_handle *h, void (*finish)(struct fs_park *p))
{
	struct fs_park *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->refs = 1;
	p->req = req;
	p->h = fs_handle_ref(h);
	p->finish = finish;
	return p;
}

void
fs_park_unref(struct fs_park *p)
{
	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	fs_handle_unref(p->h);
	free(p);
}

void
fs_park_done(void *ctx, enum err e)
{
	struct fs_park *p = ctx;

	p->e = e;
	if (atomic_exchange(&p->stage, PARK_DONE) == PARK_ARMED)
		p->finish(p);
}

static void
on_interrupt(fuse_req_t req, void *data)
{
	struct fs_park *p = data;
	struct fs *fs = p->h->fs;

	(void)req;
	if (atomic_exchange(&p->interrupted, true))
		return;
	atomic_fetch_add(&p->refs, 1);
	pthread_mutex_lock(&fs->queue_lock);
	p->next = fs->interrupts;
	fs->interrupts = p;
	pthread_cond_signal(&fs->interrupt_cond);
	pthread_mutex_unlock(&fs->queue_lock);
}

void
fs_park_arm(struct fs_park *p)
{
	fuse_req_interrupt_func(p->req, on_interrupt, p);
	if (atomic_exchange(&p->stage, PARK_ARMED) == PARK_DONE)
		p->finish(p);
}

enum err
fs_park_fetch(struct fs_park *p)
{
	struct gate_doc *doc = p->h->doc;
	enum err e = ERR_INTERRUPTED;

	atomic_fetch_add(&p->refs, 1);
	atomic_store(&p->stage, PARK_ARMED);
	if (!p->interrupted)
		e = gate_doc_fetch(doc, p->off, p->size, fs_park_done, p);
	/* one that came in between found nothing to interrupt */
	if (e == ERR_OK && p->interrupted)
		gate_doc_interrupt(doc, p);
	fs_park_unref(p);
	return e;
}

void
fs_park_quiet(struct fs_park *p)
{
	fuse_req_interrupt_func(p->req, NULL, NULL);
}

void *
fs_park_run(void *arg)
{
	struct fs *fs = arg;

	pthread_mutex_lock(&fs->queue_lock);
	while (!fs->stop || fs->interrupts) {
		struct fs_park *p = fs->interrupts;

		if (p == NULL) {
			pthread_cond_wait(&fs->interrupt_cond, &fs->queue_lock);
			continue;
		}
		fs->interrupts = p->next;
		pthread_mutex_unlock(&fs->queue_lock);
		gate_doc_interrupt(p->h->doc, p);
		fs_park_unref(p);
		pthread_mutex_lock(&fs->queue_lock);
	}
	pthread_mutex_unlock(&fs->queue_lock);
	return NULL;
}
