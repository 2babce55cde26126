/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper at work. */
#include "keeper/keeper_internal.h"

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"

#define LOST     20   /* ticks without a beat of the server */
#define GOING_MS 500  /* to make everything dark when asked to */
#define END_MS   5000 /* for the rest of an orderly end */
#define DEAD_MS  250  /* to be gone after SIGKILL */
#define REAP_MS  1000 /* for what it ended with */

enum why { GOES_ON, ENDED, STOPPED, SILENT, LOCK };

struct watch {
	struct keeper *k;
	const struct keeper_run *run;
	int signals;
	int status; /* the server's, once it is dead */
	bool dead;
	sem_t refuse;
};

/* ---- the end ---- */

static void *
refuser(void *arg)
{
	struct watch *w = arg;

	while (sem_wait(&w->refuse) != 0)
		;
	keeper_refuse(w->k);
	return NULL;
}

/* Take what became of the server; ${flags}: also whether it was stopped. */
static int
server_now(struct watch *w, int flags)
{
	int status = 0;
	pid_t r;

	if (w->dead)
		return w->status;
	r = waitpid(w->k->server, &status, WNOHANG | flags);
	if (r == w->k->server && !WIFSTOPPED(status)) {
		w->dead = true;
		w->status = status;
	}
	return r == w->k->server ? status : 0;
}

/* Say whether the server answers no more: its end of our socket is closed, and
 * with it its device, though a thread may keep it from being dead. */
static bool
is_gone(struct watch *w)
{
	struct pollfd p = { .fd = w->k->pair[0], .events = POLLIN };

	(void)server_now(w, 0);
	return w->dead || (poll(&p, 1, 0) == 1 && w->k->device >= 0);
}

/* Say whether all is dark, in order. */
static bool
is_dark(struct watch *w)
{
	return is_gone(w) || w->k->shared->dark;
}

static bool
is_dead(struct watch *w)
{
	(void)server_now(w, 0);
	return w->dead;
}

static bool
wait_until(struct watch *w, bool (*is)(struct watch *w), int64_t ms)
{
	int64_t end = clock_boot_ms() + ms;
	bool so;

	while (!(so = is(w)) && clock_boot_ms() < end)
		clock_sleep_ms(1);
	return so;
}

static void
ask_to_end(struct watch *w)
{
	(void)kill(w->k->server, SIGTERM);
	if (wait_until(w, is_dark, GOING_MS))
		(void)wait_until(w, is_gone, END_MS);
}

static void
drop_pages(const struct keeper *k)
{
	uint64_t ino[64];
	uint32_t at = 0;
	size_t n;

	/* it fails for what the kernel does not know any more */
	while ((n = keeper_opened_list(k, &at, ino, ARRAY_LEN(ino))) > 0)
		for (size_t i = 0; i < n; i++)
			(void)keeper_drop_inode(k->device, ino[i]);
}

/* Requests that nobody answers hold pages, and whoever drops pages waits for
 * them: so they are refused from here on, and what the server had read ends
 * with it.  Its last answer may bring pages until it is gone. */
static void
make_dark(struct watch *w, enum why why)
{
	bool gone;

	(void)sem_post(&w->refuse);
	if (why != ENDED && !is_gone(w))
		(void)kill(w->k->server, SIGKILL);
	gone = wait_until(w, is_gone, DEAD_MS);
	drop_pages(w->k);
	if (!gone) { /* its disk does not let it go */
		(void)wait_until(w, is_gone, INT64_MAX / 2);
		drop_pages(w->k);
	}
}

static void
say_why(const struct watch *w, enum why why)
{
	if (why == LOCK)
		log_info("locked");
	else if (why == STOPPED)
		log_error("the server was stopped: everything is dark, the "
			  "mount ends");
	else if (why == SILENT)
		log_error("the server does not take pages back any more: "
			  "everything is dark, the mount ends");
	else if (WIFSIGNALED(w->status))
		log_error("the server was killed by signal %d: everything is "
			  "dark, the mount ends",
		    WTERMSIG(w->status));
}

static int
end(struct watch *w, enum why why)
{
	if (why == LOCK)
		ask_to_end(w);
	if (w->k->device >= 0)
		make_dark(w, why);
	if (!wait_until(w, is_dead, REAP_MS))
		(void)kill(w->k->server, SIGKILL);
	say_why(w, why);
	(void)close(w->k->wait[1]); /* the unmounter's sign */
	(void)waitpid(w->k->unmounter, NULL, 0);
	if (why == STOPPED || why == SILENT || !w->dead ||
	    !WIFEXITED(w->status))
		return err_exit(ERR_IO);
	return WEXITSTATUS(w->status);
}

/* ---- the watch ---- */

/* The server has mounted and gives us the device. */
static enum err
take_device(struct watch *w)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	pthread_t thread;
	enum err e;

	if (recvmsg(w->k->pair[0], &msg, MSG_CMSG_CLOEXEC) <= 0)
		return ERR_PENDING; /* it ends */
	c = CMSG_FIRSTHDR(&msg);
	if (c == NULL || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_say(ERR_IO, "the server sent no device");
	memcpy(&w->k->device, CMSG_DATA(c), sizeof(w->k->device));
	e = w->run->settle(w->run->ctx, w->k->server);
	if (e == ERR_OK && pthread_create(&thread, NULL, refuser, w) != 0)
		e = err_say(ERR_NOMEM, "no thread for the keeper");
	if (e == ERR_OK)
		(void)pthread_detach(thread); /* nobody waits for it */
	if (e == ERR_OK && send(w->k->pair[0], &byte, 1, MSG_NOSIGNAL) != 1)
		return ERR_PENDING;
	return e;
}

/* Read the signals; those that mean an end are the server's. */
static void
take_signals(struct watch *w)
{
	struct signalfd_siginfo s;

	while (read(w->signals, &s, sizeof(s)) == (ssize_t)sizeof(s))
		if (s.ssi_signo != SIGCHLD && !w->dead)
			(void)kill(w->k->server, SIGTERM);
}

static enum why
look(struct watch *w)
{
	struct keeper *k = w->k;
	uint32_t beat = k->shared->server_beat;
	int status = server_now(w, k->device >= 0 ? WUNTRACED : 0);

	if (w->dead)
		return ENDED;
	if (WIFSTOPPED(status))
		return STOPPED;
	atomic_fetch_add(&k->shared->keeper_beat, 1);
	/* it begins with the first one, and ends when all is dark */
	if (beat == 0 || k->shared->dark)
		return GOES_ON;
	return keeper_pulse_lost(&k->pulse, beat, KEEPER_TICK, LOST) ? SILENT :
								       GOES_ON;
}

/* Wait for something to happen, or for the next tick. */
static enum why
round_of(struct watch *w)
{
	struct keeper *k = w->k;
	struct pollfd p[] = {
		{ .fd = w->signals, .events = POLLIN },
		{ .fd = k->device < 0 ? -1 : k->listener, .events = POLLIN },
		{ .fd = k->pair[0], .events = POLLIN },
	};
	enum err e = ERR_OK;

	if (poll(p, ARRAY_LEN(p), k->device < 0 ? -1 : KEEPER_TICK) < 0)
		return GOES_ON;
	if (p[0].revents)
		take_signals(w);
	/* The other end is closed once the server serves no more, though a
	 * thread that cannot be killed may keep it from being dead. */
	if (p[2].revents && k->device >= 0)
		return ENDED;
	if (p[2].revents)
		e = take_device(w);
	if (e == ERR_PENDING) { /* what it ends with comes by SIGCHLD */
		(void)wait_until(w, is_dead, END_MS);
		return ENDED;
	}
	if (e != ERR_OK) {
		log_error("%s", err_detail(e));
		return SILENT;
	}
	if (p[1].revents && keeper_asked(k))
		return LOCK;
	return look(w);
}

/* Close what is not ours: the rest of the program opened it for the server. */
static void
keep_only(const struct watch *w)
{
	const int keep[] = { w->k->pair[0], w->k->wait[1], w->k->listener,
		w->run->log_fd, w->signals };
	unsigned from = 3;

	for (unsigned at = 3;; at = from) {
		unsigned next = ~0U;

		for (size_t i = 0; i < ARRAY_LEN(keep); i++)
			if (keep[i] >= (int)at && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next == ~0U)
			break;
		if (next > at)
			(void)close_range(at, next - 1, 0);
		from = next + 1;
	}
	(void)close_range(from, ~0U, 0);
}

int
keeper_run(struct keeper *k, const struct keeper_run *run)
{
	struct watch w = { .k = k, .run = run };
	enum why why = GOES_ON;
	sigset_t set;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	w.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	(void)sem_init(&w.refuse, 0, 0);
	(void)prctl(PR_SET_NAME, "consentfs-keep");
	keep_only(&w);
	while (why == GOES_ON)
		why = round_of(&w);
	return end(&w, why);
}
