/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "seal/seal.h"
#include "consentd/commands_internal.h"

static const struct verb {
	const char *name;
	enum err (*run)(int argc, char **argv);
	const char *arguments, *help;
} verbs[] = {
	{ "init", consentd_init, "--dir DIR [option]...",
	    "make the directory: keys, chain, configuration" },
	{ "serve", consentd_serve, "--dir DIR",
	    "serve in the foreground (also without a verb)" },
	{ "accredit", consentd_accredit,
	    "--dir DIR --name NAME [--group G]... [--end-host KEY]... "
	    "[REQUEST.json]...",
	    "accredit an institution, its hosts and reading keys" },
	{ "status", consentd_status, "--dir DIR",
	    "ask the running server how it is" },
	{ "config", consentd_config, "--dir DIR",
	    "print the configuration in effect" },
	{ "node", consentd_chain, "verify [DIR]",
	    "check the whole chain of the stopped embedded node" },
	{ "receipts", consentd_receipts, "--dir DIR",
	    "print a line of JSON for each key that was released" },
};

static void
usage(void)
{
	printf("usage: consentd [VERB] --dir DIR [option]...\n\n"
	       "The Record Management System: keeps patients' records, which "
	       "it releases to\ninstitutions only as patients consent.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  consentd %s %s\n      %s\n", verbs[i].name,
		    verbs[i].arguments, verbs[i].help);
	printf("\n  consentd --help | --version\n\nSee consentd(8).\n");
}

static enum err
dispatch(int argc, char **argv)
{
	if (argc > 1 && strncmp(argv[1], "--dir", 5) == 0)
		return consentd_serve(argc, argv);
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 1)
		return err_say(ERR_INVAL,
		    "unknown verb '%s'; see "
		    "consentd --help",
		    argv[1]);
	return err_say(ERR_INVAL, "say what to do; see consentd --help");
}

int
main(int argc, char **argv)
{
	enum err e;

	log_start("consentd", LOG_INFO);
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			usage();
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("consentd (consentfs) %s\n", PACKAGE_VERSION);
			return 0;
		}
	}
	e = secret_init();
	if (e == ERR_OK)
		e = seal_init();
	if (e == ERR_OK)
		e = dispatch(argc, argv);
	if (e)
		log_error("%s", err_detail(e));
	return err_exit(e);
}
