/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/server_internal: what the parts of the running server share.
 *
 * Threads: the listener's threads run the endpoints, the follower's thread
 * brings blocks, one thread sends held transactions to the node.  Lock order:
 * server.intake, then what store and registry lock themselves;
 * server.waking alone.  No lock is held while the node is called.
 */
#ifndef CONSENTD_SERVER_INTERNAL_H
#define CONSENTD_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/js.h"
#include "base/log.h"
#include "base/text.h"
#include "blobs/blobs.h"
#include "consentd/conf.h"
#include "consentd/keystore.h"
#include "consentd/replay.h"
#include "consentd/store.h"
#include "node/node.h"
#include "registry/registry.h"

struct resend;

struct server {
	struct consentd_conf conf;
	struct consentd_roots roots; /* node URL and chain as in use */
	char *url;                   /* of the RMS, as in cards */
	int lock_fd;
	struct seal_identity *rms, *node_key, *protect;
	struct node *node; /* NULL: somebody else's */
	struct ledger_node *ledger;
	struct consentd_keys *keys;
	struct consentd_store *store;
	struct consentd_replay *replay;
	struct secret *registry_key;
	struct registry *registry;
	struct ledger_sink inner; /* of the registry */
	struct ledger_follower *follower;
	struct blobs *blobs;
	struct resend *resend;
	struct http_listener *listener; /* set and taken under waking */
	pthread_mutex_t waking;
	pthread_mutex_t intake; /* events are taken one after the other */
	atomic_uint refused;    /* requests, since the operator was told */
	_Atomic int64_t refused_told; /* not again before */
	/* boot time when registering leaves its whole allowance again */
	_Atomic int64_t registered_until;
	_Atomic bool ready;        /* nothing is answered before */
	_Atomic uint64_t visible;  /* feed rows that the registry knows too */
	_Atomic uint64_t uploaded; /* bytes of blobs received */
};

/* Who sent a signed request. */
struct caller {
	struct pubkey key;
	bool is_host; /* accredited now */
	struct institution_id institution;
};

/* ---- auth.c ---- */

enum who { WHO_ANY, WHO_HOST };

typedef enum err (*consentd_endpoint)(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply);

/* Check the signature, the replay rules and ${who}; then call ${fn}. */
enum err consentd_signed(struct server *s, enum who who, consentd_endpoint fn,
    const struct http_request *req, struct http_reply *reply) must_check;

/* ---- routes.c ---- */

extern const struct http_route consentd_routes[];
extern const size_t consentd_nroutes;

/* ---- intake.c: what a transaction holds ---- */

/* An entry that slot 0 opened; its patient is the owner of the handle. */
struct opened {
	struct event_id id;
	struct entry_key entry;
	uint8_t public[32];
	struct event *e;
};

void consentd_opened_free(struct opened *o);
#define CLEANUP_OPENED __attribute__((cleanup(consentd_opened_free), unused))

/*
 * Open entry ${i}.  Errors: FORMAT (not an envelope of ours, payload), NOKEY
 * (not sealed to us or to an unknown patient), FORGED, UNSUPPORTED.
 */
enum err consentd_open(struct server *s, const struct ledger_tx *tx, size_t i,
    struct opened *out) must_check;

/*
 * Read the JSON of a transaction from a client.
 * Errors: FORMAT, FORGED, UNSUPPORTED.
 */
enum err consentd_tx_read(
    const json_t *json, struct ledger_tx **out) must_check;

/* Say whether ${sender} may write ${e}.  Errors: UNKNOWNKEY. */
enum err consentd_sender(struct server *s, const struct pubkey *sender,
    const struct event *e) must_check;

/* ---- take.c: keeping what came ---- */

/*
 * Keep a transaction from a client durably, show it to the registry, tell
 * those whom it concerns.
 */
enum err consentd_take(struct server *s, const struct ledger_tx *tx) must_check;

/* After a start: show the registry what is held. */
enum err consentd_take_held(struct server *s) must_check;

/* The follower's sink: ours around the registry's. */
struct ledger_sink consentd_sink(struct server *s);

/* ---- resend.c ---- */

/* Start and stop the thread that hands held transactions to the node. */
enum err consentd_resend_start(
    struct server *s, struct resend **out) must_check;
void consentd_resend_stop(struct resend *r);

/* Something new is held. */
void consentd_resend_kick(struct resend *r);

/* The node's newest blocks were replaced: all of it again, now. */
void consentd_resend_again(struct resend *r);

/*
 * Hand ${tx} to the node now unless it was out of reach a moment ago; what
 * fails here the thread does later.
 */
void consentd_resend_now(struct resend *r, const struct ledger_tx *tx);

/* ---- view.c: who may see what ---- */

/* The later of wall clock and newest block time. */
int64_t consentd_now(struct server *s);

/*
 * Say whether the caller is ${patient} or a live representative with the
 * ${powers} (bits of event_power, 0: any).
 */
bool consentd_is_person(struct server *s, const struct caller *c,
    const struct pubkey *patient, unsigned powers);

/* Ways in which an institution may ask about a patient's sets. */
struct asking;

/*
 * Collect the purposes and practitioners that decisions about ${patient}
 * name for ${institution}; ${purpose} and ${practitioner}, if not NULL, are
 * taken instead.
 */
enum err consentd_asking_new(struct server *s, const struct pubkey *patient,
    const struct institution_id *institution, const char *purpose,
    const char *practitioner, struct asking **out) must_check;
void consentd_asking_free(struct asking *a);
DEFINE_CLEANUP(struct asking *, consentd_asking_free);

/* Say whether the set may be listed now in one of those ways. */
bool consentd_may_list(
    struct server *s, const struct asking *a, const struct registry_event *set);

/* Say whether the caller may have ciphertext and key record of the set. */
bool consentd_may_copy(
    struct server *s, const struct caller *c, const struct registry_event *set);

/* ---- records.c ---- */

/* Open the RMS's half of a key record and hold it against the set. */
enum err consentd_record_open(struct server *s, const struct rms_record *record,
    const struct registry_event *set, struct secret **out_key) must_check;

/* ---- small things: parts.c ---- */

/* Read a base58 part of the path.  Errors: NOTFOUND. */
enum err consentd_path_id(
    const struct http_request *req, size_t i, void *out, size_t len) must_check;
#define PATH_ID(req, i, idp)                                                   \
	consentd_path_id(req, i, (idp)->b, sizeof((idp)->b))

/* Parse the body as JSON.  Errors: FORMAT. */
enum err consentd_body(const struct http_request *req, json_t **out) must_check;

/* A new JSON string with the base64 of ${p}; NULL without memory. */
json_t *consentd_base64(const void *p, size_t n);

/* Read a base64 member of exactly ${n} bytes. */
enum err consentd_read_base64(
    struct js *r, const char *name, uint8_t *out, size_t n) must_check;

/* Seal a key to ${to} as a new JSON string. */
enum err consentd_sealed_key(
    const struct secret *key, const struct pubkey *to, json_t **out) must_check;

/* Answer {}. */
enum err consentd_done(struct http_reply *reply) must_check;

/* ---- endpoints, one file per group: ep_*.c ---- */

enum err consentd_get_health(void *s, const struct http_request *req,
    struct http_reply *reply) must_check;
enum err consentd_get_info(void *s, const struct http_request *req,
    struct http_reply *reply) must_check;

#define ENDPOINT(name)                                                         \
	enum err name(struct server *s, const struct caller *c,                \
	    const struct http_request *req, struct http_reply *reply)          \
	    must_check

ENDPOINT(consentd_post_patient);
ENDPOINT(consentd_put_card);
ENDPOINT(consentd_get_card);
ENDPOINT(consentd_get_sets);
ENDPOINT(consentd_post_event);
ENDPOINT(consentd_get_events);
ENDPOINT(consentd_post_release);
ENDPOINT(consentd_put_record);
ENDPOINT(consentd_get_record);
ENDPOINT(consentd_post_missing);
ENDPOINT(consentd_post_blobs);
ENDPOINT(consentd_put_leaves);
ENDPOINT(consentd_get_leaves);
ENDPOINT(consentd_get_spans);
ENDPOINT(consentd_put_span);
ENDPOINT(consentd_get_span);

#endif
