/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/text.h"
#include "policy/policy_internal.h"

bool
policy_words_have(const struct words *w, const char *s)
{
	const char *word = w->first;

	for (size_t i = 0; i < w->n; i++) {
		if (strcmp(word, s) == 0)
			return true;
		word += strlen(word) + 1;
	}
	return false;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct event_id));
}

static bool
set_listed(const struct scope *s, const struct event_id *set)
{
	return bsearch(set, s->sets, s->nsets, sizeof(*set), compare_ids);
}

static bool
author_listed(const struct scope *s, const struct event_document_set *about)
{
	return policy_words_have(&s->authors, TEXT58(&about->custodian)) ||
	    (about->author && policy_words_have(&s->authors, about->author));
}

static bool
labelled(const struct scope *s, const struct event_document_set *about)
{
	for (size_t i = 0; i < about->sensitivity.n; i++)
		if (policy_words_have(&s->without, about->sensitivity.v[i]))
			return true;
	return false;
}

/* A set that tells no period at all may hold data of any time. */
static bool
period_meets(const struct event_period *want, const struct event_period *have,
    bool narrow)
{
	if (have->start == 0 && have->end == 0)
		return narrow;
	return (want->start == 0 || have->end == 0 ||
		   have->end >= want->start) &&
	    (want->end == 0 || have->start == 0 || have->start <= want->end);
}

static bool
needs_about(const struct scope *s)
{
	return s->types.n || s->classes.n || s->authors.n || s->without.n ||
	    s->has_confidentiality || s->has_period;
}

static bool
about_matches(
    const struct scope *s, const struct event_document_set *about, bool narrow)
{
	if (s->types.n && !policy_words_have(&s->types, about->type_code))
		return false;
	if (s->classes.n && !policy_words_have(&s->classes, about->class_code))
		return false;
	if (s->authors.n && !author_listed(s, about))
		return false;
	if (s->has_confidentiality &&
	    about->confidentiality > s->confidentiality)
		return false;
	if (s->without.n && labelled(s, about))
		return false;
	return !s->has_period ||
	    period_meets(&s->period, &about->period, narrow);
}

bool
policy_scope_covers(
    const struct scope *s, const struct policy_query *q, bool narrow)
{
	/* a scope that names nothing: the denying side */
	if (!s->all && s->nsets == 0 && !needs_about(s))
		return narrow;
	if (s->nsets) {
		if (q->set == NULL && !narrow)
			return false;
		if (q->set && !set_listed(s, q->set))
			return false;
	}
	if (!needs_about(s))
		return true;
	return q->about ? about_matches(s, q->about, narrow) : narrow;
}
