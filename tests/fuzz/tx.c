/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data transactions as JSON, as a node and a client read them.  Signatures of
 * zeros are good (wrap_verify.c).  What is read has one body and one id, and
 * its JSON reads as the same transaction.
 */
#include "fuzz.h"
#include "ledger/ledger.h"

static bool
is_refusal(enum err e)
{
	return e == ERR_FORMAT || e == ERR_FORGED || e == ERR_UNSUPPORTED;
}

static void
same(const struct ledger_tx *a, const struct ledger_tx *b)
{
	MUST(a->body.len == b->body.len);
	MUST(memcmp(a->body.p, b->body.p, a->body.len) == 0);
	MUST(ID_EQ(&a->id, &b->id) && ID_EQ(&a->proof, &b->proof));
	MUST(a->nentries == b->nentries && a->height == b->height);
	for (size_t i = 0; i < a->nentries; i++) {
		const struct ledger_entry *x = &a->entry[i], *y = &b->entry[i];

		MUST(strcmp(x->key, y->key) == 0 && x->type == y->type);
		MUST(x->number == y->number && x->len == y->len);
		MUST(x->len == 0 || memcmp(x->value, y->value, x->len) == 0);
	}
}

static void
check_bounds(const struct ledger_tx *tx)
{
	MUST(tx->version >= 1 && tx->version <= 3);
	MUST(tx->nentries <= LEDGER_MAX_ENTRIES);
	MUST(ledger_tx_full_size(tx) <= LEDGER_MAX_TX_ANY);
	MUST(tx->timestamp >= 0 && tx->fee >= 0);
	for (size_t i = 0; i < tx->nentries; i++) {
		MUST(tx->entry[i].len <= LEDGER_MAX_VALUE);
		MUST(strlen(tx->entry[i].key) <= LEDGER_MAX_KEY);
	}
}

/* Each entry of ours is found under its name. */
static void
check_names(const struct ledger_tx *tx)
{
	for (size_t i = 0; i < tx->nentries; i++) {
		struct entry_key key;

		if (ledger_entry_read(tx->entry[i].key, &key) == ERR_OK)
			MUST(ledger_entry_find(tx, &key) == &tx->entry[i]);
	}
}

static void
try_again(const struct ledger_tx *tx)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *again = NULL;
	CLEANUP_JS json_t *j = NULL;

	check_bounds(tx);
	check_names(tx);
	MUST(ledger_tx_json(tx, 'V', &j) == ERR_OK);
	MUST(ledger_tx_read(j, &again) == ERR_OK);
	same(tx, again);
}

static void
try_json(const json_t *j)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL, *strict = NULL;
	enum ledger_tx_flaw flaw;
	enum err e = ledger_tx_read(j, &tx);

	MUST(e == ERR_OK || is_refusal(e));
	MUST((e == ERR_OK) == (tx != NULL));
	if (e == ERR_OK)
		try_again(tx);
	e = ledger_tx_read_strict(
	    tx ? tx->dialect : &ledger_enterprise, j, &strict, &flaw);
	MUST(e == ERR_OK || is_refusal(e));
	MUST((e == ERR_OK) == (flaw == LEDGER_FLAW_NONE));
	MUST(tx == NULL || strict != NULL);
	if (tx)
		MUST(ID_EQ(&tx->id, &strict->id));
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	for (uint8_t version = 1; version <= 2; version++) {
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
		CLEANUP_BUF struct buf text = { 0 };
		CLEANUP_JS json_t *j = NULL;

		MUST(ledger_tx_new(&tx) == ERR_OK);
		tx->version = version;
		tx->timestamp = 1700000000000;
		MUST(
		    ledger_tx_binary(tx, "cfs1.2VfUX", "\1\1abc", 5) == ERR_OK);
		MUST(ledger_tx_sign(tx, fuzz_identity(1)) == ERR_OK);
		memset(tx->proof.b, 0, sizeof(tx->proof.b));
		MUST(ledger_tx_json(tx, 'V', &j) == ERR_OK);
		js_print(j, &text);
		fuzz_seed(to, text.p, text.len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	/* as the node's client reads: a text may hold NUL */
	CLEANUP_JS json_t *strict = NULL;
	json_t *loose = json_loadb(
	    (const char *)p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	if (js_parse(p, n, JS_DEPTH, &strict) == ERR_OK)
		try_json(strict);
	if (loose)
		try_json(loose);
	json_decref(loose);
	return 0;
}
