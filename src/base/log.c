/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* Set once at start, before any other thread. */
static const char *prog = "consentfs";
static enum log_level wanted = LOG_INFO;
static log_sink sink_fn;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_trouble newest; /* lock */

void
log_start(const char *program, enum log_level level)
{
	prog = program;
	wanted = level;
}

void
log_set_sink(log_sink sink)
{
	sink_fn = sink;
}

static void
keep(const char *text)
{
	int64_t now = clock_wall_ms();

	(void)pthread_mutex_lock(&lock);
	if (strcmp(newest.text, text) != 0) {
		(void)snprintf(newest.text, sizeof(newest.text), "%s", text);
		newest.since = now;
	}
	newest.last = now;
	(void)pthread_mutex_unlock(&lock);
}

bool
log_newest_trouble(struct log_trouble *out)
{
	(void)pthread_mutex_lock(&lock);
	*out = newest;
	(void)pthread_mutex_unlock(&lock);
	return out->last != 0;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warning", "info",
		"debug" };
	char text[1024], line[1200];
	va_list ap;
	int n;

	if (level > wanted)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_plain(text);
	if (level <= LOG_WARN)
		keep(text);
	if (sink_fn) {
		sink_fn(level, text);
		return;
	}
	n = snprintf(
	    line, sizeof(line), "%s: %s: %s\n", prog, names[level], text);
	if (n > 0 && write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* nowhere left to say it */
}
