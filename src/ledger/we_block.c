/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks of Waves Enterprise nodes, version 3: their generator signs header
 * and transactions together, and the signature is the block's id.  So a block
 * is proved only if all of it can be written as it was signed; where it holds
 * transactions of unknown kinds it is taken, but makes nothing fresh.
 */
#include "ledger/ledger_internal.h"

#define VERSION      3
#define ADDRESS      26
#define HASH         32
#define MAX_VOTES    1024
#define MAX_FEATURES 4 /* more are told in another order than signed */

enum consensus { POS = 1, POA = 2, CFT = 3 };

struct in {
	struct js r;
	const struct ledger_pins *pins;
	const struct ledger_block *block;
	enum err err; /* beside the JSON's */
};

/* A node tells addresses where keys were signed. */
static const struct pubkey *
key_of(struct in *in, struct js *r, const char *name)
{
	uint8_t told[ADDRESS], address[ADDRESS];

	js_58(r, name, told, sizeof(told));
	for (size_t i = 0; r->err == ERR_OK && i < in->pins->n; i++) {
		seal_address(&in->pins->key[i], in->pins->chain_byte, address);
		if (memcmp(told, address, sizeof(told)) == 0)
			return &in->pins->key[i];
	}
	if (r->err == ERR_OK && in->err == ERR_OK)
		in->err = ledger_block_stranger(in->block);
	return &in->pins->key[0];
}

/* ---- the header ---- */

static void
put_pos(struct in *in, struct js *r, struct buf *b)
{
	uint8_t generation[HASH];

	(void)in;
	buf_u64(b, (uint64_t)js_int(r, "base-target", INT64_MIN, INT64_MAX));
	js_58(r, "generation-signature", generation, sizeof(generation));
	buf_put(b, generation, sizeof(generation));
}

static void
put_poa(struct in *in, struct js *r, struct buf *b)
{
	(void)in;
	buf_u64(b, (uint64_t)js_int(r, "overall-skipped-rounds", 0, INT64_MAX));
}

static void
put_vote(struct in *in, const json_t *json, struct buf *b)
{
	uint8_t hash[HASH];
	struct sig sig;
	struct js r;

	js_init(&r, json);
	buf_put(b, key_of(in, &r, "sender")->b, sizeof(struct pubkey));
	js_58(&r, "blockVotingHash", hash, sizeof(hash));
	JS_58(&r, "signature", &sig);
	buf_put(b, hash, sizeof(hash));
	buf_put(b, sig.b, sizeof(sig.b));
	if (r.err && in->err == ERR_OK)
		in->err = r.err;
}

static void
put_cft(struct in *in, struct js *r, struct buf *b)
{
	const json_t *votes = js_array(r, "votes", MAX_VOTES);

	buf_u16(b, (uint16_t)json_array_size(votes));
	for (size_t i = 0; i < json_array_size(votes); i++)
		put_vote(in, json_array_get(votes, i), b);
	put_poa(in, r, b);
}

static const struct kind {
	const char *name;
	enum consensus kind;
	void (*put)(struct in *in, struct js *r, struct buf *b);
} kinds[] = {
	{ "pos-consensus", POS, put_pos },
	{ "poa-consensus", POA, put_poa },
	{ "cft-consensus", CFT, put_cft },
};

static void
put_consensus(struct in *in, struct buf *out)
{
	const struct kind *k = kinds;
	CLEANUP_BUF struct buf b = { 0 };
	struct js r;

	while (k < kinds + ARRAY_LEN(kinds) && !js_has(&in->r, k->name))
		k++;
	if (k == kinds + ARRAY_LEN(kinds)) {
		in->err = err_say(ERR_FORMAT,
		    "block %llu is of no consensus that is known",
		    (unsigned long long)in->block->height);
		return;
	}
	js_init(&r, json_object_get(in->r.obj, k->name));
	buf_u8(&b, (uint8_t)k->kind);
	k->put(in, &r, &b);
	if (in->err == ERR_OK)
		in->err = r.err ? r.err : b.err;
	buf_u32(out, (uint32_t)b.len);
	buf_put(out, b.p, b.len);
}

static void
put_features(struct in *in, struct buf *b)
{
	const json_t *list = js_array(&in->r, "features", MAX_FEATURES);

	buf_u32(b, (uint32_t)json_array_size(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);
		json_int_t n = json_integer_value(f);

		if ((!json_is_integer(f) || n < INT16_MIN || n > INT16_MAX) &&
		    in->err == ERR_OK)
			in->err = err_say(
			    ERR_FORMAT, "a voted feature is no number");
		buf_u16(b, (uint16_t)n);
	}
}

static const struct pubkey *
put_block(struct in *in, const struct ledger_listing *list, struct buf *b)
{
	const struct pubkey *key = key_of(in, &in->r, "generator");

	buf_u8(b, VERSION);
	buf_u64(b, (uint64_t)in->block->time);
	buf_put(b, in->block->reference.b, sizeof(in->block->reference.b));
	put_consensus(in, b);
	buf_u32(b, (uint32_t)(sizeof(uint32_t) + list->leaves.len));
	buf_u32(b, (uint32_t)in->block->nall);
	buf_put(b, list->leaves.p, list->leaves.len);
	put_features(in, b);
	buf_put(b, key->b, sizeof(key->b));
	if (in->err == ERR_OK)
		in->err = in->r.err ? in->r.err : b->err;
	return key;
}

static enum err
check_signed(const json_t *json, const struct ledger_pins *pins,
    const struct ledger_listing *list, struct ledger_block *b)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	struct in in = { .pins = pins, .block = b };

	js_init(&in.r, json);
	b->generator = *put_block(&in, list, &bytes);
	if (in.err)
		return in.err;
	if (seal_verify_raw(&b->generator, bytes.p, bytes.len, &b->id))
		return ledger_block_wrong(b, "its signature is not of it");
	b->proved = true;
	return ERR_OK;
}

/*
 * Block 1, whose id the chain pins, is signed by nobody who is known here; it
 * holds what a network begins with.
 */
static enum err
check_first(const struct ledger_block *b)
{
	return b->ntx ? ledger_block_wrong(b, "it holds data transactions") :
			ERR_OK;
}

static bool
is_embedded(const json_t *json)
{
	return json_integer_value(json_object_get(json, "version")) == 1 &&
	    json_object_get(json, "generatorPublicKey");
}

enum err
ledger_we_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b)
{
	const json_t *votes = json_object_get(json, "features");
	struct in in = { .pins = pins, .block = b };

	if (is_embedded(json))
		return ledger_node_check(json, pins, list, b);
	if (b->height == 1)
		return check_first(b);
	js_init(&in.r, json);
	if (js_int(&in.r, "version", 0, 255) != VERSION && in.r.err == ERR_OK)
		return err_say(ERR_UNSUPPORTED,
		    "signatures are checked in blocks of version 3 alone");
	if (list->whole && json_array_size(votes) <= MAX_FEATURES)
		return check_signed(json, pins, list, b);
	(void)key_of(&in, &in.r, "generator");
	return in.err ? in.err : in.r.err;
}
