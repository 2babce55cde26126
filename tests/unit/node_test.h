/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of node_test share: a node in a directory of its own. */
#ifndef NODE_TEST_H
#define NODE_TEST_H

#include <check.h>

#include "http/http.h"
#include "ledger/ledger.h"
#include "node/node.h"

struct world {
	char dir[100];
	struct seal_identity *key;   /* the node's */
	struct seal_identity *alice; /* a sender */
	struct chain chain;
	struct node *node;
	struct http_client *c;
	int64_t heartbeat_ms; /* of world_open() */
	const char *api_key;  /* of world_open() */
	bool waves;           /* of world_open() */
};

extern struct world world;

void world_up(void); /* create and open; long heartbeat */
void world_down(void);
void world_open(void);

/* GET; the status is checked, a new reference returned. */
json_t *get(long status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
json_t *post(long status, const char *path, const json_t *body);

/* Any call, with a header or NULL; NULL if the answer is no JSON. */
json_t *call(const char *method, long status, const char *path,
    const json_t *body, const char *header);

/* A member of the answer, which is released. */
int64_t num(json_t *j, const char *name);
const char *str(const json_t *j, const char *name);

/* A signed transaction of alice's with ${n} entries "k0".. and its JSON. */
struct ledger_tx *make_tx(size_t n, int64_t age_ms);
json_t *tx_json(const struct ledger_tx *tx);
/* Send one and return its id as text, valid until the next call. */
const char *send_one(void);
/* Wait until the transaction is in a block and return its height. */
int64_t mined(const char *id);
const char *address_of(const struct seal_identity *id);

TCase *chain_tests(void);
TCase *rollback_tests(void);
TCase *verify_tests(void);
TCase *waves_tests(void);

#endif
