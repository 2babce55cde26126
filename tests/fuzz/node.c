/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a ledger node answers, as our client reads it.  The first byte chooses
 * the call, capital letters pin a generator, the rest are answers
 * (answers.h); or what the operator wrote, for 'x' the file with the key and
 * for 'l' the lists of nodes and generators.  Signatures of zeros are good
 * (wrap_verify.c), so the fuzzer can make blocks.
 */
#include "answers.h"
#include "ledger/ledger_internal.h"

#define ROUNDS 3
#define ZEROS  /* a good signature */                                          \
	"1111111111111111111111111111111111111111111111111111111111111111"

#define WAVES_BLOCK                                                            \
	"K2[{\"version\":5,\"timestamp\":1795864997438,\"reference\":"         \
	"\"vDjxUqYt4Gg7Le2Pzr7H1F8sYs21LXjXtfZtaTrZcUT\",\"desiredReward\":0," \
	"\"nxt-consensus\":{\"base-target\":1000000,\"generation-signature\":" \
	"\"gA56YR9JrP9JnsHJ1jgRH6jecxFZSWUPAQyFdM5P5eZy4mUJEEj26QgvTu8VeUKE5"  \
	"PSo1HzNDgvhAArXY3WnPx5vcpi3Q4aYnGZBE4dszZh6mfAesvzBdveLU6QCq9CZMJv\"" \
	"},"                                                                   \
	"\"transactionCount\":0,\"generatorPublicKey\":"                       \
	"\"7GbPuYyhrcZM8ca9Y9MhWubDG36VCWWXHTaKvPm4AMoB\",\"signature\":"      \
	"\"37ZMtWUssoJRrWi7nDPQxii6mgVxZseYFMwG3qQstoWU5CANRdTtJJynTPZTtfVpQ4" \
	"8g"                                                                   \
	"Ubi9s6YPRV3Tf6AKySnD\",\"transactionsRoot\":"                         \
	"\"D4bn122GiEqs99z526GdhYETJqctLHGSmWokypEo9qu\",\"stateHash\":"       \
	"\"3sYUEQKRa22AYLGXhoq391u8XRNUsKFLmonySzLg5VkU\",\"features\":[19],"  \
	"\"id\":\"3so4VMTqWunqpqF9NCEoJNJp55DZP8uwJB4o6tX155TS\",\"height\":"  \
	"3}]"

static struct ledger_node *
make(bool pinned, const struct ledger_dialect *dialect)
{
	struct ledger_node_opts o = { .dialect = dialect,
		.url = "http://127.0.0.1:1/",
		.has_generator = pinned,
		.generator = *fuzz_pubkey(1) };
	static const struct sig first;
	struct ledger_node *n = NULL;

	ledger_chain_of('V', &first, &o.chain);
	MUST(ledger_node_new(&o, &n) == ERR_OK);
	return n;
}

static void
handshake(struct ledger_node *n)
{
	enum err e = ledger_node_handshake(n);

	/* CONFIG: it is of the other dialect */
	MUST(e == ERR_OK || e == ERR_CONFIG || fuzz_is_call_error(e));
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
balance(struct ledger_node *n)
{
	int64_t v = 0;
	enum err e = ledger_node_balance(n, fuzz_pubkey(1), &v);

	MUST(v >= 0 && (e == ERR_OK || fuzz_is_call_error(e)));
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
	uint64_t proved; /* the newest */
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

static void
take(struct taken *t, const struct ledger_block *b)
{
	MUST(b->height == t->height + 1);
	MUST(b->height == 1 || ID_EQ(&b->reference, &t->id));
	MUST(b->time >= t->time && b->ntx <= b->nall * 65536);
	for (size_t i = 0; i < b->ntx; i++)
		check_tx(b->tx[i], b->height);
	*t = (struct taken){ b->height, b->id, b->time,
		b->proved ? b->height : t->proved };
}

static enum err
blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	MUST(n > 0);
	for (size_t i = 0; i < n; i++)
		take(ctx, b[i]);
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
		.sink = { &taken, position, blocks, pending, NULL, NULL },
		.final_depth = 2,
		.poll_ms = 10 };
	struct ledger_head head;

	n->met = true; /* the handshake has a letter of its own */
	MUST(ledger_follow_new(&o, &f) == ERR_OK);
	for (int i = 0; i < ROUNDS; i++) {
		enum err e = ledger_follow_step(f);

		MUST(e == ERR_OK || fuzz_is_call_error(e));
		ledger_follow_head(f, &head);
		MUST(head.error == e);
		MUST(e || head.height >= taken.proved);
		MUST(e != ERR_FORK || head.age_ms == INT64_MAX);
	}
}

/* What is pinned holds, or the block is refused, or known not to be proved. */
static void
read_block(struct ledger_node *n)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	CLEANUP_JS json_t *j = NULL;
	enum err e = ledger_node_blocks(n, 2, 1, NULL, &j);

	if (e == ERR_OK)
		e = ledger_node_block(n, json_array_get(j, 0), &b);
	MUST(e == ERR_OK || fuzz_is_call_error(e));
	MUST((e == ERR_OK) == (b != NULL));
	MUST(b == NULL || !b->proved || n->ngenerators == 0 ||
	    ID_EQ(&b->generator, fuzz_pubkey(1)));
}

/* A block of Waves Enterprise with one of each kind that can be written. */
static void
seed_we(const struct fuzz_taker *to)
{
	static const char key[] = "11111111111111111111111111111112";
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t address[26];
	struct text58 t;

	seal_address(fuzz_pubkey(1), 'V', address);
	(void)text58(address, sizeof(address), &t);
	buf_fmt(&b,
	    "E2[{\"version\":3,\"height\":2,\"timestamp\":5,\"reference\":"
	    "\"%s\",\"signature\":\"%s\",\"generator\":\"%s\","
	    "\"cft-consensus\":{\"votes\":[{\"sender\":\"%s\","
	    "\"blockVotingHash\":\"%s\",\"signature\":\"%s\"}],"
	    "\"overall-skipped-rounds\":1},\"features\":[1],"
	    "\"transactions\":[",
	    ZEROS, ZEROS, t.s, t.s, key, ZEROS);
	buf_fmt(&b,
	    "{\"type\":102,\"version\":2,\"senderPublicKey\":\"%s\","
	    "\"target\":\"alias:V:name\",\"timestamp\":1,\"fee\":0,"
	    "\"opType\":\"add\",\"role\":\"sender\",\"dueTimestamp\":9,"
	    "\"atomicBadge\":{\"trustedSender\":\"%s\"},\"proofs\":[\"%s\"]},",
	    key, t.s, ZEROS);
	buf_fmt(&b,
	    "{\"type\":120,\"version\":1,\"senderPublicKey\":\"%s\","
	    "\"miner\":\"%s\",\"timestamp\":1,\"proofs\":[],\"transactions\":"
	    "[{\"type\":4,\"version\":3,\"senderPublicKey\":\"%s\","
	    "\"assetId\":\"%s\",\"timestamp\":1,\"amount\":2,\"fee\":0,"
	    "\"recipient\":\"%s\",\"attachment\":\"2\",\"proofs\":[]}]},",
	    key, key, key, key, t.s);
	buf_fmt(&b,
	    "{\"type\":111,\"version\":1,\"senderPublicKey\":\"%s\","
	    "\"targetPubKey\":\"%s\",\"nodeName\":\"n\","
	    "\"opType\":\"remove\",\"timestamp\":1,\"fee\":0,"
	    "\"proofs\":[]}],\"transactionCount\":3}]",
	    key, key);
	fuzz_seed_text(to, buf_text(&b));
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
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
	    ZEROS, ZEROS, ZEROS, ZEROS, ZEROS);
	fuzz_seed_text(to, s);
	s[0] = 'g';
	fuzz_seed_text(to, s);
	fuzz_seed_text(to,
	    "m2{\"generator\":\"3MKwvQym8dvBBJfTX24VC7bQEfR6aaDkQEs\"}\xff"
	    "2{\"id\":\"11111111111111111111111111111111\"}");
	fuzz_seed_text(to, WAVES_BLOCK);
	seed_we(to);
	s[0] = 'F';
	fuzz_seed_text(to, s);
	fuzz_seed_text(to, "a2{\"balance\":5}");
	fuzz_seed_text(to, "xkey\n");
	fuzz_seed_text(to,
	    "lhttp://127.0.0.1:1, https://a.b/\n"
	    "11111111111111111111111111111112");
}

/* One line, whatever is in the file. */
static void
try_key(const uint8_t *p, size_t n)
{
	CLEANUP(ledger_auth_free) struct ledger_auth *a = NULL;
	CLEANUP_BUF struct buf line = { 0 };
	enum err e;

	MUST(ledger_auth_new("X-API-Key: ", fuzz_file(p, n), &a) == ERR_OK);
	e = ledger_auth_line(a, &line);
	MUST(e == ERR_OK || e == ERR_CONFIG);
	for (size_t i = 0; i < line.len; i++)
		MUST(line.p[i] >= ' ' && line.p[i] <= '~');
}

/* Nodes, then generators, on a line each. */
static void
try_lists(const uint8_t *p, size_t n)
{
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	CLEANUP(free) char *s = fuzz_text(p, n);
	char *generators = strchr(s, '\n');
	struct ledger_node_opts o = { .url = s };
	enum err e;

	if (generators)
		*generators++ = '\0';
	o.generators = generators;
	e = ledger_node_new(&o, &node);
	MUST(e == ERR_OK || e == ERR_CONFIG);
	for (size_t i = 0; node && i < ledger_node_count(node); i++)
		MUST(ledger_node_url(ledger_node_peer(node, i)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct {
		char c;
		void (*run)(struct ledger_node *);
		const struct ledger_dialect *dialect;
	} calls[] = { { 'h', handshake, NULL }, { 'b', broadcast, NULL },
		{ 't', get_tx, NULL }, { 'w', wait_news, NULL },
		{ 'a', balance, NULL }, { 'f', follow, NULL },
		{ 'm', handshake, &ledger_waves },
		{ 'g', follow, &ledger_waves },
		{ 'k', read_block, &ledger_waves }, { 'e', read_block, NULL } };
	struct ledger_node *node;

	if (n > 0 && p[0] == 'x')
		try_key(p + 1, n - 1);
	if (n > 0 && p[0] == 'l')
		try_lists(p + 1, n - 1);
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(calls); i++) {
		if ((p[0] | 0x20) != calls[i].c)
			continue;
		node = make(!(p[0] & 0x20), calls[i].dialect);
		fuzz_answers(p + 1, n - 1);
		calls[i].run(node);
		ledger_node_free(node);
	}
	return 0;
}
