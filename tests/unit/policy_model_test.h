/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A story is a short list of events; ref_decide() judges it straight from the
 * rules, by loops over all events, without any index.
 */
#ifndef POLICY_MODEL_TEST_H
#define POLICY_MODEL_TEST_H

#include "policy/policy.h"

#define STORY_MAX     24
#define PENDING_ORDER 1000000

enum kind { DECIDES, DELEGATES, ENDS, IS_OPAQUE, JOINS };

struct ev {
	enum kind kind;
	struct policy_source src;
	struct pubkey patient;
	bool repeated; /* was seen pending before it became final */
	struct event_decision d;
	struct event_delegation g;
	struct event_id set; /* storage for a scope of sets */
	struct event_id ended;
	bool keep;
	struct institution_id joins;
	const char *group;
};

struct story {
	size_t n;
	struct ev ev[STORY_MAX];
};

/* What the rules say; on a denial, every reason that holds. */
struct ref_verdict {
	bool permit;
	size_t n; /* grants that permit, or reasons */
	struct event_id ids[STORY_MAX];
	enum policy_why whys[STORY_MAX];
};

extern uint64_t story_seed; /* of the newest story */

/* Random numbers from here on come from ${seed}. */
void story_begin(uint64_t seed);
void story_random(struct story *s, uint64_t seed);
/* Add the patient's next revocation or exclusion, final or not. */
void story_narrow(struct story *s, const struct policy *p, bool truthful);
void story_query(struct policy_query *q, struct event_document_set *about,
    struct event_id *set);
unsigned story_below(unsigned n);
bool story_chance(unsigned percent);

void ref_decide(const struct story *s, const struct policy_query *q,
    struct ref_verdict *out);

#endif
