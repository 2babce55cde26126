/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nonces are kept per signer in two generations.  When the younger one is
 * full or old, the elder is forgotten and the signer's own floor rises to the
 * latest time in it: memory is bounded, and a signer harms only itself.
 */
#include "consentd/replay.h"

#include <pthread.h>
#include <string.h>

#include "rms/rms.h"

#define AHEAD_MS        30000 /* how far a floor is reserved at once */
#define WINDOW_MS       (2LL * RMS_SKEW_MS)
#define BUCKETS         4096
#define SIGNERS         8192
#define STRANGERS       2048  /* of them, accounts that nobody knows */
#define NONCES          16384 /* of one generation */
#define NONCES_STRANGER 64
#define FIRST_SLOTS     64

struct slot {
	uint8_t nonce[16];
	bool used;
};

struct generation {
	struct slot *slot;
	size_t size, n; /* size: a power of two */
	int64_t newest; /* the latest time in it */
	int64_t begun;
};

struct signer {
	struct signer *next;
	struct pubkey key;
	bool known;
	int64_t floor, used;
	struct generation young, old;
};

struct consentd_replay {
	pthread_mutex_t lock; /* guards all below */
	struct consentd_replay_opts opts;
	uint8_t salt[32];
	int64_t reserved;
	size_t nsigners, nstrangers;
	struct signer *bucket[BUCKETS];
};

enum err
consentd_replay_new(
    const struct consentd_replay_opts *opts, struct consentd_replay **out)
{
	struct consentd_replay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&r->lock, NULL);
	r->opts = *opts;
	if (r->opts.floor > opts->now + RMS_SKEW_MS)
		r->opts.floor = opts->now + RMS_SKEW_MS;
	r->reserved = r->opts.floor;
	seal_random(r->salt, sizeof(r->salt));
	*out = r;
	return ERR_OK;
}

static void
signer_free(struct signer *s)
{
	free(s->young.slot);
	free(s->old.slot);
	free(s);
}

void
consentd_replay_free(struct consentd_replay *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (r->bucket[i]) {
			struct signer *s = r->bucket[i];

			r->bucket[i] = s->next;
			signer_free(s);
		}
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Where ${nonce} stands or would stand; there is always a free slot. */
static struct slot *
find(const struct generation *g, const uint8_t nonce[static 16])
{
	uint64_t h;
	size_t i;

	memcpy(&h, nonce, sizeof(h));
	for (i = h & (g->size - 1); g->slot[i].used;
	     i = (i + 1) & (g->size - 1))
		if (memcmp(g->slot[i].nonce, nonce, 16) == 0)
			break;
	return &g->slot[i];
}

static bool
has(const struct generation *g, const uint8_t nonce[static 16])
{
	return g->slot && find(g, nonce)->used;
}

static enum err
grow(struct generation *g)
{
	struct generation bigger = *g;

	bigger.size = g->size ? 2 * g->size : FIRST_SLOTS;
	bigger.slot = calloc(bigger.size, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < g->size; i++)
		if (g->slot[i].used)
			*find(&bigger, g->slot[i].nonce) = g->slot[i];
	free(g->slot);
	*g = bigger;
	return ERR_OK;
}

static void
rotate(struct signer *s, int64_t now)
{
	size_t max = s->known ? NONCES : NONCES_STRANGER;

	if (s->young.n < max && now - s->young.begun < WINDOW_MS)
		return;
	if (s->old.newest > s->floor)
		s->floor = s->old.newest;
	free(s->old.slot);
	s->old = s->young;
	s->young = (struct generation){ .begun = now };
}

static enum err
add(struct generation *g, const struct consentd_stamp *st)
{
	struct slot *slot;

	if (2 * (g->n + 1) > g->size) {
		enum err e = grow(g);

		if (e)
			return e;
	}
	slot = find(g, st->nonce);
	memcpy(slot->nonce, st->nonce, sizeof(slot->nonce));
	slot->used = true;
	g->n++;
	if (st->time > g->newest)
		g->newest = st->time;
	return ERR_OK;
}

/* Forget the signers all of whose requests are too old by now. */
static void
sweep_locked(struct consentd_replay *r, int64_t now)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct signer **at = &r->bucket[i]; *at;) {
			struct signer *s = *at;

			if (now - s->used <= WINDOW_MS) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			r->nsigners--;
			r->nstrangers -= !s->known;
			signer_free(s);
		}
}

static bool
is_full_locked(const struct consentd_replay *r, bool known)
{
	return r->nsigners >= SIGNERS || (!known && r->nstrangers >= STRANGERS);
}

static struct signer **
bucket_of(struct consentd_replay *r, const struct pubkey *key)
{
	const struct seal_part part = { key->b, sizeof(key->b) };
	uint8_t h[32];

	seal_hash(r->salt, &part, 1, h);
	return &r->bucket[(h[0] << 8 | h[1]) % BUCKETS];
}

static enum err
signer_locked(struct consentd_replay *r, const struct consentd_stamp *st,
    int64_t now, struct signer **out)
{
	struct signer **at = bucket_of(r, &st->key), *s;

	for (s = *at; s; s = s->next)
		if (ID_EQ(&s->key, &st->key))
			break;
	if (s == NULL) {
		if (is_full_locked(r, st->known))
			sweep_locked(r, now);
		if (is_full_locked(r, st->known))
			return err_say(ERR_BUSY,
			    "too many accounts at once; try again later");
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return ERR_NOMEM;
		s->key = st->key;
		s->young.begun = now;
		s->known = st->known;
		s->next = *at;
		*at = s;
		r->nsigners++;
		r->nstrangers += !s->known;
	}
	if (st->known && !s->known) {
		s->known = true;
		r->nstrangers--;
	}
	s->used = now;
	*out = s;
	return ERR_OK;
}

static enum err
below(int64_t floor, int64_t *out_floor)
{
	*out_floor = floor;
	return err_say(ERR_UNAUTH,
	    "the request is not newer than what is remembered; sign it "
	    "again");
}

/*
 * A floor lies ahead of each time that is taken, but never further than a
 * request may: a caller must be able to sign above it.
 */
static enum err
reserve_locked(struct consentd_replay *r, int64_t time, int64_t now)
{
	int64_t ahead = (time > now ? time : now) + AHEAD_MS;
	enum err e;

	if (time <= r->reserved)
		return ERR_OK;
	if (ahead > now + RMS_SKEW_MS)
		ahead = now + RMS_SKEW_MS;
	e = r->opts.reserve(r->opts.ctx, ahead);
	if (e == ERR_OK)
		r->reserved = ahead;
	return e;
}

static enum err
take_locked(struct consentd_replay *r, const struct consentd_stamp *st,
    int64_t now, int64_t *out_floor)
{
	struct signer *s = NULL;
	enum err e;

	if (st->time <= r->opts.floor)
		return below(r->opts.floor, out_floor);
	e = signer_locked(r, st, now, &s);
	if (e)
		return e;
	if (has(&s->young, st->nonce) || has(&s->old, st->nonce))
		return err_say(ERR_UNAUTH, "the request was seen before");
	if (st->time <= s->floor)
		return below(s->floor, out_floor);
	e = reserve_locked(r, st->time, now);
	if (e)
		return e;
	rotate(s, now);
	return add(&s->young, st);
}

enum err
consentd_replay_take(struct consentd_replay *r,
    const struct consentd_stamp *stamp, int64_t now, int64_t *out_floor)
{
	enum err e;

	*out_floor = 0;
	if (stamp->time < now - RMS_SKEW_MS || stamp->time > now + RMS_SKEW_MS)
		return err_say(ERR_UNAUTH,
		    "the request's time differs too much from ours; set the "
		    "clock");
	(void)pthread_mutex_lock(&r->lock);
	e = take_locked(r, stamp, now, out_floor);
	(void)pthread_mutex_unlock(&r->lock);
	return e;
}
