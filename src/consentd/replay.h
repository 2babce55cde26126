/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/replay: each signed request is taken once.  Nonces are remembered
 * in memory for as long as a request's time may differ from ours; so that a
 * restart forgets nothing, a floor is kept durably ahead of every time that
 * was taken, and what is not above it is refused after the restart.  No I/O
 * of its own; any thread.
 */
#ifndef CONSENTD_REPLAY_H
#define CONSENTD_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"

struct consentd_replay;

struct consentd_replay_opts {
	int64_t floor; /* as reserve() kept it last */
	int64_t now;   /* the wall clock */
	/* keep a floor durably */
	enum err (*reserve)(void *ctx, int64_t floor);
	void *ctx;
};

/**
 * consentd_replay_new(opts, out):
 * Start with nothing seen above the floor.  A floor that lies further ahead
 * than a request's time may was kept while the clock was wrong: what was
 * signed by the right one lies below ${opts}->now and the skew.
 */
enum err consentd_replay_new(const struct consentd_replay_opts *opts,
    struct consentd_replay **out) must_check;

/**
 * consentd_replay_free(r):
 * NULL is allowed.
 */
void consentd_replay_free(struct consentd_replay *r);
DEFINE_CLEANUP(struct consentd_replay *, consentd_replay_free);

struct consentd_stamp {
	struct pubkey key;
	int64_t time;
	uint8_t nonce[16];
	bool known; /* an account that is worth more memory */
};

/**
 * consentd_replay_take(r, stamp, now, out_floor):
 * Take a request whose signature was verified.  ${out_floor} is set to 0, or
 * to the time above which the request must be signed once more.
 * Errors: UNAUTH (time too far from ${now}, below a floor, seen before), BUSY
 * (too many accounts at once), and those of reserve().
 */
enum err consentd_replay_take(struct consentd_replay *r,
    const struct consentd_stamp *stamp, int64_t now,
    int64_t *out_floor) must_check;

#endif
