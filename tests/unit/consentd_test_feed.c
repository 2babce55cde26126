/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd_test.h"

#include <pthread.h>
#include <signal.h>

#include "http/http.h"

/* ---- the feed ---- */

/* The row of entry ${entry} above ${*after}, within some seconds. */
static void
find_row(struct rms_client *c, const struct entry_key *entry, uint64_t *after,
    struct rms_feed_row *out)
{
	int64_t until = clock_boot_ms() + 5000;

	while (clock_boot_ms() < until) {
		CLEANUP_FEED struct rms_feed f = { 0 };

		OK(rms_feed_get(c, *after, 1000, &f));
		*after = f.next;
		for (size_t i = 0; i < f.n; i++)
			if (ID_EQ(&f.row[i].entry, entry)) {
				*out = f.row[i];
				out->json = f.row[i].json ? "" : NULL;
				return;
			}
	}
	ck_abort_msg("no such row");
}

static size_t
count_rows(struct rms_client *c, const struct entry_key *entry)
{
	CLEANUP_FEED struct rms_feed f = { 0 };
	size_t n = 0;

	OK(rms_feed_get(c, 0, 0, &f));
	for (size_t i = 0; i < f.n; i++)
		n += ID_EQ(&f.row[i].entry, entry);
	return n;
}

START_TEST(test_feed)
{
	CLEANUP_SET struct set s;
	CLEANUP_MADE struct made grant = { 0 }, inquiry = { 0 };
	struct inquiry_id id;
	struct rms_feed_row row;
	uint64_t patient = 0, b = 0;
	struct rms_feed none = { 0 };

	inquire(
	    &place.b, EVENT_ACCESS, &(struct event_id){ { 1 } }, &inquiry, &id);
	OK(rms_event(place.b.c, buf_text(&inquiry.json)));
	find_row(place.patient_c, &inquiry.entry, &patient, &row);
	ck_assert(!row.has_key);
	ck_assert(ID_EQ(&row.sender, seal_identity_key(place.b.host)));
	decide(EVENT_GRANT, &place.b, &grant);
	find_row(place.b.c, &grant.entry, &b, &row);
	ck_assert(!row.has_key);

	set_make(&s);
	set_publish(&s);
	find_row(place.patient_c, &s.made.entry, &patient, &row);
	ck_assert(row.json == NULL);
	/* consent covers it: a hint, no key */
	find_row(place.b.c, &s.made.entry, &b, &row);
	ck_assert(!row.has_key);

	place_restart(SIGTERM);
	ck_assert_uint_eq(count_rows(place.patient_c, &inquiry.entry), 1);
	ck_assert_uint_eq(count_rows(place.patient_c, &s.made.entry), 1);
	ck_assert_uint_eq(count_rows(place.a.c, &grant.entry), 0);
	OK(rms_feed_get(place.stranger_c, 0, 0, &none));
	ck_assert_uint_eq(none.n, 0);
	ck_assert_uint_gt(none.next, 0);
	rms_feed_free(&none);
}
END_TEST

static void
check_sealed(const struct rms_feed_row *row, const struct seal_identity *to,
    const struct secret *want)
{
	uint8_t key[SEAL_KEY];

	ck_assert(row->has_key);
	OK(seal_box_open(to, row->key, sizeof(row->key), key));
	ck_assert_mem_eq(key, secret_view(want), sizeof(key));
}

/* A group's decision comes with its key to members only. */
START_TEST(test_feed_group)
{
	CLEANUP_MADE struct made grant = { 0 };
	struct rms_feed_row row;
	uint64_t b = 0;

	decide(EVENT_GRANT, NULL, &grant);
	find_row(place.b.c, &grant.entry, &b, &row);
	check_sealed(&row, place.b.reading, grant.key);
	ck_assert(row.json == NULL); /* it is final */
	ck_assert_uint_eq(count_rows(place.a.c, &grant.entry), 0);
	ck_assert_uint_eq(count_rows(place.patient_c, &grant.entry), 1);
}
END_TEST

/* What is for anyone comes with its key to every host. */
START_TEST(test_feed_anyone)
{
	const struct event e = { .type = EVENT_DECISION,
		.patient = place.card.patient,
		.u.decision = { .party = EVENT_ANYONE,
		    .n = ++place.decisions,
		    .effect = EVENT_GRANT,
		    .scope = { .all = true },
		    .rights = EVENT_RIGHT_LIST } };
	const struct making how = { .from = place.patient };
	CLEANUP_MADE struct made grant = { 0 };
	struct rms_feed_row row;
	uint64_t a = 0, b = 0;

	make_event(&e, &how, &grant);
	OK(rms_event(place.patient_c, buf_text(&grant.json)));
	find_row(place.a.c, &grant.entry, &a, &row);
	check_sealed(&row, place.a.reading, grant.key);
	find_row(place.b.c, &grant.entry, &b, &row);
	check_sealed(&row, place.b.reading, grant.key);
	ck_assert_uint_eq(count_rows(place.stranger_c, &grant.entry), 0);
}
END_TEST

#define ANSWER 500 /* rows at most */

/* More than one answer holds: the next one goes on behind the last row. */
START_TEST(test_feed_in_parts)
{
	CLEANUP_FEED struct rms_feed first = { 0 }, rest = { 0 };
	CLEANUP_MADE struct made m = { 0 };
	struct event_id set = { { 1 } };
	struct inquiry_id id;

	for (int i = 0; i < ANSWER + 3; i++) {
		made_free(&m);
		inquire(&place.b, EVENT_ACCESS, &set, &m, &id);
		OK(rms_event(place.b.c, buf_text(&m.json)));
	}
	OK(rms_feed_get(place.patient_c, 0, 0, &first));
	ck_assert_uint_eq(first.n, ANSWER);
	ck_assert_uint_eq(first.next, first.row[ANSWER - 1].seq);
	OK(rms_feed_get(place.patient_c, first.next, 0, &rest));
	ck_assert_uint_eq(rest.n, 3);
	ck_assert(ID_EQ(&rest.row[2].entry, &m.entry));
	ck_assert_uint_gt(rest.row[0].seq, first.next);
}
END_TEST

static void
delegate(struct made *out)
{
	CLEANUP_BUF struct buf card = { 0 };
	const struct pubkey *friend = seal_identity_key(place.friend);
	const struct making how = { .from = place.patient, .friend = friend };
	struct event e = { .type = EVENT_DELEGATION,
		.patient = place.card.patient };

	OK(rms_card_text(&place.card, &card));
	e.u.delegation = (struct event_delegation){ .representative = *friend,
		.relationship = "FAMMEMB",
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true },
		.card = buf_text(&card) };
	make_event(&e, &how, out);
	OK(rms_event(place.patient_c, buf_text(&out->json)));
	wait_final(&out->tx->id);
}

START_TEST(test_feed_representative)
{
	CLEANUP_MADE struct made delegation = { 0 };
	CLEANUP_SET struct set s;
	struct rms_set_ref *refs = NULL;
	struct rms_feed_row row;
	struct rms_record rec;
	uint64_t after = 0;
	size_t n;

	set_make(&s);
	set_publish(&s);
	ck_assert_uint_eq(count_rows(place.friend_c, &s.made.entry), 0);
	IS(rms_sets(place.friend_c, &place.card.patient, &refs, &n),
	    UNKNOWNKEY);
	delegate(&delegation);
	clock_sleep_ms(300);
	find_row(place.friend_c, &s.made.entry, &after, &row);
	check_sealed(&row, place.friend, s.made.key);
	/* whom a patient lets decide is no institution's business */
	ck_assert_uint_eq(count_rows(place.a.c, &delegation.entry), 0);
	OK(rms_sets(place.friend_c, &place.card.patient, &refs, &n));
	ck_assert_uint_eq(n, 1);
	free(refs);
	/* to decide is not to view */
	IS(rms_get_record(place.friend_c, &s.made.id, &rec), NOTFOUND);
}
END_TEST

static void *
post_later(void *arg)
{
	struct made *m = arg;

	clock_sleep_ms(200);
	return rms_event(place.b.c, buf_text(&m->json)) ? NULL : arg;
}

/* A poll waits as long as it says, and no longer once there is something. */
START_TEST(test_feed_waits)
{
	CLEANUP_FEED struct rms_feed none = { 0 }, f = { 0 };
	CLEANUP_MADE struct made m = { 0 };
	int64_t began = clock_boot_ms();
	struct inquiry_id id;
	pthread_t thread;
	void *posted;

	OK(rms_feed_get(place.patient_c, 0, 300, &none));
	ck_assert_uint_eq(none.n, 0);
	ck_assert_int_ge(clock_boot_ms() - began, 290);

	inquire(&place.b, EVENT_ACCESS, &(struct event_id){ { 1 } }, &m, &id);
	began = clock_boot_ms();
	ck_assert_int_eq(pthread_create(&thread, NULL, post_later, &m), 0);
	OK(rms_feed_get(place.patient_c, none.next, 20000, &f));
	(void)pthread_join(thread, &posted);
	ck_assert_ptr_nonnull(posted);
	ck_assert_uint_eq(f.n, 1);
	ck_assert(ID_EQ(&f.row[0].entry, &m.entry));
	ck_assert_int_lt(clock_boot_ms() - began, 10000);
}
END_TEST

START_TEST(test_foreign_events)
{
	CLEANUP_MADE struct made m = { 0 }, other = { 0 };
	struct inquiry_id id;
	struct clinic imposter = place.b;
	struct rms_card kept = place.card;
	struct set s;

	/* a host that speaks for another institution */
	imposter.host = place.a.host;
	inquire(&imposter, EVENT_ACCESS, &(struct event_id){ { 1 } }, &m, &id);
	IS(rms_event(place.a.c, buf_text(&m.json)), UNKNOWNKEY);
	/* a payload about another patient than slot 0 says */
	place.card.patient = *seal_identity_key(place.stranger);
	inquire(
	    &place.a, EVENT_ACCESS, &(struct event_id){ { 1 } }, &other, &id);
	IS(rms_event(place.a.c, buf_text(&other.json)), FORGED);
	/* a patient whom the RMS does not know */
	place.card = kept;
	place.card.patient_rms = *seal_identity_key(place.stranger);
	set_make(&s);
	IS(rms_event(place.a.c, buf_text(&s.made.json)), NOKEY);
	set_free(&s);
	place.card = kept;
}
END_TEST

/* ---- requests ---- */

static struct http_client *http;

/* Send a signed request as it stands. */
static long
send_raw(struct rms_request *r, struct http_answer *a)
{
	char key[128], time[64], nonce[96], sig[160], host[64], url[160];
	const char *headers[] = { key, time, nonce, sig, host, NULL };
	const struct http_call call = { .method = r->method,
		.url = url,
		.headers = headers,
		.body = r->body,
		.body_len = r->body_len,
		.max_answer = 1 << 20 };
	struct text58 t;

	(void)snprintf(host, sizeof(host), "Host: %s", r->host);
	(void)snprintf(key, sizeof(key), RMS_H_KEY ": %s", TEXT58(&r->key));
	(void)snprintf(
	    time, sizeof(time), RMS_H_TIME ": %lld", (long long)r->time);
	(void)snprintf(nonce, sizeof(nonce), RMS_H_NONCE ": %s",
	    text58(r->nonce, sizeof(r->nonce), &t));
	(void)snprintf(sig, sizeof(sig), RMS_H_SIG ": %s", TEXT58(&r->sig));
	(void)snprintf(url, sizeof(url), "%s%s", place.roots.rms_url, r->path);
	OK(http_do(http, &call, a));
	return a->status;
}

static void
sign(struct rms_request *r, const struct seal_identity *id)
{
	r->method = "POST";
	r->host = strstr(place.roots.rms_url, "//") + 2;
	r->path = "/v1/patients";
	r->query = "";
	r->body = "{}";
	r->body_len = 2;
	r->time = clock_wall_ms();
	seal_random(r->nonce, sizeof(r->nonce));
	OK(rms_request_sign(r, id, &place.roots.chain));
}

START_TEST(test_no_replay)
{
	struct http_answer a = { 0 };
	struct rms_request r = { 0 };
	struct rms_card card;

	OK(http_client_new(
	    &(struct http_client_opts){ .timeout_ms = 5000 }, &http));
	sign(&r, place.patient);
	ck_assert_int_eq(send_raw(&r, &a), 200);
	http_answer_free(&a);
	ck_assert_int_eq(send_raw(&r, &a), 401);
	http_answer_free(&a);
	place_restart(SIGKILL);
	ck_assert_int_eq(send_raw(&r, &a), 401);
	ck_assert_ptr_nonnull(strstr(buf_text(&a.body), "notBefore"));
	http_answer_free(&a);
	OK(rms_register(place.patient_c, &card)); /* signs again */
	ck_assert(ID_EQ(&card.patient_rms, &place.card.patient_rms));

	sign(&r, place.patient);
	r.time += 400000;
	OK(rms_request_sign(&r, place.patient, &place.roots.chain));
	ck_assert_int_eq(send_raw(&r, &a), 401);
	http_answer_free(&a);
	sign(&r, place.patient);
	r.time += 100000;
	r.host = "localhost:1";
	ck_assert_int_eq(send_raw(&r, &a), 401);
	http_answer_free(&a);
	sign(&r, place.patient);
	r.body = "[]";
	ck_assert_int_eq(send_raw(&r, &a), 401);
	http_answer_free(&a);
	http_client_free(http);
}
END_TEST

START_TEST(test_cards)
{
	struct rms_card again, other;

	OK(rms_register(place.patient_c, &again));
	ck_assert(ID_EQ(&again.patient_rms, &place.card.patient_rms));
	OK(rms_register(place.stranger_c, &other));
	ck_assert(!ID_EQ(&other.patient_rms, &place.card.patient_rms));
	ck_assert_str_eq(other.url, place.roots.rms_url);
}
END_TEST

TCase *
tcase_feed(void)
{
	TCase *tc = tcase_create("feed");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_feed);
	tcase_add_test(tc, test_feed_group);
	tcase_add_test(tc, test_feed_anyone);
	tcase_add_test(tc, test_feed_in_parts);
	tcase_add_test(tc, test_feed_representative);
	tcase_add_test(tc, test_feed_waits);
	tcase_add_test(tc, test_foreign_events);
	return tc;
}

TCase *
tcase_requests(void)
{
	TCase *tc = tcase_create("requests");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_no_replay);
	tcase_add_test(tc, test_cards);
	return tc;
}
