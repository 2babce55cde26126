/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's half of what both see. */
#include "keeper/keeper_internal.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"

#define BEAT_MS    200 /* the revoker looks so often */
#define BEATS_LOST 8

bool
keeper_pulse_lost(
    struct keeper_pulse *p, uint32_t beat, int64_t every, unsigned limit)
{
	int64_t now = clock_boot_ms();

	if (beat != p->seen) {
		*p = (struct keeper_pulse){ .seen = beat, .looked = now };
	} else if (now - p->looked >= every) {
		p->missed++;
		p->looked = now;
	}
	return p->missed >= limit;
}

bool
keeper_beat(struct keeper *k)
{
	bool now;

	atomic_fetch_add(&k->shared->server_beat, 1);
	pthread_mutex_lock(&k->lock);
	now = !k->lost &&
	    keeper_pulse_lost(
		&k->pulse, k->shared->keeper_beat, BEAT_MS, BEATS_LOST);
	if (now)
		k->lost = true;
	pthread_mutex_unlock(&k->lock);
	if (now)
		log_error("the keeper does not answer: the mount ends");
	return !k->lost;
}

void
keeper_dark(struct keeper *k)
{
	if (atomic_exchange(&k->shared->dark, true))
		return;
	if (getppid() != k->keeper)
		log_error("the keeper has died: everything is dark, the mount "
			  "ends");
	if (k->lost)
		(void)kill(k->keeper, SIGKILL);
}

/* ---- which inodes were opened ---- */

static uint32_t
home_of(uint64_t ino)
{
	return (uint32_t)((ino * 0x9e3779b97f4a7c15ULL) >> 40) &
	    (KEEPER_SLOTS - 1);
}

static uint32_t
next(uint32_t i)
{
	return (i + 1) & (KEEPER_SLOTS - 1);
}

/* The slot that has ${ino}, or the free one where it would be. */
static uint32_t
slot_of(const struct keeper_shared *s, uint64_t ino)
{
	uint32_t i = home_of(ino);

	while (s->ino[i] != 0 && s->ino[i] != ino)
		i = next(i);
	return i;
}

enum err
keeper_opened(struct keeper *k, uint64_t ino)
{
	struct keeper_shared *s = k->shared;
	enum err e = ERR_OK;
	uint32_t i;

	pthread_mutex_lock(&k->lock);
	i = slot_of(s, ino);
	if (s->ino[i] == 0 && k->n >= KEEPER_SLOTS / 4 * 3) {
		e = err_say(ERR_NOMEM, "the kernel knows too many documents");
	} else if (s->ino[i] == 0) {
		s->used[i / KEEPER_BLOCK] = true;
		s->ino[i] = ino;
		k->n++;
	}
	pthread_mutex_unlock(&k->lock);
	return e;
}

/* At every moment all that are in the table can be seen in it, some twice: the
 * process may be killed in between. */
void
keeper_forgot(struct keeper *k, uint64_t ino)
{
	struct keeper_shared *s = k->shared;
	const uint32_t mask = KEEPER_SLOTS - 1;
	uint32_t hole;

	pthread_mutex_lock(&k->lock);
	hole = slot_of(s, ino);
	if (s->ino[hole] != 0)
		k->n--;
	for (uint32_t i = next(hole); s->ino[hole] && s->ino[i]; i = next(i)) {
		uint32_t home = home_of(s->ino[i]);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		s->ino[hole] = s->ino[i];
		hole = i;
	}
	s->ino[hole] = 0;
	pthread_mutex_unlock(&k->lock);
}

size_t
keeper_opened_list(
    const struct keeper *k, uint32_t *at, uint64_t *out, size_t cap)
{
	const struct keeper_shared *s = k->shared;
	size_t n = 0;

	for (; *at < KEEPER_SLOTS && n < cap; ++*at) {
		uint64_t ino = s->used[*at / KEEPER_BLOCK] ? s->ino[*at] : 0;

		if (ino != 0)
			out[n++] = ino;
	}
	return n;
}
