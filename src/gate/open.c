/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>

static enum err
make_doc(struct gate *g, const struct gate_set *set, uint32_t number,
    const struct gate_who *who, struct gate_doc **out)
{
	struct gate_doc *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_NOMEM;
	d->g = g;
	d->refs = 1;
	d->set = gate_set_ref(set);
	d->number = number;
	gate_practitioner(g, who->login, d->practitioner);
	(void)pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_lock(&g->lock);
	if (g->stop)
		d->dark = ERR_INTERRUPTED;
	d->next = g->docs;
	d->at = &g->docs;
	if (g->docs)
		g->docs->at = &d->next;
	g->docs = d;
	pthread_mutex_unlock(&g->lock);
	*out = d;
	return ERR_OK;
}

static enum err
record_access(struct gate *g, const struct gate_set *set, uint32_t number,
    const struct gate_who *who, struct gate_job *job)
{
	const struct gate_note note = {
		.patient = &set->patient,
		.set = &set->id,
		.document = number,
		.kind = EVENT_ACCESS,
		.login = who->login,
		.app = who->app,
	};

	return gate_record(g, &note, &job->inquiry, &job->seq);
}

/* Worker: obtain the key that the open needs. */
static enum err
run_open(struct gate_job *job)
{
	struct gate_doc *d = job->d;
	enum err e = gate_lease_get(
	    d->g, d->set, EVENT_ACCESS, &job->inquiry, job->seq);

	if (e == ERR_OK) {
		gate_lease_lit(d->g, d->set, d->practitioner);
		e = atomic_load(&d->dark);
	}
	return e;
}

/* What the policy says, and whether the ledger is known well enough. */
static enum err
may_open(struct gate *g, const struct gate_set *set, const struct gate_who *who)
{
	char practitioner[GATE_PRACTITIONER];
	enum err e = gate_fresh(g, home_conf(g->home)->stale_open);

	gate_practitioner(g, who->login, practitioner);
	return e == ERR_OK ?
	    gate_decide(g, set, practitioner, EVENT_RIGHT_READ, NULL) :
	    e;
}

enum err
gate_doc_open(struct gate *g, const struct gate_set *set, uint32_t number,
    const struct gate_who *who, struct gate_doc **out, gate_done done,
    void *ctx)
{
	struct gate_job job = { .run = run_open, .done = done, .ctx = ctx };
	struct gate_doc *d = NULL;
	enum err e;

	if (g->opts.ciphertext || g->stop)
		return ERR_DENIED;
	if (number == 0 || number > set->manifest->n ||
	    !gate_catalog_has(g, &set->id))
		return ERR_NOTFOUND;
	e = may_open(g, set, who);
	if (e == ERR_OK)
		e = gate_room(g);
	if (e != ERR_OK) {
		gate_record_denied(g, set, number, who, e);
		return e;
	}
	e = record_access(g, set, number, who, &job);
	if (e == ERR_OK)
		e = make_doc(g, set, number, who, &d);
	if (e != ERR_OK)
		return e;
	/* Once more: a revocation that came since the first look has not seen
	 * this handle; one that comes from here on does. */
	e = may_open(g, set, who);
	if (e != ERR_OK) {
		gate_doc_close(d);
		gate_record_denied(g, set, number, who, e);
		return e;
	}
	d->inquiry = job.inquiry;
	d->seq = job.seq;
	*out = job.d = d;
	if (gate_lease_ready(g, &set->id)) {
		gate_lease_lit(g, set, d->practitioner);
		e = atomic_load(&d->dark);
	} else {
		e = gate_job_add(g, &job);
		if (e == ERR_OK)
			return ERR_PENDING;
	}
	if (e != ERR_OK) {
		gate_doc_close(d);
		*out = NULL;
	}
	return e;
}

uint64_t
gate_doc_size(const struct gate_doc *d)
{
	return d->set->manifest->doc[d->number - 1].size;
}

void
gate_doc_close(struct gate_doc *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->g->lock);
	*d->at = d->next;
	if (d->next)
		d->next->at = d->at;
	pthread_mutex_unlock(&d->g->lock);
	gate_doc_unref(d);
}
