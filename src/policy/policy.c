/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "policy/policy_internal.h"

#define WHY_COUNT (POLICY_DELEGATION + 1)

const char *const policy_why_texts[WHY_COUNT] = {
	[POLICY_GRANTED] = "granted",
	[POLICY_NO_DECISION] = "the patient has decided nothing that covers it",
	[POLICY_REFUSED] = "refused by the patient",
	[POLICY_REVOKED] = "the consent was revoked",
	[POLICY_EXCLUDED] = "excluded by the patient",
	[POLICY_EXPIRED] = "the consent has expired",
	[POLICY_NOT_YET] = "the consent begins later",
	[POLICY_PENDING] = "the consent is not confirmed by the ledger yet",
	[POLICY_GAP] = "a decision is missing here; wait or ask for it",
	[POLICY_DOUBLE] = "two decisions bear one number; decide again",
	[POLICY_OPAQUE] = "a decision is not understood; update this program",
	[POLICY_RIGHT] = "the consent gives another right only",
	[POLICY_DELEGATION] = "the representative was not authorised",
};

static const enum err why_errors[WHY_COUNT] = {
	[POLICY_GRANTED] = ERR_OK,
	[POLICY_NO_DECISION] = ERR_DENIED,
	[POLICY_REFUSED] = ERR_REFUSED,
	[POLICY_REVOKED] = ERR_REVOKED,
	[POLICY_EXCLUDED] = ERR_DENIED,
	[POLICY_EXPIRED] = ERR_EXPIRED,
	[POLICY_NOT_YET] = ERR_DENIED,
	[POLICY_PENDING] = ERR_PENDING,
	[POLICY_GAP] = ERR_DENIED,
	[POLICY_DOUBLE] = ERR_DENIED,
	[POLICY_OPAQUE] = ERR_DENIED,
	[POLICY_RIGHT] = ERR_DENIED,
	[POLICY_DELEGATION] = ERR_DENIED,
};

enum err
policy_err(const struct policy_verdict *v)
{
	enum err e;

	if (v->permit)
		return ERR_OK;
	e = (unsigned)v->why < WHY_COUNT ? why_errors[v->why] : ERR_DENIED;
	return e ? e : ERR_DENIED;
}

struct policy *
policy_ref(struct policy *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

void
policy_free(struct policy *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	for (size_t i = 0; i < p->nfacts; i++)
		policy_fact_free(p->facts[i]);
	for (size_t i = 0; p->members && i < p->nmembers; i++)
		free(p->members[i].group);
	free(p->facts);
	free(p->items);
	free(p->streams);
	free(p->members);
	free(p->changes);
	free(p);
}

const struct fact *
policy_head(const struct policy *p, const struct stream *s)
{
	return p->items[s->first].fact;
}

size_t
policy_first_stream(const struct policy *p, const struct pubkey *patient)
{
	size_t lo = 0, hi = p->nstreams;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct fact *f = policy_head(p, &p->streams[mid]);

		if (memcmp(&f->patient, patient, sizeof(*patient)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int64_t
policy_next_change(const struct policy *p, int64_t now)
{
	size_t lo = 0, hi = p->nchanges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->changes[mid] <= now)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->nchanges ? p->changes[lo] : 0;
}

/* The streams about one patient and party, one after the other. */
static const struct stream *
next_of_party(const struct policy *p, const struct pubkey *patient,
    const struct event_decision *party, size_t *at)
{
	const struct fact want = { .party = party->party,
		.institution = party->institution,
		.group = party->group };

	while (*at < p->nstreams) {
		const struct stream *s = &p->streams[(*at)++];
		const struct fact *f = policy_head(p, s);

		if (!ID_EQ(&f->patient, patient))
			return NULL;
		if (policy_compare_party(f, &want) == 0)
			return s;
	}
	return NULL;
}

uint64_t
policy_next_n(const struct policy *p, const struct pubkey *signer,
    const struct pubkey *patient, const struct event_decision *party)
{
	size_t at = policy_first_stream(p, patient);
	const struct stream *s;

	if (party->party == EVENT_GROUP && party->group == NULL)
		return 1;
	while ((s = next_of_party(p, patient, party, &at)) != NULL)
		if (ID_EQ(&policy_head(p, s)->src.signer, signer))
			return policy_head(p, s)->n + 1;
	return 1;
}

/* The patient and who ever acted within a live delegation come first: others
 * must not be able to crowd them out. */
static bool
is_known(const struct policy *p, const struct stream *s)
{
	const struct fact *f = policy_head(p, s);

	if (ID_EQ(&f->src.signer, &f->patient))
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (p->items[s->first + i].via)
			return true;
	return false;
}

size_t
policy_seen(const struct policy *p, const struct pubkey *patient,
    const struct event_decision *party, struct event_seen *out, size_t max)
{
	size_t n = 0;

	if (party->party == EVENT_GROUP && party->group == NULL)
		return 0;
	for (int known = 1; known >= 0; known--) {
		size_t at = policy_first_stream(p, patient);
		const struct stream *s;

		while (n < max &&
		    (s = next_of_party(p, patient, party, &at)) != NULL) {
			const struct fact *f = policy_head(p, s);

			if (is_known(p, s) != (known == 1))
				continue;
			out[n].signer = f->src.signer;
			out[n++].n = f->n;
		}
	}
	return n;
}
