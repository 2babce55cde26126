/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a ledger node answers, as our client reads it.  The first byte chooses
 * the call, capital letters pin a generator, the rest are answers
 * (answers.h).  Signatures of zeros are good (wrap_verify.c), so the fuzzer
 * can make blocks.
 */
#include "answers.h"
#include "ledger/ledger.h"

#define ROUNDS 3

static struct ledger_node *
make(bool pinned)
{
	struct ledger_node_opts o = { .url = "http://127.0.0.1:1/",

		.has_generator = pinned,
		.generator = *fuzz_pubkey(1) };
	static const struct sig first;
	struct ledger_node *n = NULL;

	seal_chain_make('V', first.b, sizeof(first.b), &o.chain);
	MUST(ledger_node_new(&o, &n) == ERR_OK);
	return n;
}

static void
handshake(struct ledger_node *n)
{
	enum err e = ledger_node_handshake(n);

	MUST(e == ERR_OK || fuzz_is_call_error(e));
}

static void
broadcast(struct ledger_node *n)
{
	static const struct tx_id id;
	enum err e = ledger_node_broadcast(n, "{}", &id);

	MUST(e == ERR_OK || fuzz_is_call_error(e));
}

static void
get_tx(struct ledger_node *n)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	static const struct tx_id id;
	enum err e = ledger_node_tx(n, &id, &tx);

	/* nobody finds a body with this id */
	MUST(fuzz_is_call_error(e) && tx == NULL);
}

static void
wait_news(struct ledger_node *n)
{
	ledger_node_wait(n, 5, 3000, NULL);
}

/* The sink: blocks come in order, each once, and hold what they say. */
struct taken {
	uint64_t height;
	struct sig id;
	int64_t time;
};

static enum err
position(void *ctx, uint64_t *height, struct sig *id)
{
	const struct taken *t = ctx;

	*height = t->height;
	*id = t->id;
	return ERR_OK;
}

static void
check_tx(const struct ledger_tx *tx, uint64_t height)
{
	MUST(tx->height == height);
	MUST(tx->nentries <= LEDGER_MAX_ENTRIES && tx->body.len > 0);
}

static enum err
block(void *ctx, const struct ledger_block *b)
{
	struct taken *t = ctx;

	MUST(b->height == t->height + 1);
	MUST(b->height == 1 || ID_EQ(&b->reference, &t->id));
	MUST(b->time >= t->time && b->ntx <= b->nall * 65536);
	for (size_t i = 0; i < b->ntx; i++)
		check_tx(b->tx[i], b->height);
	*t = (struct taken){ b->height, b->id, b->time };
	return ERR_OK;
}

static enum err
pending(void *ctx, const struct ledger_tx *tx)
{
	(void)ctx;
	MUST(tx->nentries <= LEDGER_MAX_ENTRIES && tx->body.len > 0);
	return ERR_OK;
}

static void
follow(struct ledger_node *n)
{
	CLEANUP(ledger_follow_free) struct ledger_follower *f = NULL;
	struct taken taken = { 0 };
	const struct ledger_follow_opts o = { .node = n,
		.sink = { &taken, position, block, pending, NULL, NULL },
		.final_depth = 2,
		.poll_ms = 10 };
	struct ledger_head head;

	MUST(ledger_follow_new(&o, &f) == ERR_OK);
	for (int i = 0; i < ROUNDS; i++) {
		enum err e = ledger_follow_step(f);

		MUST(e == ERR_OK || fuzz_is_call_error(e));
		ledger_follow_head(f, &head);
		MUST(head.error == e);
		MUST(e || head.height >= taken.height);
		MUST(e != ERR_FORK || head.age_ms == INT64_MAX);
	}
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const char ones[] = "1111111111111111111111111111111111111111"
				   "111111111111111111111111";
	char s[2048];

	fuzz_seed_text(to,
	    "h2{\"chainId\":\"V\",\"cryptoType\":\"WAVES\"}\xff"
	    "2{\"signature\":\"1111111111111111111111111111111111111111"
	    "111111111111111111111111\"}");
	fuzz_seed_text(to, "b2{\"id\":\"11111111111111111111111111111111\"}");
	fuzz_seed_text(to,
	    "b4{\"error\":199,\"message\":\"AlreadyInProcessing("
	    "11111111111111111111111111111111)\"}");
	fuzz_seed_text(to,
	    "t4{\"error\":311,\"message\":\"no\"}\xff"
	    "2{\"type\":12}");
	fuzz_seed_text(to, "w2{\"height\":6,\"unconfirmed\":0}");
	fuzz_seed_text(to, "w4{\"status\":\"error\",\"details\":\"x\"}");
	(void)snprintf(s, sizeof(s),
	    "f2{\"height\":2}\xff"
	    "2[{\"height\":1,\"timestamp\":1,\"signature\":\"%s\","
	    "\"reference\":\"%s\",\"transactions\":[{\"type\":120,\"id\":\"a\","
	    "\"transactions\":[]}],\"transactionCount\":1},"
	    "{\"height\":2,\"timestamp\":2,\"signature\":\"%.63s2\","
	    "\"reference\":\"%s\",\"transactions\":[]}]\xff"
	    "2[]\xff"
	    "2{\"height\":2}\xff"
	    "2{\"signature\":\"%s\"}\xff"
	    "2[]\xff"
	    "4{}",
	    ones, ones, ones, ones, ones);
	fuzz_seed_text(to, s);
	s[0] = 'F';
	fuzz_seed_text(to, s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct {
		char c;
		void (*run)(struct ledger_node *);
	} calls[] = { { 'h', handshake }, { 'b', broadcast }, { 't', get_tx },
		{ 'w', wait_news }, { 'f', follow } };
	struct ledger_node *node;

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(calls); i++) {
		if ((p[0] | 0x20) != calls[i].c)
			continue;
		node = make(!(p[0] & 0x20));
		fuzz_answers(p + 1, n - 1);
		calls[i].run(node);
		ledger_node_free(node);
	}
	return 0;
}
