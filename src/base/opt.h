/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/opt: command-line options against a table: --name VALUE, --name=VALUE
 * or a flag.  Operands are collected in order.  "--" ends the options.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OPT_MAX_VALUES 64 /* of one repeatable option, and operands */

struct opt {
	const char *name; /* without the dashes */
	const char *arg;  /* what the value is, for the usage; NULL: a flag */
	const char *help;
	bool many; /* may be repeated */
};

/* What was given for one option. */
struct opt_values {
	size_t n; /* 0: not given */
	const char *v[OPT_MAX_VALUES];
};

/**
 * opt_parse(opts, n, argc, argv, values, operands):
 * Read ${argv}[1..] against ${n} rows; values[i] belongs to opts[i], strings
 * are borrowed from ${argv}.
 * Errors: INVAL (unknown option, missing value, given twice, too many).
 */
enum err opt_parse(const struct opt *opts, size_t n, int argc, char **argv,
    struct opt_values *values, struct opt_values *operands) must_check;

/**
 * opt_help(opts, n):
 * Print one line per option to stdout.
 */
void opt_help(const struct opt *opts, size_t n);

#endif
