/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the unit test of consentd share. */
#ifndef TESTS_UNIT_CONSENTD_TEST_H
#define TESTS_UNIT_CONSENTD_TEST_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "consentd/commands_internal.h"
#include "consentd/conf.h"
#include "ledger/ledger.h"
#include "rms/rms.h"

#define OK(call)                                                               \
	do {                                                                   \
		enum err ok_e = (call);                                        \
		ck_assert_msg(                                                 \
		    ok_e == ERR_OK, "%s: %s", #call, err_detail(ok_e));        \
	} while (0)
#define IS(call, want) ck_assert_int_eq((call), ERR_##want)

TCase *tcase_replay(void);
TCase *tcase_keystore(void);
TCase *tcase_store(void);
TCase *tcase_accredit(void);
TCase *tcase_publish(void);
TCase *tcase_release(void);
TCase *tcase_feed(void);
TCase *tcase_requests(void);
TCase *tcase_apart(void);
TCase *tcase_hostile(void);
TCase *tcase_hostile_apart(void);

/* Run a verb of the command line with the words up to NULL. */
typedef enum err (*verb_fn)(int argc, char **argv);
enum err run_verb(verb_fn verb, ...) __attribute__((sentinel));

/* A temporary directory. */
void dir_make(char out[static 128]);
void dir_remove(const char *dir);

/* An institution with one host. */
struct clinic {
	struct institution_id id;
	struct seal_identity *reading, *host;
	struct rms_client *c;
	uint64_t n; /* items of inquiries */
};

/* A server in a process of its own, two clinics, a patient. */
struct place {
	char dir[128];
	int pid;
	char node_dir[128]; /* of a node apart, or empty */
	int node_pid;
	struct consentd_roots roots;
	struct ledger_node *node;
	struct seal_identity *patient, *friend, *stranger;
	struct rms_client *patient_c, *friend_c, *stranger_c;
	struct rms_card card;
	struct clinic a, b;
	uint64_t decisions;
};
extern struct place place;

void place_up(void);
/* With the node in a process of its own; place_node() starts and kills it. */
void place_up_apart(void);
/* Give a key of consentd.conf another value. */
void place_set(const char *dir, const char *key, const char *value);
void place_node(bool up);
void place_down(void);
/* Stop by ${sig} and serve again; clients stay good. */
void place_restart(int sig);

/* Name ${clinic} on the ledger. */
void clinic_accredit(
    struct clinic *clinic, const char *name, const char *group);

/* A transaction that holds ${e}, sealed for ${clinic} and ${friend} (NULL:
 * nobody); to be released by json_decref(). */
struct made {
	struct ledger_tx *tx;
	struct buf json;
	struct event_id id;
	struct secret *key;
	struct entry_key entry;
};
void made_free(struct made *m);
#define CLEANUP_MADE __attribute__((cleanup(made_free), unused))
struct making {
	const struct seal_identity *from;
	const struct pubkey *clinic, *friend;
	const uint8_t *public;
	const struct entry_key *entry; /* NULL: a new one */
	const struct secret *key;      /* NULL: a new one */
};
void make_event(
    const struct event *e, const struct making *how, struct made *out);

/* Wait until a block holds it. */
void wait_final(const struct tx_id *id);

/* A set of one document that clinic ${a} publishes. */
struct set {
	struct made made;
	struct secret *set_key;
	struct buf manifest, document; /* sealed */
	struct blob_id ids[2];
	struct event e;
};
void set_make(struct set *s);
void set_free(struct set *s);
#define CLEANUP_SET __attribute__((cleanup(set_free), unused))
/* Event, blobs and record. */
void set_publish(struct set *s);

/* An inquiry of one item. */
void inquire(struct clinic *c, enum event_kind kind, const struct event_id *set,
    struct made *out, struct inquiry_id *item);

/* The same under an entry's name of our choice. */
void inquire_under(struct clinic *c, enum event_kind kind,
    const struct event_id *set, const struct entry_key *entry, struct made *out,
    struct inquiry_id *item);

/* Ask for a key; ${out} may be NULL. */
enum err ask(struct clinic *c, enum event_kind kind, const struct event_id *set,
    struct rms_release *out);

/* A decision of the patient about clinic ${c} (NULL: group "labs"). */
void decide(enum event_effect effect, const struct clinic *c, struct made *out);

#endif
