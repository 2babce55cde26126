/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/server_internal.h"

#define MAX_SETS 100000 /* what a client takes */
#define HOUR_MS  3600000

/*
 * As many as an hour may bring at once, then one by one: everybody can make
 * keys and register them, and each pair is kept for good.
 */
static enum err
may_register(struct server *s)
{
	int64_t now = clock_boot_ms(), each = HOUR_MS / s->conf.registrations;
	int64_t until = atomic_load(&s->registered_until), next;

	do {
		next = (until > now ? until : now) + each;
		if (next - now > HOUR_MS)
			return err_say(ERR_BUSY,
			    "too many patients registered within an hour; try "
			    "again later");
	} while (
	    !atomic_compare_exchange_weak(&s->registered_until, &until, next));
	return ERR_OK;
}

static enum err
pair_of(struct server *s, const struct pubkey *patient, struct pubkey *out)
{
	enum err e = consentd_keys_public(s->keys, patient, out);

	if (e != ERR_NOTFOUND)
		return e;
	e = may_register(s);
	return e ? e : consentd_keys_make(s->keys, patient, out);
}

enum err
consentd_post_patient(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *body = NULL;
	struct rms_card card = { .patient = c->key,
		.chain = s->roots.chain,
		.rms = *seal_identity_key(s->rms) };
	struct sig sig;
	enum err e = consentd_body(req, &body);

	if (e)
		return e;
	e = seal_key_check(&c->key);
	if (e == ERR_OK)
		e = pair_of(s, &c->key, &card.patient_rms);
	if (e)
		return e;
	(void)snprintf(card.url, sizeof(card.url), "%s", s->url);
	e = rms_card_sign(&card, s->rms, &sig);
	if (e)
		return e;
	return http_reply_json(reply, 200,
	    json_pack("{s:o, s:s, s:o}", "patientRms",
		JS_58_NEW(&card.patient_rms), "url", s->url, "signature",
		JS_58_NEW(&sig)));
}

static enum err
check_card(struct server *s, const struct caller *c, const char *text)
{
	struct rms_card card;
	struct pubkey ours;
	enum err e = rms_card_read(
	    text, seal_identity_key(s->rms), &s->roots.chain, &card);

	if (e == ERR_OK)
		e = consentd_keys_public(s->keys, &c->key, &ours);
	if (e)
		return e;
	if (!ID_EQ(&card.patient, &c->key) || !ID_EQ(&card.patient_rms, &ours))
		return err_say(ERR_FORGED, "the card has other keys");
	return ERR_OK;
}

enum err
consentd_put_card(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *body = NULL;
	struct pubkey patient;
	const char *text;
	struct js r;
	enum err e = PATH_ID(req, 0, &patient);

	if (e || !ID_EQ(&patient, &c->key))
		return ERR_NOTFOUND;
	e = consentd_body(req, &body);
	if (e)
		return e;
	js_init(&r, body);
	text = js_text(&r, "card", RMS_CARD_MAX);
	e = r.err ? r.err : check_card(s, c, text);
	if (e == ERR_OK)
		e = consentd_store_put_card(s->store, &patient, text);
	return e ? e : consentd_done(reply);
}

enum err
consentd_get_card(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct pubkey patient;
	enum err e = PATH_ID(req, 0, &patient);

	if (e || !consentd_is_person(s, c, &patient, 0))
		return ERR_NOTFOUND;
	e = consentd_store_card(s->store, &patient, &text);
	if (e)
		return e;
	return http_reply_json(
	    reply, 200, json_pack("{s:s}", "card", buf_text(&text)));
}

struct listing {
	struct server *s;
	const struct asking *asking; /* NULL: all */
	json_t *sets;
	enum err err;
};

static bool
add_set(void *ctx, const struct registry_event *ev)
{
	struct listing *l = ctx;
	json_t *row;

	if (!ev->accredited)
		return true;
	if (l->asking && !consentd_may_list(l->s, l->asking, ev))
		return true;
	row = json_pack("{s:o, s:o, s:o, s:o}", "set", JS_58_NEW(&ev->id),
	    "transaction", JS_58_NEW(&ev->tx), "entry", JS_58_NEW(&ev->entry),
	    "sender", JS_58_NEW(&ev->sender));
	if (row == NULL || json_array_append_new(l->sets, row) != 0)
		l->err = ERR_NOMEM;
	return l->err == ERR_OK && json_array_size(l->sets) < MAX_SETS;
}

static enum err
list_sets(struct server *s, const struct pubkey *patient,
    const struct asking *asking, struct http_reply *reply)
{
	CLEANUP_JS json_t *sets = json_array();
	struct listing l = { s, asking, sets, ERR_OK };
	enum err e;

	if (sets == NULL)
		return ERR_NOMEM;
	e = registry_each(
	    s->registry, EVENT_DOCUMENT_SET, patient, add_set, &l);
	if (e || l.err)
		return e ? e : l.err;
	return http_reply_json(reply, 200, json_pack("{s:O}", "sets", sets));
}

enum err
consentd_get_sets(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(consentd_asking_free) struct asking *asking = NULL;
	struct pubkey patient;
	enum err e = PATH_ID(req, 0, &patient);

	if (e)
		return e;
	if (consentd_is_person(s, c, &patient, 0))
		return list_sets(s, &patient, NULL, reply);
	if (!c->is_host)
		return ERR_UNKNOWNKEY;
	e = consentd_asking_new(s, &patient, &c->institution,
	    http_query(req, "purpose"), http_query(req, "practitioner"),
	    &asking);
	return e ? e : list_sets(s, &patient, asking, reply);
}
