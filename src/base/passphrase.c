/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/passphrase.h"

#include <limits.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024

enum err
passphrase_from(struct passphrase *p, const char *s)
{
	char *end;
	long n;

	p->fd = -1;
	if (s == NULL)
		return ERR_OK;
	n = strtol(s, &end, 10);
	if (*s == '\0' || *end || n < 0 || n > INT_MAX)
		return err_say(ERR_INVAL, "--passphrase-fd %s is no number", s);
	p->fd = (int)n;
	return ERR_OK;
}

/* One line from ${fd} without its newline. */
static enum err
read_line(int fd, struct secret **out)
{
	SECRET_BUF(line, PASSPHRASE_MAX);
	size_t n = 0;

	for (;;) {
		uint8_t c;
		ssize_t k = read(fd, &c, 1);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0 || c == '\n')
			break;
		if (n == sizeof(line))
			return err_say(ERR_NOKEY,
			    "the passphrase is longer than %d bytes",
			    PASSPHRASE_MAX);
		line[n++] = c;
	}
	if (n == 0)
		return err_say(ERR_NOKEY,
		    "no passphrase was given; it is one line, not empty");
	return secret_copy(line, n, out);
}

static enum err
ask_terminal(const char *path, struct secret **out)
{
	struct termios old, quiet;
	enum err e;

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return err_say(ERR_NOKEY,
		    "'%s' needs a passphrase: use a terminal or "
		    "--passphrase-fd",
		    path);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	(void)fprintf(stderr, "passphrase of %s: ", path);
	e = read_line(STDIN_FILENO, out);
	(void)fprintf(stderr, "\n");
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	return e;
}

enum err
passphrase_ask(void *ctx, const char *path, struct secret **out)
{
	struct passphrase *p = ctx;
	enum err e = ERR_OK;

	if (p->kept == NULL)
		e = p->fd >= 0 ? read_line(p->fd, &p->kept) :
				 ask_terminal(path, &p->kept);
	return e == ERR_OK ?
	    secret_copy(secret_view(p->kept), secret_len(p->kept), out) :
	    e;
}

void
passphrase_forget(struct passphrase *p)
{
	secret_free(p->kept);
	p->kept = NULL;
}
