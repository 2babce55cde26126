/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs_test.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"

/* ---- names ---- */

static const char *
name_at(const struct fs_tree *t, uint32_t i)
{
	return t->node[i].name;
}

START_TEST(children_are_sorted_and_found)
{
	static const char *const names[] = { "b", "a", "c", "b", "B", "aa" };
	static const char *const want[] = { "B", "a", "aa", "b", "c" };
	const struct fs_node root = { .name = "" };
	struct fs_tree t = { 0 };
	uint32_t i;

	ck_assert_uint_eq(fs_tree_add(&t, 0, &root), 0);
	ck_assert(!fs_tree_find(&t, 0, "a", &i));
	for (i = 0; i < ARRAY_LEN(names); i++) {
		const struct fs_node x = { .name = names[i], .number = i };

		ck_assert_uint_eq(fs_tree_add(&t, 0, &x), i + 1);
	}
	fs_tree_sort(&t, 0);
	ck_assert_uint_eq(t.node[0].first, 1);
	ck_assert_uint_eq(t.node[0].count, ARRAY_LEN(want));
	ck_assert_uint_eq(t.n, 1 + ARRAY_LEN(want));
	for (size_t k = 0; k < ARRAY_LEN(want); k++) {
		ck_assert_str_eq(name_at(&t, (uint32_t)k + 1), want[k]);
		ck_assert(fs_tree_find(&t, 0, want[k], &i));
		ck_assert_uint_eq(i, k + 1);
	}
	/* the dropped one is behind the end, whole */
	ck_assert_str_eq(name_at(&t, t.n), "b");
	ck_assert_uint_ne(t.node[t.n].number, t.node[4].number);
	ck_assert(!fs_tree_find(&t, 0, "", &i));
	ck_assert(!fs_tree_find(&t, 0, "d", &i));
	ck_assert(!fs_tree_find(&t, 1, "a", &i));
	fs_tree_free(&t);
}
END_TEST

/* Find a path from the root; 0: not there. */
static uint32_t
walk(const struct fs_tree *t, const char *path)
{
	char copy[256], *rest = NULL;
	uint32_t at = 0;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *s = strtok_r(copy, "/", &rest); s;
	     s = strtok_r(NULL, "/", &rest))
		if (!fs_tree_find(t, at, s, &at))
			return 0;
	return at;
}

static void
tree_of(struct fs_tree *t, const struct event_manifest *m, enum err want)
{
	const struct fs_node root = { .name = "", .kind = FS_SET };

	*t = (struct fs_tree){ 0 };
	(void)fs_tree_add(t, 0, &root);
	ck_assert_int_eq(fs_tree_documents(t, m), want);
}

START_TEST(documents_in_directories)
{
	static const char *const paths[] = { "z", "a/b/c", "a/b/d", "a/x",
		"ab/c", "a!/c", "DICOMDIR" };
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	struct fs_tree t;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		fs_test_line(&b, paths[i], i);
	m = fs_test_manifest(&b, ARRAY_LEN(paths));
	tree_of(&t, m, ERR_OK);
	ck_assert_uint_eq(t.node[0].count, 5);
	ck_assert_uint_eq(t.n, 1 + 5 + 2 + 1 + 1 + 2);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		uint32_t at = walk(&t, paths[i]);

		ck_assert_uint_ne(at, 0);
		ck_assert_int_eq(t.node[at].kind, FS_DOC);
		ck_assert_uint_eq(t.node[at].number, i + 1);
		ck_assert_uint_eq(t.node[at].count, 0);
	}
	ck_assert_int_eq(t.node[walk(&t, "a/b")].kind, FS_DIR);
	ck_assert_uint_eq(t.node[walk(&t, "a/b")].parent, walk(&t, "a"));
	ck_assert_uint_eq(t.node[walk(&t, "a/b")].number, 0);
	ck_assert_uint_eq(walk(&t, "a/c"), 0);
	ck_assert_uint_eq(walk(&t, "z/z"), 0);
	fs_tree_free(&t);
}
END_TEST

START_TEST(no_documents)
{
	const struct event_manifest none = { 0 };
	struct fs_tree t;

	tree_of(&t, &none, ERR_OK);
	ck_assert_uint_eq(t.n, 1);
	ck_assert_uint_eq(t.node[0].count, 0);
	fs_tree_free(&t);
}
END_TEST

/* event_manifest_read() refuses these; a tree must not be built on trust. */
START_TEST(paths_that_are_none)
{
	struct event_document doc[2] = { { .ncomponents = 1,
					     .component = { "a" } },
		{ .ncomponents = 2, .component = { "a", "b" } } };
	const struct event_manifest m = { .n = 2, .doc = doc };
	struct fs_tree t;

	tree_of(&t, &m, ERR_FORMAT); /* a file in a file */
	fs_tree_free(&t);
	doc[1].ncomponents = 1; /* twice the same */
	tree_of(&t, &m, ERR_FORMAT);
	fs_tree_free(&t);
	doc[1].ncomponents = 0; /* the set itself */
	tree_of(&t, &m, ERR_FORMAT);
	fs_tree_free(&t);
}
END_TEST

START_TEST(many_documents)
{
	enum { N = 10000 };
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	struct fs_tree t;
	char path[64];

	for (uint32_t i = 0; i < N; i++) {
		(void)snprintf(
		    path, sizeof(path), "s%u/IM%05u", i % 100, N - i);
		fs_test_line(&b, path, i);
	}
	m = fs_test_manifest(&b, N);
	tree_of(&t, m, ERR_OK);
	ck_assert_uint_eq(t.n, 1 + 100 + N);
	for (uint32_t i = 0; i < N; i++) {
		(void)snprintf(
		    path, sizeof(path), "s%u/IM%05u", i % 100, N - i);
		ck_assert_uint_eq(t.node[walk(&t, path)].number, i + 1);
	}
	for (uint32_t i = 1; i < t.n; i++) { /* offsets: in order, gapless */
		const struct fs_node *p = &t.node[t.node[i].parent];

		if (i < p->first || i >= p->first + p->count)
			ck_abort_msg("%u is not below its directory", i);
		if (i > p->first &&
		    strcmp(name_at(&t, i - 1), name_at(&t, i)) >= 0)
			ck_abort_msg("%u is not in order", i);
	}
	fs_tree_free(&t);
}
END_TEST

/* ---- numbers ---- */

START_TEST(numbers_are_told_apart)
{
	struct pubkey p = { { 1 } }, q = { { 2 } };
	struct event_id s = { { 3 } };
	struct fs_what w[] = {
		{ .kind = FS_DOC, .patient = &p, .set = &s, .number = 1 },
		{ .kind = FS_DOC, .patient = &p, .set = &s, .number = 2 },
		{ .kind = FS_DOC, .patient = &q, .set = &s, .number = 1 },
		{ .kind = FS_DIR, .patient = &p, .set = &s, .number = 1 },
		{ .kind = FS_DOC, .patient = &p, .number = 1 },
		{ .kind = FS_DIR, .patient = &p, .set = &s, .parent = 7 },
		{ .kind = FS_DIR, .patient = &p, .set = &s, .name = "a" },
		{ true, FS_DOC, &p, &s, 0, 1, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		uint64_t n = fs_number(&w[i]);

		ck_assert_uint_eq(n, fs_number(&w[i]));
		ck_assert_uint_gt(n, FS_ROOT);
		ck_assert_uint_eq(n & FS_TOP_BIT, 0);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(n, fs_number(&w[k]));
	}
	/* backup tools remember numbers: they stay from version to version */
	ck_assert_uint_eq(fs_number(&w[0]), 2737149485735604474);
}
END_TEST

/* ---- the inode table ---- */

static struct fs_inodes table;
static struct fs *world;
static struct gate *gate;
static struct fs_set *a_set, *other_set;

static bool
take_sets(void *ctx, const struct gate_set *gs)
{
	struct fs_set **out = a_set ? &other_set : &a_set;

	(void)ctx;
	ck_assert_int_eq(fs_set_get(world, gs, out), ERR_OK);
	return other_set == NULL;
}

static void
table_setup(void)
{
	const struct gate_opts o = { .home_dir = "" };

	world = calloc(1, sizeof(*world));
	ck_assert_int_eq(gate_open(&o, &gate), ERR_OK);
	(void)pthread_mutex_init(&world->sets_lock, NULL);
	ck_assert_int_eq(fs_inodes_init(&table), ERR_OK);
	ck_assert_int_eq(gate_cipher_sets(gate, take_sets, NULL), ERR_OK);
}

/* gate_close() aborts if a set was not let go. */
static void
table_teardown(void)
{
	fs_inodes_free(&table);
	fs_set_unref(TAKE(a_set));
	fs_set_unref(TAKE(other_set));
	gate_close(gate);
	free(world);
}

static uint64_t
must_take(uint64_t wish, struct fs_set *set, uint32_t index)
{
	uint64_t ino = 0;

	ck_assert_int_eq(
	    fs_inodes_take(&table, wish, set, index, &ino), ERR_OK);
	return ino;
}

static bool
is_known(uint64_t ino, const struct fs_set *set, uint32_t index)
{
	uint32_t i = ~0u;
	struct fs_set *s = fs_inodes_find(&table, ino, &i);

	fs_set_unref(s);
	return s == set && i == index;
}

START_TEST(lookups_are_counted)
{
	ck_assert_uint_eq(must_take(50, a_set, 3), 50);
	ck_assert_uint_eq(must_take(50, a_set, 3), 50);
	ck_assert_uint_eq(must_take(50, a_set, 3), 50);
	ck_assert_uint_eq(table.n, 1);
	fs_inodes_forget(&table, 50, 2);
	ck_assert(is_known(50, a_set, 3));
	fs_inodes_forget(&table, 51, 9);
	fs_inodes_forget(&table, 0, 9);
	ck_assert(is_known(50, a_set, 3));
	fs_inodes_forget(&table, 50, 1);
	ck_assert_ptr_null(fs_inodes_find(&table, 50, &(uint32_t){ 0 }));
	ck_assert_uint_eq(table.n, 0);
	fs_inodes_forget(&table, 50, 1); /* once too often */
	must_take(50, a_set, 3);
	fs_inodes_forget(&table, 50, 100);
	ck_assert_uint_eq(table.n, 0);
}
END_TEST

START_TEST(collisions_probe)
{
	uint64_t last = ~FS_TOP_BIT;

	ck_assert_uint_eq(must_take(50, a_set, 1), 50);
	ck_assert_uint_eq(fs_inodes_peek(&table, 50, a_set, 1), 50);
	ck_assert_uint_eq(fs_inodes_peek(&table, 50, a_set, 2), 51);
	ck_assert_uint_eq(must_take(50, a_set, 2), 51);
	ck_assert_uint_eq(must_take(50, other_set, 1), 52);
	ck_assert_uint_eq(must_take(51, other_set, 2), 53);
	ck_assert_uint_eq(must_take(50, other_set, 1), 52);
	ck_assert(is_known(50, a_set, 1) && is_known(51, a_set, 2));
	ck_assert(is_known(52, other_set, 1) && is_known(53, other_set, 2));
	/* never 0, 1 or a number of the tops */
	ck_assert_uint_eq(must_take(last, a_set, 5), last);
	ck_assert_uint_eq(must_take(last, a_set, 6), FS_ROOT + 1);
}
END_TEST

/* Random takes and forgets against a plain array. */
START_TEST(table_against_model)
{
	enum { N = 3000, STEPS = 60000 };
	static struct {
		uint64_t ino;
		unsigned count;
	} model[N];
	uint32_t seed = 1;
	size_t live = 0;

	memset(model, 0, sizeof(model));
	for (int step = 0; step < STEPS; step++) {
		uint32_t i, r;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % N;
		r = seed >> 28;
		if (r < (step < STEPS / 2 ? 11u : 5u)) {
			uint64_t ino = must_take(100 + i / 3, a_set, i);

			if (model[i].count > 0 && model[i].ino != ino)
				ck_abort_msg("two numbers for one");
			live += model[i].count++ == 0;
			model[i].ino = ino;
		} else if (model[i].count > 0) {
			fs_inodes_forget(&table, model[i].ino, 1);
			live -= --model[i].count == 0;
		}
	}
	ck_assert_uint_ge(table.n, live);
	for (uint32_t i = 0; i < N; i++) {
		ck_assert(
		    model[i].count == 0 || is_known(model[i].ino, a_set, i));
		fs_inodes_forget(&table, model[i].ino, model[i].count);
	}
	for (size_t i = 0; i < table.cap; i++) /* those that others passed */
		ck_assert(table.slot[i].ino == 0 || table.slot[i].pinned);
}
END_TEST

START_TEST(hundred_thousand)
{
	enum { N = 100000 };

	for (uint32_t i = 1; i <= N; i++) {
		const struct fs_what w = { .kind = FS_DOC, .number = i };

		ck_assert_uint_eq(
		    must_take(fs_number(&w), a_set, i), fs_number(&w));
	}
	ck_assert_uint_eq(table.n, N);
	for (uint32_t i = 1; i <= N; i++) {
		const struct fs_what w = { .kind = FS_DOC, .number = i };

		if (!is_known(fs_number(&w), a_set, i))
			ck_abort_msg("%u is lost", i);
		if (i % 2)
			fs_inodes_forget(&table, fs_number(&w), 1);
	}
	ck_assert_uint_eq(table.n, N / 2);
}
END_TEST

static size_t
collect(enum fs_purpose why, const struct fs_set *set, uint64_t *sum)
{
	const struct fs_round r = { why, fs_inodes_round(&table),
		&set->gs->id };
	uint64_t ino[7];
	size_t n, all = 0;

	*sum = 0;
	while ((n = fs_inodes_collect(&table, &r, ino, 7)) > 0) {
		all += n;
		for (size_t i = 0; i < n; i++)
			*sum += ino[i];
	}
	return all;
}

START_TEST(collecting)
{
	uint64_t sum;

	for (uint32_t i = 0; i < 100; i++) {
		must_take(1000 + i, i % 2 ? a_set : other_set, i);
		if (i % 10 < 4)
			ck_assert_int_eq(
			    fs_inodes_opened(&table, 1000 + i), ERR_OK);
	}
	/* unknown */
	ck_assert_int_eq(fs_inodes_opened(&table, 5), ERR_OK);
	for (int again = 0; again < 2; again++) {
		ck_assert_uint_eq(collect(FS_DARK, a_set, &sum), 20);
		ck_assert_uint_eq(collect(FS_VANISH, a_set, &sum), 50);
		ck_assert_uint_eq(sum, 50 * 1050);
		ck_assert_uint_eq(collect(FS_DARK, other_set, &sum), 20);
	}
	table.round = UINT32_MAX; /* the count begins anew */
	ck_assert_uint_eq(collect(FS_DARK, a_set, &sum), 20);
	/* what the kernel has let go has no pages */
	fs_inodes_forget(&table, 1001, 1);
	must_take(1001, a_set, 1);
	ck_assert_uint_eq(collect(FS_DARK, a_set, &sum), 19);
}
END_TEST

START_TEST(one_object_per_set)
{
	struct fs_set *again = NULL;

	ck_assert_int_eq(fs_set_get(world, a_set->gs, &again), ERR_OK);
	ck_assert_ptr_eq(again, a_set);
	ck_assert_ptr_ne(again, other_set);
	fs_set_unref(again);
	/* the table keeps a set that nobody else keeps */
	must_take(77, other_set, 0);
	fs_set_unref(TAKE(other_set));
	again = fs_inodes_find(&table, 77, &(uint32_t){ 0 });
	ck_assert_ptr_nonnull(again);
	ck_assert_int_eq(again->gs->id.b[0], 2);
	fs_set_unref(again);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fs");
	TCase *names = tcase_create("names");
	TCase *inodes = tcase_create("inodes");
	static struct fs_test_ctl ctl;
	SRunner *runner;
	int failed;

	fs_test_ctl = &ctl;
	if (secret_init() != ERR_OK)
		return 1;
	tcase_add_test(names, children_are_sorted_and_found);
	tcase_add_test(names, documents_in_directories);
	tcase_add_test(names, no_documents);
	tcase_add_test(names, paths_that_are_none);
	tcase_add_test(names, many_documents);
	tcase_add_test(names, numbers_are_told_apart);
	suite_add_tcase(s, names);
	tcase_set_timeout(names, 30);
	tcase_set_timeout(inodes, 30);
	tcase_add_checked_fixture(inodes, table_setup, table_teardown);
	tcase_add_test(inodes, lookups_are_counted);
	tcase_add_test(inodes, collisions_probe);
	tcase_add_test(inodes, table_against_model);
	tcase_add_test(inodes, hundred_thousand);
	tcase_add_test(inodes, collecting);
	tcase_add_test(inodes, one_object_per_set);
	suite_add_tcase(s, inodes);
	suite_add_tcase(s, fs_test_mount());
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
