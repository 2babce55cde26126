/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/passphrase: ask for the passphrase of key files, once for all files of
 * a home: from a descriptor, else on the terminal without echo.
 */
#ifndef BASE_PASSPHRASE_H
#define BASE_PASSPHRASE_H

#include "base/err.h"
#include "base/secret.h"

struct passphrase {
	int fd;              /* to read one line from; -1: the terminal */
	struct secret *kept; /* what was answered */
};

/**
 * passphrase_from(p, s):
 * Read the value ${s} of --passphrase-fd into ${p}.fd; NULL is the terminal.
 * Errors: INVAL.
 */
enum err passphrase_from(struct passphrase *p, const char *s) must_check;

/**
 * passphrase_ask(ctx, path, out):
 * Store in ${out} the passphrase for ${path}; ${ctx} is a struct passphrase.
 * Has the type that seal_identity_load() asks with.
 * Errors: NOKEY (no terminal, nothing given, too long).
 */
enum err passphrase_ask(
    void *ctx, const char *path, struct secret **out) must_check;

/**
 * passphrase_forget(p):
 * Wipe what was answered.
 */
void passphrase_forget(struct passphrase *p);

#endif
