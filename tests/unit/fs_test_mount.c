/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real mount, served by another process over the test's gate. */
#include "fs_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/log.h"

#define KNEE "Ann/2026-03-02 Knee (Clinic A)"
#define MANY "Berta/2026-03-01 Many (Clinic A)"
#define OLD "Ann/2026-01-01 Old (Clinic B)"

static char dir[64], path_room[4][512];
static pid_t server;

/* The absolute form of a path below the mount; the newest four stay. */
static const char *
in(const char *path)
{
	static unsigned turn;
	char *out = path_room[turn++ % 4];

	(void)snprintf(out, sizeof(path_room[0]), "%s/%s", dir, path);
	return out;
}

static void
no_log(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

/* The server process: tell by ${fd} how the start went, then serve. */
static void __attribute__((noreturn))
serve(const struct fs_opts *o, int fd)
{
	struct fs *fs = NULL;
	enum err e = fs_open(o, &fs);
	uint8_t report = (uint8_t)e;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(fd, &report, 1) != 1)
		_exit(9);
	if (e == ERR_OK)
		e = fs_run(fs);
	fs_close(fs);
	_exit(err_exit(e));
}

/* No assertions here and in setup(): may_mount() is no test. */
static enum err
start(struct fs_opts o)
{
	uint8_t report = ERR_FORMAT;
	int fd[2];

	o.home_dir = "";
	o.mountpoint = dir;
	if (pipe(fd) != 0)
		return ERR_FORMAT;
	server = fork();
	if (server == 0)
		serve(&o, fd[1]);
	(void)close(fd[1]);
	if (read(fd[0], &report, 1) != 1)
		report = ERR_FORMAT;
	(void)close(fd[0]);
	return (enum err)report;
}

static void
must_start(struct fs_opts o)
{
	ck_assert_int_eq(start(o), ERR_OK);
}

/* The server ends by itself with status 0, soon. */
static void
ends_well(void)
{
	int64_t end = clock_boot_ms() + 20000;
	int status = -1;
	pid_t r = 0;

	while (r == 0 && clock_boot_ms() < end) {
		r = waitpid(server, &status, WNOHANG);
		if (r == 0)
			clock_sleep_ms(5);
	}
	ck_assert_int_eq(r, server);
	server = 0;
	ck_assert_int_eq(status, 0);
}

static bool
is_mounted(void)
{
	char up[80];
	struct stat a, b;

	(void)snprintf(up, sizeof(up), "%s/..", dir);
	return stat(dir, &a) != 0 || stat(up, &b) != 0 ||
	    a.st_dev != b.st_dev;
}

static void
stop(void)
{
	ck_assert_int_eq(kill(server, SIGTERM), 0);
	ends_well();
	ck_assert(!is_mounted());
	ck_assert_int_eq(fs_test_ctl->stuck_reading, 0);
}

static void
setup(void)
{
	log_set_sink(no_log);
	fs_test_ctl = mmap(NULL, sizeof(*fs_test_ctl), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(dir, sizeof(dir), "/tmp/fs_test.XXXXXX");
	if (fs_test_ctl == MAP_FAILED || mkdtemp(dir) == NULL)
		abort();
}

static void
teardown(void)
{
	if (server > 0) {
		(void)kill(server, SIGKILL);
		(void)waitpid(server, NULL, 0);
		(void)umount2(dir, MNT_DETACH);
		server = 0;
	}
	(void)rmdir(dir);
	(void)munmap(fs_test_ctl, sizeof(*fs_test_ctl));
}

static uint64_t
ino_of(const char *path)
{
	struct stat st;

	ck_assert_msg(stat(in(path), &st) == 0, "%s: %s", path,
	    strerror(errno));
	return st.st_ino;
}

/* All names of a directory but "." and "..", sorted, with a '|' after each. */
static const char *
names_in(const char *path)
{
	static char all[512];
	struct dirent **e = NULL;
	int n = scandir(in(path), &e, NULL, alphasort);
	size_t used = 0;

	ck_assert_int_ge(n, 2);
	all[0] = '\0';
	for (int i = 0; i < n; i++) {
		if (strcmp(e[i]->d_name, ".") && strcmp(e[i]->d_name, ".."))
			used += (size_t)snprintf(all + used,
			    sizeof(all) - used, "%s|", e[i]->d_name);
		free(e[i]);
	}
	free(e);
	return all;
}

/* Read a whole file and compare; ${flip} for ciphertext. */
static void
expect_bytes(const char *path, uint32_t number, size_t size, uint8_t flip)
{
	CLEANUP(free) uint8_t *p = malloc(size + 1);
	CLEANUP_FD int fd = open(in(path), O_RDONLY);
	size_t n = 0;
	ssize_t k;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	while ((k = read(fd, p + n, size + 1 - n)) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, size);
	for (size_t i = 0; i < size; i++)
		ck_assert_uint_eq(p[i],
		    (uint8_t)(fs_test_byte(number, i) ^ flip));
}

static void
must_fail_open(const char *path, int flags, int want)
{
	CLEANUP_FD int fd = open(in(path), flags, 0600);

	ck_assert_int_lt(fd, 0);
	ck_assert_int_eq(errno, want);
}

/* ---- what is shown ---- */

START_TEST(names_and_contents)
{
	must_start((struct fs_opts){ 0 });
	ck_assert_str_eq(names_in("."), "Ann|Berta|");
	ck_assert_str_eq(names_in("Ann"),
	    ".consent|2026-01-01 Old (Clinic B)|2026-03-02 Knee (Clinic A)|");
	ck_assert_str_eq(names_in(KNEE),
	    "DICOMDIR|IMAGES|report.txt|\xc3\xbc" "bersicht.txt|");
	ck_assert_str_eq(names_in(KNEE "/IMAGES"), "IM000001|IM000002|sub|");
	ck_assert_str_eq(names_in("Ann/.consent"),
	    "HOW-TO-ASK.txt|inquiries.txt|status.txt|");
	expect_bytes(KNEE "/report.txt", 1, 10, 0);
	expect_bytes(KNEE "/IMAGES/IM000002", 2, 3000000, 0);
	expect_bytes(KNEE "/IMAGES/IM000001", 4, 300001, 0);
	expect_bytes(KNEE "/IMAGES/sub/empty", 5, 0, 0);
	ck_assert_uint_eq(fs_test_ctl->opens, 4);
	ck_assert_str_eq(fs_test_ctl->app, "fs_test");
	ck_assert_str_ne(fs_test_ctl->login, "");
	must_fail_open("Ann/x", O_RDONLY, ENOENT);
	must_fail_open(KNEE "/report.txt/x", O_RDONLY, ENOTDIR);
	must_fail_open(KNEE "/IMAGES", O_RDWR, EISDIR);
	stop();
	ck_assert_uint_eq(fs_test_ctl->closes, 4);
}
END_TEST

static void
expect_xattr(const char *path, const char *name, const char *want)
{
	char value[64] = "";
	ssize_t n = getxattr(in(path), name, value, sizeof(value) - 1);

	if (want == NULL) {
		ck_assert_int_eq(n, -1);
		ck_assert_int_eq(errno, ENODATA);
		return;
	}
	ck_assert_str_eq(value, want);
	ck_assert_int_eq(getxattr(in(path), name, NULL, 0), n);
	ck_assert_int_eq(getxattr(in(path), name, value, 1),
	    n > 1 ? -1 : n);
}

START_TEST(attributes)
{
	struct statvfs v;
	struct stat st;

	must_start((struct fs_opts){ 0 });
	ck_assert_int_eq(stat(in(KNEE "/IMAGES/IM000001"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0400);
	ck_assert_int_eq(st.st_size, 300001);
	ck_assert_int_eq(st.st_blocks, 586);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1700000001);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 234000000);
	ck_assert_uint_eq(st.st_uid, getuid());
	ck_assert_int_eq(stat(in(KNEE), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0500);
	ck_assert_int_eq(statvfs(dir, &v), 0);
	ck_assert_uint_eq(v.f_files, FS_TEST_BIG + 12);
	ck_assert_uint_eq(v.f_bavail, 0);
	ck_assert_uint_ne(v.f_flag & ST_RDONLY, 0);
	ck_assert_uint_ne(v.f_flag & ST_NOEXEC, 0);
	expect_xattr(KNEE "/report.txt", "user.consent.document", "1");
	expect_xattr(KNEE "/report.txt", "user.consent.media", "text/plain");
	expect_xattr(KNEE "/report.txt", "user.consent.type", "11506-3");
	expect_xattr(KNEE, "user.consent.type", "34133-9");
	expect_xattr(KNEE, "user.consent.confidentiality", "R");
	expect_xattr(KNEE, "user.consent.document", NULL);
	expect_xattr(KNEE, "user.consent.other", NULL);
	expect_xattr("Ann", "user.consent.set", NULL);
	ck_assert_int_eq(listxattr(in("Ann"), NULL, 0), 0);
	ck_assert_int_gt(listxattr(in(KNEE "/report.txt"), NULL, 0),
	    listxattr(in(KNEE), NULL, 0));
	stop();
	ck_assert_uint_eq(fs_test_ctl->opens, 0);
}
END_TEST

START_TEST(nothing_is_written)
{
	must_start((struct fs_opts){ 0 });
	must_fail_open(KNEE "/report.txt", O_WRONLY, EROFS);
	must_fail_open(KNEE "/report.txt", O_RDWR | O_TRUNC, EROFS);
	must_fail_open(KNEE "/new", O_WRONLY | O_CREAT, EROFS);
	ck_assert(mkdir(in("Ann/new"), 0700) != 0 && errno == EROFS);
	ck_assert(unlink(in(KNEE "/report.txt")) != 0 && errno == EROFS);
	ck_assert(rename(in(KNEE), in("x")) != 0 && errno == EROFS);
	ck_assert(truncate(in(KNEE "/report.txt"), 1) != 0 && errno == EROFS);
	ck_assert(chmod(in(KNEE), 0700) != 0 && errno == EROFS);
	ck_assert(setxattr(in(KNEE), "user.x", "", 0, 0) != 0 &&
	    errno == EROFS);
	stop();
}
END_TEST

START_TEST(numbers_outlive_a_remount)
{
	static const char *const paths[] = { "Ann", "Ann/.consent",
		"Ann/.consent/status.txt", KNEE, KNEE "/IMAGES",
		KNEE "/IMAGES/sub", KNEE "/report.txt", OLD "/report.txt",
		MANY "/all" };
	uint64_t ino[ARRAY_LEN(paths)];

	must_start((struct fs_opts){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ino[i] = ino_of(paths[i]);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(ino[k], ino[i]);
	}
	stop();
	must_start((struct fs_opts){ 0 });
	for (size_t i = ARRAY_LEN(paths); i-- > 0;)
		ck_assert_uint_eq(ino_of(paths[i]), ino[i]);
	stop();
}
END_TEST

START_TEST(texts_are_of_now)
{
	char text[64] = "", want[64];
	struct stat st;

	must_start((struct fs_opts){ 0 });
	for (int i = 0; i < 2; i++) {
		CLEANUP_FD int fd = open(in("Berta/.consent/status.txt"),
		    O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		(void)snprintf(want, sizeof(want), "text %d of patient 1\n",
		    (int)GATE_STATUS);
		ck_assert_int_eq(n, (ssize_t)strlen(want));
		ck_assert_str_eq(text, want);
		ck_assert_int_eq(read(fd, text, 1), 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_size, n);
	}
	ck_assert_uint_ge(fs_test_ctl->texts, 4);
	ck_assert_uint_eq(fs_test_ctl->opens, 0);
	stop();
}
END_TEST

START_TEST(big_directory)
{
	static bool seen[FS_TEST_BIG];
	long middle = 0;
	struct dirent *e;
	char after[256] = "";
	unsigned n = 0;
	DIR *d;

	must_start((struct fs_opts){ 0 });
	memset(seen, 0, sizeof(seen));
	d = opendir(in(MANY "/all"));
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		unsigned i = 0;

		if (e->d_name[0] == '.')
			continue;
		ck_assert_int_eq(sscanf(e->d_name, "f%u", &i), 1);
		ck_assert_uint_eq(i % 7919, 0);
		ck_assert(!seen[i / 7919]);
		seen[i / 7919] = true;
		if (++n == FS_TEST_BIG / 2)
			middle = telldir(d);
		else if (n == FS_TEST_BIG / 2 + 1)
			(void)snprintf(after, sizeof(after), "%s", e->d_name);
	}
	ck_assert_uint_eq(n, FS_TEST_BIG);
	seekdir(d, middle);
	e = readdir(d);
	ck_assert_ptr_nonnull(e);
	ck_assert_str_eq(e->d_name, after);
	rewinddir(d);
	for (n = 0; readdir(d) != NULL;)
		n++;
	ck_assert_uint_eq(n, FS_TEST_BIG + 2);
	(void)closedir(d);
	stop();
}
END_TEST

START_TEST(ciphertext)
{
	char json[2][64] = { "", "" }, path[512], *set;
	struct stat st;

	must_start((struct fs_opts){ .ciphertext = true });
	set = strdup(names_in("."));
	ck_assert_ptr_nonnull(set);
	*strchr(set, '|') = '\0';
	(void)snprintf(path, sizeof(path), "%s/set.json", set);
	for (int i = 0; i < 2; i++) {
		CLEANUP_FD int fd = open(in(path), O_RDONLY);

		ck_assert_int_gt(read(fd, json[i], 63), 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_uint_eq((size_t)st.st_size, strlen(json[i]));
	}
	ck_assert_str_eq(json[0], json[1]);
	(void)snprintf(path, sizeof(path), "%s/blobs", set);
	(void)snprintf(path, sizeof(path), "%s/blobs/%.*s", set,
	    (int)strcspn(names_in(path), "|"), names_in(path));
	ck_assert_int_eq(stat(in(path), &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1700000000);
	ck_assert_int_gt(st.st_size, 0);
	must_fail_open("Ann", O_RDONLY, ENOENT);
	stop();
	ck_assert_uint_eq(fs_test_ctl->opens, 0);
	free(set);
}
END_TEST

/* ---- requests that wait ---- */

START_TEST(parked_open)
{
	must_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 100;
	expect_bytes(KNEE "/report.txt", 1, 10, 0);
	fs_test_ctl->pending_answer = ERR_REVOKED;
	must_fail_open(KNEE "/report.txt", O_RDONLY, EACCES);
	fs_test_ctl->pending_answer = ERR_TIMEOUT;
	must_fail_open(KNEE "/report.txt", O_RDONLY, ETIMEDOUT);
	fs_test_ctl->open_answer = ERR_DENIED;
	must_fail_open(KNEE "/report.txt", O_RDONLY, EACCES);
	fs_test_ctl->open_answer = ERR_STALE;
	must_fail_open(KNEE "/report.txt", O_RDONLY, EHOSTUNREACH);
	stop();
	ck_assert_uint_eq(fs_test_ctl->closes, 3);
}
END_TEST

static void
on_signal(int sig)
{
	(void)sig;
}

/* In a process of its own: open (and read) the report; the status is the
 * errno, 0 if it went well. */
static pid_t
opener(bool reads)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	pid_t pid = fork();
	char byte;
	int fd;

	if (pid != 0)
		return pid;
	(void)sigaction(SIGUSR1, &sa, NULL);
	fd = open(in(KNEE "/report.txt"), O_RDONLY);
	if (fd < 0)
		_exit(errno);
	_exit(reads && read(fd, &byte, 1) != 1 ? errno : 0);
}

static int
status_of(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(waiting_holds_no_worker)
{
	pid_t pid[16];
	int64_t begun;

	must_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 1000;
	for (size_t i = 0; i < ARRAY_LEN(pid); i++)
		pid[i] = opener(true);
	while (fs_test_ctl->opens < ARRAY_LEN(pid))
		clock_sleep_ms(1);
	begun = clock_boot_ms();
	ck_assert_str_eq(names_in(OLD "/IMAGES"), "IM000001|IM000002|sub|");
	ck_assert_int_lt(clock_boot_ms() - begun, 800);
	for (size_t i = 0; i < ARRAY_LEN(pid); i++)
		ck_assert_int_eq(status_of(pid[i]), 0);
	stop();
}
END_TEST

START_TEST(interrupted)
{
	must_start((struct fs_opts){ .direct_io = true });
	for (int i = 0; i < 50; i++) {
		unsigned before = fs_test_ctl->opens + fs_test_ctl->fetches;
		bool reads = i % 2;
		pid_t pid;

		fs_test_ctl->open_answer = reads ? ERR_OK : ERR_PENDING;
		fs_test_ctl->read_pending = reads;
		fs_test_ctl->delay_ms = -1;
		pid = opener(reads);
		while (fs_test_ctl->opens + fs_test_ctl->fetches <
		    before + 1 + reads)
			clock_sleep_ms(1);
		(void)kill(pid, i % 3 == 0 ? SIGKILL : SIGUSR1);
		ck_assert_int_eq(status_of(pid),
		    i % 3 == 0 ? SIGKILL : EINTR << 8);
	}
	ck_assert_uint_eq(fs_test_ctl->interrupts, 50);
	stop();
	ck_assert_uint_eq(fs_test_ctl->closes, 50);
}
END_TEST

/* The signal may come before, while or after the request is parked, and while
 * it is answered. */
START_TEST(interrupts_at_any_time)
{
	must_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 1;
	for (int i = 0; i < 300; i++) {
		struct timespec ts = { 0, i % 30 * 100000L };
		pid_t pid = opener(true);
		int status;

		(void)nanosleep(&ts, NULL);
		(void)kill(pid, i % 2 ? SIGKILL : SIGUSR1);
		status = status_of(pid);
		ck_assert(status == 0 || WIFSIGNALED(status) ||
		    status == EINTR << 8);
	}
	stop();
	ck_assert_uint_eq(fs_test_ctl->closes, fs_test_ctl->opens);
}
END_TEST

START_TEST(parked_read)
{
	char byte;
	int fd;

	must_start((struct fs_opts){ .direct_io = true });
	fs_test_ctl->delay_ms = 20;
	fs_test_ctl->read_pending = 1;
	expect_bytes(KNEE "/IMAGES/IM000002", 2, 3000000, 0);
	ck_assert_uint_eq(fs_test_ctl->fetches, 1);
	fs_test_ctl->read_pending = 3;
	expect_bytes(KNEE "/report.txt", 1, 10, 0);
	ck_assert_uint_eq(fs_test_ctl->fetches, 4);
	fs_test_ctl->read_pending = 4; /* it cannot be had */
	fd = open(in(KNEE "/report.txt"), O_RDONLY);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EIO);
	ck_assert_uint_eq(fs_test_ctl->fetches, 7);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
	(void)close(fd);
	stop();
}
END_TEST

/* ---- taking back ---- */

static void
make_dark(void)
{
	fs_test_ctl->do_dark = 1;
	while (fs_test_ctl->do_dark)
		clock_sleep_ms(1);
}

/* A process that maps the file; the status is the signal that it dies of. */
static pid_t
mapper(const char *path, int ready)
{
	pid_t pid = fork();
	volatile const char *p;
	int fd;

	if (pid != 0)
		return pid;
	fd = open(in(path), O_RDONLY);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || p[0] != (char)fs_test_byte(3, 0) ||
	    write(ready, "", 1) != 1)
		_exit(1);
	for (int i = 0; i < 10000 && p[0] == (char)fs_test_byte(3, 0); i++)
		clock_sleep_ms(1);
	_exit(2);
}

START_TEST(revocation_reaches_pages)
{
	unsigned reads;
	int fd, old, ready[2];
	char byte;
	pid_t pid;

	must_start((struct fs_opts){ 0 });
	fd = open(in(KNEE "/report.txt"), O_RDONLY);
	old = open(in(OLD "/report.txt"), O_RDONLY);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(pread(old, &byte, 1, 0), 1);
	ck_assert_int_eq(pipe(ready), 0);
	pid = mapper(KNEE "/DICOMDIR", ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	reads = fs_test_ctl->reads;
	ck_assert_int_eq(pread(fd, &byte, 1, 5), 1);
	ck_assert_uint_eq(fs_test_ctl->reads, reads); /* from the cache */
	make_dark();
	ck_assert_int_eq(pread(fd, &byte, 1, 5), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(WTERMSIG(status_of(pid)), SIGBUS);
	reads = fs_test_ctl->reads;
	ck_assert_int_eq(pread(old, &byte, 1, 5), 1); /* not concerned */
	ck_assert_uint_eq(fs_test_ctl->reads, reads);
	expect_bytes(KNEE "/report.txt", 1, 10, 0); /* granted again */
	ck_assert_int_eq(pread(fd, &byte, 1, 5), 1);
	(void)close(fd);
	(void)close(old);
	(void)close(ready[0]);
	(void)close(ready[1]);
	stop();
}
END_TEST

static void
until_stat(const char *path, int want)
{
	int64_t end = clock_boot_ms() + 5000;
	struct stat st;
	int got = -1;

	while (got != want && clock_boot_ms() < end) {
		got = stat(in(path), &st) == 0 ? 0 : errno;
		clock_sleep_ms(1);
	}
	ck_assert_int_eq(got, want);
}

START_TEST(sets_vanish_and_come_back)
{
	uint64_t ino;
	int fd, here;

	must_start((struct fs_opts){ 0 });
	ino = ino_of(KNEE "/report.txt");
	fd = open(in(KNEE "/report.txt"), O_RDONLY);
	here = open(in(KNEE), O_RDONLY | O_DIRECTORY);
	ck_assert(fd >= 0 && here >= 0);
	for (int i = 0; i < 3; i++) {
		struct stat st;

		fs_test_ctl->hidden = 1;
		until_stat(KNEE, ENOENT);
		until_stat(KNEE "/report.txt", ENOENT);
		ck_assert_str_eq(names_in("Ann"),
		    ".consent|2026-01-01 Old (Clinic B)|");
		ck_assert(fstatat(here, "DICOMDIR", &st, 0) != 0);
		ck_assert_int_eq(errno, ENOENT);
		until_stat(OLD "/report.txt", 0);
		fs_test_ctl->hidden = 0;
		until_stat(KNEE "/report.txt", 0);
		ck_assert_uint_eq(ino_of(KNEE "/report.txt"), ino);
		expect_bytes(KNEE "/report.txt", 1, 10, 0);
	}
	(void)close(fd);
	(void)close(here);
	stop();
}
END_TEST

/* ---- the end ---- */

static pid_t
busy_reader(void)
{
	static char room[65536];
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	fd = open(in(KNEE "/IMAGES/IM000002"), O_RDONLY);
	while (pread(fd, room, sizeof(room), 0) > 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	_exit(errno);
}

START_TEST(signal_while_busy)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid[3];
		int fd;

		must_start((struct fs_opts){ 0 });
		fd = open(in(KNEE "/report.txt"), O_RDONLY);
		for (size_t k = 0; k < ARRAY_LEN(pid); k++)
			pid[k] = busy_reader();
		while (fs_test_ctl->reads < 200)
			clock_sleep_ms(1);
		fs_test_ctl->reads = 0;
		ck_assert_int_eq(kill(server, SIGTERM), 0);
		ends_well(); /* though files are open */
		for (size_t k = 0; k < ARRAY_LEN(pid); k++)
			ck_assert_int_ne(WEXITSTATUS(status_of(pid[k])), 0);
		(void)close(fd);
		ck_assert(!is_mounted());
	}
}
END_TEST

START_TEST(signal_while_waiting)
{
	pid_t pid;

	must_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = -1;
	pid = opener(false);
	while (fs_test_ctl->opens == 0)
		clock_sleep_ms(1);
	stop();
	ck_assert_int_eq(status_of(pid), EINTR << 8);
}
END_TEST

START_TEST(unmounted_by_another)
{
	must_start((struct fs_opts){ 0 });
	expect_bytes(KNEE "/report.txt", 1, 10, 0);
	ck_assert_int_eq(umount2(dir, 0), 0);
	ends_well();
	ck_assert(!is_mounted());
}
END_TEST

START_TEST(places_that_are_none)
{
	pid_t first;

	must_start((struct fs_opts){ 0 });
	first = server;
	ck_assert_int_eq(start((struct fs_opts){ 0 }), ERR_BUSY);
	(void)status_of(server);
	server = first;
	stop();
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(start((struct fs_opts){ 0 }), ERR_NOTFOUND);
	(void)status_of(server);
	server = 0;
}
END_TEST

/* Mounting must be allowed; the rest of the program needs no such right. */
static bool
may_mount(void)
{
	bool ok;

	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return false;
	setup();
	ok = start((struct fs_opts){ 0 }) == ERR_OK;
	teardown();
	return ok;
}

TCase *
fs_test_mount(void)
{
	TCase *c = tcase_create("mount");

	if (!may_mount()) {
		printf("fs_test: no right to mount: those tests are left "
		       "out\n");
		return c;
	}
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, names_and_contents);
	tcase_add_test(c, attributes);
	tcase_add_test(c, nothing_is_written);
	tcase_add_test(c, numbers_outlive_a_remount);
	tcase_add_test(c, texts_are_of_now);
	tcase_add_test(c, big_directory);
	tcase_add_test(c, ciphertext);
	tcase_add_test(c, parked_open);
	tcase_add_test(c, waiting_holds_no_worker);
	tcase_add_test(c, interrupted);
	tcase_add_test(c, interrupts_at_any_time);
	tcase_add_test(c, parked_read);
	tcase_add_test(c, revocation_reaches_pages);
	tcase_add_test(c, sets_vanish_and_come_back);
	tcase_add_test(c, signal_while_busy);
	tcase_add_test(c, signal_while_waiting);
	tcase_add_test(c, unmounted_by_another);
	tcase_add_test(c, places_that_are_none);
	return c;
}
