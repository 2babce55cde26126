/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One round of the follower: is our newest block still in the node's chain,
 * which blocks follow it, do they hold, what waits in the pool.
 */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define TX_OVERHEAD 512
#define RECENT_MS   3600000
#define AHEAD_MS    600000 /* that a block which nobody signed may be ahead */
#define BATCH_BYTES (4 << 20) /* of old blocks that are given at once */

static enum err
moved(void)
{
	return err_say(ERR_BUSY, "the node's newest blocks changed meanwhile");
}

enum err
ledger_follow_fetch(struct ledger_follower *f, const struct ledger_mark *m,
    struct ledger_block **out)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	CLEANUP_JS json_t *j = NULL;
	enum err e = ledger_node_blocks(f->node, m->height, 1, &f->stop, &j);

	if (e == ERR_OK)
		e = ledger_node_block(f->node, json_array_get(j, 0), &b);
	if (e)
		return e;
	if (b->height != m->height || !ID_EQ(&b->id, &m->id))
		return err_say(ERR_CONFLICT, "the node has another block %llu",
		    (unsigned long long)m->height);
	*out = TAKE(b);
	return ERR_OK;
}

static enum err
check_first(const struct ledger_follower *f, const struct ledger_block *b)
{
	struct chain chain;

	ledger_chain_of(f->node->chain.b[0], &b->id, &chain);
	if (ID_EQ(&chain, &f->node->chain))
		return ERR_OK;
	return err_say(ERR_FORK,
	    "the node has another chain, %s; check its address and the chain "
	    "in the configuration",
	    TEXT58(&chain));
}

/* The id of held block ${i} is signed: its own, or what the next refers to. */
static bool
is_sure(const struct ledger_follower *f, unsigned i)
{
	const struct ledger_held *h = &f->held[i];

	return h->at.proved || h->at.height == 1 ||
	    (i + 1 < f->nheld && h[1].at.proved);
}

/*
 * How many of the held blocks are final: enough verified ones stand on them,
 * and the last of them is surely in the chain, lest a node that makes blocks
 * up, which nobody can check, leads where no other node is.  The height that
 * the node claims proves nothing.
 */
static unsigned
due(const struct ledger_follower *f)
{
	unsigned n = f->nheld < f->final_depth ? 0 :
						 f->nheld - f->final_depth + 1;

	while (n > 0 && !is_sure(f, n - 1))
		n--;
	return n;
}

/* Until the time of a block that was believed has come nothing is fresh. */
static enum err
check_time(const struct ledger_follower *f, const struct ledger_block *b)
{
	int64_t ahead = b->time - clock_wall_ms();

	if (f->node->has_generator || ahead <= AHEAD_MS)
		return ERR_OK;
	return err_say(ERR_FORMAT,
	    "block %llu is %lld minutes ahead of this machine's clock; is the "
	    "clock right, and the node's?",
	    (unsigned long long)b->height, (long long)(ahead / 60000));
}

/* ${b} continues ${at}. */
static enum err
check_link(struct ledger_follower *f, const struct ledger_mark *at,
    const struct ledger_block *b)
{
	if (b->height != at->height + 1)
		return err_say(ERR_FORMAT,
		    "the node answers block %llu where %llu is next",
		    (unsigned long long)b->height,
		    (unsigned long long)at->height + 1);
	if (b->height == 1)
		return check_first(f, b);
	if (!ID_EQ(&b->reference, &at->id)) {
		if (at->height > f->base.height + due(f)) /* it may move */
			return moved();
		return ledger_follow_fork(f, at);
	}
	if (b->time < at->time)
		return err_say(ERR_FORMAT,
		    "block %llu is older than the one before",
		    (unsigned long long)b->height);
	return check_time(f, b);
}

static enum err
give_pending(struct ledger_follower *f, struct ledger_tx *const *tx, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = f->sink.pending(f->sink.ctx, tx[i]);
	return e;
}

static enum err
give_held(struct ledger_follower *f)
{
	enum err e = ERR_OK;

	for (unsigned i = 0; e == ERR_OK && i < f->nheld; i++) {
		struct ledger_held *h = &f->held[i];

		if (h->given)
			continue;
		e = give_pending(f, h->full->tx, h->full->ntx);
		h->given = e == ERR_OK;
	}
	return e;
}

/* However much a node sends, what is held stays within a bound. */
static enum err
make_room(struct ledger_follower *f)
{
	enum err e = f->held_bytes > LEDGER_HELD ? give_held(f) : ERR_OK;

	for (unsigned i = 0;
	     e == ERR_OK && f->held_bytes > LEDGER_HELD && i < f->nheld; i++)
		ledger_follow_strip(f, &f->held[i]);
	return e;
}

static bool
is_recent(const struct ledger_mark *m)
{
	return m->time > clock_wall_ms() - RECENT_MS;
}

/* What became final may say more about what stands above it. */
static void
give_again(struct ledger_follower *f)
{
	for (unsigned i = 0; i < f->nheld; i++)
		if (f->held[i].full)
			f->held[i].given = false;
}

/* The first ${n} held blocks. */
static enum err
give(struct ledger_follower *f, unsigned n)
{
	const struct ledger_block *b[LEDGER_BATCH];
	enum err e = ERR_OK;
	size_t ntx = 0;

	for (unsigned i = 0; e == ERR_OK && i < n; i++) {
		struct ledger_held *h = &f->held[i];

		if (h->full == NULL)
			e = ledger_follow_fetch(f, &h->at, &h->full);
		b[i] = h->full;
		ntx += h->full ? h->full->ntx : 0;
	}
	if (e == ERR_CONFLICT)
		e = moved();
	if (e == ERR_OK)
		e = f->sink.blocks(f->sink.ctx, b, n);
	if (e)
		return e;
	for (unsigned i = 0; i < n; i++) {
		f->base = f->held[i].at;
		if (f->base.proved)
			f->sure = f->base;
		ledger_watch_final(f, &f->base);
		ledger_follow_strip(f, &f->held[i]);
	}
	f->nheld -= n;
	memmove(f->held, f->held + n, f->nheld * sizeof(*f->held));
	if (ntx > 0)
		give_again(f);
	return ERR_OK;
}

/* Of the final ones the first that are old, and in memory. */
static unsigned
old_ones(const struct ledger_follower *f)
{
	unsigned n = 0, most = due(f) < LEDGER_BATCH ? due(f) : LEDGER_BATCH;

	while (n < most && f->held[n].full && !is_recent(&f->held[n].at))
		n++;
	return n;
}

/*
 * What narrows above a block is told before what it widens counts, whatever
 * becomes of the round; old blocks can wait, since no head is fresh then, and
 * are given together.
 */
static enum err
give_final(struct ledger_follower *f)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && due(f) > 0) {
		unsigned n = old_ones(f);

		if (n == 0 && f->nheld > 1 && is_recent(&f->held[0].at))
			e = give_held(f);
		if (e == ERR_OK)
			e = give(f, n ? n : 1);
	}
	return e;
}

static size_t
bytes_of(const struct ledger_block *b)
{
	size_t n = sizeof(*b);

	for (size_t i = 0; i < b->ntx; i++)
		n += 2 * b->tx[i]->body.len + TX_OVERHEAD;
	return n;
}

/* For one more; they are many only where nobody can check them. */
static enum err
make_place(struct ledger_follower *f)
{
	size_t more = 2 * f->places;
	struct ledger_held *held;

	if (f->nheld < f->places)
		return ERR_OK;
	if (f->nheld >= LEDGER_UNPROVED)
		return err_say(ERR_UNSUPPORTED,
		    "%u blocks in a row, to %llu, hold what is not known "
		    "here, so that their signatures cannot be checked; "
		    "without 'generator' they are the node's word",
		    f->nheld, (unsigned long long)f->tip);
	held = realloc(f->held, more * sizeof(*held));
	if (held == NULL)
		return ERR_NOMEM;
	f->held = held;
	f->places = more;
	return ERR_OK;
}

static enum err
take_block(struct ledger_follower *f, const json_t *j, struct ledger_mark *at)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	enum err e = ledger_node_block(f->node, j, &b);

	if (e == ERR_OK)
		e = check_link(f, at, b);
	if (e)
		return e;
	e = make_place(f);
	if (e)
		return e;
	*at = (struct ledger_mark){ b->height, b->id, b->time, b->proved };
	f->held[f->nheld] = (struct ledger_held){ .at = *at,
		.bytes = bytes_of(b) };
	f->held_bytes += f->held[f->nheld].bytes;
	f->held[f->nheld++].full = TAKE(b);
	if (is_recent(at) || due(f) >= LEDGER_BATCH ||
	    f->held_bytes > BATCH_BYTES)
		e = give_final(f);
	return e ? e : make_room(f);
}

static enum err
take_blocks(struct ledger_follower *f, struct ledger_mark *at)
{
	uint64_t range = LEDGER_RANGE;
	enum err given, e = ERR_OK;

	while (e == ERR_OK && at->height < f->tip) {
		CLEANUP_JS json_t *j = NULL;
		uint64_t from = at->height + 1, left = f->tip - at->height;
		uint64_t n = left < range ? left : range;

		e = ledger_node_blocks(f->node, from, n, &f->stop, &j);
		if (e == ERR_TOOBIG && n > 1) {
			range = n / 2;
			e = ERR_OK;
			continue;
		}
		for (size_t i = 0; e == ERR_OK && i < json_array_size(j); i++)
			e = take_block(f, json_array_get(j, i), at);
	}
	given = give_final(f); /* also before a bad block */
	e = e ? e : given;
	return e;
}

enum err
ledger_follow_pool(
    struct ledger_follower *f, struct ledger_node *node, bool *unread)
{
	CLEANUP_JS json_t *j = NULL;
	struct ledger_tx **tx = NULL;
	size_t n = 0;
	enum err e = ledger_node_get(node, "/transactions/unconfirmed",
	    LEDGER_BLOCKS_ANSWER, &f->stop, &j);

	if (e == ERR_NOTFOUND) /* this kind of node does not show it */
		return ERR_OK;
	if (e == ERR_TOOBIG) {
		if (!*unread)
			log_warn("ledger: the pool of node %s is too big to be "
				 "read; waiting for blocks instead",
			    ledger_node_url(node));
		*unread = true;
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = ledger_txs_read(node->dialect, j, &tx, &n);
	if (e == ERR_OK)
		e = give_pending(f, tx, n);
	ledger_txs_free(tx, n);
	*unread = false;
	return e;
}

/* The sink has all that the node has; what nobody signed is not fresh. */
static void
adopt_newest(struct ledger_follower *f)
{
	const struct ledger_mark *newest = &f->sure;

	f->unproved = !f->base.proved;
	for (unsigned i = 0; i < f->nheld; i++) {
		f->unproved = !f->held[i].at.proved;
		if (!f->unproved)
			newest = &f->held[i].at;
	}
	if (newest->height > 0)
		ledger_follow_adopt(f, newest);
}

static enum err
catch_up(struct ledger_follower *f)
{
	struct ledger_mark at;
	enum err given,
	    e = ledger_node_met(f->node) ? ERR_OK :
					   ledger_node_meet(f->node, &f->stop);

	if (e == ERR_OK)
		e = ledger_node_height(f->node, &f->stop, &f->tip);
	if (e == ERR_OK)
		e = ledger_follow_find(f);
	if (e == ERR_OK)
		e = give_final(f); /* what the sink refused before */
	if (e)
		return e;
	at = f->nheld ? f->held[f->nheld - 1].at : f->base;
	e = take_blocks(f, &at);
	given = give_held(f); /* also of a round that was cut short */
	if (e || given)
		return e ? e : given;
	e = ledger_follow_pool(f, f->node, &f->pool_unread);
	adopt_newest(f);
	if (f->sink.done)
		f->sink.done(f->sink.ctx);
	return e;
}

static void
give_seen(struct ledger_follower *f, const struct ledger_block *b)
{
	for (size_t i = 0; b && i < b->ntx; i++)
		(void)!f->sink.pending(f->sink.ctx, b->tx[i]);
}

static enum err
look_at(struct ledger_follower *f, const json_t *j, struct ledger_mark *at)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	enum err e = ledger_node_block(f->node, j, &b);

	if (e == ERR_OK)
		e = check_link(f, at, b);
	if (e)
		return e;
	give_seen(f, b);
	*at = (struct ledger_mark){ b->height, b->id, b->time, b->proved };
	return ERR_OK;
}

/*
 * What the sink has no room for is at least seen, up to the newest block: the
 * next number of a signer may come by another way, and would leave a gap.
 */
static void
look_ahead(struct ledger_follower *f)
{
	struct ledger_mark at = f->nheld ? f->held[f->nheld - 1].at : f->base;
	CLEANUP_JS json_t *j = NULL;
	enum err e = ERR_OK;

	for (unsigned i = 0; i < f->nheld; i++)
		give_seen(f, f->held[i].full);
	if (f->ahead.height > at.height)
		at = f->ahead;
	if (at.height == 0 || at.height >= f->tip)
		return;
	e = ledger_node_blocks(
	    f->node, at.height + 1, LEDGER_RANGE, &f->stop, &j);
	for (size_t i = 0; e == ERR_OK && i < json_array_size(j); i++)
		e = look_at(f, json_array_get(j, i), &at);
	f->ahead = e == ERR_OK ? at : (struct ledger_mark){ 0 };
}

enum err
ledger_follow_step(struct ledger_follower *f)
{
	enum err e = catch_up(f);
	char why[LEDGER_WHY];

	if (e == ERR_FORK)
		ledger_follow_drop(f);
	ledger_follow_note(f, e);
	if (e != ERR_NOSPACE && e != ERR_IO)
		return e;
	(void)snprintf(why, sizeof(why), "%s", err_detail(e));
	look_ahead(f);
	return err_say(e, "%s", why);
}
