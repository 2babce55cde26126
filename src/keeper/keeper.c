/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the three processes come about. */
#include "keeper/keeper_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "base/secret.h"
#include "base/text.h"

#define SERVER_OOM "50" /* of 1000 */

/* ---- making ---- */

static enum err
name_it(struct keeper *k)
{
	uint8_t id[(KEEPER_SOURCE - sizeof(KEEPER_NAME)) / 2];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_say(ERR_IO, "no random bytes: %s", strerror(errno));
	(void)strcpy(k->source, KEEPER_NAME);
	text_hex(id, sizeof(id), k->source + strlen(KEEPER_NAME));
	return ERR_OK;
}

static enum err
listen_for_lock(struct keeper *k)
{
	struct sockaddr_un at;
	socklen_t n = keeper_address(k->source, &at);

	k->listener = socket(
	    AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->listener < 0 ||
	    bind(k->listener, (const struct sockaddr *)&at, n) != 0 ||
	    listen(k->listener, 8) != 0)
		return err_say(
		    ERR_IO, "the keeper cannot listen: %s", strerror(errno));
	return ERR_OK;
}

static enum err
make_all(struct keeper *k)
{
	enum err e = name_it(k);

	if (e != ERR_OK)
		return e;
	k->shared = mmap(NULL, sizeof(*k->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->shared == MAP_FAILED) {
		k->shared = NULL;
		return err_say(ERR_NOMEM, "no memory for the keeper");
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, k->pair) != 0 ||
	    pipe2(k->wait, O_CLOEXEC) != 0)
		return err_say(ERR_IO, "no descriptors for the keeper: %s",
		    strerror(errno));
	return listen_for_lock(k);
}

enum err
keeper_new(const char *mountpoint, struct keeper **out)
{
	CLEANUP(keeper_free) struct keeper *k = calloc(1, sizeof(*k));
	enum err e;

	if (k == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&k->lock, NULL);
	k->pair[0] = k->pair[1] = k->wait[0] = k->wait[1] = -1;
	k->listener = k->device = -1;
	k->mountpoint = strdup(mountpoint);
	e = k->mountpoint ? make_all(k) : ERR_NOMEM;
	if (e == ERR_OK)
		*out = TAKE(k);
	return e;
}

static void
close_one(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void
keeper_free(struct keeper *k)
{
	if (k == NULL)
		return;
	close_one(&k->pair[0]);
	close_one(&k->pair[1]);
	close_one(&k->wait[0]);
	close_one(&k->wait[1]);
	close_one(&k->listener);
	close_one(&k->device);
	if (k->shared)
		(void)munmap(k->shared, sizeof(*k->shared));
	(void)pthread_mutex_destroy(&k->lock);
	free(k->mountpoint);
	free(k);
}

/* ---- the unmounter ---- */

/* It holds nothing but the pipe: no stream of ours that somebody may be
 * waiting for the end of, no directory. */
static void
leave_all(struct keeper *k)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || chdir("/") != 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	if (dup2(k->wait[0], 3) < 0)
		_exit(1);
	(void)close_range(4, ~0U, 0);
	(void)setsid();
}

static void __attribute__((noreturn)) unmounter(struct keeper *k)
{
	struct keeper_mount m;
	char byte;

	/* not blocked: one that waits would end what it becomes */
	for (int sig = 1; sig < SIGRTMAX; sig++)
		if (sig != SIGCHLD)
			(void)signal(sig, SIG_IGN);
	(void)prctl(PR_SET_NAME, "consentfs-umnt");
	leave_all(k);
	while (read(3, &byte, 1) < 0 && errno == EINTR)
		;
	/* our mount is told from another that is there by now */
	if (keeper_find_mount(NULL, k->source, &m) != ERR_OK)
		_exit(0);
	(void)execlp("fusermount3", "fusermount3", "-uqz", "--", k->mountpoint,
	    (char *)NULL);
	_exit(1);
}

/* ---- the server ---- */

/* Of both the server is to go first when memory is short.  The file belongs to
 * root while the process is not dumpable; there is no secret in it yet. */
static void
die_first(void)
{
	CLEANUP_FD int fd = -1;

	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (fd >= 0 && write(fd, SERVER_OOM, strlen(SERVER_OOM)) < 0)
		return; /* it is the larger one anyhow */
}

static enum err
become_server(struct keeper *k)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != k->keeper)
		_exit(1);
	close_one(&k->pair[0]);
	close_one(&k->wait[0]);
	close_one(&k->wait[1]);
	close_one(&k->listener);
	die_first();
	return secret_init();
}

enum err
keeper_fork(struct keeper *k, bool *out_is_server)
{
	k->keeper = getpid();
	k->unmounter = fork();
	if (k->unmounter == 0)
		unmounter(k);
	close_one(&k->wait[0]);
	k->server = k->unmounter > 0 ? fork() : -1;
	if (k->server < 0)
		return err_say(ERR_NOMEM, "cannot fork: %s", strerror(errno));
	*out_is_server = k->server == 0;
	if (*out_is_server)
		return become_server(k);
	close_one(&k->pair[1]);
	return ERR_OK;
}

/* ---- the device goes over ---- */

const char *
keeper_source(const struct keeper *k)
{
	return k->source;
}

static enum err
send_device(const struct keeper *k, int device)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS,
			  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	const struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &device, sizeof(device));
	/* its answer: it watches from here on */
	if (sendmsg(k->pair[1], &msg, MSG_NOSIGNAL) != 1 ||
	    recv(k->pair[1], &byte, 1, 0) != 1)
		return err_say(ERR_IO, "the keeper has ended");
	return ERR_OK;
}

enum err
keeper_hand_over(struct keeper *k, int device, int *out_device)
{
	CLEANUP_FD int theirs = device;
	CLEANUP_FD int own = keeper_clone(device);
	enum err e;

	if (own < 0)
		return err_say(ERR_UNAUTH,
		    "cannot open /dev/fuse a second time: %s; chmod 666 "
		    "/dev/fuse, as Debian has it",
		    strerror(errno));
	e = send_device(k, theirs);
	if (e == ERR_OK) {
		*out_device = own;
		own = -1;
	}
	return e;
}
