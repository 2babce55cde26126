/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * get: the folder that it makes.
 */
#ifndef CONSENT_GET_H
#define CONSENT_GET_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"

struct consent_folder {
	char *path;   /* as it is called at the end */
	char *parent; /* where it lies */
	char *part;   /* what is written into until then */
	int fd;       /* of it, locked; -1: it is not ours to remove */
	bool done;
};

/**
 * consent_folder_begin(f, path, set):
 * Make the folder that becomes ${path} when it is done, for ${set}, or take
 * over what an earlier run left of it.  ${path} NULL: it lies here, and its
 * name is told later.  End ${f} also after an error.
 * Errors: EXISTS, BUSY (another command is at it), those of mkdir().
 */
enum err consent_folder_begin(struct consent_folder *f, const char *path,
    const struct event_id *set) must_check;

/**
 * consent_folder_name(f, name):
 * Call it ${name} if it has no name yet.
 * Errors: EXISTS.
 */
enum err consent_folder_name(
    struct consent_folder *f, const char *name) must_check;

/**
 * consent_folder_done(f):
 * Have it on disk under its name.
 * Errors: EXISTS, IO, NOSPACE.
 */
enum err consent_folder_done(struct consent_folder *f) must_check;

/**
 * consent_folder_end(f):
 * Remove it if it is not done, and free what ${f} holds.
 */
void consent_folder_end(struct consent_folder *f);

#endif
