/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/log.h"

#define MAX_BLOCK_TXS    65536
#define ATOMIC_CONTAINER 120
#define ID_TEXT_MAX      90 /* base58 of 64 bytes */

void
ledger_block_bytes(const struct ledger_block *b, const struct tx_id *ids,
    size_t n, struct buf *out)
{
	struct seal_part part = { ids, n * sizeof(*ids) };
	uint8_t root[32];

	seal_hash(NULL, &part, 1, root);
	buf_u8(out, 1);
	buf_u64(out, b->height);
	buf_u64(out, (uint64_t)b->time);
	buf_put(out, b->reference.b, sizeof(b->reference.b));
	buf_put(out, b->generator.b, sizeof(b->generator.b));
	buf_put(out, root, sizeof(root));
	buf_u32(out, (uint32_t)n);
}

void
ledger_txs_free(struct ledger_tx **tx, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ledger_tx_free(tx[i]);
	free(tx);
}

void
ledger_block_free(struct ledger_block *b)
{
	if (b == NULL)
		return;
	ledger_txs_free(b->tx, b->ntx);
	free(b);
}

static enum err
append(struct ledger_tx ***tx, size_t *n, struct ledger_tx *one)
{
	if ((*n & (*n - 1)) == 0) { /* full: sizes are powers of two */
		struct ledger_tx **more = realloc(
		    *tx, (*n ? 2 * *n : 1) * sizeof(*more));

		if (more == NULL) {
			ledger_tx_free(one);
			return ERR_NOMEM;
		}
		*tx = more;
	}
	(*tx)[(*n)++] = one;
	return ERR_OK;
}

/*
 * What a foreign network can have accepted though we cannot check it: several
 * proofs or another proof of an account with a script, keys that we refuse,
 * newer versions.  Everybody skips them, so everybody reads the same.  A body
 * that does not have its id, or another JSON, is no such case.
 */
static bool
may_skip(enum err e, enum ledger_tx_flaw flaw)
{
	if (e == ERR_NOMEM || flaw == LEDGER_FLAW_JSON)
		return false;
	return !(e == ERR_FORGED && flaw == LEDGER_FLAW_CUSTOM);
}

static void
log_skipped(const json_t *j, enum err e)
{
	struct tx_id id = { { 0 } };
	const char *s = json_string_value(json_object_get(j, "id"));

	if (s && text58_read(s, id.b, sizeof(id.b)) == ERR_OK)
		log_debug("ledger: transaction %s is not counted: %s",
		    TEXT58(&id), err_detail(e));
}

struct gather {
	const struct ledger_dialect *dialect;
	struct ledger_tx ***tx;
	size_t *n;
	bool skip; /* transactions that we cannot check */
	uint64_t height;
	struct ledger_listing *list; /* NULL: nobody asks */
	uint8_t chain_byte;
};

static enum err
add_leaf(struct gather *g, const json_t *j, const struct ledger_tx *tx)
{
	return g->list && g->list->wanted ?
	    g->dialect->leaf(j, tx, g->chain_byte, g->list) :
	    ERR_OK;
}

static enum err
gather_data(struct gather *g, const json_t *j, struct tx_id *out_id)
{
	struct ledger_tx *tx = NULL;
	enum ledger_tx_flaw flaw;
	enum err e = ledger_tx_read_chain(g->dialect, j, &tx, &flaw);

	if (e && g->skip && may_skip(e, flaw)) {
		log_skipped(j, e);
		if (g->list)
			g->list->whole = false;
		return ERR_OK;
	}
	if (e)
		return e == ERR_TOOBIG ? ERR_FORMAT : e;
	tx->height = g->height;
	*out_id = tx->id;
	e = add_leaf(g, j, tx);
	if (e) {
		ledger_tx_free(tx);
		return e;
	}
	return append(g->tx, g->n, tx);
}

/* A container's badge transactions stand inside it, one level deep. */
static enum err
gather_container(const struct gather *g, const json_t *j)
{
	const json_t *inner = json_object_get(j, "transactions");
	struct gather in = *g;
	struct tx_id id;
	enum err e = ERR_OK;

	in.list = NULL; /* the container is listed, with all in it */
	if (!json_is_array(inner) || json_array_size(inner) > MAX_BLOCK_TXS)
		return err_say(
		    ERR_FORMAT, "an atomic container has no transactions");
	for (size_t i = 0; e == ERR_OK && i < json_array_size(inner); i++) {
		const json_t *t = json_array_get(inner, i);

		if (json_integer_value(json_object_get(t, "type")) == 12)
			e = gather_data(&in, t, &id);
	}
	return e;
}

/* ${out_id}: as rebuilt for data transactions, as told for others. */
static enum err
gather_one(struct gather *g, const json_t *j, struct tx_id *out_id)
{
	json_int_t type = json_integer_value(json_object_get(j, "type"));
	const char *s = json_string_value(json_object_get(j, "id"));
	enum err e;

	memset(out_id, 0, sizeof(*out_id));
	if (!json_is_integer(json_object_get(j, "type")))
		return err_say(ERR_FORMAT, "a transaction has no type");
	if (type == 12)
		return gather_data(g, j, out_id);
	e = add_leaf(g, j, NULL);
	if (s && text58_read(s, out_id->b, sizeof(out_id->b)) != ERR_OK)
		memset(out_id, 0, sizeof(*out_id)); /* older kinds: longer */
	return e == ERR_OK && type == ATOMIC_CONTAINER ?
	    gather_container(g, j) :
	    e;
}

enum err
ledger_txs_read(const struct ledger_dialect *d, const json_t *array,
    struct ledger_tx ***tx, size_t *n)
{
	struct gather g = { d, tx, n, true, 0, NULL, 0 };
	struct tx_id id;
	enum err e = ERR_OK;

	if (!json_is_array(array))
		return err_say(ERR_FORMAT, "transactions are not an array");
	for (size_t i = 0; e == ERR_OK && i < json_array_size(array); i++) {
		e = gather_one(&g, json_array_get(array, i), &id);
		/* nobody vouches for a pool: one bad row hides no other */
		if (e == ERR_FORMAT || e == ERR_FORGED) {
			log_debug("ledger: pool: %s", err_detail(e));
			e = ERR_OK;
		}
	}
	return e;
}

void
ledger_block_id(struct js *r, const char *name, struct sig *out)
{
	const char *s = js_text(r, name, ID_TEXT_MAX);
	size_t n;

	memset(out, 0, sizeof(*out));
	if (r->err == ERR_OK &&
	    (text58_read_any(s, out->b, sizeof(out->b), &n) != ERR_OK ||
		(n != LEDGER_SHORT_ID && n != sizeof(out->b))))
		r->err = err_say(ERR_FORMAT, "'%s' is no id of a block", name);
}

size_t
ledger_block_id_len(const struct sig *id)
{
	static const uint8_t zeros[SIG_BYTES - LEDGER_SHORT_ID];

	return memcmp(id->b + LEDGER_SHORT_ID, zeros, sizeof(zeros)) == 0 ?
	    LEDGER_SHORT_ID :
	    sizeof(id->b);
}

static enum err
read_head(struct js *r, const struct ledger_dialect *d, struct ledger_block *b)
{
	b->height = (uint64_t)js_int(r, "height", 1, INT64_MAX);
	b->time = js_int(r, "timestamp", 0, INT64_MAX);
	d->block_id(r, &b->id);
	ledger_block_id(r, "reference", &b->reference);
	if (js_has(r, "generatorPublicKey"))
		JS_58(r, "generatorPublicKey", &b->generator);
	return r->err;
}

static enum err
read_txs(struct js *r, const struct ledger_dialect *d,
    const struct ledger_pins *pins, struct ledger_block *b,
    struct ledger_listing *list)
{
	/* some nodes leave the list out where it is empty */
	bool none = js_int_opt(r, "transactionCount", 0, INT64_MAX, 1) == 0 &&
	    !js_has(r, "transactions");
	const json_t *txs = none ? NULL :
				   js_array(r, "transactions", MAX_BLOCK_TXS);
	/* the embedded node takes nothing that we could not check */
	bool embedded = json_integer_value(
			    json_object_get(r->obj, "version")) == 1;
	struct gather g = { d, &b->tx, &b->ntx, pins->n == 0 || !embedded,
		b->height, list, pins->chain_byte };
	struct tx_id id;
	enum err e = r->err;

	list->whole = true;
	list->wanted = pins->n && !embedded;
	b->nall = json_array_size(txs);
	for (size_t i = 0; e == ERR_OK && i < b->nall; i++) {
		e = gather_one(&g, json_array_get(txs, i), &id);
		buf_put(&list->ids, id.b, sizeof(id.b));
	}
	if (e == ERR_OK &&
	    js_int_opt(r, "transactionCount", 0, INT64_MAX, (int64_t)b->nall) !=
		(int64_t)b->nall)
		return err_say(ERR_FORMAT,
		    "block %llu does not have as many transactions as it says",
		    (unsigned long long)b->height);
	return e ? e : r->err ? r->err : list->ids.err;
}

enum err
ledger_block_wrong(const struct ledger_block *b, const char *what)
{
	return err_say(
	    ERR_FORGED, "block %llu: %s", (unsigned long long)b->height, what);
}

enum err
ledger_block_stranger(const struct ledger_block *b)
{
	return ledger_block_wrong(b,
	    "it is of a generator that the configuration does not name; is "
	    "this the right node?");
}

enum err
ledger_node_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b)
{
	static const struct pubkey none;
	const struct pubkey *generator = pins->key;
	CLEANUP_BUF struct buf bytes = { 0 };
	enum err e = ERR_FORGED;

	(void)json;
	for (size_t i = 0; i < pins->n; i++)
		if (ID_EQ(&b->generator, &pins->key[i]))
			generator = &pins->key[i];
	if (ID_EQ(&b->generator, &none) || ID_EQ(&b->generator, generator)) {
		b->generator = *generator;
		ledger_block_bytes(
		    b, (const struct tx_id *)list->ids.p, b->nall, &bytes);
		e = bytes.err ?
		    bytes.err :
		    seal_verify(generator, SEAL_BLOCK, NULL, &bytes, &b->id);
		b->proved = b->once = e == ERR_OK;
	}
	if (e == ERR_FORGED)
		return err_say(e,
		    "block %llu is not signed by the configured generator; is "
		    "this the right node, and generator that of client.conf?",
		    (unsigned long long)b->height);
	return e;
}

static enum err
read_block(const struct ledger_dialect *d, const json_t *json,
    const struct ledger_pins *pins, struct ledger_listing *list,
    struct ledger_block *b)
{
	struct js r;
	enum err e;

	js_init(&r, json);
	e = read_head(&r, d, b);
	if (e == ERR_OK)
		e = read_txs(&r, d, pins, b, list);
	b->proved = pins->n == 0;
	return e == ERR_OK && pins->n ? d->check(json, pins, list, b) : e;
}

enum err
ledger_block_read_as(const struct ledger_dialect *d, const json_t *json,
    const struct ledger_pins *pins, struct ledger_block **out)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	struct ledger_listing list = { 0 };
	enum err e;

	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return ERR_NOMEM;
	e = read_block(d, json, pins, &list, b);
	buf_free(&list.ids);
	buf_free(&list.leaves);
	if (e)
		return e;
	*out = TAKE(b);
	return ERR_OK;
}

enum err
ledger_block_read(const json_t *json, const struct pubkey *generator,
    struct ledger_block **out)
{
	const struct ledger_pins pins = { .n = generator != NULL,
		.key = generator };

	return ledger_block_read_as(&ledger_enterprise, json, &pins, out);
}
