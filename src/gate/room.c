/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How many records may wait for the ledger.  Whoever keeps us from the node
 * must not be able to let us read for ever unseen, nor to fill the disk.
 */
#include "gate/gate_internal.h"

#include "base/clock.h"

/* What waits in the outbox of the home, and in our journal. */
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

static const char *
because(const struct ledger_state *s)
{
	return s->why[0] ? s->why : "is the node reachable?";
}

enum err
gate_room(struct gate *g)
{
	struct ledger_state s;
	enum err e = waiting(g, &s);

	if (e != ERR_OK)
		return e;
	if (s.records >= GATE_WAIT_RECORDS)
		return err_say(ERR_STALE,
		    "%llu records wait for the ledger, which are as many as "
		    "may; nothing is opened until it has some of them: %s",
		    (unsigned long long)s.records, because(&s));
	if (s.since && clock_wall_ms() - s.since > GATE_WAIT_MS)
		return err_say(ERR_STALE,
		    "a record waits for the ledger for over %d hours; nothing "
		    "is opened until it is there: %s",
		    GATE_WAIT_MS / 3600000, because(&s));
	return ERR_OK;
}

bool
gate_room_denied(struct gate *g)
{
	struct ledger_state s;

	return waiting(g, &s) == ERR_OK && s.minor < GATE_WAIT_RECORDS / 4 &&
	    s.records < GATE_WAIT_RECORDS + GATE_WAIT_RECORDS / 4;
}
