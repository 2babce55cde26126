/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a program starts, with each allocation failing once, also those of the
 * libraries: it may fail, but not crash or hang.
 */
#include <check.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "http/http.h"
#include "jail/jail.h"
#include "seal/seal.h"

static long left; /* allocations until one fails; below 1: none does */

#ifdef WITH_SANITIZER /* which brings an allocator of its own */
#define FAILING false
#else
#define FAILING true
/* the C library's own names */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t k, size_t n);
void *__libc_realloc(void *p, size_t n);

static bool
fails(void)
{
	return left > 0 && --left == 0;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t k, size_t n)
{
	return fails() ? NULL : __libc_calloc(k, n);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
#endif

/* What each program does before it serves or asks anybody. */
static enum err
start(void)
{
	static const struct http_client_opts opts;
	static const struct event_id set;
	static const struct jail j;
	CLEANUP(http_client_free) struct http_client *c = NULL;
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP(seal_doc_free) struct seal_doc *doc = NULL;
	uint8_t head[SEAL_DOC_HEAD];
	enum err e = secret_init();

	if (e == ERR_OK)
		e = seal_init();
	if (e == ERR_OK)
		e = http_client_new(&opts, &c);
	if (e == ERR_OK)
		e = jail_enter(&j);
	if (e == ERR_OK)
		e = secret_new(SEAL_KEY, &key);
	if (e == ERR_OK)
		e = seal_doc_begin(key, &set, 1, 1, &doc, head);
	return e;
}

/* In a process of its own: 0: allocation ${nth} failed; 1: there was none. */
static int
start_without(long nth)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		bool hit;

		(void)alarm(30);
		left = nth;
		(void)err_detail(start());
		hit = left == 0;
		left = 0;
		_exit(!hit);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(
	    WIFEXITED(status), "allocation %ld: ended with %x", nth, status);
	return WEXITSTATUS(status);
}

START_TEST(without_memory)
{
	const long step = getenv("LONG") ? 1 : 7;
	long n = 0;

	/* glibc 2.36 itself ends a process that has no memory at its first look
	 * into nsswitch.conf, so that is done beforehand */
	(void)getpwuid(getuid());
	while (FAILING && start_without(1 + n * step) == 0)
		n++;
	printf("starts without memory: crashes 0 of %ld\n", n);
	ck_assert(!FAILING || n > 100);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("start");
	TCase *t = tcase_create("start");
	SRunner *r;
	int failed;

	log_start("start_test", LOG_ERROR);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, without_memory);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
