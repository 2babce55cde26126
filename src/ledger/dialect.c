/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What differs between the networks that we write to: one table of functions
 * each.  All else (entries, ids, signatures, addresses) they have in common.
 */
#include "ledger/ledger_internal.h"

/* ---- Waves Enterprise, and the embedded node ---- */

static void
enterprise_head(struct buf *b, const struct ledger_tx *tx)
{
	buf_put(b, tx->sender.b, 32);
	buf_put(b, tx->author.b, 32);
}

static size_t
enterprise_paid(const struct ledger_tx *tx)
{
	return tx->body.len;
}

static int64_t
fee_of(const json_t *config, const char *rule, enum err *e)
{
	const json_t *fees = json_object_get(config, rule);
	const json_t *fee = json_object_get(fees, "12");
	int64_t n = json_integer_value(fee);

	if (n >= 0 && n <= LEDGER_FEE_ANY && (!fee || json_is_integer(fee)) &&
	    (!fees || json_is_null(fees) || json_is_object(fees)))
		return n;
	*e = err_say(ERR_FORMAT, "'%s' is no list of fees", rule);
	return 0;
}

/* {"chainId":"V","cryptoType":"WAVES","minimumFee":{"12":n},...} */
static enum err
enterprise_meet(struct ledger_node *n, const volatile bool *cancel,
    uint8_t *chain_byte, struct ledger_fee *fee)
{
	CLEANUP_JS json_t *j = NULL;
	const char *chain, *crypto;
	struct js r;
	enum err e = ledger_node_get(n, "/node/config", 0, cancel, &j);

	if (e == ERR_NOTFOUND)
		return err_say(ERR_CONFIG,
		    "node %s is not of Waves Enterprise; is the dialect in the "
		    "configuration right?",
		    n->url);
	if (e)
		return e;
	js_init(&r, j);
	chain = js_text(&r, "chainId", 4);
	crypto = js_text(&r, "cryptoType", 64);
	e = r.err;
	fee->base = fee_of(j, "minimumFee", &e);
	fee->more = fee_of(j, "additionalFee", &e);
	if (e)
		return ledger_node_strange(n, e);
	if (strcasecmp(crypto, "waves") != 0)
		return err_say(ERR_UNSUPPORTED,
		    "node %s uses cryptography '%s'; only WAVES is known",
		    n->url, crypto);
	if (chain[0] == '\0' || chain[1] != '\0')
		return ledger_node_strange(
		    n, err_say(ERR_FORMAT, "'%s' is no chain id", chain));
	*chain_byte = (uint8_t)chain[0];
	return ERR_OK;
}

static void
enterprise_id(struct js *r, struct sig *out)
{
	JS_58(r, "signature", out);
}

const struct ledger_dialect ledger_enterprise = {
	.name = "waves-enterprise",
	.author = true,
	.writes = 2,
	.reads = 3,
	.head = enterprise_head,
	.paid = enterprise_paid,
	.meet = enterprise_meet,
	.block_id = enterprise_id,
	.leaf = ledger_we_leaf,
	.check = ledger_we_check,
};

/* ---- public Waves ---- */

#define WAVES_FEE         100000 /* per started KiB */
#define WAVES_ENTRY_EXTRA 6      /* an entry in protobuf, at most */

static void
waves_head(struct buf *b, const struct ledger_tx *tx)
{
	buf_put(b, tx->sender.b, 32);
}

/*
 * Nodes count body, full or protobuf bytes, by the features of their chain:
 * take what is not less than any of them.
 */
static size_t
waves_paid(const struct ledger_tx *tx)
{
	return ledger_tx_full_size(tx) + WAVES_ENTRY_EXTRA * tx->nentries;
}

/* There is no configuration to ask for: the first generator's address tells. */
static enum err
waves_meet(struct ledger_node *n, const volatile bool *cancel,
    uint8_t *chain_byte, struct ledger_fee *fee)
{
	CLEANUP_JS json_t *j = NULL;
	uint8_t address[26];
	struct js r;
	enum err e = ledger_node_get(n, "/blocks/headers/at/1", 0, cancel, &j);

	if (e)
		return e;
	js_init(&r, j);
	js_58(&r, "generator", address, sizeof(address));
	if (r.err)
		return ledger_node_strange(n, r.err);
	*chain_byte = address[1];
	*fee = ledger_waves.fee;
	return ERR_OK;
}

/* 32 bytes since block version 5, before that the signature. */
static void
waves_id(struct js *r, struct sig *out)
{
	ledger_block_id(r, js_has(r, "id") ? "id" : "signature", out);
}

const struct ledger_dialect ledger_waves = {
	.name = "waves",
	.writes = 1,
	.reads = 1,
	.fee = { WAVES_FEE, WAVES_FEE },
	.head = waves_head,
	.paid = waves_paid,
	.meet = waves_meet,
	.block_id = waves_id,
	.leaf = ledger_waves_leaf,
	.check = ledger_waves_check,
};

const struct ledger_dialect *
ledger_dialect_find(const char *name)
{
	static const struct ledger_dialect *const all[] = { &ledger_enterprise,
		&ledger_waves };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	(void)err_say(ERR_CONFIG,
	    "'%s' is no dialect; write waves-enterprise or waves", name);
	return NULL;
}

const char *
ledger_dialect_name(const struct ledger_dialect *d)
{
	return d->name;
}

int64_t
ledger_fee(const struct ledger_fee *rule, const struct ledger_tx *tx)
{
	size_t n = tx->dialect->paid(tx);

	return rule->base + rule->more * (int64_t)((n ? n - 1 : 0) / 1024);
}
