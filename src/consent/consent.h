/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consent: the command line.  main.c holds the table of verbs; one file per
 * verb or small family.  Data goes to stdout (--json: one JSON value), talk to
 * stderr.  A verb returns its error; main prints it and exits by err_exit().
 */
#ifndef CONSENT_CONSENT_H
#define CONSENT_CONSENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/opt.h"
#include "home/home.h"
#include "jail/jail.h"

#define CONSENT_MAX_OPTS 24
#define CONSENT_WAIT_MS  30000 /* how long a command waits for services */

struct consent {
	const char *home_dir;
	bool json;
	const struct opt *opts;
	size_t nopts;
	struct opt_values values[CONSENT_MAX_OPTS];
	struct opt_values operands;
	struct home *home; /* after consent_home() */
	char *user;        /* after consent_login() */
};

/* A verb: its row in the table of main.c. */
struct consent_verb {
	const char *name;
	enum err (*run)(struct consent *c);
	const char *operands; /* for the usage */
	const char *summary;
	const struct opt *opts; /* ends with CONSENT_COMMON */
};

/* The options that every verb has, and the end of its table. */
#define CONSENT_COMMON                                                         \
	{ "home", "DIR", "the home (also before the verb)", false },           \
	    { "json", NULL, "print JSON", false },                             \
	    { "passphrase-fd", "N", "read the passphrase from descriptor N",   \
		    false },                                                   \
	    { "no-sandbox", NULL, "give up no rights", false },                \
	    { "help", NULL, "show this", false },                              \
	{                                                                      \
		NULL, NULL, NULL, false                                        \
	}

/**
 * consent_opt(c, name):
 * Return the value of option ${name}, NULL if it was not given.
 */
const char *consent_opt(const struct consent *c, const char *name);

/**
 * consent_opts(c, name):
 * Return all values of option ${name}.
 */
const struct opt_values *consent_opts(
    const struct consent *c, const char *name);

/**
 * consent_operand(c, i, what):
 * Return operand ${i}; without it NULL, and the detail says that ${what} is
 * missing.
 */
const char *consent_operand(
    const struct consent *c, size_t i, const char *what);

/**
 * consent_home(c):
 * Open the home into ${c}.home (closed by main) and enter the sandbox.
 */
enum err consent_home(struct consent *c) must_check;

/**
 * consent_sync(c):
 * consent_home() and home_sync(): know what the ledger knows.
 */
enum err consent_sync(struct consent *c) must_check;

/**
 * consent_enter_home(c, h, j):
 * Give up everything but ${j}, home ${h}, its services, and the files that the
 * arguments name; before there is a thread.  Errors: those of jail_enter().
 */
enum err consent_enter_home(
    struct consent *c, const struct home *h, struct jail *j) must_check;

/**
 * consent_enter(c, j):
 * The same without a home.
 */
enum err consent_enter(struct consent *c, struct jail *j) must_check;

/**
 * consent_login(c):
 * Who reads or asks: --login, else the user; first called before the sandbox,
 * as the system may have to ask another program.
 */
const char *consent_login(struct consent *c);

/**
 * consent_passphrase(ctx, path, out):
 * Ask for a passphrase: from --passphrase-fd, else on the terminal.
 * Errors: NOKEY (neither).
 */
enum err consent_passphrase(
    void *ctx, const char *path, struct secret **out) must_check;

/**
 * consent_out(j):
 * Print ${j} as one line of JSON and release it; without memory print nothing,
 * which consent_out_end() tells.
 */
void consent_out(json_t *j);

/**
 * consent_out_end():
 * Say whether all that was to be printed is out.
 * Errors: IO, NOMEM.
 */
enum err consent_out_end(void) must_check;

/**
 * consent_card(c, out):
 * The card of the patient that this command is about: --patient (alias, file,
 * card text), else the own one of a registered patient.
 */
enum err consent_card(struct consent *c, struct rms_card *out) must_check;

/**
 * consent_send(c, e, to, out_id):
 * Seal, keep, send one event and wait until it is final.
 */
enum err consent_send(struct consent *c, const struct event *e,
    const struct home_to *to, struct event_id *out_id) must_check;

/**
 * consent_set_title(c, id, out):
 * Write the title of a set into ${out}, or its id.
 */
void consent_set_title(
    struct consent *c, const struct event_id *id, char out[static 256]);

/* Each verb is a function and its table of options, fn_opts[]. */
#define CONSENT_VERB(fn)                                                       \
	enum err fn(struct consent *c);                                        \
	extern const struct opt fn##_opts[]

CONSENT_VERB(consent_keygen);
CONSENT_VERB(consent_id);
CONSENT_VERB(consent_register);
CONSENT_VERB(consent_show_card);
CONSENT_VERB(consent_alias);
CONSENT_VERB(consent_publish);
CONSENT_VERB(consent_get);
CONSENT_VERB(consent_ask);
CONSENT_VERB(consent_inquiries);
CONSENT_VERB(consent_grant);
CONSENT_VERB(consent_refuse);
CONSENT_VERB(consent_revoke);
CONSENT_VERB(consent_exclude);
CONSENT_VERB(consent_reinstate);
CONSENT_VERB(consent_delegate);
CONSENT_VERB(consent_end);
CONSENT_VERB(consent_sets);
CONSENT_VERB(consent_history);
CONSENT_VERB(consent_verify);
CONSENT_VERB(consent_restore);
CONSENT_VERB(consent_status);

#endif
