/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event: the payload types of the ledger and their JSON codec (bytes:
 * PROTOCOL.ledger).  Pure values; no I/O, no cryptography.  Texts in a decoded
 * event are borrowed from the event itself.
 *
 * Unknown members are counted, not refused: the reader of a widening event
 * that has some must ignore the event, of a narrowing one must take its scope
 * as all (event_is_foreign()).
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/js.h"

#define EVENT_MAX_BYTES  32256 /* of JSON: what an envelope takes */
#define EVENT_MAX_SETS   1000
#define EVENT_MAX_LIST   64  /* types, classes, labels, purposes, answers */
#define EVENT_MAX_ITEMS  128 /* of an inquiry */
#define EVENT_MAX_SEEN   64
#define EVENT_MAX_KEYS   64 /* reading keys, hosts, groups of an institution */
#define EVENT_MAX_TEXT   1024
#define EVENT_MAX_REASON 256

enum event_type {
	EVENT_DOCUMENT_SET,
	EVENT_INQUIRY,
	EVENT_DECISION,
	EVENT_DELEGATION,
	EVENT_END,
	EVENT_ACCREDIT,
};

enum event_kind { /* of an inquiry item */
	EVENT_REQUEST,
	EVENT_LIST,
	EVENT_ACCESS,
	EVENT_RENEW,
	EVENT_DENIED,
};

enum event_effect {
	EVENT_GRANT,
	EVENT_REFUSE,
	EVENT_REVOKE,
	EVENT_EXCLUDE,
	EVENT_REINSTATE,
};

enum event_power { /* bits */
	EVENT_POWER_DECIDE = 1,
	EVENT_POWER_VIEW = 2,
	EVENT_POWER_EXPORT = 4,
	EVENT_POWER_NOTICES = 8,
};

enum event_right { /* bits */
	EVENT_RIGHT_LIST = 1,
	EVENT_RIGHT_READ = 2,
};

enum event_level { EVENT_N, EVENT_R, EVENT_V }; /* confidentiality */

/* Codes as in the JSON: index with the enum; terminated by NULL. */
extern const char *const event_type_names[];
extern const char *const event_kind_names[];
extern const char *const event_effect_names[];
extern const char *const event_level_names[];
/* Purposes of use that are known (HL7 v3 ActReason): TREAT, ETREAT, ... */
extern const char *const event_purposes[];

/**
 * event_name_index(names, s):
 * Return the index of ${s} in a NULL-terminated list, -1 if it is not there.
 */
int event_name_index(const char *const *names, const char *s);

struct event_texts {
	size_t n;
	const char *v[EVENT_MAX_LIST];
};

/* Milliseconds UTC; 0 = open end. */
struct event_period {
	int64_t start, end;
};

struct event_document_set {
	struct institution_id custodian;
	const char *title, *class_code, *type_code;
	enum event_level confidentiality;
	struct event_texts sensitivity;
	int64_t created;
	struct event_period period;
	uint32_t count; /* documents */
	uint64_t bytes; /* of plain content */
	struct blob_id manifest;
	uint8_t set_key_commitment[32];
	bool has_replaces;
	struct event_id replaces;
	const char *author; /* optional, NULL */
};

struct event_practitioner {
	const char *name, *id;
};

struct event_item {
	uint64_t n;
	struct inquiry_id id;
	enum event_kind kind;
	bool has_set;
	struct event_id set;
	uint32_t document; /* 0: none */
	struct event_practitioner practitioner;
	const char *purpose;
	const char *reason, *app, *outcome; /* optional, NULL */
	int64_t time;
	uint32_t count; /* 1 unless given */
};

struct event_inquiry {
	bool has_institution; /* false: the patient's own access */
	struct institution_id institution;
	uint64_t first, last;
	size_t nitems;
	struct event_item *items;
};

struct event_scope {
	bool all;
	size_t nsets;
	struct event_id *sets;
	struct event_texts types, classes, authors, without;
	bool has_confidentiality;
	enum event_level confidentiality; /* up to */
	bool has_period;
	struct event_period period;
};

struct event_seen {
	struct pubkey signer;
	uint64_t n;
};

enum event_party { EVENT_INSTITUTION, EVENT_GROUP, EVENT_ANYONE };

struct event_decision {
	enum event_party party; /* JSON: id | "group:" + name | "*" */
	struct institution_id institution;
	const char *group;
	uint64_t n;
	size_t nseen;
	struct event_seen seen[EVENT_MAX_SEEN];
	enum event_effect effect;
	struct event_scope scope;
	const char *practitioner; /* id; NULL: every one of the institution */
	struct event_texts purposes; /* n = 0: any */
	unsigned rights;             /* bits of event_right */
	int64_t from, until;         /* 0: open */
	size_t nanswers;
	struct inquiry_id answers[EVENT_MAX_LIST];
	bool has_delegation;
	struct event_id delegation;
	uint8_t delegation_key[32]; /* its content key */
};

struct event_delegation {
	struct pubkey representative;
	const char *relationship;
	unsigned powers; /* bits of event_power */
	struct event_scope scope;
	int64_t from, until;
	const char *evidence; /* optional, NULL */
	const char *card;     /* the patient's card, text form */
};

struct event_end {
	struct event_id ends;
	bool keep_dependents;
};

struct event_reading_key {
	struct pubkey key;
	int64_t from, until;
};

struct event_host {
	struct pubkey key;
	const char *name;
	int64_t from, until;
};

struct event_accredit {
	struct institution_id institution;
	const char *name;
	size_t nreading;
	struct event_reading_key reading[EVENT_MAX_KEYS];
	size_t nhosts;
	struct event_host hosts[EVENT_MAX_KEYS];
	struct event_texts groups;
	int64_t from, until;
};

struct event {
	enum event_type type;
	struct pubkey patient; /* not of accredit */
	union {
		struct event_document_set set;
		struct event_inquiry inquiry;
		struct event_decision decision;
		struct event_delegation delegation;
		struct event_end end;
		struct event_accredit accredit;
	} u;
	unsigned unknown; /* members that were not understood */
	void *owned;      /* what decoded texts and arrays live in */
};

/**
 * event_decode(json, len, out):
 * Read a payload.
 * Errors: FORMAT (malformed, a bound exceeded, unknown type or code),
 * UNSUPPORTED (unknown "v"), NOMEM.
 */
enum err event_decode(
    const void *json, size_t len, struct event **out) must_check;

/**
 * event_encode(e, out):
 * Append the JSON of ${e} to ${out}.  ${e} may be built by hand with borrowed
 * texts.  The result decodes to an equal event.
 * Errors: INVAL (a bound exceeded), NOMEM.
 */
enum err event_encode(const struct event *e, struct buf *out) must_check;

/**
 * event_free(e):
 * Wipe and free a decoded event; NULL is allowed.
 */
void event_free(struct event *e);
DEFINE_CLEANUP(struct event *, event_free);

/**
 * event_is_foreign(e):
 * Say whether ${e} has members that are not understood here.
 */
bool event_is_foreign(const struct event *e);

/**
 * event_item_encode(item, out), event_item_decode(json, len, out, out_keep):
 * One inquiry item alone (journal).  ${out_keep} owns the decoded texts and
 * is released by json_decref().
 */
enum err event_item_encode(
    const struct event_item *item, struct buf *out) must_check;
/** event_item_decode(json, len, out, out_keep): see event_item_encode(). */
enum err event_item_decode(const void *json, size_t len, struct event_item *out,
    json_t **out_keep) must_check;

/* ---- manifest: event/manifest.c ---- */

#define EVENT_MAX_PATH     32          /* components */
#define EVENT_MAX_MANIFEST (64u << 20) /* bytes, sealed */

/* One line of a manifest: {path[], media, typeCode, size, created, modified,
 * blob}. */
struct event_document {
	size_t ncomponents;
	const char *component[EVENT_MAX_PATH];
	const char *media, *type_code;
	uint64_t size;
	int64_t created, modified;
	struct blob_id blob;
};

struct event_manifest {
	uint32_t n;
	struct event_document *doc; /* document number i+1 is doc[i] */
	void *owned;
};

/**
 * event_manifest_add(doc, out):
 * Append one line.
 * Errors: INVAL (a component is empty, ".", "..", holds '/' or NUL, is longer
 * than 255 bytes or no UTF-8).
 */
enum err event_manifest_add(
    const struct event_document *doc, struct buf *out) must_check;

/**
 * event_manifest_read(p, len, count, out):
 * Read a manifest that must hold exactly ${count} documents, whose paths are
 * legal as for event_manifest_add() and unique (a path is no prefix of
 * another).
 * Errors: FORMAT, NOMEM.
 */
enum err event_manifest_read(const void *p, size_t len, uint32_t count,
    struct event_manifest **out) must_check;

/**
 * event_manifest_free(m):
 * NULL is allowed.
 */
void event_manifest_free(struct event_manifest *m);
DEFINE_CLEANUP(struct event_manifest *, event_manifest_free);

#endif
