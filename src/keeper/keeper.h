/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper: the process that outlives the one that serves the mount.  It has no
 * key and no plaintext, only the device; when the server is killed, stopped
 * or silent it drops what the kernel keeps of every file that was opened,
 * while it refuses what is still asked, and then sees to the unmount.
 *
 * Three processes: the keeper, which forks the others before there is a
 * thread or a key; the server; and the unmounter, which waits until the keeper
 * is gone, however that came.  The server watches the keeper in turn.
 *
 * Server and keeper have descriptors of the device of their own (clones): what
 * the server had read but not answered ends with the server's, so that nobody
 * waits for ever, least of all the keeper.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

struct keeper;

/**
 * keeper_new(mountpoint, out):
 * Prepare a keeper for a mount on the absolute name ${mountpoint}.
 */
enum err keeper_new(const char *mountpoint, struct keeper **out) must_check;

/**
 * keeper_free(k):
 * Let go of what this process has of it; NULL is allowed.
 */
void keeper_free(struct keeper *k);
DEFINE_CLEANUP(struct keeper *, keeper_free);

/**
 * keeper_fork(k, out_is_server):
 * Fork the unmounter and the server.  Returns in both the server and the
 * caller, who is to call keeper_run().  The process may have no threads.
 */
enum err keeper_fork(struct keeper *k, bool *out_is_server) must_check;

struct keeper_run {
	int log_fd; /* kept open, as are the standard streams; -1: none */
	/* called when the folder is mounted, before there is a thread */
	enum err (*settle)(void *ctx, pid_t server);
	void *ctx;
};

/**
 * keeper_run(k, run):
 * Keep watch until the server has ended, and return its exit status; not 0 if
 * it was not orderly.  Closes all other descriptors.
 */
int keeper_run(struct keeper *k, const struct keeper_run *run);

/* ---- in the server ---- */

/**
 * keeper_source(k):
 * Return the name under which the mount is found again, to be mounted as its
 * source.
 */
const char *keeper_source(const struct keeper *k);

/**
 * keeper_hand_over(k, device, out_device):
 * Give the device of the new mount to the keeper and get one of our own in
 * ${out_device}.  Closes ${device}.
 * Errors: UNAUTH (/dev/fuse may not be opened), IO.
 */
enum err keeper_hand_over(
    struct keeper *k, int device, int *out_device) must_check;

/**
 * keeper_beat(k):
 * Say that this process still takes pages back; by a thread that does.
 * Return whether the keeper is still there.
 */
bool keeper_beat(struct keeper *k);

/**
 * keeper_opened(k, ino), keeper_forgot(k, ino):
 * The kernel may have pages of ${ino} from here on; not any more.
 * Errors: NOMEM (too many: it must not be opened).
 */
enum err keeper_opened(struct keeper *k, uint64_t ino) must_check;
/** keeper_forgot(k, ino): see keeper_opened(). */
void keeper_forgot(struct keeper *k, uint64_t ino);

/**
 * keeper_opened_list(k, at, out, cap):
 * Write up to ${cap} of the inodes that were opened; ${at} is where to go on,
 * first 0.  0: that was all.
 */
size_t keeper_opened_list(
    const struct keeper *k, uint32_t *at, uint64_t *out, size_t cap);

/**
 * keeper_dark(k):
 * Everything is dark for good: what is left is an orderly end, however long it
 * takes.  A keeper that does not move any more is ended.
 */
void keeper_dark(struct keeper *k);

/**
 * keeper_clone(device):
 * Return another descriptor of the connection of ${device}, or -1.
 */
int keeper_clone(int device);

/**
 * keeper_drop_inode(device, ino):
 * Drop pages and attributes of ${ino}; may wait for a request that is being
 * served.  Return errno or 0.
 */
int keeper_drop_inode(int device, uint64_t ino);

/* ---- for others ---- */

/**
 * keeper_is_dead(at):
 * Say whether the newest mount on the absolute name ${at} is one of consentfs
 * and of this user that nobody serves any more: all of its processes, the
 * unmounter too, were killed.
 */
bool keeper_is_dead(const char *at);

/**
 * keeper_lock(mountpoint):
 * Have the keeper of the mount on ${mountpoint} make everything dark and end
 * it, without asking the mount for anything.
 * Errors: NOTFOUND (no mount of consentfs), DENIED (another user's), TIMEOUT.
 */
enum err keeper_lock(const char *mountpoint) must_check;

#endif
