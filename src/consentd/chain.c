/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/opt.h"
#include "consentd/commands_internal.h"
#include "consentd/conf.h"
#include "node/node.h"

#define SHOW_MS 500

/* What the process that reads the chain tells the one that waits for it. */
struct verdict {
	enum err err;
	struct node_verified done;
	char detail[512];
};

struct progress {
	bool on, shown;
	int64_t next;
};

static void
show(void *ctx, uint64_t done, uint64_t of)
{
	struct progress *p = ctx;

	if (!p->on || (clock_boot_ms() < p->next && !(p->shown && done == of)))
		return;
	p->next = clock_boot_ms() + SHOW_MS;
	p->shown = true;
	(void)fprintf(stderr, "\rblock %" PRIu64 " of %" PRIu64 "%s", done, of,
	    done == of ? "\n" : "");
}

static void
verify(const char *dir, struct verdict *out)
{
	CLEANUP(free) char *path = file_join(dir, "node");
	CLEANUP_ROOTS struct consentd_roots r = { 0 };
	struct progress p = { .on = isatty(STDERR_FILENO) };
	struct node_verify_opts o = { path, .progress = show, .ctx = &p };

	out->err = path ? consentd_roots_read(dir, &r) : ERR_NOMEM;
	o.chain = r.chain;
	if (out->err == ERR_OK &&
	    (r.generator == NULL ||
		text58_read(r.generator, o.generator.b,
		    sizeof(o.generator.b)) != ERR_OK))
		out->err = err_say(ERR_CONFIG,
		    "client.conf in '%s' names no generator of our own", dir);
	if (out->err == ERR_OK)
		out->err = node_verify(&o, &out->done);
	if (p.shown && out->err)
		(void)fputc('\n', stderr);
	(void)snprintf(out->detail, sizeof(out->detail), "%s",
	    out->err ? err_detail(out->err) : "");
}

/*
 * The library that reads the file trusts it: where it is damaged its reader
 * may die.  So another process reads.
 */
static enum err
verify_apart(const char *dir, struct verdict *out)
{
	int ends[2], status = 0;
	pid_t child;
	ssize_t n;

	if (pipe(ends) != 0 || (child = fork()) < 0)
		return err_say(ERR_NOMEM, "cannot start a process");
	if (child == 0) {
		verify(dir, out);
		_exit(write(ends[1], out, sizeof(*out)) != sizeof(*out));
	}
	(void)close(ends[1]);
	n = read(ends[0], out, sizeof(*out));
	(void)close(ends[0]);
	(void)waitpid(child, &status, 0);
	if (n == sizeof(*out))
		return out->err ? err_say(out->err, "%s", out->detail) : ERR_OK;
	return err_say(ERR_CORRUPT,
	    "the file of the chain in '%s' is damaged: who reads it dies of "
	    "signal %d; restore the chain from a backup",
	    dir, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

enum err
consentd_chain(int argc, char **argv)
{
	static const struct opt opts[] = {
		{ "dir", "DIR", "consentd's directory", false },
	};
	struct opt_values v[1], operands;
	struct verdict verdict = { 0 };
	enum err e;

	if (argc < 2 || strcmp(argv[1], "verify") != 0)
		return err_say(ERR_INVAL,
		    "say what to do with the node: consentd node verify");
	e = opt_parse(opts, 1, argc - 1, argv + 1, v, &operands);
	if (e)
		return e;
	if (v[0].n + operands.n > 1)
		return err_say(ERR_INVAL, "node verify takes one directory");
	e = verify_apart(v[0].n ? v[0].v[0] :
		operands.n      ? operands.v[0] :
				  ".",
	    &verdict);
	if (e == ERR_OK)
		printf("blocks %" PRIu64 ", transactions %" PRIu64
		       ", unconfirmed %" PRIu64 ": nothing is wrong\n",
		    verdict.done.blocks, verdict.done.txs, verdict.done.pooled);
	return e;
}
