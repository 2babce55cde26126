/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ask */
#include "consent/consent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

const struct opt consent_ask_opts[] = {
	{ "patient", "ALIAS|CARD", "whom to ask", false },
	{ "purpose", "CODE", "purpose of use (default TREAT)", false },
	{ "reason", "TEXT", "why, shown to the patient", false },
	{ "login", "NAME", "the practitioner who asks (default: you)", false },
	CONSENT_COMMON,
};

static void
fill_item(struct consent *c, struct event_item *x)
{
	const char *purpose = consent_opt(c, "purpose");

	seal_random(x->id.b, sizeof(x->id.b));
	x->kind = EVENT_REQUEST;
	x->purpose = purpose ? purpose : "TREAT";
	x->reason = consent_opt(c, "reason");
	x->time = clock_wall_ms();
	x->count = 1;
	home_practitioner(c->home, consent_login(c), &x->practitioner.name,
	    &x->practitioner.id);
}

static enum err
send_inquiry(struct consent *c, const struct rms_card *card, struct event *e)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *d = NULL;
	struct event_inquiry *q = &e->u.inquiry;
	struct home_to to = { .card = card, .patient_slot = true };
	struct pubkey reading;
	struct tx_id tx;
	char name[40] = "inquiry ";
	enum err err = registry_reading_key(
	    home_registry(c->home), &q->institution, &reading);

	if (err == ERR_NOTFOUND)
		return err_say(ERR_UNKNOWNKEY,
		    "this institution is not accredited yet: send "
		    "accreditation.json to the operator");
	if (err == ERR_OK)
		err = ledger_draft_begin(home_outbox(c->home), &d);
	if (err != ERR_OK)
		return err;
	to.institution = &reading;
	memcpy(name + 8, card->patient.b, 32);
	q->first = q->last = q->items[0].n = ledger_draft_count(d, name,
	    sizeof(name),
	    registry_highest(
		home_registry(c->home), home_key(c->home), &card->patient) +
		1);
	err = home_event(c->home, d, e, &to, NULL, NULL, NULL);
	if (err == ERR_OK)
		err = home_commit(c->home, TAKE(d), &tx);
	return err == ERR_OK ?
	    home_wait_final(c->home, &tx, home_conf(c->home)->final_wait) :
	    err;
}

enum err
consent_ask(struct consent *c)
{
	const struct institution_id *us;
	struct event_item item = { 0 };
	struct event e = { .type = EVENT_INQUIRY };
	struct rms_card card;
	enum err err = consent_sync(c);

	if (err != ERR_OK)
		return err;
	us = home_institution(c->home);
	if (us == NULL)
		return err_say(ERR_INVAL, "only an institution asks");
	err = consent_card(c, &card);
	if (err != ERR_OK)
		return err;
	fill_item(c, &item);
	e.patient = card.patient;
	e.u.inquiry.has_institution = true;
	e.u.inquiry.institution = *us;
	e.u.inquiry.nitems = 1;
	e.u.inquiry.items = &item;
	err = send_inquiry(c, &card, &e);
	if (err != ERR_OK)
		return err;
	if (c->json)
		consent_out(json_pack("{s:o}", "inquiry", JS_58_NEW(&item.id)));
	else
		printf("asked: inquiry %s\n", TEXT58(&item.id));
	return ERR_OK;
}
