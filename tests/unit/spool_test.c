/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HOME/spool after a crash, or as somebody with a hand in it left it: what is
 * whole goes on, everything else is refused by name with the remedy.
 */
#include <stdlib.h>

#include "consent/publish_internal.h"
#include "home/home_internal.h"
#include "nth.h"

#define OK(call)       ck_assert_int_eq((call), ERR_OK)
#define IS(call, want) ck_assert_int_eq((call), ERR_##want)

static struct home home;
static char dir[128], document[160], path[256];

/* copy.c's: no operand here is a folder. */
enum err
consent_each_name(
    const char *name, enum err (*fn)(void *ctx, const char *name), void *ctx)
{
	(void)name, (void)fn, (void)ctx;
	abort();
}

static void
up(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(
	    dir, sizeof(dir), "%s/spool_test.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(document, sizeof(document), "%s/document", dir);
	OK(file_write(document, "text", 4, 0600));
	home = (struct home){ .dir = dir, .chain = { "V" } };
	OK(seal_identity_new(&home.id));
}

static enum err
open_spool(bool restart, struct consent_spool *out)
{
	const struct pubkey *us = seal_identity_key(home.id);
	const struct rms_card card = { .patient = *us, .patient_rms = *us };
	const struct opt_values operands = { .v = { document }, .n = 1 };
	const struct consent_spool_opts o = { .home = &home,
		.card = &card,
		.operands = &operands,
		.type_code = "",
		.restart = restart };

	return consent_spool_open(&o, out);
}

static enum err
try_open(bool restart)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;

	return open_spool(restart, &s);
}

static const char *
in_spool(const struct consent_spool *s, const char *name)
{
	(void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return path;
}

static void
down(void)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;

	OK(open_spool(true, &s));
	consent_spool_forget(&s);
	ck_assert_int_ne(access(s.dir, F_OK), 0);
	(void)unlink(document);
	(void)snprintf(path, sizeof(path), "%s/spool", dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	seal_identity_free(home.id);
}

/* Seal ${n} bytes as the state of ${s}. */
static void
put_state(const struct consent_spool *s, const void *p, size_t n)
{
	CLEANUP_BUF struct buf sealed = { 0 };

	OK(seal_rest(s->rest, (struct seal_part){ s->name, strlen(s->name) },
	    (struct seal_part){ p, n }, &sealed));
	OK(file_write(in_spool(s, "state"), sealed.p, sealed.len, 0600));
}

static void
get_state(const struct consent_spool *s, struct buf *plain)
{
	CLEANUP_BUF struct buf sealed = { 0 };

	OK(file_read(in_spool(s, "state"), 65536, &sealed));
	OK(seal_rest_open(s->rest,
	    (struct seal_part){ s->name, strlen(s->name) },
	    (struct seal_part){ sealed.p, sealed.len }, plain));
}

static void
unlock(struct consent_spool *s)
{
	ck_assert_int_eq(close(s->lock), 0);
	s->lock = -1;
}

START_TEST(test_goes_on)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_SPOOL struct consent_spool again = CONSENT_SPOOL_NONE;

	OK(open_spool(false, &s));
	IS(try_open(false), BUSY);
	unlock(&s);
	OK(open_spool(false, &again));
	ck_assert(ID_EQ(&s.set, &again.set));
	ck_assert_mem_eq(
	    secret_view(s.set_key), secret_view(again.set_key), SEAL_KEY);
	unlock(&again);
	consent_spool_close(&again);
	OK(open_spool(true, &again));
	ck_assert(!ID_EQ(&s.set, &again.set));
}
END_TEST

/* Each byte of the sealed state counts, and so does each that is missing. */
START_TEST(test_damaged)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_BUF struct buf was = { 0 };

	OK(open_spool(false, &s));
	unlock(&s);
	OK(file_read(in_spool(&s, "state"), 65536, &was));
	for (size_t i = 0; i < was.len; i += 7) {
		was.p[i] ^= 1;
		OK(file_write(in_spool(&s, "state"), was.p, was.len, 0600));
		IS(try_open(false), CORRUPT);
		ck_assert_ptr_nonnull(
		    strstr(err_detail(ERR_CORRUPT), "--restart"));
		was.p[i] ^= 1;
		OK(file_write(in_spool(&s, "state"), was.p, i, 0600));
		IS(try_open(false), CORRUPT);
	}
	OK(file_write(in_spool(&s, "state"), was.p, was.len, 0600));
	OK(try_open(false));
}
END_TEST

/* Well sealed, but no state: cut anywhere, too long, with other numbers. */
START_TEST(test_malformed)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_BUF struct buf was = { 0 };
	size_t count = 1 + 2 * SEAL_KEY + sizeof(s.entry.b) + RMS_RECORD;

	OK(open_spool(false, &s));
	unlock(&s);
	get_state(&s, &was);
	for (size_t n = 1; n < was.len; n++) {
		put_state(&s, was.p, n);
		IS(try_open(false), CORRUPT);
	}
	buf_u8(&was, 0);
	put_state(&s, was.p, was.len);
	IS(try_open(false), CORRUPT);
	was.len--;
	memset(was.p + count, 0, 4); /* no document */
	put_state(&s, was.p, was.len);
	IS(try_open(false), CORRUPT);
	memset(was.p + count, 0xff, 4);
	put_state(&s, was.p, was.len);
	IS(try_open(false), CORRUPT);
	put_state(&s, "\2short", 6); /* done, but of what? */
	IS(try_open(false), CORRUPT);
	was.p[0] = 9;
	put_state(&s, was.p, was.len);
	IS(try_open(false), UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_UNSUPPORTED), "--restart"));
	OK(try_open(true));
}
END_TEST

/* Another one's spool under our name, and a link in place of a file. */
START_TEST(test_foreign)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_BUF struct buf plain = { 0 };
	char *ours;

	OK(open_spool(false, &s));
	unlock(&s);
	get_state(&s, &plain);
	ours = s.name;
	s.name = (char *)(uintptr_t) "another";
	put_state(&s, plain.p, plain.len);
	s.name = ours;
	IS(try_open(false), CORRUPT);
	put_state(&s, plain.p, plain.len);
	ck_assert_int_eq(unlink(in_spool(&s, "data")), 0);
	ck_assert_int_eq(symlink(document, path), 0);
	ck_assert_int_ne(try_open(false), ERR_OK);
	ck_assert_int_eq(unlink(path), 0);
	OK(try_open(false));
}
END_TEST

static void
row(struct consent_spool *s, uint32_t i, uint64_t at, uint64_t n,
    struct buf *out)
{
	s->blob[i] = (struct consent_blob){ .at = at, .length = n };
	consent_spool_row(s, i, out);
	OK(out->err);
}

/* Rows count up to the first that is not whole; the data ends with them. */
static void
check_index(struct consent_spool *s, const struct buf *rows, uint64_t end,
    bool manifest, bool other)
{
	CLEANUP_SPOOL struct consent_spool again = CONSENT_SPOOL_NONE;
	struct stat st;

	OK(file_write(in_spool(s, "index"), rows->p, rows->len, 0600));
	OK(file_write(in_spool(s, "data"), "eightbyt", 8, 0600));
	OK(open_spool(false, &again));
	ck_assert_uint_eq(again.end, end);
	ck_assert(again.sealed[0] == manifest && again.sealed[1] == other);
	ck_assert_int_eq(fstat(again.data, &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)end);
	ck_assert_int_eq(fstat(again.index, &st), 0);
	ck_assert_int_eq(st.st_size, 56 * (manifest + other));
}

START_TEST(test_index)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_BUF struct buf rows = { 0 };

	OK(open_spool(false, &s));
	unlock(&s);
	row(&s, 1, 0, 4, &rows);
	row(&s, 0, 4, 4, &rows);
	check_index(&s, &rows, 8, true, true);
	rows.len--;
	check_index(&s, &rows, 4, false, true);
	rows.p[rows.len++]++;
	check_index(&s, &rows, 4, false, true);
	rows.p[3] ^= 1; /* the sum no longer fits */
	check_index(&s, &rows, 0, false, false);
	rows.len = 0; /* behind the data, and round the end of numbers */
	row(&s, 1, 0, 9, &rows);
	check_index(&s, &rows, 0, false, false);
	rows.len = 0;
	row(&s, 1, 4, UINT64_MAX, &rows);
	check_index(&s, &rows, 0, false, false);
}
END_TEST

START_TEST(test_changed_sources)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	struct consent_source one;
	struct consent_sources now = { .n = 1, .v = &one };
	char z[] = "zzz", file[] = "/x/zzz";

	OK(open_spool(false, &s));
	one = s.src.v[0];
	OK(consent_spool_same(&s, &now));
	one.size++;
	IS(consent_spool_same(&s, &now), CONFLICT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CONFLICT), "has changed"));
	one = s.src.v[0];
	one.mtime_ns++;
	IS(consent_spool_same(&s, &now), CONFLICT);
	one = s.src.v[0];
	one.path = z;
	one.file = file;
	IS(consent_spool_same(&s, &now), CONFLICT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CONFLICT), document));
	now.n = 0;
	IS(consent_spool_same(&s, &now), CONFLICT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CONFLICT), document));
}
END_TEST

/* Of what is done the result is kept, and neither keys nor bytes. */
START_TEST(test_done)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	CLEANUP_SPOOL struct consent_spool again = CONSENT_SPOOL_NONE;

	OK(open_spool(false, &s));
	OK(consent_spool_finish(&s));
	ck_assert_int_ne(access(in_spool(&s, "data"), F_OK), 0);
	ck_assert_int_ne(access(in_spool(&s, "index"), F_OK), 0);
	unlock(&s);
	OK(open_spool(false, &again));
	ck_assert(again.done && again.set_key == NULL);
	ck_assert(ID_EQ(&again.set, &s.set));
	ck_assert_uint_eq(again.documents, 1);
	ck_assert_uint_eq(again.bytes, 4);
}
END_TEST

START_TEST(test_no_document)
{
	ck_assert_int_eq(unlink(document), 0);
	IS(try_open(false), NOTFOUND);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_NOTFOUND), document));
	OK(file_write(document, "text", 4, 0600));
}
END_TEST

/* Begin, go on and finish, with whatever fails. */
static void
run(bool restart)
{
	struct consent_spool s = CONSENT_SPOOL_NONE;
	enum err e = open_spool(restart, &s);

	if (e == ERR_OK && !s.done) {
		uint8_t root[32];

		e = consent_spool_root(&s, root);
		if (e == ERR_OK)
			e = consent_spool_finish(&s);
		NTH_MUST(s.done == (e == ERR_OK));
	}
	consent_spool_close(&s);
	NTH_MUST(e == ERR_OK || nth_hit());
}

/* Not nth_each(): what realpath() allocates is not counted. */
static unsigned
fail_each(unsigned which, int errnum, bool restart)
{
	unsigned n = 0;
	bool failed;

	do {
		OK(try_open(true)); /* begun */
		nth_arm(which, ++n, errnum);
		run(restart);
		failed = nth_disarm();
	} while (failed);
	return n - 1;
}

/* Whatever fails is told and leaves a spool that can be gone on with. */
START_TEST(test_nth)
{
	static const struct {
		unsigned which;
		int errnum;
	} way[] = { { NTH_MEMORY, ENOMEM }, { NTH_WRITE, ENOSPC },
		{ NTH_WRITE, EIO }, { NTH_READ, EIO } };

	for (size_t i = 0; i < ARRAY_LEN(way); i++)
		for (int restart = 0; restart < 2; restart++) {
			ck_assert_uint_gt(
			    fail_each(way[i].which, way[i].errnum, restart), 0);
			OK(try_open(false));
		}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spool");
	TCase *tc = tcase_create("spool");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_goes_on);
	tcase_add_test(tc, test_damaged);
	tcase_add_test(tc, test_malformed);
	tcase_add_test(tc, test_foreign);
	tcase_add_test(tc, test_index);
	tcase_add_test(tc, test_changed_sources);
	tcase_add_test(tc, test_done);
	tcase_add_test(tc, test_no_document);
	tcase_add_test(tc, test_nth);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
