/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where we stand: is what we took still in the node's chain?  What is not
 * final may be replaced and is walked back; what is final may not.
 */
#include "ledger/ledger_internal.h"

#include "base/log.h"

void
ledger_follow_strip(struct ledger_follower *f, struct ledger_held *h)
{
	ledger_block_free(TAKE(h->full));
	f->held_bytes -= h->bytes;
	h->bytes = 0;
}

void
ledger_follow_drop(struct ledger_follower *f)
{
	while (f->held && f->nheld > 0)
		ledger_follow_strip(f, &f->held[--f->nheld]);
}

/* Two blocks of one height, both signed: the generator is to blame. */
static bool
is_signed(struct ledger_follower *f, const struct ledger_mark *other)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;

	return f->node->has_generator &&
	    ledger_follow_fetch(f, other, &b) == ERR_OK && b->proved;
}

static enum err
twice_signed(const struct ledger_mark *ours, const struct ledger_mark *other)
{
	struct text58 a, b;

	return err_say(ERR_FORK,
	    "the generator signed two blocks %llu, %s and %s; nothing is "
	    "opened until the node shows the first again; ask its operator",
	    (unsigned long long)ours->height,
	    text58(ours->id.b, sizeof(ours->id.b), &a),
	    text58(other->id.b, sizeof(other->id.b), &b));
}

static enum err
is_behind(const struct ledger_follower *f, const struct ledger_mark *m)
{
	return err_say(ERR_FORK,
	    "the node is at height %llu, below our block %llu; nothing is "
	    "opened until it has that block again; is it catching up, or was "
	    "it restored from an old copy?",
	    (unsigned long long)f->tip, (unsigned long long)m->height);
}

enum err
ledger_follow_fork(struct ledger_follower *f, const struct ledger_mark *m)
{
	return f->tip < m->height ?
	    is_behind(f, m) :
	    err_say(ERR_FORK,
		"the node's chain does not hold our block %llu, %s; nothing is "
		"opened until it does; is it the right node, or was it "
		"restored from an old copy?",
		(unsigned long long)m->height, TEXT58(&m->id));
}

static enum err
check_base(struct ledger_follower *f)
{
	struct ledger_mark there = f->base;
	enum err e = ledger_node_id_at(
	    f->node, there.height, &f->stop, &there.id);

	if (e == ERR_NOTFOUND)
		return ledger_follow_fork(f, &f->base);
	if (e || ID_EQ(&there.id, &f->base.id))
		return e;
	return is_signed(f, &there) ? twice_signed(&f->base, &there) :
				      ledger_follow_fork(f, &f->base);
}

static void
undo(struct ledger_follower *f, unsigned before)
{
	if (f->nheld == before)
		return;
	/* a Waves node makes its newest block anew with each micro-block */
	log_line(before - f->nheld > 1 ? LOG_INFO : LOG_DEBUG,
	    "ledger: the node replaced its newest %u blocks, which were not "
	    "final",
	    before - f->nheld);
	if (f->sink.undone)
		f->sink.undone(f->sink.ctx);
}

/* Walk back to a block that the node has; none: to base. */
static enum err
walk_back(struct ledger_follower *f)
{
	unsigned before = f->nheld;
	enum err e = ERR_OK;

	while (f->nheld > 0) {
		struct ledger_held *h = &f->held[f->nheld - 1];
		struct sig id;

		e = ledger_node_id_at(f->node, h->at.height, &f->stop, &id);
		if (e == ERR_OK && ID_EQ(&id, &h->at.id))
			break;
		if (e != ERR_OK && e != ERR_NOTFOUND)
			break;
		ledger_follow_strip(f, h);
		f->nheld--;
		e = ERR_OK;
	}
	undo(f, before);
	return e;
}

/*
 * After a start only height and id of our newest block are known.  Its time
 * makes a head fresh, so the whole block is fetched and verified.
 */
static enum err
load_base(struct ledger_follower *f, const struct ledger_mark *at)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	enum err e = ledger_follow_fetch(f, at, &b);

	if (e == ERR_NOTFOUND || e == ERR_CONFLICT)
		return ledger_follow_fork(f, at);
	if (e)
		return e;
	f->base = *at;
	f->base.time = b->time;
	f->base.proved = b->proved;
	if (b->proved)
		f->sure = f->base;
	ledger_watch_final(f, &f->base);
	return ERR_OK;
}

enum err
ledger_follow_find(struct ledger_follower *f)
{
	struct ledger_mark at = { 0 };
	enum err e = f->sink.position(f->sink.ctx, &at.height, &at.id);

	if (e)
		return e;
	if (f->base.height != at.height || !ID_EQ(&f->base.id, &at.id)) {
		/* a start, or another process that shares the sink */
		ledger_follow_drop(f);
		f->base = f->sure = (struct ledger_mark){ 0 };
		if (at.height > 0)
			return f->tip < at.height ? is_behind(f, &at) :
						    load_base(f, &at);
	}
	e = walk_back(f);
	if (e || f->nheld > 0 || f->base.height == 0)
		return e;
	return f->tip < f->base.height ? is_behind(f, &f->base) : check_base(f);
}
