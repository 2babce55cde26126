/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A follower of a lying node, and a sink that remembers. */
#ifndef LEDGER_TEST_SINK_H
#define LEDGER_TEST_SINK_H

#include "ledger_test.h"

extern struct sink {
	pthread_mutex_t lock;
	uint64_t height;
	struct sig id;
	unsigned blocks, txs, pending, done, undone;
	struct tx_id last_tx, last_pending;
	unsigned calls; /* of blocks() */
	enum err fail;  /* what it answers */
} sink;

extern struct fake *f;
extern struct ledger_node *node;
extern struct ledger_follower *follower;

void follow_up(void);
void follow_down(void);
/* Begin anew, with the sink as it is. */
void follow(unsigned depth, bool pinned);
/* The same with ${n}, which it takes. */
void follow_node(unsigned depth, struct ledger_node *n);
uint64_t sink_height(void);
struct ledger_head head(void);
/* Add a block with one transaction. */
struct tx_id block_with_tx(void);

#endif
