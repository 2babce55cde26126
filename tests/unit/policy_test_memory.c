/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Out of memory, and facts that are out of bounds. */
#include "nth.h"
#include "policy_test.h"

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

static struct policy_source
source(uint8_t id, uint8_t signer)
{
	return (struct policy_source){ .id = { { id } },
		.signer = key(signer),
		.order = id,
		.block_time = 1000 * id,
		.final = true };
}

static enum err
add_facts(struct policy_builder *b)
{
	const struct policy_source grant = source(1, PATIENT),
				   group = source(2, PATIENT),
				   proxy = source(3, PATIENT),
				   over = source(4, PATIENT);
	const struct event_delegation delegation = { .representative = key(REP),
		.powers = EVENT_POWER_DECIDE,
		.scope = { .all = true } };
	const struct pubkey patient = key(PATIENT), stranger = key(STRANGER);
	const struct institution_id clinic = inst(CLINIC);
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	enum err e = policy_add_decision(b, &grant, &patient, &d);

	d.party = EVENT_GROUP;
	d.group = "labs";
	if (e == ERR_OK)
		e = policy_add_decision(b, &group, &patient, &d);
	if (e == ERR_OK)
		e = policy_add_delegation(b, &proxy, &patient, &delegation);
	if (e == ERR_OK)
		e = policy_add_end(b, &over, &proxy.id, true);
	if (e == ERR_OK)
		e = policy_add_opaque(b, &stranger, &patient);
	if (e == ERR_OK)
		e = policy_add_member(b, &clinic, "labs");
	return e;
}

/* A policy is made whole or not at all; the builder stays good. */
static void
make(void *ctx)
{
	CLEANUP(policy_builder_free) struct policy_builder *b = NULL;
	CLEANUP(policy_free) struct policy *p = NULL;
	const struct policy_query q = query();
	struct policy_verdict v;
	enum err e = policy_builder_new(&b);

	(void)ctx;
	if (e == ERR_OK)
		e = add_facts(b);
	if (e == ERR_OK)
		e = policy_build(b, &p);
	NTH_MUST((e == ERR_OK) == (p != NULL));
	NTH_MUST(e == (nth_hit() ? ERR_NOMEM : ERR_OK));
	if (b == NULL || e == ERR_OK)
		return;
	NTH_MUST(policy_build(b, &p) == ERR_OK);
	policy_decide(p, &q, &v); /* of whatever got in */
	NTH_MUST(v.permit == (v.why == POLICY_GRANTED));
}

START_TEST(no_memory)
{
	(void)nth_disarm();
	ck_assert_uint_ge(nth_each(NTH_MEMORY, ENOMEM, make, NULL), 15);
}
END_TEST

static void
refuse(const struct event_decision *d)
{
	const struct policy_source s = source(1, PATIENT);
	const struct pubkey patient = key(PATIENT);

	ck_assert_int_eq(policy_add_decision(w.b, &s, &patient, d), ERR_INVAL);
}

START_TEST(bad_decisions)
{
	struct event_decision d = DECISION(EVENT_GRANT, 0);

	refuse(&d); /* no number */
	d = DECISION(EVENT_GRANT, 1);
	d.effect = EVENT_REINSTATE + 1;
	refuse(&d);
	d = DECISION(EVENT_GRANT, 1);
	d.party = EVENT_ANYONE + 1;
	refuse(&d);
	d.party = EVENT_GROUP; /* and no name of it */
	refuse(&d);
	d = DECISION(EVENT_GRANT, 1);
	d.nseen = EVENT_MAX_SEEN + 1;
	refuse(&d);
	d = DECISION(EVENT_GRANT, 1);
	d.purposes.n = 1; /* which is NULL */
	refuse(&d);
	d.purposes.n = EVENT_MAX_LIST + 1;
	refuse(&d);
	want(&w, POLICY_NO_DECISION);
}
END_TEST

START_TEST(bad_scopes)
{
	struct event_decision d = DECISION(EVENT_GRANT, 1);
	struct event_texts *const texts[] = { &d.scope.types, &d.scope.classes,
		&d.scope.authors, &d.scope.without };
	const struct policy_source s = source(1, PATIENT);
	const struct pubkey patient = key(PATIENT);
	struct event_delegation proxy = { .scope = { .nsets = 1 } };

	d.scope.nsets = 1; /* which are NULL */
	refuse(&d);
	d.scope.nsets = EVENT_MAX_SETS + 1;
	refuse(&d);
	d.scope.nsets = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		texts[i]->n = 1;
		refuse(&d);
		texts[i]->n = 0;
	}
	ck_assert_int_eq(
	    policy_add_delegation(w.b, &s, &patient, &proxy), ERR_INVAL);
}
END_TEST

START_TEST(bad_groups)
{
	const struct institution_id clinic = inst(CLINIC);
	const struct pubkey patient = key(PATIENT);
	char name[EVENT_MAX_TEXT + 8];
	struct event_decision group = { .party = EVENT_GROUP };
	struct event_seen seen[2];
	struct policy *p = build(&w);

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(policy_add_member(w.b, &clinic, NULL), ERR_INVAL);
	ck_assert_int_eq(policy_add_member(w.b, &clinic, name), ERR_INVAL);
	ck_assert_uint_eq(policy_seen(p, &patient, &group, seen, 2), 0);
	policy_free(p);
}
END_TEST

/* A query for no right at all is granted nothing. */
START_TEST(no_right)
{
	struct policy_query q = query();

	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	want(&w, POLICY_GRANTED);
	q.right = 0;
	want_q(&w, &q, POLICY_RIGHT);
}
END_TEST

/* A verdict that nobody knows is no permit. */
START_TEST(unknown_verdict)
{
	const struct policy_verdict odd = { .why = POLICY_DELEGATION + 1 };
	const struct policy_verdict granted = { .why = POLICY_GRANTED };

	ck_assert_int_eq(policy_err(&odd), ERR_DENIED);
	ck_assert_int_eq(policy_err(&granted), ERR_DENIED);
}
END_TEST

/* Of two with one place on the ledger the order is still always the same. */
START_TEST(same_place)
{
	uint64_t order = 7;

	w.order = order;
	add_simple(&w, PATIENT, EVENT_GRANT, 1);
	w.order = order;
	add_simple(&w, REP, EVENT_REFUSE, 1);
	want(&w, POLICY_GRANTED);
}
END_TEST

void
add_memory(Suite *s)
{
	CASE("memory", no_memory);
	CASE("bounds", bad_decisions, bad_scopes, bad_groups, no_right,
	    unknown_verdict, same_place);
}
