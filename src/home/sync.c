/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define REFUSED_MS 3000
#define LOOK_MS    1000 /* at a node that cannot say when there is news */

static void
resend(void *ctx, const char *json, const struct tx_id *id)
{
	struct home *h = ctx;

	if (ledger_node_broadcast(h->node, json, id) != ERR_OK)
		log_warn("home: a narrowing event is not on the ledger yet");
}

enum err
home_sync(struct home *h)
{
	bool more = true;
	enum err e = ERR_OK;

	if (!ledger_node_met(h->node))
		e = ledger_node_handshake(h->node);
	if (e == ERR_OK && ledger_outbox_send(h->outbox, h->node) != ERR_OK)
		log_warn("home: not everything could be sent: %s",
		    err_detail(ERR_NODE));
	if (e == ERR_OK)
		e = ledger_follow_step(h->follower);
	if (e != ERR_OK)
		return e;
	for (int i = 0; more && i < 1000 && e == ERR_OK; i++)
		e = home_feed_round(h, 0, &more);
	if (e != ERR_OK && e != ERR_PENDING)
		log_debug("home: no feed from the record management system: %s",
		    err_detail(e));
	home_feed_save(h);
	return registry_resend(h->registry, resend, h);
}

enum err
home_start(struct home *h, void (*hint)(void *ctx), void *ctx)
{
	enum err e;

	h->hint = hint;
	h->hint_ctx = ctx;
	e = ledger_follow_start(h->follower);
	if (e == ERR_OK)
		e = ledger_outbox_start(h->outbox, h->node);
	if (e != ERR_OK)
		return e;
	if (pthread_create(&h->feed_thread, NULL, home_feed_run, h) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	h->feed_runs = true;
	return ERR_OK;
}

enum err
home_outbox_room(const struct home *h, const struct ledger_state *s)
{
	const char *why = s->why[0] ? s->why : "is the node reachable?";
	char since[CLOCK_TEXT];

	if (s->records >= (uint64_t)h->conf.outbox_records)
		return err_say(ERR_STALE,
		    "%llu records wait for the ledger, which are as many as "
		    "may; nothing is opened until it has some of them: %s",
		    (unsigned long long)s->records, why);
	if (s->since && clock_wall_ms() - s->since > h->conf.outbox_age)
		return err_say(ERR_STALE,
		    "a record waits for the ledger since %s, longer than it "
		    "may; nothing is opened until it is there: %s",
		    clock_text(s->since, since), why);
	return ERR_OK;
}

/* A node that refuses is not waited for as long as one that is slow. */
static bool
refused(struct home *h, int64_t begun)
{
	struct ledger_state s;

	return clock_boot_ms() - begun >= REFUSED_MS &&
	    ledger_outbox_state(h->outbox, &s) == ERR_OK && s.why[0];
}

static enum err
not_yet(struct home *h)
{
	struct ledger_state s;

	if (ledger_outbox_state(h->outbox, &s) != ERR_OK || s.why[0] == '\0')
		return err_say(ERR_PENDING,
		    "not yet on the ledger, which has not confirmed it; it is "
		    "kept in the outbox and sent again by the next command");
	return err_say(ERR_PENDING,
	    "not yet on the ledger: %s; it is kept in the outbox and sent "
	    "again by the next command; the record management system has it, "
	    "and what takes access away counts from now on",
	    s.why);
}

enum err
home_wait_final(struct home *h, const struct tx_id *tx, int64_t ms)
{
	int64_t begun = clock_boot_ms(), end = begun + ms, left;
	int64_t again = begun + LOOK_MS;

	for (;;) {
		struct ledger_head head;
		enum err e = ledger_follow_step(h->follower);

		/* maybe another process saw it first: see it too */
		if (e == ERR_OK && !ledger_outbox_waits(h->outbox, tx))
			return ledger_follow_step(h->follower);
		ledger_follow_head(h->follower, &head);
		left = end - clock_boot_ms();
		if (left <= 0 || refused(h, begun))
			return not_yet(h);
		if (clock_boot_ms() >= again) { /* what was refused */
			e = ledger_outbox_send(h->outbox, h->node);
			again = clock_boot_ms() + LOOK_MS;
		}
		ledger_node_wait(h->node, head.height,
		    left < LOOK_MS ? left : LOOK_MS, NULL);
	}
}
