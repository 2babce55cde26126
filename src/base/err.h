/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/err: the one error type of the project.  Every function that can fail
 * returns enum err; err.def is the only table that gives a code its errno,
 * HTTP status, exit status and text.  The cause ("what, and what to do") is
 * kept per thread beside the code, for the border that prints it.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#define must_check __attribute__((warn_unused_result))

enum err {
#define ERR(code, name, errnum, http, exit, text) ERR_##name = code,
#include "base/err.def"
#undef ERR
};

/**
 * err_say(e, fmt, ...):
 * Keep the formatted text as this thread's error detail and return ${e}.
 * The text names the thing and the remedy; lower case, no full stop, never a
 * name, title or key.  Cut at 511 bytes; control characters become '?'.
 */
enum err err_say(enum err e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * err_detail(e):
 * Return the detail that the newest err_say() of this thread kept if it was
 * said for ${e}, else the table's text for ${e}.  Borrowed until the next
 * err_say() of this thread; never NULL.
 */
const char *err_detail(enum err e);

/**
 * err_clear():
 * Forget this thread's error detail.
 */
void err_clear(void);

/**
 * err_text(e):
 * Return the table's text for ${e}; "unknown error" for a code not in it.
 */
const char *err_text(enum err e);

/**
 * err_name(e):
 * Return the table's name for ${e}, such as "NOTFOUND".
 */
const char *err_name(enum err e);

/**
 * err_errno(e):
 * Return the errno that the mounted folder answers for ${e} (0 for OK).
 */
int err_errno(enum err e);

/**
 * err_http(e):
 * Return the HTTP status for ${e}.
 */
int err_http(enum err e);

/**
 * err_exit(e):
 * Return the exit status of a command that ends with ${e}.
 */
int err_exit(enum err e);

/**
 * err_from_code(code):
 * Return the error with the wire code ${code}, or ERR_FORMAT if there is none.
 */
enum err err_from_code(long code);

/**
 * err_from_errno(errnum):
 * Return the error that stands for the errno of a failed system call.
 */
enum err err_from_errno(int errnum) must_check;

#endif
