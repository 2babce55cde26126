/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "journal_test.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"

char journal_test_dir[256];
struct secret *journal_test_key;

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
journal_test_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	log_set_sink(no_log);
	if (tmp == NULL) /* thousands of syncs are quick there */
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(journal_test_dir, sizeof(journal_test_dir),
	    "%s/journal_test.XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(journal_test_dir));
	ck_assert_int_eq(secret_copy("0123456789abcdef0123456789abcdef", 32,
			     &journal_test_key),
	    ERR_OK);
}

void
journal_test_teardown(void)
{
	secret_free(journal_test_key);
	(void)nftw(journal_test_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

enum err
journal_test_open(struct journal **out)
{
	const struct journal_opts opts = { .dir = journal_test_dir,
		.key = journal_test_key,
		.segment_bytes = SEGMENT };

	return journal_open(&opts, out);
}

struct journal *
journal_test_must_open(void)
{
	struct journal *j = NULL;
	enum err e = journal_test_open(&j);

	ck_assert_msg(e == ERR_OK, "%s", err_detail(e));
	return j;
}

static size_t
text_of(uint64_t seq, char out[64])
{
	return (size_t)snprintf(out, 64, "record number %" PRIu64 "%.*s", seq,
	    (int)(seq % 9), "--------");
}

void
journal_test_fill(struct journal *j, uint64_t from, uint64_t to)
{
	char text[64];
	uint64_t seq;

	for (uint64_t i = from; i <= to; i++) {
		size_t n = text_of(i, text);

		ck_assert_int_eq(journal_append(j, text, n, &seq), ERR_OK);
		ck_assert_uint_eq(seq, i);
	}
}

static bool
compare(void *ctx, uint64_t seq, const void *p, size_t n)
{
	uint64_t *next = ctx;
	char text[64];

	ck_assert_uint_eq(seq, *next);
	ck_assert_uint_eq(text_of(seq, text), n);
	ck_assert_mem_eq(text, p, n);
	(*next)++;
	return true;
}

void
journal_test_expect(struct journal *j, uint64_t from, uint64_t to)
{
	uint64_t next = from;

	ck_assert_int_eq(journal_read(j, from, compare, &next), ERR_OK);
	ck_assert_uint_eq(next, to + 1);
	ck_assert_uint_eq(journal_last(j), to);
}

void
journal_test_path(uint64_t first, char out[300])
{
	(void)snprintf(
	    out, 300, "%s/%016" PRIx64 ".seg", journal_test_dir, first);
}

START_TEST(records_survive)
{
	struct journal *j = journal_test_must_open();
	uint8_t head[32], again[32];
	uint64_t seq;

	ck_assert_uint_eq(journal_last(j), 0);
	journal_test_expect(j, 1, 0);
	journal_test_fill(j, 1, 20);
	journal_test_expect(j, 1, 20);
	journal_test_expect(j, 20, 20);
	journal_test_expect(j, 21, 20);
	journal_head(j, &seq, head);
	ck_assert_uint_eq(seq, 20);
	journal_close(j);
	j = journal_test_must_open();
	journal_head(j, &seq, again);
	ck_assert_mem_eq(head, again, 32);
	journal_test_expect(j, 1, 20);
	journal_test_fill(j, 21, 30);
	journal_head(j, &seq, again);
	ck_assert_mem_ne(head, again, 32);
	journal_close(j);
	j = journal_test_must_open();
	journal_test_expect(j, 7, 30);
	journal_close(j);
	journal_close(NULL);
}
END_TEST

static bool
keep_size(void *ctx, uint64_t seq, const void *p, size_t n)
{
	(void)p;
	ck_assert_uint_le(seq, 2);
	((size_t *)ctx)[seq - 1] = n;
	return true;
}

START_TEST(sizes)
{
	struct journal *j = journal_test_must_open();
	static char big[JOURNAL_MAX_RECORD + 1];
	size_t n[2] = { 1, 1 };

	ck_assert_int_eq(journal_append(j, big, sizeof(big), NULL), ERR_TOOBIG);
	ck_assert_int_eq(journal_append(j, NULL, 0, NULL), ERR_OK);
	ck_assert_int_eq(
	    journal_append(j, big, JOURNAL_MAX_RECORD, NULL), ERR_OK);
	journal_close(j);
	j = journal_test_must_open();
	ck_assert_int_eq(journal_read(j, 0, keep_size, n), ERR_OK);
	ck_assert_uint_eq(n[0], 0);
	ck_assert_uint_eq(n[1], JOURNAL_MAX_RECORD);
	journal_close(j);
}
END_TEST

/* 600 records are more than four segments of 16 KiB. */
START_TEST(segments_and_drop)
{
	struct journal *j = journal_test_must_open();
	uint64_t next = 150;
	size_t segments;

	journal_test_fill(j, 1, 600);
	segments = j->n_segs;
	ck_assert_uint_ge(segments, 4);
	for (uint64_t from = 1; from <= 601; from += 40)
		journal_test_expect(j, from, 600);
	ck_assert_int_eq(journal_drop(j, 1), ERR_OK);
	ck_assert_uint_eq(j->n_segs, segments);
	ck_assert_int_eq(journal_drop(j, 150), ERR_OK);
	ck_assert_uint_lt(j->n_segs, segments);
	ck_assert_int_eq(journal_read(j, 1, compare, &next), ERR_NOTFOUND);
	journal_test_expect(j, 150, 600);
	journal_close(j);
	j = journal_test_must_open();
	journal_test_expect(j, 150, 600);
	ck_assert_int_eq(journal_drop(j, 1000), ERR_OK);
	ck_assert_uint_eq(j->n_segs, 1);
	journal_test_fill(j, 601, 602);
	journal_close(j);
	j = journal_test_must_open();
	journal_test_expect(j, 601, 602);
	journal_close(j);
}
END_TEST

static bool
stop_at(void *ctx, uint64_t seq, const void *p, size_t n)
{
	(void)p;
	(void)n;
	return seq < *(uint64_t *)ctx;
}

START_TEST(reading_stops)
{
	struct journal *j = journal_test_must_open();
	uint64_t at = 3;

	journal_test_fill(j, 1, 5);
	ck_assert_int_eq(journal_read(j, 1, stop_at, &at), ERR_OK);
	journal_close(j);
}
END_TEST

START_TEST(payload_is_not_readable)
{
	struct journal *j = journal_test_must_open();
	CLEANUP_BUF struct buf file = { 0 };
	char path[300];
	FILE *f;

	journal_test_fill(j, 1, 3);
	journal_close(j);
	journal_test_path(1, path);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(
	    fread(buf_room(&file, SEGMENT), 1, SEGMENT, f), SEGMENT);
	(void)fclose(f);
	ck_assert_ptr_null(memmem(file.p, file.len, "record number", 13));
	ck_assert_ptr_null(
	    memmem(file.p, file.len, secret_view(journal_test_key), 32));
}
END_TEST

#define THREADS 8
#define EACH    200

struct worker {
	struct journal *j;
	pthread_t thread;
	uint8_t name;
	uint64_t seqs[EACH];
};

static void *
work(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < EACH; i++) {
		const uint8_t record[2] = { w->name, (uint8_t)i };

		if (journal_append(w->j, record, 2, &w->seqs[i]) != ERR_OK)
			abort();
	}
	return NULL;
}

static bool
note_owner(void *ctx, uint64_t seq, const void *p, size_t n)
{
	uint16_t *owners = ctx;
	const uint8_t *b = p;

	ck_assert_uint_eq(n, 2);
	ck_assert_uint_le(seq, THREADS * EACH);
	owners[seq] = (uint16_t)(b[0] << 8 | b[1]);
	return true;
}

START_TEST(many_threads)
{
	static struct worker workers[THREADS];
	static uint16_t owners[THREADS * EACH + 1];
	struct journal *j = journal_test_must_open();

	for (uint8_t i = 0; i < THREADS; i++) {
		workers[i].j = j;
		workers[i].name = (uint8_t)(i + 1);
		ck_assert_int_eq(
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]),
		    0);
	}
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
	ck_assert_uint_eq(journal_last(j), THREADS * EACH);
	journal_close(j);
	j = journal_test_must_open();
	ck_assert_int_eq(journal_read(j, 1, note_owner, owners), ERR_OK);
	for (size_t i = 0; i < THREADS; i++)
		for (size_t k = 0; k < EACH; k++) {
			uint64_t seq = workers[i].seqs[k];

			ck_assert(k == 0 || seq > workers[i].seqs[k - 1]);
			ck_assert_uint_eq(owners[seq], (i + 1) << 8 | k);
		}
	journal_close(j);
}
END_TEST

static void *
wait_long(void *arg)
{
	static uint64_t got;

	got = journal_wait(arg, 1, clock_boot_ms() + 60000);
	return &got;
}

START_TEST(waits)
{
	struct journal *j = journal_test_must_open();
	int64_t start = clock_boot_ms();
	pthread_t t;
	void *got;

	ck_assert_uint_eq(journal_wait(j, 0, start + 30), 0);
	ck_assert_int_ge(clock_boot_ms(), start + 30);
	ck_assert_uint_eq(journal_wait(j, 0, INT64_MIN), 0);
	journal_test_fill(j, 1, 1);
	ck_assert_uint_eq(journal_wait(j, 0, INT64_MAX), 1);
	ck_assert_int_eq(pthread_create(&t, NULL, wait_long, j), 0);
	journal_test_fill(j, 2, 2);
	ck_assert_int_eq(pthread_join(t, &got), 0);
	ck_assert_uint_eq(*(uint64_t *)got, 2);
	journal_poke(j); /* before the wait: not lost, and used up once */
	ck_assert_uint_eq(journal_wait(j, 2, INT64_MAX), 2);
	start = clock_boot_ms();
	ck_assert_uint_eq(journal_wait(j, 2, start + 30), 2);
	ck_assert_int_ge(clock_boot_ms(), start + 30);
	ck_assert_int_lt(clock_boot_ms(), start + 50000);
	journal_close(j);
}
END_TEST

static void *
wait_for_poke(void *arg)
{
	(void)journal_wait(arg, 0, INT64_MAX);
	return NULL;
}

START_TEST(poke_ends_all)
{
	struct journal *j = journal_test_must_open();
	pthread_t t[2];
	unsigned waiting = 0;

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(
		    pthread_create(&t[i], NULL, wait_for_poke, j), 0);
	while (waiting < ARRAY_LEN(t)) {
		clock_sleep_ms(1);
		(void)pthread_mutex_lock(&j->lock);
		waiting = j->waiting;
		(void)pthread_mutex_unlock(&j->lock);
	}
	journal_poke(j);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	journal_close(j);
}
END_TEST

START_TEST(one_process_at_a_time)
{
	struct journal *j = journal_test_must_open(), *second;
	int status;
	pid_t child;

	ck_assert_int_eq(journal_test_open(&second), ERR_BUSY);
	child = fork();
	if (child == 0)
		_exit((int)journal_test_open(&second));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), ERR_BUSY);
	journal_close(j);
	j = journal_test_must_open();
	journal_close(j);
}
END_TEST

static void
append_until_killed(int to)
{
	struct journal *j;
	uint64_t seq;
	char text[64];

	if (journal_test_open(&j) != ERR_OK)
		_exit(1);
	for (uint64_t i = journal_last(j) + 1;; i++) {
		if (journal_append(j, text, text_of(i, text), &seq) != ERR_OK)
			_exit(1);
		if (write(to, &seq, sizeof(seq)) != sizeof(seq))
			_exit(1);
	}
}

/* Every record that a killed program had been told of is there. */
START_TEST(killed)
{
	uint64_t seq, told = 0;
	struct journal *j;
	int fds[2], status;
	pid_t child;

	for (int round = 0; round < 5; round++) {
		ck_assert_int_eq(pipe(fds), 0);
		child = fork();
		if (child == 0)
			append_until_killed(fds[1]);
		(void)close(fds[1]);
		for (int i = 0; i < 60 + 13 * round; i++) {
			ck_assert_int_eq(
			    read(fds[0], &seq, sizeof(seq)), sizeof(seq));
			told = seq;
		}
		(void)kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		while (read(fds[0], &seq, sizeof(seq)) == sizeof(seq))
			told = seq;
		(void)close(fds[0]);
		j = journal_test_must_open();
		seq = journal_last(j);
		ck_assert(seq == told || seq == told + 1);
		journal_test_expect(j, 1, seq);
		journal_close(j);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *c = tcase_create("records");
	TCase *p = tcase_create("processes");
	SRunner *runner;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	tcase_add_checked_fixture(c, journal_test_setup, journal_test_teardown);
	tcase_add_test(c, records_survive);
	tcase_add_test(c, sizes);
	tcase_add_test(c, segments_and_drop);
	tcase_add_test(c, reading_stops);
	tcase_add_test(c, payload_is_not_readable);
	tcase_add_test(c, many_threads);
	tcase_add_test(c, waits);
	tcase_add_test(c, poke_ends_all);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(p, journal_test_setup, journal_test_teardown);
	tcase_add_test(p, one_process_at_a_time);
	tcase_add_test(p, killed);
	suite_add_tcase(s, p);
	suite_add_tcase(s, journal_test_damage());
	suite_add_tcase(s, journal_test_faults());
	suite_add_tcase(s, journal_test_nth());
	suite_add_tcase(s, journal_test_forged());
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
