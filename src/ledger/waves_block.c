/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks of public Waves, version 5: the header in protobuf is what is hashed
 * to the block's id and signed by its generator; it holds the Merkle root of
 * all transactions, each in protobuf with its proofs.  One of which a node
 * does not tell all that is signed is taken, but makes nothing fresh.
 */
#include "ledger/ledger_internal.h"

#define HASH      32
#define VRF_PROOF 96
#define BLS       96
#define MAX_LIST  1000

enum wire { WIRE_NUMBER = 0, WIRE_BYTES = 2 };

/* ---- protobuf: what is zero or empty is left out, except in a choice ---- */

static void
put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_u8(b, (uint8_t)(v | 0x80));
	buf_u8(b, (uint8_t)v);
}

static void
put_tag(struct buf *b, unsigned field, enum wire wire)
{
	put_varint(b, field << 3 | wire);
}

static void
put_number(struct buf *b, unsigned field, int64_t v)
{
	if (v == 0)
		return;
	put_tag(b, field, WIRE_NUMBER);
	put_varint(b, (uint64_t)v);
}

/* Also when it is empty. */
static void
put_chosen(struct buf *b, unsigned field, const void *p, size_t n)
{
	put_tag(b, field, WIRE_BYTES);
	put_varint(b, n);
	buf_put(b, p, n);
}

static void
put_bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
	if (n)
		put_chosen(b, field, p, n);
}

/* A message, which ends here. */
static void
put_message(struct buf *b, unsigned field, struct buf *inner)
{
	put_chosen(b, field, inner->p, inner->len);
	if (inner->err && b->err == ERR_OK)
		b->err = inner->err;
	buf_free(inner);
}

/* ---- transactions ---- */

static void
put_value(struct buf *b, const struct ledger_entry *e)
{
	static const unsigned fields[] = {
		[LEDGER_INTEGER] = 10,
		[LEDGER_BOOLEAN] = 11,
		[LEDGER_BINARY] = 12,
		[LEDGER_STRING] = 13,
	};

	if (e->type == LEDGER_INTEGER || e->type == LEDGER_BOOLEAN) {
		put_tag(b, fields[e->type], WIRE_NUMBER);
		put_varint(b, (uint64_t)e->number);
	} else
		put_chosen(b, fields[e->type], e->value, e->len);
}

static void
put_data(struct buf *b, const struct ledger_tx *tx)
{
	for (size_t i = 0; i < tx->nentries; i++) {
		struct buf entry = { 0 };

		put_bytes(
		    &entry, 1, tx->entry[i].key, strlen(tx->entry[i].key));
		put_value(&entry, &tx->entry[i]);
		put_message(b, 1, &entry);
	}
}

static void
put_tx(struct buf *b, const struct ledger_tx *tx, uint8_t chain_byte)
{
	struct buf fee = { 0 }, data = { 0 };

	put_number(b, 1, chain_byte);
	put_bytes(b, 2, tx->sender.b, sizeof(tx->sender.b));
	put_number(&fee, 2, tx->fee);
	put_message(b, 3, &fee);
	put_number(b, 4, tx->timestamp);
	put_number(b, 5, tx->version);
	put_data(&data, tx);
	put_message(b, 112, &data);
}

enum err
ledger_waves_leaf(const json_t *json, const struct ledger_tx *tx,
    uint8_t chain_byte, struct ledger_listing *list)
{
	CLEANUP_BUF struct buf whole = { 0 };
	struct buf inner = { 0 };
	struct seal_part part;
	struct sig proof;
	uint8_t hash[HASH];
	enum err e;

	list->whole &= tx != NULL;
	if (!list->whole)
		return ERR_OK;
	e = ledger_tx_proof(json, &proof);
	if (e)
		return e;
	put_tx(&inner, tx, chain_byte);
	put_message(&whole, 1, &inner);
	put_bytes(&whole, 2, proof.b, sizeof(proof.b));
	if (whole.err)
		return whole.err;
	part = (struct seal_part){ whole.p, whole.len };
	seal_hash(NULL, &part, 1, hash);
	buf_put(&list->leaves, hash, sizeof(hash));
	return list->leaves.err;
}

/* ---- the root: a hash of zero stands where there is no leaf ---- */

static void
no_leaf(uint8_t out[static HASH])
{
	const struct seal_part zero = { "", 1 };

	seal_hash(NULL, &zero, 1, out);
}

/* ${leaves} is taken apart. */
static enum err
root_of(struct buf *leaves, uint8_t out[static HASH])
{
	size_t n = leaves->len / HASH;
	uint8_t none[HASH];

	no_leaf(none);
	if (n == 0) {
		memcpy(out, none, HASH);
		return ERR_OK;
	}
	do {
		uint8_t *p;

		leaves->len = n * HASH;
		if (n % 2)
			buf_put(leaves, none, HASH);
		if (leaves->err)
			return leaves->err;
		n = (n + 1) / 2;
		p = leaves->p;
		for (size_t i = 0; i < n; i++) {
			uint8_t hash[HASH];
			struct seal_part pair = { p + 2 * i * HASH,
				2 * sizeof(hash) };

			seal_hash(NULL, &pair, 1, hash);
			memcpy(p + i * HASH, hash, HASH);
		}
	} while (n > 1);
	memcpy(out, leaves->p, HASH);
	return ERR_OK;
}

/* ---- the header ---- */

struct header {
	struct sig reference, signature;
	size_t reference_len;
	uint8_t generation[VRF_PROOF], root[HASH], state[HASH];
	struct pubkey generator;
	int64_t base_target, time, reward_vote;
	bool has_state;
	struct buf features, more; /* as they are written; checked once */
	bool unknown;              /* a node does not tell all that is signed */
};

/* A packed field of small numbers, left out if there are none. */
static void
put_list(struct buf *b, unsigned field, struct js *r, const char *name)
{
	const json_t *list = js_array_opt(r, name, MAX_LIST);
	struct buf packed = { 0 };

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);
		json_int_t n = json_integer_value(f);

		if (!json_is_integer(f) || n < 0 || n > UINT16_MAX)
			r->err = err_say(
			    ERR_FORMAT, "'%s' is no list of numbers", name);
		put_varint(&packed, (uint64_t)n);
	}
	if (packed.len)
		put_message(b, field, &packed);
}

static void
put_58(struct buf *b, unsigned field, struct js *r, const char *name, size_t n)
{
	uint8_t bytes[VRF_PROOF];

	js_58(r, name, bytes, n);
	put_bytes(b, field, bytes, n);
}

/*
 * The header that this block disputes.  Nodes of one kind show all of it, of
 * the other neither its time nor its consensus.
 */
static void
put_challenged(struct header *h, const json_t *json)
{
	struct buf b = { 0 };
	struct js r;

	js_init(&r, json);
	put_number(&b, 1, js_int(&r, "base-target", 0, INT64_MAX));
	put_58(&b, 2, &r, "generation-signature", VRF_PROOF);
	put_list(&b, 3, &r, "features");
	put_number(&b, 4, js_int(&r, "timestamp", 0, INT64_MAX));
	put_58(&b, 5, &r, "generatorPublicKey", sizeof(struct pubkey));
	put_number(&b, 6, js_int_opt(&r, "desiredReward", -1, INT64_MAX, 0));
	if (js_has(&r, "stateHash"))
		put_58(&b, 7, &r, "stateHash", HASH);
	put_58(&b, 8, &r, "headerSignature", SIG_BYTES);
	h->unknown |= r.err != ERR_OK;
	put_message(&h->more, 12, &b);
}

/* Votes of finality; how nodes show contradicting ones is not known. */
static void
put_votes(struct header *h, const json_t *json)
{
	struct buf b = { 0 };
	const char *height;
	struct js r;

	js_init(&r, json);
	height = js_has(&r, "finalizedHeight") ? "finalizedHeight" :
						 "finalizedBlockHeight";
	put_list(&b, 1, &r, "endorserIndexes");
	put_number(&b, 2, js_int(&r, height, 0, INT32_MAX));
	if (js_has(&r, "aggregatedEndorsementSignature"))
		put_58(&b, 3, &r, "aggregatedEndorsementSignature", BLS);
	(void)js_array_opt(&r, "conflictEndorsements", 0);
	h->unknown |= r.err != ERR_OK;
	put_message(&h->more, 13, &b);
}

static enum err
read_header(const json_t *json, struct header *h)
{
	struct js r, pos;

	js_init(&r, json);
	js_init(&pos, json_object_get(json, "nxt-consensus"));
	if (js_int(&r, "version", 0, 255) != 5 && r.err == ERR_OK)
		return err_say(ERR_UNSUPPORTED,
		    "signatures are checked in blocks of version 5 alone");
	ledger_block_id(&r, "reference", &h->reference);
	h->reference_len = ledger_block_id_len(&h->reference);
	h->base_target = js_int(&pos, "base-target", 0, INT64_MAX);
	js_58(
	    &pos, "generation-signature", h->generation, sizeof(h->generation));
	put_list(&h->features, 5, &r, "features");
	h->time = js_int(&r, "timestamp", 0, INT64_MAX);
	JS_58(&r, "generatorPublicKey", &h->generator);
	h->reward_vote = js_int_opt(&r, "desiredReward", -1, INT64_MAX, 0);
	js_58(&r, "transactionsRoot", h->root, sizeof(h->root));
	h->has_state = js_has(&r, "stateHash");
	if (h->has_state)
		js_58(&r, "stateHash", h->state, sizeof(h->state));
	JS_58(&r, "signature", &h->signature);
	if (js_has(&r, "challengedHeader"))
		put_challenged(h, json_object_get(json, "challengedHeader"));
	if (js_has(&r, "finalizationVoting"))
		put_votes(h, json_object_get(json, "finalizationVoting"));
	return r.err ? r.err : pos.err;
}

static void
put_header(struct buf *b, const struct header *h, uint8_t chain_byte)
{
	put_number(b, 1, chain_byte);
	put_bytes(b, 2, h->reference.b, h->reference_len);
	put_number(b, 3, h->base_target);
	put_bytes(b, 4, h->generation, sizeof(h->generation));
	buf_put(b, h->features.p, h->features.len);
	put_number(b, 6, h->time);
	put_number(b, 7, 5);
	put_bytes(b, 8, h->generator.b, sizeof(h->generator.b));
	put_number(b, 9, h->reward_vote);
	put_bytes(b, 10, h->root, sizeof(h->root));
	if (h->has_state)
		put_bytes(b, 11, h->state, sizeof(h->state));
	buf_put(b, h->more.p, h->more.len);
	if (b->err == ERR_OK)
		b->err = h->features.err ? h->features.err : h->more.err;
}

static bool
is_pinned(const struct ledger_pins *pins, const struct pubkey *key)
{
	for (size_t i = 0; i < pins->n; i++)
		if (ID_EQ(&pins->key[i], key))
			return true;
	return false;
}

static enum err
check_header(const struct header *h, const struct ledger_pins *pins,
    const struct ledger_block *b)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	struct sig id = { { 0 } };
	struct seal_part part;

	if (!is_pinned(pins, &h->generator))
		return ledger_block_stranger(b);
	if (h->unknown)
		return ERR_OK;
	put_header(&bytes, h, pins->chain_byte);
	if (bytes.err)
		return bytes.err;
	part = (struct seal_part){ bytes.p, bytes.len };
	seal_hash(NULL, &part, 1, id.b);
	if (!ID_EQ(&id, &b->id))
		return ledger_block_wrong(b, "its header does not have its id");
	if (seal_verify_raw(&h->generator, bytes.p, bytes.len, &h->signature))
		return ledger_block_wrong(
		    b, "the generator's signature is wrong");
	return ERR_OK;
}

static enum err
check_root(const struct header *h, struct ledger_listing *list,
    const struct ledger_block *b)
{
	uint8_t root[HASH];
	enum err e = root_of(&list->leaves, root);

	if (e == ERR_OK && memcmp(root, h->root, sizeof(root)) != 0)
		return ledger_block_wrong(
		    b, "its transactions are not those of its header");
	return e;
}

/*
 * Block 1 is pinned by the chain.  The list of transactions is proved where
 * each of them is one that we can write as it is hashed.
 */
enum err
ledger_waves_check(const json_t *json, const struct ledger_pins *pins,
    struct ledger_listing *list, struct ledger_block *b)
{
	struct header h = { 0 };
	enum err e;

	if (b->height == 1)
		return ERR_OK;
	/* an embedded node's, whatever network it speaks for */
	if (json_integer_value(json_object_get(json, "version")) == 1)
		return ledger_node_check(json, pins, list, b);
	e = read_header(json, &h);
	if (e == ERR_OK)
		e = check_header(&h, pins, b);
	if (e == ERR_OK && list->whole)
		e = check_root(&h, list, b);
	b->proved = e == ERR_OK && !h.unknown;
	buf_free(&h.features);
	buf_free(&h.more);
	return e;
}
