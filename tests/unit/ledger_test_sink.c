/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test_sink.h"

#include <string.h>

#include "base/clock.h"

/* ---- a sink that remembers ---- */

struct sink sink;
struct fake *f;
struct ledger_node *node;
struct ledger_follower *follower;

static enum err
sink_position(void *ctx, uint64_t *height, struct sig *id)
{
	struct sink *s = ctx;

	*height = s->height;
	*id = s->id;
	return ERR_OK;
}

static void
take(struct sink *s, const struct ledger_block *b)
{
	ck_assert_uint_eq(b->height, s->height + 1);
	(void)pthread_mutex_lock(&s->lock);
	s->height = b->height;
	s->id = b->id;
	s->blocks++;
	s->txs += (unsigned)b->ntx;
	if (b->ntx) {
		s->last_tx = b->tx[b->ntx - 1]->id;
		ck_assert_uint_eq(b->tx[b->ntx - 1]->height, b->height);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

static enum err
sink_blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	struct sink *s = ctx;

	s->calls++;
	if (s->fail)
		return s->fail;
	for (size_t i = 0; i < n; i++)
		take(s, b[i]);
	return ERR_OK;
}

static enum err
sink_pending(void *ctx, const struct ledger_tx *tx)
{
	struct sink *s = ctx;

	(void)pthread_mutex_lock(&s->lock);
	s->pending++;
	s->last_pending = tx->id;
	(void)pthread_mutex_unlock(&s->lock);
	return ERR_OK;
}

static void
sink_done(void *ctx)
{
	struct sink *s = ctx;

	s->done++;
}

static void
sink_undone(void *ctx)
{
	struct sink *s = ctx;

	s->undone++;
}

uint64_t
sink_height(void)
{
	uint64_t h;

	(void)pthread_mutex_lock(&sink.lock);
	h = sink.height;
	(void)pthread_mutex_unlock(&sink.lock);
	return h;
}

void
follow_node(unsigned depth, struct ledger_node *n)
{
	const struct ledger_follow_opts o = { .final_depth = depth,
		.node = n,
		.poll_ms = 20000,
		.sink = { &sink, sink_position, sink_blocks, sink_pending,
		    sink_done, sink_undone } };

	ledger_follow_free(TAKE(follower));
	ledger_node_free(TAKE(node));
	node = n;
	OK(ledger_follow_new(&o, &follower));
}

void
follow(unsigned depth, bool pinned)
{
	follow_node(depth, fake_client(f, pinned));
}

void
follow_up(void)
{
	memset(&sink, 0, sizeof(sink));
	(void)pthread_mutex_init(&sink.lock, NULL);
	f = fake_new();
	follow(1, true);
}

void
follow_down(void)
{
	ledger_follow_free(TAKE(follower));
	ledger_node_free(TAKE(node));
	fake_free(TAKE(f));
}

struct ledger_head
head(void)
{
	struct ledger_head h;

	ledger_follow_head(follower, &h);
	return h;
}

struct tx_id
block_with_tx(void)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = test_tx("alice", "k");

	fake_block(f, &tx, 1, clock_wall_ms());
	return tx->id;
}
