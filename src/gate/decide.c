/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "policy/policy.h"

int64_t
gate_now(struct gate *g)
{
	struct ledger_head head;
	int64_t wall = clock_wall_ms();

	ledger_follow_head(home_follower(g->home), &head);
	return head.time > wall ? head.time : wall;
}

enum err
gate_fresh(struct gate *g, int64_t bound_ms)
{
	struct ledger_head head;

	ledger_follow_head(home_follower(g->home), &head);
	if (head.height > 0 && head.age_ms <= bound_ms)
		return ERR_OK;
	if (head.why[0])
		return err_say(ERR_STALE, "%s", head.why);
	if (head.height == 0)
		return err_say(ERR_STALE,
		    "no block of the ledger was seen yet; is the node "
		    "reachable?");
	return err_say(ERR_STALE,
	    "the newest block of the ledger is %lld s old; is the node "
	    "reachable, and this machine's clock right?",
	    (long long)(head.age_ms / 1000));
}

void
gate_practitioner(
    struct gate *g, const char *login, char out[static GATE_PRACTITIONER])
{
	const char *name, *id;

	home_practitioner(g->home, login, &name, &id);
	(void)snprintf(out, GATE_PRACTITIONER, "%s", id);
}

/* A person reads what is their own. */
static enum err
decide_person(struct gate *g, const struct gate_set *set)
{
	return ID_EQ(&set->patient, home_key(g->home)) ? ERR_OK : ERR_DENIED;
}

enum err
gate_decide(struct gate *g, const struct gate_set *set,
    const char *practitioner, enum event_right right, int64_t *out_until)
{
	const struct institution_id *us = home_institution(g->home);
	CLEANUP(policy_free) struct policy *p = NULL;
	struct policy_verdict v;
	struct policy_query q;

	if (out_until)
		*out_until = 0;
	if (us == NULL)
		return decide_person(g, set);
	if (right == EVENT_RIGHT_LIST &&
	    ID_EQ(&set->event->u.set.custodian, us))
		return ERR_OK; /* a custodian lists what it published */
	q = (struct policy_query){
		.institution = *us,
		.practitioner = practitioner,
		.patient = set->patient,
		.set = &set->id,
		.about = &set->event->u.set,
		.purpose = home_conf(g->home)->purpose,
		.right = right,
		.now = gate_now(g),
	};
	p = registry_policy(home_registry(g->home));
	policy_decide(p, &q, &v);
	if (out_until)
		*out_until = v.until;
	return v.permit ? ERR_OK : policy_err(&v);
}
