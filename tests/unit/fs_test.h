/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the parts of fs_test. */
#ifndef FS_TEST_H
#define FS_TEST_H

#include <check.h>

#include "fs/fs_internal.h"

/* A gate without home, network or key: fs_test_gate.c.  How it behaves is set
 * in memory that the test shares with the process that serves the mount. */
struct fs_test_ctl {
	_Atomic int open_answer;    /* enum err; PENDING: by a thread */
	_Atomic int pending_answer; /* what the thread says */
	_Atomic int delay_ms;       /* after this; < 0: when interrupted */
	_Atomic int read_pending;   /* so many reads lack ciphertext */
	_Atomic int hidden;         /* the first set is not listed */
	_Atomic int do_dark;        /* 1: make the first set dark, then 0 */
	_Atomic int stay_dark;      /* reads of the first set fail */
	_Atomic int stuck_reading;  /* gate_doc_read_end() calls that lack */
	_Atomic int server;         /* the pid of who serves */
	_Atomic unsigned opens, reads, fetches, interrupts, closes, texts;
	char login[64], app[64];
};
extern struct fs_test_ctl *fs_test_ctl;

#define FS_TEST_BIG 5000 /* documents in the big set */

/* The byte at ${off} of document ${number}. */
uint8_t fs_test_byte(uint32_t number, uint64_t off);

/* Add a line to the manifest in ${b}: components by '/'. */
void fs_test_line(struct buf *b, const char *path, uint64_t size);

/* Read it. */
struct event_manifest *fs_test_manifest(const struct buf *b, uint32_t n);

/* ---- a real mount: fs_test_mount.c ---- */

#define KNEE "Ann/2026-03-02 Knee (Clinic A)"
#define MANY "Berta/2026-03-01 Many (Clinic A)"
#define OLD  "Ann/2026-01-01 Old (Clinic B)"

extern char fs_test_dir[64]; /* where it is mounted */
extern pid_t fs_test_server; /* its keeper */

/* Serve the mount from a process of its own; say how that began. */
enum err fs_test_try(struct fs_opts o) must_check;
void fs_test_start(struct fs_opts o);

/* End it; wait until it ends by itself, soon, with ${status}. */
void fs_test_stop(void);
void fs_test_ends(int status);
bool fs_test_mounted(void);

/* The absolute form of a path below the mount; the newest four stay. */
const char *fs_test_in(const char *path);

/* All names but "." and "..", sorted, with a '|' after each. */
const char *fs_test_names(const char *path);
uint64_t fs_test_ino(const char *path);

/* Read a whole file and compare with document ${number}. */
void fs_test_expect(const char *path, uint32_t number, size_t size);
void fs_test_no_open(const char *path, int flags, int want_errno);

/* The fixture around each. */
void fs_test_setup(void);
void fs_test_teardown(void);

TCase *fs_test_mount(void);
void fs_test_wait(TCase *c); /* adds those in fs_test_wait.c */

#endif
