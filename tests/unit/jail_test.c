/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each deed is done twice in a process of its own: outside the sandbox, where
 * it must work, so that the test can fail, and inside, where it must not.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "jail_test.h"

static char dir[] = "/tmp/jail-test-XXXXXX";
static char path[200];

const char *
jail_test_in(const char *name)
{
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
put(const char *name)
{
	int fd = open(jail_test_in(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "text", 4), 4);
	(void)close(fd);
}

static void
set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(jail_test_in("mine"), 0700), 0);
	ck_assert_int_eq(mkdir(jail_test_in("seen"), 0700), 0);
	ck_assert_int_eq(mkdir(jail_test_in("other"), 0700), 0);
	ck_assert_int_eq(mkdir(jail_test_in("named"), 0700), 0);
	ck_assert_int_eq(mkdir(jail_test_in("named/folder"), 0700), 0);
	put("named/folder/file");
	put("mine/file");
	put("seen/file");
	put("other/file");
	ck_assert_int_eq(mkdir(jail_test_in("token"), 0700), 0);
	put("token/file");
	put("token/next");
}

static void
tear_down(void)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static enum err
enter(void)
{
	char mine[200], seen[200], named[200], token[200], url[60];
	struct jail j = { 0 };

	(void)strcpy(mine, jail_test_in("mine"));
	(void)strcpy(seen, jail_test_in("seen"));
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/path:9",
	    jail_test_port(true));
	(void)strcpy(named, jail_test_in("named"));
	jail_write(&j, mine);
	jail_rename(&j, named);
	jail_read(&j, seen);
	(void)strcpy(token, jail_test_in("token/file"));
	jail_read_replaced(&j, token);
	jail_read(&j, jail_test_in("missing"));
	jail_connect(&j, url);
	jail_bind(&j, 0);
	return jail_enter(&j);
}

enum end { DONE, DENIED, KILLED, ABSENT };

static enum end
end_of(int r)
{
	if (r >= 0)
		return DONE;
	if (errno == EPERM || errno == EACCES || errno == EXDEV)
		return DENIED;
	return errno == ENOSYS ? ABSENT : DONE;
}

/* How ${run} ends in a process of its own. */
static enum end
try(int (*run)(void), bool inside)
{
	int status = 0;
	pid_t pid;

	set_up();
	pid = fork();
	if (pid == 0) {
		if (inside && enter() != ERR_OK)
			_exit(100);
		_exit((int)end_of(run()));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	tear_down();
	(void)strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= ABSENT,
	    "ended with %x", status);
	return (enum end)WEXITSTATUS(status);
}

static bool
is_enforced(const struct deed *d)
{
#ifdef WITH_SANITIZER
	if (d->by == BY_FILTER)
		return false;
#endif
	return d->by == BY_FILTER || landlock_abi() >= d->abi;
}

START_TEST(forbidden)
{
	size_t denied = 0, skipped = 0;

	for (size_t i = 0; i < jail_test_ndeeds; i++) {
		const struct deed *d = &jail_test_deeds[i];
		enum end out = try(d->run, false), in;

		if (!is_enforced(d) || out != DONE) {
			printf("skipped: %s\n", d->name);
			skipped++;
			continue;
		}
		in = try(d->run, true);
		ck_assert_msg(in != DONE, "'%s' works inside", d->name);
		ck_assert_msg(
		    (in == KILLED) == d->kills, "'%s': %d", d->name, (int)in);
		denied++;
	}
	printf("denied: %zu of %zu; %zu do not work outside either, or this "
	       "kernel or build restricts less\n",
	    denied, jail_test_ndeeds - skipped, skipped);
#ifndef WITH_SANITIZER
	if (geteuid() == 0)
		ck_assert_uint_ge(denied, 30);
#endif
}
END_TEST

START_TEST(needed)
{
	for (size_t i = 0; i < jail_test_nneeds; i++) {
		enum end in = try(jail_test_needs[i].run, true);

		ck_assert_msg(in == DONE, "'%s' is denied (%d)",
		    jail_test_needs[i].name, (int)in);
	}
}
END_TEST

static int
no_privileges(void)
{
	char line[200];
	FILE *f = fopen("/proc/self/status", "r");
	int ok = 0;

	while (f && fgets(line, sizeof(line), f))
		ok += strcmp(line, "NoNewPrivs:\t1\n") == 0 ||
		    strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
		    strcmp(line, "CapPrm:\t0000000000000000\n") == 0 ||
		    (strcmp(line, "CapBnd:\t0000000000000000\n") == 0 &&
			geteuid() == 0);
	errno = EPERM;
	return ok == (geteuid() == 0 ? 4 : 3) ? 0 : -1;
}

START_TEST(privileges)
{
	ck_assert_int_eq(try(no_privileges, true), DONE);
}
END_TEST

static int
off(void)
{
	const struct jail j = { .off = true };

	return jail_enter(&j) == ERR_OK ? open("/tmp", O_RDONLY) : -1;
}

START_TEST(switched_off)
{
	ck_assert_int_eq(try(off, false), DONE);
}
END_TEST

START_TEST(ports)
{
	struct jail j = { 0 };

	jail_connect(&j, NULL);
	jail_connect(&j, "http://host/a:7");
	jail_connect(&j, "https://host");
	jail_connect(&j, "https://[::1]/");
	jail_connect(&j, "http://[::1]:81");
	jail_connect(&j, "http://host:6860/v1?x=:9");
	ck_assert_uint_eq(j.nconnect, 5);
	ck_assert_uint_eq(j.connect[0], 80);
	ck_assert_uint_eq(j.connect[1], 443);
	ck_assert_uint_eq(j.connect[2], 443);
	ck_assert_uint_eq(j.connect[3], 81);
	ck_assert_uint_eq(j.connect[4], 6860);
	ck_assert(!j.any_connect);
	jail_connect(&j, "http://host:0");
	ck_assert(j.any_connect);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { forbidden, needed, privileges,
		switched_off, ports };
	Suite *s = suite_create("jail");
	TCase *t = tcase_create("jail");
	SRunner *r;
	int failed;

	log_start("jail_test", LOG_WARN);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
