/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * A journal record: version 1, the patient's key, the item's JSON.  The item's
 * number is given when it is drained.
 */
enum err
gate_record(struct gate *g, const struct gate_note *note,
    struct inquiry_id *out_id, uint64_t *out_seq)
{
	CLEANUP_BUF struct buf b = { 0 };
	const bool person = home_institution(g->home) == NULL;
	struct event_item item = {
		.n = 1,
		.kind = note->kind,
		.has_set = note->set != NULL,
		.document = note->document,
		.purpose = person ? "PATRQT" : home_conf(g->home)->purpose,
		.app = note->app,
		.outcome = note->outcome,
		.time = clock_wall_ms(),
		.count = note->count ? note->count : 1,
	};
	enum err e;

	seal_random(item.id.b, sizeof(item.id.b));
	if (note->set)
		item.set = *note->set;
	home_practitioner(g->home, note->login, &item.practitioner.name,
	    &item.practitioner.id);
	buf_u8(&b, 1);
	buf_put(&b, note->patient->b, sizeof(note->patient->b));
	e = event_item_encode(&item, &b);
	if (e == ERR_OK)
		e = b.err;
	if (out_id)
		*out_id = item.id;
	return e == ERR_OK ? journal_append(g->journal, b.p, b.len, out_seq) :
			     e;
}

static const char *
outcome_of(enum err why)
{
	static const struct {
		enum err e;
		const char *text;
	} texts[] = { { ERR_REFUSED, "refused" }, { ERR_REVOKED, "revoked" },
		{ ERR_EXPIRED, "expired" }, { ERR_STALE, "ledger stale" } };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].e == why)
			return texts[i].text;
	return "denied";
}

/* The same try, refused for the same reason. */
static bool
same(const struct gate_denied *x, const struct gate_denied *y)
{
	return x->used && x->document == y->document &&
	    ID_EQ(&x->set, &y->set) && strcmp(x->outcome, y->outcome) == 0 &&
	    strcmp(x->practitioner, y->practitioner) == 0;
}

/*
 * Count a repeat; false: it is the first, and a free row was taken for it.
 * Where there is no ${room} for refused opens the first one counts too, and
 * is written down when there is.
 */
static bool
is_repeat(struct gate *g, const struct gate_denied *now, bool room)
{
	struct gate_denied *free_row = NULL;

	for (size_t i = 0; i < GATE_MAX_DENIED; i++) {
		struct gate_denied *x = &g->denied[i];

		if (same(x, now)) {
			x->repeats++;
			return true;
		}
		if (!x->used && free_row == NULL)
			free_row = x;
	}
	if (free_row) {
		*free_row = *now;
		free_row->repeats = room ? 0 : 1;
	} else if (!room)
		log_warn("gate: a refused open is not recorded: too many wait "
			 "for the ledger");
	return !room;
}

static void
put_denied(struct gate *g, const struct gate_note *note)
{
	atomic_fetch_add(&g->denied_waiting, 1);
	if (gate_record(g, note, NULL, NULL) == ERR_OK)
		return;
	atomic_fetch_sub(&g->denied_waiting, 1);
	log_error("gate: %u refused opens could not be recorded",
	    note->count ? note->count : 1);
}

void
gate_record_denied(struct gate *g, const struct gate_set *set, uint32_t number,
    const struct gate_who *who, enum err why)
{
	const struct gate_note note = {
		.patient = &set->patient,
		.set = &set->id,
		.document = number,
		.kind = EVENT_DENIED,
		.login = who->login,
		.app = who->app,
		.outcome = outcome_of(why),
	};
	struct gate_denied now = {
		.used = true,
		.patient = set->patient,
		.set = set->id,
		.document = number,
		.outcome = note.outcome,
		.since_boot = clock_boot_ms(),
	};
	bool room = gate_room_denied(g), repeat;

	(void)snprintf(now.practitioner, GATE_PRACTITIONER, "%s", who->login);
	pthread_mutex_lock(&g->lock);
	repeat = is_repeat(g, &now, room);
	pthread_mutex_unlock(&g->lock);
	if (!repeat)
		put_denied(g, &note);
}

/* Take the row ${i} if its minute is over. */
static bool
take_denied(
    struct gate *g, size_t i, int64_t now, bool all, struct gate_denied *out)
{
	struct gate_denied *x = &g->denied[i];
	bool over;

	pthread_mutex_lock(&g->lock);
	over = x->used && (all || now - x->since_boot > GATE_DENIED_MS);
	if (over) {
		*out = *x;
		x->used = false;
	}
	pthread_mutex_unlock(&g->lock);
	return over && out->repeats > 0;
}

void
gate_flush_denied(struct gate *g, int64_t now, bool all)
{
	if (!all && !gate_room_denied(g))
		return;
	for (size_t i = 0; i < GATE_MAX_DENIED; i++) {
		struct gate_denied x;

		if (take_denied(g, i, now, all, &x)) {
			const struct gate_note note = {
				.patient = &x.patient,
				.set = &x.set,
				.document = x.document,
				.count = x.repeats,
				.kind = EVENT_DENIED,
				.login = x.practitioner,
				.outcome = x.outcome,
			};

			put_denied(g, &note);
		}
	}
}
