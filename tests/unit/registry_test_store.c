/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is kept of the ledger, by whom, and what is not believed. */
#include "registry_test.h"

static void
setup(void)
{
	struct event a, b;

	world_setup();
	a = event_accredit(&W.a, A_HOST, A_READ);
	b = event_accredit(&W.b, B_HOST, B_READ);
	BLOCK(tx_accredit(RMS, &a), tx_accredit(RMS, &b));
}

static void
publish(struct sealed *s)
{
	struct event e = event_set(&W.a);

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, s);
	BLOCK(tx_of(A_HOST, s));
}

START_TEST(each_reader_sees_what_is_sealed_to_it)
{
	CLEANUP_SEALED struct sealed s = { 0 };

	publish(&s);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 1);
	ck_assert_uint_eq(count(AT_A, EVENT_DOCUMENT_SET), 1);
	ck_assert_uint_eq(count(AT_RMS, EVENT_DOCUMENT_SET), 1);
	ck_assert_uint_eq(count(AT_B, EVENT_DOCUMENT_SET), 0);
	ck_assert_uint_eq(count(AT_REP, EVENT_DOCUMENT_SET), 0);
	ck_assert(W.changes[AT_PATIENT] & REGISTRY_SETS);
	ck_assert((W.changes[AT_B] & REGISTRY_SETS) == 0);
}
END_TEST

START_TEST(event_is_whole)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	CLEANUP_EVENT struct registry_event ev = { 0 }, none = { 0 };

	publish(&s);
	OK(registry_get(W.reg[AT_PATIENT], &s.id, &ev));
	ck_assert(ID_EQ(&ev.id, &s.id) && ID_EQ(&ev.entry, &s.entry));
	ck_assert(ID_EQ(&ev.sender, key_of(A_HOST)));
	ck_assert_uint_eq(ev.height, W.height);
	ck_assert_uint_eq(ev.order, W.height << 24);
	ck_assert_int_eq(ev.block_time, W.time);
	ck_assert(ev.final && ev.accredited);
	ck_assert_str_eq(ev.e->u.set.title, CANARY_TITLE);
	ck_assert(ID_EQ(&ev.e->patient, key_of(PATIENT)));
	FAILS(registry_get(W.reg[AT_B], &s.id, &none), ERR_NOTFOUND);
}
END_TEST

START_TEST(content_key_is_the_publishers)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	CLEANUP(secret_free) struct secret *key = NULL, *none = NULL;

	publish(&s);
	OK(registry_content_key(W.reg[AT_A], &s.id, &key));
	ck_assert_mem_eq(secret_view(key), secret_view(s.key), SEAL_KEY);
	FAILS(registry_content_key(W.reg[AT_B], &s.id, &none), ERR_NOTFOUND);
}
END_TEST

START_TEST(each_filters_by_patient)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	struct event e = event_set(&W.a);

	publish(&s);
	e.patient = *key_of(STRANGER);
	seal_event(A_HOST, TO(STRANGER, A_READ, NOBODY), &e, &t);
	BLOCK(tx_of(A_HOST, &t));
	ck_assert_uint_eq(count(AT_A, EVENT_DOCUMENT_SET), 2);
	ck_assert_uint_eq(
	    count_of(AT_A, EVENT_DOCUMENT_SET, key_of(STRANGER), false), 1);
	ck_assert_uint_eq(
	    count_of(AT_A, EVENT_DOCUMENT_SET, key_of(PATIENT), false), 1);
	ck_assert_uint_eq(
	    count_of(AT_A, EVENT_INQUIRY, key_of(PATIENT), false), 0);
	ck_assert_uint_eq(
	    count_of(AT_A, EVENT_DOCUMENT_SET, key_of(REP), false), 0);
}
END_TEST

static bool
stop_at_once(void *ctx, const struct registry_event *ev)
{
	(void)ev;
	++*(int *)ctx;
	return false;
}

START_TEST(each_stops_when_told)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	int n = 0;

	publish(&s);
	publish(&t);
	OK(registry_each(
	    W.reg[AT_A], EVENT_DOCUMENT_SET, NULL, stop_at_once, &n));
	ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(inquiry_and_its_numbers)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event_item item;
	struct event e = event_inquiry(&W.b, 7, &item);
	struct registry *r = W.reg[AT_PATIENT];

	seal_event(B_HOST, TO(PATIENT, B_READ, NOBODY), &e, &s);
	ck_assert_uint_eq(
	    registry_highest(r, key_of(B_HOST), key_of(PATIENT)), 0);
	BLOCK(tx_of(B_HOST, &s));
	ck_assert_uint_eq(count_of(AT_PATIENT, EVENT_INQUIRY, NULL, true), 1);
	ck_assert_uint_eq(
	    registry_highest(r, key_of(B_HOST), key_of(PATIENT)), 7);
	ck_assert_uint_eq(
	    registry_highest(r, key_of(A_HOST), key_of(PATIENT)), 0);
	ck_assert_uint_eq(registry_highest(r, key_of(B_HOST), key_of(REP)), 0);
	ck_assert(W.changes[AT_PATIENT] & REGISTRY_INQUIRY);
}
END_TEST

START_TEST(own_access_needs_no_institution)
{
	CLEANUP_SEALED struct sealed mine = { 0 }, other = { 0 };
	struct event_item item;
	struct event e = event_inquiry(NULL, 1, &item);

	seal_event(PATIENT, TO(PATIENT, NOBODY, NOBODY), &e, &mine);
	seal_event(STRANGER, TO(PATIENT, NOBODY, NOBODY), &e, &other);
	BLOCK(tx_of(PATIENT, &mine), tx_of(STRANGER, &other));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_INQUIRY), 2);
	ck_assert_uint_eq(count_of(AT_PATIENT, EVENT_INQUIRY, NULL, true), 1);
}
END_TEST

START_TEST(only_hosts_of_the_custodian_publish)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };
	struct event e = event_set(&W.a), f = event_set(&W.b);

	seal_event(STRANGER, TO(PATIENT, A_READ, NOBODY), &e, &s);
	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &f, &t);
	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &u);
	BLOCK(tx_of(STRANGER, &s), tx_of(A_HOST, &t), tx_of(A_HOST, &u));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 3);
	ck_assert_uint_eq(
	    count_of(AT_PATIENT, EVENT_DOCUMENT_SET, NULL, true), 1);
}
END_TEST

/* Accredited from the third block on, in ledger order, no more in the fifth. */
START_TEST(accreditation_counts_at_its_place)
{
	struct sealed s[4] = { 0 };
	struct event e = event_set(&W.a);
	struct event more = event_accredit(&W.a, STRANGER, A_READ);
	struct event less = event_accredit(&W.a, A_HOST, A_READ);

	for (int i = 0; i < 4; i++)
		seal_event(STRANGER, TO(PATIENT, A_READ, NOBODY), &e, &s[i]);
	BLOCK(tx_of(STRANGER, &s[0]), tx_accredit(RMS, &more),
	    tx_of(STRANGER, &s[1]));
	BLOCK(tx_of(STRANGER, &s[2]));
	BLOCK(tx_accredit(RMS, &less), tx_of(STRANGER, &s[3]));
	ck_assert_uint_eq(
	    count_of(AT_PATIENT, EVENT_DOCUMENT_SET, NULL, true), 2);
	for (int i = 0; i < 4; i++) {
		CLEANUP_EVENT struct registry_event ev = { 0 };

		OK(registry_get(W.reg[AT_PATIENT], &s[i].id, &ev));
		ck_assert_int_eq(ev.accredited, i == 1 || i == 2);
		sealed_free(&s[i]);
	}
}
END_TEST

START_TEST(copied_envelope_is_void)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event_id id;

	publish(&s);
	/* the same entry key and bytes by another account */
	BLOCK(tx_of(B_HOST, &s));
	/* another entry key by the same account */
	s.entry.b[0] ^= 1;
	BLOCK(tx_of(A_HOST, &s));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 1);
	ck_assert_uint_eq(count(AT_RMS, EVENT_DOCUMENT_SET), 1);
	seal_event_id(&W.chain, key_of(B_HOST), &s.entry, &id);
	ck_assert_int_eq(ask(AT_PATIENT, &W.b), POLICY_NO_DECISION);
}
END_TEST

START_TEST(author_must_be_sender)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event e = event_set(&W.a);
	struct ledger_tx *tx;

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &s);
	tx = tx_of(A_HOST, &s);
	tx->author = *key_of(STRANGER);
	BLOCK(tx);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 0);
	/* and it does not take the place of the true one */
	BLOCK(tx_of(A_HOST, &s));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 1);
}
END_TEST

static unsigned warnings;

static void
count_warnings(enum log_level level, const char *line)
{
	(void)line;
	warnings += level == LOG_WARN;
}

START_TEST(first_of_one_id_stands)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	CLEANUP_EVENT struct registry_event ev = { 0 }, learned = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	struct event e = event_set(&W.a);
	CLEANUP_BUF struct buf json = { 0 }, env = { 0 };
	struct seal_place place = { &W.chain, *key_of(A_HOST), { { 0 } } };
	const struct seal_readers readers = { key_of(RMS), key_of(PATIENT_RMS),
		key_of(PATIENT), NULL, NULL };

	publish(&s);
	log_set_sink(count_warnings);
	warnings = 0;
	BLOCK(tx_of(A_HOST, &s)); /* a repeat */
	ck_assert_uint_eq(warnings, 0);
	place.entry = s.entry;
	e.u.set.title = "other";
	OK(event_encode(&e, &json));
	OK(seal_envelope(&place, &readers, NULL, s.key, &json, &env));
	t.entry = s.entry;
	t.len = env.len;
	t.value = malloc(env.len);
	memcpy(t.value, env.p, env.len);
	BLOCK(tx_of(A_HOST, &t));
	log_set_sink(NULL);
	ck_assert_uint_eq(warnings, READERS);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 1);
	OK(registry_get(W.reg[AT_PATIENT], &s.id, &ev));
	ck_assert_str_eq(ev.e->u.set.title, CANARY_TITLE);
	tx = tx_of(A_HOST, &t);
	OK(registry_learn(W.reg[AT_B], tx, &s.entry, s.key));
	OK(registry_get(W.reg[AT_B], &s.id, &learned));
	ck_assert_str_eq(learned.e->u.set.title, CANARY_TITLE);
}
END_TEST

START_TEST(sealed_to_another_than_named)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	struct event e = event_set(&W.a), d = event_delegation(STRANGER);

	e.patient = *key_of(STRANGER);
	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &s);
	seal_event(PATIENT, TO(PATIENT, NOBODY, REP), &d, &t);
	BLOCK(tx_of(A_HOST, &s), tx_of(PATIENT, &t));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DOCUMENT_SET), 0);
	ck_assert_uint_eq(count(AT_REP, EVENT_DELEGATION), 0);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DELEGATION), 1);
}
END_TEST

START_TEST(garbage_is_void)
{
	struct ledger_tx *tx = NULL;
	struct entry_key key = { { 1 } };
	uint8_t junk[1000] = { 1, 1 };
	struct text58 t;

	OK(ledger_tx_new(&tx));
	tx_add(tx, "other", "x", 1);
	tx_add(tx, "cfs1.", "x", 1);
	tx_add(tx, "cfs1.0OIl", "x", 1);
	tx_add(tx, ledger_entry_name(&key, &t), junk, 0);
	key.b[0]++;
	tx_add(tx, ledger_entry_name(&key, &t), junk, 1);
	key.b[0]++;
	tx_add(tx, ledger_entry_name(&key, &t), junk, 449);
	key.b[0]++;
	tx_add(tx, ledger_entry_name(&key, &t), junk, 722);
	key.b[0]++;
	junk[0] = 2;
	tx_add(tx, ledger_entry_name(&key, &t), junk, 100);
	tx_done(tx, RMS);
	BLOCK(tx);
	for (int i = 0; i <= EVENT_ACCREDIT; i++)
		ck_assert_uint_eq(count(AT_PATIENT, (enum event_type)i),
		    i == EVENT_ACCREDIT ? 2 : 0);
}
END_TEST

static bool
add_patient(void *ctx, const struct pubkey *patient)
{
	ck_assert(ID_EQ(patient, key_of(PATIENT)));
	++*(int *)ctx;
	return true;
}

START_TEST(patients_are_listed_on_good_word_only)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };
	struct event e = event_set(&W.a);
	int n = 0;

	e.patient = *key_of(STRANGER);
	seal_event(B_HOST, TO(NOBODY, A_READ, NOBODY), &e, &u);
	BLOCK(tx_of(B_HOST, &u));
	OK(registry_patients(W.reg[AT_A], add_patient, &n));
	ck_assert_int_eq(n, 0);
	publish(&s);
	publish(&t);
	OK(registry_patients(W.reg[AT_A], add_patient, &n));
	ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(learning_needs_ledger_and_key)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_EVENT struct registry_event ev = { 0 };
	CLEANUP(secret_free) struct secret *key = NULL;
	struct event e = event_set(&W.a);
	struct registry *b = W.reg[AT_B];

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &s);
	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &t);
	tx = tx_of(A_HOST, &s);
	FAILS(registry_learn(b, tx, &s.entry, s.key), ERR_NOTFOUND);
	BLOCK(tx_of(A_HOST, &s));
	FAILS(registry_learn(b, tx, &s.entry, t.key), ERR_FORGED);
	ck_assert_uint_eq(count(AT_B, EVENT_DOCUMENT_SET), 0);
	W.changes[AT_B] = 0;
	OK(registry_learn(b, tx, &s.entry, s.key));
	ck_assert(W.changes[AT_B] & REGISTRY_SETS);
	OK(registry_learn(b, tx, &s.entry, s.key));
	ck_assert_uint_eq(
	    count_of(AT_B, EVENT_DOCUMENT_SET, key_of(PATIENT), true), 1);
	OK(registry_get(b, &s.id, &ev));
	ck_assert_str_eq(ev.e->u.set.title, CANARY_TITLE);
	OK(registry_content_key(b, &s.id, &key));
	world_close(AT_B);
	world_open(AT_B);
	ck_assert_uint_eq(count(AT_B, EVENT_DOCUMENT_SET), 1);
}
END_TEST

START_TEST(learned_later_judged_by_its_place)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	struct event less = event_accredit(&W.a, STRANGER, A_READ);

	publish(&s);
	BLOCK(tx_accredit(RMS, &less));
	tx = tx_of(A_HOST, &s);
	OK(registry_learn(W.reg[AT_B], tx, &s.entry, s.key));
	ck_assert_uint_eq(count_of(AT_B, EVENT_DOCUMENT_SET, NULL, true), 1);
}
END_TEST

TCase *
registry_test_store(void)
{
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, each_reader_sees_what_is_sealed_to_it);
	tcase_add_test(tc, event_is_whole);
	tcase_add_test(tc, content_key_is_the_publishers);
	tcase_add_test(tc, each_filters_by_patient);
	tcase_add_test(tc, each_stops_when_told);
	tcase_add_test(tc, inquiry_and_its_numbers);
	tcase_add_test(tc, own_access_needs_no_institution);
	tcase_add_test(tc, only_hosts_of_the_custodian_publish);
	tcase_add_test(tc, accreditation_counts_at_its_place);
	tcase_add_test(tc, copied_envelope_is_void);
	tcase_add_test(tc, author_must_be_sender);
	tcase_add_test(tc, first_of_one_id_stands);
	tcase_add_test(tc, sealed_to_another_than_named);
	tcase_add_test(tc, garbage_is_void);
	tcase_add_test(tc, patients_are_listed_on_good_word_only);
	tcase_add_test(tc, learning_needs_ledger_and_key);
	tcase_add_test(tc, learned_later_judged_by_its_place);
	return tc;
}
