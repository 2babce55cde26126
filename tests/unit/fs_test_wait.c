/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real mount: what waits, what is taken back, and the end. */
#include "fs_test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/clock.h"

/* ---- requests that wait ---- */

START_TEST(parked_open)
{
	fs_test_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 100;
	fs_test_expect(KNEE "/report.txt", 1, 10);
	fs_test_ctl->pending_answer = ERR_REVOKED;
	fs_test_no_open(KNEE "/report.txt", O_RDONLY, EACCES);
	fs_test_ctl->pending_answer = ERR_TIMEOUT;
	fs_test_no_open(KNEE "/report.txt", O_RDONLY, ETIMEDOUT);
	fs_test_ctl->open_answer = ERR_DENIED;
	fs_test_no_open(KNEE "/report.txt", O_RDONLY, EACCES);
	fs_test_ctl->open_answer = ERR_STALE;
	fs_test_no_open(KNEE "/report.txt", O_RDONLY, EHOSTUNREACH);
	fs_test_stop();
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
	fd = open(fs_test_in(KNEE "/report.txt"), O_RDONLY);
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

	fs_test_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 1000;
	for (size_t i = 0; i < ARRAY_LEN(pid); i++)
		pid[i] = opener(true);
	while (fs_test_ctl->opens < ARRAY_LEN(pid))
		clock_sleep_ms(1);
	begun = clock_boot_ms();
	ck_assert_str_eq(
	    fs_test_names(OLD "/IMAGES"), "IM000001|IM000002|sub|");
	ck_assert_int_lt(clock_boot_ms() - begun, 800);
	for (size_t i = 0; i < ARRAY_LEN(pid); i++)
		ck_assert_int_eq(status_of(pid[i]), 0);
	fs_test_stop();
}
END_TEST

START_TEST(interrupted)
{
	fs_test_start((struct fs_opts){ .direct_io = true });
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
		ck_assert_int_eq(
		    status_of(pid), i % 3 == 0 ? SIGKILL : EINTR << 8);
	}
	ck_assert_uint_eq(fs_test_ctl->interrupts, 50);
	fs_test_stop();
	ck_assert_uint_eq(fs_test_ctl->closes, 50);
}
END_TEST

/* The signal may come before, while or after the request is parked, and while
 * it is answered. */
START_TEST(interrupts_at_any_time)
{
	fs_test_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = 1;
	for (int i = 0; i < 300; i++) {
		struct timespec ts = { 0, i % 30 * 100000L };
		pid_t pid = opener(true);
		int status;

		(void)nanosleep(&ts, NULL);
		(void)kill(pid, i % 2 ? SIGKILL : SIGUSR1);
		status = status_of(pid);
		ck_assert(
		    status == 0 || WIFSIGNALED(status) || status == EINTR << 8);
	}
	fs_test_stop();
	ck_assert_uint_eq(fs_test_ctl->closes, fs_test_ctl->opens);
}
END_TEST

START_TEST(parked_read)
{
	char byte;
	int fd;

	fs_test_start((struct fs_opts){ .direct_io = true });
	fs_test_ctl->delay_ms = 20;
	fs_test_ctl->read_pending = 1;
	fs_test_expect(KNEE "/IMAGES/IM000002", 2, 3000000);
	ck_assert_uint_eq(fs_test_ctl->fetches, 1);
	fs_test_ctl->read_pending = 3;
	fs_test_expect(KNEE "/report.txt", 1, 10);
	ck_assert_uint_eq(fs_test_ctl->fetches, 4);
	fs_test_ctl->read_pending = 4; /* it cannot be had */
	fd = open(fs_test_in(KNEE "/report.txt"), O_RDONLY);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EIO);
	ck_assert_uint_eq(fs_test_ctl->fetches, 7);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
	(void)close(fd);
	fs_test_stop();
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
	(void)signal(SIGBUS, SIG_DFL); /* a sanitizer has its own */
	fd = open(fs_test_in(path), O_RDONLY);
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

	fs_test_start((struct fs_opts){ 0 });
	fd = open(fs_test_in(KNEE "/report.txt"), O_RDONLY);
	old = open(fs_test_in(OLD "/report.txt"), O_RDONLY);
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
	fs_test_expect(KNEE "/report.txt", 1, 10); /* granted again */
	ck_assert_int_eq(pread(fd, &byte, 1, 5), 1);
	(void)close(fd);
	(void)close(old);
	(void)close(ready[0]);
	(void)close(ready[1]);
	fs_test_stop();
}
END_TEST

static void
until_stat(const char *path, int want)
{
	int64_t end = clock_boot_ms() + 5000;
	struct stat st;
	int got = -1;

	while (got != want && clock_boot_ms() < end) {
		got = stat(fs_test_in(path), &st) == 0 ? 0 : errno;
		clock_sleep_ms(1);
	}
	ck_assert_int_eq(got, want);
}

/* What is known of an open file is taken back too. */
static void
until_hidden(int fd)
{
	int64_t end = clock_boot_ms() + 5000;
	struct stat st;

	while (fstat(fd, &st) == 0 && clock_boot_ms() < end)
		clock_sleep_ms(1);
	ck_assert(fstat(fd, &st) != 0 && errno == ENOENT);
}

START_TEST(sets_vanish_and_come_back)
{
	uint64_t ino;
	int fd, here;

	fs_test_start((struct fs_opts){ 0 });
	ino = fs_test_ino(KNEE "/report.txt");
	fd = open(fs_test_in(KNEE "/report.txt"), O_RDONLY);
	here = open(fs_test_in(KNEE), O_RDONLY | O_DIRECTORY);
	ck_assert(fd >= 0 && here >= 0);
	for (int i = 0; i < 3; i++) {
		struct stat st;

		fs_test_ctl->hidden = 1;
		until_stat(KNEE, ENOENT);
		until_stat(KNEE "/report.txt", ENOENT);
		ck_assert_str_eq(fs_test_names("Ann"),
		    ".consent|2026-01-01 Old (Clinic B)|");
		ck_assert(fstatat(here, "DICOMDIR", &st, 0) != 0);
		ck_assert_int_eq(errno, ENOENT);
		until_hidden(fd);
		fs_test_no_open(KNEE, O_PATH, ENOENT);
		until_stat(OLD "/report.txt", 0);
		fs_test_ctl->hidden = 0;
		until_stat(KNEE "/report.txt", 0);
		ck_assert_uint_eq(fs_test_ino(KNEE "/report.txt"), ino);
		fs_test_expect(KNEE "/report.txt", 1, 10);
	}
	(void)close(fd);
	(void)close(here);
	fs_test_stop();
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
	fd = open(fs_test_in(KNEE "/IMAGES/IM000002"), O_RDONLY);
	while (pread(fd, room, sizeof(room), 0) > 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	_exit(errno);
}

START_TEST(signal_while_busy)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid[3];
		int fd;

		fs_test_start((struct fs_opts){ 0 });
		fd = open(fs_test_in(KNEE "/report.txt"), O_RDONLY);
		for (size_t k = 0; k < ARRAY_LEN(pid); k++)
			pid[k] = busy_reader();
		while (fs_test_ctl->reads < 200)
			clock_sleep_ms(1);
		fs_test_ctl->reads = 0;
		ck_assert_int_eq(kill(fs_test_server, SIGTERM), 0);
		fs_test_ends(0); /* though files are open */
		for (size_t k = 0; k < ARRAY_LEN(pid); k++)
			ck_assert_int_ne(WEXITSTATUS(status_of(pid[k])), 0);
		(void)close(fd);
		ck_assert(!fs_test_mounted());
	}
}
END_TEST

START_TEST(signal_while_waiting)
{
	pid_t pid;

	fs_test_start((struct fs_opts){ 0 });
	fs_test_ctl->open_answer = ERR_PENDING;
	fs_test_ctl->delay_ms = -1;
	pid = opener(false);
	while (fs_test_ctl->opens == 0)
		clock_sleep_ms(1);
	fs_test_stop();
	ck_assert_int_eq(status_of(pid), EINTR << 8);
}
END_TEST

/* The kernel is being told to drop a page that a request holds: whoever tells
 * cannot be killed, and must not keep the request alive. */
START_TEST(killed_while_telling)
{
	pid_t pid;

	fs_test_start((struct fs_opts){ 0 });
	fs_test_ctl->read_pending = 1;
	fs_test_ctl->delay_ms = -1;
	pid = opener(true);
	while (fs_test_ctl->fetches == 0)
		clock_sleep_ms(1);
	fs_test_ctl->do_dark = 1;
	clock_sleep_ms(200);
	ck_assert_int_eq(fs_test_ctl->do_dark, 1); /* it waits */
	ck_assert_int_eq(kill(fs_test_ctl->server, SIGKILL), 0);
	fs_test_ends(1);
	ck_assert_int_ne(status_of(pid), 0);
	ck_assert(!fs_test_mounted());
}
END_TEST

START_TEST(unmounted_by_another)
{
	fs_test_start((struct fs_opts){ 0 });
	fs_test_expect(KNEE "/report.txt", 1, 10);
	ck_assert_int_eq(umount2(fs_test_dir, 0), 0);
	fs_test_ends(0);
	ck_assert(!fs_test_mounted());
}
END_TEST

START_TEST(places_that_are_none)
{
	pid_t first;

	fs_test_start((struct fs_opts){ 0 });
	first = fs_test_server;
	ck_assert_int_eq(fs_test_try((struct fs_opts){ 0 }), ERR_BUSY);
	(void)status_of(fs_test_server);
	fs_test_server = first;
	fs_test_stop();
	ck_assert_int_eq(rmdir(fs_test_dir), 0);
	ck_assert_int_eq(fs_test_try((struct fs_opts){ 0 }), ERR_NOTFOUND);
	(void)status_of(fs_test_server);
	fs_test_server = 0;
}
END_TEST

void
fs_test_wait(TCase *c)
{
	tcase_add_test(c, parked_open);
	tcase_add_test(c, waiting_holds_no_worker);
	tcase_add_test(c, interrupted);
	tcase_add_test(c, interrupts_at_any_time);
	tcase_add_test(c, parked_read);
	tcase_add_test(c, revocation_reaches_pages);
	tcase_add_test(c, sets_vanish_and_come_back);
	tcase_add_test(c, signal_while_busy);
	tcase_add_test(c, signal_while_waiting);
	tcase_add_test(c, killed_while_telling);
	tcase_add_test(c, unmounted_by_another);
	tcase_add_test(c, places_that_are_none);
}
