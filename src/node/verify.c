/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/verify_internal.h"

enum err
verify_flaw(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_say(
	    ERR_CORRUPT, "%s; restore the chain from a backup", text);
}

/* ---- a transaction ---- */

/* The text must be what we would write: no bit of it is free. */
static enum err
check_text(const struct verify *v, const struct ledger_tx *tx, struct db_val is,
    const char *where)
{
	CLEANUP_JS json_t *j = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	enum err e = ledger_tx_json(tx, v->n->chain_byte, &j);

	if (e)
		return e;
	js_print(j, &text);
	if (text.err)
		return text.err;
	if (text.len == is.n && memcmp(text.p, is.p, is.n) == 0)
		return ERR_OK;
	return verify_flaw("%s: the text of transaction %s is not what its "
			   "content makes",
	    where, TEXT58(&tx->id));
}

enum err
verify_tx(struct verify *v, const struct tx_id *id, const char *where,
    json_t **out_json, struct ledger_tx **out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	struct db_val text;
	enum err e;

	if (!db_get(v->t, v->n->t.tx, DB_VAL(id), &text))
		return v->t->err ? v->t->err :
				   verify_flaw("%s: transaction %s is missing",
				       where, TEXT58(id));
	e = js_parse(text.p, text.n, JS_DEPTH, &j);
	if (e == ERR_OK)
		e = ledger_tx_read(j, &tx);
	if (e == ERR_NOMEM)
		return e;
	if (e)
		return verify_flaw(
		    "%s: transaction %s: %s", where, TEXT58(id), err_detail(e));
	if (!ID_EQ(&tx->id, id))
		return verify_flaw("%s: transaction %s is stored as %s", where,
		    TEXT58(&tx->id), TEXT58(id));
	e = check_text(v, tx, text, where);
	if (e)
		return e;
	*out_json = TAKE(j);
	*out = TAKE(tx);
	return ERR_OK;
}

static enum err
check_listed(struct verify *v, const struct tx_id *id,
    const struct node_place *place, const struct pubkey *account)
{
	uint8_t address[NODE_ADDRESS];
	struct node_address_key key;
	struct db_val is;

	seal_address(account, v->n->chain_byte, address);
	node_address_key(address, place, &key);
	if (db_get(v->t, v->n->t.address, DB_VAL(&key), &is) &&
	    is.n == sizeof(*id) && memcmp(is.p, id, is.n) == 0)
		return ERR_OK;
	if (v->t->err)
		return v->t->err;
	return verify_flaw("block %" PRIu64 ": transaction %s is not in the "
			   "list of its account",
	    place->height, TEXT58(id));
}

static enum err
check_place(
    struct verify *v, const struct tx_id *id, const struct node_place *place)
{
	struct node_place is = { 0 };

	if (!node_place_get(v->n, v->t, id, &is))
		return v->t->err ?
		    v->t->err :
		    verify_flaw("block %" PRIu64
				": the place of transaction %s is missing",
			place->height, TEXT58(id));
	if (is.height != place->height || is.index != place->index)
		return verify_flaw("block %" PRIu64
				   ": transaction %s is number %u, stored is "
				   "block %" PRIu64 ", number %u",
		    place->height, TEXT58(id), place->index, is.height,
		    is.index);
	return ERR_OK;
}

static enum err
check_tx(struct verify *v, const struct tx_id *id,
    const struct node_place *place, uint64_t *full)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	char where[40];
	enum err e;

	(void)snprintf(where, sizeof(where), "block %" PRIu64, place->height);
	if ((e = verify_tx(v, id, where, &j, &tx)) ||
	    (e = check_place(v, id, place)) ||
	    (e = check_listed(v, id, place, &tx->sender)) ||
	    (e = check_listed(v, id, place, &tx->author)))
		return e;
	v->addresses += ID_EQ(&tx->sender, &tx->author) ? 1 : 2;
	*full += ledger_tx_full_size(tx);
	return verify_note(v, j, place);
}

/* ---- a block ---- */

static enum err
check_follows(const struct node_block *b, const struct ledger_block *before)
{
	if (!ID_EQ(&b->head.reference, &before->id))
		return verify_flaw("block %" PRIu64
				   ": its reference is %s, the block before is "
				   "%s",
		    b->head.height, TEXT58(&b->head.reference),
		    TEXT58(&before->id));
	if (b->head.time <= before->time)
		return verify_flaw("block %" PRIu64
				   ": its time is %lld, not after that of the "
				   "block before, %lld",
		    b->head.height, (long long)b->head.time,
		    (long long)before->time);
	return ERR_OK;
}

/* The first block makes the chain's name. */
static enum err
check_first(const struct verify *v, const struct node_block *b)
{
	struct chain chain;

	seal_chain_make(
	    v->n->chain_byte, b->head.id.b, sizeof(b->head.id.b), &chain);
	if (ID_EQ(&chain, &v->o->chain))
		return ERR_OK;
	return verify_flaw("block 1: it begins the chain %s, not %s",
	    TEXT58(&chain), TEXT58(&v->o->chain));
}

static enum err
check_signed(
    const struct verify *v, const struct node_block *b, uint64_t *out_size)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	enum err e;

	if (!ID_EQ(&b->head.generator, &v->o->generator))
		return verify_flaw("block %" PRIu64 ": it is of %s, not of %s",
		    b->head.height, TEXT58(&b->head.generator),
		    TEXT58(&v->o->generator));
	ledger_block_bytes(
	    &b->head, (const struct tx_id *)b->ids, b->count, &bytes);
	if (bytes.err)
		return bytes.err;
	*out_size = bytes.len + SIG_BYTES;
	e = seal_verify(
	    &v->o->generator, SEAL_BLOCK, NULL, &bytes, &b->head.id);
	if (e == ERR_FORGED)
		return verify_flaw("block %" PRIu64
				   ": its signature %s is wrong",
		    b->head.height, TEXT58(&b->head.id));
	return e;
}

static enum err
check_found(struct verify *v, const struct node_block *b)
{
	uint64_t height = 0;

	if (node_block_find(v->n, v->t, &b->head.id, &height) &&
	    height == b->head.height)
		return ERR_OK;
	if (v->t->err)
		return v->t->err;
	return verify_flaw("block %" PRIu64
			   ": by its signature it is found at %" PRIu64,
	    b->head.height, height);
}

static enum err
check_txs(struct verify *v, const struct node_block *b, uint64_t size)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < b->count; i++) {
		const struct node_place place = { b->head.height, i };
		struct tx_id id;

		memcpy(id.b, b->ids + i * sizeof(id.b), sizeof(id.b));
		e = check_tx(v, &id, &place, &size);
	}
	if (e == ERR_OK && size != b->size)
		return verify_flaw("block %" PRIu64 ": its size is %" PRIu64
				   ", stored is %u",
		    b->head.height, size, b->size);
	return e;
}

static enum err
check_block(struct verify *v, uint64_t height, struct ledger_block *before)
{
	struct node_block b;
	uint64_t size = 0;
	enum err e;

	if (!node_block_at(v->n, v->t, height, &b))
		return v->t->err ?
		    v->t->err :
		    verify_flaw("block %" PRIu64 " is missing", height);
	e = check_signed(v, &b, &size);
	if (e == ERR_OK)
		e = check_follows(&b, before);
	if (e == ERR_OK && height == 1)
		e = check_first(v, &b);
	if (e == ERR_OK)
		e = check_found(v, &b);
	if (e == ERR_OK)
		e = check_txs(v, &b, size);
	v->height = height;
	v->txs += b.count;
	*before = b.head;
	return e;
}

/* ---- the whole ---- */

static enum err
check_blocks(struct verify *v)
{
	struct ledger_block before = { .height = 0 };
	uint64_t n = db_count(v->t, v->n->t.block);
	enum err e = v->t->err;

	if (e == ERR_OK && n == 0)
		return verify_flaw("there is no block");
	for (uint64_t h = 1; e == ERR_OK && h <= n; h++) {
		e = check_block(v, h, &before);
		if (e == ERR_OK && v->o->progress)
			v->o->progress(v->o->ctx, h, n);
	}
	return e;
}

static enum err
verify_open(struct verify *v, struct node_verified *out)
{
	enum err e = db_check(v->n->db);

	if (e)
		return e;
	db_read(v->n->db, v->t);
	e = check_blocks(v);
	if (e == ERR_OK)
		e = verify_state(v);
	if (e == ERR_OK)
		e = v->t->err;
	db_abort(v->t);
	*out = (struct node_verified){ v->height, v->txs, v->pooled };
	free(v->key);
	return e;
}

enum err
node_verify(const struct node_verify_opts *o, struct node_verified *out)
{
	struct node n = { .chain_byte = o->chain.b[0], .lock_fd = -1 };
	struct db_txn t = { 0 };
	struct verify v = { .o = o, .n = &n, .t = &t };
	enum err e = node_store_open(o->dir, true, &n);

	if (e == ERR_OK)
		e = verify_open(&v, out);
	node_store_close(&n);
	if (e == ERR_BUSY)
		return err_say(e, "a node runs on '%s'; stop it first", o->dir);
	return e;
}
