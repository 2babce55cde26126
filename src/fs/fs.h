/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fs: the mounted folder.  It turns the gate's catalogue into names, inode
 * numbers and attributes, and the kernel's requests into calls of the gate; it
 * decides nothing and sees no key.  Two views: plain (patient / set /
 * document path) and ciphertext (set id / blobs), both read-only.
 *
 * Requests that need the network are parked, no thread waits for them.  The
 * kernel may cache names, attributes and pages; what changes is taken back by
 * notifications from threads that serve no request.
 *
 * Threads: one thread calls fs_open(), fs_run(), fs_close().
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "keeper/keeper.h"

struct fs;

struct fs_opts {
	const char *home_dir;   /* see home.h */
	const char *mountpoint; /* an empty place in the tree, absolute */
	struct keeper *keeper;  /* in whose server we are; outlives the fs */
	/* asks for a passphrase; NULL: protected keys are refused */
	enum err (*ask)(void *ctx, const char *path, struct secret **out);
	void *ask_ctx;
	const char *login; /* whom the mount serves; NULL: the user's own */
	bool ciphertext;   /* the view for backup tools */
	bool direct_io;    /* the kernel keeps no pages of documents */
	bool allow_other;  /* other users may enter, as permissions say */
	bool no_sandbox;   /* keep all rights, for a debugger */
	bool syslog;       /* the log goes there */
};

/**
 * fs_open(opts, out):
 * Open the home, mount, give up what is not needed (see jail.h), start
 * following the ledger.  All signals are blocked
 * in the calling thread from here on, so that no thread is interrupted.
 * Errors: NOTFOUND (no mount point, no home, no /dev/fuse), BUSY (something
 * is mounted there), IO (the mount is refused), those of gate_open().
 */
enum err fs_open(const struct fs_opts *opts, struct fs **out) must_check;

/**
 * fs_run(fs):
 * Serve until SIGTERM, SIGINT, SIGHUP or an unmount; then make everything
 * dark.
 * Errors: IO (the kernel broke off).
 */
enum err fs_run(struct fs *fs) must_check;

/**
 * fs_close(fs):
 * Make everything dark, unmount, close the home; NULL is allowed.
 */
void fs_close(struct fs *fs);
DEFINE_CLEANUP(struct fs *, fs_close);

#endif
