/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node/node_internal.h"

#define AHEAD_MS  (90LL * 60 * 1000)
#define BEHIND_MS (120LL * 60 * 1000)
#define RECENT_MS 20000
#define WAVES_FEE 100000
#define POOL_TXS  10000
#define POOL_JSON (4 << 20)

/* What is known of one broadcast. */
struct offer {
	struct node *n;
	json_t *json; /* as it came */
	json_t *full; /* as it is answered */
	struct ledger_tx *tx;
	uint8_t hash[32]; /* of the full bytes */
	struct buf text;  /* the answer */
};

static void
offer_free(struct offer *o)
{
	json_decref(o->json);
	json_decref(o->full);
	ledger_tx_free(o->tx);
	buf_free(&o->text);
}

/* With the proofs that came. */
static enum err
refuse_proof(struct offer *o, struct http_reply *reply, enum err why)
{
	char text[200];
	enum err e;

	(void)snprintf(text, sizeof(text), "%s", err_detail(why));
	e = ledger_tx_json(o->tx, o->n->chain_byte, &o->full);
	if (e)
		return e;
	if (json_object_set(
		o->full, "proofs", json_object_get(o->json, "proofs")) != 0)
		return ERR_NOMEM;
	return node_refuse_tx(reply, o->full, "%s", text);
}

static enum err
refuse_flaw(struct offer *o, struct http_reply *reply, enum ledger_tx_flaw flaw,
    enum err why)
{
	static const struct {
		int number;
		const char *text; /* NULL: the cause */
	} map[] = {
		[LEDGER_FLAW_JSON] = { 1, " " },
		[LEDGER_FLAW_BIG] = { 10, "Too big sequences requested" },
		[LEDGER_FLAW_KEY] = { 108, NULL },
		[LEDGER_FLAW_CUSTOM] = { 199, NULL },
	};
	const char *text;

	if (flaw == LEDGER_FLAW_NONE)
		return why;
	if (flaw == LEDGER_FLAW_PROOF)
		return refuse_proof(o, reply, why);
	text = map[flaw].text;
	return node_refuse(
	    reply, map[flaw].number, "%s", text ? text : err_detail(why));
}

/* ---- bytes that were sent a moment ago ---- */

static bool
is_recent(struct node *n, const uint8_t hash[32])
{
	int64_t now = clock_boot_ms();
	bool found = false;

	(void)pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < NODE_RECENT && !found; i++)
		found = n->recent[i].until > now &&
		    memcmp(n->recent[i].hash, hash, 32) == 0;
	(void)pthread_mutex_unlock(&n->lock);
	return found;
}

static void
remember(struct node *n, const uint8_t hash[32])
{
	struct node_recent *r;

	(void)pthread_mutex_lock(&n->lock);
	r = &n->recent[n->recent_next++ % NODE_RECENT];
	memcpy(r->hash, hash, sizeof(r->hash));
	r->until = clock_boot_ms() + RECENT_MS;
	(void)pthread_mutex_unlock(&n->lock);
}

/* ---- taking one ---- */

struct pool_sum {
	uint64_t count, json;
	enum err err;
};

static bool
sum_row(void *ctx, struct db_val key, struct db_val value)
{
	struct pool_sum *s = ctx;
	struct node_pool_row row;

	s->err = node_pool_read(key, value, &row);
	s->count++;
	s->json += row.json;
	return s->err == ERR_OK;
}

static enum err
keep(struct offer *o, struct db_txn *t)
{
	struct node *n = o->n;
	struct node_pool_row row = { .id = o->tx->id,
		.full = (uint32_t)ledger_tx_full_size(o->tx),
		.json = (uint32_t)o->text.len };
	enum err e;

	db_put(t, n->t.tx, DB_VAL(&row.id),
	    (struct db_val){ o->text.p, o->text.len });
	node_pool_put(n, t, &row);
	e = db_commit(t);
	if (e)
		return e;
	remember(n, o->hash);
	node_miner_kick(n);
	return ERR_OK;
}

static enum err
answer(struct offer *o, struct http_reply *reply)
{
	buf_put(&reply->body, o->text.p, o->text.len);
	return ERR_OK;
}

static enum err
take(struct offer *o, struct http_reply *reply)
{
	struct node *n = o->n;
	struct node_place place;
	struct pool_sum sum = { 0 };
	CLEANUP_TXN struct db_txn t;
	enum err e;

	db_write(n->db, &t);
	if (node_place_get(n, &t, &o->tx->id, &place)) {
		if (place.height == 0)
			return answer(o, reply);
		return node_refuse_tx(reply, o->full,
		    "Transaction %s is already in the state on a height of "
		    "%llu",
		    TEXT58(&o->tx->id), (unsigned long long)place.height);
	}
	db_walk(&t, n->t.pool, (struct db_val){ NULL, 0 }, sum_row, &sum);
	if (t.err || sum.err)
		return t.err ? t.err : sum.err;
	if (sum.count >= POOL_TXS || sum.json >= POOL_JSON)
		return node_refuse(reply, 640, "the pool is full, try later");
	e = keep(o, &t);
	return e ? e : answer(o, reply);
}

/* For each KiB that is begun. */
static int64_t
waves_fee(const struct ledger_tx *tx)
{
	return WAVES_FEE * (1 + (int64_t)(tx->body.len - 1) / 1024);
}

static enum err
check(struct offer *o, struct http_reply *reply)
{
	int64_t now = clock_wall_ms();
	const struct ledger_tx *tx = o->tx;

	if (tx->version > 2)
		return node_refuse_tx(reply, o->full,
		    "version %u of transaction type 12 is not activated",
		    tx->version);
	if (tx->has_asset)
		return node_refuse_tx(
		    reply, o->full, "the fee asset does not exist");
	if (tx->timestamp - now > AHEAD_MS || now - tx->timestamp > BEHIND_MS)
		return node_refuse(reply, 303,
		    "Transaction timestamp %lld is "
		    "too far from the time %lld of the node",
		    (long long)tx->timestamp, (long long)now);
	if (o->n->waves && tx->fee < waves_fee(tx))
		return node_refuse_tx(reply, o->full,
		    "Fee for DataTransaction (%lld in WAVES) does not exceed "
		    "minimal value of %lld WAVES.",
		    (long long)tx->fee, (long long)waves_fee(tx));
	if (!o->n->waves && is_recent(o->n, o->hash))
		return node_refuse(
		    reply, 199, "AlreadyInProcessing(%s)", TEXT58(&tx->id));
	return take(o, reply);
}

/* Fill in hash and answer. */
static enum err
prepare(struct offer *o)
{
	const struct seal_part full[] = {
		{ o->tx->body.p, o->tx->body.len },
		{ o->tx->proof.b, sizeof(o->tx->proof.b) },
	};
	enum err e;

	seal_hash(NULL, full, ARRAY_LEN(full), o->hash);
	o->tx->height = 0; /* whatever was told */
	e = ledger_tx_json(o->tx, o->n->chain_byte, &o->full);
	if (e)
		return e;
	js_print(o->full, &o->text);
	return o->text.err;
}

enum err
node_post_broadcast(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	__attribute__((cleanup(offer_free))) struct offer o = { .n = ctx };
	enum ledger_tx_flaw flaw = LEDGER_FLAW_NONE;
	enum err e = node_read_body(req, reply, &o.json);

	if (e || o.json == NULL)
		return e;
	e = ledger_tx_read_strict(
	    o.n->waves ? &ledger_waves : &ledger_enterprise, o.json, &o.tx,
	    &flaw);
	if (e)
		return refuse_flaw(&o, reply, flaw, e);
	e = prepare(&o);
	return e ? e : check(&o, reply);
}

enum err
node_post_fee(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *j = NULL;
	enum err e = node_read_body(req, reply, &j);

	(void)ctx;
	if (e || j == NULL)
		return e;
	return http_reply_json(
	    reply, 200, json_pack("{s:n, s:i}", "feeAssetId", "feeAmount", 0));
}
