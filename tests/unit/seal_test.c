/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal_test.h"

#include <stdio.h>

void
fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16) * 3 + seed);
}

struct secret *
secret_of(uint8_t byte)
{
	uint8_t bytes[SEAL_KEY];
	struct secret *s = NULL;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte;
	OK(secret_copy(bytes, sizeof(bytes), &s));
	return s;
}

json_t *
vectors(const char *name)
{
	char path[4096];
	json_error_t why;
	json_t *j;

	(void)snprintf(
	    path, sizeof(path), "%s/tests/vectors/%s", TEST_SRCDIR, name);
	j = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(j != NULL, "%s: %s", path, why.text);
	return j;
}

const char *
text_of(const json_t *j, const char *name)
{
	const json_t *s = json_object_get(j, name);

	ck_assert_msg(json_is_string(s), "no text '%s'", name);
	return json_string_value(s);
}

struct buf
hex_of(const json_t *j, const char *name)
{
	const char *s = text_of(j, name);
	size_t n = strlen(s) / 2;
	struct buf b = { 0 };
	uint8_t *p = buf_room(&b, n);

	ck_assert(p != NULL);
	OK(text_hex_read(s, p, n));
	return b;
}

void
hex_read(const json_t *j, const char *name, void *out, size_t n)
{
	OK(text_hex_read(text_of(j, name), out, n));
}

void
base58_read(const json_t *j, const char *name, void *out, size_t n)
{
	OK(text58_read(text_of(j, name), out, n));
}

struct seal_identity *
identity_of(uint8_t byte)
{
	CLEANUP(secret_free) struct secret *s = secret_of(byte);
	struct seal_identity *id = NULL;

	OK(seal_identity_from_private(secret_view(s), &id));
	return id;
}

int
main(void)
{
	TCase *(*const cases[])(void) = { tcase_waves, tcase_identity,
		tcase_sign, tcase_envelope, tcase_flip, tcase_document,
		tcase_gcm, tcase_blob, tcase_keyfile, tcase_rest, tcase_golden,
		tcase_faults, tcase_no_cipher };
	Suite *s = suite_create("seal");
	SRunner *run;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		suite_add_tcase(s, cases[i]());
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed == 0 ? 0 : 1;
}
