/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ops_internal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/log.h"

#define OPTIONS                                                                \
	"ro,nosuid,nodev,noexec,default_permissions"                           \
	",subtype=consentfs"

#define DEAD_MAX 8 /* mounts on one place that are cleared */

/* ---- what libfuse has to say ---- */

static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;
static char said[256]; /* said_lock; its newest complaint */

static void __attribute__((format(printf, 2, 0)))
on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[256];
	size_t n;

	(void)vsnprintf(line, sizeof(line), fmt, ap);
	n = strlen(line);
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = '\0';
	if (level > FUSE_LOG_WARNING || n == 0)
		return;
	log_debug("fs: libfuse: %s", line);
	pthread_mutex_lock(&said_lock);
	memcpy(said, line, n + 1);
	pthread_mutex_unlock(&said_lock);
}

/* ---- fusermount3, for root too: one way for all, and nobody has to be able to
 * unmount later but the process that waits for it ---- */

/* Run fusermount3 with ${argv} and ${env}. */
static enum err
run_fusermount(char *const argv[], char *const env[])
{
	posix_spawnattr_t attr;
	sigset_t none;
	int status = -1, r;
	pid_t pid;

	(void)sigemptyset(&none);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(&pid, argv[0], NULL, &attr, argv, env);
	(void)posix_spawnattr_destroy(&attr);
	if (r != 0)
		return err_say(ERR_NOTFOUND,
		    "cannot run fusermount3: %s; install fuse3", strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? ERR_OK : ERR_IO;
}

/* Take the descriptor that fusermount3 has sent; -1: none. */
static int
receive_fd(int sock)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static enum err
mount_by_helper(const struct fs *fs, int *out_fd)
{
	char name[] = "fusermount3", o[] = "-o", dashes[] = "--";
	char options[256], env_fd[40];
	char *argv[] = { name, o, options, dashes, fs->mountpoint, NULL };
	char *env[] = { env_fd, NULL };
	int pair[2];
	enum err e;

	(void)snprintf(options, sizeof(options), OPTIONS "%s,fsname=%s",
	    fs->opts.allow_other ? ",allow_other" : "",
	    keeper_source(fs->opts.keeper));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return err_say(
		    ERR_IO, "cannot make a socket: %s", strerror(errno));
	(void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	(void)snprintf(env_fd, sizeof(env_fd), "_FUSE_COMMFD=%d", pair[1]);
	e = run_fusermount(argv, env);
	(void)close(pair[1]);
	*out_fd = e == ERR_OK ? receive_fd(pair[0]) : -1;
	(void)close(pair[0]);
	if (e == ERR_IO || (e == ERR_OK && *out_fd < 0))
		e = err_say(ERR_IO,
		    "cannot mount on '%s': fusermount3 "
		    "refuses",
		    fs->mountpoint);
	return e;
}

/* ---- before ---- */

/* Take away what is left of mounts whose processes were killed, all at once. */
static void
clear_dead(struct fs *fs)
{
	char name[] = "fusermount3", uz[] = "-uqz", dashes[] = "--";
	char *argv[] = { name, uz, dashes, fs->mountpoint, NULL };

	for (int i = 0; i < DEAD_MAX && keeper_is_dead(fs->mountpoint); i++) {
		log_warn("removing the dead mount on '%s'", fs->mountpoint);
		if (run_fusermount(argv, environ) != ERR_OK)
			return;
	}
}

enum err
fs_mount_check(struct fs *fs)
{
	const char *path = fs->mountpoint;
	CLEANUP(free) char *up = NULL;
	struct stat st, parent;
	struct statfs sfs;

	if (access("/dev/fuse", F_OK) != 0)
		return err_say(ERR_NOTFOUND,
		    "there is no /dev/fuse; load the module fuse, or give the "
		    "container this device");
	clear_dead(fs);
	if (stat(path, &st) != 0) {
		if (errno == ENOTCONN)
			return err_say(ERR_BUSY,
			    "a dead mount is on '%s'; fusermount3 -u '%s'",
			    path, path);
		return err_say(err_from_errno(errno),
		    "cannot mount on '%s': %s", path, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return err_say(ERR_INVAL,
		    "cannot mount on '%s': it is no directory", path);
	if (asprintf(&up, "%s/..", path) < 0) {
		up = NULL;
		return ERR_NOMEM;
	}
	if (stat(up, &parent) == 0 && parent.st_dev != st.st_dev &&
	    statfs(path, &sfs) == 0 && sfs.f_type == FUSE_SUPER_MAGIC)
		return err_say(ERR_BUSY,
		    "a folder is mounted on '%s' already; unmount it or take "
		    "another directory",
		    path);
	return ERR_OK;
}

/* ---- mounting ---- */

static enum err
new_session(struct fs *fs)
{
	char name[] = "consentfs";
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	fuse_set_log_func(on_fuse_log);
	fs->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
	fuse_opt_free_args(&args);
	return fs->session ? ERR_OK : err_say(ERR_IO, "libfuse: %s", said);
}

enum err
fs_mount(struct fs *fs)
{
	char name[32];
	int theirs = -1, ours = -1;
	enum err e = new_session(fs);

	if (e == ERR_OK)
		e = mount_by_helper(fs, &theirs);
	if (e == ERR_OK)
		e = keeper_hand_over(fs->opts.keeper, theirs, &ours);
	if (e != ERR_OK)
		return e;
	(void)snprintf(name, sizeof(name), "/dev/fd/%d", ours);
	if (fuse_session_mount(fs->session, name) != 0) {
		(void)close(ours);
		return err_say(ERR_IO, "cannot mount on '%s': %s",
		    fs->mountpoint, said[0] ? said : "refused");
	}
	fs->device = keeper_clone(ours);
	return fs->device >= 0 ?
	    ERR_OK :
	    err_say(ERR_IO, "cannot open /dev/fuse again: %s", strerror(errno));
}

void
fs_unmount(struct fs *fs)
{
	if (fs->session)
		fuse_session_destroy(fs->session); /* closes the device */
	fs->session = NULL;
	if (fs->device >= 0)
		(void)close(fs->device);
	fs->device = -1;
}
