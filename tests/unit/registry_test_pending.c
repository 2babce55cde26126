/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is seen and not final: narrowing counts, widening waits. */
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
reopen(enum reader at)
{
	world_close(at);
	world_open(at);
}

static void
seal_decision(uint64_t n, enum event_effect effect, struct sealed *s)
{
	struct event e = event_decision(&W.b, n, effect);

	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, s);
}

static void
granted(struct sealed *s)
{
	seal_decision(1, EVENT_GRANT, s);
	BLOCK(tx_of(PATIENT, s));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}

struct resent {
	size_t n;
	struct tx_id id;
};

static void
take_resent(void *ctx, const char *json, const struct tx_id *id)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	struct resent *x = ctx;

	OK(js_parse(json, strlen(json), JS_DEPTH, &j));
	OK(ledger_tx_read(j, &tx));
	ck_assert(ID_EQ(&tx->id, id));
	x->id = *id;
	x->n++;
}

static size_t
resent(enum reader at)
{
	struct resent x = { 0 };

	OK(registry_resend(W.reg[at], take_resent, &x));
	return x.n;
}

START_TEST(pending_grant_waits)
{
	CLEANUP_SEALED struct sealed s = { 0 };

	seal_decision(1, EVENT_GRANT, &s);
	see(AT_B, PATIENT, &s);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_PENDING);
	ck_assert_uint_eq(resent(AT_B), 0);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
}
END_TEST

START_TEST(pending_revocation_denies_at_once_and_for_good)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };

	granted(&s);
	seal_decision(2, EVENT_REVOKE, &t);
	W.changes[AT_B] = 0;
	see(AT_B, PATIENT, &t);
	ck_assert_uint_eq(W.changes[AT_B], REGISTRY_POLICY);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	ck_assert_uint_eq(resent(AT_B), 1);
	see(AT_B, PATIENT, &t); /* a pool shows it again and again */
	ck_assert_uint_eq(resent(AT_B), 1);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	ck_assert_uint_eq(resent(AT_B), 1);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 2);
	BLOCK(tx_of(PATIENT, &t));
	ck_assert_uint_eq(resent(AT_B), 0);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 2);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
}
END_TEST

/* A grant that was given before it was seen does not outlive a refusal. */
START_TEST(refusal_before_any_grant)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };

	seal_decision(1, EVENT_GRANT, &s);
	seal_decision(2, EVENT_REFUSE, &t);
	see(AT_B, PATIENT, &t);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REFUSED);
}
END_TEST

/* One transaction that narrows twice stays until both are final. */
START_TEST(resent_until_all_is_final)
{
	struct sealed s[2] = { 0 };
	struct ledger_tx *tx = NULL;
	struct text58 t;

	seal_decision(1, EVENT_REFUSE, &s[0]);
	seal_decision(2, EVENT_EXCLUDE, &s[1]);
	OK(ledger_tx_new(&tx));
	for (int i = 0; i < 2; i++)
		tx_add(tx, ledger_entry_name(&s[i].entry, &t), s[i].value,
		    s[i].len);
	tx_done(tx, PATIENT);
	OK(registry_see(W.reg[AT_B], tx));
	ledger_tx_free(tx);
	BLOCK(tx_of(PATIENT, &s[0])); /* rebuilt by the sender */
	ck_assert_uint_eq(resent(AT_B), 1);
	BLOCK(tx_of(PATIENT, &s[1]));
	ck_assert_uint_eq(resent(AT_B), 0);
	sealed_free(&s[0]);
	sealed_free(&s[1]);
}
END_TEST

START_TEST(final_is_not_pending_again)
{
	CLEANUP_SEALED struct sealed s = { 0 };

	seal_decision(1, EVENT_REFUSE, &s);
	BLOCK(tx_of(PATIENT, &s));
	see(AT_B, PATIENT, &s);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	ck_assert_uint_eq(resent(AT_B), 0);
}
END_TEST

START_TEST(what_is_not_ours_is_nothing)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;

	seal_decision(1, EVENT_REFUSE, &s);
	W.changes[AT_A] = 0;
	see(AT_A, PATIENT, &s);
	ck_assert_uint_eq(W.changes[AT_A], 0);
	ck_assert_uint_eq(resent(AT_A), 0);
	tx = tx_of(PATIENT, &s);
	tx->author = *key_of(STRANGER);
	OK(registry_see(W.reg[AT_B], tx));
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 0);
}
END_TEST

START_TEST(pending_inquiries_come_last)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	CLEANUP_EVENT struct registry_event ev = { 0 };
	struct event_item item;
	struct event e = event_inquiry(&W.b, 3, &item);
	struct registry *r = W.reg[AT_PATIENT];

	seal_event(B_HOST, TO(PATIENT, B_READ, NOBODY), &e, &s);
	see(AT_PATIENT, B_HOST, &s);
	ck_assert_uint_eq(
	    registry_highest(r, key_of(B_HOST), key_of(PATIENT)), 3);
	OK(registry_get(r, &s.id, &ev));
	ck_assert(!ev.final && ev.height == 0 && ev.accredited);
	e = event_inquiry(&W.b, 2, &item);
	seal_event(B_HOST, TO(PATIENT, B_READ, NOBODY), &e, &t);
	BLOCK(tx_of(B_HOST, &t));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_INQUIRY), 2);
	ck_assert_uint_eq(
	    count_of(AT_PATIENT, EVENT_INQUIRY, key_of(PATIENT), true), 2);
	ck_assert_uint_eq(
	    count_of(AT_PATIENT, EVENT_INQUIRY, key_of(STRANGER), false), 0);
	BLOCK(tx_of(B_HOST, &s));
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_INQUIRY), 2);
	ck_assert_uint_eq(
	    registry_highest(r, key_of(B_HOST), key_of(PATIENT)), 3);
}
END_TEST

START_TEST(pending_list_is_bounded)
{
	CLEANUP_SEALED struct sealed first = { 0 }, keep = { 0 };
	struct event_item item;
	struct event e = event_inquiry(&W.b, 1, &item);

	seal_decision(1, EVENT_REFUSE, &keep);
	see(AT_PATIENT, PATIENT, &keep);
	for (int i = 0; i < 42; i++) {
		struct ledger_tx *tx = NULL;
		struct text58 t;

		OK(ledger_tx_new(&tx));
		for (int k = 0; k < 99; k++) {
			CLEANUP_SEALED struct sealed s = { 0 };

			seal_event(B_HOST, TO(PATIENT, NOBODY, NOBODY), &e, &s);
			tx_add(tx, ledger_entry_name(&s.entry, &t), s.value,
			    s.len);
			if (i == 0 && k == 0)
				first.id = s.id;
		}
		tx_done(tx, B_HOST);
		OK(registry_see(W.reg[AT_PATIENT], tx));
		ledger_tx_free(tx);
	}
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_INQUIRY), 4096);
	FAILS(registry_get(
		  W.reg[AT_PATIENT], &first.id, &(struct registry_event){ 0 }),
	    ERR_NOTFOUND);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_DECISION), 1);
}
END_TEST

START_TEST(pending_end_counts_by_its_mark)
{
	CLEANUP_SEALED struct sealed s = { 0 }, end = { 0 };
	struct event e = event_decision(NULL, 1, EVENT_GRANT);
	uint8_t mark[32];

	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, &s);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	seal_end_mark(s.key, mark);
	seal_json(PATIENT, TO(PATIENT, NOBODY, NOBODY), mark, "[]", &end);
	see(AT_B, PATIENT, &end);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	reopen(AT_B);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_uint_eq(resent(AT_B), 1);
	BLOCK(tx_of(PATIENT, &end));
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_uint_eq(resent(AT_B), 0);
}
END_TEST

/* Seen before what it ends was known, it counts when it is seen again. */
START_TEST(pending_end_before_what_it_ends)
{
	CLEANUP_SEALED struct sealed s = { 0 }, end = { 0 };
	struct event e = event_decision(NULL, 1, EVENT_GRANT);
	uint8_t mark[32];

	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, &s);
	seal_end_mark(s.key, mark);
	seal_json(PATIENT, TO(PATIENT, NOBODY, NOBODY), mark, "[]", &end);
	see(AT_B, PATIENT, &end);
	BLOCK(tx_of(PATIENT, &s));
	see(AT_B, PATIENT, &end);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(pending_unknown_denies)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };

	granted(&s);
	seal_json(PATIENT, TO(PATIENT, B_READ, NOBODY), NULL, "[]", &t);
	see(AT_B, PATIENT, &t);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
}
END_TEST

/* The delegation is opened by the key that a pending decision brings. */
START_TEST(pending_refusal_of_a_representative)
{
	CLEANUP_SEALED struct sealed g = { 0 }, d = { 0 }, s = { 0 };
	struct event e = event_delegation(REP);

	granted(&g);
	seal_event(PATIENT, TO(PATIENT, NOBODY, REP), &e, &d);
	BLOCK(tx_of(PATIENT, &d));
	e = event_decision(&W.b, 1, EVENT_REFUSE);
	e.u.decision.has_delegation = true;
	e.u.decision.delegation = d.id;
	memcpy(e.u.decision.delegation_key, secret_view(d.key), SEAL_KEY);
	seal_event(REP, TO(PATIENT, B_READ, NOBODY), &e, &s);
	see(AT_B, REP, &s);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REFUSED);
	ck_assert_uint_eq(count(AT_B, EVENT_DELEGATION), 1);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REFUSED);
}
END_TEST

/* It counts as soon as the delegation is final, not when it is itself. */
START_TEST(pending_refusal_before_its_delegation)
{
	CLEANUP_SEALED struct sealed g = { 0 }, d = { 0 }, s = { 0 };
	struct event e = event_delegation(REP);

	granted(&g);
	seal_event(PATIENT, TO(PATIENT, NOBODY, REP), &e, &d);
	e = event_decision(&W.b, 1, EVENT_REFUSE);
	e.u.decision.has_delegation = true;
	e.u.decision.delegation = d.id;
	memcpy(e.u.decision.delegation_key, secret_view(d.key), SEAL_KEY);
	seal_event(REP, TO(PATIENT, B_READ, NOBODY), &e, &s);
	see(AT_B, REP, &s);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	BLOCK(tx_of(PATIENT, &d));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REFUSED);
	ck_assert_uint_eq(count(AT_B, EVENT_DELEGATION), 1);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REFUSED);
}
END_TEST

/*
 * A block that cannot be kept, and what comes after it: its number is not
 * missing, we have seen it.
 */
START_TEST(full_disk_leaves_no_gap)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };
	struct ledger_tx *tx;

	granted(&s);
	seal_decision(2, EVENT_GRANT, &t);
	seal_decision(3, EVENT_GRANT, &u);
	tx = tx_of(PATIENT, &t);
	W.disk_full = true;
	FAILS(block_to(AT_B, 1, &tx), ERR_NOSPACE);
	see(AT_B, PATIENT, &t);
	FAILS(block_to(AT_B, 1, &tx), ERR_NOSPACE);
	see(AT_B, PATIENT, &u);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	W.disk_full = false;
	ledger_tx_free(tx);
	BLOCK(tx_of(PATIENT, &t));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	BLOCK(tx_of(PATIENT, &u));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 3);
}
END_TEST

/* What narrows counts although it cannot be kept, and is kept later. */
START_TEST(full_disk_narrows)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;

	granted(&s);
	seal_decision(2, EVENT_REVOKE, &t);
	seal_decision(3, EVENT_GRANT, &u);
	tx = tx_of(PATIENT, &t);
	W.disk_full = true;
	W.changes[AT_B] = 0;
	FAILS(registry_see(W.reg[AT_B], tx), ERR_NOSPACE);
	ck_assert_uint_eq(W.changes[AT_B] & REGISTRY_POLICY, REGISTRY_POLICY);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	see(AT_B, PATIENT, &u);
	FAILS(registry_see(W.reg[AT_B], tx), ERR_NOSPACE);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	ck_assert_uint_eq(resent(AT_B), 0);
	W.disk_full = false;
	OK(registry_see(W.reg[AT_B], tx));
	ck_assert_uint_eq(resent(AT_B), 1);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 3);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	BLOCK(tx_of(PATIENT, &t));
	ck_assert_uint_eq(resent(AT_B), 0);
	BLOCK(tx_of(PATIENT, &u));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

static bool
is_host(enum who who)
{
	struct institution_id id;

	return registry_host(W.reg[AT_B], key_of(who), 0, &id) == ERR_OK;
}

/* An accreditation too: it is taken away, or narrowed, at first sight. */
START_TEST(full_disk_ends_an_accreditation)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	struct event e = event_accredit(&W.b, STRANGER, B_READ);

	granted(&s);
	tx = tx_accredit(RMS, &e);
	W.disk_full = true;
	FAILS(registry_see(W.reg[AT_B], tx), ERR_NOSPACE);
	ck_assert(!is_host(B_HOST));
	FAILS(registry_see(W.reg[AT_B], tx), ERR_NOSPACE);
	ck_assert(!is_host(B_HOST));
}
END_TEST

TCase *
registry_test_pending(void)
{
	TCase *tc = tcase_create("pending");

	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pending_grant_waits);
	tcase_add_test(tc, pending_revocation_denies_at_once_and_for_good);
	tcase_add_test(tc, refusal_before_any_grant);
	tcase_add_test(tc, resent_until_all_is_final);
	tcase_add_test(tc, final_is_not_pending_again);
	tcase_add_test(tc, what_is_not_ours_is_nothing);
	tcase_add_test(tc, pending_inquiries_come_last);
	tcase_add_test(tc, pending_list_is_bounded);
	tcase_add_test(tc, pending_end_counts_by_its_mark);
	tcase_add_test(tc, pending_end_before_what_it_ends);
	tcase_add_test(tc, pending_unknown_denies);
	tcase_add_test(tc, pending_refusal_of_a_representative);
	tcase_add_test(tc, pending_refusal_before_its_delegation);
	tcase_add_test(tc, full_disk_leaves_no_gap);
	tcase_add_test(tc, full_disk_narrows);
	tcase_add_test(tc, full_disk_ends_an_accreditation);
	return tc;
}
