/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small world: an RMS, a patient and a representative, two institutions, a
 * stranger, and a ledger that lives in memory.
 */
#ifndef REGISTRY_TEST_H
#define REGISTRY_TEST_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "registry/registry.h"

#define OK(expr)                                                               \
	do {                                                                   \
		enum err ok_err = (expr);                                      \
		ck_assert_msg(ok_err == ERR_OK, "%s: %s %s", #expr,            \
		    err_name(ok_err), err_detail(ok_err));                     \
	} while (0)

#define FAILS(expr, want)                                                      \
	do {                                                                   \
		enum err got_err = (expr);                                     \
		ck_assert_msg(got_err == (want), "%s: %s %s", #expr,           \
		    err_name(got_err), err_detail(got_err));                   \
	} while (0)

enum who {
	RMS,
	PATIENT,
	PATIENT_RMS,
	A_HOST,
	A_READ,
	B_HOST,
	B_READ,
	REP,
	STRANGER,
	B_READ2,
	WHOS
};

enum reader { AT_RMS, AT_PATIENT, AT_A, AT_B, AT_REP, READERS };

#define CANARY_TITLE "Quokka-thorax"
#define CANARY_NAME  "Wombat-Vixen"

struct world {
	struct chain chain;
	struct seal_identity *id[WHOS];
	struct institution_id a, b;
	char dir[64];
	struct registry *reg[READERS];
	const struct seal_identity *reading[READERS][2];
	unsigned changes[READERS];
	struct registry_reader reader[READERS];
	uint64_t height;
	struct sig last;
	int64_t time;
	uint64_t tx_time;
	bool find_fails;
	unsigned dies_at; /* look-up of a key of the RMS; 0: never */
	bool disk_full;   /* nothing can be committed */
};

extern struct world W;

void world_setup(void);
void world_teardown(void);
void world_open(enum reader at);
enum err world_try_open(enum reader at, const struct secret *rest);
void world_close(enum reader at);
const struct pubkey *key_of(enum who who);

/* What is sealed, and what came of it. */
struct sealed {
	struct entry_key entry;
	struct event_id id;
	struct secret *key;
	uint8_t *value;
	size_t len;
};

/* To whom; -1: nobody. */
struct slots {
	int patient, institution, representative;
};
#define TO(p, i, r) ((struct slots){ (p), (i), (r) })
#define NOBODY      (-1)

void seal_json(enum who sender, struct slots to, const uint8_t *public,
    const char *json, struct sealed *out);
void seal_event(enum who sender, struct slots to, const struct event *e,
    struct sealed *out);
void sealed_free(struct sealed *s);
#define CLEANUP_SEALED __attribute__((cleanup(sealed_free), unused))

struct ledger_tx *tx_of(enum who sender, const struct sealed *s);
void tx_add(struct ledger_tx *tx, const char *name, const void *p, size_t n);
void tx_done(struct ledger_tx *tx, enum who sender);
struct ledger_tx *tx_accredit(enum who sender, const struct event *e);

/* Give a block with these transactions (freed) to every open registry. */
void block_n(size_t n, struct ledger_tx **tx);
#define BLOCK(...)                                                             \
	block_n(sizeof((struct ledger_tx *[]){ __VA_ARGS__ }) /                \
		sizeof(struct ledger_tx *),                                    \
	    (struct ledger_tx *[]){ __VA_ARGS__ })
enum err block_to(enum reader at, size_t n, struct ledger_tx **tx);
/* ${n} blocks at once, with one transaction each. */
enum err blocks_to(enum reader at, size_t n, struct ledger_tx **tx);
void see(enum reader at, enum who sender, const struct sealed *s);
void done(enum reader at);

/* Events, filled in with what a test does not care about. */
struct event event_set(const struct institution_id *custodian);
struct event event_inquiry(const struct institution_id *asker, uint64_t first,
    struct event_item *item);
struct event event_decision(
    const struct institution_id *to, uint64_t n, enum event_effect effect);
struct event event_delegation(enum who representative);
struct event event_end(const struct event_id *ends);
struct event event_accredit(
    const struct institution_id *id, enum who host, enum who reading);

size_t count(enum reader at, enum event_type type);
size_t count_of(enum reader at, enum event_type type,
    const struct pubkey *patient, bool accredited_only);
enum policy_why ask(enum reader at, const struct institution_id *who);

TCase *registry_test_store(void);
TCase *registry_test_policy(void);
TCase *registry_test_pending(void);
TCase *registry_test_roster(void);
TCase *registry_test_open(void);

#endif
