/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/log: one line per fact for the operator, on stderr.  Never a name,
 * title, reason, file name or key: ids only.  Detected once, logged once, by
 * whoever knows the cause.  Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Takes one finished line without its newline; must be thread-safe. */
typedef void (*log_sink)(enum log_level level, const char *line);

/**
 * log_start(program, level):
 * Write lines up to ${level} to stderr as "program: level: text".  ${program}
 * is borrowed for ever.
 */
void log_start(const char *program, enum log_level level);

/**
 * log_set_sink(sink):
 * Send lines to ${sink} instead of stderr; NULL for stderr again (tests).
 */
void log_set_sink(log_sink sink);

/**
 * log_line(level, fmt, ...):
 * Write one line if ${level} is wanted.  Use the macros below.
 */
void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The newest warning or error. */
struct log_trouble {
	char text[1024];
	int64_t since, last; /* wall clock: first and last time in a row */
};

/**
 * log_newest_trouble(out):
 * Return false if there was none since the start.
 */
bool log_newest_trouble(struct log_trouble *out) must_check;

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
