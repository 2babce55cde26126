/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An outbox and a node to send to. */
#ifndef LEDGER_TEST_BOX_H
#define LEDGER_TEST_BOX_H

#include "ledger_test_sink.h"

extern struct seal_identity *me;
extern struct ledger_outbox *box;
extern char *dir;

void box_up(void);
void box_down(void);
void box_open(void);
struct entry_key random_key(void);
/* Keep one transaction with one entry. */
struct tx_id keep(void);
/* What is kept, to be freed. */
struct ledger_tx *kept(const struct tx_id *id);

#endif
