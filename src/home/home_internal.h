/* SPDX-License-Identifier: GPL-3.0-or-later */
/* home: what its files share. */
#ifndef HOME_HOME_INTERNAL_H
#define HOME_HOME_INTERNAL_H

#include "home/home.h"

#include <pthread.h>
#include <stdatomic.h>

#define HOME_MAX_READING       16
#define HOME_MAX_PRACTITIONERS 256
#define HOME_CARD_FILE         4096

struct home_practitioner {
	char *login, *id, *name;
};

struct home {
	char *dir, *program_dir;
	struct home_conf conf;
	struct home_practitioner practitioner[HOME_MAX_PRACTITIONERS];
	size_t npractitioners;

	struct chain chain;
	struct pubkey rms_key;
	struct seal_identity *id;
	bool has_institution;
	struct institution_id institution;
	struct seal_identity *reading[HOME_MAX_READING]; /* newest first */
	size_t nreading;
	struct secret *rest_key;

	struct ledger_node *node;
	struct ledger_outbox *outbox;
	struct ledger_follower *follower;
	struct registry *registry;
	struct ledger_sink registry_sink;
	struct rms_client *rms;

	/* the feed; only its thread, or home_sync() before home_start() */
	uint64_t feed_next;
	pthread_t feed_thread;
	bool feed_runs;
	atomic_bool stop; /* set by home_close(), read by the threads */
	void (*hint)(void *ctx);
	void *hint_ctx;
};

/**
 * home_conf_load(h):
 * Read DIR/consent.conf into ${h} and decode the trust roots.
 */
enum err home_conf_load(struct home *h) must_check;

/**
 * home_conf_release(h):
 * Free what home_conf_load() made.
 */
void home_conf_release(struct home *h);

/**
 * home_feed_round(h, wait_ms, out_more):
 * Take what the RMS's feed has; ${out_more}: something came.
 */
enum err home_feed_round(
    struct home *h, int64_t wait_ms, bool *out_more) must_check;

/**
 * home_feed_run(arg):
 * The feed's thread; ${arg} is the home.
 */
void *home_feed_run(void *arg);

/**
 * home_feed_load(h), home_feed_save(h):
 * The feed's position on disk.
 */
void home_feed_load(struct home *h);
/** home_feed_save(h): see home_feed_load(). */
void home_feed_save(const struct home *h);

#endif
