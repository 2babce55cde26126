/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/opt.h"

#include <stdio.h>
#include <string.h>

static enum err
add(struct opt_values *to, const char *what, const char *value, bool many)
{
	if (to->n > 0 && !many)
		return err_say(ERR_INVAL, "--%s is given twice", what);
	if (to->n == OPT_MAX_VALUES)
		return err_say(ERR_INVAL, "too many values for '%s'", what);
	to->v[to->n++] = value;
	return ERR_OK;
}

static const struct opt *
find(const struct opt *opts, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(opts[i].name) == len &&
		    memcmp(opts[i].name, name, len) == 0)
			return &opts[i];
	return NULL;
}

/* Read the option at argv[*i]; step over its value. */
static enum err
one(const struct opt *opts, size_t n, int argc, char **argv, int *i,
    struct opt_values *values)
{
	const char *name = argv[*i] + 2;
	const char *eq = strchr(name, '=');
	const struct opt *o = find(
	    opts, n, name, eq ? (size_t)(eq - name) : strlen(name));
	const char *value = eq ? eq + 1 : NULL;

	if (o == NULL)
		return err_say(
		    ERR_INVAL, "unknown option '%s'; see --help", argv[*i]);
	if (o->arg == NULL && eq)
		return err_say(ERR_INVAL, "--%s takes no value", o->name);
	if (o->arg && value == NULL) {
		if (*i + 1 >= argc)
			return err_say(ERR_INVAL, "--%s needs a value: %s",
			    o->name, o->arg);
		value = argv[++*i];
	}
	return add(&values[o - opts], o->name, value ? value : "", o->many);
}

enum err
opt_parse(const struct opt *opts, size_t n, int argc, char **argv,
    struct opt_values *values, struct opt_values *operands)
{
	bool done = false;

	memset(values, 0, n * sizeof(*values));
	memset(operands, 0, sizeof(*operands));
	for (int i = 1; i < argc; i++) {
		enum err e;

		if (!done && strcmp(argv[i], "--") == 0) {
			done = true;
			continue;
		}
		if (!done && strncmp(argv[i], "--", 2) == 0)
			e = one(opts, n, argc, argv, &i, values);
		else
			e = add(operands, "operand", argv[i], true);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

void
opt_help(const struct opt *opts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s%s%s", opts[i].name,
		    opts[i].arg ? " " : "", opts[i].arg ? opts[i].arg : "");
		printf("  %-28s %s%s\n", left, opts[i].help,
		    opts[i].many ? " (repeatable)" : "");
	}
}
