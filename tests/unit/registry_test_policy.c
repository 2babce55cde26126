/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decisions, delegations and their ends, as they reach the policy. */
#include "registry_test.h"

static void
setup(void)
{
	struct event a, b;

	world_setup();
	a = event_accredit(&W.a, A_HOST, A_READ);
	b = event_accredit(&W.b, B_HOST, B_READ);
	b.u.accredit.groups = (struct event_texts){ 1, { "oncology" } };
	BLOCK(tx_accredit(RMS, &a), tx_accredit(RMS, &b));
}

static void
reopen(enum reader at)
{
	world_close(at);
	world_open(at);
}

static void
decide(uint64_t n, enum event_effect effect, struct sealed *s)
{
	struct event e = event_decision(&W.b, n, effect);

	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, s);
	BLOCK(tx_of(PATIENT, s));
}

START_TEST(grant_permits_those_it_names)
{
	CLEANUP_SEALED struct sealed s = { 0 };

	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_NO_DECISION);
	W.changes[AT_B] = W.changes[AT_A] = 0;
	decide(1, EVENT_GRANT, &s);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_int_eq(ask(AT_B, &W.a), POLICY_NO_DECISION);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
	ck_assert_int_eq(ask(AT_PATIENT, &W.b), POLICY_GRANTED);
	ck_assert_int_eq(ask(AT_A, &W.b), POLICY_NO_DECISION);
	ck_assert_uint_eq(W.changes[AT_B], REGISTRY_POLICY);
	ck_assert_uint_eq(W.changes[AT_A], 0);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(final_revocation_denies)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };

	decide(1, EVENT_GRANT, &s);
	decide(2, EVENT_REVOKE, &t);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_REVOKED);
}
END_TEST

START_TEST(old_snapshot_outlives_its_successor)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };
	CLEANUP(policy_free) struct policy *old = NULL;
	struct event_decision party = { .party = EVENT_INSTITUTION };

	decide(1, EVENT_GRANT, &s);
	old = registry_policy(W.reg[AT_B]);
	decide(2, EVENT_REVOKE, &t);
	party.institution = W.b;
	ck_assert_uint_eq(
	    policy_next_n(old, key_of(PATIENT), key_of(PATIENT), &party), 2);
}
END_TEST

/* Far behind the head the policy is made once, at the end of the round. */
START_TEST(catching_up_tells_policy_at_the_end)
{
	CLEANUP_SEALED struct sealed s = { 0 };

	W.time -= 3600 * 1000;
	W.changes[AT_B] = 0;
	decide(1, EVENT_GRANT, &s);
	ck_assert_uint_eq(W.changes[AT_B] & REGISTRY_POLICY, 0);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	done(AT_B);
	ck_assert_uint_eq(W.changes[AT_B], REGISTRY_POLICY | REGISTRY_HEAD);
}
END_TEST

/* ---- delegation ---- */

static void
delegate(struct sealed *s)
{
	struct event e = event_delegation(REP);

	seal_event(PATIENT, TO(PATIENT, NOBODY, REP), &e, s);
	BLOCK(tx_of(PATIENT, s));
}

static void
decide_for(const struct sealed *delegation, const struct secret *key,
    uint64_t n, struct sealed *s)
{
	struct event e = event_decision(&W.b, n, EVENT_GRANT);

	e.u.decision.has_delegation = true;
	e.u.decision.delegation = delegation->id;
	memcpy(e.u.decision.delegation_key, secret_view(key), SEAL_KEY);
	seal_event(REP, TO(PATIENT, B_READ, NOBODY), &e, s);
	BLOCK(tx_of(REP, s));
}

/* The end as the ledger shows it: B has no slot, only the mark. */
static void
seal_end(enum who sender, const struct sealed *ended, struct sealed *s)
{
	struct event e = event_end(&ended->id);
	CLEANUP_BUF struct buf json = { 0 };
	uint8_t mark[32];

	seal_end_mark(ended->key, mark);
	OK(event_encode(&e, &json));
	seal_json(sender, TO(PATIENT, NOBODY, REP), mark, buf_text(&json), s);
}

START_TEST(representative_decides)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 };
	struct event_id id;

	delegate(&d);
	ck_assert_uint_eq(count(AT_B, EVENT_DELEGATION), 0);
	decide_for(&d, d.key, 1, &s);
	ck_assert_uint_eq(
	    count_of(AT_B, EVENT_DELEGATION, key_of(PATIENT), true), 1);
	ck_assert_uint_eq(count_of(AT_B, EVENT_DECISION, NULL, true), 1);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
	OK(registry_representative(
	    W.reg[AT_B], key_of(REP), key_of(PATIENT), 0, &id));
	ck_assert(ID_EQ(&id, &d.id));
	OK(registry_representative(
	    W.reg[AT_REP], key_of(REP), key_of(PATIENT), 0, &id));
	FAILS(registry_representative(
		  W.reg[AT_B], key_of(STRANGER), key_of(PATIENT), 0, &id),
	    ERR_DENIED);
	FAILS(registry_representative(
		  W.reg[AT_B], key_of(REP), key_of(STRANGER), 0, &id),
	    ERR_DENIED);
	FAILS(registry_representative(W.reg[AT_B], key_of(REP), key_of(PATIENT),
		  W.time - 1000, &id),
	    ERR_DENIED);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(delegation_must_be_signed_by_the_patient)
{
	CLEANUP_SEALED struct sealed forged = { 0 }, s = { 0 };
	struct event e = event_delegation(REP);
	struct event_id id;

	seal_event(REP, TO(NOBODY, NOBODY, REP), &e, &forged);
	BLOCK(tx_of(REP, &forged));
	decide_for(&forged, forged.key, 1, &s);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	FAILS(registry_representative(
		  W.reg[AT_B], key_of(REP), key_of(PATIENT), 0, &id),
	    ERR_DENIED);
	ck_assert_uint_eq(count_of(AT_B, EVENT_DECISION, NULL, true), 0);
}
END_TEST

START_TEST(delegation_needs_its_key)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, other = { 0 };

	delegate(&d);
	delegate(&other);
	decide_for(&d, other.key, 1, &s);
	ck_assert_uint_eq(count(AT_B, EVENT_DELEGATION), 0);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(delegation_must_be_one)
{
	CLEANUP_SEALED struct sealed set = { 0 }, s = { 0 };
	struct event e = event_set(&W.a);

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &set);
	BLOCK(tx_of(A_HOST, &set));
	decide_for(&set, set.key, 1, &s);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	ck_assert_uint_eq(count(AT_B, EVENT_DOCUMENT_SET), 0);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(end_is_found_by_its_mark)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, end = { 0 };
	struct event_id id;

	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	seal_end(PATIENT, &d, &end);
	BLOCK(tx_of(PATIENT, &end));
	ck_assert_uint_eq(count(AT_B, EVENT_END), 0);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	FAILS(registry_representative(
		  W.reg[AT_B], key_of(REP), key_of(PATIENT), 0, &id),
	    ERR_DENIED);
	OK(registry_representative(
	    W.reg[AT_B], key_of(REP), key_of(PATIENT), W.time - 1, &id));
	ck_assert_uint_eq(count(AT_REP, EVENT_END), 1);
	ck_assert_uint_eq(count(AT_PATIENT, EVENT_END), 1);
	ck_assert_int_ne(ask(AT_PATIENT, &W.b), POLICY_GRANTED);
	reopen(AT_B);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(end_before_the_event_is_learned)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, end = { 0 };

	delegate(&d);
	seal_end(PATIENT, &d, &end);
	BLOCK(tx_of(PATIENT, &end));
	decide_for(&d, d.key, 1, &s); /* B learns of it only now */
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(mark_of_a_stranger_ends_nothing)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, end = { 0 };
	struct event_id id;

	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	seal_end(STRANGER, &d, &end);
	BLOCK(tx_of(STRANGER, &end));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	OK(registry_representative(
	    W.reg[AT_B], key_of(REP), key_of(PATIENT), 0, &id));
}
END_TEST

/* Who knows a content key uses it again, to draw the mark to another event. */
START_TEST(mark_cannot_be_drawn_away)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, end = { 0 },
				     bait = { 0 };
	struct event e = event_decision(NULL, 1, EVENT_GRANT);

	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	OK(secret_copy(secret_view(d.key), SEAL_KEY, &bait.key));
	e.patient = *key_of(STRANGER);
	seal_event(STRANGER, TO(NOBODY, B_READ, NOBODY), &e, &bait);
	BLOCK(tx_of(STRANGER, &bait));
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 2);
	seal_end(PATIENT, &d, &end);
	BLOCK(tx_of(PATIENT, &end));
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

/* By the mark alone dependents end; the content may say that they stay. */
START_TEST(learned_end_keeps_dependents)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, end = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_BUF struct buf json = { 0 };
	struct event e;
	uint8_t mark[32];

	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	e = event_end(&d.id);
	e.u.end.keep_dependents = true;
	OK(event_encode(&e, &json));
	seal_end_mark(d.key, mark);
	seal_json(
	    PATIENT, TO(PATIENT, NOBODY, REP), mark, buf_text(&json), &end);
	tx = tx_of(PATIENT, &end);
	BLOCK(tx_of(PATIENT, &end));
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	ck_assert_int_eq(ask(AT_PATIENT, &W.b), POLICY_GRANTED);
	OK(registry_learn(W.reg[AT_B], tx, &end.entry, end.key));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

/* ---- groups ---- */

static void
grant_group(struct sealed *s)
{
	struct event e = event_decision(NULL, 1, EVENT_GRANT);

	e.u.decision.party = EVENT_GROUP;
	e.u.decision.group = "oncology";
	seal_event(PATIENT, TO(PATIENT, NOBODY, NOBODY), &e, s);
	BLOCK(tx_of(PATIENT, s));
}

START_TEST(group_decision_is_learned_and_ends)
{
	CLEANUP_SEALED struct sealed s = { 0 }, end = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;

	grant_group(&s);
	tx = tx_of(PATIENT, &s);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_NO_DECISION);
	OK(registry_learn(W.reg[AT_B], tx, &s.entry, s.key));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	OK(registry_learn(W.reg[AT_A], tx, &s.entry, s.key));
	ck_assert_int_eq(ask(AT_A, &W.a), POLICY_NO_DECISION);
	seal_end(PATIENT, &s, &end);
	BLOCK(tx_of(PATIENT, &end));
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(member_leaves_the_group)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event less = event_accredit(&W.b, B_HOST, B_READ);

	grant_group(&s);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
	BLOCK(tx_accredit(RMS, &less));
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_NO_DECISION);
}
END_TEST

/* ---- what is not understood ---- */

#define FUTURE "{\"v\":2,\"type\":\"decision\",\"patient\":\"%s\"}"

static void
seal_future(enum who sender, enum who patient, struct sealed *s)
{
	char json[256];

	(void)snprintf(json, sizeof(json), FUTURE, TEXT58(key_of(patient)));
	seal_json(sender, TO(PATIENT, B_READ, NOBODY), NULL, json, s);
}

START_TEST(unknown_denies)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };

	decide(1, EVENT_GRANT, &s);
	seal_future(STRANGER, PATIENT, &t);
	BLOCK(tx_of(STRANGER, &t));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	seal_future(PATIENT, PATIENT, &u);
	BLOCK(tx_of(PATIENT, &u));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_OPAQUE);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
}
END_TEST

START_TEST(unknown_of_a_representative_denies)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, t = { 0 };

	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	seal_json(REP, TO(PATIENT, B_READ, NOBODY), NULL, "[1]", &t);
	BLOCK(tx_of(REP, &t));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
	reopen(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
}
END_TEST

/* The opaque event comes before the delegation is known. */
START_TEST(unknown_comes_first)
{
	CLEANUP_SEALED struct sealed d = { 0 }, s = { 0 }, t = { 0 };

	seal_json(REP, TO(PATIENT, B_READ, NOBODY), NULL, "[1]", &t);
	BLOCK(tx_of(REP, &t));
	delegate(&d);
	decide_for(&d, d.key, 1, &s);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
}
END_TEST

START_TEST(unknown_version_denies)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 };

	decide(1, EVENT_GRANT, &s);
	seal_json(PATIENT, TO(NOBODY, NOBODY, NOBODY), NULL, "[1]", &t);
	t.value[1] = 2;
	BLOCK(tx_of(PATIENT, &t));
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
	FAILS(registry_get(W.reg[AT_B], &t.id, &(struct registry_event){ 0 }),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(foreign_member_voids_a_grant)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event e = event_decision(&W.b, 1, EVENT_GRANT);
	CLEANUP_BUF struct buf json = { 0 };

	OK(event_encode(&e, &json));
	json.len--;
	buf_str(&json, ",\"only\":\"full moon\"}");
	seal_json(
	    PATIENT, TO(PATIENT, B_READ, NOBODY), NULL, buf_text(&json), &s);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
	reopen(AT_B);
	ck_assert_int_ne(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

TCase *
registry_test_policy(void)
{
	TCase *tc = tcase_create("policy");

	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, grant_permits_those_it_names);
	tcase_add_test(tc, final_revocation_denies);
	tcase_add_test(tc, old_snapshot_outlives_its_successor);
	tcase_add_test(tc, catching_up_tells_policy_at_the_end);
	tcase_add_test(tc, representative_decides);
	tcase_add_test(tc, delegation_must_be_signed_by_the_patient);
	tcase_add_test(tc, delegation_needs_its_key);
	tcase_add_test(tc, delegation_must_be_one);
	tcase_add_test(tc, end_is_found_by_its_mark);
	tcase_add_test(tc, end_before_the_event_is_learned);
	tcase_add_test(tc, mark_of_a_stranger_ends_nothing);
	tcase_add_test(tc, mark_cannot_be_drawn_away);
	tcase_add_test(tc, learned_end_keeps_dependents);
	tcase_add_test(tc, group_decision_is_learned_and_ends);
	tcase_add_test(tc, member_leaves_the_group);
	tcase_add_test(tc, unknown_denies);
	tcase_add_test(tc, unknown_of_a_representative_denies);
	tcase_add_test(tc, unknown_comes_first);
	tcase_add_test(tc, unknown_version_denies);
	tcase_add_test(tc, foreign_member_voids_a_grant);
	return tc;
}
