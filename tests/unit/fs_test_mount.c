/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real mount, served by another process over the test's gate: what is shown.
 */
#include "fs_test.h"

#include <dirent.h>
#include <fcntl.h>
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
#include "base/text.h"

char fs_test_dir[64];
pid_t fs_test_server;
static char path_room[4][512];

const char *
fs_test_in(const char *path)
{
	static unsigned turn;
	char *out = path_room[turn++ % 4];

	ck_assert_int_lt(
	    snprintf(out, sizeof(path_room[0]), "%s/%s", fs_test_dir, path),
	    (int)sizeof(path_room[0]));
	return out;
}

static void
no_log(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static enum err
settle(void *ctx, pid_t server)
{
	(void)ctx, (void)server;
	return ERR_OK;
}

/* The keeper's process, and the server's: tell by ${fd} how the start went,
 * then serve. */
static void __attribute__((noreturn)) serve(struct fs_opts *o, int fd)
{
	const struct keeper_run run = { -1, settle, NULL };
	bool is_server = false;
	struct fs *fs = NULL;
	enum err e = keeper_new(o->mountpoint, &o->keeper);
	uint8_t report;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (e == ERR_OK)
		e = keeper_fork(o->keeper, &is_server);
	if (e == ERR_OK && !is_server)
		_exit(keeper_run(o->keeper, &run));
	if (e == ERR_OK)
		e = fs_open(o, &fs);
	fs_test_ctl->server = getpid();
	report = (uint8_t)e;
	if (write(fd, &report, 1) != 1)
		_exit(9);
	if (e == ERR_OK)
		e = fs_run(fs);
	fs_close(fs);
	_exit(err_exit(e));
}

/* No assertions here and in fs_test_setup(): may_mount() is no test. */
enum err
fs_test_try(struct fs_opts o)
{
	uint8_t report = ERR_FORMAT;
	int fd[2];

	o.home_dir = "";
	o.mountpoint = fs_test_dir;
	o.no_sandbox = true; /* there is no home */
	if (pipe(fd) != 0)
		return ERR_FORMAT;
	fs_test_server = fork();
	if (fs_test_server == 0)
		serve(&o, fd[1]);
	(void)close(fd[1]);
	if (read(fd[0], &report, 1) != 1)
		report = ERR_FORMAT;
	(void)close(fd[0]);
	return (enum err)report;
}

void
fs_test_start(struct fs_opts o)
{
	ck_assert_int_eq(fs_test_try(o), ERR_OK);
}

void
fs_test_ends(int want)
{
	int64_t end = clock_boot_ms() + 20000;
	int status = -1;
	pid_t r = 0;

	while (r == 0 && clock_boot_ms() < end) {
		r = waitpid(fs_test_server, &status, WNOHANG);
		if (r == 0)
			clock_sleep_ms(5);
	}
	ck_assert_int_eq(r, fs_test_server);
	fs_test_server = 0;
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), want);
}

bool
fs_test_mounted(void)
{
	char up[80];
	struct stat a, b;

	(void)snprintf(up, sizeof(up), "%s/..", fs_test_dir);
	return stat(fs_test_dir, &a) != 0 || stat(up, &b) != 0 ||
	    a.st_dev != b.st_dev;
}

void
fs_test_stop(void)
{
	ck_assert_int_eq(kill(fs_test_server, SIGTERM), 0);
	fs_test_ends(0);
	ck_assert(!fs_test_mounted());
	ck_assert_int_eq(fs_test_ctl->stuck_reading, 0);
}

void
fs_test_setup(void)
{
	log_set_sink(no_log);
	fs_test_ctl = mmap(NULL, sizeof(*fs_test_ctl), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(fs_test_dir, sizeof(fs_test_dir), "/tmp/fs_test.XXXXXX");
	if (fs_test_ctl == MAP_FAILED || mkdtemp(fs_test_dir) == NULL)
		abort();
}

void
fs_test_teardown(void)
{
	if (fs_test_server > 0) {
		(void)kill(fs_test_server, SIGKILL);
		(void)waitpid(fs_test_server, NULL, 0);
		(void)umount2(fs_test_dir, MNT_DETACH);
		fs_test_server = 0;
	}
	(void)rmdir(fs_test_dir);
	(void)munmap(fs_test_ctl, sizeof(*fs_test_ctl));
}

uint64_t
fs_test_ino(const char *path)
{
	struct stat st;

	ck_assert_msg(
	    stat(fs_test_in(path), &st) == 0, "%s: %s", path, strerror(errno));
	return st.st_ino;
}

const char *
fs_test_names(const char *path)
{
	static char all[512];
	struct dirent **e = NULL;
	int n = scandir(fs_test_in(path), &e, NULL, alphasort);
	size_t used = 0;

	ck_assert_int_ge(n, 2);
	all[0] = '\0';
	for (int i = 0; i < n; i++) {
		if (strcmp(e[i]->d_name, ".") && strcmp(e[i]->d_name, ".."))
			used += (size_t)snprintf(all + used, sizeof(all) - used,
			    "%s|", e[i]->d_name);
		free(e[i]);
	}
	free(e);
	return all;
}

void
fs_test_expect(const char *path, uint32_t number, size_t size)
{
	CLEANUP(free) uint8_t *p = malloc(size + 1);
	CLEANUP_FD int fd = open(fs_test_in(path), O_RDONLY);
	size_t n = 0;
	ssize_t k;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	while ((k = read(fd, p + n, size + 1 - n)) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, size);
	while (n > 0 && p[n - 1] == fs_test_byte(number, n - 1))
		n--;
	ck_assert_msg(n == 0, "%s: wrong byte %zu", path, n - 1);
}

void
fs_test_no_open(const char *path, int flags, int want)
{
	CLEANUP_FD int fd = open(fs_test_in(path), flags, 0600);

	ck_assert_int_lt(fd, 0);
	ck_assert_int_eq(errno, want);
}

/* ---- what is shown ---- */

START_TEST(names_and_contents)
{
	fs_test_start((struct fs_opts){ 0 });
	ck_assert_str_eq(fs_test_names("."), "Ann|Berta|");
	ck_assert_str_eq(fs_test_names("Ann"),
	    ".consent|2026-01-01 Old (Clinic B)|2026-03-02 Knee (Clinic A)|");
	ck_assert_str_eq(fs_test_names(KNEE),
	    "DICOMDIR|IMAGES|report.txt|\xc3\xbc"
	    "bersicht.txt|");
	ck_assert_str_eq(
	    fs_test_names(KNEE "/IMAGES"), "IM000001|IM000002|sub|");
	ck_assert_str_eq(fs_test_names("Ann/.consent"),
	    "HOW-TO-ASK.txt|inquiries.txt|status.txt|");
	fs_test_expect(KNEE "/report.txt", 1, 10);
	fs_test_expect(KNEE "/IMAGES/IM000002", 2, 3000000);
	fs_test_expect(KNEE "/IMAGES/IM000001", 4, 300001);
	fs_test_expect(KNEE "/IMAGES/sub/empty", 5, 0);
	ck_assert_uint_eq(fs_test_ctl->opens, 4);
	ck_assert_str_eq(fs_test_ctl->app, "fs_test");
	ck_assert_str_ne(fs_test_ctl->login, "");
	fs_test_no_open("Ann/x", O_RDONLY, ENOENT);
	fs_test_no_open(KNEE "/report.txt/x", O_RDONLY, ENOTDIR);
	fs_test_no_open(KNEE "/IMAGES", O_RDWR, EISDIR);
	fs_test_stop();
	ck_assert_uint_eq(fs_test_ctl->closes, 4);
}
END_TEST

static void
expect_xattr(const char *path, const char *name, const char *want)
{
	char value[64] = "";
	ssize_t n = getxattr(fs_test_in(path), name, value, sizeof(value) - 1);

	if (want == NULL) {
		ck_assert_int_eq(n, -1);
		ck_assert_int_eq(errno, ENODATA);
		return;
	}
	ck_assert_str_eq(value, want);
	ck_assert_int_eq(getxattr(fs_test_in(path), name, NULL, 0), n);
	ck_assert_int_eq(
	    getxattr(fs_test_in(path), name, value, 1), n > 1 ? -1 : n);
}

START_TEST(attributes)
{
	struct statvfs v;
	struct stat st;

	fs_test_start((struct fs_opts){ 0 });
	ck_assert_int_eq(stat(fs_test_in(KNEE "/IMAGES/IM000001"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0400);
	ck_assert_int_eq(st.st_size, 300001);
	ck_assert_int_eq(st.st_blocks, 586);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1700000001);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 234000000);
	ck_assert_uint_eq(st.st_uid, getuid());
	ck_assert_int_eq(stat(fs_test_in(KNEE), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0500);
	ck_assert_int_eq(statvfs(fs_test_dir, &v), 0);
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
	ck_assert_int_eq(listxattr(fs_test_in("Ann"), NULL, 0), 0);
	ck_assert_int_gt(listxattr(fs_test_in(KNEE "/report.txt"), NULL, 0),
	    listxattr(fs_test_in(KNEE), NULL, 0));
	fs_test_stop();
	ck_assert_uint_eq(fs_test_ctl->opens, 0);
}
END_TEST

START_TEST(nothing_is_written)
{
	fs_test_start((struct fs_opts){ 0 });
	fs_test_no_open(KNEE "/report.txt", O_WRONLY, EROFS);
	fs_test_no_open(KNEE "/report.txt", O_RDWR | O_TRUNC, EROFS);
	fs_test_no_open(KNEE "/new", O_WRONLY | O_CREAT, EROFS);
	ck_assert(mkdir(fs_test_in("Ann/new"), 0700) != 0 && errno == EROFS);
	ck_assert(
	    unlink(fs_test_in(KNEE "/report.txt")) != 0 && errno == EROFS);
	ck_assert(
	    rename(fs_test_in(KNEE), fs_test_in("x")) != 0 && errno == EROFS);
	ck_assert(
	    truncate(fs_test_in(KNEE "/report.txt"), 1) != 0 && errno == EROFS);
	ck_assert(chmod(fs_test_in(KNEE), 0700) != 0 && errno == EROFS);
	ck_assert(setxattr(fs_test_in(KNEE), "user.x", "", 0, 0) != 0 &&
	    errno == EROFS);
	fs_test_stop();
}
END_TEST

START_TEST(numbers_outlive_a_remount)
{
	static const char *const paths[] = { "Ann", "Ann/.consent",
		"Ann/.consent/status.txt", KNEE, KNEE "/IMAGES",
		KNEE "/IMAGES/sub", KNEE "/report.txt", OLD "/report.txt",
		MANY "/all" };
	uint64_t ino[ARRAY_LEN(paths)];

	fs_test_start((struct fs_opts){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ino[i] = fs_test_ino(paths[i]);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(ino[k], ino[i]);
	}
	fs_test_stop();
	fs_test_start((struct fs_opts){ 0 });
	for (size_t i = ARRAY_LEN(paths); i-- > 0;)
		ck_assert_uint_eq(fs_test_ino(paths[i]), ino[i]);
	fs_test_stop();
}
END_TEST

START_TEST(texts_are_of_now)
{
	char text[64] = "", want[64];
	struct stat st;

	fs_test_start((struct fs_opts){ 0 });
	for (int i = 0; i < 2; i++) {
		CLEANUP_FD int fd = open(
		    fs_test_in("Berta/.consent/status.txt"), O_RDONLY);
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
	fs_test_stop();
}
END_TEST

START_TEST(pages_are_kept)
{
	unsigned reads;

	fs_test_start((struct fs_opts){ 0 });
	fs_test_expect(KNEE "/IMAGES/IM000001", 4, 300001);
	reads = fs_test_ctl->reads;
	fs_test_expect(KNEE "/IMAGES/IM000001", 4, 300001);
	ck_assert_uint_eq(fs_test_ctl->reads, reads);
	ck_assert_uint_eq(fs_test_ctl->opens, 2); /* but each open counts */
	fs_test_stop();
	fs_test_start((struct fs_opts){ .direct_io = true });
	fs_test_expect(KNEE "/IMAGES/IM000001", 4, 300001);
	reads = fs_test_ctl->reads;
	fs_test_expect(KNEE "/IMAGES/IM000001", 4, 300001);
	ck_assert_uint_gt(fs_test_ctl->reads, reads);
	fs_test_stop();
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

	fs_test_start((struct fs_opts){ 0 });
	memset(seen, 0, sizeof(seen));
	d = opendir(fs_test_in(MANY "/all"));
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		unsigned i = 0;

		if (e->d_name[0] == '.')
			continue;
		if (sscanf(e->d_name, "f%u", &i) != 1 || i % 7919)
			ck_abort_msg("what is %s?", e->d_name);
		if (seen[i / 7919])
			ck_abort_msg("%s is listed twice", e->d_name);
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
	fs_test_stop();
}
END_TEST

START_TEST(ciphertext)
{
	char json[2][64] = { "", "" }, path[512], *set;
	struct stat st;

	fs_test_start((struct fs_opts){ .ciphertext = true });
	for (uint8_t i = 1; i <= 3; i++) { /* by their ids, no names */
		const struct event_id id = { { i } };

		(void)snprintf(path, sizeof(path), "%s/blobs", TEXT58(&id));
		(void)fs_test_ino(path);
	}
	set = strdup(fs_test_names("."));
	ck_assert_ptr_nonnull(set);
	*strchr(set, '|') = '\0';
	(void)snprintf(path, sizeof(path), "%s/set.json", set);
	for (int i = 0; i < 2; i++) {
		CLEANUP_FD int fd = open(fs_test_in(path), O_RDONLY);

		ck_assert_int_gt(read(fd, json[i], 63), 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_uint_eq((size_t)st.st_size, strlen(json[i]));
	}
	ck_assert_str_eq(json[0], json[1]); /* made once */
	(void)snprintf(path, sizeof(path), "%s/blobs", set);
	(void)snprintf(path, sizeof(path), "%s/blobs/%.*s", set,
	    (int)strcspn(fs_test_names(path), "|"), fs_test_names(path));
	ck_assert_int_eq(stat(fs_test_in(path), &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1700000000);
	ck_assert_int_gt(st.st_size, 0);
	fs_test_no_open("Ann", O_RDONLY, ENOENT);
	fs_test_stop();
	ck_assert_uint_eq(fs_test_ctl->opens, 0);
	free(set);
}
END_TEST

/* Mounting must be allowed; the rest of the program needs no such right. */
static bool
may_mount(void)
{
	bool ok;

	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return false;
	fs_test_setup();
	ok = fs_test_try((struct fs_opts){ 0 }) == ERR_OK;
	fs_test_teardown();
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
	tcase_add_checked_fixture(c, fs_test_setup, fs_test_teardown);
	tcase_add_test(c, names_and_contents);
	tcase_add_test(c, attributes);
	tcase_add_test(c, nothing_is_written);
	tcase_add_test(c, numbers_outlive_a_remount);
	tcase_add_test(c, texts_are_of_now);
	tcase_add_test(c, pages_are_kept);
	tcase_add_test(c, big_directory);
	tcase_add_test(c, ciphertext);
	fs_test_wait(c);
	return c;
}
