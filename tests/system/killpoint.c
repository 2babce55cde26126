/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LD_PRELOAD: counts the calls of all threads that change something outside of
 * the process, in the order in which they come, and kills the process at a
 * wanted one, before it does anything.  strace's when=N counts each system call
 * of each thread by itself, so it does not reach every point of a daemon with
 * threads.
 *
 * $KILLPOINT is a file of three 64-bit numbers that is shared with who wants
 * it: armed (0 or 1), calls since then, the number of the call to die at (0:
 * none).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	atomic_long armed, calls, at;
} * shared;

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("KILLPOINT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(
	    NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		shared = p;
}

static void
point(void)
{
	if (shared == NULL || !shared->armed)
		return;
	if (atomic_fetch_add(&shared->calls, 1) + 1 != shared->at)
		return;
	(void)kill(getpid(), SIGKILL);
	__builtin_trap(); /* a sandbox forbade it */
}

/* CALL(type, name, (parameters), (arguments)): a call that is a point. */
#define CALL(type, name, params, args)                                         \
	type name params;                                                      \
	type name params                                                       \
	{                                                                      \
		static type(*next) params;                                     \
                                                                               \
		if (next == NULL)                                              \
			next = (type(*) params)dlsym(RTLD_NEXT, #name);        \
		point();                                                       \
		return next args;                                              \
	}
/* The same; what goes to the standard streams is talk. */
#define CALL_FD(type, name, params, args)                                      \
	type name params;                                                      \
	type name params                                                       \
	{                                                                      \
		static type(*next) params;                                     \
                                                                               \
		if (next == NULL)                                              \
			next = (type(*) params)dlsym(RTLD_NEXT, #name);        \
		if (fd > STDERR_FILENO)                                        \
			point();                                               \
		return next args;                                              \
	}

CALL_FD(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
CALL(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
    (fd, p, n, at))
CALL(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at),
    (fd, p, n, at))
CALL_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
CALL(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at),
    (fd, v, n, at))
CALL(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t at),
    (fd, v, n, at))
CALL(ssize_t, send, (int fd, const void *p, size_t n, int flags),
    (fd, p, n, flags))
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags))
CALL(ssize_t, sendfile, (int to, int from, off_t *at, size_t n),
    (to, from, at, n))
CALL(ssize_t, sendfile64, (int to, int from, off_t *at, size_t n),
    (to, from, at, n))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, syncfs, (int fd), (fd))
CALL(int, msync, (void *p, size_t n, int flags), (p, n, flags))
CALL(int, ftruncate, (int fd, off_t n), (fd, n))
CALL(int, ftruncate64, (int fd, off_t n), (fd, n))
CALL(int, posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n))
CALL(int, posix_fallocate64, (int fd, off_t at, off_t n), (fd, at, n))
CALL(int, rename, (const char *a, const char *b), (a, b))
CALL(int, renameat, (int da, const char *a, int db, const char *b),
    (da, a, db, b))
CALL(int, link, (const char *a, const char *b), (a, b))
CALL(int, unlink, (const char *a), (a))
CALL(int, unlinkat, (int d, const char *a, int flags), (d, a, flags))
CALL(int, rmdir, (const char *a), (a))
CALL(int, mkdir, (const char *a, mode_t m), (a, m))
CALL(int, mkdirat, (int d, const char *a, mode_t m), (d, a, m))

/* Opening is a point where it makes a file. */
#define OPEN(name, params, args)                                               \
	int name params;                                                       \
	int name params                                                        \
	{                                                                      \
		static int(*next) params;                                      \
		mode_t mode = 0;                                               \
		va_list ap;                                                    \
                                                                               \
		if (next == NULL)                                              \
			next = (int(*) params)dlsym(RTLD_NEXT, #name);         \
		if (flags & (O_CREAT | O_TMPFILE)) {                           \
			va_start(ap, flags);                                   \
			mode = va_arg(ap, mode_t);                             \
			va_end(ap);                                            \
		}                                                              \
		if (flags & (O_CREAT | O_TRUNC))                               \
			point();                                               \
		return next args;                                              \
	}

OPEN(open, (const char *p, int flags, ...), (p, flags, mode))
OPEN(open64, (const char *p, int flags, ...), (p, flags, mode))
OPEN(openat, (int d, const char *p, int flags, ...), (d, p, flags, mode))
OPEN(openat64, (int d, const char *p, int flags, ...), (d, p, flags, mode))
