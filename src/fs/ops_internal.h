/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fs: what the operations share, in libfuse's terms; the rest of the room
 * knows no libfuse.  An operation replies exactly once.
 */
#ifndef FS_OPS_INTERNAL_H
#define FS_OPS_INTERNAL_H

#include <fuse_lowlevel.h>

#include "fs/fs_internal.h"

/* The table for fuse_session_new(). */
extern const struct fuse_lowlevel_ops fs_ops;

/**
 * fs_reply_err(req, e):
 * Reply the errno of ${e}.
 */
void fs_reply_err(fuse_req_t req, enum err e);

/**
 * fs_reply_buffer(req, n):
 * Reply the first ${n} bytes of fs_buffer() and wipe them: between two requests
 * no plaintext stands there.  Returns what fuse_reply_buf() does.
 */
int fs_reply_buffer(fuse_req_t req, size_t n);

/* ---- fs/dir.c ---- */

/**
 * fs_op_opendir(req, ino, fi) and its kin:
 * Directories are listed from the tree that the handle keeps.
 */
void fs_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi);
void fs_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi);

/**
 * fs_entry(fs, p, out):
 * Fill the reply to a lookup of ${p} and count it.
 */
enum err fs_entry(struct fs *fs, const struct fs_place *p,
    struct fuse_entry_param *out) must_check;

/* ---- fs/open.c, fs/read.c ---- */

/**
 * fs_op_open(req, ino, fi) and its kin:
 * A document's open and read may be parked.
 */
void fs_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi);
/** fs_op_release(req, ino, fi): of files and directories. */
void fs_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/**
 * fs_handle_of(fi):
 * The handle that an open gave to the kernel.
 */
struct fs_handle *fs_handle_of(const struct fuse_file_info *fi);

/**
 * fs_reply_open(req, h, fi):
 * Hand the reference on ${h} to the kernel.
 */
void fs_reply_open(
    fuse_req_t req, struct fs_handle *h, struct fuse_file_info *fi);

/* ---- fs/park.c ---- */

/* A request that waits for the gate. */
struct fs_park {
	_Atomic unsigned refs; /* who is to reply, the interrupter's queue */
	_Atomic int stage;     /* see fs_park_arm() */
	atomic_bool interrupted;
	struct fs_park *next; /* fs->queue_lock */
	fuse_req_t req;       /* not to be touched after the reply */
	struct fs_handle *h;
	struct fuse_file_info fi; /* of an open */
	uint64_t off;             /* of a read */
	size_t size;
	unsigned tries;
	enum err e;                        /* what the gate said */
	void (*finish)(struct fs_park *p); /* replies and lets ${p} go */
};

/**
 * fs_park_new(req, h, finish):
 * Make a parked request with a reference on ${h}; NULL without memory.
 */
struct fs_park *fs_park_new(
    fuse_req_t req, struct fs_handle *h, void (*finish)(struct fs_park *p));

/**
 * fs_park_done(ctx, e):
 * What is given to the gate; ${ctx} is the parked request.
 */
void fs_park_done(void *ctx, enum err e);

/**
 * fs_park_arm(p):
 * The gate has taken ${p}: let it be interrupted.  Whoever comes second, this
 * or fs_park_done(), finishes; ${p} is gone for the caller.
 */
void fs_park_arm(struct fs_park *p);

/**
 * fs_park_fetch(p):
 * While finishing: have the gate fetch once more.  OK: ${p} is gone for the
 * caller.
 */
enum err fs_park_fetch(struct fs_park *p) must_check;

/**
 * fs_park_quiet(p):
 * No interrupt comes from here on: the reply may follow.
 */
void fs_park_quiet(struct fs_park *p);

/**
 * fs_park_unref(p):
 * Let go.
 */
void fs_park_unref(struct fs_park *p);

/**
 * fs_park_run(arg):
 * The thread that hands interrupts to the gate; ${arg} is the fs.
 */
void *fs_park_run(void *arg);

#endif
