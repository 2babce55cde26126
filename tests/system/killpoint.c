/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LD_PRELOAD: counts calls of all threads in the order in which they come, and
 * at a wanted one kills the process, before it does anything, or lets the call
 * fail.  strace's when=N counts each system call of each thread by itself, so
 * it does not reach every point of a daemon with threads.
 *
 * $KILLPOINT is a file that is shared with who wants it, struct shared.  A call
 * is meant by its number, or by its site: a hash of its name and of the
 * addresses it returns to, which are the same in each run where addresses are
 * not random (setarch -R).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define PROC_BLOCK 1024 /* st_blksize of /proc's files, which have no size */
#define SITES      8192 /* a power of two */
#define DEPTH      40
#define MANY       16

enum kind {
	CHANGE = 1, /* what changes something outside of the process */
	READ = 2,
	NEW_FD = 4, /* what needs a free descriptor */
	ALLOC = 8,
	WAIT = 16, /* what waits for whatever comes */
	PEER = 32, /* besides: a peer is gone, where a disk would fail */
};

struct site {
	atomic_ulong id;
	atomic_long kinds, first; /* number of its first call */
	char name[24];
};

static struct shared {
	atomic_long armed;  /* 0 or 1 */
	atomic_long calls;  /* since then */
	atomic_long at;     /* number of the call that is meant; 0: none */
	atomic_long error;  /* the errno that it fails with; 0: kill */
	atomic_long kinds;  /* the sum of those that are counted; 0: CHANGE */
	char name[24];      /* of the call that was meant, when it was hit */
	atomic_long survey; /* 1: sites are noted; the file has room for them */
	atomic_long nwant;  /* instead of at: the first calls at these sites */
	atomic_ulong want[MANY]; /* 0 when hit */
	atomic_long nhit;
	atomic_ulong hit[MANY]; /* in the order in which they came */
	void *stack[DEPTH];     /* of the last that was hit */
	struct site site[SITES];
} * shared;

/* Who looks at the stack may need memory. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("KILLPOINT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	(void)backtrace(&p, 1); /* loads what it needs, before any sandbox */
	(void)getpwuid(
	    getuid()); /* glibc 2.36 ends without memory, see SECURITY */
	p = mmap(
	    NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		shared = p;
}

static void
name_copy(char out[static 24], const char *name)
{
	for (size_t i = 0; name[i] && i + 1 < 24; i++)
		out[i] = name[i];
}

static void
site_note(unsigned long id, int kinds, const char *name, long call)
{
	for (size_t i = 0; i < SITES; i++) {
		struct site *s = &shared->site[(id + i) & (SITES - 1)];
		unsigned long none = 0;

		if (atomic_compare_exchange_strong(&s->id, &none, id)) {
			s->first = call;
			name_copy(s->name, name);
		} else if (none != id) {
			continue;
		}
		atomic_fetch_or(&s->kinds, kinds);
		return;
	}
}

/* True: this site is meant, and it is its first call. */
static bool
site_wanted(unsigned long id)
{
	for (long i = 0; i < shared->nwant; i++) {
		unsigned long want = id;

		if (!atomic_compare_exchange_strong(&shared->want[i], &want, 0))
			continue;
		shared->hit[atomic_fetch_add(&shared->nhit, 1)] = id;
		return true;
	}
	return false;
}

static bool
site_hit(int kinds, const char *name, long call)
{
	void *stack[DEPTH] = { NULL };
	unsigned long id = 1469598103934665603UL;
	int n;

	if (inside)
		return false;
	inside = true;
	n = backtrace(stack, DEPTH);
	inside = false;
	for (int i = 0; i < n; i++)
		id = (id ^ (unsigned long)stack[i]) * 1099511628211UL;
	for (size_t i = 0; name[i]; i++)
		id = (id ^ (unsigned char)name[i]) * 1099511628211UL;
	if (shared->survey)
		site_note(id, kinds, name, call);
	if (!site_wanted(id))
		return false;
	memcpy(shared->stack, stack, sizeof(stack));
	return true;
}

/* True: the call is to fail, with errno. */
static bool
point(int kinds, const char *name)
{
	long call;

	if (shared == NULL || !shared->armed)
		return false;
	if (((shared->kinds ? shared->kinds : CHANGE) & kinds) == 0)
		return false;
	call = atomic_fetch_add(&shared->calls, 1) + 1;
	if (call != shared->at &&
	    ((!shared->nwant && !shared->survey) ||
		!site_hit(kinds, name, call)))
		return false;
	name_copy(shared->name, name);
	if (shared->error) {
		errno = kinds & PEER && shared->error != EINTR ?
		    ECONNRESET :
		    (int)shared->error;
		return true;
	}
	(void)kill(getpid(), SIGKILL);
	__builtin_trap(); /* a sandbox forbade it */
}

/* The standard streams are talk, /proc tells nothing that matters, and with the
 * kernel's half of a mount nobody has an error but when the mount is gone. */
static bool
counts(int fd)
{
	struct stat st;

	if (shared == NULL || !shared->armed || fd <= STDERR_FILENO)
		return false;
	if (shared->error == 0 || fstat(fd, &st) != 0)
		return true;
	if (st.st_rdev == makedev(10, 229))
		return false;
	return st.st_size != 0 || st.st_blksize != PROC_BLOCK;
}

/* WHERE: a call is a point if so; it fails as FAILED says. */
#define CALL_IF(where, kinds, failed, type, name, params, args)                \
	type name params;                                                      \
	type name params                                                       \
	{                                                                      \
		static type(*next) params;                                     \
                                                                               \
		if (next == NULL)                                              \
			next = (type(*) params)dlsym(RTLD_NEXT, #name);        \
		if ((where) && point(kinds, #name))                            \
			return failed;                                         \
		return next args;                                              \
	}
#define CALL(kinds, type, name, params, args)                                  \
	CALL_IF(true, kinds, -1, type, name, params, args)
#define CALL_FD(kinds, type, name, params, args)                               \
	CALL_IF(counts(fd), kinds, -1, type, name, params, args)
#define CALL_PTR(kinds, type, name, params, args)                              \
	CALL_IF(true, kinds, NULL, type, name, params, args)

CALL_FD(CHANGE, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
CALL_FD(CHANGE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
    (fd, p, n, at))
CALL_FD(CHANGE, ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at),
    (fd, p, n, at))
CALL_FD(
    CHANGE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
CALL_FD(CHANGE, ssize_t, pwritev,
    (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
CALL_FD(CHANGE, ssize_t, pwritev64,
    (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
CALL(CHANGE | PEER, ssize_t, send, (int fd, const void *p, size_t n, int flags),
    (fd, p, n, flags))
CALL(CHANGE | PEER, ssize_t, sendmsg,
    (int fd, const struct msghdr *m, int flags), (fd, m, flags))
CALL(CHANGE | PEER, ssize_t, sendfile, (int to, int from, off_t *at, size_t n),
    (to, from, at, n))
CALL(CHANGE | PEER, ssize_t, sendfile64,
    (int to, int from, off_t *at, size_t n), (to, from, at, n))
CALL(CHANGE, int, fsync, (int fd), (fd))
CALL(CHANGE, int, fdatasync, (int fd), (fd))
CALL(CHANGE, int, syncfs, (int fd), (fd))
CALL(CHANGE, int, msync, (void *p, size_t n, int flags), (p, n, flags))
CALL(CHANGE, int, ftruncate, (int fd, off_t n), (fd, n))
CALL(CHANGE, int, ftruncate64, (int fd, off_t n), (fd, n))
CALL_IF(true, CHANGE, errno, int, posix_fallocate, (int fd, off_t at, off_t n),
    (fd, at, n))
CALL_IF(true, CHANGE, errno, int, posix_fallocate64,
    (int fd, off_t at, off_t n), (fd, at, n))
CALL(CHANGE, int, rename, (const char *a, const char *b), (a, b))
CALL(CHANGE, int, renameat, (int da, const char *a, int db, const char *b),
    (da, a, db, b))
CALL(CHANGE, int, link, (const char *a, const char *b), (a, b))
CALL(CHANGE, int, unlink, (const char *a), (a))
CALL(CHANGE, int, unlinkat, (int d, const char *a, int flags), (d, a, flags))
CALL(CHANGE, int, rmdir, (const char *a), (a))
CALL(CHANGE, int, mkdir, (const char *a, mode_t m), (a, m))
CALL(CHANGE, int, mkdirat, (int d, const char *a, mode_t m), (d, a, m))

CALL_FD(READ, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
CALL_FD(
    READ, ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
CALL_FD(READ, ssize_t, pread64, (int fd, void *p, size_t n, off_t at),
    (fd, p, n, at))
CALL(READ | PEER, ssize_t, recv, (int fd, void *p, size_t n, int flags),
    (fd, p, n, flags))
CALL(READ, int, flock, (int fd, int how), (fd, how))
CALL(READ, int, access, (const char *p, int how), (p, how))
CALL(READ, int, faccessat, (int d, const char *p, int how, int flags),
    (d, p, how, flags))
CALL(READ, int, stat, (const char *p, struct stat *st), (p, st))
CALL(READ, int, lstat, (const char *p, struct stat *st), (p, st))
CALL(READ, int, fstatat, (int d, const char *p, struct stat *st, int flags),
    (d, p, st, flags))

CALL(NEW_FD, int, socket, (int family, int type, int protocol),
    (family, type, protocol))
CALL(NEW_FD, int, socketpair, (int family, int type, int protocol, int pair[2]),
    (family, type, protocol, pair))
CALL(
    NEW_FD, int, accept, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
CALL(NEW_FD, int, accept4,
    (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
CALL(NEW_FD, int, epoll_create1, (int flags), (flags))
CALL(NEW_FD, int, eventfd, (unsigned n, int flags), (n, flags))
CALL(NEW_FD, int, pipe2, (int pair[2], int flags), (pair, flags))
CALL(NEW_FD, int, dup, (int fd), (fd))
CALL_PTR(NEW_FD, DIR *, opendir, (const char *p), (p))
CALL_PTR(NEW_FD, DIR *, fdopendir, (int fd), (fd))

CALL(WAIT, int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
CALL(WAIT, int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms),
    (fd, e, n, ms))
CALL(CHANGE | PEER, int, connect,
    (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))

/* Opening is a change where it makes a file. */
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
		if (strncmp(p, "/proc/", 6) != 0 &&                            \
		    point(NEW_FD | (flags & (O_CREAT | O_TRUNC) ? CHANGE : 0), \
			#name))                                                \
			return -1;                                             \
		return next args;                                              \
	}

OPEN(open, (const char *p, int flags, ...), (p, flags, mode))
OPEN(open64, (const char *p, int flags, ...), (p, flags, mode))
OPEN(openat, (int d, const char *p, int flags, ...), (d, p, flags, mode))
OPEN(openat64, (int d, const char *p, int flags, ...), (d, p, flags, mode))

#ifdef WITH_ALLOC /* not for the sanitizers, which bring their own */
/* Memory: the C library's own names, since dlsym() allocates. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t k, size_t n);
void *__libc_realloc(void *p, size_t n);

void *
malloc(size_t n)
{
	return point(ALLOC, "malloc") ? NULL : __libc_malloc(n);
}

void *
calloc(size_t k, size_t n)
{
	return point(ALLOC, "malloc") ? NULL : __libc_calloc(k, n);
}

void *
realloc(void *p, size_t n)
{
	return point(ALLOC, "malloc") ? NULL : __libc_realloc(p, n);
}

CALL_IF(fd < 0, ALLOC, MAP_FAILED, void *, mmap,
    (void *at, size_t n, int prot, int flags, int fd, off_t off),
    (at, n, prot, flags, fd, off))
#endif
