/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two nodes of one network, in memory, and the calls that reach them. */
#include "sim.h"

#include "base/clock.h"
#include "http/http.h"

#define BLOCKS 4096
#define TXS    512
#define IN     64 /* transactions of a block */

struct block {
	uint64_t height;
	int parent; /* index, -1 */
	int64_t time;
	char id[96], parent_id[96];
	unsigned n, tx[IN];
};

struct net net;
struct chain net_chain;
static struct block block[BLOCKS];
static int nblocks, tip[NODES];
static struct net_tx tx[TXS];
static unsigned ntxs;
static char first_id[96];

/* ---- the clock ---- */

#define EPOCH 1800000000000

int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_boot_ms(void);
void __wrap_clock_sleep_ms(int64_t ms);

int64_t
__wrap_clock_wall_ms(void)
{
	return EPOCH + net.now;
}

int64_t
__wrap_clock_boot_ms(void)
{
	return 1000000 + net.now;
}

void
__wrap_clock_sleep_ms(int64_t ms)
{
	net.now += ms;
}

/*
 * ---- signatures ----
 *
 * Four programs verify each transaction in each pool and block that they see:
 * a third of a history's time, and each time the same question.
 */

#define ASKED 4096

enum err __real_seal_verify_raw(const struct pubkey *key, const void *msg,
    size_t len, const struct sig *sig);
enum err __wrap_seal_verify_raw(const struct pubkey *key, const void *msg,
    size_t len, const struct sig *sig);

enum err
__wrap_seal_verify_raw(const struct pubkey *key, const void *msg, size_t len,
    const struct sig *sig)
{
	static uint8_t good[ASKED][32];
	const struct seal_part all[] = { { key->b, sizeof(key->b) },
		{ sig->b, sizeof(sig->b) }, { msg, len } };
	uint8_t hash[32], *known;
	enum err e;

	seal_hash(NULL, all, ARRAY_LEN(all), hash);
	known = good[(hash[0] << 8 | hash[1]) % ASKED];
	if (memcmp(known, hash, sizeof(hash)) == 0)
		return ERR_OK;
	e = __real_seal_verify_raw(key, msg, len, sig);
	if (e == ERR_OK)
		memcpy(known, hash, sizeof(hash));
	return e;
}

/* ---- the chains ---- */

static void
random_id(char out[static 96])
{
	struct text58 t;
	uint8_t b[64];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(1 + story_below(255));
	(void)snprintf(out, 96, "%s", text58(b, sizeof(b), &t));
}

static bool
has_tx(int at, unsigned t)
{
	for (; at >= 0; at = block[at].parent)
		for (unsigned i = 0; i < block[at].n; i++)
			if (block[at].tx[i] == t)
				return true;
	return false;
}

static int
by_stamp(const void *a, const void *b)
{
	int64_t x = tx[*(const unsigned *)a].stamp;
	int64_t y = tx[*(const unsigned *)b].stamp;

	return (x > y) - (x < y);
}

/* Make a block with what is in the node's pool, sorted by time. */
static void
mine(unsigned node)
{
	struct block *b = &block[nblocks];
	int parent = tip[node];

	if (nblocks == BLOCKS)
		sim_fail("too many blocks");
	*b = (struct block){ .parent = parent,
		.height = parent < 0 ? 1 : block[parent].height + 1,
		.time = EPOCH + net.now };
	if (parent < 0)
		memcpy(b->id, first_id, sizeof(b->id));
	else {
		random_id(b->id);
		memcpy(b->parent_id, block[parent].id, sizeof(b->id));
	}
	for (unsigned t = 0; t < ntxs && b->n < IN; t++) {
		if (!tx[t].in_pool[node])
			continue;
		tx[t].in_pool[node] = false;
		if (EPOCH + net.now - tx[t].stamp <= NET_EXPIRY_MS &&
		    !has_tx(parent, t))
			b->tx[b->n++] = t;
	}
	qsort(b->tx, b->n, sizeof(b->tx[0]), by_stamp);
	tip[node] = nblocks++;
	if (b->height > net.highest)
		net.highest = b->height;
	net.mined[node] = net.now;
}

static void
note(bool held, int64_t *since)
{
	if (!held)
		*since = 0;
	else if (*since == 0)
		*since = net.now;
}

/* Since when each is somewhere, without a gap. */
static void
note_held(void)
{
	for (unsigned t = 0; t < ntxs; t++) {
		bool any = false;

		for (int n = 0; n < NODES; n++) {
			bool held = tx[t].in_pool[n] || has_tx(tip[n], t);

			note(held, &tx[t].since[n]);
			any |= held;
		}
		note(any, &tx[t].since[ANY]);
	}
}

/* What the abandoned blocks held goes back to the pool, or is lost. */
static void
give_up(int from, int to, unsigned node, bool lose)
{
	for (; from >= 0 && from != to; from = block[from].parent)
		for (unsigned i = 0; i < block[from].n; i++)
			if (!lose && !has_tx(tip[node], block[from].tx[i]))
				tx[block[from].tx[i]].in_pool[node] = true;
}

static int
common(int a, int b)
{
	while (a != b)
		if (b < 0 || (a >= 0 && block[a].height >= block[b].height))
			a = block[a].parent;
		else
			b = block[b].parent;
	return a;
}

static void
join(void)
{
	int old = tip[OTHER], root = common(tip[OTHER], tip[MAIN]);

	for (unsigned t = 0; t < ntxs; t++)
		tx[t].in_pool[MAIN] = tx[t].in_pool[OTHER] =
		    tx[t].in_pool[MAIN] || tx[t].in_pool[OTHER];
	if (old == tip[MAIN])
		return;
	if (root != old) {
		uint64_t depth = block[old].height - block[root].height;

		net.reorgs++;
		if (depth > net.deepest)
			net.deepest = depth;
	}
	tip[OTHER] = tip[MAIN];
	give_up(old, root, MAIN, false);
	give_up(old, root, OTHER, false);
	for (unsigned t = 0; t < ntxs; t++)
		if (has_tx(tip[MAIN], t))
			tx[t].in_pool[MAIN] = tx[t].in_pool[OTHER] = false;
}

static void
share(void)
{
	if (!net.split)
		join();
	note_held();
}

void
net_advance(int64_t ms)
{
	int64_t end = net.now + ms;

	while (net.now < end) {
		/* hours are quieter */
		int64_t tick = end - net.now > 600000 ? 60000 : 1000;

		net.now += end - net.now < tick ? end - net.now : tick;
		if (net.now - net.mined[MAIN] >= NET_EVERY_MS ||
		    (net.now - net.mined[MAIN] >= 3000 && story_chance(10)))
			mine(MAIN);
		if (net.split && net.minor &&
		    net.now - net.split_at < NET_MINOR_MS &&
		    net.now - net.mined[OTHER] >= 5000 && story_chance(30) &&
		    (net.deep ||
			block[tip[OTHER]].height -
				block[common(tip[MAIN], tip[OTHER])].height <
			    NET_DEPTH - 1)) {
			mine(OTHER);
			net.minor_at = net.now;
		}
		share();
	}
}

void
net_split(bool minor)
{
	net.split = true;
	net.minor = minor;
	net.split_at = net.now;
}

void
net_heal(void)
{
	net.split = false;
	share();
}

void
net_reorg(unsigned n, bool lose)
{
	int old = tip[MAIN], root = old;

	for (; n > 0 && block[root].height > 1 &&
	     block[root].height + NET_DEPTH > net.highest + 1;
	     n--)
		root = block[root].parent;
	tip[MAIN] = root;
	give_up(old, root, MAIN, lose);
	net.now += 1000;
	mine(MAIN);
	if (story_chance(70)) {
		net.now += 1000;
		mine(MAIN);
	}
	share();
}

void
net_lose_pools(void)
{
	for (unsigned t = 0; t < ntxs; t++)
		tx[t].in_pool[MAIN] = tx[t].in_pool[OTHER] = false;
	note_held();
}

static struct net_tx *
find(const struct tx_id *id)
{
	for (unsigned t = 0; t < ntxs; t++)
		if (ID_EQ(&tx[t].id, id))
			return &tx[t];
	return NULL;
}

int64_t
net_seen(size_t d)
{
	for (unsigned t = 0; t < ntxs; t++)
		if (tx[t].deeds >> d & 1)
			return tx[t].seen;
	return 0;
}

int64_t
net_since(unsigned where, size_t d)
{
	int64_t first = 0;

	for (unsigned t = 0; t < ntxs; t++) {
		int64_t since = tx[t].since[where];

		if (tx[t].deeds >> d & 1 && since > 0 &&
		    (first == 0 || since < first))
			first = since;
	}
	return first;
}

uint64_t
net_height(void)
{
	return block[tip[MAIN]].height;
}

/* When block ${at} of the chain that ends at ${end} became final. */
static int64_t
final_at(int end, int at)
{
	while (block[end].height > block[at].height + NET_DEPTH - 1)
		end = block[end].parent;
	return block[end].height < block[at].height + NET_DEPTH - 1 ?
	    0 :
	    block[end].time - EPOCH;
}

bool
net_place(unsigned node, size_t d, struct net_where *out)
{
	bool found = false;

	/* of a deed that stands there twice the first counts */
	for (int at = tip[node]; at >= 0; at = block[at].parent)
		for (unsigned i = 0; i < block[at].n; i++) {
			if (!(tx[block[at].tx[i]].deeds >> d & 1))
				continue;
			out->order = block[at].height << 24 | i;
			out->time = block[at].time;
			out->final_at = final_at(tip[node], at);
			found = true;
			break;
		}
	return found;
}

void
net_begin(void)
{
	net = (struct net){ 0 };
	nblocks = 0;
	ntxs = 0;
	tip[MAIN] = tip[OTHER] = -1;
	if (first_id[0] == '\0') {
		uint8_t b[64];

		random_id(first_id);
		OK(text58_read(first_id, b, sizeof(b)));
		seal_chain_make('V', b, sizeof(b), &net_chain);
	}
	mine(MAIN);
	tip[OTHER] = tip[MAIN];
	net.mined[OTHER] = net.now;
}

void
net_end(void)
{
	while (ntxs > 0)
		free(tx[--ntxs].json);
}

/* ---- what they answer ---- */

static void
put_block(struct buf *out, int at, bool whole)
{
	const struct block *b = &block[at];

	buf_fmt(out,
	    "{\"version\":3,\"height\":%llu,\"timestamp\":%lld,"
	    "\"signature\":\"%s\",\"reference\":\"%s\","
	    "\"transactionCount\":%u",
	    (unsigned long long)b->height, (long long)b->time, b->id,
	    b->parent < 0 ? b->id : b->parent_id, b->n);
	if (whole) {
		buf_str(out, ",\"transactions\":[");
		for (unsigned i = 0; i < b->n; i++) {
			buf_str(out, i ? "," : "");
			buf_str(out, tx[b->tx[i]].json);
		}
		buf_str(out, "]");
	}
	buf_str(out, "}");
}

static int
at_height(unsigned node, uint64_t height)
{
	int at = tip[node];

	while (at >= 0 && block[at].height > height)
		at = block[at].parent;
	return at >= 0 && block[at].height == height ? at : -1;
}

static long
get_one(unsigned node, const char *height, bool whole, struct buf *out)
{
	int at = at_height(node, strtoull(height, NULL, 10));

	if (at < 0) {
		buf_str(out, "{\"error\":301,\"message\":\"no such block\"}");
		return 404;
	}
	put_block(out, at, whole);
	return 200;
}

static long
get_seq(unsigned node, const char *range, struct buf *out)
{
	char *end;
	uint64_t from = strtoull(range, &end, 10);
	uint64_t to = strtoull(end + 1, NULL, 10);

	buf_str(out, "[");
	for (uint64_t h = from; h <= to; h++) {
		int at = at_height(node, h);

		if (at < 0)
			break;
		buf_str(out, h > from ? "," : "");
		put_block(out, at, true);
	}
	buf_str(out, "]");
	return 200;
}

static long
get_pool(unsigned node, struct buf *out)
{
	bool any = false;

	buf_str(out, "[");
	for (unsigned t = 0; t < ntxs; t++)
		if (tx[t].in_pool[node]) {
			buf_str(out, any ? "," : "");
			buf_str(out, tx[t].json);
			any = true;
		}
	buf_str(out, "]");
	return 200;
}

static long
refuse(struct buf *out, int number, const char *text, const struct tx_id *id)
{
	buf_fmt(out, "{\"error\":%d,\"message\":\"%s %s\"}", number, text,
	    TEXT58(id));
	return 400;
}

static long
broadcast(unsigned node, const char *json, size_t n, struct buf *out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *t = NULL;
	CLEANUP_JS json_t *j = NULL;
	struct net_tx *known;

	OK(js_parse(json, n, JS_DEPTH, &j));
	OK(ledger_tx_read(j, &t));
	known = find(&t->id);
	if (EPOCH + net.now - t->timestamp > NET_EXPIRY_MS)
		return refuse(out, 303, "timestamp is too old", &t->id);
	if (known && has_tx(tip[node], (unsigned)(known - tx)))
		return refuse(out, 112, "already in the state", &t->id);
	if (known && net.now < known->known_until)
		return refuse(out, 199, "AlreadyInProcessing", &t->id);
	if (known == NULL) {
		if (ntxs == TXS)
			sim_fail("too many transactions");
		known = &tx[ntxs++];
		*known = (struct net_tx){ .id = t->id,
			.json = strndup(json, n),
			.stamp = t->timestamp,
			.deeds = deeds_in(json),
			.seen = net.now };
	}
	known->in_pool[node] = true;
	known->known_until = net.now + 20000;
	share();
	buf_put(out, json, n);
	return 200;
}

/* ---- http ---- */

enum err __wrap_http_client_new(
    const struct http_client_opts *opts, struct http_client **out);
void __wrap_http_client_free(struct http_client *c);
enum err __wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out);

enum err
__wrap_http_client_new(
    const struct http_client_opts *opts, struct http_client **out)
{
	(void)opts;
	*out = NULL;
	return ERR_OK;
}

void
__wrap_http_client_free(struct http_client *c)
{
	(void)c;
}

static long
answer(unsigned node, const char *path, const struct http_call *call,
    struct buf *out)
{
	static const char at[] = "/blocks/at/", seq[] = "/blocks/seq/",
			  header[] = "/blocks/headers/at/";

	if (strcmp(path, "/blocks/height") == 0) {
		buf_fmt(out, "{\"height\":%llu}",
		    (unsigned long long)block[tip[node]].height);
		return 200;
	}
	if (strcmp(path, "/node/config") == 0) {
		buf_str(out, "{\"chainId\":\"V\",\"cryptoType\":\"WAVES\"}");
		return 200;
	}
	if (strncmp(path, header, sizeof(header) - 1) == 0)
		return get_one(node, path + sizeof(header) - 1, false, out);
	if (strncmp(path, at, sizeof(at) - 1) == 0)
		return get_one(node, path + sizeof(at) - 1, true, out);
	if (strncmp(path, seq, sizeof(seq) - 1) == 0)
		return get_seq(node, path + sizeof(seq) - 1, out);
	if (strcmp(path, "/transactions/unconfirmed") == 0)
		return get_pool(node, out);
	if (strcmp(path, "/transactions/broadcast") == 0)
		return broadcast(node, call->body, call->body_len, out);
	sim_fail("nobody answers %s", path);
}

enum err
__wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out)
{
	unsigned node = (unsigned)(call->url[strlen("http://n")] - '0');
	const char *path = strchr(call->url + strlen("http://"), '/');
	unsigned fate = net.faults ? story_below(100) : 99;

	(void)c;
	net.calls++;
	if (fate < 3)
		return err_say(ERR_UNREACHABLE, "a lost request");
	if (fate == 3) {
		buf_str(&out->body, "{\"error\":642,\"message\":\"busy\"}");
		out->status = 503;
		return out->body.err;
	}
	out->status = answer(node, path, call, &out->body);
	if (fate < 7) { /* it was done, but nobody hears of it */
		http_answer_free(out);
		*out = (struct http_answer){ 0 };
		return err_say(ERR_TIMEOUT, "a lost answer");
	}
	return out->body.err;
}

struct ledger_node *
net_client(unsigned node)
{
	struct ledger_node *n = NULL;
	const char *urls[] = { "http://n0", "http://n1" };

	OK(ledger_node_new(
	    &(struct ledger_node_opts){ .url = urls[node], .chain = net_chain },
	    &n));
	return n;
}
