/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of ledger_test share: a node that lies on demand. */
#ifndef LEDGER_TEST_H
#define LEDGER_TEST_H

#include <check.h>
#include <pthread.h>

#include "ledger/ledger.h"

#define OK(call)                                                               \
	do {                                                                   \
		enum err ok_err = (call);                                      \
		ck_assert_msg(                                                 \
		    ok_err == ERR_OK, "%s: %s", #call, err_detail(ok_err));    \
	} while (0)
#define FAILS(err, call) ck_assert_int_eq((call), (err))

#define FAKE_BODIES 64

struct fake {
	pthread_mutex_t lock; /* guards all below while it listens */
	struct http_listener *l;
	uint16_t port;
	struct seal_identity *generator;
	struct chain chain;
	struct ledger_block tip;
	json_t *blocks; /* array, as it answers them */
	json_t *pool;   /* array */
	int64_t height; /* told height; 0: true */
	bool has_wait, no_seq;
	unsigned waits, seqs; /* how often asked */
	const char *raw;      /* answered to everything, with raw_status */
	unsigned raw_status;
	/* what broadcasts are answered: NULL: accepted; %s is the id */
	const char *refuse;
	unsigned refuse_status;
	unsigned refuse_times;   /* then accept */
	struct ledger_fee fee;   /* its rule */
	char key[64], token[64]; /* that it was shown last */
	unsigned nbodies;
	char *body[FAKE_BODIES]; /* what was broadcast */
};

struct fake *fake_new(void);
void fake_free(struct fake *f);
void fake_up(struct fake *f);
void fake_down(struct fake *f);
/* Add a signed block with ${n} transactions. */
void fake_block(
    struct fake *f, struct ledger_tx *const *tx, size_t n, int64_t time);
void fake_blocks(struct fake *f, unsigned n);
/* Remove blocks above ${height}. */
void fake_cut(struct fake *f, size_t height);
/* Sign the changed block ${height} again. */
void fake_resign(struct fake *f, size_t height);
json_t *fake_at(struct fake *f, size_t height);
/* The transaction's JSON as this node shows it. */
json_t *fake_tx(const struct ledger_tx *tx);
struct ledger_node *fake_client(struct fake *f, bool pinned);

/* A signed transaction of an account, with one random entry. */
struct ledger_tx *test_tx(const char *seed, const char *key);
struct seal_identity *test_id(const char *seed);
char *test_dir(void);
void test_dir_remove(char *dir);
/* A file of tests/vectors. */
json_t *test_file(const char *name);
const char *test_text(const json_t *j, const char *name);
/* Let a block count the transactions that it has now. */
void test_count_again(json_t *block);

TCase *blocks_tests(void);
TCase *we_blocks_tests(void);
TCase *dialect_tests(void);
TCase *peers_tests(void);
TCase *watch_tests(void);
TCase *invalid_tests(void);
TCase *node_tests(void);
TCase *follow_tests(void);
TCase *follow_bad_tests(void);
TCase *follow_reorg_tests(void);
TCase *outbox_tests(void);
TCase *outbox_send_tests(void);

#endif
