/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "blobs_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"

char blobs_test_dir[256];
uint8_t blobs_test_bytes[LENGTH], blobs_test_leaves[32 * SPANS];
struct blob_id blobs_test_id;

static void
no_log(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
blobs_test_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	log_set_sink(no_log);
	(void)snprintf(blobs_test_dir, sizeof(blobs_test_dir),
	    "%s/blobs_test.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(blobs_test_dir));
	for (uint32_t i = 0; i < LENGTH; i++)
		blobs_test_bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	for (uint64_t i = 0; i < SPANS; i++)
		seal_leaf(i, blobs_test_bytes + i * SEAL_SPAN,
		    blobs_span_len(LENGTH, i), blobs_test_leaves + 32 * i);
	seal_blob_id(LENGTH, blobs_test_leaves, SPANS, &blobs_test_id);
}

void
blobs_test_teardown(void)
{
	(void)nftw(blobs_test_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct blobs *
blobs_test_open(uint64_t max_bytes)
{
	const struct blobs_opts opts = { blobs_test_dir, max_bytes };
	struct blobs *b = NULL;
	enum err e = blobs_open(&opts, &b);

	ck_assert_msg(e == ERR_OK, "%s", err_detail(e));
	return b;
}

struct blob *
blobs_test_get(struct blobs *b, const struct blob_id *id)
{
	struct blob *x = NULL;
	enum err e = blobs_get(b, id, &x);

	ck_assert_msg(e == ERR_OK, "%s", err_detail(e));
	return x;
}

struct blob *
blobs_test_begin(struct blobs *b)
{
	ck_assert_int_eq(
	    blobs_begin(b, &blobs_test_id, LENGTH, blobs_test_leaves, SPANS),
	    ERR_OK);
	return blobs_test_get(b, &blobs_test_id);
}

enum err
blobs_test_put(struct blob *x, uint64_t i)
{
	return blobs_span_put(
	    x, i, blobs_test_bytes + i * SEAL_SPAN, blobs_span_len(LENGTH, i));
}

struct blob_id
blobs_test_add(struct blobs *b, uint8_t fill, size_t n)
{
	CLEANUP(free) uint8_t *p = malloc(n + 1);
	struct blob_id id;

	memset(p, fill, n);
	ck_assert_int_eq(blobs_add(b, p, n, &id), ERR_OK);
	return id;
}

void
blobs_test_path(const struct blob_id *id, const char *suffix, char out[400])
{
	char name[BLOBS_NAME];

	blobs_name(id, suffix, name);
	(void)snprintf(out, 400, "%s/%s", blobs_test_dir, name);
}

bool
blobs_test_file(const struct blob_id *id, const char *suffix)
{
	char path[400];

	blobs_test_path(id, suffix, path);
	return access(path, F_OK) == 0;
}

void
blobs_test_flip(const struct blob_id *id, const char *suffix, off_t off)
{
	char path[400];
	uint8_t byte;
	int fd;

	blobs_test_path(id, suffix, path);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_pread(fd, &byte, 1, off), ERR_OK);
	byte ^= 0x20;
	ck_assert_int_eq(file_pwrite(fd, &byte, 1, off), ERR_OK);
	(void)close(fd);
}

START_TEST(small_blob)
{
	struct blobs *b = blobs_test_open(0);
	struct blob_id id = blobs_test_add(b, 'a', 5000), is;
	uint8_t got[5000], want[5000], leaf[32];
	const uint8_t *leaves;
	struct blob *x;
	size_t n;

	memset(want, 'a', sizeof(want));
	ck_assert_int_eq(seal_blob_id_of(want, sizeof(want), &is), ERR_OK);
	ck_assert(ID_EQ(&is, &id));
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert(blobs_has(b, &id));
	ck_assert_uint_eq(blobs_bytes(b), 5000);
	x = blobs_test_get(b, &id);
	ck_assert_uint_eq(blobs_length(x), 5000);
	ck_assert_int_eq(blobs_read(x, 0, got, 5000), ERR_OK);
	ck_assert_mem_eq(got, want, 5000);
	ck_assert_int_eq(blobs_read(x, 4990, got, 10), ERR_OK);
	ck_assert_int_eq(blobs_read(x, 5000, got, 0), ERR_OK);
	ck_assert_int_eq(blobs_read(x, 4990, got, 11), ERR_INVAL);
	ck_assert_int_eq(blobs_read(x, UINT64_MAX, got, 2), ERR_INVAL);
	ck_assert(blobs_span_has(x, 0) && !blobs_span_has(x, 1));
	leaves = blobs_leaves(x, &n);
	seal_leaf(0, want, sizeof(want), leaf);
	ck_assert_uint_eq(n, 1);
	ck_assert_mem_eq(leaves, leaf, 32);
	blobs_put(x);
	blobs_put(NULL);
	blobs_close(b);
	blobs_close(NULL);
}
END_TEST

START_TEST(sizes_at_the_borders)
{
	static const size_t sizes[] = { 0, 1, SEAL_SPAN - 1, SEAL_SPAN,
		SEAL_SPAN + 1, 2 * SEAL_SPAN };
	struct blobs *b = blobs_test_open(0);
	struct blob_id id, is;
	uint64_t bad;
	struct blob *x;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		ck_assert_int_eq(
		    blobs_add(b, blobs_test_bytes, sizes[i], &id), ERR_OK);
		ck_assert_int_eq(
		    seal_blob_id_of(blobs_test_bytes, sizes[i], &is), ERR_OK);
		ck_assert(ID_EQ(&id, &is));
		x = blobs_test_get(b, &id);
		ck_assert_uint_eq(blobs_length(x), sizes[i]);
		ck_assert_ptr_nonnull(blobs_leaves(x, &n));
		ck_assert_uint_eq(n, seal_spans(sizes[i]));
		ck_assert(blobs_test_file(&id, ".leaves") == (n > 1));
		ck_assert_int_eq(blobs_check(x, &bad), ERR_OK);
		blobs_put(x);
	}
	blobs_close(b);
}
END_TEST

START_TEST(one_object_for_all)
{
	struct blobs *b = blobs_test_open(0);
	struct blob_id id = blobs_test_add(b, 'a', 10), none = { { 1 } };
	struct blob *x = blobs_test_get(b, &id);
	struct blob *y = blobs_test_get(b, &id), *z = NULL;
	char c;

	ck_assert_ptr_eq(x, y);
	blobs_put(x);
	ck_assert_int_eq(blobs_read(y, 3, &c, 1), ERR_OK);
	blobs_put(y);
	ck_assert_uint_eq(b->n_entries, 0); /* there is no quota */
	ck_assert_int_eq(blobs_get(b, &none, &z), ERR_NOTFOUND);
	ck_assert(!blobs_has(b, &none));
	ck_assert_uint_eq(b->n_entries, 0);
	blobs_close(b);
}
END_TEST

START_TEST(added_twice)
{
	struct blobs *b = blobs_test_open(0);
	struct blob_id id = blobs_test_add(b, 'a', 100);
	struct blob_id again = blobs_test_add(b, 'a', 100);

	ck_assert(ID_EQ(&id, &again));
	ck_assert_uint_eq(blobs_bytes(b), 100);
	blobs_close(b);
}
END_TEST

#define MANY 500

static bool
count_ids(void *ctx, const struct blob_id *id)
{
	(void)id;
	++*(size_t *)ctx;
	return *(size_t *)ctx != 1000;
}

START_TEST(many_at_once)
{
	static struct blobs_piece pieces[MANY + 2];
	static uint32_t numbers[MANY][64];
	struct blobs *b = blobs_test_open(0);
	struct blob_id is;
	size_t n = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		numbers[i][0] = i;
		pieces[i].p = numbers[i];
		pieces[i].n = sizeof(numbers[i]);
	}
	pieces[MANY] = pieces[7]; /* the same twice, and a long one */
	pieces[MANY + 1].p = blobs_test_bytes;
	pieces[MANY + 1].n = LENGTH;
	ck_assert_int_eq(blobs_add_many(b, pieces, MANY + 2), ERR_OK);
	ck_assert_int_eq(blobs_add_many(b, pieces, 3), ERR_OK);
	ck_assert_int_eq(blobs_add_many(b, pieces, 0), ERR_OK);
	ck_assert_uint_eq(blobs_bytes(b), MANY * 256 + LENGTH);
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert_uint_eq(blobs_bytes(b), MANY * 256 + LENGTH);
	for (size_t i = 0; i < MANY + 2; i++) {
		ck_assert_int_eq(
		    seal_blob_id_of(pieces[i].p, pieces[i].n, &is), ERR_OK);
		ck_assert(ID_EQ(&is, &pieces[i].id));
		ck_assert(blobs_has(b, &is));
	}
	ck_assert_int_eq(blobs_each(b, count_ids, &n), ERR_OK);
	ck_assert_uint_eq(n, MANY + 1);
	n = 999;
	ck_assert_int_eq(blobs_each(b, count_ids, &n), ERR_OK);
	ck_assert_uint_eq(n, 1000); /* it stopped */
	blobs_close(b);
}
END_TEST

START_TEST(damage_is_found)
{
	struct blobs *b = blobs_test_open(0);
	struct blob_id one = blobs_test_add(b, 'a', 100), id;
	uint64_t bad = 9;
	struct blob *x;
	size_t n;

	ck_assert_int_eq(blobs_add(b, blobs_test_bytes, LENGTH, &id), ERR_OK);
	x = blobs_test_get(b, &id);
	ck_assert_int_eq(blobs_check(x, &bad), ERR_OK);
	blobs_test_flip(&id, ".blob", SEAL_SPAN + 5);
	ck_assert_int_eq(blobs_check(x, &bad), ERR_CORRUPT);
	ck_assert_uint_eq(bad, 1);
	blobs_put(x);

	blobs_test_flip(&one, ".blob", 50);
	x = blobs_test_get(b, &one);
	ck_assert_int_eq(blobs_check(x, &bad), ERR_CORRUPT);
	ck_assert_uint_eq(bad, 0);
	ck_assert_ptr_null(blobs_leaves(x, &n));
	ck_assert_uint_eq(n, 0);
	blobs_put(x);
	blobs_close(b);
}
END_TEST

START_TEST(damaged_files)
{
	static const off_t offsets[] = { 0, 9, 13, 17, 23, BLOBS_HEAD,
		BLOBS_HEAD + 95 };
	struct blobs *b = blobs_test_open(0);
	struct blob *x = NULL;
	struct blob_id id;
	char path[400];

	ck_assert_int_eq(blobs_add(b, blobs_test_bytes, LENGTH, &id), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		enum err want = offsets[i] == 9 ? ERR_UNSUPPORTED : ERR_CORRUPT;

		blobs_test_flip(&id, ".leaves", offsets[i]);
		ck_assert_int_eq(blobs_get(b, &id, &x), want);
		blobs_test_flip(&id, ".leaves", offsets[i]);
	}
	x = blobs_test_get(b, &id);
	blobs_put(x);
	blobs_test_path(&id, ".blob", path);
	ck_assert_int_eq(truncate(path, LENGTH - 1), 0);
	ck_assert_int_eq(blobs_get(b, &id, &x), ERR_CORRUPT);
	ck_assert_int_eq(truncate(path, LENGTH), 0);
	blobs_test_path(&id, ".leaves", path);
	ck_assert_int_eq(truncate(path, 60), 0);
	ck_assert_int_eq(blobs_get(b, &id, &x), ERR_CORRUPT);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(blobs_get(b, &id, &x), ERR_CORRUPT);
	ck_assert_int_eq(blobs_drop(b, &id), ERR_OK);
	ck_assert_int_eq(blobs_get(b, &id, &x), ERR_NOTFOUND);
	ck_assert_uint_eq(blobs_bytes(b), 0);
	blobs_close(b);
}
END_TEST

START_TEST(dropping)
{
	struct blobs *b = blobs_test_open(0);
	struct blob_id id = blobs_test_add(b, 'a', 100), none = { { 1 } };
	struct blob *x = blobs_test_get(b, &id), *y = NULL;
	char c;

	ck_assert_int_eq(blobs_drop(b, &none), ERR_NOTFOUND);
	ck_assert_int_eq(blobs_drop(b, &id), ERR_OK);
	ck_assert_int_eq(blobs_drop(b, &id), ERR_NOTFOUND);
	ck_assert(!blobs_has(b, &id));
	ck_assert_uint_eq(blobs_bytes(b), 0);
	ck_assert_int_eq(blobs_get(b, &id, &y), ERR_NOTFOUND);
	ck_assert_int_eq(blobs_read(x, 99, &c, 1), ERR_OK); /* as files do */
	ck_assert_int_eq(c, 'a');
	(void)blobs_test_add(b, 'a', 100);
	y = blobs_test_get(b, &id);
	ck_assert_ptr_ne(x, y);
	blobs_put(x);
	blobs_put(y);
	ck_assert_int_eq(blobs_drop(b, &id), ERR_OK);
	blobs_close(b);
	b = blobs_test_open(0);
	ck_assert(!blobs_has(b, &id));
	blobs_close(b);
}
END_TEST

START_TEST(other_format)
{
	const struct blobs_opts opts = { blobs_test_dir, 0 };
	struct blobs *b = blobs_test_open(0);
	char path[300];

	blobs_close(b);
	(void)snprintf(path, sizeof(path), "%s/format", blobs_test_dir);
	ck_assert_int_eq(
	    file_write(path, "consentfs blobs 2\n", 18, 0600), ERR_OK);
	ck_assert_int_eq(blobs_open(&opts, &b), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(
	    strstr(err_detail(ERR_UNSUPPORTED), "'consentfs blobs 2'"));
	ck_assert_ptr_nonnull(
	    strstr(err_detail(ERR_UNSUPPORTED), "'consentfs blobs 1'"));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(blobs_open(&opts, &b), ERR_CORRUPT);
}
END_TEST

START_TEST(one_process_at_a_time)
{
	const struct blobs_opts opts = { blobs_test_dir, 0 };
	struct blobs *b = blobs_test_open(0), *second;
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit((int)blobs_open(&opts, &second));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), ERR_BUSY);
	blobs_close(b);
}
END_TEST

/* Files that are not ours are left alone; ours from a crash are removed. */
START_TEST(strange_names)
{
	static const char *const names[] = { "00/readme", "00/.blob",
		"00/zz00000000000000000000000000000000000000000000000000000000"
		"000000.blob",
		"00/0A00000000000000000000000000000000000000000000000000000000"
		"000000.blob" };
	struct blobs *b = blobs_test_open(0);
	char path[400];
	size_t n = 0;

	blobs_close(b);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s", blobs_test_dir, names[i]);
		ck_assert_int_eq(file_write(path, "x", 1, 0600), ERR_OK);
	}
	(void)snprintf(path, sizeof(path), "%s/7f/12.tmp", blobs_test_dir);
	ck_assert_int_eq(file_write(path, "x", 1, 0600), ERR_OK);
	b = blobs_test_open(0);
	ck_assert_uint_eq(blobs_bytes(b), 0);
	ck_assert_int_eq(blobs_each(b, count_ids, &n), ERR_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", blobs_test_dir, names[0]);
	ck_assert_int_eq(access(path, F_OK), 0);
	blobs_close(b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { small_blob, sizes_at_the_borders,
		one_object_for_all, added_twice, many_at_once, damage_is_found,
		damaged_files, dropping, other_format, one_process_at_a_time,
		strange_names };
	Suite *s = suite_create("blobs");
	TCase *c = tcase_create("whole");
	SRunner *runner;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, blobs_test_setup, blobs_test_teardown);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	suite_add_tcase(s, blobs_test_spans());
	suite_add_tcase(s, blobs_test_quota());
	suite_add_tcase(s, blobs_test_faults());
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
