/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/server_internal.h"

void
consentd_opened_free(struct opened *o)
{
	event_free(o->e);
	o->e = NULL;
}

static enum err
open_payload(const struct ledger_entry *en, const struct seal_place *place,
    const struct secret *key, struct event **out)
{
	CLEANUP_BUF struct buf json = { 0 };
	enum err e = seal_envelope_open(en->value, en->len, place, key, &json);

	return e ? e : event_decode(json.p, json.len, out);
}

static enum err
check_owner(
    struct server *s, const uint8_t handle[static 16], const struct event *ev)
{
	struct pubkey owner;
	enum err e = consentd_keys_owner(s->keys, handle, &owner);

	if (e)
		return e;
	if (ev->type == EVENT_ACCREDIT || !ID_EQ(&owner, &ev->patient))
		return err_say(ERR_FORGED,
		    "an event is about another patient than it is sealed for");
	return ERR_OK;
}

enum err
consentd_open(
    struct server *s, const struct ledger_tx *tx, size_t i, struct opened *out)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP(event_free) struct event *ev = NULL;
	const struct ledger_entry *en = &tx->entry[i];
	struct seal_place place = { &s->roots.chain, tx->sender, { { 0 } } };
	const uint8_t *public;
	uint8_t handle[16];
	enum err e = ledger_entry_read(en->key, &place.entry);

	public = en->type == LEDGER_BINARY ?
	    seal_envelope_public(en->value, en->len) :
	    NULL;
	if (e || public == NULL)
		return err_say(ERR_FORMAT, "an entry is no sealed event");
	e = seal_envelope_key_rms(en->value, en->len, s->rms,
	    consentd_keys_find, s->keys, &key, handle);
	if (e == ERR_OK)
		e = open_payload(en, &place, key, &ev);
	if (e == ERR_OK)
		e = check_owner(s, handle, ev);
	if (e)
		return e;
	out->entry = place.entry;
	memcpy(out->public, public, sizeof(out->public));
	seal_event_id(&s->roots.chain, &tx->sender, &place.entry, &out->id);
	out->e = TAKE(ev);
	return ERR_OK;
}

enum err
consentd_tx_read(const json_t *json, struct ledger_tx **out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	enum err e = ledger_tx_read(json, &tx);

	if (e)
		return e;
	if (!ID_EQ(&tx->sender, &tx->author))
		return err_say(
		    ERR_FORMAT, "a transaction's author is not its sender");
	if (tx->nentries == 0 || tx->nentries > LEDGER_MAX_ENTRIES)
		return err_say(ERR_FORMAT,
		    "a transaction holds 1 to %d entries", LEDGER_MAX_ENTRIES);
	*out = TAKE(tx);
	return ERR_OK;
}

static bool
is_host_of(struct server *s, const struct pubkey *key,
    const struct institution_id *institution)
{
	struct institution_id his;

	return registry_host(s->registry, key, 0, &his) == ERR_OK &&
	    ID_EQ(&his, institution);
}

enum err
consentd_sender(
    struct server *s, const struct pubkey *sender, const struct event *e)
{
	const struct caller as = { .key = *sender };
	bool ok;

	if (e->type == EVENT_DOCUMENT_SET)
		ok = is_host_of(s, sender, &e->u.set.custodian);
	else if (e->type == EVENT_INQUIRY && e->u.inquiry.has_institution)
		ok = is_host_of(s, sender, &e->u.inquiry.institution);
	else
		ok = consentd_is_person(s, &as, &e->patient, 0);
	return ok ? ERR_OK : ERR_UNKNOWNKEY;
}
