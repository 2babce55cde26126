/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <time.h>

#include "policy_test.h"

struct pubkey
key(uint8_t b)
{
	struct pubkey k = { { b } };

	return k;
}

struct institution_id
inst(uint8_t b)
{
	struct institution_id i = { { b } };

	return i;
}

struct event_id
set_id(uint8_t b)
{
	struct event_id i = { { 0xff, b } };

	return i;
}

void
world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	ck_assert_int_eq(policy_builder_new(&w->b), ERR_OK);
}

void
world_close(struct world *w)
{
	policy_builder_free(w->b);
}

static struct policy_source
source(struct world *w, uint8_t signer)
{
	struct policy_source s = { .id = { { ++w->next_id } },
		.signer = key(signer),
		.order = ++w->next_order,
		.block_time = w->block_time ? w->block_time :
					      1000 * (int64_t)w->next_order,
		.final = !w->pending,
		.foreign = w->foreign };

	if (w->order)
		s.order = w->order;
	if (w->pending)
		s.order += PENDING_ORDER;
	w->pending = w->foreign = false;
	w->order = 0;
	w->block_time = 0;
	return s;
}

struct event_id
add(struct world *w, uint8_t signer, const struct event_decision *d)
{
	struct policy_source s = source(w, signer);
	struct pubkey patient = key(PATIENT);

	ck_assert_int_eq(policy_add_decision(w->b, &s, &patient, d), ERR_OK);
	return s.id;
}

struct event_id
add_simple(
    struct world *w, uint8_t signer, enum event_effect effect, uint64_t n)
{
	struct event_decision d = DECISION(effect, n);

	return add(w, signer, &d);
}

struct event_id
add_by(struct world *w, uint8_t rep, struct event_id via,
    enum event_effect effect, uint64_t n)
{
	struct event_decision d = DECISION(effect, n);

	d.has_delegation = true;
	d.delegation = via;
	return add(w, rep, &d);
}

struct event_id
delegate(
    struct world *w, uint8_t representative, const struct event_delegation *how)
{
	struct event_delegation d = { .powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	struct policy_source s = source(w, PATIENT);
	struct pubkey patient = key(PATIENT);

	if (how)
		d = *how;
	d.representative = key(representative);
	ck_assert_int_eq(policy_add_delegation(w->b, &s, &patient, &d), ERR_OK);
	return s.id;
}

struct event_id
end(struct world *w, uint8_t signer, struct event_id what, bool keep)
{
	struct policy_source s = source(w, signer);

	ck_assert_int_eq(policy_add_end(w->b, &s, &what, keep), ERR_OK);
	return s.id;
}

struct policy_query
query(void)
{
	static const struct event_id set = { { 0xff, 1 } };
	static const struct event_document_set about = { .custodian = { { 7 } },
		.type_code = "lab",
		.class_code = "note",
		.confidentiality = EVENT_R,
		.sensitivity = { 1, { "HIV" } },
		.period = { 1000, 2000 },
		.author = "Dr. Who" };
	struct policy_query q = { .institution = inst(CLINIC),
		.practitioner = "jane",
		.patient = key(PATIENT),
		.set = &set,
		.about = &about,
		.purpose = "TREAT",
		.right = EVENT_RIGHT_READ,
		.now = 500000 };

	return q;
}

struct policy *
build(struct world *w)
{
	struct policy *p = NULL;

	ck_assert_int_eq(policy_build(w->b, &p), ERR_OK);
	return p;
}

struct policy_verdict
ask(struct world *w, const struct policy_query *q)
{
	CLEANUP(policy_free) struct policy *p = build(w);
	struct policy_verdict v;

	policy_decide(p, q, &v);
	ck_assert(v.permit == (v.why == POLICY_GRANTED));
	return v;
}

void
want_q(struct world *w, const struct policy_query *q, enum policy_why why)
{
	struct policy_verdict v = ask(w, q);

	ck_assert_msg(v.why == why, "said: %s; wanted: %s",
	    policy_why_texts[v.why], policy_why_texts[why]);
}

void
want(struct world *w, enum policy_why why)
{
	struct policy_query q = query();

	want_q(w, &q, why);
}

static struct world w;

static void
setup(void)
{
	world_open(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

START_TEST(errors)
{
	struct policy_verdict v = { .why = POLICY_REVOKED };

	ck_assert_int_eq(policy_err(&v), ERR_REVOKED);
	v.why = POLICY_EXPIRED;
	ck_assert_int_eq(policy_err(&v), ERR_EXPIRED);
	v.why = POLICY_REFUSED;
	ck_assert_int_eq(policy_err(&v), ERR_REFUSED);
	v.why = POLICY_PENDING;
	ck_assert_int_eq(policy_err(&v), ERR_PENDING);
	v.why = POLICY_GAP;
	ck_assert_int_eq(policy_err(&v), ERR_DENIED);
	v.why = POLICY_GRANTED; /* without a permit */
	ck_assert_int_eq(policy_err(&v), ERR_DENIED);
	v.permit = true;
	ck_assert_int_eq(policy_err(&v), ERR_OK);
	for (int i = POLICY_GRANTED; i <= POLICY_DELEGATION; i++)
		ck_assert_ptr_nonnull(policy_why_texts[i]);
}
END_TEST

START_TEST(bounds)
{
	struct policy_source s = { .final = true };
	struct pubkey patient = key(PATIENT);
	struct event_decision d = DECISION(EVENT_GRANT, 0);

	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_INVAL);
	d = DECISION(EVENT_GRANT, 1);
	d.nseen = EVENT_MAX_SEEN + 1;
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_INVAL);
	d = DECISION(EVENT_GRANT, 1);
	d.scope.types.n = EVENT_MAX_LIST + 1;
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_INVAL);
	d = DECISION(EVENT_GRANT, 1);
	d.scope.nsets = EVENT_MAX_SETS + 1;
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_INVAL);
	d = DECISION(EVENT_GRANT, 1);
	d.party = EVENT_GROUP;
	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, &d), ERR_INVAL);
	want(&w, POLICY_NO_DECISION);
}
END_TEST

START_TEST(references)
{
	struct policy_query q = query();
	struct policy *p, *again;
	struct policy_verdict v;

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	p = build(&w);
	add_simple(&w, PATIENT, EVENT_REVOKE, 2);
	world_close(&w); /* a policy outlives its builder */
	world_open(&w);
	again = policy_ref(p);
	policy_free(p);
	policy_decide(again, &q, &v);
	ck_assert(v.permit);
	policy_free(again);
	policy_free(NULL);
	ck_assert_ptr_null(policy_ref(NULL));
}
END_TEST

/* Twenty decisions of each of 5000 patients. */
START_TEST(scale)
{
	CLEANUP(policy_free) struct policy *p = NULL;
	struct policy_query q = query();
	struct policy_verdict v;
	clock_t start = clock();
	unsigned permits = 0;

	for (unsigned i = 0; i < 100000; i++) {
		struct event_decision d = DECISION(
		    i / 5000 % 7 == 3 ? EVENT_REVOKE : EVENT_GRANT,
		    i / 5000 + 1);
		struct policy_source s = { .order = i + 1, .final = true };

		memcpy(s.id.b, &i, sizeof(i));
		s.id.b[15] = 1;
		memcpy(s.signer.b, &(unsigned){ i % 5000 }, sizeof(i));
		ck_assert_int_eq(
		    policy_add_decision(w.b, &s, &s.signer, &d), ERR_OK);
	}
	p = build(&w);
	printf("100000 decisions: added and built in %.0f ms, ",
	    (double)(clock() - start) * 1000 / CLOCKS_PER_SEC);
	start = clock();
	for (unsigned i = 0; i < 5000; i++) {
		memset(&q.patient, 0, sizeof(q.patient));
		memcpy(q.patient.b, &i, sizeof(i));
		policy_decide(p, &q, &v);
		permits += v.permit;
	}
	printf("%.1f us a decision\n",
	    (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / 5000);
	ck_assert_uint_eq(permits, 5000);
	ck_assert_int_lt(clock() - start, CLOCKS_PER_SEC);
}
END_TEST

/* All of them of one patient, and every one covers. */
START_TEST(scale_one_patient)
{
	CLEANUP(policy_free) struct policy *p = NULL;
	struct pubkey patient = key(PATIENT);
	struct policy_query q = query();
	struct policy_verdict v;
	clock_t start;

	for (unsigned i = 0; i < 20000; i++) {
		struct event_decision d = DECISION(
		    i % 2 ? EVENT_GRANT : EVENT_REVOKE, i + 1);
		struct policy_source s = {
			.order = i + 1, .final = true, .signer = patient
		};

		memcpy(s.id.b, &i, sizeof(i));
		ck_assert_int_eq(
		    policy_add_decision(w.b, &s, &patient, &d), ERR_OK);
	}
	p = build(&w);
	start = clock();
	policy_decide(p, &q, &v);
	ck_assert(v.permit);
	ck_assert_int_lt(clock() - start, CLOCKS_PER_SEC / 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy");
	SRunner *r = srunner_create(s);
	int failed;

	add_rules(s);
	add_scope(s);
	add_numbers(s);
	add_authority(s);
	add_memory(s);
	CASE("contract", errors, bounds, references);
	CASE("scale", scale, scale_one_patient);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
