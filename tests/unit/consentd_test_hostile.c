/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signed requests that no client of ours makes: each is refused by name and
 * changes nothing. */
#include "consentd_test.h"

#include "rms/rms_internal.h"

/* err.def gives each of these errors its HTTP status. */
static enum err
call(struct rms_client *c, const char *method, const char *path,
    const char *query, const char *body)
{
	CLEANUP_BUF struct buf answer = { 0 };
	const struct rms_call one = { .method = method,
		.path = path,
		.query = query,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.max_answer = 1 << 20 };

	return rms_call(c, &one, &answer);
}

/* "/v1/patients/<key><tail>" */
static const char *
path_of(const struct seal_identity *id, const char *tail)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "/v1/patients/%s%s",
	    TEXT58(seal_identity_key(id)), tail);
	return path;
}

START_TEST(test_feed_queries)
{
	static const char *const bad[] = { "after=", "after=-1", "after=+1",
		"after=1x", "after=x", "after=0x1", "after=1000000000000000000",
		"wait=25001", "wait=", "wait=-1", "wait=1.5",
		"after=1&wait=99999999999999999999" };
	static const char *const good[] = { NULL, "after=0&wait=0",
		"after=999999999999999999", "wait=1" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(call(place.patient_c, "GET", "/v1/events", bad[i],
				  NULL) == ERR_INVAL,
		    "%s", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		OK(call(place.patient_c, "GET", "/v1/events", good[i], NULL));
}
END_TEST

/* A number from a store that was lost: everything is told again. */
START_TEST(test_feed_from_beyond)
{
	CLEANUP_FEED struct rms_feed all = { 0 }, beyond = { 0 };
	CLEANUP_MADE struct made grant = { 0 };

	decide(EVENT_GRANT, &place.b, &grant);
	wait_final(&grant.tx->id);
	for (int i = 0; i < 500 && all.n == 0; i++) {
		rms_feed_free(&all);
		OK(rms_feed_get(place.b.c, 0, 0, &all));
		clock_sleep_ms(10);
	}
	ck_assert_uint_ge(all.n, 1);
	OK(rms_feed_get(place.b.c, 999999999999999999, 0, &beyond));
	ck_assert_uint_ge(beyond.n, all.n);
	ck_assert(ID_EQ(&beyond.row[0].entry, &all.row[0].entry));
	ck_assert_uint_lt(beyond.next, 999999999999999999);
}
END_TEST

START_TEST(test_bad_events)
{
	static const char *const bad[] = { "", "x", "[]", "{}", "null",
		"{\"transaction\":5}", "{\"transaction\":[]}",
		"{\"transaction\":{}}", "{\"transaction\":{\"type\":12}}",
		"{\"transaction\":{},\"transaction\":{}}" };
	CLEANUP_FEED struct rms_feed before = { 0 }, after = { 0 };

	OK(rms_feed_get(place.patient_c, 0, 0, &before));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(call(place.patient_c, "POST", "/v1/events", NULL,
				  bad[i]) == ERR_FORMAT,
		    "%s", bad[i]);
	OK(rms_feed_get(place.patient_c, 0, 0, &after));
	ck_assert_uint_eq(before.n, after.n);
}
END_TEST

START_TEST(test_bad_registration)
{
	static const char *const bad[] = { "", "x", "{", "{}{}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(call(place.stranger_c, "POST", "/v1/patients",
				  NULL, bad[i]) == ERR_FORMAT,
		    "%s", bad[i]);
	/* no pair was made for it */
	IS(call(place.stranger_c, "GET", path_of(place.stranger, "/card"), NULL,
	       NULL),
	    NOTFOUND);
}
END_TEST

/* ${card}, signed by the patient ${id}, in the body that leaves it. */
static void
card_body(const struct rms_card *card, char out[static 4096])
{
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *body = NULL;
	CLEANUP_BUF struct buf json = { 0 };

	OK(rms_card_text(card, &text));
	body = json_pack("{s:s}", "card", buf_text(&text));
	js_print(body, &json);
	ck_assert_uint_lt(json.len, 4096);
	(void)snprintf(out, 4096, "%s", buf_text(&json));
}

static enum err
put_card(struct rms_client *c, const struct seal_identity *of, const char *body)
{
	return call(c, "PUT", path_of(of, "/card"), NULL, body);
}

/* The card that lies there is the patient's own, whoever leaves another. */
START_TEST(test_bad_cards)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"card\":5}",
		"{\"card\":\"\"}", "{\"card\":\"consentfs:x\"}" };
	struct rms_card friend;
	char ours[4096], theirs[4096];

	OK(rms_register(place.friend_c, &friend));
	card_body(&place.card, ours);
	card_body(&friend, theirs);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(put_card(place.patient_c, place.patient,
				  bad[i]) == ERR_FORMAT,
		    "%s", bad[i]);
	IS(put_card(place.patient_c, place.patient, theirs), FORGED);
	IS(put_card(place.stranger_c, place.patient, ours), NOTFOUND);
	IS(put_card(place.a.c, place.patient, ours), NOTFOUND);
	/* who never registered has no keys to leave a card for */
	IS(put_card(place.stranger_c, place.stranger, ours), NOTFOUND);
	IS(call(place.patient_c, "PUT", "/v1/patients/0OIl/card", NULL, ours),
	    NOTFOUND);
	OK(put_card(place.patient_c, place.patient, ours));
}
END_TEST

/* Only the patient is told of the card, and of the others' not even whether
 * there is one. */
START_TEST(test_card_is_told_to_its_own)
{
	const char *path = path_of(place.patient, "/card");

	OK(call(place.patient_c, "GET", path, NULL, NULL));
	IS(call(place.stranger_c, "GET", path, NULL, NULL), NOTFOUND);
	IS(call(place.a.c, "GET", path, NULL, NULL), NOTFOUND);
	IS(call(place.stranger_c, "GET", path_of(place.stranger, "/card"), NULL,
	       NULL),
	    NOTFOUND);
	IS(call(place.patient_c, "GET", "/v1/patients/0OIl/card", NULL, NULL),
	    NOTFOUND);
}
END_TEST

/* An unknown purpose is no error: consent names none of it. */
START_TEST(test_bad_listings)
{
	const char *path = path_of(place.patient, "/sets");

	IS(call(place.stranger_c, "GET", path, NULL, NULL), UNKNOWNKEY);
	OK(call(
	    place.a.c, "GET", path, "purpose=nonsense&practitioner=", NULL));
	IS(call(place.patient_c, "GET", "/v1/patients/0OIl/sets", NULL, NULL),
	    NOTFOUND);
}
END_TEST

/* A set that no block holds yet is listed for nobody. */
START_TEST(test_pending_set_is_not_listed)
{
	CLEANUP_SET struct set s;
	struct rms_set_ref *refs = NULL;
	size_t n = 1;

	place_node(false);
	set_make(&s);
	OK(rms_event(place.a.c, buf_text(&s.made.json)));
	OK(rms_sets(place.patient_c, &place.card.patient, &refs, &n));
	ck_assert_uint_eq(n, 0);
	free(refs);
	place_node(true);
	wait_final(&s.made.tx->id);
	for (int i = 0; i < 500 && n == 0; i++) {
		OK(rms_sets(place.patient_c, &place.card.patient, &refs, &n));
		free(refs);
		clock_sleep_ms(20);
	}
	ck_assert_uint_eq(n, 1);
}
END_TEST

TCase *
tcase_hostile(void)
{
	TCase *tc = tcase_create("hostile");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_feed_queries);
	tcase_add_test(tc, test_feed_from_beyond);
	tcase_add_test(tc, test_bad_events);
	tcase_add_test(tc, test_bad_registration);
	tcase_add_test(tc, test_bad_cards);
	tcase_add_test(tc, test_card_is_told_to_its_own);
	tcase_add_test(tc, test_bad_listings);
	return tc;
}

TCase *
tcase_hostile_apart(void)
{
	TCase *tc = tcase_create("hostile_apart");

	tcase_add_checked_fixture(tc, place_up_apart, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_pending_set_is_not_listed);
	return tc;
}
