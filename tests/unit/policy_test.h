/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small world for the tests of policy: one patient (PATIENT), signers and
 * institutions that are named by a byte, and a ledger that grows by one with
 * every event.
 */
#ifndef POLICY_TEST_H
#define POLICY_TEST_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define PATIENT       1
#define REP           2
#define REP2          3
#define STRANGER      9
#define CLINIC        1
#define OTHER         2
#define BOTH          (EVENT_RIGHT_LIST | EVENT_RIGHT_READ)
#define PENDING_ORDER 1000000

struct world {
	struct policy_builder *b;
	uint8_t next_id;
	uint64_t next_order;
	/* of the next event; reset after it */
	bool pending, foreign;
	uint64_t order;
	int64_t block_time;
};

#define DECISION(eff, num)                                                     \
	(struct event_decision)                                                \
	{                                                                      \
		.party = EVENT_INSTITUTION, .institution = inst(CLINIC),       \
		.n = num, .effect = eff, .scope = { .all = true },             \
		.rights = (eff) == EVENT_GRANT ? BOTH : 0                      \
	}

struct pubkey key(uint8_t b);
struct institution_id inst(uint8_t b);
struct event_id set_id(uint8_t b);

void world_open(struct world *w);
void world_close(struct world *w);

/* Add an event and return its id. */
struct event_id add(
    struct world *w, uint8_t signer, const struct event_decision *d);
struct event_id add_simple(
    struct world *w, uint8_t signer, enum event_effect effect, uint64_t n);
struct event_id delegate(struct world *w, uint8_t representative,
    const struct event_delegation *how);
struct event_id end(
    struct world *w, uint8_t signer, struct event_id what, bool keep);
/* As add_simple(), resting on a delegation. */
struct event_id add_by(struct world *w, uint8_t rep, struct event_id via,
    enum event_effect effect, uint64_t n);

struct policy_query query(void);
struct policy *build(struct world *w);
struct policy_verdict ask(struct world *w, const struct policy_query *q);
/* Ask the plain question and want that answer. */
void want(struct world *w, enum policy_why why);
void want_q(struct world *w, const struct policy_query *q, enum policy_why why);

void add_rules(Suite *s);
void add_scope(Suite *s);
void add_numbers(Suite *s);
void add_authority(Suite *s);
void add_memory(Suite *s);

/* Of the suite s, with the fixture of the file. */
#define CASE(name, ...)                                                        \
	do {                                                                   \
		const TTest *const tests[] = { __VA_ARGS__ };                  \
		TCase *tc = tcase_create(name);                                \
		tcase_add_checked_fixture(tc, setup, teardown);                \
		tcase_set_timeout(tc, 60);                                     \
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)                  \
			tcase_add_test(tc, tests[i]);                          \
		suite_add_tcase(s, tc);                                        \
	} while (0)

#endif
