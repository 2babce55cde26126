/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jail: what a program gives up once it has what it needs.  After jail_enter()
 * the process starts no program and no other process, sees only the places
 * named, reaches only the ports named, and gets none of it back: no new
 * privileges, no capabilities, Landlock as far as the kernel has it, and a
 * list of system calls.  Enter before the first thread is started.
 */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define JAIL_PLACES 64
#define JAIL_PORTS  16

/* What stays allowed; zero-initialise. */
struct jail {
	bool off;          /* --no-sandbox: give up nothing, and say so */
	bool capabilities; /* stay: files of other users may be named */
	bool any_connect;  /* a port to connect to is not known yet */
	bool datagrams;    /* of the Unix kind too: syslog */
	pid_t signals; /* a process of ours that may be signalled; 0: none */
	size_t nplaces, nconnect, nbind;
	struct jail_place {
		const char *path;
		enum jail_use {
			JAIL_READ,
			JAIL_WRITE,
			JAIL_RENAME,
			JAIL_BESIDE,
		} use;
	} place[JAIL_PLACES];
	uint16_t connect[JAIL_PORTS], bind[JAIL_PORTS];
};

/**
 * jail_read(j, path), jail_write(j, path):
 * Let what is beneath ${path} be read, or read and changed.  ${path} is
 * borrowed until jail_enter(); NULL and what is not there are skipped.  The
 * system's libraries, certificates, resolver files and /proc may be read
 * anyhow.  What exceeds ${JAIL_PLACES} is left out.
 */
void jail_read(struct jail *j, const char *path);
/** jail_write(j, path): see jail_read(). */
void jail_write(struct jail *j, const char *path);

/**
 * jail_read_replaced(j, path):
 * As jail_read(), also when another file takes the place of ${path}: the files
 * in its folder may be read, if that is not the root, but not listed.
 */
void jail_read_replaced(struct jail *j, const char *path);

/**
 * jail_rename(j, path):
 * Let folders beneath ${path} be made, renamed and, empty, removed.
 */
void jail_rename(struct jail *j, const char *path);

/**
 * jail_connect(j, urls):
 * Let the ports of ${urls}, with commas or spaces between, be connected to;
 * port 0: any.  NULL is skipped.
 */
void jail_connect(struct jail *j, const char *urls);

/**
 * jail_bind(j, port):
 * Let ${port} be listened on; 0: one that the kernel chooses.
 */
void jail_bind(struct jail *j, uint16_t port);

/**
 * jail_enter(j):
 * Give up everything but ${j}, for good, and log what the kernel could
 * enforce.  A kernel without Landlock is no error.
 * Errors: UNSUPPORTED (no system call filter), IO, NOMEM.
 */
enum err jail_enter(const struct jail *j) must_check;

#endif
