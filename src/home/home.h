/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * home: what a client has: a directory with configuration, identity, cards,
 * and on top of it the opened node, registry, outbox and RMS client.  Used by
 * the command line and by the mount, which may run at the same time on one
 * directory: each has its own registry, the outbox (numbers and timestamps of
 * the signer) is shared.
 *
 *   DIR/consent.conf    configuration (consent.conf(5))
 *   DIR/identity.key    the account; an institution's: the host's signing key
 *   DIR/reading.key     an institution's reading key (and reading-N.key, old)
 *   DIR/cards/NAME      cards by alias
 *   DIR/outbox/         signed transactions, counters
 *   DIR/cli/, DIR/mount/  registry and feed position of each program
 */
#ifndef HOME_HOME_H
#define HOME_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/secret.h"
#include "event/event.h"
#include "ledger/ledger.h"
#include "registry/registry.h"
#include "rms/rms.h"
#include "seal/seal.h"

/* consent.conf(5), by section */
struct home_conf {
	/* [identity] */
	char *institution; /* base58 id; NULL: a person */
	char *host_name;
	/* [ledger] */
	char *dialect, *node, *chain, *generator, *node_ca, *node_pin;
	char *api_key_file, *token_file;
	int64_t final_depth, final_wait, tx_version, fee, fee_max, poll;
	/* [rms] */
	char *rms_url, *rms_key, *rms_ca, *rms_pin;
	/* [mount] */
	char *cache_dir, *purpose;
	int64_t cache_size, stale_open, stale_read;
	int64_t outbox_records, outbox_age;
};

extern const struct conf_item home_items[];
extern const size_t home_nitems;

struct home;

struct home_opts {
	const char *dir;
	const char *program; /* "cli" or "mount": whose registry */
	/* asks for a passphrase; NULL: protected keys are refused */
	enum err (*ask)(void *ctx, const char *path, struct secret **out);
	void *ask_ctx;
	/* see registry_opts; may be NULL */
	void (*changed)(void *ctx, unsigned changes);
	void *changed_ctx;
};

/**
 * home_open(opts, out):
 * Read configuration and keys, open outbox and registry, make the clients.
 * No call is made to the node or the RMS yet.
 * Errors: NOTFOUND (no home there, with the remedy), CONFIG, NOKEY, BUSY, ...
 */
enum err home_open(const struct home_opts *opts, struct home **out) must_check;

/**
 * home_close(h):
 * Stop the threads of home_start() and close all.  NULL is allowed.
 */
void home_close(struct home *h);
DEFINE_CLEANUP(struct home *, home_close);

/** home_dir(h): the directory.  This and what follows is borrowed. */
const char *home_dir(const struct home *h);
/** home_conf(h): the configuration. */
const struct home_conf *home_conf(const struct home *h);
/** home_identity(h): the account. */
const struct seal_identity *home_identity(const struct home *h);
/** home_key(h): the account's public key. */
const struct pubkey *home_key(const struct home *h);
/** home_chain(h): the pinned chain. */
const struct chain *home_chain(const struct home *h);
/** home_rms_key(h): the pinned RMS key. */
const struct pubkey *home_rms_key(const struct home *h);
/** home_institution(h): the institution's id, NULL for a person. */
const struct institution_id *home_institution(const struct home *h);
/** home_node(h): the node's client. */
struct ledger_node *home_node(struct home *h);
/** home_rms(h): the RMS's client. */
struct rms_client *home_rms(struct home *h);
/** home_outbox(h): the outbox. */
struct ledger_outbox *home_outbox(struct home *h);
/** home_registry(h): the registry. */
struct registry *home_registry(struct home *h);
/** home_follower(h): the follower. */
struct ledger_follower *home_follower(struct home *h);

/**
 * home_outbox_room(h, s):
 * Say whether more may wait for the ledger than ${s}.  Whoever keeps us from
 * the node must not be able to let us read for ever unseen.
 * Errors: STALE (why, and since when).
 */
enum err home_outbox_room(
    const struct home *h, const struct ledger_state *s) must_check;

/**
 * home_open_sealed(h, in, n, out):
 * Open something sealed to the institution's reading keys (any of them) or to
 * the person's account key.
 * Errors: FORGED.
 */
enum err home_open_sealed(
    const struct home *h, const uint8_t *in, size_t n, void *out) must_check;

/**
 * home_sync(h):
 * Handshake with the node once, send what waits in the outbox, follow the
 * ledger to its head, take the RMS's feed.  An unreachable RMS is only logged.
 * Errors: those of the node.
 */
enum err home_sync(struct home *h) must_check;

/**
 * home_start(h, hint, ctx):
 * Keep doing what home_sync() does in threads of their own.  ${hint}(ctx) is
 * called after each answer of the feed that brought something, and when RMS or
 * node answer again that did not (may be NULL).
 */
enum err home_start(
    struct home *h, void (*hint)(void *ctx), void *ctx) must_check;

/* ---- sending events: home/send.c ---- */

/* To whom an event is sealed beside the RMS; NULL: nobody. */
struct home_to {
	const struct rms_card *card; /* the patient's */
	bool patient_slot;           /* slot 1 */
	const struct pubkey *institution, *representative;
	const uint8_t *public; /* 32 bytes or NULL: random */
};

/**
 * home_event(h, d, e, to, entry, key, out_id):
 * Seal ${e} and add it to the draft ${d}.  ${entry} and ${key} (content key,
 * 32 bytes) may be NULL: fresh ones.  ${out_id} may be NULL.
 */
enum err home_event(struct home *h, struct ledger_draft *d,
    const struct event *e, const struct home_to *to,
    const struct entry_key *entry, const struct secret *key,
    struct event_id *out_id) must_check;

/**
 * home_commit(h, d, out_tx):
 * Keep the draft, send it to the node and hand it to the RMS.  ${d} is gone.
 * OK: it is durable in the outbox and at least one of node and RMS has it.
 * ${out_tx} may be NULL.
 */
enum err home_commit(
    struct home *h, struct ledger_draft *d, struct tx_id *out_tx) must_check;

/**
 * home_wait_final(h, tx, ms):
 * Follow until ${tx} is in a final block.
 * Errors: PENDING (not within ${ms}; it stays in the outbox).
 */
enum err home_wait_final(
    struct home *h, const struct tx_id *tx, int64_t ms) must_check;

/* ---- cards and aliases: home/cards.c ---- */

/**
 * home_card_save(h, name, card):
 * Keep a card under an alias (letters, digits, space . _ - and UTF-8; no
 * control characters, no '/', not beginning with '.').
 * Errors: INVAL (name), EXISTS (the alias names another patient), CONFLICT
 * (the patient's RMS key differs from the one first seen).
 */
enum err home_card_save(
    struct home *h, const char *name, const struct rms_card *card) must_check;

/**
 * home_card_find(h, what, out):
 * The card that ${what} names: an alias, a file with a card, a card's text.
 * Errors: NOTFOUND, and those of rms_card_read().
 */
enum err home_card_find(
    struct home *h, const char *what, struct rms_card *out) must_check;

/**
 * home_card_of(h, patient, out, out_alias):
 * The card of ${patient}; ${out_alias} (may be NULL) receives its alias, at
 * most 255 bytes and a NUL.
 * Errors: NOTFOUND.
 */
enum err home_card_of(struct home *h, const struct pubkey *patient,
    struct rms_card *out, char *out_alias) must_check;

/**
 * home_cards(h, fn, ctx):
 * Call ${fn}(ctx, alias, card) for each card until it returns false.
 */
enum err home_cards(struct home *h,
    bool (*fn)(void *ctx, const char *alias, const struct rms_card *card),
    void *ctx) must_check;

/**
 * home_practitioner(h, login, out_name, out_id):
 * The practitioner that the local user ${login} is, by [practitioners] in the
 * configuration ("login = id, Name"); else the login itself as both.
 * Borrowed from ${h} or ${login}.
 */
void home_practitioner(struct home *h, const char *login, const char **out_name,
    const char **out_id);

/* ---- making a home: home/create.c ---- */

struct home_create_opts {
	const char *dir, *roots; /* roots: client.conf from the operator */
	const char *seed;        /* a Waves wallet's phrase, or NULL */
	const struct secret *passphrase; /* NULL: keys in clear */
	const char *institution_name;    /* NULL: a person */
	const char *join; /* another host's home of the same institution */
	const char *host_name;
};

/**
 * home_create(opts):
 * Make DIR with identity.key, for an institution reading.key and
 * accreditation.json (the request for the operator), and consent.conf with the
 * trust roots.
 * Errors: EXISTS, CONFIG (roots), NOTFOUND.
 */
enum err home_create(const struct home_create_opts *opts) must_check;

#endif
