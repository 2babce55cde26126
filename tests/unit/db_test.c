/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "db/db.h"

static char dir[256];
static const struct db_opts opts = { "test", 3, 8 << 20 };

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(
	    dir, sizeof(dir), "%s/db_test.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct db_val
str(const char *s)
{
	return (struct db_val){ s, strlen(s) };
}

static bool
is(struct db_val v, const char *s)
{
	return v.n == strlen(s) && memcmp(v.p, s, v.n) == 0;
}

static struct db *
must_open(const struct db_opts *o)
{
	struct db *d = NULL;

	ck_assert_int_eq(db_open(dir, o, &d), ERR_OK);
	return d;
}

static struct db_table
must_table(struct db *d, const char *name)
{
	struct db_table t;

	ck_assert_int_eq(db_table(d, name, &t), ERR_OK);
	return t;
}

static void
put_str(struct db *d, struct db_table tab, const char *k, const char *v)
{
	struct db_txn t;

	db_write(d, &t);
	db_put(&t, tab, str(k), str(v));
	ck_assert_int_eq(db_commit(&t), ERR_OK);
}

START_TEST(rows_survive)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	struct db_val v;
	struct db_txn t;

	put_str(d, tab, "one", "1");
	put_str(d, tab, "one", "uno");
	put_str(d, tab, "empty", "");
	db_close(d);
	d = must_open(&opts);
	tab = must_table(d, "a");
	db_read(d, &t);
	ck_assert(db_get(&t, tab, str("one"), &v) && is(v, "uno"));
	ck_assert(db_get(&t, tab, str("empty"), &v) && v.n == 0);
	ck_assert(!db_get(&t, tab, str("on"), &v));
	ck_assert_uint_eq(db_count(&t, tab), 2);
	ck_assert_int_eq(t.err, ERR_OK);
	db_abort(&t);
	db_abort(&t); /* harmless */
	db_close(d);
	db_close(NULL);
}
END_TEST

START_TEST(abort_writes_nothing)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	struct db_val v;

	{
		CLEANUP_TXN struct db_txn t;

		db_write(d, &t);
		db_put(&t, tab, str("k"), str("v"));
		ck_assert(db_get(&t, tab, str("k"), &v));
	}
	{
		CLEANUP_TXN struct db_txn t;

		db_read(d, &t);
		ck_assert(!db_get(&t, tab, str("k"), &v));
		ck_assert_int_eq(t.err, ERR_OK);
	}
	db_close(d);
}
END_TEST

START_TEST(readers_see_a_snapshot)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	struct db_txn old, new;
	struct db_val v, w;

	put_str(d, tab, "k", "old");
	db_read(d, &old);
	put_str(d, tab, "k", "new");
	db_read(d, &new); /* two readers in one thread */
	ck_assert(db_get(&old, tab, str("k"), &v) && is(v, "old"));
	ck_assert(db_get(&new, tab, str("k"), &w) && is(w, "new"));
	ck_assert(is(v, "old"));
	db_abort(&old);
	db_abort(&new);
	db_close(d);
}
END_TEST

START_TEST(errors_stick)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	static char big[600];
	struct db_val v;
	struct db_txn t;

	memset(big, 'x', sizeof(big));
	db_write(d, &t);
	db_put(&t, tab, str("k"), str("v"));
	db_put(&t, tab, (struct db_val){ big, 512 }, str("v"));
	ck_assert_int_eq(t.err, ERR_INVAL);
	ck_assert(!db_get(&t, tab, str("k"), &v));
	ck_assert_uint_eq(db_count(&t, tab), 0);
	ck_assert_int_eq(db_commit(&t), ERR_INVAL);
	ck_assert_int_eq(db_commit(&t), ERR_INVAL);

	db_write(d, &t);
	db_put(&t, tab, str(""), str("v"));
	ck_assert_int_eq(db_commit(&t), ERR_INVAL);

	db_write(d, &t);
	db_put(&t, tab, (struct db_val){ big, 511 }, str("v"));
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	db_put(&t, tab, str("k"), str("v")); /* has ended */
	ck_assert_int_eq(t.err, ERR_INVAL);

	db_read(d, &t);
	ck_assert(!db_get(&t, tab, str("k"), &v));
	db_put(&t, tab, str("k"), str("v"));
	ck_assert_int_eq(t.err, ERR_INVAL);
	db_abort(&t);
	db_close(d);
}
END_TEST

START_TEST(order_and_ends)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a"), none = must_table(d, "b");
	struct db_val k, v;
	struct db_txn t;

	put_str(d, tab, "b", "2");
	put_str(d, tab, "a", "1");
	put_str(d, tab, "\xff", "3");
	db_read(d, &t);
	ck_assert(db_next(&t, tab, str(""), &k, &v) && is(k, "a"));
	ck_assert(
	    db_next(&t, tab, str("aa"), &k, &v) && is(k, "b") && is(v, "2"));
	ck_assert(db_next(&t, tab, str("b"), &k, &v) && is(k, "b"));
	ck_assert(!db_next(&t, tab, str("\xff\x01"), &k, &v));
	ck_assert(db_last(&t, tab, &k, &v) && is(v, "3"));
	ck_assert(!db_last(&t, none, &k, &v));
	ck_assert(!db_next(&t, none, str(""), &k, &v));
	ck_assert_int_eq(t.err, ERR_OK);
	db_abort(&t);
	db_close(d);
}
END_TEST

struct seen {
	char keys[64];
	size_t stop;
};

static bool
note(void *ctx, struct db_val key, struct db_val value)
{
	struct seen *s = ctx;

	ck_assert_uint_eq(value.n, 1);
	strncat(s->keys, key.p, key.n);
	return strlen(s->keys) < s->stop;
}

START_TEST(walks)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	struct seen all = { "", 64 }, some = { "", 2 }, tail = { "", 64 };
	struct seen gone = { "", 64 };
	struct db_val v;
	struct db_txn t;

	for (const char *p = "dbaec"; *p; p++)
		put_str(d, tab, (char[]){ *p, 0 }, "v");
	db_write(d, &t);
	db_walk(&t, tab, str(""), note, &all);
	db_walk(&t, tab, str("b"), note, &some);
	db_walk(&t, tab, str("cc"), note, &tail);
	db_del(&t, tab, str("c"));
	db_del(&t, tab, str("never there"));
	ck_assert(!db_get(&t, tab, str("c"), &v));
	ck_assert_uint_eq(db_count(&t, tab), 4);
	db_drop(&t, tab);
	db_walk(&t, tab, str(""), note, &gone);
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	ck_assert_str_eq(all.keys, "abcde");
	ck_assert_str_eq(some.keys, "bc");
	ck_assert_str_eq(tail.keys, "de");
	ck_assert_str_eq(gone.keys, "");
	db_close(d);
}
END_TEST

/* LMDB itself would let the first value change under our feet. */
START_TEST(values_live_until_the_end)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	struct db_val v, k, w;
	struct db_txn t;
	char key[16];

	db_write(d, &t);
	db_put(&t, tab, str("k"), str("before"));
	ck_assert(db_get(&t, tab, str("k"), &v));
	ck_assert(db_last(&t, tab, &k, &w));
	db_put(&t, tab, str("k"), str("change"));
	for (int i = 0; i < 500; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		db_put(&t, tab, str(key), str("filler filler filler"));
	}
	db_del(&t, tab, str("k"));
	ck_assert(is(v, "before") && is(w, "before") && is(k, "k"));
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	db_close(d);
}
END_TEST

START_TEST(other_formats_are_refused)
{
	static const struct db_opts version = { "test", 4, 8 << 20 };
	static const struct db_opts name = { "tess", 3, 8 << 20 };
	static const struct db_opts longer = { "testing", 3, 8 << 20 };
	struct db *d = must_open(&opts);

	db_close(d);
	ck_assert_int_eq(db_open(dir, &version, &d), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(
	    strstr(err_detail(ERR_UNSUPPORTED), "'test' version 3"));
	ck_assert_ptr_nonnull(
	    strstr(err_detail(ERR_UNSUPPORTED), "'test' version 4"));
	ck_assert_int_eq(db_open(dir, &name, &d), ERR_UNSUPPORTED);
	ck_assert_int_eq(db_open(dir, &longer, &d), ERR_UNSUPPORTED);
	d = must_open(&opts);
	db_close(d);
}
END_TEST

static void
data_path(char out[300])
{
	(void)snprintf(out, 300, "%s/data.mdb", dir);
}

START_TEST(damage_is_told)
{
	struct db *d = must_open(&opts);
	char path[300];
	int fd;

	db_close(d);
	data_path(path);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, path, 64, 16), 64);
	ck_assert_int_eq(pwrite(fd, path, 64, 4096 + 16), 64);
	(void)close(fd);
	ck_assert_int_eq(db_open(dir, &opts, &d), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CORRUPT), dir));
}
END_TEST

/* Cut at any page: an error, never SIGBUS. */
START_TEST(short_file_is_told)
{
	struct db *d = must_open(&opts);
	struct db_table tab = must_table(d, "a");
	char path[300];
	struct stat st;

	for (int i = 0; i < 40; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%d", i);
		put_str(d, tab, key, "value");
	}
	db_close(d);
	data_path(path);
	ck_assert_int_eq(truncate(path, 2 * 4096), 0);
	ck_assert_int_eq(db_open(dir, &opts, &d), ERR_CORRUPT);
	ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(full_map_keeps_what_was)
{
	static const struct db_opts small = { "test", 3, 256 << 10 };
	struct db *d = must_open(&small);
	struct db_table tab = must_table(d, "a");
	static char big[20000];
	struct db_txn t;
	struct db_val v;

	put_str(d, tab, "k", "kept");
	db_write(d, &t);
	for (int i = 0; i < 40; i++)
		db_put(&t, tab, DB_VAL(&i), DB_VAL(&big));
	ck_assert_int_eq(t.err, ERR_NOSPACE);
	ck_assert_int_eq(db_commit(&t), ERR_NOSPACE);
	put_str(d, tab, "l", "still writable");
	db_read(d, &t);
	ck_assert(db_get(&t, tab, str("k"), &v) && is(v, "kept"));
	ck_assert_uint_eq(db_count(&t, tab), 2);
	db_abort(&t);
	db_close(d);
}
END_TEST

/* LMDB writes its head with this, through the dynamic linker. */
static int fail_pwrites;

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	if (fail_pwrites > 0 && off < 2 * 4096) {
		fail_pwrites--;
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, off);
}

START_TEST(opened_anew_after_a_failed_write)
{
	struct db *d = must_open(&opts);
	struct db_table one = must_table(d, "one"), two = must_table(d, "two");
	struct db_txn t = { 0 }, reader = { 0 };
	const char *const key = "key";

	db_write(d, &t);
	db_put(&t, one, DB_VAL(key), DB_VAL(&fail_pwrites));
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	db_read(d, &reader);
	ck_assert_int_eq(reader.err, ERR_OK);
	db_write(d, &t);
	db_put(&t, two, DB_VAL(key), DB_VAL(&t.err));
	fail_pwrites = 2; /* and the attempt to take it back */
	ck_assert_int_eq(db_commit(&t), ERR_NOSPACE);
	fail_pwrites = 0;
	db_write(d, &t); /* not while somebody reads */
	ck_assert_int_eq(t.err, ERR_IO);
	db_abort(&t);
	ck_assert_uint_eq(db_count(&reader, one), 1);
	db_abort(&reader);
	db_write(d, &t);
	ck_assert_int_eq(t.err, ERR_OK);
	ck_assert_uint_eq(db_count(&t, one), 1);
	db_put(&t, two, DB_VAL(key), DB_VAL(&t.err));
	ck_assert_int_eq(db_commit(&t), ERR_OK);
	db_close(d);
}
END_TEST

START_TEST(table_names_and_number)
{
	struct db *d = must_open(&opts);
	struct db_table first, again, x;
	char name[16];

	ck_assert_int_eq(db_table(d, "meta", &x), ERR_INVAL);
	ck_assert_int_eq(db_table(d, "", &x), ERR_INVAL);
	for (int i = 0; i < 32; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		ck_assert_int_eq(db_table(d, name, &x), ERR_OK);
	}
	first = must_table(d, "t0");
	again = must_table(d, "t0");
	ck_assert_uint_eq(first.index, again.index);
	ck_assert_int_eq(db_table(d, "one too many", &x), ERR_INVAL);
	db_close(d);
}
END_TEST

static void
increment(struct db *d, struct db_table tab)
{
	uint64_t n = 0;
	struct db_val v;
	struct db_txn t;

	db_write(d, &t);
	if (db_get(&t, tab, str("n"), &v))
		memcpy(&n, v.p, sizeof(n));
	n++;
	db_put(&t, tab, str("n"), DB_VAL(&n));
	if (db_commit(&t) != ERR_OK)
		abort();
}

static uint64_t
counted(struct db *d, struct db_table tab)
{
	struct db_txn t;
	struct db_val v;
	uint64_t n;

	db_read(d, &t);
	ck_assert(db_get(&t, tab, str("n"), &v));
	memcpy(&n, v.p, sizeof(n));
	db_abort(&t);
	return n;
}

static void
child_counts(void)
{
	struct db *d;
	struct db_table tab;

	if (db_open(dir, &opts, &d) != ERR_OK ||
	    db_table(d, "a", &tab) != ERR_OK)
		_exit(1);
	for (int i = 0; i < 100; i++)
		increment(d, tab);
	db_close(d);
	_exit(0);
}

START_TEST(two_processes)
{
	struct db_table tab;
	struct db *d;
	pid_t child = fork();
	int status;

	if (child == 0)
		child_counts();
	d = must_open(&opts);
	tab = must_table(d, "a");
	for (int i = 0; i < 100; i++)
		increment(d, tab);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(counted(d, tab), 200);
	db_close(d);
}
END_TEST

/* Die with a write transaction open and a reader's slot taken. */
static void
child_dies(void)
{
	struct db_table tab;
	struct db_txn r, w;
	struct db *d;

	if (db_open(dir, &opts, &d) != ERR_OK ||
	    db_table(d, "a", &tab) != ERR_OK)
		_exit(1);
	increment(d, tab);
	db_read(d, &r);
	db_write(d, &w);
	db_put(&w, tab, str("n"), str("nonsense"));
	(void)raise(SIGKILL);
}

START_TEST(killed_writer)
{
	struct db_table tab;
	struct db *d;
	pid_t child = fork();
	int status;

	if (child == 0)
		child_dies();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	d = must_open(&opts);
	tab = must_table(d, "a");
	increment(d, tab);
	ck_assert_uint_eq(counted(d, tab), 2);
	db_close(d);
}
END_TEST

struct job {
	struct db *d;
	struct db_table tab;
};

static void *
thread_counts(void *arg)
{
	struct job *job = arg;
	struct db_txn t;
	struct db_val v;

	for (int i = 0; i < 50; i++) {
		increment(job->d, job->tab);
		db_read(job->d, &t);
		if (!db_get(&t, job->tab, str("n"), &v) || v.n != 8)
			abort();
		db_abort(&t);
	}
	return NULL;
}

START_TEST(many_threads)
{
	struct job job = { must_open(&opts), { 0 } };
	pthread_t threads[4];

	job.tab = must_table(job.d, "a");
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, thread_counts, &job), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(counted(job.d, job.tab), 200);
	db_close(job.d);
}
END_TEST

static void
add_case(Suite *s, const char *name, const TTest *const *tests, size_t n)
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
}

int
main(void)
{
	const TTest *const rows[] = { rows_survive, abort_writes_nothing,
		readers_see_a_snapshot, errors_stick, order_and_ends, walks,
		values_live_until_the_end, table_names_and_number,
		opened_anew_after_a_failed_write };
	const TTest *const bad[] = { other_formats_are_refused, damage_is_told,
		short_file_is_told, full_map_keeps_what_was };
	const TTest *const many[] = { two_processes, killed_writer,
		many_threads };
	Suite *s = suite_create("db");
	SRunner *runner;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	add_case(s, "rows", rows, ARRAY_LEN(rows));
	add_case(s, "bad", bad, ARRAY_LEN(bad));
	add_case(s, "many", many, ARRAY_LEN(many));
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
