/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentfs/consentfs_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/opt.h"
#include "fs/fs.h"
#include "jail/jail.h"
#include "seal/seal.h"

enum {
	HOME,
	OPTIONS,
	FOREGROUND,
	LOG,
	PASSPHRASE,
	NO_SANDBOX,
	VERBOSE,
	HELP,
	VERSION,
};

static const struct opt opts[] = {
	[HOME] = { "home", "DIR",
	    "the home (else $CONSENT_HOME, else ~/.consent)", false },
	[OPTIONS] = { "options", "OPTION,...", "mount options, also as -o",
	    true },
	[FOREGROUND] = { "foreground", NULL, "stay in the foreground, also -f",
	    false },
	[LOG] = { "log", "FILE", "append log lines to FILE", false },
	[PASSPHRASE] = { "passphrase-fd", "N",
	    "read the passphrase from descriptor N", false },
	[NO_SANDBOX] = { "no-sandbox", NULL, "give up nothing after start",
	    false },
	[VERBOSE] = { "verbose", NULL, "log more", false },
	[HELP] = { "help", NULL, "print this", false },
	[VERSION] = { "version", NULL, "print the version", false },
};

/* Short forms of them. */
static const struct {
	const char *is, *stands_for;
} shorts[] = {
	{ "-o", "--options" },
	{ "-f", "--foreground" },
	{ "-h", "--help" },
	{ "-V", "--version" },
};

struct args {
	struct opt_values values[ARRAY_LEN(opts)], operands;
	char **argv, *home, *mountpoint, *login;
	struct fs_opts fs;
	struct passphrase passphrase;
	int log_fd;
	bool lock; /* the mount that is the second operand */
	bool said; /* the error is printed by another process */
};

static int
help(void)
{
	printf("usage: consentfs [--home DIR] [-f] [-o OPTION,...] "
	       "MOUNTPOINT\n"
	       "       consentfs lock MOUNTPOINT\n\n"
	       "Show the document sets that patients let you read as a "
	       "folder; lock: make\n"
	       "everything unreadable at once and end the mount.\n\n");
	opt_help(opts, ARRAY_LEN(opts));
	printf("\nmount options:\n"
	       "  view=plain       document sets, decrypted on read "
	       "(default)\n"
	       "  view=ciphertext  sealed sets, for backup tools\n"
	       "  login=NAME       the practitioner whom the mount serves\n"
	       "  direct_io        the kernel keeps no pages of documents\n"
	       "  allow_other      other users may enter as permissions "
	       "say\n");
	return 0;
}

/* ---- mount options ---- */

static void
set_plain(struct args *a, const char *value)
{
	(void)value;
	a->fs.ciphertext = false;
}

static void
set_ciphertext(struct args *a, const char *value)
{
	(void)value;
	a->fs.ciphertext = true;
}

static void
set_direct_io(struct args *a, const char *value)
{
	(void)value;
	a->fs.direct_io = true;
}

static void
set_allow_other(struct args *a, const char *value)
{
	(void)value;
	a->fs.allow_other = true;
}

static void
set_login(struct args *a, const char *value)
{
	free(a->login);
	a->login = strdup(value);
	a->fs.login = a->login;
}

/* So it is always; said by mount(8) and fstab. */
static void
set_nothing(struct args *a, const char *value)
{
	(void)a;
	(void)value;
}

static const struct {
	const char *name; /* ends in '=' if a value follows */
	void (*set)(struct args *a, const char *value);
} mount_options[] = {
	{ "view=plain", set_plain },
	{ "view=ciphertext", set_ciphertext },
	{ "direct_io", set_direct_io },
	{ "allow_other", set_allow_other },
	{ "login=", set_login },
	{ "ro", set_nothing },
	{ "nosuid", set_nothing },
	{ "nodev", set_nothing },
	{ "noexec", set_nothing },
	{ "default_permissions", set_nothing },
};

static enum err
one_option(struct args *a, const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_options); i++) {
		const char *name = mount_options[i].name;
		size_t n = strlen(name);

		if (name[n - 1] == '=' && strncmp(s, name, n) == 0 && s[n]) {
			mount_options[i].set(a, s + n);
			return ERR_OK;
		}
		if (strcmp(s, name) == 0 && name[n - 1] != '=') {
			mount_options[i].set(a, "");
			return ERR_OK;
		}
	}
	return err_say(ERR_INVAL, "unknown mount option '%s'; see --help", s);
}

static enum err
read_options(struct args *a)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < a->values[OPTIONS].n && e == ERR_OK; i++) {
		CLEANUP(free) char *list = strdup(a->values[OPTIONS].v[i]);
		char *rest = NULL;

		if (list == NULL)
			return ERR_NOMEM;
		for (char *s = strtok_r(list, ",", &rest); s && e == ERR_OK;
		     s = strtok_r(NULL, ",", &rest))
			e = one_option(a, s);
	}
	return e;
}

/* ---- the command line ---- */

/* Write out the short forms; -oX is -o X. */
static enum err
expand(struct args *a, int argc, char **argv, int *out_argc)
{
	int n = 0;

	a->argv = calloc(2 * (size_t)argc + 1, sizeof(*a->argv));
	if (a->argv == NULL)
		return ERR_NOMEM;
	for (int i = 0; i < argc; i++) {
		union {
			const char *c;
			char *p;
		} name = { argv[i] };
		char *value = NULL;

		for (size_t k = 0; i > 0 && k < ARRAY_LEN(shorts); k++) {
			if (strcmp(argv[i], shorts[k].is) == 0)
				name.c = shorts[k].stands_for;
			else if (k == 0 && strncmp(argv[i], "-o", 2) == 0) {
				name.c = shorts[k].stands_for;
				value = argv[i] + 2;
			}
		}
		a->argv[n++] = name.p;
		if (value)
			a->argv[n++] = value;
	}
	*out_argc = n;
	return ERR_OK;
}

static const char *
given(const struct args *a, int which)
{
	return a->values[which].n > 0 ? a->values[which].v[0] : NULL;
}

/* The home's and the mount point's absolute names; what is not there is named
 * by whoever misses it. */
static enum err
find_places(struct args *a)
{
	const char *home = given(a, HOME), *user = getenv("HOME");
	CLEANUP(free) char *standard = NULL;

	if (home == NULL)
		home = getenv("CONSENT_HOME");
	if (home == NULL) {
		if (asprintf(&standard, "%s/.consent", user ? user : ".") < 0)
			return ERR_NOMEM;
		home = standard;
	}
	a->home = realpath(home, NULL);
	if (a->home == NULL)
		a->home = strdup(home);
	a->mountpoint = realpath(a->operands.v[0], NULL);
	if (a->mountpoint == NULL)
		a->mountpoint = strdup(a->operands.v[0]);
	a->fs.home_dir = a->home;
	a->fs.mountpoint = a->mountpoint;
	return a->home && a->mountpoint ? ERR_OK : ERR_NOMEM;
}

static enum err
read_passphrase_fd(struct args *a)
{
	a->fs.ask = passphrase_ask;
	a->fs.ask_ctx = &a->passphrase;
	return passphrase_from(&a->passphrase, given(a, PASSPHRASE));
}

static enum err
open_log(struct args *a)
{
	const char *path = given(a, LOG);

	a->log_fd = -1;
	if (path == NULL)
		return ERR_OK;
	a->log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return a->log_fd >= 0 ?
	    ERR_OK :
	    err_say(err_from_errno(errno), "cannot open the log '%s': %s", path,
		strerror(errno));
}

static enum err
read_args(struct args *a, int argc, char **argv)
{
	int n = 0;
	enum err e = expand(a, argc, argv, &n);

	a->log_fd = -1;
	if (e == ERR_OK)
		e = opt_parse(
		    opts, ARRAY_LEN(opts), n, a->argv, a->values, &a->operands);
	if (e != ERR_OK || given(a, HELP) || given(a, VERSION))
		return e;
	for (size_t i = 0; i < a->operands.n; i++)
		if (a->operands.v[i][0] == '-')
			return err_say(ERR_INVAL,
			    "unknown option '%s'; see --help",
			    a->operands.v[i]);
	a->lock = a->operands.n == 2 && strcmp(a->operands.v[0], "lock") == 0;
	if (a->lock)
		return ERR_OK;
	if (a->operands.n != 1)
		return err_say(
		    ERR_INVAL, "give one directory to mount on; see --help");
	e = read_options(a);
	if (e == ERR_OK)
		e = read_passphrase_fd(a);
	if (e == ERR_OK)
		e = find_places(a);
	return e == ERR_OK ? open_log(a) : e;
}

static void
free_args(struct args *a)
{
	passphrase_forget(&a->passphrase);
	keeper_free(a->fs.keeper);
	if (a->log_fd >= 0)
		(void)close(a->log_fd);
	free(a->argv);
	free(a->home);
	free(a->mountpoint);
	free(a->login);
}

/* ---- the run ---- */

static enum err
settle(const struct args *a)
{
	return detach_streams(a->log_fd, given(a, FOREGROUND) != NULL);
}

/* It has the device and opens nothing any more. */
static enum err
settle_keeper(void *ctx, pid_t server)
{
	const struct args *a = ctx;
	const struct jail j = { .off = a->fs.no_sandbox,
		.datagrams = a->fs.syslog,
		.signals = server };
	enum err e = settle(a);

	return e == ERR_OK ? jail_enter(&j) : e;
}

/* Begin the processes: returns in the server only, or with an error. */
static enum err
begin(struct args *a, int report)
{
	const struct keeper_run run = { a->log_fd, settle_keeper, a };
	bool is_server = true;
	enum err e = keeper_new(a->mountpoint, &a->fs.keeper);

	if (e == ERR_OK)
		e = keeper_fork(a->fs.keeper, &is_server);
	if (e != ERR_OK || is_server)
		return e;
	if (report >= 0)
		(void)close(report);
	exit(keeper_run(a->fs.keeper, &run));
}

static enum err
mount_and_serve(struct args *a)
{
	const bool stay = given(a, FOREGROUND) != NULL;
	CLEANUP(fs_close) struct fs *fs = NULL;
	int fd = -1;
	enum err e = stay ? ERR_OK : detach_begin(&fd);

	if (e != ERR_OK)
		return e;
	a->fs.no_sandbox = given(a, NO_SANDBOX) != NULL;
	a->fs.syslog = !stay && a->log_fd < 0;
	if (a->fs.syslog)
		detach_log();
	e = begin(a, fd);
	if (e == ERR_OK)
		e = fs_open(&a->fs, &fs);
	passphrase_forget(&a->passphrase);
	if (e == ERR_OK)
		e = settle(a);
	if (!stay)
		detach_report(fd, e);
	a->said = !stay;
	if (e != ERR_OK)
		return e;
	log_info("mounted");
	e = fs_run(fs);
	if (e != ERR_OK)
		log_error("%s", err_detail(e));
	return e;
}

int
main(int argc, char **argv)
{
	static struct args a;
	enum err e = secret_init();

	if (e == ERR_OK)
		e = seal_init();
	if (e == ERR_OK)
		e = read_args(&a, argc, argv);
	log_start("consentfs", given(&a, VERBOSE) ? LOG_DEBUG : LOG_INFO);
	if (e == ERR_OK && given(&a, HELP))
		return help();
	if (e == ERR_OK && given(&a, VERSION)) {
		printf("consentfs %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (e == ERR_OK)
		e = a.lock ? keeper_lock(a.operands.v[1]) : mount_and_serve(&a);
	if (e != ERR_OK && !a.said)
		(void)fprintf(stderr, "consentfs: %s\n", err_detail(e));
	free_args(&a);
	return err_exit(e);
}
