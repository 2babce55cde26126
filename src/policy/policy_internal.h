/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy, inside.  A fact is one decision or delegation, copied compactly and
 * shared by the builder and every policy built from it.  A policy sorts its
 * decisions into streams: one signer's numbers about one patient and party.
 */
#ifndef POLICY_POLICY_INTERNAL_H
#define POLICY_POLICY_INTERNAL_H

#include <stdatomic.h>

#include "policy/policy.h"

/* ${n} NUL-terminated texts, one behind the other. */
struct words {
	size_t n;
	const char *first;
};

struct scope {
	bool all, has_confidentiality, has_period;
	enum event_level confidentiality;
	struct event_period period;
	size_t nsets;
	const struct event_id *sets; /* sorted */
	struct words types, classes, authors, without;
};

/* Never changes once made. */
struct fact {
	atomic_uint refs;
	struct policy_source src;
	struct pubkey patient;
	struct scope scope;
	int64_t from, until;
	/* of a decision */
	enum event_party party;
	struct institution_id institution;
	const char *group, *practitioner;
	uint64_t n;
	enum event_effect effect;
	unsigned rights;
	struct words purposes;
	size_t nseen;
	const struct event_seen *seen;
	bool has_delegation;
	struct event_id delegation;
	/* of a delegation */
	struct pubkey representative;
	unsigned powers;
};

struct end {
	struct policy_source src;
	struct event_id ended;
	bool keep;
};

/* Two keys: something opaque that signer sealed for patient. */
struct opaque {
	struct pubkey patient, signer;
};

struct member {
	struct institution_id institution;
	char *group;
};

/* A growing array; data is freed by its owner. */
struct list {
	void *data;
	size_t n, cap;
};

struct policy_builder {
	struct list decisions, delegations; /* struct fact * */
	struct list ends;                   /* struct end */
	struct list opaques;                /* struct opaque */
	struct list members;                /* struct member */
};

/* What can be said of a decision before any query. */
enum role {
	ROLE_IGNORED, /* does not count; why tells a person the reason */
	ROLE_NARROWS,
	ROLE_WIDENS, /* why: GRANTED, or why it denies what it covers */
};

struct item {
	const struct fact *fact;
	const struct fact *via; /* the delegation it rests on, or NULL */
	enum role role;
	enum policy_why why;
};

struct stream {
	size_t first, n;  /* its items, highest number first */
	bool gap;         /* a number below the highest is missing */
	uint64_t doubled; /* highest number used twice; 0: none */
	uint64_t healed;  /* first order of a number above doubled */
};

struct policy {
	atomic_uint refs;
	struct fact **facts; /* what the items point to */
	size_t nfacts;
	struct item *items; /* by patient, party, signer, number down */
	size_t nitems;
	struct stream *streams; /* in the order of the items */
	size_t nstreams;
	struct member *members; /* sorted */
	size_t nmembers;
	int64_t *changes; /* sorted times at which a grant begins or ends */
	size_t nchanges;
};

/**
 * policy_fact_free(f):
 * Drop one reference; NULL is allowed.
 */
void policy_fact_free(struct fact *f);

/**
 * policy_scope_covers(s, q, narrow):
 * Say whether every criterion that ${s} gives matches what ${q} asks about.
 * What is not known matches if ${narrow}.
 */
bool policy_scope_covers(
    const struct scope *s, const struct policy_query *q, bool narrow);

/**
 * policy_words_have(w, s):
 * Say whether ${s} is one of ${w}.
 */
bool policy_words_have(const struct words *w, const char *s);

/**
 * policy_narrows(f):
 * Say whether the effect of the decision ${f} takes away.
 */
bool policy_narrows(const struct fact *f);

/**
 * policy_compare_party(a, b):
 * Order by party; 0 if both are about the same one.
 */
int policy_compare_party(const struct fact *a, const struct fact *b);

/**
 * policy_compare_members(x, y):
 * Order of two struct member, for qsort() and bsearch().
 */
int policy_compare_members(const void *x, const void *y);

/**
 * policy_first_stream(p, patient):
 * Return the index of the first stream about ${patient} or a later key.
 */
size_t policy_first_stream(
    const struct policy *p, const struct pubkey *patient);

/**
 * policy_head(p, s):
 * Return the decision with the highest number of ${s}: it tells patient,
 * party and signer of all.
 */
const struct fact *policy_head(const struct policy *p, const struct stream *s);

#endif
