/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MS   1000  /* for what other processes put in */
#define RESEND_MS 30000 /* a node's pool can lose what it took */
/* Nodes say "already" to the same bytes for 20 s, whatever became of them. */
#define AGAIN_MS       21000
#define REFUSED_MS     2000 /* doubled each time up to */
#define REFUSED_MAX_MS 300000
#define STUCK_MS       3600000 /* what never fits may after an upgrade */
#define BACKOFF_MS     200
#define BACKOFF_MAX_MS 5000
#define PURGE_MS       3600000
#define RENEW_AFTER_MS 60000 /* not what was made just now */

/* A waiting row, copied: no database transaction is open while sending. */
struct due {
	uint64_t seq;
	int64_t time;
	struct tx_id id;
	struct buf json;
};

static enum err
missing_row(void)
{
	return err_say(ERR_CORRUPT,
	    "the outbox lacks a transaction that waits to be sent");
}

/* The first waiting row after ${seq}. */
static bool
next_due(struct ledger_outbox *o, uint64_t seq, struct due *out, enum err *e)
{
	CLEANUP_TXN struct db_txn t;
	CLEANUP_BUF struct buf from = { 0 };
	struct db_val key, value;
	struct ledger_row row;
	struct rd r;
	bool found;

	buf_u64(&from, seq + 1);
	db_read(o->db, &t);
	out->json.len = 0;
	found = from.err == ERR_OK &&
	    db_next(
		&t, o->wait, (struct db_val){ from.p, from.len }, &key, &value);
	if (found) {
		rd_init(&r, key.p, key.n);
		out->seq = rd_u64(&r);
		if (!ledger_row_get(o, &t, out->seq, &row)) {
			*e = t.err ? t.err : missing_row();
			return false;
		}
		out->id = row.id;
		out->time = row.time;
		buf_put(&out->json, row.json, row.json_len);
	}
	*e = t.err ? t.err : from.err ? from.err : out->json.err;
	return found && *e == ERR_OK;
}

/* What is known of row ${seq}; made if need be.  NULL without memory. */
static struct ledger_attempt *
attempt_of(struct ledger_outbox *o, uint64_t seq)
{
	struct ledger_attempt *a;
	size_t lo = 0, hi = o->nattempt;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->attempt[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < o->nattempt && o->attempt[lo].seq == seq)
		return &o->attempt[lo];
	a = realloc(o->attempt, (o->nattempt + 1) * sizeof(*a));
	if (a == NULL)
		return NULL;
	o->attempt = a;
	memmove(a + lo + 1, a + lo, (o->nattempt - lo) * sizeof(*a));
	a[lo] = (struct ledger_attempt){ .seq = seq };
	o->nattempt++;
	return &a[lo];
}

/* Forget what does not wait any more. */
static void
drop_unseen(struct ledger_outbox *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->nattempt; i++) {
		if (!o->attempt[i].seen)
			continue;
		o->attempt[n] = o->attempt[i];
		o->attempt[n++].seen = false;
	}
	o->nattempt = n;
}

static void
note_refused(struct ledger_outbox *o, const struct due *d, bool first)
{
	if (first)
		log_error("ledger: transaction %s is kept and tried again: %s",
		    TEXT58(&d->id), err_detail(ERR_NODE));
	(void)pthread_mutex_lock(&o->lock);
	(void)snprintf(o->why, sizeof(o->why), "%s", err_detail(ERR_NODE));
	(void)pthread_mutex_unlock(&o->lock);
}

/* When nothing is refused any more. */
static void
forget_why(struct ledger_outbox *o)
{
	for (size_t i = 0; i < o->nattempt; i++)
		if (o->attempt[i].fails)
			return;
	(void)pthread_mutex_lock(&o->lock);
	o->why[0] = '\0';
	(void)pthread_mutex_unlock(&o->lock);
}

/* A node may lie about what it refuses: nothing waits for long at first. */
static int64_t
pause_after(const struct ledger_attempt *a, enum ledger_fate fate)
{
	int64_t max = fate == LEDGER_STUCK ? STUCK_MS : REFUSED_MAX_MS;
	int64_t pause = REFUSED_MS;

	for (unsigned i = 0; i < a->fails && pause < max; i++)
		pause *= 2;
	return pause < max ? pause : max;
}

/* What a handshake learned meanwhile. */
static enum err
learn_fee(struct ledger_outbox *o, struct ledger_node *node)
{
	struct ledger_fee rule;

	return ledger_node_fee(node, &rule) ? ledger_outbox_fee(o, &rule) :
					      ERR_OK;
}

/* Fees may have changed since this was signed. */
static void
repay(struct ledger_outbox *o, struct ledger_node *node, uint64_t seq)
{
	enum err e = ledger_node_handshake(node);

	if (e == ERR_OK)
		e = learn_fee(o, node);
	if (e == ERR_OK)
		e = ledger_outbox_repay(o, seq);
	if (e)
		log_debug("ledger: the fee is as it was: %s", err_detail(e));
}

static void
refused(struct ledger_outbox *o, struct ledger_node *node, const struct due *d,
    struct ledger_attempt *a, enum ledger_fate fate)
{
	int64_t age = clock_wall_ms() - d->time;
	unsigned quiet = fate == LEDGER_UNSAID;

	note_refused(o, d, a->fails == quiet);
	a->next = clock_boot_ms() + pause_after(a, fate);
	a->fails++;
	a->with_node = false;
	if (fate == LEDGER_UNPAID || fate == LEDGER_UNSAID)
		repay(o, node, d->seq);
	if (fate != LEDGER_RENEW || age < RENEW_AFTER_MS)
		return;
	if (ledger_outbox_renew(o, d->seq) == ERR_OK) {
		log_warn("ledger: transaction %s came too late for the node "
			 "and is signed again with a new time",
		    TEXT58(&d->id));
		if (a->fails == 1)
			a->next = clock_boot_ms();
	}
}

/* What one of several nodes took and forgot, another gets the next time. */
static enum err
send_by_turn(struct ledger_outbox *o, struct ledger_node *node, struct due *d,
    struct ledger_attempt *a, const struct ledger_refusal **out)
{
	struct ledger_node *by = ledger_node_turn(node, a->sent);
	enum err e = ledger_node_send(
	    by, buf_text(&d->json), &d->id, &o->stop, out);

	if (e && e != ERR_NODE && by != node)
		e = ledger_node_send(
		    node, buf_text(&d->json), &d->id, &o->stop, out);
	a->sent += e == ERR_OK || e == ERR_NODE;
	return e;
}

/* ${out_all}: so would be all others. */
static enum err
send_one(struct ledger_outbox *o, struct ledger_node *node, struct due *d,
    struct ledger_attempt *a, bool *out_all)
{
	const struct ledger_refusal *why;
	enum err e = send_by_turn(o, node, d, a, &why);

	*out_all = e != ERR_NODE || why->fate == LEDGER_SETUP;
	if (e == ERR_OK) {
		a->with_node = true;
		a->fails = 0;
		a->next = clock_boot_ms() +
		    (why->fate == LEDGER_IT_HAS ? AGAIN_MS : RESEND_MS);
	} else if (e == ERR_NODE)
		refused(o, node, d, a, why->fate);
	return e;
}

/*
 * One round over all waiting rows.  ${all}: also what was refused and what
 * another look is not due for.  A refusal concerns one row, if it is not the
 * configuration's; any other failure is the node's: both end the round.
 */
static enum err
send_round(struct ledger_outbox *o, struct ledger_node *node, bool all)
{
	struct due d = { 0 };
	enum err first = ERR_OK, e = learn_fee(o, node);
	CLEANUP_BUF struct buf said = { 0 };
	bool ends;

	while (e == ERR_OK && !__atomic_load_n(&o->stop, __ATOMIC_ACQUIRE) &&
	    next_due(o, d.seq, &d, &e)) {
		struct ledger_attempt *a = attempt_of(o, d.seq);

		if (a == NULL) {
			e = ERR_NOMEM;
			break;
		}
		a->seen = true;
		if (clock_boot_ms() < a->next && (a->with_node || !all))
			continue;
		e = send_one(o, node, &d, a, &ends);
		if (e && first == ERR_OK) {
			first = e;
			buf_str(&said, err_detail(e));
		}
		if (e && ends)
			break;
		e = ERR_OK;
	}
	if (e == ERR_OK)
		drop_unseen(o);
	if (e == ERR_OK && first == ERR_OK)
		forget_why(o);
	buf_free(&d.json);
	if (first)
		return err_say(first, "%s", buf_text(&said));
	return e;
}

void
ledger_outbox_again(struct ledger_outbox *o)
{
	(void)pthread_mutex_lock(&o->lock);
	o->again = o->kicked = true;
	(void)pthread_cond_broadcast(&o->wake);
	(void)pthread_mutex_unlock(&o->lock);
}

/* What is with a node may not be any more.  `sending` is held. */
static void
forget_lost(struct ledger_outbox *o)
{
	bool lost;

	(void)pthread_mutex_lock(&o->lock);
	lost = o->again;
	o->again = false;
	(void)pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; lost && i < o->nattempt; i++)
		if (o->attempt[i].with_node)
			o->attempt[i].next = 0;
}

static enum err
send_now(struct ledger_outbox *o, struct ledger_node *node, bool all)
{
	enum err e;

	(void)pthread_mutex_lock(&o->sending);
	forget_lost(o);
	e = send_round(o, node, all);
	(void)pthread_mutex_unlock(&o->sending);
	return e;
}

enum err
ledger_outbox_send(struct ledger_outbox *o, struct ledger_node *node)
{
	return send_now(o, node, true);
}

void
ledger_outbox_kick(struct ledger_outbox *o)
{
	(void)pthread_mutex_lock(&o->lock);
	o->kicked = true;
	(void)pthread_cond_broadcast(&o->wake);
	(void)pthread_mutex_unlock(&o->lock);
}

/* Sleep until a kick or for ${ms}. */
static void
doze(struct ledger_outbox *o, int64_t ms)
{
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&o->lock);
	while (!o->kicked && rc == 0)
		rc = pthread_cond_timedwait(&o->wake, &o->lock, &until);
	o->kicked = false;
	(void)pthread_mutex_unlock(&o->lock);
}

static void
log_change(enum err *logged, enum err e)
{
	if (e == *logged)
		return;
	if (e && e != ERR_NODE && e != ERR_INTERRUPTED)
		log_warn("ledger: cannot send: %s", err_detail(e));
	else if (*logged && *logged != ERR_NODE)
		log_info("ledger: sending again");
	*logged = e;
}

static void
purge_hourly(struct ledger_outbox *o, int64_t *purged)
{
	enum err e;

	if (clock_boot_ms() - *purged < PURGE_MS)
		return;
	*purged = clock_boot_ms();
	e = ledger_outbox_purge(o);
	if (e)
		log_warn("ledger: the outbox is not tidied: %s", err_detail(e));
}

static void *
run(void *arg)
{
	struct ledger_outbox *o = arg;
	enum err logged = ERR_OK;
	int64_t pause = BACKOFF_MS, purged = clock_boot_ms();

	while (!__atomic_load_n(&o->stop, __ATOMIC_ACQUIRE)) {
		enum err e = send_now(o, o->node, false);

		log_change(&logged, e);
		purge_hourly(o, &purged);
		if (e == ERR_OK || e == ERR_NODE) {
			pause = BACKOFF_MS;
			doze(o, LOOK_MS);
			continue;
		}
		doze(o, pause);
		pause = pause < BACKOFF_MAX_MS / 2 ? 2 * pause : BACKOFF_MAX_MS;
	}
	return NULL;
}

enum err
ledger_outbox_start(struct ledger_outbox *o, struct ledger_node *node)
{
	int rc;

	o->node = node;
	rc = pthread_create(&o->thread, NULL, run, o);
	if (rc)
		return err_say(err_from_errno(rc),
		    "cannot start the sender of the outbox");
	o->started = true;
	return ERR_OK;
}
