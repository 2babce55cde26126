/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consent/consent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"

#define VERB(name, fn, operands, summary)                                      \
	{                                                                      \
		name, fn, operands, summary, fn##_opts                         \
	}

static const struct consent_verb verbs[] = {
	VERB("keygen", consent_keygen, "", "make a home with a new identity"),
	VERB("id", consent_id, "", "show who this home is"),
	VERB("register", consent_register, "",
	    "patient: register with the record management system"),
	VERB("card", consent_show_card, "",
	    "patient: show the card to hand out"),
	VERB("alias", consent_alias, "CARD NAME", "keep a patient's card"),
	VERB("publish", consent_publish, "FILE|DIR...",
	    "clinic: publish a document set"),
	VERB("get", consent_get, "SET", "patient: fetch a document set"),
	VERB("ask", consent_ask, "", "clinic: ask a patient for access"),
	VERB("inquiries", consent_inquiries, "",
	    "who asked for access, newest last"),
	VERB("grant", consent_grant, "", "patient: grant access"),
	VERB("refuse", consent_refuse, "", "patient: refuse access"),
	VERB("revoke", consent_revoke, "", "patient: take access back"),
	VERB("exclude", consent_exclude, "",
	    "patient: hide from an institution"),
	VERB("reinstate", consent_reinstate, "",
	    "patient: take an exclusion back"),
	VERB("delegate", consent_delegate, "KEY",
	    "patient: let a representative act"),
	VERB("end", consent_end, "ID", "patient: end a delegation"),
	VERB("sets", consent_sets, "", "document sets and who holds them"),
	VERB("history", consent_history, "", "every inquiry and its outcome"),
	VERB("verify", consent_verify, "DIR",
	    "check a copy of the ciphertext view against the ledger"),
	VERB("restore", consent_restore, "DIR",
	    "refill a record management system from a copy"),
	VERB("status", consent_status, "", "how ledger and services are"),
};

static const char usage[] =
    "usage: consent [--home DIR] VERB [options] [operands]\n"
    "       consent VERB --help\n\n";

static int
help(void)
{
	(void)fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
	printf("\nThe home is --home DIR, else $CONSENT_HOME, else "
	       "~/.consent.\n");
	return 0;
}

static size_t
count(const struct opt *opts)
{
	size_t n = 0;

	while (opts[n].name)
		n++;
	return n;
}

static int
help_verb(const struct consent_verb *v)
{
	printf("usage: consent [--home DIR] %s [options] %s\n\n%s\n\n", v->name,
	    v->operands, v->summary);
	opt_help(v->opts, count(v->opts));
	return 0;
}

static int
fail(enum err e)
{
	(void)fprintf(stderr, "consent: %s\n", err_detail(e));
	return err_exit(e);
}

static char *
default_home(void)
{
	const char *set = getenv("CONSENT_HOME"), *user = getenv("HOME");
	char *path = NULL;

	if (set)
		return strdup(set);
	if (asprintf(&path, "%s/.consent", user ? user : ".") < 0)
		return NULL;
	return path;
}

static const struct consent_verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int
run_verb(struct consent *c, const struct consent_verb *v, int argc, char **argv)
{
	enum err e;

	c->opts = v->opts;
	c->nopts = count(v->opts);
	e = opt_parse(v->opts, c->nopts, argc, argv, c->values, &c->operands);
	if (e == ERR_OK && consent_opt(c, "help"))
		return help_verb(v);
	if (e == ERR_OK && consent_opt(c, "home"))
		c->home_dir = consent_opt(c, "home");
	c->json = e == ERR_OK && consent_opt(c, "json");
	if (e == ERR_OK)
		e = v->run(c);
	if (e == ERR_OK)
		e = consent_out_end();
	home_close(c->home);
	free(c->user);
	return e == ERR_OK ? 0 : fail(e);
}

int
main(int argc, char **argv)
{
	CLEANUP(free) char *home = default_home();
	const struct consent_verb *v;
	static struct consent c;
	enum err e = secret_init();
	int first = 1;

	if (e == ERR_OK)
		e = seal_init();
	log_start("consent", LOG_WARN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (e != ERR_OK)
		return fail(e);
	c.home_dir = home;
	if (argc > 2 && strcmp(argv[1], "--home") == 0) {
		c.home_dir = argv[2];
		first = 3;
	}
	if (argc <= first || strcmp(argv[first], "--help") == 0)
		return help();
	if (strcmp(argv[first], "--version") == 0) {
		printf("consent (consentfs) %s\n", PACKAGE_VERSION);
		return 0;
	}
	v = find_verb(argv[first]);
	if (v == NULL)
		return fail(err_say(ERR_INVAL,
		    "unknown verb '%s'; see consent --help", argv[first]));
	return run_verb(&c, v, argc - first, argv + first);
}
