/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keeper: what its files share. */
#ifndef KEEPER_KEEPER_INTERNAL_H
#define KEEPER_KEEPER_INTERNAL_H

#include "keeper/keeper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define KEEPER_NAME   "consentfs:" /* of a source, before the random part */
#define KEEPER_SOURCE (sizeof(KEEPER_NAME) + 32)
#define KEEPER_SLOTS  (1u << 20) /* opened inodes, at most three quarters */
#define KEEPER_BLOCK  512        /* slots of one page */
#define KEEPER_TICK   100        /* ms between two beats of the keeper */

/* What both processes see. */
struct keeper_shared {
	_Atomic uint32_t server_beat, keeper_beat;
	atomic_bool dark; /* the server has made everything dark */
	/* A hash table without holes.  A block that was never written is not
	 * read either, as that would make the kernel find memory for it. */
	atomic_bool used[KEEPER_SLOTS / KEEPER_BLOCK];
	_Atomic uint64_t ino[KEEPER_SLOTS]; /* 0: free */
};

/* Another process's beat, as we last saw it. */
struct keeper_pulse {
	uint32_t seen;
	unsigned missed;
	int64_t looked;
};

struct keeper {
	struct keeper_shared *shared;
	char *mountpoint, source[KEEPER_SOURCE];
	int pair[2]; /* the keeper's end, the server's */
	int wait[2]; /* the unmounter waits for the end of it */
	int listener;
	int device; /* the keeper's; -1: not mounted yet */
	pid_t keeper, server, unmounter;
	struct keeper_pulse pulse; /* of the other; in the server: lock */
	atomic_bool lost;          /* the server's: the other does not move */
	pthread_mutex_t lock;
	uint32_t n; /* lock; slots taken */
};

/* ---- keeper/shared.c ---- */

/**
 * keeper_pulse_lost(p, beat, every, limit):
 * Look at another's beat: say whether it has not moved for ${limit} looks that
 * were ${every} ms apart.  A time in which we did not run counts once.
 */
bool keeper_pulse_lost(
    struct keeper_pulse *p, uint32_t beat, int64_t every, unsigned limit);

/* ---- keeper/device.c ---- */

/**
 * keeper_refuse(k):
 * Answer every request with an error, until the end of the connection.
 */
void keeper_refuse(const struct keeper *k);

/* ---- keeper/lock.c ---- */

/**
 * keeper_address(source, out):
 * Make the address at which the keeper of ${source} listens; return its
 * length.
 */
socklen_t keeper_address(const char *source, struct sockaddr_un *out);

/**
 * keeper_asked(k):
 * Take one caller, who stays connected until we end.  Say whether it may have
 * the mount locked.
 */
bool keeper_asked(const struct keeper *k);

/* ---- keeper/mounts.c ---- */

struct keeper_mount {
	char *at, *source;
	bool ours;
	uid_t uid; /* whose mount it is */
};

/**
 * keeper_find_mount(at, source, out):
 * Find the newest mount on ${at}, or of ${source}; the other is NULL.  The
 * strings of ${out} are to be freed.
 * Errors: NOTFOUND, IO.
 */
enum err keeper_find_mount(
    const char *at, const char *source, struct keeper_mount *out) must_check;

#endif
