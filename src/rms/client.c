/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#define CONNECT_MS 5000
#define TIMEOUT_MS 10000

static enum err
fill(struct rms_client *c, const struct rms_client_opts *o)
{
	const struct http_client_opts http = {
		.ca_file = o->ca_file,
		.pinned_key = o->pinned_key,
		.connect_ms = CONNECT_MS,
		.timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS,
	};
	enum err e;

	if ((e = rms_url_read(o->url, &c->url)))
		return e;
	if (seal_key_check(&o->rms) != ERR_OK)
		return err_say(
		    ERR_FORGED, "the pinned key of the RMS is no valid key");
	c->chain = o->chain;
	c->rms = o->rms;
	c->id = o->id;
	c->timeout_ms = http.timeout_ms;
	return http_client_new(&http, &c->http);
}

enum err
rms_client_new(const struct rms_client_opts *opts, struct rms_client **out)
{
	CLEANUP(rms_client_free) struct rms_client *c = NULL;
	enum err e;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	if ((e = fill(c, opts)))
		return e;
	*out = TAKE(c);
	return ERR_OK;
}

void
rms_client_free(struct rms_client *c)
{
	if (c == NULL)
		return;
	http_client_free(c->http);
	free(c);
}

void
rms_client_cancel(struct rms_client *c)
{
	__atomic_store_n(&c->cancel, true, __ATOMIC_RELEASE);
}

/* What the RMS gave to the card; its signature is checked. */
static enum err
ask_for_card(struct rms_client *c, struct rms_card *card)
{
	CLEANUP_JS json_t *body = json_object(), *answer = NULL;
	struct rms_call call = { .method = "POST",
		.path = "/v1/patients",
		.max_answer = RMS_MAX_ERROR };
	const char *url;
	struct js r;
	enum err e;

	if (body == NULL)
		return ERR_NOMEM;
	if ((e = rms_call_json(c, &call, body, &answer)))
		return e;
	js_init(&r, answer);
	JS_58(&r, "patientRms", &card->patient_rms);
	url = js_text(&r, "url", RMS_URL_MAX);
	JS_58(&r, "signature", &card->by_rms);
	if (r.err)
		return rms_strange(c, r.err);
	memcpy(card->url, url, strlen(url) + 1);
	e = rms_card_check_rms(card);
	return e != ERR_FORGED ? e :
				 err_say(e,
				     "what '%s' answers is not signed by the "
				     "RMS key of the configuration; is it "
				     "the right RMS?",
				     c->url.base);
}

static enum err
leave_card(struct rms_client *c, const struct rms_card *card)
{
	CLEANUP_BUF struct buf path = { 0 }, text = { 0 };
	CLEANUP_JS json_t *body = NULL, *answer = NULL;
	struct rms_call call = { .method = "PUT", .max_answer = RMS_MAX_ERROR };
	enum err e;

	if ((e = rms_card_text(card, &text)))
		return e;
	buf_fmt(&path, "/v1/patients/%s/card", TEXT58(&card->patient));
	call.path = buf_text(&path);
	body = json_pack("{s:s}", "card", buf_text(&text));
	if (path.err || body == NULL)
		return ERR_NOMEM;
	return rms_call_json(c, &call, body, &answer);
}

enum err
rms_register(struct rms_client *c, struct rms_card *out)
{
	struct rms_card card = { .patient = *seal_identity_key(c->id),
		.chain = c->chain,
		.rms = c->rms };
	enum err e;

	if ((e = ask_for_card(c, &card)) ||
	    (e = rms_card_sign(&card, c->id, &card.by_patient)) ||
	    (e = leave_card(c, &card)))
		return e;
	*out = card;
	return ERR_OK;
}
