/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/event_internal.h"

#include <string.h>

#define TIME_LAST  INT64_C(253402300799999) /* year 9999 */
#define TIME_FIRST INT64_C(-62135596800000) /* year 1: births are old */

const char *const event_type_names[] = { "documentSet", "inquiry", "decision",
	"delegation", "end", "accredit", NULL };
const char *const event_kind_names[] = { "request", "list", "access", "renew",
	"denied", NULL };
const char *const event_effect_names[] = { "grant", "refuse", "revoke",
	"exclude", "reinstate", NULL };
const char *const event_level_names[] = { "N", "R", "V", NULL };
const char *const event_purposes[] = { "TREAT", "ETREAT", "BTG", "CAREMGT",
	"HPAYMT", "HOPERAT", "HRESCH", "CLINTRCH", "BIORCH", "PUBHLTH",
	"HLEGAL", "PATRQT", "FAMRQT", "PWATRNY", "SUPNWK", "HTEST", NULL };

static const char *const power_names[] = { "decide", "view", "export",
	"notices", NULL };
static const char *const right_names[] = { "list", "read", NULL };

int
event_name_index(const char *const *names, const char *s)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], s) == 0)
			return i;
	return -1;
}

static enum err
check_period(void *base)
{
	const struct event_period *p = base;

	if (p->start && p->end && p->end < p->start)
		return err_say(ERR_FORMAT, "a period ends before it starts");
	return ERR_OK;
}

/* A scope that names nothing could mean all or nothing: refuse it. */
static enum err
check_scope(void *base)
{
	const struct event_scope *s = base;

	if (s->has_period && s->period.start == 0 && s->period.end == 0)
		return err_say(ERR_FORMAT,
		    "the period of a scope is open at "
		    "both ends; name one end");
	if (!s->all && s->nsets == 0 && s->types.n == 0 && s->classes.n == 0 &&
	    s->authors.n == 0 && s->without.n == 0 && !s->has_confidentiality &&
	    !s->has_period)
		return err_say(ERR_FORMAT, "a scope names nothing; say all");
	return ERR_OK;
}

enum err
event_item_check(void *base)
{
	struct event_item *item = base;

	if (item->count == 0)
		item->count = 1;
	if (item->practitioner.name == NULL)
		item->practitioner.name = "";
	if (item->practitioner.id == NULL)
		item->practitioner.id = "";
	return ERR_OK;
}

static enum err
check_inquiry(void *base)
{
	const struct event_inquiry *q = &((struct event *)base)->u.inquiry;

	if (q->last < q->first)
		return err_say(ERR_FORMAT, "member 'last' is below 'first'");
	return ERR_OK;
}

static bool
is_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

static enum err
check_decision(void *base)
{
	const struct event_decision *d = &((struct event *)base)->u.decision;

	if (d->has_delegation ==
	    is_zero(d->delegation_key, sizeof(d->delegation_key)))
		return err_say(ERR_FORMAT,
		    "a delegation and its key come "
		    "together or not at all");
	if (d->effect == EVENT_GRANT && d->rights == 0)
		return err_say(ERR_FORMAT,
		    "a grant names no right; say list, "
		    "read or both");
	return ERR_OK;
}

#define SIZE_OF(type, m) sizeof(((type *)0)->m)
#define END                                                                    \
	{                                                                      \
		.name = NULL                                                   \
	}
#define TEXT(type, n, m, how)                                                  \
	{                                                                      \
		.name = n, .kind = FIELD_TEXT, .at = offsetof(type, m),        \
		.max = EVENT_MAX_TEXT, .flags = how                            \
	}
#define NOTE(type, n, m, how)                                                  \
	{                                                                      \
		.name = n, .kind = FIELD_NOTE, .at = offsetof(type, m),        \
		.max = EVENT_MAX_TEXT, .flags = how                            \
	}
#define TEXTS(type, n, m, how)                                                 \
	{                                                                      \
		.name = n, .kind = FIELD_TEXTS, .at = offsetof(type, m),       \
		.max = EVENT_MAX_LIST, .flags = FIELD_OPTIONAL | (how)         \
	}
#define INT64(type, n, m, how, lo, hi)                                         \
	{                                                                      \
		.name = n, .kind = FIELD_INT64, .at = offsetof(type, m),       \
		.min = lo, .max = hi, .flags = how                             \
	}
#define INT32(type, n, m, how, lo)                                             \
	{                                                                      \
		.name = n, .kind = FIELD_INT32, .at = offsetof(type, m),       \
		.min = lo, .max = UINT32_MAX, .flags = how                     \
	}
#define NUMBER(type, n, m, lo) INT64(type, n, m, 0, lo, INT64_MAX)
#define TIME(type, n, m)       INT64(type, n, m, 0, 0, TIME_LAST)
#define TIME_OPT(type, n, m)   INT64(type, n, m, FIELD_OPTIONAL, 0, TIME_LAST)
#define DATE_OPT(type, n, m)                                                   \
	INT64(type, n, m, FIELD_OPTIONAL, TIME_FIRST, TIME_LAST)
#define BYTES(type, n, m)                                                      \
	{                                                                      \
		.name = n, .kind = FIELD_BYTES, .at = offsetof(type, m),       \
		.size = SIZE_OF(type, m)                                       \
	}
#define BYTES_OPT(type, n, m, h)                                               \
	{                                                                      \
		.name = n, .kind = FIELD_BYTES, .at = offsetof(type, m),       \
		.size = SIZE_OF(type, m), .flags = FIELD_OPTIONAL,             \
		.has = 1 + offsetof(type, h)                                   \
	}
#define NAME(type, n, m, list)                                                 \
	{                                                                      \
		.name = n, .kind = FIELD_NAME, .at = offsetof(type, m),        \
		.names = list                                                  \
	}
#define BITS(type, n, m, list, how)                                            \
	{                                                                      \
		.name = n, .kind = FIELD_BITS, .at = offsetof(type, m),        \
		.names = list, .flags = how                                    \
	}
#define OBJECT(type, n, m, table, fn)                                          \
	{                                                                      \
		.name = n, .kind = FIELD_OBJECT, .at = offsetof(type, m),      \
		.sub = table, .check = fn                                      \
	}
#define ARRAY(type, n, m, c, most, table)                                      \
	{                                                                      \
		.name = n, .kind = FIELD_ARRAY, .at = offsetof(type, m),       \
		.size = SIZE_OF(type, m[0]), .max = most,                      \
		.count = offsetof(type, c), .sub = table,                      \
		.flags = FIELD_OPTIONAL                                        \
	}

static const struct field period_fields[] = {
	DATE_OPT(struct event_period, "start", start),
	DATE_OPT(struct event_period, "end", end),
	END,
};

#define S struct event_scope
static const struct field scope_fields[] = {
	{ .name = "all",
	    .kind = FIELD_TRUE,
	    .at = offsetof(S, all),
	    .flags = FIELD_OPTIONAL },
	{ .name = "sets",
	    .kind = FIELD_ARRAY,
	    .at = offsetof(S, sets),
	    .size = sizeof(struct event_id),
	    .count = offsetof(S, nsets),
	    .max = EVENT_MAX_SETS,
	    .flags = FIELD_OPTIONAL | FIELD_FILLED | FIELD_ALLOCATED },
	TEXTS(S, "types", types, FIELD_FILLED),
	TEXTS(S, "classes", classes, FIELD_FILLED),
	TEXTS(S, "authors", authors, FIELD_FILLED),
	{ .name = "confidentiality",
	    .kind = FIELD_NAME,
	    .at = offsetof(S, confidentiality),
	    .names = event_level_names,
	    .has = 1 + offsetof(S, has_confidentiality),
	    .flags = FIELD_OPTIONAL },
	TEXTS(S, "without", without, FIELD_FILLED),
	{ .name = "period",
	    .kind = FIELD_OBJECT,
	    .at = offsetof(S, period),
	    .sub = period_fields,
	    .check = check_period,
	    .has = 1 + offsetof(S, has_period),
	    .flags = FIELD_OPTIONAL },
	END,
};
#undef S

#define S struct event_practitioner
static const struct field practitioner_fields[] = {
	TEXT(S, "name", name, FIELD_OPTIONAL),
	TEXT(S, "id", id, FIELD_OPTIONAL),
	END,
};
#undef S

#define S struct event_item
const struct field event_item_fields[] = {
	NUMBER(S, "n", n, 0),
	BYTES(S, "id", id),
	NAME(S, "kind", kind, event_kind_names),
	BYTES_OPT(S, "set", set, has_set),
	INT32(S, "document", document, FIELD_OPTIONAL, 0),
	{ .name = "practitioner",
	    .kind = FIELD_OBJECT,
	    .at = offsetof(S, practitioner),
	    .sub = practitioner_fields,
	    .flags = FIELD_OPTIONAL },
	TEXT(S, "purpose", purpose, 0),
	{ .name = "reason",
	    .kind = FIELD_TEXT,
	    .at = offsetof(S, reason),
	    .max = EVENT_MAX_REASON,
	    .flags = FIELD_OPTIONAL },
	TEXT(S, "app", app, FIELD_OPTIONAL),
	TIME(S, "time", time),
	INT32(S, "count", count, FIELD_OPTIONAL, 1),
	TEXT(S, "outcome", outcome, FIELD_OPTIONAL),
	END,
};
#undef S

#define S struct event_reading_key
static const struct field reading_fields[] = {
	BYTES(S, "key", key),
	TIME_OPT(S, "from", from),
	TIME_OPT(S, "until", until),
	END,
};
#undef S

#define S struct event_host
static const struct field host_fields[] = {
	BYTES(S, "key", key),
	TEXT(S, "name", name, 0),
	TIME_OPT(S, "from", from),
	TIME_OPT(S, "until", until),
	END,
};
#undef S

#define S struct event
#define HEAD                                                                   \
	{ .name = "v", .kind = FIELD_ELSEWHERE },                              \
	{                                                                      \
		.name = "type", .kind = FIELD_ELSEWHERE                        \
	}
#define PATIENT BYTES(S, "patient", patient)

static const struct field set_fields[] = {
	HEAD,
	PATIENT,
	BYTES(S, "custodian", u.set.custodian),
	TEXT(S, "title", u.set.title, 0),
	TEXT(S, "class", u.set.class_code, 0),
	TEXT(S, "typeCode", u.set.type_code, 0),
	NAME(S, "confidentiality", u.set.confidentiality, event_level_names),
	TEXTS(S, "sensitivity", u.set.sensitivity, 0),
	TIME(S, "created", u.set.created),
	{ .name = "period",
	    .kind = FIELD_OBJECT,
	    .at = offsetof(S, u.set.period),
	    .sub = period_fields,
	    .check = check_period,
	    .flags = FIELD_OPTIONAL },
	INT32(S, "count", u.set.count, 0, 0),
	NUMBER(S, "bytes", u.set.bytes, 0),
	BYTES(S, "manifest", u.set.manifest),
	BYTES(S, "setKeyCommitment", u.set.set_key_commitment),
	BYTES_OPT(S, "replaces", u.set.replaces, u.set.has_replaces),
	TEXT(S, "author", u.set.author, FIELD_OPTIONAL),
	END,
};

static const struct field inquiry_fields[] = {
	HEAD,
	PATIENT,
	BYTES_OPT(
	    S, "institution", u.inquiry.institution, u.inquiry.has_institution),
	NUMBER(S, "first", u.inquiry.first, 0),
	NUMBER(S, "last", u.inquiry.last, 0),
	{ .name = "items",
	    .kind = FIELD_ARRAY,
	    .at = offsetof(S, u.inquiry.items),
	    .size = sizeof(struct event_item),
	    .max = EVENT_MAX_ITEMS,
	    .count = offsetof(S, u.inquiry.nitems),
	    .sub = event_item_fields,
	    .check = event_item_check,
	    .flags = FIELD_OPTIONAL | FIELD_ALLOCATED },
	END,
};

static const struct field decision_fields[] = {
	HEAD,
	PATIENT,
	{ .name = "institution",
	    .kind = FIELD_PARTY,
	    .at = offsetof(S, u.decision) },
	NUMBER(S, "n", u.decision.n, 1),
	{ .name = "seen",
	    .kind = FIELD_SEEN,
	    .at = offsetof(S, u.decision),
	    .flags = FIELD_OPTIONAL },
	NAME(S, "effect", u.decision.effect, event_effect_names),
	OBJECT(S, "scope", u.decision.scope, scope_fields, check_scope),
	TEXT(S, "practitioner", u.decision.practitioner, FIELD_OPTIONAL),
	TEXTS(S, "purposes", u.decision.purposes, FIELD_FILLED),
	BITS(S, "rights", u.decision.rights, right_names, FIELD_OPTIONAL),
	TIME_OPT(S, "from", u.decision.from),
	TIME_OPT(S, "until", u.decision.until),
	ARRAY(S, "answers", u.decision.answers, u.decision.nanswers,
	    EVENT_MAX_LIST, NULL),
	BYTES_OPT(
	    S, "delegation", u.decision.delegation, u.decision.has_delegation),
	{ .name = "delegationKey",
	    .kind = FIELD_BYTES,
	    .at = offsetof(S, u.decision.delegation_key),
	    .size = 32,
	    .flags = FIELD_OPTIONAL },
	END,
};

static const struct field delegation_fields[] = {
	HEAD,
	PATIENT,
	BYTES(S, "representative", u.delegation.representative),
	TEXT(S, "relationship", u.delegation.relationship, 0),
	BITS(S, "powers", u.delegation.powers, power_names, 0),
	OBJECT(S, "scope", u.delegation.scope, scope_fields, check_scope),
	TIME_OPT(S, "from", u.delegation.from),
	TIME_OPT(S, "until", u.delegation.until),
	NOTE(S, "evidence", u.delegation.evidence, FIELD_OPTIONAL),
	NOTE(S, "card", u.delegation.card, 0),
	END,
};

static const char *const dependents_names[] = { "end", "keep", NULL };

static const struct field end_fields[] = {
	HEAD,
	PATIENT,
	BYTES(S, "ends", u.end.ends),
	{ .name = "dependents",
	    .kind = FIELD_CHOICE,
	    .at = offsetof(S, u.end.keep_dependents),
	    .names = dependents_names },
	END,
};

static const struct field accredit_fields[] = {
	HEAD,
	BYTES(S, "institution", u.accredit.institution),
	TEXT(S, "name", u.accredit.name, 0),
	ARRAY(S, "readingKeys", u.accredit.reading, u.accredit.nreading,
	    EVENT_MAX_KEYS, reading_fields),
	ARRAY(S, "hosts", u.accredit.hosts, u.accredit.nhosts, EVENT_MAX_KEYS,
	    host_fields),
	TEXTS(S, "groups", u.accredit.groups, 0),
	TIME_OPT(S, "from", u.accredit.from),
	TIME_OPT(S, "until", u.accredit.until),
	END,
};
#undef S

const struct field_type event_types[] = {
	[EVENT_DOCUMENT_SET] = { set_fields, NULL },
	[EVENT_INQUIRY] = { inquiry_fields, check_inquiry },
	[EVENT_DECISION] = { decision_fields, check_decision },
	[EVENT_DELEGATION] = { delegation_fields, NULL },
	[EVENT_END] = { end_fields, NULL },
	[EVENT_ACCREDIT] = { accredit_fields, NULL },
};

/* The path of a document is read and written by manifest.c. */
#define S struct event_document
const struct field event_document_fields[] = {
	{ .name = "path", .kind = FIELD_ELSEWHERE },
	TEXT(S, "media", media, 0),
	TEXT(S, "typeCode", type_code, FIELD_OPTIONAL),
	NUMBER(S, "size", size, 0),
	DATE_OPT(S, "created", created),
	DATE_OPT(S, "modified", modified),
	BYTES(S, "blob", blob),
	END,
};
#undef S
