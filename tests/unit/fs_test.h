/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the parts of fs_test. */
#ifndef FS_TEST_H
#define FS_TEST_H

#include <check.h>

#include "fs/fs_internal.h"

/* A gate without home, network or key: fs_test_gate.c.  How it behaves is set
 * in memory that the test shares with the process that serves the mount. */
struct fs_test_ctl {
	_Atomic int open_answer;   /* enum err; PENDING: by a thread */
	_Atomic int pending_answer; /* what the thread says */
	_Atomic int delay_ms;	   /* after this; < 0: when interrupted */
	_Atomic int read_pending;  /* so many reads lack ciphertext */
	_Atomic int hidden;	   /* the first set is not listed */
	_Atomic int do_dark;	   /* 1: make the first set dark, then 0 */
	_Atomic int stay_dark;	   /* reads of the first set fail */
	_Atomic int stuck_reading; /* gate_doc_read_end() calls that lack */
	_Atomic unsigned opens, reads, fetches, interrupts, closes, texts;
	char login[64], app[64];
};
extern struct fs_test_ctl *fs_test_ctl;

#define FS_TEST_BIG 20000 /* documents in the big set */

/* The byte at ${off} of document ${number}. */
uint8_t fs_test_byte(uint32_t number, uint64_t off);

/* Add a line to the manifest in ${b}: components by '/'. */
void fs_test_line(struct buf *b, const char *path, uint64_t size);

/* Read it. */
struct event_manifest *fs_test_manifest(const struct buf *b, uint32_t n);

TCase *fs_test_mount(void);

#endif
