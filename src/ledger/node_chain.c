/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"

#define NO_SEQ_MS 300000 /* how long a 404 to a range is believed */

static enum err get(struct ledger_node *n, const volatile bool *cancel,
    size_t max, json_t **out, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static enum err
get(struct ledger_node *n, const volatile bool *cancel, size_t max,
    json_t **out, const char *fmt, ...)
{
	char path[96];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return ledger_node_get(n, path, max, cancel, out);
}

enum err
ledger_node_height(
    struct ledger_node *n, const volatile bool *cancel, uint64_t *out)
{
	CLEANUP_JS json_t *j = NULL;
	struct js r;
	enum err e = get(n, cancel, 0, &j, "/blocks/height");

	if (e)
		return e;
	js_init(&r, j);
	*out = (uint64_t)js_int(&r, "height", 0, INT64_MAX);
	return r.err;
}

enum err
ledger_node_id_at(struct ledger_node *n, uint64_t height,
    const volatile bool *cancel, struct sig *out)
{
	CLEANUP_JS json_t *j = NULL;
	struct js r;
	enum err e = get(n, cancel, 0, &j, "/blocks/headers/at/%llu",
	    (unsigned long long)height);

	if (e)
		return e;
	js_init(&r, j);
	n->dialect->block_id(&r, out);
	return r.err;
}

static enum err
one_block(struct ledger_node *n, uint64_t height, const volatile bool *cancel,
    json_t **out)
{
	CLEANUP_JS json_t *j = NULL;
	enum err e = get(n, cancel, LEDGER_BLOCKS_ANSWER, &j, "/blocks/at/%llu",
	    (unsigned long long)height);

	if (e)
		return e;
	*out = json_pack("[O]", j);
	return *out ? ERR_OK : ERR_NOMEM;
}

static enum err
range(struct ledger_node *n, uint64_t from, uint64_t count,
    const volatile bool *cancel, json_t **out)
{
	CLEANUP_JS json_t *j = NULL;
	enum err e = get(n, cancel, LEDGER_BLOCKS_ANSWER, &j,
	    "/blocks/seq/%llu/%llu", (unsigned long long)from,
	    (unsigned long long)(from + count - 1));

	if (e)
		return e;
	/* heights above the tip are left out, but one must be there */
	if (!json_is_array(j) || json_array_size(j) == 0 ||
	    json_array_size(j) > count)
		return err_say(ERR_FORMAT,
		    "the node does not answer the blocks from %llu on",
		    (unsigned long long)from);
	*out = TAKE(j);
	return ERR_OK;
}

enum err
ledger_node_blocks(struct ledger_node *n, uint64_t from, uint64_t count,
    const volatile bool *cancel, json_t **out)
{
	enum err e = ERR_NOTFOUND;
	int64_t now = clock_boot_ms();

	if (now >= __atomic_load_n(&n->no_seq, __ATOMIC_RELAXED)) {
		e = range(n, from, count, cancel, out);
		if (e == ERR_NOTFOUND) /* some kinds of nodes have none */
			__atomic_store_n(
			    &n->no_seq, now + NO_SEQ_MS, __ATOMIC_RELAXED);
	}
	return e == ERR_NOTFOUND ? one_block(n, from, cancel, out) : e;
}

enum err
ledger_node_block(
    const struct ledger_node *n, const json_t *json, struct ledger_block **out)
{
	const struct ledger_pins pins = { n->chain.b[0], n->ngenerators,
		n->generator };

	return ledger_block_read_as(n->dialect, json, &pins, out);
}

enum err
ledger_node_balance(
    struct ledger_node *n, const struct pubkey *key, int64_t *out)
{
	CLEANUP_JS json_t *j = NULL;
	uint8_t address[26];
	struct js r;
	enum err e;

	seal_address(key, n->chain.b[0], address);
	e = get(n, NULL, 0, &j, "/addresses/balance/%s",
	    text58(address, sizeof(address), &(struct text58){ "" }));
	if (e)
		return e;
	js_init(&r, j);
	*out = js_int(&r, "balance", 0, INT64_MAX);
	return r.err;
}

void
ledger_chain_of(uint8_t chain_byte, const struct sig *id, struct chain *out)
{
	seal_chain_make(chain_byte, id->b, ledger_block_id_len(id), out);
}
