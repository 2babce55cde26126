/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locking.  The keeper listens on a socket whose name nobody can know before
 * the mount is in the list of mounts; both ends look who the other is.  To be
 * connected is the whole request: the caller waits until the keeper is gone.
 */
#include "keeper/keeper_internal.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"

#define LOCK_S 15 /* orderly or not, it is over by then */

socklen_t
keeper_address(const char *source, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* no file: a NUL first */
	n = snprintf(
	    out->sun_path + 1, sizeof(out->sun_path) - 1, "%s", source);
	return (
	    socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Who is at the other end; -1: unknown. */
static uid_t
peer_of(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
		return (uid_t)-1;
	return who.uid;
}

bool
keeper_asked(const struct keeper *k)
{
	int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC);
	uid_t who = fd >= 0 ? peer_of(fd) : (uid_t)-1;

	if (who == geteuid() || who == 0)
		return true; /* the caller sees it close when we end */
	if (fd >= 0) {
		log_warn("user %u may not lock this mount", (unsigned)who);
		(void)close(fd);
	}
	return false;
}

/* The absolute name of ${path}, without a look at what is mounted there. */
static char *
absolute(const char *path)
{
	CLEANUP(free) char *one = strdup(path), *two = strdup(path);
	CLEANUP(free) char *dir = one ? realpath(dirname(one), NULL) : NULL;
	const char *base = two ? basename(two) : ".";
	char *out = NULL;

	if (dir == NULL || strcmp(base, ".") == 0 || strcmp(base, "..") == 0 ||
	    strcmp(base, "/") == 0)
		return NULL;
	if (asprintf(&out, "%s/%s", strcmp(dir, "/") ? dir : "", base) < 0)
		return NULL;
	return out;
}

static enum err
ask(const struct keeper_mount *m)
{
	const struct timeval limit = { .tv_sec = LOCK_S };
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to;
	socklen_t n = keeper_address(m->source, &to);
	char byte;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) !=
		0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return err_say(
		    ERR_IO, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&to, n) != 0)
		return err_say(ERR_NOTFOUND,
		    "the keeper of '%s' is gone: what was open is dark; "
		    "fusermount3 -uz '%s'",
		    m->at, m->at);
	if (peer_of(fd) != m->uid)
		return err_say(
		    ERR_DENIED, "who answers for '%s' is not its owner", m->at);
	if (recv(fd, &byte, 1, 0) < 0 && errno != ECONNRESET)
		return err_say(ERR_TIMEOUT,
		    "the keeper of '%s' does not end; kill it", m->at);
	return ERR_OK;
}

/* It has ended; is the folder gone? */
static enum err
check_gone(const struct keeper_mount *was)
{
	struct keeper_mount m;
	enum err e = keeper_find_mount(NULL, was->source, &m);

	free(m.at);
	free(m.source);
	if (e == ERR_NOTFOUND)
		return ERR_OK;
	return e != ERR_OK ? e :
			     err_say(ERR_BUSY,
				 "'%s' is still in the list of mounts; "
				 "fusermount3 -uz '%s'",
				 was->at, was->at);
}

enum err
keeper_lock(const char *mountpoint)
{
	CLEANUP(free) char *at = absolute(mountpoint);
	struct keeper_mount m = { 0 };
	enum err e = at ? keeper_find_mount(at, NULL, &m) : ERR_NOTFOUND;

	if (e == ERR_NOTFOUND || (e == ERR_OK && !m.ours))
		e = err_say(ERR_NOTFOUND, "no mount of consentfs is on '%s'",
		    at ? at : mountpoint);
	else if (e == ERR_OK && geteuid() != 0 && geteuid() != m.uid)
		e = err_say(ERR_DENIED,
		    "the mount on '%s' is another user's; only they or root "
		    "may lock it",
		    at);
	if (e == ERR_OK)
		e = ask(&m);
	if (e == ERR_OK)
		e = check_gone(&m);
	free(m.at);
	free(m.source);
	return e;
}
