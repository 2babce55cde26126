/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/store.h"
#include "consentd_test.h"

#include <signal.h>

/* ---- accreditation ---- */

START_TEST(test_accredit_merges)
{
	struct clinic first = place.a;

	/* a second host of the same institution, same reading key */
	OK(seal_identity_new(&place.a.host));
	clinic_accredit(&place.a, "Clinic A", NULL);
	{
		CLEANUP_MADE struct made m = { 0 }, n = { 0 };
		struct inquiry_id id;
		struct event_id set = { { 1 } };

		inquire(&place.a, EVENT_ACCESS, &set, &m, &id);
		OK(rms_event(place.a.c, buf_text(&m.json)));
		inquire(&first, EVENT_ACCESS, &set, &n, &id);
		OK(rms_event(place.a.c, buf_text(&n.json)));
	}
	seal_identity_free(first.host);
	rms_client_free(place.a.c);
	place.a.c = NULL;
}
END_TEST

START_TEST(test_end_host)
{
	char key[64];
	bool missing;
	struct blob_id id = { { 1 } };
	enum err e = ERR_OK;

	OK(rms_blobs_missing(place.b.c, &id, 1, &missing));
	ck_assert(missing);
	(void)snprintf(
	    key, sizeof(key), "%s", TEXT58(seal_identity_key(place.b.host)));
	OK(run_verb(consentd_accredit, "accredit", "--dir", place.dir,
	    "--end-host", key, NULL));
	for (int i = 0; i < 200 && e == ERR_OK; i++) {
		e = rms_blobs_missing(place.b.c, &id, 1, &missing);
		clock_sleep_ms(10);
	}
	ck_assert_int_eq(e, ERR_UNKNOWNKEY);
}
END_TEST

START_TEST(test_second_server)
{
	IS(run_verb(consentd_serve, "serve", "--dir", place.dir, NULL), BUSY);
}
END_TEST

/* What the operator writes into consentd.conf reaches client.conf. */
START_TEST(test_another_address)
{
	CLEANUP_ROOTS struct consentd_roots now = { 0 };
	char url[64];

	(void)snprintf(url, sizeof(url), "http://localhost%s",
	    strrchr(place.roots.rms_url, ':'));
	place_set(place.dir, "url", url);
	place_restart(SIGTERM);
	OK(consentd_roots_read(place.dir, &now));
	ck_assert_str_eq(now.rms_url, url);
}
END_TEST

/* ---- publishing ---- */

START_TEST(test_publish)
{
	CLEANUP_SET struct set s;
	CLEANUP_BUF struct buf span = { 0 }, leaves = { 0 };
	struct rms_set_ref *refs = NULL;
	struct rms_record rec, other;
	uint64_t length;
	size_t n = 0;

	set_make(&s);
	set_publish(&s);
	OK(rms_sets(place.patient_c, &place.card.patient, &refs, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert(ID_EQ(&refs[0].set, &s.made.id));
	ck_assert(ID_EQ(&refs[0].tx, &s.made.tx->id));
	free(refs);

	OK(rms_get_record(place.patient_c, &s.made.id, &rec));
	OK(rms_get_record(place.a.c, &s.made.id, &rec));
	IS(rms_get_record(place.b.c, &s.made.id, &rec), NOTFOUND);
	IS(rms_get_record(place.stranger_c, &s.made.id, &rec), NOTFOUND);
	/* another one does not take its place */
	OK(rms_record_make(
	    s.set_key, &place.card.patient, &place.card.patient_rms, &other));
	IS(rms_put_record(place.a.c, &s.made.id, &other), EXISTS);

	OK(rms_blob_leaves(
	    place.patient_c, &s.ids[1], 1 << 30, &length, &leaves));
	OK(rms_blob_span(place.patient_c, &s.ids[1], 0, &span));
	ck_assert_uint_eq(length, s.document.len);
	ck_assert_uint_eq(span.len, s.document.len);
	ck_assert_mem_eq(span.p, s.document.p, span.len);
	span.len = 0;
	OK(rms_blob_span(place.a.c, &s.ids[0], 0, &span));
	IS(rms_blob_span(place.b.c, &s.ids[0], 0, &span), NOTFOUND);
	IS(rms_blob_span(place.stranger_c, &s.ids[0], 0, &span), NOTFOUND);
}
END_TEST

START_TEST(test_publish_incomplete)
{
	CLEANUP_SET struct set s;
	CLEANUP(secret_free) struct secret *wrong = NULL;
	CLEANUP_BUF struct buf pack = { 0 };
	struct rms_record rec, bad;
	struct event_id none = { { 3 } };

	set_make(&s);
	OK(rms_record_make(
	    s.set_key, &place.card.patient, &place.card.patient_rms, &rec));
	IS(rms_put_record(place.a.c, &none, &rec), NOTFOUND);
	OK(rms_event(place.a.c, buf_text(&s.made.json)));
	wait_final(&s.made.tx->id);
	clock_sleep_ms(300);
	IS(rms_put_record(place.a.c, &s.made.id, &rec), CONFLICT);
	buf_u32(&pack, (uint32_t)s.manifest.len);
	buf_put(&pack, s.manifest.p, s.manifest.len);
	OK(rms_blobs_pack(place.a.c, &pack));
	IS(rms_put_record(place.a.c, &s.made.id, &rec), CONFLICT);
	ck_assert_ptr_nonnull(strstr(err_detail(ERR_CONFLICT), "1 of 2 blobs"));
	IS(rms_put_record(place.b.c, &s.made.id, &rec), NOTFOUND);
	IS(rms_put_record(place.patient_c, &s.made.id, &rec), UNKNOWNKEY);

	IS(rms_blob_begin(place.a.c, &s.ids[1], s.document.len,
	       (const uint8_t[32]){ 0 }, 1),
	    FORGED);
	pack.len = 0;
	buf_u32(&pack, (uint32_t)s.document.len);
	buf_put(&pack, s.document.p, s.document.len);
	IS(rms_blobs_pack(place.patient_c, &pack), UNKNOWNKEY);
	OK(rms_blobs_pack(place.a.c, &pack));
	OK(secret_copy((const uint8_t[32]){ 7 }, 32, &wrong));
	OK(rms_record_make(
	    wrong, &place.card.patient, &place.card.patient_rms, &bad));
	IS(rms_put_record(place.a.c, &s.made.id, &bad), FORGED);
	OK(rms_put_record(place.a.c, &s.made.id, &rec));
}
END_TEST

START_TEST(test_spans)
{
	CLEANUP(free) uint8_t *bytes = malloc(SEAL_SPAN + 100);
	struct blob_id id;
	uint8_t leaves[64], bitmap = 0xff;
	bool missing = false;

	memset(bytes, 0x42, SEAL_SPAN + 100);
	seal_leaf(0, bytes, SEAL_SPAN, leaves);
	seal_leaf(1, bytes + SEAL_SPAN, 100, leaves + 32);
	seal_blob_id(SEAL_SPAN + 100, leaves, 2, &id);
	OK(rms_blob_begin(place.a.c, &id, SEAL_SPAN + 100, leaves, 2));
	OK(rms_blob_put_span(place.a.c, &id, 1, bytes + SEAL_SPAN, 100));
	OK(rms_blob_spans(place.a.c, &id, &bitmap, 2));
	ck_assert_uint_eq(bitmap, 2);
	OK(rms_blobs_missing(place.a.c, &id, 1, &missing));
	ck_assert(missing);
	place_restart(SIGKILL); /* what was answered is there */
	OK(rms_blob_spans(place.a.c, &id, &bitmap, 2));
	ck_assert_uint_eq(bitmap, 2);
	bytes[5]++;
	IS(rms_blob_put_span(place.a.c, &id, 0, bytes, SEAL_SPAN), FORGED);
	bytes[5]--;
	OK(rms_blob_put_span(place.a.c, &id, 0, bytes, SEAL_SPAN));
	IS(rms_blob_put_span(place.a.c, &id, 2, bytes, 1), NOTFOUND);
	OK(rms_blobs_missing(place.a.c, &id, 1, &missing));
	ck_assert(!missing);
}
END_TEST

/* ---- releases ---- */

static void
check_key(const struct clinic *c, const struct rms_release *rel,
    const struct secret *want)
{
	uint8_t key[SEAL_KEY];

	OK(seal_box_open(c->reading, rel->key, sizeof(rel->key), key));
	ck_assert_mem_eq(key, secret_view(want), sizeof(key));
	ck_assert_int_eq(rel->lease_ms, 900000);
	ck_assert(ID_EQ(&rel->receipt.institution, &c->id));
}

static enum err
ask_until(struct clinic *c, enum event_kind kind, const struct event_id *set,
    enum err not_this, struct rms_release *out)
{
	enum err e = not_this;

	for (int i = 0; i < 200 && e == not_this; i++) {
		e = ask(c, kind, set, out);
		if (e == not_this)
			clock_sleep_ms(20);
	}
	return e;
}

START_TEST(test_release)
{
	CLEANUP_SET struct set s;
	CLEANUP_MADE struct made grant = { 0 }, revoke = { 0 };
	CLEANUP_BUF struct buf span = { 0 };
	struct event_id unknown = { { 4 } };
	struct rms_set_ref *refs = NULL;
	struct rms_record rec;
	struct rms_release rel;
	size_t n;
	enum err e;

	set_make(&s);
	set_publish(&s);
	/* the custodian may list, not read */
	OK(ask(&place.a, EVENT_LIST, &s.made.id, &rel));
	check_key(&place.a, &rel, s.made.key);
	IS(ask(&place.a, EVENT_ACCESS, &s.made.id, NULL), DENIED);
	/* unknown and forbidden look alike */
	IS(ask(&place.b, EVENT_LIST, &s.made.id, NULL), DENIED);
	IS(ask(&place.b, EVENT_LIST, &unknown, NULL), DENIED);
	OK(rms_sets(place.b.c, &place.card.patient, &refs, &n));
	ck_assert_uint_eq(n, 0);
	free(refs);

	decide(EVENT_GRANT, &place.b, &grant);
	wait_final(&grant.tx->id);
	clock_sleep_ms(200);
	OK(rms_sets(place.b.c, &place.card.patient, &refs, &n));
	ck_assert_uint_eq(n, 1);
	free(refs);
	IS(rms_get_record(place.b.c, &s.made.id, &rec), NOTFOUND);
	OK(ask_until(&place.b, EVENT_LIST, &s.made.id, ERR_PENDING, &rel));
	check_key(&place.b, &rel, s.made.key);
	OK(ask(&place.b, EVENT_ACCESS, &s.made.id, &rel));
	check_key(&place.b, &rel, s.set_key);
	OK(rms_get_record(place.b.c, &s.made.id, &rec));
	OK(rms_blob_span(place.b.c, &s.ids[1], 0, &span));

	/* it counts from first sight */
	decide(EVENT_REVOKE, &place.b, &revoke);
	e = ask(&place.b, EVENT_ACCESS, &s.made.id, NULL);
	ck_assert_int_eq(e, ERR_REVOKED);
	OK(ask(&place.b, EVENT_LIST, &s.made.id, NULL));
	place_restart(SIGKILL);
	IS(ask(&place.b, EVENT_ACCESS, &s.made.id, NULL), REVOKED);
	OK(rms_get_record(place.b.c, &s.made.id, &rec));
}
END_TEST

START_TEST(test_release_rules)
{
	CLEANUP_SET struct set s;
	CLEANUP_MADE struct made m = { 0 }, l = { 0 };
	struct rms_release rel;
	struct inquiry_id id, listing, other = { { 9 } };
	const struct event_id *set = &s.made.id;

	set_make(&s);
	set_publish(&s);
	inquire(&place.a, EVENT_ACCESS, set, &m, &id);
	inquire(&place.a, EVENT_LIST, set, &l, &listing);
	/* the item must be there, of that kind, for that set */
	IS(rms_release_get(
	       place.a.c, EVENT_ACCESS, set, &other, buf_text(&m.json), &rel),
	    FORMAT);
	IS(rms_release_get(
	       place.a.c, EVENT_LIST, set, &id, buf_text(&m.json), &rel),
	    FORMAT);
	IS(rms_release_get(place.a.c, EVENT_LIST, &(struct event_id){ { 1 } },
	       &listing, buf_text(&l.json), &rel),
	    FORMAT);
	/* somebody else's inquiry */
	IS(rms_release_get(
	       place.b.c, EVENT_LIST, set, &listing, buf_text(&l.json), &rel),
	    UNKNOWNKEY);
	IS(rms_release_get(place.patient_c, EVENT_LIST, set, &listing,
	       buf_text(&l.json), &rel),
	    UNKNOWNKEY);
	OK(rms_release_get(
	    place.a.c, EVENT_LIST, set, &listing, buf_text(&l.json), &rel));
	/* what was released is on the ledger */
	wait_final(&l.tx->id);
}
END_TEST

/* A second inquiry under the name of one that stands is thrown away by every
 * reader: no key rests on it. */
START_TEST(test_entry_used_twice)
{
	CLEANUP_SET struct set s;
	CLEANUP_MADE struct made grant = { 0 }, first = { 0 }, second = { 0 };
	struct rms_release rel;
	struct inquiry_id listing, access;
	const struct event_id *set = &s.made.id;

	set_make(&s);
	set_publish(&s);
	decide(EVENT_GRANT, &place.b, &grant);
	wait_final(&grant.tx->id);
	OK(ask_until(&place.b, EVENT_LIST, set, ERR_PENDING, &rel));
	inquire(&place.b, EVENT_LIST, set, &first, &listing);
	inquire_under(
	    &place.b, EVENT_ACCESS, set, &first.entry, &second, &access);
	OK(rms_release_get(
	    place.b.c, EVENT_LIST, set, &listing, buf_text(&first.json), &rel));
	IS(rms_release_get(place.b.c, EVENT_ACCESS, set, &access,
	       buf_text(&second.json), &rel),
	    CONFLICT);
	wait_final(&first.tx->id);
	IS(rms_release_get(place.b.c, EVENT_ACCESS, set, &access,
	       buf_text(&second.json), &rel),
	    CONFLICT);
}
END_TEST

/* ---- without the node ---- */

START_TEST(test_node_down)
{
	CLEANUP_SET struct set s;
	CLEANUP_MADE struct made grant = { 0 }, revoke = { 0 }, late = { 0 };
	struct rms_release rel;
	struct inquiry_id id;
	enum err e;

	set_make(&s);
	set_publish(&s);
	decide(EVENT_GRANT, &place.b, &grant);
	wait_final(&grant.tx->id);
	OK(ask_until(&place.b, EVENT_ACCESS, &s.made.id, ERR_PENDING, &rel));
	place_node(false);
	/* events are taken, and count if they narrow */
	decide(EVENT_REVOKE, &place.b, &revoke);
	inquire(&place.b, EVENT_ACCESS, &s.made.id, &late, &id);
	e = rms_release_get(place.b.c, EVENT_ACCESS, &s.made.id, &id,
	    buf_text(&late.json), &rel);
	ck_assert(e == ERR_REVOKED || e == ERR_STALE);
	clock_sleep_ms(2500);
	IS(ask(&place.a, EVENT_LIST, &s.made.id, NULL), STALE);
	/* what was taken reaches the ledger after all */
	place_node(true);
	wait_final(&revoke.tx->id);
	wait_final(&late.tx->id);
	OK(ask_until(&place.a, EVENT_LIST, &s.made.id, ERR_STALE, &rel));
	IS(ask(&place.b, EVENT_ACCESS, &s.made.id, NULL), REVOKED);
}
END_TEST

/* While the node is away only so much is kept of one account; the others, and
 * the account itself when the ledger has it, are not concerned. */
START_TEST(test_held_is_limited)
{
	CLEANUP_MADE struct made last = { 0 }, late = { 0 }, of_host = { 0 };
	const struct event refusal = { .type = EVENT_DECISION,
		.patient = place.card.patient,
		.u.decision = { .party = EVENT_GROUP,
		    .group = "labs",
		    .n = CONSENTD_PERSON_ENTRIES + 1,
		    .effect = EVENT_REFUSE,
		    .scope = { .all = true },
		    .rights = EVENT_RIGHT_READ } };
	const struct making how = { .from = place.patient };
	const struct event_id set = { { 1 } };
	struct inquiry_id id;
	enum err e = ERR_OK;
	int64_t until;

	place_node(false);
	for (unsigned i = 0; i < CONSENTD_PERSON_ENTRIES; i++) {
		made_free(&last);
		decide(EVENT_REFUSE, NULL, &last);
	}
	make_event(&refusal, &how, &late);
	IS(rms_event(place.patient_c, buf_text(&late.json)), BUSY);
	OK(rms_event(place.patient_c, buf_text(&last.json)));
	inquire(&place.b, EVENT_ACCESS, &set, &of_host, &id);
	OK(rms_event(place.b.c, buf_text(&of_host.json)));
	place_node(true);
	OK(rms_event(place.patient_c, buf_text(&last.json))); /* sent at once */
	wait_final(&last.tx->id);
	wait_final(&of_host.tx->id);
	/* when the RMS has followed too */
	for (until = clock_boot_ms() + 20000; clock_boot_ms() < until &&
	     (e = rms_event(place.patient_c, buf_text(&late.json))) ==
		 ERR_BUSY;)
		clock_sleep_ms(50);
	OK(e);
	wait_final(&late.tx->id);
}
END_TEST

/* Who is registered may come again and again, new ones only so often. */
START_TEST(test_registrations)
{
	struct rms_card card;

	place_set(place.dir, "registrations", "1");
	place_restart(SIGTERM);
	OK(rms_register(place.patient_c, &card));
	OK(rms_register(place.friend_c, &card));
	IS(rms_register(place.stranger_c, &card), BUSY);
	OK(rms_register(place.friend_c, &card));
	OK(rms_register(place.patient_c, &card));
}
END_TEST

TCase *
tcase_apart(void)
{
	TCase *tc = tcase_create("apart");

	tcase_add_checked_fixture(tc, place_up_apart, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_node_down);
	tcase_add_test(tc, test_held_is_limited);
	return tc;
}

TCase *
tcase_accredit(void)
{
	TCase *tc = tcase_create("accredit");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_accredit_merges);
	tcase_add_test(tc, test_end_host);
	tcase_add_test(tc, test_second_server);
	tcase_add_test(tc, test_another_address);
	tcase_add_test(tc, test_registrations);
	return tc;
}

TCase *
tcase_publish(void)
{
	TCase *tc = tcase_create("publish");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_publish);
	tcase_add_test(tc, test_publish_incomplete);
	tcase_add_test(tc, test_spans);
	return tc;
}

TCase *
tcase_release(void)
{
	TCase *tc = tcase_create("release");

	tcase_add_checked_fixture(tc, place_up, place_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_release);
	tcase_add_test(tc, test_release_rules);
	tcase_add_test(tc, test_entry_used_twice);
	return tc;
}
