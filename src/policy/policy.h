/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy: PURE.  Decisions, delegations and ends in, time in, answer out.  No
 * I/O, no clock, no lock, no thread.  A built policy is immutable, so any
 * number of threads may ask it; the rules stand in ARCHITECTURE.md.
 *
 * Unknown is never permit: whatever does not add up denies.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "event/event.h"

/* What is known of a decision beside its content. */
struct policy_source {
	struct event_id id;
	struct pubkey signer;
	uint64_t order; /* position on the ledger; larger is later.  Pending
			 * events have orders above all final ones. */
	int64_t block_time;
	bool final;   /* false: seen, not at final depth: only narrows */
	bool foreign; /* has members that are not understood */
};

struct policy_builder;

/**
 * policy_builder_new(out):
 * Start collecting facts.
 */
enum err policy_builder_new(struct policy_builder **out) must_check;

/**
 * policy_builder_free(b):
 * NULL is allowed.
 */
void policy_builder_free(struct policy_builder *b);
DEFINE_CLEANUP(struct policy_builder *, policy_builder_free);

/**
 * policy_add_decision(b, src, patient, d):
 * Add a decision; content is copied.
 */
enum err policy_add_decision(struct policy_builder *b,
    const struct policy_source *src, const struct pubkey *patient,
    const struct event_decision *d) must_check;

/**
 * policy_add_delegation(b, src, patient, d):
 * Add a delegation; counts only if its signer is the patient.
 */
enum err policy_add_delegation(struct policy_builder *b,
    const struct policy_source *src, const struct pubkey *patient,
    const struct event_delegation *d) must_check;

/**
 * policy_add_end(b, src, ended, keep_dependents):
 * ${ended} (a delegation, or a group or `*` decision) was ended at ${src}; the
 * caller has checked the mark or the content.  Counts if ${src}'s signer is
 * the patient or the ended event's own signer.
 */
enum err policy_add_end(struct policy_builder *b,
    const struct policy_source *src, const struct event_id *ended,
    bool keep_dependents) must_check;

/**
 * policy_add_opaque(b, signer, patient):
 * Something that ${signer} sealed to us for ${patient} opens but is not
 * understood: every permit for ${patient} that rests on a decision of
 * ${signer} is off.
 */
enum err policy_add_opaque(struct policy_builder *b,
    const struct pubkey *signer, const struct pubkey *patient) must_check;

/**
 * policy_add_member(b, institution, group):
 * ${institution} is accredited as a member of ${group}.
 */
enum err policy_add_member(struct policy_builder *b,
    const struct institution_id *institution, const char *group) must_check;

struct policy;

/**
 * policy_build(b, out):
 * Make the immutable policy; ${b} stays usable.
 */
enum err policy_build(struct policy_builder *b, struct policy **out) must_check;

/**
 * policy_ref(p), policy_free(p):
 * Share (atomic count) and drop; NULL is allowed.
 */
struct policy *policy_ref(struct policy *p);
/** policy_free(p): see policy_ref(). */
void policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free);

struct policy_query {
	struct institution_id institution;
	const char *practitioner; /* id; NULL: nobody in particular */
	struct pubkey patient;
	const struct event_id *set;
	const struct event_document_set *about; /* what the set is */
	const char *purpose;
	enum event_right right;
	int64_t now; /* the later of wall clock and last block time */
};

enum policy_why {
	POLICY_GRANTED,
	POLICY_NO_DECISION,
	POLICY_REFUSED,
	POLICY_REVOKED,
	POLICY_EXCLUDED,
	POLICY_EXPIRED,
	POLICY_NOT_YET,
	POLICY_PENDING,    /* a grant that is not final */
	POLICY_GAP,        /* a number is missing */
	POLICY_DOUBLE,     /* a number was used twice */
	POLICY_OPAQUE,     /* something sealed to us is not understood */
	POLICY_RIGHT,      /* the grant gives another right only */
	POLICY_DELEGATION, /* the delegation was not live */
};

/* Short texts for people, by enum policy_why. */
extern const char *const policy_why_texts[];

struct policy_verdict {
	bool permit;
	enum policy_why why;
	struct event_id decision; /* what it rests on, zero if none */
	int64_t until; /* permit ends by itself (0: open); recheck then */
};

/**
 * policy_decide(p, q, out):
 * Decide.  Cost: the decisions about the patient and institution only.
 */
void policy_decide(const struct policy *p, const struct policy_query *q,
    struct policy_verdict *out);

/**
 * policy_err(v):
 * Return the error that a caller who may know the reason is told.
 */
enum err policy_err(const struct policy_verdict *v);

/**
 * policy_next_change(p, now):
 * Return the first time after ${now} at which a from or until makes some
 * answer change, 0 if none: the timer of expiry.
 */
int64_t policy_next_change(const struct policy *p, int64_t now);

/**
 * policy_next_n(p, signer, patient, party):
 * Return the number that ${signer}'s next decision about ${patient} and the
 * party (institution, group, `*`) of ${party} bears.
 */
uint64_t policy_next_n(const struct policy *p, const struct pubkey *signer,
    const struct pubkey *patient, const struct event_decision *party);

/**
 * policy_seen(p, patient, party, out, max):
 * Fill ${out} with the highest number known of every signer of decisions
 * about ${patient} and ${party}; return how many.
 */
size_t policy_seen(const struct policy *p, const struct pubkey *patient,
    const struct event_decision *party, struct event_seen *out, size_t max);

#endif
