/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the analyzers cannot see, because they look at one file: err_say()
 * returns its error, which is never OK; cppcheck knows no loop of jansson.
 * Only scripts/analyze includes this.
 */
#include "base/err.h"

#define err_say(e, ...)                                                        \
	({                                                                     \
		const enum err said_error = (e);                               \
		(void)(err_say)(said_error, __VA_ARGS__);                      \
		if (said_error == ERR_OK)                                      \
			__builtin_unreachable();                               \
		said_error;                                                    \
	})

#ifdef CPPCHECK
#define json_object_foreach(o, k, v) for (k = #o, v = o; k; k++)
#define json_array_foreach(a, i, v)  for (i = 0, v = a; v; i++)
#endif
