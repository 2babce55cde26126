/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define PERSON_LEASE_MS 900000

struct gate_lease *
gate_lease_find(struct gate *g, const struct event_id *set)
{
	for (struct gate_lease *l = g->leases; l; l = l->next)
		if (ID_EQ(&l->set, set))
			return l;
	return NULL;
}

static bool
live(const struct gate_lease *l)
{
	return l && l->key && clock_boot_ms() < l->expires_boot;
}

bool
gate_lease_ready(struct gate *g, const struct event_id *set)
{
	bool ready;

	pthread_mutex_lock(&g->lock);
	ready = live(gate_lease_find(g, set));
	pthread_mutex_unlock(&g->lock);
	return ready;
}

/* The RMS releases the key to an institution against the signed record. */
static enum err
ask_rms(struct gate *g, const struct gate_set *set, enum event_kind kind,
    const struct inquiry_id *inquiry, uint64_t seq, struct secret *key,
    int64_t *lease_ms)
{
	CLEANUP_BUF struct buf json = { 0 };
	struct rms_release r;
	enum err e = gate_drained_json(
	    g, seq, clock_boot_ms() + GATE_PARK_MS, &json);

	if (e == ERR_OK)
		e = rms_release_get(home_rms(g->home), kind, &set->id, inquiry,
		    buf_text(&json), &r);
	if (e != ERR_OK)
		return e;
	*lease_ms = r.lease_ms;
	return home_open_sealed(
	    g->home, r.key, sizeof(r.key), secret_bytes(key));
}

/* A patient opens the box in the key record; the access is in the journal. */
static enum err
ask_record(struct gate *g, const struct gate_set *set, struct secret *key,
    int64_t *lease_ms)
{
	struct rms_record r;
	enum err e = rms_get_record(home_rms(g->home), &set->id, &r);

	*lease_ms = PERSON_LEASE_MS;
	return e == ERR_OK ? home_open_sealed(g->home, r.patient,
				 sizeof(r.patient), secret_bytes(key)) :
			     e;
}

static enum err
keep_key(struct gate *g, const struct gate_set *set, struct secret *key,
    int64_t lease_ms)
{
	struct gate_lease *l;

	pthread_mutex_lock(&g->lock);
	l = gate_lease_find(g, &set->id);
	if (l == NULL && (l = calloc(1, sizeof(*l))) != NULL) {
		l->set = set->id;
		l->patient = set->patient;
		l->about = gate_set_ref(set);
		gate_practitioner(g, g->login, l->practitioner);
		l->next = g->leases;
		g->leases = l;
	}
	if (l) {
		secret_free(l->key);
		l->key = key;
		l->granted_ms = lease_ms;
		l->expires_boot = clock_boot_ms() + lease_ms;
		l->renewing = false;
		pthread_cond_signal(&g->timer_cond);
	}
	pthread_mutex_unlock(&g->lock);
	if (l == NULL)
		secret_free(key);
	return l ? ERR_OK : ERR_NOMEM;
}

static enum err
obtain(struct gate *g, const struct gate_set *set, enum event_kind kind,
    const struct inquiry_id *inquiry, uint64_t seq)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	uint8_t commitment[32];
	int64_t lease_ms = 0;
	enum err e = secret_new(SEAL_KEY, &key);

	if (e == ERR_OK)
		e = home_institution(g->home) ?
		    ask_rms(g, set, kind, inquiry, seq, key, &lease_ms) :
		    ask_record(g, set, key, &lease_ms);
	if (e != ERR_OK)
		return e;
	seal_set_commitment(key, &set->id, commitment);
	if (memcmp(commitment, set->event->u.set.set_key_commitment, 32) != 0)
		return err_say(ERR_FORGED,
		    "the released key is not the one that was published");
	return keep_key(g, set, TAKE(key), lease_ms);
}

enum err
gate_lease_get(struct gate *g, const struct gate_set *set, enum event_kind kind,
    const struct inquiry_id *inquiry, uint64_t seq)
{
	enum err e = ERR_OK;

	pthread_mutex_lock(&g->lease_lock);
	if (kind == EVENT_RENEW || !gate_lease_ready(g, &set->id))
		e = obtain(g, set, kind, inquiry, seq);
	pthread_mutex_unlock(&g->lease_lock);
	return e;
}

enum err
gate_lease_doc(struct gate *g, const struct gate_doc *d,
    const uint8_t head[static SEAL_DOC_HEAD], struct seal_doc **out)
{
	struct gate_lease *l;
	enum err e = ERR_NOKEY;

	pthread_mutex_lock(&g->lock);
	l = gate_lease_find(g, &d->set->id);
	if (live(l))
		e = seal_doc_open(l->key, &d->set->id, d->number, head, out);
	pthread_mutex_unlock(&g->lock);
	return e;
}

void
gate_lease_lit(
    struct gate *g, const struct gate_set *set, const char *practitioner)
{
	struct gate_lease *l;

	pthread_mutex_lock(&g->lock);
	l = gate_lease_find(g, &set->id);
	if (l) {
		l->lit = true;
		(void)snprintf(l->practitioner, sizeof(l->practitioner), "%s",
		    practitioner);
	}
	pthread_mutex_unlock(&g->lock);
}

void
gate_lease_free_all(struct gate *g)
{
	while (g->leases) {
		struct gate_lease *l = g->leases;

		g->leases = l->next;
		secret_free(l->key);
		gate_set_free(l->about);
		free(l);
	}
}
