/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How many records may wait for the ledger: those in the outbox of the home and
 * in our journal.
 */
#include "gate/gate_internal.h"

static enum err
waiting(struct gate *g, struct ledger_state *out)
{
	uint64_t last = journal_last(g->journal), drained;
	enum err e = ledger_outbox_state(home_outbox(g->home), out);

	pthread_mutex_lock(&g->lock);
	drained = g->drained;
	pthread_mutex_unlock(&g->lock);
	if (last > drained)
		out->records += last - drained;
	out->minor += atomic_load(&g->denied_waiting);
	return e;
}

enum err
gate_room(struct gate *g)
{
	struct ledger_state s;
	enum err e = waiting(g, &s);

	return e == ERR_OK ? home_outbox_room(g->home, &s) : e;
}

bool
gate_room_denied(struct gate *g)
{
	uint64_t most = (uint64_t)home_conf(g->home)->outbox_records;
	struct ledger_state s;

	return waiting(g, &s) == ERR_OK && s.minor < most / 4 &&
	    s.records < most + most / 4;
}
