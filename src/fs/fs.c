/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a mount.  A signal is waited for by a thread of its own, which
 * makes everything dark while requests are still served: the kernel's pages
 * can only be dropped while somebody answers the reads that hold them.
 */
#undef FUSE_USE_VERSION
#define FUSE_USE_VERSION 312 /* for the number of threads */
#include "fs/ops_internal.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "jail/jail.h"

#define CIPHER_THREADS 8 /* more: its reads wait for the network */

/* ---- opening ---- */

static enum err
own_login(char **out)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) != 0 ||
	    found == NULL)
		return err_say(ERR_CONFIG,
		    "user %u has no name; give -o login=NAME",
		    (unsigned)getuid());
	*out = strdup(pw.pw_name);
	return *out ? ERR_OK : ERR_NOMEM;
}

static enum err
keep_opts(struct fs *fs, const struct fs_opts *opts)
{
	fs->opts = *opts;
	fs->uid = getuid();
	fs->gid = getgid();
	fs->started = clock_wall_ms();
	fs->mountpoint = strdup(opts->mountpoint);
	if (fs->mountpoint == NULL)
		return ERR_NOMEM;
	if (opts->login == NULL)
		return own_login(&fs->login);
	fs->login = strdup(opts->login);
	return fs->login ? ERR_OK : ERR_NOMEM;
}

static void
init_locks(struct fs *fs)
{
	pthread_condattr_t mono;

	(void)pthread_condattr_init(&mono);
	(void)pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&fs->lock, NULL);
	(void)pthread_mutex_init(&fs->sets_lock, NULL);
	(void)pthread_mutex_init(&fs->queue_lock, NULL);
	(void)pthread_mutex_init(&fs->dark_lock, NULL);
	(void)pthread_cond_init(&fs->changed_cond, &mono);
	(void)pthread_cond_init(&fs->interrupt_cond, &mono);
	(void)pthread_condattr_destroy(&mono);
}

/* The revoker's thread.  Without a keeper there shall be no mount. */
static void
on_beat(void *ctx)
{
	const struct fs *fs = ctx;

	if (!keeper_beat(fs->opts.keeper))
		(void)kill(getpid(), SIGTERM);
}

static enum err
open_gate(struct fs *fs)
{
	const struct gate_opts o = {
		.home_dir = fs->opts.home_dir,
		.ask = fs->opts.ask,
		.ask_ctx = fs->opts.ask_ctx,
		.login = fs->login,
		.ciphertext = fs->opts.ciphertext,
		.changed = fs_notify_changed,
		.dark = fs_notify_dark,
		.beat = on_beat,
		.ctx = fs,
	};

	return gate_open(&o, &fs->gate);
}

static enum err
start_threads(struct fs *fs)
{
	enum err e = fs_tellers_start(fs, fs->device);

	if (e != ERR_OK)
		return e;
	if (pthread_create(&fs->notifier, NULL, fs_notify_run, fs) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	fs->has_notifier = true;
	if (pthread_create(&fs->interrupter, NULL, fs_park_run, fs) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	fs->has_interrupter = true;
	fs->gate_started = true;
	return gate_start(fs->gate);
}

static void
block_signals(void)
{
	static const int keep[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
		SIGTRAP };
	sigset_t all;

	(void)sigfillset(&all);
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		(void)sigdelset(&all, keep[i]);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* Only what a mount needs, from here on: it is there, no thread is. */
static enum err
enter_jail(const struct fs *fs)
{
	const struct home_conf *c = home_conf(gate_home(fs->gate));
	CLEANUP(free)
	char *cache = file_join(fs->opts.home_dir, c->cache_dir);
	struct jail j = { .datagrams = fs->opts.syslog,
		.signals = getppid() }; /* the keeper */

	if (cache == NULL)
		return ERR_NOMEM;
	jail_write(&j, fs->opts.home_dir);
	jail_write(&j, cache);
	jail_read(&j, c->node_ca);
	jail_read(&j, c->rms_ca);
	jail_read_replaced(&j, c->api_key_file);
	jail_read_replaced(&j, c->token_file);
	jail_connect(&j, c->node);
	jail_connect(&j, c->rms_url);
	return jail_enter(&j);
}

static enum err
open_all(struct fs *fs, const struct fs_opts *opts)
{
	enum err e = keep_opts(fs, opts);

	if (e == ERR_OK)
		e = fs_mount_check(fs);
	if (e == ERR_OK)
		e = fs_inodes_init(&fs->inodes);
	fs->inodes.keeper = opts->keeper;
	if (e == ERR_OK)
		e = open_gate(fs);
	if (e == ERR_OK)
		e = fs_top_make(fs, &fs->top);
	if (e == ERR_OK)
		e = fs_mount(fs);
	if (e == ERR_OK && !opts->no_sandbox)
		e = enter_jail(fs);
	return e == ERR_OK ? start_threads(fs) : e;
}

enum err
fs_open(const struct fs_opts *opts, struct fs **out)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	char why[512];
	enum err e;

	if (fs == NULL)
		return ERR_NOMEM;
	fs->device = -1;
	init_locks(fs);
	block_signals();
	e = open_all(fs, opts);
	if (e == ERR_OK) {
		*out = fs;
		return ERR_OK;
	}
	/* the cause, not what closing has to say */
	(void)snprintf(why, sizeof(why), "%s", err_detail(e));
	fs_close(fs);
	return err_say(e, "%s", why);
}

/* ---- running ---- */

static void
on_wake(int sig)
{
	(void)sig;
}

static void
end_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
}

/* Nothing gives data any more: documents, then texts and ciphertext. */
static void
make_dark(struct fs *fs)
{
	if (atomic_exchange(&fs->dark, true))
		return;
	gate_dark(fs->gate);
	fs_notify_dark_all(fs);
	keeper_dark(fs->opts.keeper);
}

/* What notifies the kernel ends while requests are still served: it may wait
 * for one. */
static void
stop_threads(struct fs *fs)
{
	if (fs->gate_started) {
		make_dark(fs);
		gate_stop(fs->gate);
	}
	pthread_mutex_lock(&fs->queue_lock);
	fs->stop = true;
	pthread_cond_broadcast(&fs->changed_cond);
	pthread_cond_broadcast(&fs->interrupt_cond);
	pthread_mutex_unlock(&fs->queue_lock);
	if (fs->has_notifier)
		(void)pthread_join(fs->notifier, NULL);
	if (fs->has_interrupter)
		(void)pthread_join(fs->interrupter, NULL);
	fs->has_notifier = fs->has_interrupter = false;
	fs_tellers_stop(fs);
}

/* Waits for the end; then everything becomes dark, then nothing is served. */
static void *
end_run(void *arg)
{
	struct fs *fs = arg;
	sigset_t set;
	int sig;

	end_signals(&set);
	while (sigwait(&set, &sig) != 0)
		;
	stop_threads(fs);
	fuse_session_exit(fs->session);
	while (!fs->loop_over) { /* it may be just about to wait */
		(void)pthread_kill(fs->main, SIGUSR1);
		clock_sleep_ms(5);
	}
	return NULL;
}

static int
serve(struct fs *fs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = (cpus > 0 ? (unsigned)cpus : 1) +
	    (fs->opts.ciphertext ? CIPHER_THREADS : 0);
	struct fuse_loop_config *c = fuse_loop_cfg_create();
	int r = -ENOMEM;

	if (c) {
		fuse_loop_cfg_set_max_threads(c, n);
		fuse_loop_cfg_set_idle_threads(c, n);
		r = fuse_session_loop_mt(fs->session, c);
		fuse_loop_cfg_destroy(c);
	}
	return r;
}

enum err
fs_run(struct fs *fs)
{
	const struct sigaction wake = { .sa_handler = on_wake };
	pthread_t ender;
	sigset_t set;
	int r;

	fs->main = pthread_self();
	if (sigaction(SIGUSR1, &wake, NULL) != 0 ||
	    pthread_create(&ender, NULL, end_run, fs) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	r = serve(fs);
	fs->loop_over = true;
	(void)pthread_kill(ender, SIGTERM);
	(void)pthread_join(ender, NULL);
	return r < 0 ? err_say(ERR_IO, "the kernel broke the mount off: %s",
			   strerror(-r)) :
		       ERR_OK;
}

/* ---- closing ---- */

void
fs_close(struct fs *fs)
{
	if (fs == NULL)
		return;
	stop_threads(fs);
	fs_unmount(fs);
	fs_handles_free(fs);
	fs_top_unref(fs->top);
	fs_inodes_free(&fs->inodes);
	gate_close(fs->gate);
	free(fs->mountpoint);
	free(fs->login);
	free(fs);
}
