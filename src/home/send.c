/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <string.h>

#include "base/log.h"

static enum err
seal_event(struct home *h, const struct event *e, const struct home_to *to,
    const struct seal_place *place, const struct secret *key, struct buf *out)
{
	CLEANUP(secret_free) struct secret *fresh = NULL;
	CLEANUP_BUF struct buf payload = { 0 };
	const struct seal_readers readers = {
		.rms = &h->rms_key,
		.patient_rms = &to->card->patient_rms,
		.patient = to->patient_slot ? &to->card->patient : NULL,
		.institution = to->institution,
		.representative = to->representative,
	};
	enum err err = event_encode(e, &payload);

	if (err == ERR_OK && key == NULL) {
		err = secret_new(SEAL_KEY, &fresh);
		if (err == ERR_OK)
			seal_random(secret_bytes(fresh), SEAL_KEY);
		key = fresh;
	}
	if (err == ERR_OK)
		err = seal_envelope(
		    place, &readers, to->public, key, &payload, out);
	return err;
}

enum err
home_event(struct home *h, struct ledger_draft *d, const struct event *e,
    const struct home_to *to, const struct entry_key *entry,
    const struct secret *key, struct event_id *out_id)
{
	CLEANUP_BUF struct buf value = { 0 };
	struct seal_place place = { .chain = &h->chain,
		.sender = *home_key(h) };
	enum err err;

	if (entry)
		place.entry = *entry;
	else
		seal_random(place.entry.b, sizeof(place.entry.b));
	err = seal_event(h, e, to, &place, key, &value);
	if (err == ERR_OK)
		err = ledger_draft_entry(d, &place.entry, value.p, value.len);
	if (err == ERR_OK && out_id)
		seal_event_id(&h->chain, &place.sender, &place.entry, out_id);
	return err;
}

enum err
home_commit(struct home *h, struct ledger_draft *d, struct tx_id *out_tx)
{
	CLEANUP_BUF struct buf json = { 0 };
	struct tx_id tx = { { 0 } };
	enum err e = ledger_draft_commit(d, &tx);
	enum err to_node, to_rms;

	if (e != ERR_OK)
		return e;
	if (out_tx)
		*out_tx = tx;
	e = ledger_outbox_json(h->outbox, &tx, &json);
	if (e != ERR_OK)
		return e;
	to_rms = rms_event(h->rms, buf_text(&json));
	to_node = ledger_outbox_send(h->outbox, h->node);
	ledger_outbox_kick(h->outbox);
	if (to_rms == ERR_OK || to_node == ERR_OK)
		return ERR_OK;
	return err_say(to_node,
	    "neither node nor record management system took it (%s); it is "
	    "kept in the outbox and sent again by the next command",
	    err_text(to_node));
}
