/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/cleanup: release by scope.  CLEANUP(x_free) struct x *p = NULL; frees
 * at the end of the scope; return TAKE(p) hands the object on instead.  Every
 * destructor takes NULL and keeps errno.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(cleanup_##fn), unused))

#define DEFINE_CLEANUP(type, fn)                                               \
	static inline void cleanup_##fn(type *p)                               \
	{                                                                      \
		int kept_errno = errno;                                        \
		fn(*p);                                                        \
		errno = kept_errno;                                            \
	}                                                                      \
	struct cleanup_##fn##_semicolon

#define TAKE(p)                                                                \
	({                                                                     \
		__typeof__(p) taken = (p);                                     \
		(p) = NULL;                                                    \
		taken;                                                         \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void
cleanup_free(void *p)
{
	int kept_errno = errno;

	free(*(void **)p);
	errno = kept_errno;
}

/* CLEANUP_FD int fd = -1; closes at the end of the scope. */
static inline void
cleanup_fd_close(int *fd)
{
	int kept_errno = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = kept_errno;
}
#define CLEANUP_FD CLEANUP(fd_close)

#endif
