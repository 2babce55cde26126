/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The handshake: is it the right network, and the right chain?  Several nodes
 * are met at once, so that one that does not answer delays nobody for long.
 */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define LATE_MS 2000 /* what others have once the first has answered */
#define STEP_MS 5

static enum err
look(struct ledger_node *n, const volatile bool *cancel, struct chain *out,
    struct ledger_fee *fee)
{
	uint8_t chain_byte;
	struct sig id;
	enum err e = n->dialect->meet(n, cancel, &chain_byte, fee);

	if (e == ERR_OK)
		e = ledger_node_id_at(n, 1, cancel, &id);
	if (e == ERR_FORMAT)
		return ledger_node_strange(n, e);
	if (e == ERR_OK)
		ledger_chain_of(chain_byte, &id, out);
	return e;
}

enum err
ledger_node_chain(struct ledger_node *n, struct chain *out)
{
	struct ledger_fee fee;

	return look(ledger_node_peer(n, 0), NULL, out, &fee);
}

static enum err
meet_one(struct ledger_node *n, const volatile bool *cancel)
{
	struct ledger_fee fee;
	struct chain chain = { 0 };
	enum err e = look(n, cancel, &chain, &fee);

	if (e)
		return e;
	if (chain.b[0] != n->chain.b[0])
		return err_say(ERR_FORK,
		    "node %s is on chain '%c', not on '%c'; check its address",
		    n->url, chain.b[0], n->chain.b[0]);
	if (!ID_EQ(&chain, &n->chain))
		return err_say(ERR_FORK,
		    "node %s has another chain, %s; check its address and "
		    "the chain in the configuration",
		    n->url, TEXT58(&chain));
	return ledger_node_fee_set(n, &fee);
}

struct meeting {
	struct ledger_node *n;
	volatile bool *cancel;
	pthread_t thread;
	bool started;
	volatile bool done; /* atomic; then: */
	enum err e;
	char why[LEDGER_WHY];
};

static void *
run(void *arg)
{
	struct meeting *m = arg;

	m->e = ledger_node_meet(m->n, m->cancel);
	if (m->e == ERR_INTERRUPTED)
		m->e = err_say(
		    ERR_TIMEOUT, "node %s did not answer in time", m->n->url);
	if (m->e)
		(void)snprintf(m->why, sizeof(m->why), "%s", err_detail(m->e));
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool
is_done(const struct meeting *m)
{
	return __atomic_load_n(&m->done, __ATOMIC_ACQUIRE);
}

/* Until all are done, or one is and the others had their time. */
static void
wait_for(const struct meeting *m, size_t n, const volatile bool *cancel)
{
	int64_t end = INT64_MAX;
	bool all = false;

	while (!all && clock_boot_ms() < end) {
		all = true;
		for (size_t i = 0; i < n; i++) {
			all = all && is_done(&m[i]);
			if (end == INT64_MAX && is_done(&m[i]) &&
			    m[i].e == ERR_OK)
				end = clock_boot_ms() + LATE_MS;
		}
		if (cancel && __atomic_load_n(cancel, __ATOMIC_ACQUIRE))
			return;
		if (!all)
			ledger_nap(STEP_MS, cancel);
	}
}

/* One that answers suffices; one that is wrong is an error. */
static enum err
judge(struct ledger_node *n, const struct meeting *m)
{
	const struct meeting *right = NULL, *wrong = NULL, *away = NULL;
	struct ledger_fee fee;
	enum err e = ERR_OK;

	for (size_t i = 0; i < n->npeers; i++) {
		if (m[i].e == ERR_OK)
			right = &m[i];
		else if (ledger_node_away(m[i].e))
			away = &m[i];
		else if (wrong == NULL)
			wrong = &m[i];
	}
	if (wrong && wrong->e == ERR_FORK && right)
		return err_say(ERR_FORK, "nodes %s and %s disagree: %s",
		    right->n->url, wrong->n->url, wrong->why);
	if (wrong)
		return err_say(wrong->e, "%s", wrong->why);
	for (size_t i = 0; right && i < n->npeers; i++) {
		if (m[i].e)
			log_warn("ledger: %s", m[i].why);
		else if (e == ERR_OK && ledger_node_fee(m[i].n, &fee))
			e = ledger_node_fee_set(n, &fee);
	}
	return right || away == NULL ? e : err_say(away->e, "%s", away->why);
}

static enum err
meet_several(struct ledger_node *n, const volatile bool *cancel)
{
	CLEANUP(free)
	struct meeting *m = calloc(n->npeers, sizeof(*m));
	volatile bool over = false;

	if (m == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n->npeers; i++) {
		m[i].n = n->peer[i];
		m[i].cancel = &over;
		m[i].started = pthread_create(&m[i].thread, NULL, run, &m[i]) ==
		    0;
		if (!m[i].started)
			(void)run(&m[i]);
	}
	wait_for(m, n->npeers, cancel);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < n->npeers; i++)
		if (m[i].started)
			(void)pthread_join(m[i].thread, NULL);
	if (cancel && __atomic_load_n(cancel, __ATOMIC_ACQUIRE))
		return ERR_INTERRUPTED;
	return judge(n, m);
}

enum err
ledger_node_meet(struct ledger_node *n, const volatile bool *cancel)
{
	enum err e = n->npeers ? meet_several(n, cancel) : meet_one(n, cancel);

	if (e == ERR_OK)
		__atomic_store_n(&n->met, true, __ATOMIC_RELEASE);
	return e;
}

enum err
ledger_node_handshake(struct ledger_node *n)
{
	return ledger_node_meet(n, NULL);
}
