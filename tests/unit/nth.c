/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nth.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_uint armed;
static atomic_int countdown;
static atomic_bool hit;
static atomic_long live;
static int error;

void
nth_arm(unsigned which, unsigned n, int errnum)
{
	error = errnum;
	atomic_store(&hit, false);
	atomic_store(&countdown, (int)n);
	atomic_store(&armed, which);
}

bool
nth_disarm(void)
{
	atomic_store(&armed, 0);
	return atomic_load(&hit);
}

bool
nth_hit(void)
{
	return atomic_load(&hit);
}

long
nth_live(void)
{
	return atomic_load(&live);
}

bool
nth_fails(unsigned which)
{
	if (!(atomic_load(&armed) & which) ||
	    atomic_fetch_sub(&countdown, 1) != 1)
		return false;
	atomic_store(&hit, true);
	errno = error;
	return true;
}

unsigned
nth_each(unsigned which, int errnum, void (*fn)(void *ctx), void *ctx)
{
	unsigned n = 0;
	bool failed;

	fn(ctx); /* what is made once stays */
	do {
		long before = nth_live();

		nth_arm(which, ++n, errnum);
		fn(ctx);
		failed = nth_disarm();
		ck_assert_msg(nth_live() == before,
		    "call %u failed: %ld allocations are left", n,
		    nth_live() - before);
	} while (failed);
	return n - 1;
}

/* WRAP: ${name} as the rooms see it; ${bad} when it is to fail. */
#define WRAP(ret, name, which, bad, params, args)                              \
	ret __real_##name params;                                              \
	ret __wrap_##name params;                                              \
	ret __wrap_##name params                                               \
	{                                                                      \
		return nth_fails(which) ? (bad) : __real_##name args;          \
	}

/* As WRAP(), for what gives memory. */
#define WRAP_NEW(name, params, args)                                           \
	void *__real_##name params;                                            \
	void *__wrap_##name params;                                            \
	void *__wrap_##name params                                             \
	{                                                                      \
		void *p = nth_fails(NTH_MEMORY) ? NULL : __real_##name args;   \
                                                                               \
		if (p)                                                         \
			atomic_fetch_add(&live, 1);                            \
		return p;                                                      \
	}

#define WRAP_FREE(name)                                                        \
	void __real_##name(void *p);                                           \
	void __wrap_##name(void *p);                                           \
	void __wrap_##name(void *p)                                            \
	{                                                                      \
		if (p)                                                         \
			atomic_fetch_sub(&live, 1);                            \
		__real_##name(p);                                              \
	}

WRAP_NEW(malloc, (size_t n), (n))
WRAP_NEW(calloc, (size_t n, size_t size), (n, size))
WRAP_NEW(strdup, (const char *s), (s))
WRAP_NEW(strndup, (const char *s, size_t n), (s, n))
WRAP_NEW(sodium_malloc, (size_t n), (n))
WRAP_FREE(free)
WRAP_FREE(sodium_free)

void *__real_realloc(void *old, size_t n);
void *__wrap_realloc(void *old, size_t n);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
int __wrap_asprintf(char **out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void *
__wrap_realloc(void *old, size_t n)
{
	void *p = nth_fails(NTH_MEMORY) ? NULL : __real_realloc(old, n);

	if (p && old == NULL)
		atomic_fetch_add(&live, 1);
	return p;
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return __wrap_realloc(old, bytes);
}

int
__wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (nth_fails(NTH_MEMORY))
		return -1;
	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	if (n >= 0)
		atomic_fetch_add(&live, 1);
	return n;
}

int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* asprintf() where the C library checks formats. */
int
__wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)flag;
	if (nth_fails(NTH_MEMORY))
		return -1;
	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	if (n >= 0)
		atomic_fetch_add(&live, 1);
	return n;
}

/* Half of what was asked for, but not nothing. */
static size_t
shortened(size_t n)
{
	return n > 1 && nth_fails(NTH_SHORT) ? n / 2 : n;
}

WRAP(ssize_t, read, NTH_READ, -1, (int fd, void *p, size_t n),
    (fd, p, shortened(n)))
WRAP(ssize_t, write, NTH_WRITE, -1, (int fd, const void *p, size_t n),
    (fd, p, shortened(n)))
WRAP(ssize_t, pread, NTH_READ, -1, (int fd, void *p, size_t n, off_t off),
    (fd, p, shortened(n), off))
WRAP(ssize_t, pwrite, NTH_WRITE, -1,
    (int fd, const void *p, size_t n, off_t off), (fd, p, shortened(n), off))
WRAP(int, fsync, NTH_WRITE, -1, (int fd), (fd))
WRAP(int, fdatasync, NTH_WRITE, -1, (int fd), (fd))
WRAP(int, rename, NTH_WRITE, -1, (const char *a, const char *b), (a, b))
WRAP(int, unlink, NTH_WRITE, -1, (const char *path), (path))
WRAP(int, posix_fallocate, NTH_WRITE, error, (int fd, off_t off, off_t n),
    (fd, off, n))
WRAP(int, fstat, NTH_READ, -1, (int fd, struct stat *st), (fd, st))
WRAP(DIR *, opendir, NTH_READ, NULL, (const char *path), (path))
WRAP(struct dirent *, readdir, NTH_READ, NULL, (DIR * d), (d))
WRAP(int, pthread_create, NTH_THREAD, error,
    (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
    (t, a, fn, arg))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap___open_2(const char *path, int flags);

int
__wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	unsigned mode;

	va_start(ap, flags);
	mode = va_arg(ap, unsigned);
	va_end(ap);
	return nth_fails(NTH_READ) ? -1 : __real_open(path, flags, mode);
}

/* open() without a mode, where the C library checks flags. */
int
__wrap___open_2(const char *path, int flags)
{
	return nth_fails(NTH_READ) ? -1 : __real_open(path, flags, 0);
}
