/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transactions as a block of a Waves Enterprise node is signed over them: each
 * with all its bytes, built from its JSON.  Of other people's kinds those are
 * known by which a network admits accounts, pays them and packs transactions
 * together.  Formats: PROTOCOL.ledger, section 7.
 */
#include "ledger/ledger_internal.h"

#define PERMIT        102
#define REGISTER_NODE 111
#define TRANSFER      4
#define DATA          12
#define ATOMIC        120
#define ADDRESS       26
#define ALIAS_MAX     30
#define MAX_PROOFS    8
#define MAX_INNER     INT16_MAX

struct out {
	struct js r;
	struct buf *b;
	uint8_t chain_byte, version;
};

/* ---- fields, in the order of their bytes ---- */

static void
fail(struct out *o, const char *name)
{
	if (o->r.err == ERR_OK)
		o->r.err = err_say(ERR_FORMAT,
		    "member '%s' of a transaction is not known", name);
}

static void
put_key(struct out *o, const char *name)
{
	struct pubkey key;

	JS_58(&o->r, name, &key);
	buf_put(o->b, key.b, sizeof(key.b));
}

static void
put_some_key(struct out *o, const char *name)
{
	buf_u8(o->b, js_has(&o->r, name));
	if (js_has(&o->r, name))
		put_key(o, name);
}

static void
put_long(struct out *o, const char *name)
{
	buf_u64(o->b, (uint64_t)js_int(&o->r, name, 0, INT64_MAX));
}

static void
put_short(struct buf *b, const void *p, size_t n)
{
	buf_u16(b, (uint16_t)n);
	buf_put(b, p, n);
}

static void
put_text(struct out *o, const char *name)
{
	const char *s = js_text_opt(&o->r, name, INT16_MAX);

	put_short(o->b, s ? s : "", s ? strlen(s) : 0);
}

static void
put_bytes(struct out *o, const char *name)
{
	const char *s = js_text(&o->r, name, INT16_MAX);
	uint8_t bytes[TEXT58_MAX_BYTES];
	size_t n = 0;

	if (*s && text58_read_any(s, bytes, sizeof(bytes), &n) != ERR_OK)
		fail(o, name);
	put_short(o->b, bytes, n);
}

/* "alias:V:name" */
static void
put_alias(struct out *o, const char *name, const char *alias)
{
	size_t n = strlen(alias);

	if (n < 3 || n > 2 + ALIAS_MAX || alias[1] != ':') {
		fail(o, name);
		return;
	}
	buf_u8(o->b, 2);
	buf_u8(o->b, (uint8_t)alias[0]);
	put_short(o->b, alias + 2, n - 2);
}

static void
put_recipient(struct out *o, const char *name)
{
	static const char prefix[] = "alias:";
	const char *s = js_text(&o->r, name, 64);
	uint8_t address[ADDRESS] = { 0 };

	if (strncmp(s, prefix, sizeof(prefix) - 1) == 0) {
		put_alias(o, name, s + sizeof(prefix) - 1);
		return;
	}
	js_58(&o->r, name, address, sizeof(address));
	buf_put(o->b, address, sizeof(address));
}

static void
put_badge(struct out *o, const char *name)
{
	const json_t *badge = json_object_get(o->r.obj, name);
	uint8_t address[ADDRESS];
	struct js r;

	buf_u8(o->b, js_has(&o->r, name));
	if (!js_has(&o->r, name))
		return;
	js_init(&r, badge);
	buf_u8(o->b, js_has(&r, "trustedSender"));
	if (js_has(&r, "trustedSender")) {
		js_58(&r, "trustedSender", address, sizeof(address));
		buf_put(o->b, address, sizeof(address));
	}
	if (r.err && o->r.err == ERR_OK)
		o->r.err = r.err;
}

static void
put_op_type(struct out *o, const char *name)
{
	const char *s = js_text(&o->r, name, 16);

	if (strcmp(s, "add") != 0 && strcmp(s, "remove") != 0)
		fail(o, name);
	buf_u8(o->b, (uint8_t)s[0]);
}

static void
put_role(struct out *o, const char *name)
{
	static const char *const roles[] = { "miner", "issuer", "dex",
		"permissioner", "blacklister", "banned", "contract_developer",
		"connection_manager", "sender", "contract_validator" };
	const char *s = js_text(&o->r, name, 32);

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (strcmp(roles[i], s) == 0) {
			buf_u8(o->b, (uint8_t)(i + 1));
			return;
		}
	fail(o, name);
}

static void
put_due(struct out *o, const char *name)
{
	buf_u8(o->b, js_has(&o->r, name));
	buf_u64(o->b, (uint64_t)js_int_opt(&o->r, name, 0, INT64_MAX, 0));
}

static void
put_proofs(struct out *o, const char *name)
{
	const json_t *list = js_array(&o->r, name, MAX_PROOFS);

	buf_u8(o->b, 1);
	buf_u16(o->b, (uint16_t)json_array_size(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		uint8_t proof[SIG_BYTES];
		size_t n = 0;

		if (s == NULL ||
		    (*s &&
			text58_read_any(s, proof, sizeof(proof), &n) != ERR_OK))
			fail(o, name);
		put_short(o->b, proof, n);
	}
}

static void put_inner(struct out *o, const char *name);

/* ---- kinds ---- */

struct field {
	void (*put)(struct out *o, const char *name);
	const char *name;
	uint8_t since; /* version; 0: any */
};

struct scheme {
	uint8_t type, first, last; /* versions */
	const struct field *field;
};

static const struct field transfer[] = {
	{ put_key, "senderPublicKey", 0 },
	{ put_some_key, "assetId", 0 },
	{ put_some_key, "feeAssetId", 0 },
	{ put_long, "timestamp", 0 },
	{ put_long, "amount", 0 },
	{ put_long, "fee", 0 },
	{ put_recipient, "recipient", 0 },
	{ put_bytes, "attachment", 0 },
	{ put_badge, "atomicBadge", 3 },
	{ put_proofs, "proofs", 0 },
	{ NULL, NULL, 0 },
};

static const struct field permit[] = {
	{ put_key, "senderPublicKey", 0 },
	{ put_recipient, "target", 0 },
	{ put_long, "timestamp", 0 },
	{ put_long, "fee", 0 },
	{ put_op_type, "opType", 0 },
	{ put_role, "role", 0 },
	{ put_long, "timestamp", 0 },
	{ put_due, "dueTimestamp", 0 },
	{ put_badge, "atomicBadge", 2 },
	{ put_proofs, "proofs", 0 },
	{ NULL, NULL, 0 },
};

static const struct field register_node[] = {
	{ put_key, "senderPublicKey", 0 },
	{ put_key, "targetPubKey", 0 },
	{ put_text, "nodeName", 0 },
	{ put_op_type, "opType", 0 },
	{ put_long, "timestamp", 0 },
	{ put_long, "fee", 0 },
	{ put_badge, "atomicBadge", 2 },
	{ put_proofs, "proofs", 0 },
	{ NULL, NULL, 0 },
};

static const struct field atomic[] = {
	{ put_key, "senderPublicKey", 0 },
	{ put_some_key, "miner", 0 },
	{ put_inner, "transactions", 0 },
	{ put_long, "timestamp", 0 },
	{ put_proofs, "proofs", 0 },
	{ NULL, NULL, 0 },
};

static const struct scheme schemes[] = {
	{ TRANSFER, 2, 3, transfer },
	{ PERMIT, 1, 2, permit },
	{ REGISTER_NODE, 1, 2, register_node },
	{ ATOMIC, 1, 1, atomic },
};

static const struct scheme *
scheme_of(int64_t type, int64_t version)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].type == type && version >= schemes[i].first &&
		    version <= schemes[i].last)
			return &schemes[i];
	return NULL;
}

/* The proof as it stands in ${json}: ours may be turned back from S + L. */
static enum err
put_data(const json_t *json, const struct ledger_tx *tx, struct buf *b)
{
	struct sig proof;
	enum err e = ledger_tx_proof(json, &proof);

	if (e)
		return e;
	buf_u8(b, 0);
	buf_put(b, tx->body.p, tx->body.len);
	buf_u8(b, 1);
	buf_u16(b, 1);
	put_short(b, proof.b, sizeof(proof.b));
	return b->err;
}

static enum err
put_known(const json_t *json, uint8_t chain_byte, struct buf *b)
{
	struct out o = { .b = b, .chain_byte = chain_byte };
	const struct scheme *s;
	int64_t type;

	js_init(&o.r, json);
	type = js_int(&o.r, "type", 0, UINT8_MAX);
	o.version = (uint8_t)js_int(&o.r, "version", 0, UINT8_MAX);
	s = scheme_of(type, o.version);
	if (s == NULL)
		return err_say(ERR_UNSUPPORTED,
		    "transactions of type %lld, version %u are not known",
		    (long long)type, o.version);
	buf_u8(b, 0);
	buf_u8(b, s->type);
	buf_u8(b, o.version);
	for (const struct field *f = s->field; f->put; f++)
		if (o.version >= f->since)
			f->put(&o, f->name);
	return o.r.err ? o.r.err : b->err;
}

static enum err
put_any(const json_t *json, uint8_t chain_byte, struct buf *b)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	enum ledger_tx_flaw flaw;
	enum err e;

	if (json_integer_value(json_object_get(json, "type")) != DATA)
		return put_known(json, chain_byte, b);
	e = ledger_tx_read_chain(&ledger_enterprise, json, &tx, &flaw);
	return e ? e : put_data(json, tx, b);
}

/* ${len || bytes}, as in lists. */
static enum err
put_sized(const json_t *json, const struct ledger_tx *tx, uint8_t chain_byte,
    struct buf *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	enum err e = tx ? put_data(json, tx, &b) :
			  put_any(json, chain_byte, &b);

	if (e)
		return e;
	buf_u32(out, (uint32_t)b.len);
	buf_put(out, b.p, b.len);
	return out->err;
}

/* A container holds no container. */
static void
put_inner(struct out *o, const char *name)
{
	const json_t *list = js_array(&o->r, name, MAX_INNER);

	buf_u16(o->b, (uint16_t)json_array_size(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);

		if (o->r.err)
			return;
		if (json_integer_value(json_object_get(j, "type")) == ATOMIC)
			fail(o, name);
		else
			o->r.err = put_sized(j, NULL, o->chain_byte, o->b);
	}
}

enum err
ledger_we_leaf(const json_t *json, const struct ledger_tx *tx,
    uint8_t chain_byte, struct ledger_listing *list)
{
	enum err e;

	if (!list->whole)
		return ERR_OK;
	e = put_sized(json, tx, chain_byte, &list->leaves);
	if (e == ERR_NOMEM)
		return e;
	list->whole = e == ERR_OK;
	return ERR_OK;
}
