/* SPDX-License-Identifier: GPL-3.0-or-later */
/* publish: seal, send the blobs, then the event, then the key record. */
#include "consent/publish_internal.h"

#include <inttypes.h>

#define CLASS   "other"
#define TYPE    "11503-0" /* LOINC: medical records */
#define WAIT_MS 20

const struct opt consent_publish_opts[] = {
	{ "patient", "ALIAS|CARD", "whose documents these are", false },
	{ "title", "TEXT", "title of the set", false },
	{ "class", "CODE",
	    "summary, discharge, note, lab, imaging, ... (default other)",
	    false },
	{ "type", "CODE", "kind of document (LOINC; default 11503-0)", false },
	{ "confidentiality", "N|R|V",
	    "normal (default), restricted, very restricted", false },
	{ "label", "CODE", "sensitivity label (PSY, HIV, ...)", true },
	{ "period", "FROM[/TO]", "the time that the documents are about",
	    false },
	{ "created", "TIME", "when they were made (default: now)", false },
	{ "restart", NULL, "forget what an earlier, unfinished run did",
	    false },
	CONSENT_COMMON,
};

/* ---- what the set says about itself ---- */

static enum err
read_period(const char *text, struct event_period *out)
{
	CLEANUP(free) char *from = text ? strdup(text) : NULL;
	char *to;
	enum err e;

	if (text == NULL)
		return ERR_OK;
	if (from == NULL)
		return ERR_NOMEM;
	to = strchr(from, '/');
	if (to)
		*to++ = '\0';
	e = clock_read(from, &out->start);
	if (e == ERR_OK && to)
		e = clock_read(to, &out->end);
	if (e == ERR_OK && to && out->end < out->start)
		return err_say(ERR_INVAL, "--period ends before it begins");
	return e;
}

static enum err
read_labels(const struct opt_values *given, struct event_texts *out)
{
	if (given->n > EVENT_MAX_LIST)
		return err_say(ERR_INVAL, "at most %d labels", EVENT_MAX_LIST);
	for (size_t i = 0; i < given->n; i++)
		out->v[out->n++] = given->v[i];
	return ERR_OK;
}

static enum err
describe(const struct consent *c, struct event_document_set *out)
{
	const char *level = consent_opt(c, "confidentiality");
	const char *class = consent_opt(c, "class");
	const char *type = consent_opt(c, "type");
	const char *created = consent_opt(c, "created");
	int n = event_name_index(event_level_names, level ? level : "N");
	enum err e;

	out->title = consent_opt(c, "title");
	out->class_code = class ? class : CLASS;
	out->type_code = type ? type : TYPE;
	out->created = clock_wall_ms();
	if (out->title == NULL || *out->title == '\0')
		return err_say(ERR_INVAL, "--title is missing");
	if (strlen(out->title) > EVENT_MAX_TEXT)
		return err_say(ERR_INVAL, "--title is longer than %d bytes",
		    EVENT_MAX_TEXT);
	if (n < 0)
		return err_say(ERR_INVAL,
		    "--confidentiality is N, R or V, not '%s'", level);
	out->confidentiality = (enum event_level)n;
	if (created && (e = clock_read(created, &out->created)))
		return e;
	if ((e = read_period(consent_opt(c, "period"), &out->period)))
		return e;
	return read_labels(consent_opts(c, "label"), &out->sensitivity);
}

/* ---- the steps ---- */

struct publishing {
	struct consent *c;
	struct rms_card card;
	struct pubkey reading;
	struct event_document_set about;
	struct consent_spool spool;
	char committed[80]; /* the outbox's number that says so */
	uint64_t sent;
};

static enum err
who_publishes(struct publishing *p)
{
	struct home *h = p->c->home;
	enum err e;

	if (home_institution(h) == NULL)
		return err_say(ERR_INVAL,
		    "only an institution publishes; "
		    "this home is a person's");
	p->about.custodian = *home_institution(h);
	e = registry_reading_key(
	    home_registry(h), home_institution(h), &p->reading);
	if (e == ERR_NOTFOUND)
		return err_say(ERR_UNKNOWNKEY,
		    "this institution is not "
		    "accredited yet: send accreditation.json to the "
		    "operator");
	return e ? e : consent_card(p->c, &p->card);
}

static enum err
is_committed(const struct publishing *p, bool *out)
{
	uint64_t n;
	enum err e = ledger_outbox_number(
	    home_outbox(p->c->home), p->committed, &n);

	*out = n != 0;
	return e;
}

/* Sealed documents and those that are there must be of one moment. */
static enum err
prepare(struct publishing *p)
{
	const struct consent_spool_opts o = { .home = p->c->home,
		.card = &p->card,
		.operands = &p->c->operands,
		.type_code = p->about.type_code,
		.restart = consent_opt(p->c, "restart") != NULL };
	CLEANUP_SOURCES struct consent_sources now = { 0 };
	bool committed;
	enum err e = consent_spool_open(&o, &p->spool);

	if (e || p->spool.done)
		return e;
	(void)snprintf(p->committed, sizeof(p->committed), "publish %s",
	    TEXT58(&p->spool.set));
	if ((e = is_committed(p, &committed)) || committed)
		return e; /* it is announced: only finish it */
	if ((e = consent_scan(&p->c->operands, &now)) ||
	    (e = consent_spool_same(&p->spool, &now)))
		return e;
	return consent_spool_seal(&p->spool);
}

static enum err
commit(struct publishing *p)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *d = NULL;
	struct consent_spool *s = &p->spool;
	struct event e = { .type = EVENT_DOCUMENT_SET,
		.patient = p->card.patient,
		.u.set = p->about };
	uint8_t root[32];
	struct home_to to = { .card = &p->card,
		.patient_slot = true,
		.institution = &p->reading,
		.public = root };
	enum err err;

	e.u.set.count = (uint32_t)s->src.n;
	e.u.set.bytes = s->src.bytes;
	e.u.set.manifest = s->blob[0].id;
	seal_set_commitment(s->set_key, &s->set, e.u.set.set_key_commitment);
	if ((err = consent_spool_root(s, root)) ||
	    (err = ledger_draft_begin(home_outbox(p->c->home), &d)))
		return err;
	if (ledger_draft_get(d, p->committed) != 0)
		return ERR_OK;
	err = home_event(
	    p->c->home, d, &e, &to, &s->entry, s->content_key, NULL);
	if (err)
		return err;
	ledger_draft_set(d, p->committed, 1);
	return home_commit(p->c->home, TAKE(d), NULL);
}

/* By the set itself, so that a run that goes on needs no transaction id. */
static enum err
wait_final(struct publishing *p)
{
	int64_t end = clock_boot_ms() + home_conf(p->c->home)->final_wait;
	struct home *h = p->c->home;

	for (;;) {
		CLEANUP_EVENT struct registry_event ev = { 0 };
		enum err e = ledger_follow_step(home_follower(h));

		if (e == ERR_OK)
			e = registry_get(home_registry(h), &p->spool.set, &ev);
		if (e == ERR_OK && ev.final)
			return ev.accredited ?
			    ERR_OK :
			    err_say(ERR_UNKNOWNKEY,
				"this host was not accredited when the set "
				"came "
				"to the ledger; it does not count");
		if (clock_boot_ms() >= end)
			return err_say(ERR_PENDING,
			    "the ledger has not "
			    "confirmed the set yet; run the same command "
			    "again to finish");
		clock_sleep_ms(WAIT_MS);
	}
}

static enum err
finish(struct publishing *p)
{
	enum err e = wait_final(p);

	if (e == ERR_OK)
		e = consent_put_record(
		    p->c->home, &p->spool.set, &p->spool.record);
	return e ? e : consent_spool_finish(&p->spool);
}

static enum err
carry_out(struct publishing *p)
{
	bool committed;
	enum err e = consent_upload(
	    home_rms(p->c->home), p->spool.blob, p->spool.src.n + 1, &p->sent);

	if (e == ERR_OK)
		e = is_committed(p, &committed);
	if (e == ERR_OK && !committed)
		e = commit(p);
	return e ? e : finish(p);
}

static void
report(const struct publishing *p)
{
	const struct consent_spool *s = &p->spool;
	char bytes[32];

	if (p->c->json) {
		consent_out(
		    json_pack("{s:o,s:I,s:I,s:I}", "set", JS_58_NEW(&s->set),
			"documents", (json_int_t)s->documents, "bytes",
			(json_int_t)s->bytes, "sent", (json_int_t)p->sent));
		return;
	}
	printf("%s\n", TEXT58(&s->set));
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "published %" PRIu64 " documents, %s\n",
		    s->documents, consent_size_text(s->bytes, bytes));
}

static void
publishing_free(struct publishing *p)
{
	consent_spool_close(&p->spool);
}

enum err
consent_publish(struct consent *c)
{
	__attribute__((cleanup(publishing_free))) struct publishing p = {
		.c = c, .spool = CONSENT_SPOOL_NONE
	};
	enum err e = describe(c, &p.about);

	if (e)
		return e;
	if (consent_operand(c, 0, "the file or folder to publish") == NULL)
		return ERR_INVAL;
	if ((e = consent_sync(c)) || (e = who_publishes(&p)) ||
	    (e = prepare(&p)))
		return e;
	if (!p.spool.done)
		e = carry_out(&p);
	if (e)
		return e;
	report(&p);
	e = consent_out_end();
	if (e == ERR_OK)
		consent_spool_forget(&p.spool);
	return e;
}
