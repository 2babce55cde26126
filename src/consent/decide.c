/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grant, refuse, revoke, exclude, reinstate: by the patient, or by a
 * representative whose delegation is live. */
#include "consent/consent.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define SCOPE_OPTS                                                             \
	{ "to", "NAME|ID|group:NAME|*", "the institution concerned", false },  \
	    { "inquiry", "ID",                                                 \
		    "answer this inquiry (and take its institution)", false }, \
	    { "set", "ID", "only this document set", true },                   \
	    { "type", "CODE", "only sets of this type", true },                \
	    { "class", "CODE", "only sets of this class", true },              \
	    { "author", "ID", "only sets of this author or custodian", true }, \
	    { "confidentiality", "N|R|V", "only sets up to this level",        \
		    false },                                                   \
	    { "without", "LABEL", "not sets with this sensitivity label",      \
		    true },                                                    \
	    { "practitioner", "ID", "only this practitioner", false },         \
	{                                                                      \
		"patient", "ALIAS|CARD", "representative: for this patient",   \
		    false                                                      \
	}

const struct opt consent_grant_opts[] = {
	SCOPE_OPTS,
	{ "purpose", "CODE", "purpose of use (TREAT, HRESCH, ...)", true },
	{ "from", "TIME", "begin", false },
	{ "until", "TIME", "end: 2026-12-31, 90d, 12h", false },
	{ "list-only", NULL, "may see what there is, not read it", false },
	CONSENT_COMMON,
};
const struct opt consent_refuse_opts[] = { SCOPE_OPTS, CONSENT_COMMON };
const struct opt consent_revoke_opts[] = { SCOPE_OPTS, CONSENT_COMMON };
const struct opt consent_exclude_opts[] = { SCOPE_OPTS, CONSENT_COMMON };
const struct opt consent_reinstate_opts[] = { SCOPE_OPTS, CONSENT_COMMON };

/* ---- whom it concerns ---- */

struct by_inquiry {
	struct inquiry_id id;
	struct institution_id institution;
	bool found;
};

static bool
is_inquiry(void *ctx, const struct registry_event *ev)
{
	struct by_inquiry *b = ctx;
	const struct event_inquiry *q = &ev->e->u.inquiry;

	for (size_t i = 0; i < q->nitems; i++)
		if (q->has_institution && ev->accredited &&
		    ID_EQ(&q->items[i].id, &b->id)) {
			b->institution = q->institution;
			b->found = true;
		}
	return !b->found;
}

struct by_name {
	struct consent *c;
	const char *name;
	struct institution_id institution;
	size_t found;
};

static void
try_name(struct by_name *b, const struct institution_id *id)
{
	char name[256];

	registry_institution_name(home_registry(b->c->home), id, name);
	if (strcasecmp(name, b->name) != 0 ||
	    (b->found > 0 && ID_EQ(&b->institution, id)))
		return;
	b->institution = *id;
	b->found++;
}

static bool
name_of_accredited(void *ctx, const struct registry_event *ev)
{
	struct by_name *b = ctx;

	try_name(b, &ev->e->u.accredit.institution);
	return true;
}

/* --inquiry, or --to with an accredited name, an id, a group or `*` */
static enum err
read_party(
    struct consent *c, const struct pubkey *patient, struct event_decision *d)
{
	const char *to = consent_opt(c, "to");
	const char *inquiry = consent_opt(c, "inquiry");
	struct by_inquiry bi = { 0 };
	struct by_name bn = { .c = c, .name = to };
	enum err e;

	if (inquiry) {
		if (text58_read(inquiry, bi.id.b, sizeof(bi.id.b)) != ERR_OK)
			return err_say(
			    ERR_INVAL, "'%s' is no inquiry id", inquiry);
		e = registry_each(home_registry(c->home), EVENT_INQUIRY,
		    patient, is_inquiry, &bi);
		if (e == ERR_OK && !bi.found)
			e = err_say(
			    ERR_NOTFOUND, "no such inquiry: %s", inquiry);
		d->institution = bi.institution;
		d->answers[d->nanswers++] = bi.id;
		return e;
	}
	if (to == NULL)
		return err_say(ERR_INVAL,
		    "whom does it concern? --to NAME or --inquiry ID");
	if (strcmp(to, "*") == 0) {
		d->party = EVENT_ANYONE;
		return ERR_OK;
	}
	if (strncmp(to, "group:", 6) == 0) {
		d->party = EVENT_GROUP;
		d->group = to + 6;
		return ERR_OK;
	}
	if (text58_read(to, d->institution.b, sizeof(d->institution.b)) ==
	    ERR_OK)
		return ERR_OK;
	e = registry_each(home_registry(c->home), EVENT_ACCREDIT, NULL,
	    name_of_accredited, &bn);
	if (e == ERR_OK && bn.found != 1)
		e = err_say(ERR_NOTFOUND,
		    "%s accredited institution is called '%s'; give its id",
		    bn.found ? "more than one" : "no", to);
	d->institution = bn.institution;
	return e;
}

/* ---- what it covers ---- */

static void
copy_texts(const struct opt_values *from, struct event_texts *to)
{
	for (size_t i = 0; i < from->n && i < EVENT_MAX_LIST; i++)
		to->v[to->n++] = from->v[i];
}

static enum err
read_scope(struct consent *c, struct event_scope *s, struct event_id *sets)
{
	const struct opt_values *v = consent_opts(c, "set");
	const char *level = consent_opt(c, "confidentiality");

	s->sets = sets;
	for (size_t i = 0; i < v->n; i++, s->nsets++)
		if (text58_read(v->v[i], sets[i].b, sizeof(sets[i].b)) !=
		    ERR_OK)
			return err_say(ERR_INVAL,
			    "'%s' is no set id; see 'consent sets'", v->v[i]);
	copy_texts(consent_opts(c, "type"), &s->types);
	copy_texts(consent_opts(c, "class"), &s->classes);
	copy_texts(consent_opts(c, "author"), &s->authors);
	copy_texts(consent_opts(c, "without"), &s->without);
	if (level) {
		int i = event_name_index(event_level_names, level);

		if (i < 0)
			return err_say(
			    ERR_INVAL, "confidentiality is N, R or V");
		s->has_confidentiality = true;
		s->confidentiality = (enum event_level)i;
	}
	s->all = s->nsets == 0 && s->types.n == 0 && s->classes.n == 0 &&
	    s->authors.n == 0 && s->without.n == 0 && level == NULL;
	return ERR_OK;
}

static enum err
read_grant(struct consent *c, struct event_decision *d)
{
	const char *from = consent_opt(c, "from");
	const char *until = consent_opt(c, "until");
	enum err e = ERR_OK;

	copy_texts(consent_opts(c, "purpose"), &d->purposes);
	for (size_t i = 0; i < d->purposes.n; i++)
		if (event_name_index(event_purposes, d->purposes.v[i]) < 0)
			return err_say(ERR_INVAL, "unknown purpose '%s'",
			    d->purposes.v[i]);
	if (from)
		e = clock_read(from, &d->from);
	if (e == ERR_OK && until)
		e = clock_read(until, &d->until);
	if (e == ERR_OK && d->until && d->until <= clock_wall_ms())
		e = err_say(ERR_INVAL, "--until lies in the past");
	return e;
}

/* ---- who decides ---- */

/* A representative names the delegation and proves it to the grantee. */
static enum err
act_for(
    struct consent *c, const struct pubkey *patient, struct event_decision *d)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	enum err e;

	if (ID_EQ(patient, home_key(c->home)))
		return ERR_OK;
	e = registry_representative(home_registry(c->home), home_key(c->home),
	    patient, 0, &d->delegation);
	if (e != ERR_OK)
		return err_say(ERR_DENIED,
		    "no live delegation lets you decide for this patient");
	d->has_delegation = true;
	e = registry_content_key(home_registry(c->home), &d->delegation, &key);
	if (e == ERR_OK)
		memcpy(d->delegation_key, secret_view(key), SEAL_KEY);
	return e;
}

/* Give the decision its number and what its signer knows of others. */
static void
number(struct consent *c, struct ledger_draft *draft,
    const struct pubkey *patient, struct event_decision *d)
{
	CLEANUP(policy_free)
	struct policy *p = registry_policy(home_registry(c->home));
	const char *group = d->group ? d->group : "";
	uint8_t name[160] = "decision";
	size_t n = 8;

	memcpy(name + n, patient->b, 32);
	n += 32;
	name[n++] = (uint8_t)d->party;
	memcpy(name + n, d->institution.b, sizeof(d->institution.b));
	n += sizeof(d->institution.b);
	memcpy(name + n, group, strnlen(group, sizeof(name) - n));
	n += strnlen(group, sizeof(name) - n);
	d->n = ledger_draft_count(
	    draft, name, n, policy_next_n(p, home_key(c->home), patient, d));
	d->nseen = policy_seen(p, patient, d, d->seen, EVENT_MAX_SEEN);
}

struct sent {
	struct event_id id;
	int64_t accepted; /* when node or RMS had taken it */
};

static enum err
send_decision(struct consent *c, const struct rms_card *card, struct event *e,
    struct sent *out)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *draft = NULL;
	struct event_decision *d = &e->u.decision;
	struct pubkey reading;
	struct home_to to = { .card = card, .patient_slot = true };
	struct tx_id tx;
	enum err err = ledger_draft_begin(home_outbox(c->home), &draft);

	if (err == ERR_OK && d->party == EVENT_INSTITUTION) {
		err = registry_reading_key(
		    home_registry(c->home), &d->institution, &reading);
		to.institution = &reading;
		if (err == ERR_NOTFOUND)
			return err_say(
			    err, "this institution is not accredited");
	}
	if (err != ERR_OK)
		return err;
	number(c, draft, &card->patient, d);
	err = home_event(c->home, draft, e, &to, NULL, NULL, &out->id);
	if (err == ERR_OK)
		err = home_commit(c->home, TAKE(draft), &tx);
	out->accepted = clock_wall_ms();
	return err == ERR_OK ?
	    home_wait_final(c->home, &tx, home_conf(c->home)->final_wait) :
	    err;
}

static enum err
decide(struct consent *c, enum event_effect effect)
{
	struct event_id sets[OPT_MAX_VALUES];
	struct sent sent;
	struct event e = { .type = EVENT_DECISION };
	struct event_decision *d = &e.u.decision;
	struct rms_card card;
	enum err err = consent_sync(c);

	if (err == ERR_OK)
		err = consent_card(c, &card);
	if (err != ERR_OK)
		return err;
	e.patient = card.patient;
	d->effect = effect;
	d->practitioner = consent_opt(c, "practitioner");
	d->rights = EVENT_RIGHT_LIST;
	if (!consent_opt(c, "list-only"))
		d->rights |= EVENT_RIGHT_READ;
	err = read_party(c, &card.patient, d);
	if (err == ERR_OK)
		err = read_scope(c, &d->scope, sets);
	if (err == ERR_OK && effect == EVENT_GRANT)
		err = read_grant(c, d);
	if (err == ERR_OK)
		err = act_for(c, &card.patient, d);
	if (err == ERR_OK)
		err = send_decision(c, &card, &e, &sent);
	sodium_memzero(d->delegation_key, sizeof(d->delegation_key));
	if (err != ERR_OK)
		return err;
	if (c->json)
		consent_out(json_pack("{s:o,s:s,s:I,s:I}", "decision",
		    JS_58_NEW(&sent.id), "effect", event_effect_names[effect],
		    "n", (json_int_t)d->n, "accepted",
		    (json_int_t)sent.accepted));
	else
		printf("%s: decision %s is on the ledger\n",
		    event_effect_names[effect], TEXT58(&sent.id));
	return ERR_OK;
}

enum err
consent_grant(struct consent *c)
{
	return decide(c, EVENT_GRANT);
}

enum err
consent_refuse(struct consent *c)
{
	return decide(c, EVENT_REFUSE);
}

enum err
consent_revoke(struct consent *c)
{
	return decide(c, EVENT_REVOKE);
}

enum err
consent_exclude(struct consent *c)
{
	return decide(c, EVENT_EXCLUDE);
}

enum err
consent_reinstate(struct consent *c)
{
	return decide(c, EVENT_REINSTATE);
}
