/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry_test.h"

int
main(void)
{
	Suite *s = suite_create("registry");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	suite_add_tcase(s, registry_test_store());
	suite_add_tcase(s, registry_test_policy());
	suite_add_tcase(s, registry_test_pending());
	suite_add_tcase(s, registry_test_roster());
	suite_add_tcase(s, registry_test_open());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
