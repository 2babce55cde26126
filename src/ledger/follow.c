/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One round of the follower: is our newest block still in the node's chain,
 * which blocks follow it, do they hold, what waits in the pool.
 */
#include "ledger/ledger_internal.h"

#include "base/log.h"

static enum err get(struct ledger_follower *f, size_t max, json_t **out,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum err
get(struct ledger_follower *f, size_t max, json_t **out, const char *fmt, ...)
{
	char path[96];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return ledger_node_get(f->node, path, max, &f->stop, out);
}

static enum err
read_tip(struct ledger_follower *f)
{
	CLEANUP_JS json_t *j = NULL;
	struct js r;
	enum err e = get(f, 0, &j, "/blocks/height");

	if (e)
		return e;
	js_init(&r, j);
	f->tip = (uint64_t)js_int(&r, "height", 0, INT64_MAX);
	return r.err;
}

static enum err
fork_at(const struct ledger_mark *m)
{
	return err_say(ERR_FORK,
	    "the node's chain does not hold our block %llu, %s; is it the "
	    "right node, or was it restored from an old copy?",
	    (unsigned long long)m->height, TEXT58(&m->id));
}

/* The node still says that our block stands where it stood. */
static enum err
check_base(struct ledger_follower *f)
{
	CLEANUP_JS json_t *j = NULL;
	struct sig id;
	struct js r;
	enum err e = get(f, 0, &j, "/blocks/headers/at/%llu",
	    (unsigned long long)f->base.height);

	if (e == ERR_NOTFOUND)
		return fork_at(&f->base);
	if (e)
		return e;
	js_init(&r, j);
	JS_58(&r, "signature", &id);
	if (r.err)
		return r.err;
	return ID_EQ(&id, &f->base.id) ? ERR_OK : fork_at(&f->base);
}

/*
 * After a start only height and id of our newest block are known.  Its time
 * makes a head fresh, so the whole block is fetched and verified.
 */
static enum err
load_base(struct ledger_follower *f, const struct ledger_mark *at)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	CLEANUP_JS json_t *j = NULL;
	const struct ledger_node *n = f->node;
	enum err e = get(f, LEDGER_BLOCKS_ANSWER, &j, "/blocks/at/%llu",
	    (unsigned long long)at->height);

	if (e == ERR_NOTFOUND)
		return fork_at(at);
	if (e == ERR_OK)
		e = ledger_block_read(
		    j, n->has_generator ? &n->generator : NULL, &b);
	if (e)
		return e;
	if (b->height != at->height || !ID_EQ(&b->id, &at->id))
		return fork_at(at);
	f->base = *at;
	f->base.time = b->time;
	return ERR_OK;
}

static enum err
find_base(struct ledger_follower *f)
{
	struct ledger_mark at = { 0 };
	enum err e = f->sink.position(f->sink.ctx, &at.height, &at.id);

	if (e)
		return e;
	if (at.height == 0) {
		f->base = at;
		return ERR_OK;
	}
	if (f->tip < at.height)
		return fork_at(&at);
	if (f->base.height == at.height && ID_EQ(&f->base.id, &at.id))
		return check_base(f);
	return load_base(f, &at);
}

static enum err
check_first(const struct ledger_follower *f, const struct ledger_block *b)
{
	struct chain chain;

	seal_chain_make(f->node->chain.b[0], b->id.b, sizeof(b->id.b), &chain);
	if (ID_EQ(&chain, &f->node->chain))
		return ERR_OK;
	return err_say(ERR_FORK,
	    "the node has another chain, %s; check its address and the chain "
	    "in the configuration",
	    TEXT58(&chain));
}

/* ${b} continues ${at}. */
static enum err
check_link(const struct ledger_follower *f, const struct ledger_mark *at,
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
		if (at->height > f->base.height) /* not final: it may move */
			return err_say(ERR_BUSY,
			    "the node's newest blocks changed meanwhile");
		return fork_at(at);
	}
	if (b->time < at->time)
		return err_say(ERR_FORMAT,
		    "block %llu is older than the one before",
		    (unsigned long long)b->height);
	return ERR_OK;
}

static enum err
give_pending(struct ledger_follower *f, struct ledger_tx *const *tx, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = f->sink.pending(f->sink.ctx, tx[i]);
	return e;
}

void
ledger_follow_drop(struct ledger_follower *f)
{
	while (f->held && f->nheld > 0)
		ledger_block_free(f->held[--f->nheld]);
}

/*
 * The oldest block is final when enough verified ones stand on it; the height
 * that the node claims proves nothing.
 */
static enum err
give_final(struct ledger_follower *f)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	enum err e;

	if (f->nheld < f->final_depth)
		return ERR_OK;
	b = f->held[0];
	f->nheld--;
	memmove(f->held, f->held + 1, f->nheld * sizeof(struct ledger_block *));
	e = f->sink.block(f->sink.ctx, b);
	if (e == ERR_OK)
		f->base = (struct ledger_mark){ b->height, b->id, b->time };
	return e;
}

static enum err
take_block(struct ledger_follower *f, const json_t *j, struct ledger_mark *at)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	const struct ledger_node *n = f->node;
	enum err e = ledger_block_read(
	    j, n->has_generator ? &n->generator : NULL, &b);

	if (e == ERR_OK)
		e = check_link(f, at, b);
	if (e)
		return e;
	/* at most final_depth - 1 are held here */
	*at = (struct ledger_mark){ b->height, b->id, b->time };
	f->held[f->nheld++] = TAKE(b);
	return give_final(f);
}

static enum err
give_held(struct ledger_follower *f)
{
	enum err e = ERR_OK;

	for (unsigned i = 0; e == ERR_OK && i < f->nheld; i++)
		e = give_pending(f, f->held[i]->tx, f->held[i]->ntx);
	return e;
}

static enum err
take_blocks(struct ledger_follower *f, struct ledger_mark *at)
{
	uint64_t range = LEDGER_RANGE;
	enum err e = ERR_OK;

	while (e == ERR_OK && at->height < f->tip) {
		CLEANUP_JS json_t *j = NULL;
		uint64_t from = at->height + 1, left = f->tip - at->height;
		uint64_t n = left < range ? left : range;

		e = get(f, LEDGER_BLOCKS_ANSWER, &j, "/blocks/seq/%llu/%llu",
		    (unsigned long long)from,
		    (unsigned long long)(from + n - 1));
		if (e == ERR_TOOBIG && n > 1) {
			range = n / 2;
			e = ERR_OK;
			continue;
		}
		/* heights above the tip are left out, but one must be there */
		if (e == ERR_OK &&
		    (!json_is_array(j) || json_array_size(j) == 0 ||
			json_array_size(j) > n))
			e = err_say(ERR_FORMAT,
			    "the node does not answer the blocks from %llu on",
			    (unsigned long long)from);
		for (size_t i = 0; e == ERR_OK && i < json_array_size(j); i++)
			e = take_block(f, json_array_get(j, i), at);
	}
	return e;
}

static enum err
take_pool(struct ledger_follower *f)
{
	CLEANUP_JS json_t *j = NULL;
	struct ledger_tx **tx = NULL;
	size_t n = 0;
	enum err e = get(
	    f, LEDGER_BLOCKS_ANSWER, &j, "/transactions/unconfirmed");

	if (e == ERR_NOTFOUND) /* this kind of node does not show it */
		return ERR_OK;
	if (e == ERR_TOOBIG) {
		if (!f->pool_unread)
			log_warn("ledger: the node's pool is too big to be "
				 "read; waiting for blocks instead");
		f->pool_unread = true;
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = ledger_txs_read(j, &tx, &n);
	if (e == ERR_OK)
		e = give_pending(f, tx, n);
	ledger_txs_free(tx, n);
	f->pool_unread = false;
	return e;
}

static enum err
catch_up(struct ledger_follower *f)
{
	struct ledger_mark at;
	enum err e = read_tip(f);

	if (e == ERR_OK)
		e = find_base(f);
	if (e)
		return e;
	at = f->base;
	e = take_blocks(f, &at);
	if (e == ERR_OK)
		e = give_held(f);
	if (e)
		return e;
	e = take_pool(f);
	if (at.height > 0) /* the sink has all up to here */
		ledger_follow_adopt(f, &at);
	if (f->sink.done)
		f->sink.done(f->sink.ctx);
	return e;
}

enum err
ledger_follow_step(struct ledger_follower *f)
{
	enum err e = catch_up(f);

	ledger_follow_drop(f);
	if (e == ERR_FORK)
		ledger_follow_unhead(f);
	(void)pthread_mutex_lock(&f->lock);
	f->error = e;
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}
