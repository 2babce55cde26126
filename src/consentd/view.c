/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/server_internal.h"

#define MAX_WAYS 64 /* of each kind: more than a patient's decisions name */

struct asking {
	struct institution_id institution;
	size_t npractitioners, npurposes;
	char *practitioner[MAX_WAYS], *purpose[MAX_WAYS];
	struct policy *policy;
	bool failed; /* no memory: nothing may be listed */
};

int64_t
consentd_now(struct server *s)
{
	int64_t now = clock_wall_ms(), block;
	uint64_t height;

	registry_position(s->registry, &height, &block);
	return block > now ? block : now;
}

static bool
has_powers(struct server *s, const struct event_id *delegation, unsigned powers)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };

	if (powers == 0)
		return true;
	return registry_get(s->registry, delegation, &ev) == ERR_OK &&
	    ev.e->type == EVENT_DELEGATION &&
	    (ev.e->u.delegation.powers & powers) == powers;
}

bool
consentd_is_person(struct server *s, const struct caller *c,
    const struct pubkey *patient, unsigned powers)
{
	struct event_id delegation;

	if (ID_EQ(&c->key, patient))
		return true;
	return registry_representative(
		   s->registry, &c->key, patient, 0, &delegation) == ERR_OK &&
	    has_powers(s, &delegation, powers);
}

static void
add_way(struct asking *a, char **ways, size_t *n, const char *text)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(ways[i], text) == 0)
			return;
	if (*n == MAX_WAYS)
		return;
	ways[*n] = strdup(text);
	if (ways[*n])
		(*n)++;
	else
		a->failed = true;
}

static bool
collect(void *ctx, const struct registry_event *ev)
{
	const struct event_decision *d = &ev->e->u.decision;
	struct asking *a = ctx;

	if (d->party == EVENT_INSTITUTION &&
	    !ID_EQ(&d->institution, &a->institution))
		return true;
	if (d->practitioner)
		add_way(
		    a, a->practitioner, &a->npractitioners, d->practitioner);
	for (size_t i = 0; i < d->purposes.n; i++)
		add_way(a, a->purpose, &a->npurposes, d->purposes.v[i]);
	return !a->failed;
}

enum err
consentd_asking_new(struct server *s, const struct pubkey *patient,
    const struct institution_id *institution, const char *purpose,
    const char *practitioner, struct asking **out)
{
	CLEANUP(consentd_asking_free)
	struct asking *a = calloc(1, sizeof(*a));
	enum err e;

	if (a == NULL)
		return ERR_NOMEM;
	a->institution = *institution;
	a->policy = registry_policy(s->registry);
	e = registry_each(s->registry, EVENT_DECISION, patient, collect, a);
	if (e)
		return e;
	for (size_t i = 0; purpose && i < a->npurposes; i++)
		free(a->purpose[i]);
	for (size_t i = 0; practitioner && i < a->npractitioners; i++)
		free(a->practitioner[i]);
	if (purpose)
		a->npurposes = 0;
	if (practitioner)
		a->npractitioners = 0;
	add_way(a, a->purpose, &a->npurposes, purpose ? purpose : "TREAT");
	if (practitioner)
		add_way(a, a->practitioner, &a->npractitioners, practitioner);
	if (a->failed)
		return ERR_NOMEM;
	*out = TAKE(a);
	return ERR_OK;
}

void
consentd_asking_free(struct asking *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->npurposes; i++)
		free(a->purpose[i]);
	for (size_t i = 0; i < a->npractitioners; i++)
		free(a->practitioner[i]);
	policy_free(a->policy);
	free(a);
}

static bool
permits(const struct asking *a, struct policy_query *q)
{
	struct policy_verdict v;

	q->practitioner = NULL;
	policy_decide(a->policy, q, &v);
	for (size_t i = 0; !v.permit && i < a->npractitioners; i++) {
		q->practitioner = a->practitioner[i];
		policy_decide(a->policy, q, &v);
	}
	return v.permit;
}

bool
consentd_may_list(
    struct server *s, const struct asking *a, const struct registry_event *set)
{
	const struct event_document_set *about = &set->e->u.set;
	struct policy_query q = { .institution = a->institution,
		.patient = set->e->patient,
		.set = &set->id,
		.about = about,
		.right = EVENT_RIGHT_LIST,
		.now = consentd_now(s) };

	if (!set->accredited)
		return false;
	if (ID_EQ(&about->custodian, &a->institution))
		return true;
	for (size_t i = 0; set->final && i < a->npurposes; i++) {
		q.purpose = a->purpose[i];
		if (permits(a, &q))
			return true;
	}
	return false;
}

bool
consentd_may_copy(
    struct server *s, const struct caller *c, const struct registry_event *set)
{
	if (consentd_is_person(s, c, &set->e->patient, EVENT_POWER_VIEW))
		return true;
	if (!c->is_host)
		return false;
	return ID_EQ(&set->e->u.set.custodian, &c->institution) ||
	    consentd_store_granted(s->store, &c->institution, &set->id) != 0;
}
