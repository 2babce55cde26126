/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#define ENTRY_PREFIX "cfs1."

enum err
ledger_tx_new(struct ledger_tx **out)
{
	struct ledger_tx *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return ERR_NOMEM;
	ledger_tx_dialect(tx, &ledger_enterprise, 2);
	*out = tx;
	return ERR_OK;
}

void
ledger_tx_dialect(
    struct ledger_tx *tx, const struct ledger_dialect *d, uint8_t version)
{
	tx->dialect = d;
	tx->version = version < d->writes ? version : d->writes;
}

void
ledger_tx_free(struct ledger_tx *tx)
{
	if (tx == NULL)
		return;
	for (size_t i = 0; i < tx->nentries; i++) {
		free(tx->entry[i].key);
		free(tx->entry[i].value);
	}
	free(tx->entry);
	buf_free(&tx->body);
	free(tx);
}

enum err
ledger_tx_slot(struct ledger_tx *tx, const char *key, struct ledger_entry **out)
{
	size_t n = tx->nentries;
	struct ledger_entry *e;

	if (n >= LEDGER_MAX_ENTRIES)
		return err_say(ERR_TOOBIG,
		    "a transaction has at most %d entries", LEDGER_MAX_ENTRIES);
	if ((n & (n - 1)) == 0) { /* full: sizes are powers of two */
		e = realloc(tx->entry, (n ? 2 * n : 1) * sizeof(*e));
		if (e == NULL)
			return ERR_NOMEM;
		tx->entry = e;
	}
	e = &tx->entry[n];
	memset(e, 0, sizeof(*e));
	e->key = strdup(key);
	if (e->key == NULL)
		return ERR_NOMEM;
	tx->nentries++;
	*out = e;
	return ERR_OK;
}

/* Nodes count UTF-16 units: four bytes of UTF-8 are two. */
static size_t
utf16_units(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((*s & 0xc0) != 0x80) + ((uint8_t)*s >= 0xf0);
	return n;
}

static enum err
check_key(const char *key)
{
	size_t n = strnlen(key, LEDGER_MAX_KEY + 1);

	if (n == 0)
		return err_say(ERR_INVAL, "an entry's key is empty");
	if (n > LEDGER_MAX_KEY || utf16_units(key) > 100)
		return err_say(
		    ERR_TOOBIG, "an entry's key has more than 100 characters");
	if (!text_is_utf8(key, n))
		return err_say(ERR_INVAL, "an entry's key is not UTF-8");
	return ERR_OK;
}

static enum err
check_value_len(size_t n)
{
	if (n > LEDGER_MAX_VALUE)
		return err_say(ERR_TOOBIG,
		    "an entry's value has more than %d bytes",
		    LEDGER_MAX_VALUE);
	return ERR_OK;
}

enum err
ledger_tx_binary(struct ledger_tx *tx, const char *key, const void *p, size_t n)
{
	struct ledger_entry *e;
	enum err err = check_key(key);

	if (err == ERR_OK)
		err = check_value_len(n);
	if (err == ERR_OK)
		err = ledger_tx_slot(tx, key, &e);
	if (err)
		return err;
	e->type = LEDGER_BINARY;
	e->value = malloc(n ? n : 1);
	if (e->value == NULL)
		return ERR_NOMEM;
	if (n)
		memcpy(e->value, p, n);
	e->len = n;
	return ERR_OK;
}

/* At most 100 entries: comparing all pairs is cheaper than sorting. */
static enum err
check_entries(const struct ledger_tx *tx)
{
	if (tx->nentries > LEDGER_MAX_ENTRIES)
		return err_say(
		    ERR_TOOBIG, "more than %d entries", LEDGER_MAX_ENTRIES);
	for (size_t i = 0; i < tx->nentries; i++) {
		const struct ledger_entry *e = &tx->entry[i];
		enum err err = check_key(e->key);

		if (err == ERR_OK)
			err = check_value_len(e->len);
		if (err)
			return err;
		for (size_t k = 0; k < i; k++)
			if (strcmp(tx->entry[k].key, e->key) == 0)
				return err_say(
				    ERR_INVAL, "two entries have the same key");
	}
	return ERR_OK;
}

static void
put_entry(struct buf *b, const struct ledger_entry *e)
{
	size_t n = strlen(e->key);

	buf_u16(b, (uint16_t)n);
	buf_put(b, e->key, n);
	buf_u8(b, (uint8_t)e->type);
	if (e->type == LEDGER_INTEGER)
		buf_u64(b, (uint64_t)e->number);
	else if (e->type == LEDGER_BOOLEAN)
		buf_u8(b, e->number != 0);
	else {
		buf_u16(b, (uint16_t)e->len);
		buf_put(b, e->value, e->len);
	}
}

static void
put_body(struct buf *b, const struct ledger_tx *tx)
{
	buf_u8(b, 12);
	buf_u8(b, tx->version);
	tx->dialect->head(b, tx);
	buf_u16(b, (uint16_t)tx->nentries);
	for (size_t i = 0; i < tx->nentries; i++)
		put_entry(b, &tx->entry[i]);
	buf_u64(b, (uint64_t)tx->timestamp);
	buf_u64(b, (uint64_t)tx->fee);
	if (tx->version >= 2) {
		buf_u8(b, tx->has_asset);
		if (tx->has_asset)
			buf_put(b, tx->asset, sizeof(tx->asset));
	}
	if (tx->version >= 3) {
		buf_u8(b, tx->badge != 0);
		if (tx->badge)
			buf_u8(b, tx->badge == 2);
		if (tx->badge == 2)
			buf_put(b, tx->trusted, sizeof(tx->trusted));
	}
}

enum err
ledger_tx_encode(struct ledger_tx *tx)
{
	struct seal_part part;
	enum err e;

	if (tx->version < 1 || tx->version > tx->dialect->reads)
		return err_say(ERR_UNSUPPORTED,
		    "data transaction version %d is not known", tx->version);
	e = check_entries(tx);
	if (e)
		return e;
	buf_free(&tx->body);
	put_body(&tx->body, tx);
	if (tx->body.err)
		return tx->body.err;
	if (ledger_tx_full_size(tx) > LEDGER_MAX_TX_ANY)
		return err_say(ERR_TOOBIG,
		    "the transaction has more than %d bytes",
		    LEDGER_MAX_TX_ANY);
	part = (struct seal_part){ tx->body.p, tx->body.len };
	seal_hash(NULL, &part, 1, tx->id.b);
	return ERR_OK;
}

enum err
ledger_tx_pay(struct ledger_tx *tx, const struct ledger_fee *fee)
{
	enum err e = ledger_tx_encode(tx);

	if (e == ERR_OK)
		tx->fee = ledger_fee(fee, tx);
	return e;
}

size_t
ledger_tx_full_size(const struct ledger_tx *tx)
{
	return tx->body.len + LEDGER_PROOF_BYTES;
}

enum err
ledger_tx_sign(struct ledger_tx *tx, const struct seal_identity *id)
{
	enum err e;

	if (tx->version > tx->dialect->writes)
		return err_say(ERR_UNSUPPORTED,
		    "transactions of %s are written up to version %d",
		    tx->dialect->name, tx->dialect->writes);
	tx->sender = *seal_identity_key(id);
	tx->author = tx->sender;
	e = ledger_tx_encode(tx);
	if (e)
		return e;
	if (ledger_tx_full_size(tx) > LEDGER_MAX_TX)
		return err_say(ERR_TOOBIG,
		    "the transaction has more than %d bytes", LEDGER_MAX_TX);
	seal_sign_raw(id, tx->body.p, tx->body.len, &tx->proof);
	return ERR_OK;
}

size_t
ledger_entry_size(const char *key, size_t value_len)
{
	return 2 + strlen(key) + 1 + 2 + value_len;
}

const char *
ledger_entry_name(const struct entry_key *key, struct text58 *out)
{
	struct text58 t;

	(void)text58(key->b, sizeof(key->b), &t); /* at most 22 characters */
	(void)snprintf(out->s, sizeof(out->s), ENTRY_PREFIX "%.32s", t.s);
	return out->s;
}

enum err
ledger_entry_read(const char *name, struct entry_key *out)
{
	size_t n = strlen(ENTRY_PREFIX);

	if (strncmp(name, ENTRY_PREFIX, n) != 0)
		return ERR_FORMAT;
	return text58_read(name + n, out->b, sizeof(out->b));
}

const struct ledger_entry *
ledger_entry_find(const struct ledger_tx *tx, const struct entry_key *key)
{
	struct text58 t;
	const char *name = ledger_entry_name(key, &t);

	for (size_t i = 0; i < tx->nentries; i++)
		if (strcmp(tx->entry[i].key, name) == 0)
			return &tx->entry[i];
	return NULL;
}
