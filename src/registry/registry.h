/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry: the projection of the ledger for one reader (an institution, a
 * patient or representative, the RMS): which entries it can open, what they
 * say, which of it counts.  Rows live in db, encrypted at rest; decisions also
 * in an immutable policy snapshot that readers take without waiting for the
 * writer.  It is a ledger_sink and knows no network.
 *
 * Threads: registry_sink() functions, registry_learn() and
 * registry_see() are serialised inside; everything else any thread.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/secret.h"
#include "event/event.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "seal/seal.h"

/* Who reads.  Everything is borrowed for the life of the registry. */
struct registry_reader {
	struct chain chain;
	struct pubkey rms; /* pinned: whose accredit entries count */

	/* patient or representative: opens slots 1 and 3 */
	const struct seal_identity *account;

	/* institution: opens slot 2 */
	bool has_institution;
	struct institution_id institution;
	const struct seal_identity *const *reading;
	size_t nreading;

	/* RMS: opens slot 0 */
	const struct seal_identity *rms_identity;
	enum err (*find)(void *ctx, const uint8_t handle[16],
	    const struct seal_identity **out);
	void *find_ctx;
};

enum registry_change {         /* bits */
	REGISTRY_POLICY = 1,   /* decisions, delegations, ends */
	REGISTRY_SETS = 2,     /* a set became known or was learned */
	REGISTRY_INQUIRY = 4,  /* inquiries */
	REGISTRY_ACCREDIT = 8, /* institutions */
	REGISTRY_HEAD = 16,    /* a round of the follower is done */
};

struct registry_opts {
	const char *dir;
	struct registry_reader reader;
	const struct secret *rest_key; /* encrypts rows; copied */
	/* called after a change is durable, with no lock held, from the
	 * thread that made it; may be NULL */
	void (*changed)(void *ctx, unsigned changes);
	void *changed_ctx;
};

struct registry;

/**
 * registry_open(opts, out):
 * Open or create; rebuild the policy snapshot; take up again the narrowing
 * events that are not final.
 * Errors: those of db_open(); CONFLICT (the directory belongs to another
 * reader or chain).
 */
enum err registry_open(
    const struct registry_opts *opts, struct registry **out) must_check;

/**
 * registry_close(r):
 * NULL is allowed.
 */
void registry_close(struct registry *r);
DEFINE_CLEANUP(struct registry *, registry_close);

/**
 * registry_sink(r):
 * Return what a follower needs to feed ${r}.
 */
struct ledger_sink registry_sink(struct registry *r);

/**
 * registry_see(r, tx):
 * Take a verified transaction from any channel that is not final: narrowing
 * counts at once and durably, inquiries show as pending, widening waits.
 * Errors: NOSPACE, IO (what narrows counts all the same, until the program
 * ends; call again to keep it).
 */
enum err registry_see(
    struct registry *r, const struct ledger_tx *tx) must_check;

/**
 * registry_learn(r, tx, entry, key):
 * The content key of an envelope that was not sealed to us (a set that may be
 * listed, an event of a represented patient, a group decision).  ${tx} holds
 * it; it counts only if the ledger has that entry final and ${key} opens it.
 * Repeats are OK.
 * Errors: NOTFOUND (not on the ledger as far as we read), FORGED.
 */
enum err registry_learn(struct registry *r, const struct ledger_tx *tx,
    const struct entry_key *entry, const struct secret *key) must_check;

/* One event as the registry knows it. */
struct registry_event {
	struct event_id id;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender;
	uint64_t order;     /* ledger order: height << 24 | place in the block;
			     * pending: above all final ones */
	uint64_t height;    /* 0: pending */
	int64_t block_time; /* pending: when first seen */
	bool final;
	/* sender was a host of the institution that the event names
	 * (custodian, asker), or is the patient, or a live representative */
	bool accredited;
	const struct event *e; /* borrowed during a callback, else owned */
};

/**
 * registry_each(r, type, patient, fn, ctx):
 * Call ${fn}(ctx, ev) for the events of ${type} about ${patient} (NULL: of
 * all) in ledger order, pending ones last (a document set is told when it is
 * final, never before), until it returns false.  Works on one consistent state;
 * ${fn} may call other registry functions that read.
 */
enum err registry_each(struct registry *r, enum event_type type,
    const struct pubkey *patient,
    bool (*fn)(void *ctx, const struct registry_event *ev),
    void *ctx) must_check;

/**
 * registry_get(r, id, out):
 * Fetch one event; free it with registry_event_free().
 * Errors: NOTFOUND.
 */
enum err registry_get(struct registry *r, const struct event_id *id,
    struct registry_event *out) must_check;

/**
 * registry_event_free(ev):
 * Free what registry_get() filled in.
 */
void registry_event_free(struct registry_event *ev);
#define CLEANUP_EVENT __attribute__((cleanup(registry_event_free), unused))

/**
 * registry_content_key(r, id, out):
 * The content key of an event that we can open.
 * Errors: NOTFOUND.
 */
enum err registry_content_key(struct registry *r, const struct event_id *id,
    struct secret **out) must_check;

/**
 * registry_policy(r):
 * Return the current policy snapshot, a reference to be dropped with
 * policy_free(); never NULL.
 */
struct policy *registry_policy(struct registry *r);

/**
 * registry_institution(r, id, out):
 * The newest accreditation of an institution, in a decoded accredit event to
 * be freed.
 * Errors: NOTFOUND.
 */
enum err registry_institution(struct registry *r,
    const struct institution_id *id, struct event **out) must_check;

/**
 * registry_institution_name(r, id, out):
 * Write the accredited name, or the base58 id in parentheses if there is none.
 */
void registry_institution_name(
    struct registry *r, const struct institution_id *id, char out[static 256]);

/**
 * registry_host(r, key, at, out):
 * Say whose accredited host ${key} is at time ${at} (0: now as the newest
 * accreditation says, dates against the newest block).
 * Errors: UNKNOWNKEY.
 */
enum err registry_host(struct registry *r, const struct pubkey *key, int64_t at,
    struct institution_id *out) must_check;

/**
 * registry_reading_key(r, id, out):
 * The newest reading key of an institution.
 * Errors: NOTFOUND.
 */
enum err registry_reading_key(struct registry *r,
    const struct institution_id *id, struct pubkey *out) must_check;

/**
 * registry_representative(r, key, patient, at, out_delegation):
 * Say whether ${key} is a live representative of ${patient}.
 * Errors: DENIED.
 */
enum err registry_representative(struct registry *r, const struct pubkey *key,
    const struct pubkey *patient, int64_t at,
    struct event_id *out_delegation) must_check;

/**
 * registry_patients(r, fn, ctx):
 * Call ${fn}(ctx, patient) for every patient that some event here is about.
 */
enum err registry_patients(struct registry *r,
    bool (*fn)(void *ctx, const struct pubkey *patient), void *ctx) must_check;

/**
 * registry_position(r, out_height, out_time):
 * The newest final block taken.
 */
void registry_position(
    struct registry *r, uint64_t *out_height, int64_t *out_time);

/**
 * registry_highest(r, signer, patient):
 * Return the highest item number `last` of ${signer}'s inquiries about
 * ${patient} that was seen, 0 if none.
 */
uint64_t registry_highest(struct registry *r, const struct pubkey *signer,
    const struct pubkey *patient);

/**
 * registry_resend(r, fn, ctx):
 * Call ${fn}(ctx, json, id) for each narrowing transaction that is held and
 * not final, to be broadcast again.
 */
enum err registry_resend(struct registry *r,
    void (*fn)(void *ctx, const char *json, const struct tx_id *id),
    void *ctx) must_check;

#endif
