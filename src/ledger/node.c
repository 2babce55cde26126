/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define NAP_MS          20 /* how soon a cancelled sleep ends */
#define MIN_ROUND_MS    50 /* a node that answers at once is not asked faster */
#define LONGEST_POLL_MS 60000
#define NO_WAIT_MS      60000 /* how long "no long poll" is believed */

/* A node may not take more from an account than its owner agreed to. */
enum err
ledger_node_fee_set(struct ledger_node *n, const struct ledger_fee *fee)
{
	int64_t most = fee->base + fee->more * (LEDGER_MAX_TX / 1024 + 1);

	if (n->fee_max && most > n->fee_max)
		return err_say(ERR_CONFIG,
		    "the node asks for up to %lld units a transaction, more "
		    "than fee_max (%lld); if that is right, set fee_max",
		    (long long)most, (long long)n->fee_max);
	(void)pthread_mutex_lock(&n->lock);
	n->fee = *fee;
	n->has_fee = true;
	(void)pthread_mutex_unlock(&n->lock);
	return ERR_OK;
}

bool
ledger_node_fee(struct ledger_node *n, struct ledger_fee *out)
{
	bool has;

	(void)pthread_mutex_lock(&n->lock);
	*out = n->fee;
	has = n->has_fee;
	(void)pthread_mutex_unlock(&n->lock);
	return has;
}

bool
ledger_node_met(const struct ledger_node *n)
{
	return __atomic_load_n(&n->met, __ATOMIC_ACQUIRE);
}

/* A node that does not say why it refused may have it already. */
static bool
is_there(struct ledger_node *n, const struct tx_id *id)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	char why[LEDGER_WHY];
	enum err e;

	(void)snprintf(why, sizeof(why), "%s", err_detail(ERR_NODE));
	e = ledger_node_tx(n, id, &tx);
	(void)err_say(ERR_NODE, "%s", why); /* still the reason, if not */
	return e == ERR_OK;
}

enum err
ledger_node_send(struct ledger_node *n, const char *json,
    const struct tx_id *id, const volatile bool *cancel,
    const struct ledger_refusal **out)
{
	CLEANUP_JS json_t *j = NULL;
	struct ledger_told told;
	struct text58 t;
	const char *said;
	enum err e = ledger_node_call(n,
	    &(struct ledger_ask){ .path = "/transactions/broadcast",
		.body = json,
		.cancel = cancel },
	    &told, &j);

	(void)text58(id->b, sizeof(id->b), &t);
	*out = ledger_refusal(&told, t.s);
	if (e == ERR_NODE &&
	    ((*out)->fate == LEDGER_IT_HAS ||
		(told.status == 500 && is_there(n, id))))
		return ERR_OK;
	if (e == ERR_NODE && (*out)->fate == LEDGER_LATER)
		return err_say(ERR_BUSY, "%s", err_detail(e));
	if (e == ERR_NOTFOUND) /* a path that any node has: not a node */
		e = err_say(ERR_NODE, "%s", err_detail(e));
	if (e == ERR_NODE && (*out)->remedy)
		return err_say(e, "%s; %s", err_detail(e), (*out)->remedy);
	if (e)
		return e;
	said = json_string_value(json_object_get(j, "id"));
	if (said == NULL || strcmp(said, t.s) != 0)
		return err_say(ERR_FORMAT,
		    "%s does not answer a broadcast as a node does", n->url);
	return ERR_OK;
}

enum err
ledger_node_broadcast(
    struct ledger_node *n, const char *json, const struct tx_id *id)
{
	const struct ledger_refusal *why;

	return ledger_node_send(n, json, id, NULL, &why);
}

static enum err
get_tx(struct ledger_node *n, const char *where, const struct tx_id *id,
    json_t **out)
{
	CLEANUP_BUF struct buf path = { 0 };

	buf_str(&path, where);
	buf_str(&path, TEXT58(id));
	if (path.err)
		return path.err;
	return ledger_node_get(n, buf_text(&path), 0, NULL, out);
}

enum err
ledger_node_tx(
    struct ledger_node *n, const struct tx_id *id, struct ledger_tx **out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	enum ledger_tx_flaw flaw;
	enum err e = get_tx(n, "/transactions/info/", id, &j);
	bool pool = e == ERR_NOTFOUND;

	if (pool)
		e = get_tx(n, "/transactions/unconfirmed/info/", id, &j);
	if (e == ERR_OK)
		e = ledger_tx_read_chain(n->dialect, j, &tx, &flaw);
	if (e)
		return e;
	if (!ID_EQ(&tx->id, id))
		return err_say(ERR_FORGED,
		    "node %s answers another transaction than %s", n->url,
		    TEXT58(id));
	if (pool)
		tx->height = 0;
	tx->confirmed = !pool;
	*out = TAKE(tx);
	return ERR_OK;
}

static bool
is_set(const volatile bool *flag)
{
	return flag && __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

void
ledger_nap(int64_t ms, const volatile bool *cancel)
{
	int64_t until = clock_boot_ms() + ms, left = ms;

	while (left > 0 && !is_set(cancel)) {
		clock_sleep_ms(left < NAP_MS ? left : NAP_MS);
		left = until - clock_boot_ms();
	}
}

/* The embedded node's long poll: {"height":n,"unconfirmed":k}. */
static enum err
long_poll(struct ledger_node *n, uint64_t height, int64_t ms,
    const volatile bool *cancel, bool *out_news)
{
	CLEANUP_BUF struct buf path = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct ledger_told told;
	struct js r;
	int64_t now, pool;
	enum err e;

	buf_fmt(&path, "/consentfs/wait?height=%llu&ms=%lld",
	    (unsigned long long)height, (long long)ms);
	if (path.err)
		return path.err;
	e = ledger_node_call(n,
	    &(struct ledger_ask){ .path = buf_text(&path),
		.timeout_ms = ms + 5000,
		.cancel = cancel },
	    &told, &j);
	if (e)
		return e;
	js_init(&r, j);
	now = js_int(&r, "height", 0, INT64_MAX);
	pool = js_int(&r, "unconfirmed", 0, INT64_MAX);
	*out_news = (uint64_t)now > height || pool > 0;
	return r.err;
}

void
ledger_node_wait(struct ledger_node *n, uint64_t height, int64_t ms,
    const volatile bool *cancel)
{
	int64_t begun = clock_boot_ms();
	bool news = false;

	n = ledger_node_peer(n, ledger_node_current(n));
	if (ms > LONGEST_POLL_MS)
		ms = LONGEST_POLL_MS;
	if (begun >= __atomic_load_n(&n->no_wait, __ATOMIC_RELAXED)) {
		enum err e = long_poll(n, height, ms, cancel, &news);

		if (e == ERR_NOTFOUND || e == ERR_NODE || e == ERR_FORMAT)
			__atomic_store_n(
			    &n->no_wait, begun + NO_WAIT_MS, __ATOMIC_RELAXED);
	}
	if (news) /* unconfirmed ones are news until they are in a block */
		ms = MIN_ROUND_MS;
	else if (ms > 1000)
		ms = 1000;
	/* what is left of it, after a node that did not wait either */
	ledger_nap(begun + ms - clock_boot_ms(), cancel);
}
