/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "event_test.h"

static struct event_document
a_document(const char *a, const char *b, const char *c)
{
	struct event_document d = { .media = "application/dicom",
		.type_code = "18748-4",
		.size = 42,
		.created = -5,
		.modified = 6 };

	d.component[d.ncomponents++] = a;
	if (b)
		d.component[d.ncomponents++] = b;
	if (c)
		d.component[d.ncomponents++] = c;
	return d;
}

static enum err
read_paths(const char *const (*paths)[3], uint32_t n)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		struct event_document d = a_document(
		    paths[i][0], paths[i][1], paths[i][2]);

		ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
	}
	return event_manifest_read(b.p, b.len, n, &m);
}

START_TEST(manifest_round_trip)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	struct event_document d = a_document("DICOM", "Bild 1.dcm", NULL);

	d.blob.b[9] = 9;
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
	d = a_document("Ärzte.pdf", NULL, NULL);
	d.type_code = NULL;
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
	ck_assert_int_eq(event_manifest_read(b.p, b.len, 2, &m), ERR_OK);
	ck_assert_uint_eq(m->n, 2);
	ck_assert_uint_eq(m->doc[0].ncomponents, 2);
	ck_assert_str_eq(m->doc[0].component[1], "Bild 1.dcm");
	ck_assert_str_eq(m->doc[0].media, "application/dicom");
	ck_assert_str_eq(m->doc[0].type_code, "18748-4");
	ck_assert_uint_eq(m->doc[0].size, 42);
	ck_assert_int_eq(m->doc[0].created, -5);
	ck_assert_int_eq(m->doc[0].modified, 6);
	ck_assert_int_eq(m->doc[0].blob.b[9], 9);
	ck_assert_str_eq(m->doc[1].component[0], "Ärzte.pdf");
	ck_assert_str_eq(m->doc[1].type_code, "");
}
END_TEST

START_TEST(manifest_paths)
{
	static const char *const good[][3] = { { "a", "b", NULL },
		{ "a", "c", "d" }, { "a b", NULL, NULL }, { "a.", NULL, NULL },
		{ "A", NULL, NULL } };
	static const char *const same[][3] = { { "z", NULL, NULL },
		{ "a", "b", NULL }, { "m", NULL, NULL }, { "a", "b", NULL } };
	static const char *const inside[][3] = { { "a", "b", "c" },
		{ "a!", NULL, NULL }, { "a", "a", NULL }, { "a", NULL, NULL } };

	ck_assert_int_eq(read_paths(good, ARRAY_LEN(good)), ERR_OK);
	ck_assert_int_eq(read_paths(same, ARRAY_LEN(same)), ERR_FORMAT);
	ck_assert_int_eq(read_paths(inside, ARRAY_LEN(inside)), ERR_FORMAT);
}
END_TEST

START_TEST(manifest_components)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "\xff",
		"a\nb", "a\x7f" };
	CLEANUP_BUF struct buf b = { 0 };
	struct event_document d;
	char name[257];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		d = a_document("ok", bad[i], NULL);
		ck_assert_int_eq(event_manifest_add(&d, &b), ERR_INVAL);
	}
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	d = a_document(name, NULL, NULL);
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_INVAL);
	d.ncomponents = 0;
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_INVAL);
	d.ncomponents = EVENT_MAX_PATH + 1;
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_INVAL);
	ck_assert_uint_eq(b.len, 0);
	name[255] = '\0';
	d = a_document(name, NULL, NULL);
	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
}
END_TEST

START_TEST(manifest_refuses)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 }, one = { 0 };
	struct event_document d = a_document("a", NULL, NULL);

	ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
	ck_assert_int_eq(event_manifest_read(b.p, b.len, 0, &m), ERR_FORMAT);
	ck_assert_int_eq(event_manifest_read(b.p, b.len, 2, &m), ERR_FORMAT);
	ck_assert_int_eq(
	    event_manifest_read(b.p, b.len - 1, 1, &m), ERR_FORMAT);
	ck_assert_int_eq(event_manifest_read(b.p, 0, 1, &m), ERR_FORMAT);
	ck_assert_int_eq(event_manifest_read("\n", 1, 1, &m), ERR_FORMAT);
	buf_fmt(&one,
	    "{\"path\":[\"..\"],\"media\":\"a\",\"size\":0,"
	    "\"blob\":\"%s\"}\n",
	    b58(1, 32));
	ck_assert_int_eq(
	    event_manifest_read(one.p, one.len, 1, &m), ERR_FORMAT);
	one.p[10] = 'x';
	ck_assert_int_eq(event_manifest_read(one.p, one.len, 1, &m), ERR_OK);
	event_manifest_free(TAKE(m));
	ck_assert_int_eq(event_manifest_read(b.p, 0, 0, &m), ERR_OK);
	ck_assert_uint_eq(m->n, 0);
}
END_TEST

START_TEST(manifest_is_fast)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	clock_t start;
	char name[32];

	for (unsigned i = 0; i < 10000; i++) {
		struct event_document d = a_document("DICOM", name, NULL);

		snprintf(name, sizeof(name), "IM%08u", (i * 7919) % 10000);
		randombytes_buf(d.blob.b, sizeof(d.blob.b));
		ck_assert_int_eq(event_manifest_add(&d, &b), ERR_OK);
	}
	start = clock();
	ck_assert_int_eq(event_manifest_read(b.p, b.len, 10000, &m), ERR_OK);
	printf("10000 documents read in %.0f ms\n",
	    (double)(clock() - start) * 1000 / CLOCKS_PER_SEC);
	/* 50 ms here; the bound leaves room for sanitizers */
	ck_assert_int_lt(clock() - start, CLOCKS_PER_SEC);
}
END_TEST

void
add_manifest(Suite *s)
{
	CASE("manifest", manifest_round_trip, manifest_paths,
	    manifest_components, manifest_refuses, manifest_is_fast);
}
