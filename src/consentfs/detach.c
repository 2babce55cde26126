/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Into the background.  The fork comes first, before there is a thread or a
 * key; the child does all the work and reports, so that the command ends when
 * the folder is there, or with the reason why not.
 */
#include "consentfs/consentfs_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"

#define REPORT 600

/* The parent: print what the child says and end as it says. */
static void __attribute__((noreturn)) wait_report(int fd)
{
	char report[REPORT];
	size_t n = 0;

	while (n < sizeof(report) - 1) {
		ssize_t k = read(fd, report + n, sizeof(report) - 1 - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	report[n] = '\0';
	if (n == 0) {
		(void)fprintf(stderr,
		    "consentfs: the process in the background "
		    "ended unexpectedly\n");
		_exit(1);
	}
	if (report[0] != 0)
		(void)fprintf(stderr, "consentfs: %s\n", report + 1);
	_exit(report[0]);
}

enum err
detach_begin(int *out_fd)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return err_say(err_from_errno(errno), "cannot make a pipe: %s",
		    strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_say(ERR_NOMEM, "cannot fork: %s", strerror(errno));
	if (pid > 0) {
		(void)close(fd[1]);
		wait_report(fd[0]);
	}
	(void)close(fd[0]);
	*out_fd = fd[1];
	return ERR_OK;
}

void
detach_report(int fd, enum err e)
{
	char report[REPORT];
	size_t n;

	report[0] = (char)err_exit(e);
	(void)snprintf(report + 1, sizeof(report) - 1, "%s",
	    e == ERR_OK ? "" : err_detail(e));
	n = 1 + strlen(report + 1);
	if (write(fd, report, n) != (ssize_t)n)
		log_warn("nobody waits for the start");
	(void)close(fd);
}

static enum err
redirect(int from, int to)
{
	if (dup2(from, to) < 0)
		return err_say(
		    ERR_IO, "cannot redirect a stream: %s", strerror(errno));
	return ERR_OK;
}

enum err
detach_streams(int log_fd, bool keep_stdio)
{
	CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	enum err e = ERR_OK;

	if (null < 0)
		return err_say(
		    ERR_IO, "cannot open /dev/null: %s", strerror(errno));
	if (log_fd >= 0)
		e = redirect(log_fd, STDERR_FILENO);
	if (keep_stdio || e != ERR_OK)
		return e;
	(void)setsid(); /* fails only for who leads a session already */
	if (chdir("/") != 0)
		e = err_say(
		    ERR_IO, "cannot leave the directory: %s", strerror(errno));
	if (e == ERR_OK)
		e = redirect(null, STDIN_FILENO);
	if (e == ERR_OK)
		e = redirect(null, STDOUT_FILENO);
	if (e == ERR_OK && log_fd < 0)
		e = redirect(null, STDERR_FILENO);
	return e;
}
