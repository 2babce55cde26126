/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#define MAX_PROOFS 8

enum how {
	CHECK_ID = 1, /* nodes ignore the id of what is sent to them */
	CHAIN = 2,    /* from a chain: see ledger_tx_read_chain() */
};

struct in {
	const struct ledger_dialect *dialect; /* NULL: by its members */
	const json_t *obj;
	struct ledger_tx *tx;
	enum how how;
	enum ledger_tx_flaw flaw;
};

static enum err
bad_member(struct in *in, const char *name)
{
	in->flaw = LEDGER_FLAW_JSON;
	return err_say(ERR_FORMAT,
	    "member '%s' of a transaction is missing or of a wrong type", name);
}

static enum err
flawed(struct in *in, enum ledger_tx_flaw flaw, enum err e)
{
	in->flaw = flaw;
	return e;
}

/* A string without NUL, or NULL. */
static const char *
text_of(const json_t *j)
{
	const char *s = json_string_value(j);

	return s && strlen(s) == json_string_length(j) ? s : NULL;
}

static enum err
read_number(struct in *in, const char *name, int64_t *out)
{
	const json_t *j = json_object_get(in->obj, name);

	if (!json_is_integer(j))
		return bad_member(in, name);
	*out = json_integer_value(j);
	if (*out < 0)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORMAT, "member '%s' is negative", name));
	return ERR_OK;
}

static enum err
read_kind(struct in *in)
{
	const json_t *version = json_object_get(in->obj, "version");
	int64_t v = 1, type;
	enum err e = read_number(in, "type", &type);

	if (e)
		return e;
	if (version && !json_is_null(version)) {
		e = read_number(in, "version", &v);
		if (e)
			return e;
	}
	if (in->dialect)
		in->tx->dialect = in->dialect;
	else if (v == 1 && !json_object_get(in->obj, "authorPublicKey"))
		in->tx->dialect = &ledger_waves;
	if (type != 12 || v < 1 || v > in->tx->dialect->reads)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_UNSUPPORTED,
			"transaction type %lld version %lld is not known",
			(long long)type, (long long)v));
	in->tx->version = (uint8_t)v;
	return ERR_OK;
}

static enum err
read_key(struct in *in, const char *name, bool check, struct pubkey *out)
{
	const char *s = text_of(json_object_get(in->obj, name));

	if (s == NULL)
		return bad_member(in, name);
	if (text58_read(s, out->b, sizeof(out->b)) != ERR_OK)
		return flawed(in, LEDGER_FLAW_KEY,
		    err_say(
			ERR_FORMAT, "member '%s' is not a public key", name));
	if (check && seal_key_check(out) != ERR_OK)
		return flawed(in, LEDGER_FLAW_KEY,
		    err_say(ERR_FORGED,
			"member '%s' is not a canonical public key", name));
	return ERR_OK;
}

static enum err
set_bytes(struct ledger_entry *e, const void *p, size_t n)
{
	e->value = malloc(n ? n : 1);
	if (e->value == NULL)
		return ERR_NOMEM;
	if (n)
		memcpy(e->value, p, n);
	e->len = n;
	return ERR_OK;
}

static enum err
read_integer(struct in *in, const json_t *v, struct ledger_entry *e)
{
	if (!json_is_integer(v))
		return bad_member(in, "value");
	e->number = json_integer_value(v);
	return ERR_OK;
}

static enum err
read_boolean(struct in *in, const json_t *v, struct ledger_entry *e)
{
	if (!json_is_boolean(v))
		return bad_member(in, "value");
	e->number = json_is_true(v);
	return ERR_OK;
}

static enum err
read_binary(struct in *in, const json_t *v, struct ledger_entry *e)
{
	static const char prefix[] = "base64:";
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = text_of(v);
	enum err err;

	if (s == NULL)
		return bad_member(in, "value");
	if (strncmp(s, prefix, sizeof(prefix) - 1) == 0)
		s += sizeof(prefix) - 1;
	err = text64_read(s, strlen(s), &b);
	if (err == ERR_NOMEM)
		return err;
	return err ? bad_member(in, "value") : set_bytes(e, b.p, b.len);
}

static enum err
read_string(struct in *in, const json_t *v, struct ledger_entry *e)
{
	if (!json_is_string(v))
		return bad_member(in, "value");
	return set_bytes(e, json_string_value(v), json_string_length(v));
}

static const struct kind {
	const char *name;
	enum ledger_value type;
	enum err (*read)(struct in *, const json_t *, struct ledger_entry *);
} kinds[] = {
	{ "integer", LEDGER_INTEGER, read_integer },
	{ "boolean", LEDGER_BOOLEAN, read_boolean },
	{ "binary", LEDGER_BINARY, read_binary },
	{ "string", LEDGER_STRING, read_string },
};

static const struct kind *
kind_of(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static enum err
read_entry(struct in *in, const json_t *j)
{
	const json_t *key = json_object_get(j, "key");
	const struct kind *kind = kind_of(text_of(json_object_get(j, "type")));
	struct ledger_entry *entry;
	enum err e;

	if (!json_is_string(key) || kind == NULL)
		return bad_member(in, "data");
	if (text_of(key) == NULL) /* nodes take it, we have no use for it */
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_UNSUPPORTED, "an entry's key holds a NUL"));
	e = ledger_tx_slot(in->tx, text_of(key), &entry);
	if (e)
		return e;
	entry->type = kind->type;
	return kind->read(in, json_object_get(j, "value"), entry);
}

static enum err
read_data(struct in *in)
{
	const json_t *data = json_object_get(in->obj, "data");
	size_t n = json_array_size(data);
	enum err e = ERR_OK;

	if (!json_is_array(data))
		return bad_member(in, "data");
	if (n > LEDGER_MAX_ENTRIES)
		return flawed(in, LEDGER_FLAW_BIG,
		    err_say(ERR_TOOBIG, "more than %d entries",
			LEDGER_MAX_ENTRIES));
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = read_entry(in, json_array_get(data, i));
	return e;
}

static enum err
read_asset(struct in *in)
{
	const json_t *j = json_object_get(in->obj, "feeAssetId");
	const char *s = text_of(j);

	if (in->tx->version < 2 || j == NULL || json_is_null(j))
		return ERR_OK;
	if (s == NULL)
		return bad_member(in, "feeAssetId");
	if (*s == '\0')
		return ERR_OK;
	if (text58_read(s, in->tx->asset, 32) != ERR_OK)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORMAT, "feeAssetId is not an asset's id"));
	in->tx->has_asset = true;
	return ERR_OK;
}

static enum err
read_badge(struct in *in)
{
	const json_t *j = json_object_get(in->obj, "atomicBadge");
	const json_t *who = json_object_get(j, "trustedSender");
	const char *s = text_of(who);

	if (in->tx->version < 3 || j == NULL || json_is_null(j))
		return ERR_OK;
	if (!json_is_object(j))
		return bad_member(in, "atomicBadge");
	in->tx->badge = 1;
	if (who == NULL || json_is_null(who))
		return ERR_OK;
	if (s == NULL)
		return bad_member(in, "trustedSender");
	if (strncmp(s, "address:", 8) == 0)
		s += 8;
	if (text58_read(s, in->tx->trusted, 26) != ERR_OK)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORMAT, "trustedSender is not an address"));
	in->tx->badge = 2;
	return ERR_OK;
}

static enum err
read_proof(struct in *in)
{
	const json_t *proofs = json_object_get(in->obj, "proofs");
	const char *s = text_of(json_array_get(proofs, 0));
	uint8_t any[TEXT58_MAX_BYTES];
	size_t n;

	if (!json_is_array(proofs))
		return bad_member(in, "proofs");
	if (json_array_size(proofs) > MAX_PROOFS)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORGED, "there are too many proofs"));
	if (json_array_size(proofs) != 1)
		return flawed(in, LEDGER_FLAW_PROOF,
		    err_say(ERR_FORGED, "there is not exactly 1 proof"));
	if (s == NULL)
		return bad_member(in, "proofs");
	if (text58_read_any(s, any, sizeof(any), &n) != ERR_OK || n > SIG_BYTES)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORMAT, "invalid proof"));
	if (n != SIG_BYTES)
		return flawed(in, LEDGER_FLAW_PROOF,
		    err_say(ERR_FORGED, "the proof is not a signature"));
	memcpy(in->tx->proof.b, any, SIG_BYTES);
	return ERR_OK;
}

/* Check limits, rebuild the body. */
static enum err
rebuild(struct in *in)
{
	enum err e = ledger_tx_encode(in->tx);

	if (e == ERR_TOOBIG)
		in->flaw = LEDGER_FLAW_BIG;
	else if (e == ERR_INVAL)
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORMAT, "%s", err_detail(e)));
	return e;
}

static enum err
check_id(struct in *in)
{
	const json_t *j = json_object_get(in->obj, "id");
	const char *s = text_of(j);
	struct tx_id id;

	if (!(in->how & CHECK_ID) || j == NULL || json_is_null(j))
		return ERR_OK;
	if (s == NULL || text58_read(s, id.b, sizeof(id.b)) != ERR_OK)
		return bad_member(in, "id");
	if (!ID_EQ(&id, &in->tx->id))
		return flawed(in, LEDGER_FLAW_CUSTOM,
		    err_say(ERR_FORGED, "transaction %s does not have that id",
			TEXT58(&in->tx->id)));
	return ERR_OK;
}

/* S + L back to S; the sign bit of the public key travels in the top bit. */
static void
canonical_proof(struct sig *sig)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63,
		0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
		0x14, [31] = 0x10 };
	uint8_t *s = sig->b + 32, less[32];
	int borrow = 0;

	for (int i = 0; i < 32; i++) {
		int d = (i == 31 ? s[i] & 0x7f : s[i]) - order[i] - borrow;

		borrow = d < 0;
		less[i] = (uint8_t)d;
	}
	if (borrow || (s[31] & 0x60))
		return;
	less[31] |= s[31] & 0x80;
	memcpy(s, less, sizeof(less));
}

static enum err
check_proof(struct in *in)
{
	struct ledger_tx *tx = in->tx;

	if (in->how & CHAIN)
		canonical_proof(&tx->proof);
	if (seal_verify_raw(
		&tx->sender, tx->body.p, tx->body.len, &tx->proof) != ERR_OK)
		return flawed(in, LEDGER_FLAW_PROOF,
		    err_say(ERR_FORGED,
			"the signature of transaction %s is wrong",
			TEXT58(&tx->id)));
	return ERR_OK;
}

static enum err
read_members(struct in *in)
{
	enum err e = read_kind(in);

	if (e == ERR_OK)
		e = read_number(in, "fee", &in->tx->fee);
	if (e == ERR_OK)
		e = read_number(in, "timestamp", &in->tx->timestamp);
	if (e == ERR_OK)
		e = read_key(in, "senderPublicKey", true, &in->tx->sender);
	in->tx->author = in->tx->sender;
	if (e == ERR_OK && in->tx->dialect->author)
		e = read_key(in, "authorPublicKey", false, &in->tx->author);
	if (e == ERR_OK)
		e = read_asset(in);
	if (e == ERR_OK)
		e = read_badge(in);
	if (e == ERR_OK)
		e = read_data(in);
	return e;
}

/* Told by a node, not proved by anything here. */
static void
read_height(struct in *in)
{
	json_int_t h = json_integer_value(json_object_get(in->obj, "height"));

	in->tx->height = h > 0 ? (uint64_t)h : 0;
}

static enum err
read_any(const struct ledger_dialect *d, const json_t *json, enum how how,
    struct ledger_tx **out, enum ledger_tx_flaw *out_flaw)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	struct in in = { d, json, NULL, how, LEDGER_FLAW_NONE };
	enum err e = ledger_tx_new(&tx);

	if (e)
		return e;
	in.tx = tx;
	e = json_is_object(json) ? read_members(&in) : bad_member(&in, "type");
	if (e == ERR_OK)
		e = rebuild(&in);
	if (e == ERR_OK)
		e = check_id(&in);
	if (e == ERR_OK)
		e = read_proof(&in);
	if (e == ERR_OK)
		e = check_proof(&in);
	*out_flaw = in.flaw;
	if (e && !(how == 0 && in.flaw == LEDGER_FLAW_PROOF))
		return e;
	if (how & CHECK_ID)
		read_height(&in);
	*out = TAKE(tx);
	return e;
}

enum err
ledger_tx_proof(const json_t *json, struct sig *out)
{
	const char *s = text_of(
	    json_array_get(json_object_get(json, "proofs"), 0));

	if (s == NULL || text58_read(s, out->b, sizeof(out->b)) != ERR_OK)
		return err_say(ERR_FORMAT, "a proof is missing");
	return ERR_OK;
}

enum err
ledger_tx_read(const json_t *json, struct ledger_tx **out)
{
	enum ledger_tx_flaw flaw;
	enum err e = read_any(NULL, json, CHECK_ID, out, &flaw);

	if (e == ERR_TOOBIG)
		return err_say(ERR_FORMAT, "%s", err_detail(e));
	return e;
}

enum err
ledger_tx_read_strict(const struct ledger_dialect *d, const json_t *json,
    struct ledger_tx **out, enum ledger_tx_flaw *out_flaw)
{
	enum err e = read_any(d, json, 0, out, out_flaw);

	if (e == ERR_TOOBIG)
		return err_say(ERR_FORMAT, "%s", err_detail(e));
	return e;
}

enum err
ledger_tx_read_chain(const struct ledger_dialect *d, const json_t *json,
    struct ledger_tx **out, enum ledger_tx_flaw *out_flaw)
{
	return read_any(d, json, CHECK_ID | CHAIN, out, out_flaw);
}
