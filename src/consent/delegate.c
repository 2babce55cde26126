/* SPDX-License-Identifier: GPL-3.0-or-later */
/* delegate, end */
#include "consent/consent.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

const struct opt consent_delegate_opts[] = {
	{ "relationship", "TEXT", "such as PRN, GUARD, POWATT", false },
	{ "power", "POWER", "decide, view, export, notices (default: all)",
	    true },
	{ "from", "TIME", "begin", false },
	{ "until", "TIME", "end", false },
	CONSENT_COMMON,
};
const struct opt consent_end_opts[] = {
	{ "keep", NULL, "keep the grants that rest on it", false },
	CONSENT_COMMON,
};

static enum err
read_powers(struct consent *c, unsigned *out)
{
	static const char *const names[] = { "decide", "view", "export",
		"notices", NULL };
	const struct opt_values *v = consent_opts(c, "power");

	*out = v->n ? 0 : 0xf;
	for (size_t i = 0; i < v->n; i++) {
		int bit = event_name_index(names, v->v[i]);

		if (bit < 0)
			return err_say(
			    ERR_INVAL, "unknown power '%s'", v->v[i]);
		*out |= 1u << bit;
	}
	return ERR_OK;
}

static enum err
read_delegation(struct consent *c, const char *key, struct event_delegation *d)
{
	const char *from = consent_opt(c, "from");
	const char *until = consent_opt(c, "until");
	enum err e;

	if (text58_read(key, d->representative.b, 32) != ERR_OK ||
	    seal_key_check(&d->representative) != ERR_OK)
		return err_say(ERR_INVAL,
		    "'%s' is no public key; the representative's 'consent id' "
		    "shows it",
		    key);
	d->relationship = consent_opt(c, "relationship");
	if (d->relationship == NULL)
		d->relationship = "other";
	d->scope.all = true;
	e = read_powers(c, &d->powers);
	if (e == ERR_OK && from)
		e = clock_read(from, &d->from);
	if (e == ERR_OK && until)
		e = clock_read(until, &d->until);
	return e;
}

enum err
consent_delegate(struct consent *c)
{
	const char *key = consent_operand(c, 0, "the representative's key");
	CLEANUP_BUF struct buf text = { 0 };
	struct event e = { .type = EVENT_DELEGATION };
	struct event_delegation *d = &e.u.delegation;
	struct rms_card card;
	struct home_to to = { .card = &card, .patient_slot = true };
	struct event_id id;
	enum err err = key ? consent_sync(c) : ERR_INVAL;

	if (err == ERR_OK)
		err = consent_card(c, &card);
	if (err == ERR_OK)
		err = rms_card_text(&card, &text);
	if (err == ERR_OK)
		err = read_delegation(c, key, d);
	if (err != ERR_OK)
		return err;
	e.patient = card.patient;
	d->card = buf_text(&text);
	to.representative = &d->representative;
	err = consent_send(c, &e, &to, &id);
	if (err != ERR_OK)
		return err;
	if (c->json)
		consent_out(json_pack("{s:o}", "delegation", JS_58_NEW(&id)));
	else
		printf("delegation %s is on the ledger\n", TEXT58(&id));
	return ERR_OK;
}

/* To whom the end is sealed: whoever was named in what it ends. */
static enum err
end_readers(
    const struct registry_event *ev, struct home_to *to, struct pubkey *rep)
{
	if (ev->e->type == EVENT_DELEGATION) {
		*rep = ev->e->u.delegation.representative;
		to->representative = rep;
		return ERR_OK;
	}
	if (ev->e->type == EVENT_DECISION &&
	    ev->e->u.decision.party != EVENT_INSTITUTION)
		return ERR_OK;
	return err_say(ERR_INVAL,
	    "only a delegation, or a grant to a group or to all, is ended; "
	    "use revoke or exclude");
}

enum err
consent_end(struct consent *c)
{
	const char *what = consent_operand(c, 0, "the id");
	CLEANUP_EVENT struct registry_event ev = { 0 };
	CLEANUP(secret_free) struct secret *key = NULL;
	struct event e = { .type = EVENT_END };
	struct rms_card card;
	uint8_t mark[32];
	struct pubkey rep;
	struct home_to to = {
		.card = &card, .patient_slot = true, .public = mark
	};
	enum err err = what ? consent_sync(c) : ERR_INVAL;

	if (err == ERR_OK)
		err = consent_card(c, &card);
	if (err == ERR_OK &&
	    text58_read(what, e.u.end.ends.b, sizeof(e.u.end.ends.b)))
		err = err_say(ERR_INVAL, "'%s' is no id", what);
	if (err == ERR_OK)
		err = registry_get(home_registry(c->home), &e.u.end.ends, &ev);
	if (err == ERR_OK)
		err = end_readers(&ev, &to, &rep);
	if (err == ERR_OK)
		err = registry_content_key(
		    home_registry(c->home), &e.u.end.ends, &key);
	if (err != ERR_OK)
		return err;
	seal_end_mark(key, mark);
	e.patient = card.patient;
	e.u.end.keep_dependents = consent_opt(c, "keep") != NULL;
	err = consent_send(c, &e, &to, NULL);
	if (err == ERR_OK && !c->json)
		printf("ended: %s\n", what);
	return err;
}
