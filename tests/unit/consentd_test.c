/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd_test.h"

#include <ftw.h>

#include "base/log.h"

void
dir_make(char out[static 128])
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(out, 128, "%s/consentd_test.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(out));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void
dir_remove(const char *dir)
{
	ck_assert_int_eq(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void
quiet(enum log_level level, const char *line)
{
	if (level == LOG_ERROR)
		fprintf(stderr, "%s\n", line);
}

int
main(void)
{
	Suite *s = suite_create("consentd");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	log_set_sink(quiet);
	suite_add_tcase(s, tcase_replay());
	suite_add_tcase(s, tcase_keystore());
	suite_add_tcase(s, tcase_store());
	suite_add_tcase(s, tcase_accredit());
	suite_add_tcase(s, tcase_publish());
	suite_add_tcase(s, tcase_release());
	suite_add_tcase(s, tcase_feed());
	suite_add_tcase(s, tcase_requests());
	suite_add_tcase(s, tcase_apart());
	suite_add_tcase(s, tcase_hostile());
	suite_add_tcase(s, tcase_hostile_apart());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
