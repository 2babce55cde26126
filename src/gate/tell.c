/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes wrong with a document reaches its reader as an errno only: the
 * operator needs the reason. */
#include "gate/gate_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define AGAIN_MS 60000

/* What is decided by consent, or ends by itself, is no event of its own. */
static bool
is_usual(enum err e)
{
	return e == ERR_OK || e == ERR_PENDING || e == ERR_INTERRUPTED ||
	    err_http(e) == 403;
}

static bool
was_told_locked(const struct gate_told *last, const struct gate_told *now)
{
	return last->e == now->e && last->document == now->document &&
	    ID_EQ(&last->set, &now->set) &&
	    now->at_boot - last->at_boot < AGAIN_MS;
}

void
gate_tell(
    struct gate *g, const struct gate_set *set, uint32_t number, enum err e)
{
	const struct gate_told now = { .e = e,
		.set = set->id,
		.document = number,
		.at_boot = clock_boot_ms() };
	bool again;

	if (is_usual(e))
		return;
	pthread_mutex_lock(&g->lock);
	again = was_told_locked(&g->told, &now);
	if (!again)
		g->told = now;
	pthread_mutex_unlock(&g->lock);
	if (!again)
		log_warn("gate: document %u of set %s is not released: %s",
		    number, TEXT58(&set->id), err_detail(e));
}
