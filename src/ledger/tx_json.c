/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

static const char *const type_names[] = {
	[LEDGER_INTEGER] = "integer",
	[LEDGER_BOOLEAN] = "boolean",
	[LEDGER_BINARY] = "binary",
	[LEDGER_STRING] = "string",
};

/* Members in the order in which nodes and wallets print them. */
struct out {
	json_t *obj;
	bool failed;
};

static void
put(struct out *o, const char *name, json_t *value)
{
	if (json_object_set_new(o->obj, name, value) != 0)
		o->failed = true;
}

static json_t *
binary_value(const struct ledger_entry *e)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_str(&b, "base64:");
	text64(e->value, e->len, &b);
	return b.err ? NULL : json_stringn((const char *)b.p, b.len);
}

static json_t *
value_json(const struct ledger_entry *e)
{
	if (e->type == LEDGER_INTEGER)
		return json_integer(e->number);
	if (e->type == LEDGER_BOOLEAN)
		return json_boolean(e->number != 0);
	if (e->type == LEDGER_BINARY)
		return binary_value(e);
	return json_stringn((const char *)e->value, e->len);
}

static json_t *
data_json(const struct ledger_tx *tx, bool *failed)
{
	json_t *data = json_array();

	for (size_t i = 0; i < tx->nentries; i++) {
		const struct ledger_entry *e = &tx->entry[i];
		struct out o = { json_object(), false };

		put(&o, "key", json_string(e->key));
		put(&o, "type", json_string(type_names[e->type]));
		put(&o, "value", value_json(e));
		if (json_array_append_new(data, o.obj) != 0 || o.failed)
			*failed = true;
	}
	return data;
}

static json_t *
address_json(const struct pubkey *key, uint8_t chain_byte)
{
	uint8_t a[26];

	seal_address(key, chain_byte, a);
	return js_58_new(a, sizeof(a));
}

static json_t *
badge_json(const struct ledger_tx *tx)
{
	if (tx->badge == 0)
		return json_null();
	if (tx->badge == 1)
		return json_object();
	return json_pack("{s:o}", "trustedSender",
	    js_58_new(tx->trusted, sizeof(tx->trusted)));
}

enum err
ledger_tx_json(const struct ledger_tx *tx, uint8_t chain_byte, json_t **out)
{
	struct out o = { json_object(), false };

	put(&o, "type", json_integer(12));
	put(&o, "version", json_integer(tx->version));
	put(&o, "id", JS_58_NEW(&tx->id));
	put(&o, "sender", address_json(&tx->sender, chain_byte));
	put(&o, "senderPublicKey", JS_58_NEW(&tx->sender));
	if (tx->dialect->author) {
		put(&o, "author", address_json(&tx->author, chain_byte));
		put(&o, "authorPublicKey", JS_58_NEW(&tx->author));
	}
	put(&o, "fee", json_integer(tx->fee));
	put(&o, "timestamp", json_integer(tx->timestamp));
	put(&o, "data", data_json(tx, &o.failed));
	if (tx->version >= 2)
		put(&o, "feeAssetId",
		    tx->has_asset ? js_58_new(tx->asset, sizeof(tx->asset)) :
				    json_null());
	if (tx->version >= 3)
		put(&o, "atomicBadge", badge_json(tx));
	put(&o, "proofs", json_pack("[o]", JS_58_NEW(&tx->proof)));
	if (tx->height)
		put(&o, "height", json_integer((json_int_t)tx->height));
	if (o.failed) {
		json_decref(o.obj);
		return ERR_NOMEM;
	}
	*out = o.obj;
	return ERR_OK;
}
