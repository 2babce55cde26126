/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms_test.h"

#include "base/log.h"

struct parties who;

struct seal_identity *
identity_of(uint8_t byte)
{
	struct seal_identity *id = NULL;
	uint8_t key[32];

	memset(key, byte, sizeof(key));
	OK(seal_identity_from_private(key, &id));
	return id;
}

void
parties_up(void)
{
	who.patient = identity_of(0x11);
	who.rms = identity_of(0x22);
	who.patient_rms = identity_of(0x33);
	who.other = identity_of(0x44);
	memset(who.chain.b, 0x55, sizeof(who.chain.b));
	who.chain.b[0] = 'V';
}

void
parties_down(void)
{
	seal_identity_free(who.patient);
	seal_identity_free(who.rms);
	seal_identity_free(who.patient_rms);
	seal_identity_free(who.other);
}

void
card_make(const char *url, struct rms_card *out)
{
	*out = (struct rms_card){
		.patient = *seal_identity_key(who.patient),
		.chain = who.chain,
		.rms = *seal_identity_key(who.rms),
		.patient_rms = *seal_identity_key(who.patient_rms),
	};
	ck_assert_uint_le(strlen(url), RMS_URL_MAX);
	strcpy(out->url, url);
	OK(rms_card_sign(out, who.rms, &out->by_rms));
	OK(rms_card_sign(out, who.patient, &out->by_patient));
}

static void
quiet(enum log_level level, const char *line)
{
	(void)level, (void)line;
}

int
main(void)
{
	Suite *s = suite_create("rms");
	SRunner *sr;
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	log_set_sink(quiet);
	suite_add_tcase(s, tcase_card());
	suite_add_tcase(s, tcase_card_bad());
	suite_add_tcase(s, tcase_statement());
	suite_add_tcase(s, tcase_client());
	suite_add_tcase(s, tcase_errors());
	suite_add_tcase(s, tcase_blobs());
	suite_add_tcase(s, tcase_golden());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
