/* SPDX-License-Identifier: GPL-3.0-or-later */
/* consentfs: what the files of the program share. */
#ifndef CONSENTFS_CONSENTFS_INTERNAL_H
#define CONSENTFS_CONSENTFS_INTERNAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/passphrase.h"

/* ---- consentfs/detach.c ---- */

/**
 * detach_begin(out_fd):
 * Fork.  The parent waits for what the child reports and exits with that; the
 * child returns, and keeps terminal and standard streams for the time being.
 */
enum err detach_begin(int *out_fd) must_check;

/**
 * detach_report(fd, e):
 * Tell the parent how it went, with this thread's error detail.
 */
void detach_report(int fd, enum err e);

/**
 * detach_streams(log_fd, keep_stdio):
 * Standard error becomes ${log_fd}, unless that is -1.  Unless ${keep_stdio},
 * leave the session and the other streams too; without a log of its own the
 * standard error is closed.
 */
enum err detach_streams(int log_fd, bool keep_stdio) must_check;

/**
 * detach_log():
 * Send log lines to syslog.
 */
void detach_log(void);

#endif
