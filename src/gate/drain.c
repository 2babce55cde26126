/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the journal to the ledger: the items of a batch become one inquiry per
 * patient in one signed transaction, kept in the outbox in the same durable
 * step as the journal's drained position, so that each item gets there once.
 */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* the items of a batch fit one payload, whatever the last one holds */
#define BATCH_BYTES    (SEAL_PAYLOAD_MAX - JOURNAL_MAX_RECORD - 1024)
#define HEAD_BYTES     33
#define GATHER_MS      40
#define GATHER_STEP_MS 2

struct taken {
	struct pubkey patient;
	struct event_item item;
	json_t *keep;
	bool sent;
};

struct batch {
	size_t n, bytes;
	unsigned denied;
	uint64_t last;
	struct taken *row; /* GATE_BATCH_ITEMS */
	enum err e;
};

/* Each program of a home has a journal of its own, and its place in it. */
const char *
gate_position(const struct gate *g)
{
	return g->opts.ciphertext ? "journal backup" : "journal mount";
}

static bool
take(void *ctx, uint64_t seq, const void *p, size_t n)
{
	struct batch *b = ctx;
	struct taken *t = &b->row[b->n];
	const uint8_t *bytes = p;

	if (n < HEAD_BYTES || bytes[0] != 1) {
		b->e = ERR_CORRUPT;
		return false;
	}
	memcpy(t->patient.b, bytes + 1, sizeof(t->patient.b));
	t->sent = false;
	b->e = event_item_decode(
	    bytes + HEAD_BYTES, n - HEAD_BYTES, &t->item, &t->keep);
	if (b->e != ERR_OK)
		return false;
	b->last = seq;
	b->bytes += n;
	b->denied += t->item.kind == EVENT_DENIED;
	return ++b->n < GATE_BATCH_ITEMS && b->bytes < BATCH_BYTES;
}

static void
release(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		json_decref(b->row[i].keep);
	free(b->row);
}

/* Number the items of ${first}'s patient and seal them into one entry. */
static enum err
add_patient(
    struct gate *g, struct ledger_draft *d, struct batch *b, size_t first)
{
	const struct pubkey *patient = &b->row[first].patient;
	const struct institution_id *us = home_institution(g->home);
	struct event_item items[GATE_BATCH_ITEMS];
	struct event e = { .type = EVENT_INQUIRY, .patient = *patient };
	struct event_inquiry *q = &e.u.inquiry;
	struct home_to to = { .patient_slot = true };
	struct rms_card card;
	struct pubkey reading;
	uint64_t floor = registry_highest(home_registry(g->home),
			     home_key(g->home), patient) +
	    1;
	char name[40] = "inquiry ";
	enum err err = home_card_of(g->home, patient, &card, NULL);

	memcpy(name + 8, patient->b, sizeof(patient->b));
	q->items = items;
	for (size_t i = first; i < b->n; i++) {
		if (!ID_EQ(&b->row[i].patient, patient))
			continue;
		b->row[i].sent = true;
		items[q->nitems] = b->row[i].item;
		items[q->nitems].n = ledger_draft_count(
		    d, name, sizeof(name), floor);
		q->nitems++;
	}
	q->first = items[0].n;
	q->last = items[q->nitems - 1].n;
	to.card = &card;
	if (err == ERR_OK && us) {
		q->has_institution = true;
		q->institution = *us;
		err = registry_reading_key(
		    home_registry(g->home), us, &reading);
		to.institution = &reading;
	}
	return err == ERR_OK ?
	    home_event(g->home, d, &e, &to, NULL, NULL, NULL) :
	    err;
}

/* Remember which transaction holds the records from ${first} on. */
static void
note_batch(struct gate *g, uint64_t first, const struct batch *b,
    const struct tx_id *tx)
{
	unsigned denied = atomic_load(&g->denied_waiting);

	/* those of an earlier run of the program were not counted */
	while (!atomic_compare_exchange_weak(&g->denied_waiting, &denied,
	    denied > b->denied ? denied - b->denied : 0))
		;
	pthread_mutex_lock(&g->lock);
	g->batch[g->nbatches++ % GATE_BATCHES] = (struct gate_batch){ first,
		b->last, *tx };
	g->drained = b->last;
	pthread_cond_broadcast(&g->drained_cond);
	pthread_mutex_unlock(&g->lock);
}

static enum err
drain_batch(struct gate *g, uint64_t from, struct batch *b)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *d = NULL;
	struct tx_id tx;
	enum err e = journal_read(g->journal, from, take, b);

	if (e == ERR_OK && b->n == 0)
		e = b->e;
	if (e != ERR_OK || b->n == 0)
		return e;
	e = ledger_draft_begin(home_outbox(g->home), &d);
	for (size_t i = 0; i < b->n && e == ERR_OK; i++)
		if (!b->row[i].sent)
			e = add_patient(g, d, b, i);
	if (e != ERR_OK)
		return e;
	ledger_draft_set(d, gate_position(g), b->last);
	ledger_draft_records(d, (unsigned)b->n, b->denied);
	e = ledger_draft_commit(TAKE(d), &tx);
	if (e != ERR_OK)
		return e;
	note_batch(g, from, b, &tx);
	ledger_outbox_kick(home_outbox(g->home));
	return ERR_OK;
}

/* Drain one batch; ${out_more}: there was something. */
static enum err
drain_once(struct gate *g, bool *out_more)
{
	struct batch b = { 0 };
	uint64_t done;
	enum err e = ledger_outbox_number(
	    home_outbox(g->home), gate_position(g), &done);

	*out_more = false;
	if (e != ERR_OK || journal_last(g->journal) <= done)
		return e;
	b.row = calloc(GATE_BATCH_ITEMS, sizeof(*b.row));
	if (b.row == NULL)
		return ERR_NOMEM;
	e = drain_batch(g, done + 1, &b);
	*out_more = e == ERR_OK && b.n > 0;
	release(&b);
	return e;
}

enum err
gate_drain_all(struct gate *g)
{
	bool more = true;
	enum err e = ERR_OK;

	while (more && e == ERR_OK)
		e = drain_once(g, &more);
	return e;
}

/*
 * Let a batch grow while nobody waits for it: a transaction costs the node, the
 * RMS and us several waits for the disk.  The first one after a pause goes at
 * once, the next ones each GATHER_MS.
 */
static void
gather(struct gate *g, uint64_t done, int64_t until)
{
	while (clock_boot_ms() < until) {
		if (g->stop || g->hurry > 0 ||
		    journal_last(g->journal) >= done + GATE_BATCH_ITEMS)
			return;
		clock_sleep_ms(GATHER_STEP_MS);
	}
}

/* ${last}: when the newest batch went, by boot time. */
static enum err
wait_and_drain(struct gate *g, uint64_t done, int64_t *last, bool *out_more)
{
	enum err e;

	(void)journal_wait(g->journal, done, clock_boot_ms() + 1000);
	gather(g, done, *last + GATHER_MS);
	gate_flush_denied(g, clock_boot_ms(), false);
	e = drain_once(g, out_more);
	if (*out_more)
		*last = clock_boot_ms();
	return e;
}

/* Who waits for a record to be on its way need not wait in vain. */
static void
note_trouble(struct gate *g, enum err e)
{
	pthread_mutex_lock(&g->lock);
	g->trouble = e;
	if (e != ERR_OK)
		pthread_cond_broadcast(&g->drained_cond);
	pthread_mutex_unlock(&g->lock);
}

void *
gate_drain_run(void *arg)
{
	struct gate *g = arg;
	enum err last = ERR_OK;
	int64_t newest = 0;

	while (!g->stop) {
		uint64_t done = 0;
		bool more = false;
		enum err e = ledger_outbox_number(
		    home_outbox(g->home), gate_position(g), &done);

		if (e == ERR_OK)
			e = wait_and_drain(g, done, &newest, &more);
		if (e != last && e != ERR_OK)
			log_error("gate: inquiries wait in the journal: %s",
			    err_detail(e));
		note_trouble(g, e);
		last = e;
		if (e != ERR_OK)
			clock_sleep_ms(200);
		else if (done > 0 && !more &&
		    journal_drop(g->journal, done + 1) != ERR_OK)
			log_warn("gate: old journal segments stay");
	}
	return NULL;
}

/* The transaction that holds record ${seq}; gate.lock is held. */
static const struct gate_batch *
find_batch(const struct gate *g, uint64_t seq)
{
	uint64_t n = g->nbatches < GATE_BATCHES ? g->nbatches : GATE_BATCHES;

	for (uint64_t i = 0; i < n; i++)
		if (g->batch[i].first <= seq && seq <= g->batch[i].last)
			return &g->batch[i];
	return NULL;
}

enum err
gate_drained_json(
    struct gate *g, uint64_t seq, int64_t until_boot, struct buf *out)
{
	const struct gate_batch *b;
	struct tx_id tx = { { 0 } };
	enum err trouble;

	atomic_fetch_add(&g->hurry, 1);
	pthread_mutex_lock(&g->lock);
	while ((b = find_batch(g, seq)) == NULL && g->drained < seq &&
	    !g->stop && clock_boot_ms() < until_boot &&
	    g->trouble != ERR_NOSPACE && g->trouble != ERR_IO) {
		struct timespec ts;

		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_sec += 1;
		(void)pthread_cond_timedwait(&g->drained_cond, &g->lock, &ts);
	}
	if (b)
		tx = b->tx;
	trouble = g->trouble;
	pthread_mutex_unlock(&g->lock);
	atomic_fetch_sub(&g->hurry, 1);
	if (b)
		return ledger_outbox_json(home_outbox(g->home), &tx, out);
	if (g->stop)
		return ERR_INTERRUPTED;
	if (trouble != ERR_OK)
		return err_say(trouble,
		    "its record cannot be put in the outbox of '%s': %s",
		    home_dir(g->home), err_text(trouble));
	return clock_boot_ms() < until_boot ? ERR_BUSY : ERR_TIMEOUT;
}
