/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "consentd/server_internal.h"

#define WAIT_MAX_MS 25000
#define MAX_ROWS    500  /* of one answer */
#define MAX_SCAN    2000 /* rows looked at for one answer */

/* Every entry must be sealed to us, of its patient, by who may write it. */
static enum err
check_entries(struct server *s, const struct ledger_tx *tx)
{
	for (size_t i = 0; i < tx->nentries; i++) {
		CLEANUP_OPENED struct opened o = { 0 };
		enum err e = consentd_open(s, tx, i, &o);

		if (e == ERR_OK)
			e = consentd_sender(s, &tx->sender, o.e);
		if (e)
			return e;
	}
	return ERR_OK;
}

enum err
consentd_post_event(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *body = NULL;
	const json_t *json;
	struct js r;
	enum err e = consentd_body(req, &body);

	(void)c; /* an event speaks for itself, whoever brings it */
	if (e)
		return e;
	js_init(&r, body);
	json = js_object(&r, "transaction");
	e = r.err ? r.err : consentd_tx_read(json, &tx);
	if (e == ERR_OK)
		e = check_entries(s, tx);
	if (e == ERR_OK)
		e = consentd_take(s, tx);
	if (e)
		return e;
	consentd_resend_kick(s->resend);
	return http_reply_json(reply, 200,
	    json_pack("{s:I}", "received", (json_int_t)tx->nentries));
}

/* Why a caller is told of an event. */
enum concern { NO_CONCERN, DIRECT, BY_KEY, AS_HINT };

static bool
is_member(struct server *s, const struct institution_id *institution,
    const char *group)
{
	CLEANUP(event_free) struct event *e = NULL;

	if (registry_institution(s->registry, institution, &e) != ERR_OK)
		return false;
	for (size_t i = 0; i < e->u.accredit.groups.n; i++)
		if (strcmp(e->u.accredit.groups.v[i], group) == 0)
			return true;
	return false;
}

static enum concern
concern_of_host(struct server *s, const struct caller *c,
    const struct consentd_feed_row *row)
{
	if (!row->has_party)
		return NO_CONCERN;
	if (row->party == EVENT_ANYONE)
		return BY_KEY;
	if (row->party == EVENT_GROUP)
		return is_member(s, &c->institution, row->group) ? BY_KEY :
								   NO_CONCERN;
	if (ID_EQ(&row->institution, &c->institution))
		return DIRECT;
	return row->type == EVENT_DOCUMENT_SET ? AS_HINT : NO_CONCERN;
}

/* Does consent let the caller's institution list this set now? */
static bool
is_hinted(
    struct server *s, const struct caller *c, const struct registry_event *ev)
{
	CLEANUP(consentd_asking_free) struct asking *a = NULL;

	return consentd_asking_new(s, &ev->e->patient, &c->institution, NULL,
		   NULL, &a) == ERR_OK &&
	    consentd_may_list(s, a, ev);
}

/*
 * What is sealed to the caller is told at first sight.  What is re-sealed
 * counts only when it is final, and a set is nothing before, so they are told
 * then.
 */
static enum concern
concern(struct server *s, const struct caller *c,
    const struct consentd_feed_row *row)
{
	struct event_id delegation;
	enum concern why = NO_CONCERN;

	if (ID_EQ(&c->key, &row->patient))
		why = DIRECT;
	else if (registry_representative(s->registry, &c->key, &row->patient, 0,
		     &delegation) == ERR_OK)
		why = BY_KEY;
	else if (c->is_host)
		why = concern_of_host(s, c, row);
	if (why == DIRECT && row->type != EVENT_DOCUMENT_SET)
		return row->first ? why : NO_CONCERN;
	return row->stage == CONSENTD_FINAL ? why : NO_CONCERN;
}

/* The content key, sealed to who may learn it. */
static enum err
add_key(struct server *s, const struct caller *c,
    const struct registry_event *ev, json_t *row)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	struct pubkey to = c->key;
	json_t *sealed = NULL;
	enum err e = registry_content_key(s->registry, &ev->id, &key);

	if (e)
		return e;
	if (c->is_host) {
		e = registry_reading_key(s->registry, &c->institution, &to);
		if (e)
			return e;
	}
	e = consentd_sealed_key(key, &to, &sealed);
	if (e)
		return e;
	return json_object_set_new(row, "key", sealed) ? ERR_NOMEM : ERR_OK;
}

static enum err
add_json(struct server *s, const struct registry_event *ev, json_t *row)
{
	CLEANUP_BUF struct buf text = { 0 };
	json_t *tx = NULL;
	enum err e;

	if (ev->final)
		return ERR_OK;
	e = consentd_store_held(s->store, &ev->tx, &text);
	if (e)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	e = js_parse(text.p, text.len, JS_DEPTH, &tx);
	if (e)
		return e;
	return json_object_set_new(row, "json", tx) ? ERR_NOMEM : ERR_OK;
}

static enum err
add_event(struct server *s, const struct caller *c, enum concern why,
    const struct consentd_feed_row *row, json_t *out)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };
	enum err e = registry_get(s->registry, &row->id, &ev);
	json_t *j;

	if (e == ERR_NOTFOUND)
		return ERR_OK; /* another one with its id came first */
	if (e)
		return e;
	if (!ev.accredited || (why == AS_HINT && !is_hinted(s, c, &ev)))
		return ERR_OK;
	j = json_pack("{s:I, s:o, s:o, s:o}", "seq", (json_int_t)row->seq,
	    "transaction", JS_58_NEW(&ev.tx), "entry", JS_58_NEW(&ev.entry),
	    "sender", JS_58_NEW(&ev.sender));
	if (j == NULL || json_array_append_new(out, j) != 0)
		return ERR_NOMEM;
	e = why == BY_KEY ? add_key(s, c, &ev, j) : ERR_OK;
	return e ? e : add_json(s, &ev, j);
}

static enum err
next_row(struct server *s, uint64_t after, struct consentd_feed_row *out)
{
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e;

	db_read(s->store->db, &t);
	e = consentd_feed_next(s->store, &t, after, out);
	if (e == ERR_OK && out->seq > atomic_load(&s->visible))
		return ERR_NOTFOUND;
	return e;
}

/* Collect the rows above ${*after}, which moves on to where it ends. */
static enum err
collect(struct server *s, const struct caller *c, uint64_t *after,
    json_t *events, bool *out_more)
{
	struct consentd_feed_row row;
	enum err e = ERR_OK;

	for (unsigned n = 0; n < MAX_SCAN; n++) {
		enum concern why;

		e = next_row(s, *after, &row);
		if (e)
			return e == ERR_NOTFOUND ? ERR_OK : e;
		why = concern(s, c, &row);
		if (why != NO_CONCERN)
			e = add_event(s, c, why, &row, events);
		if (e)
			return e;
		*after = row.seq;
		if (json_array_size(events) == MAX_ROWS)
			break;
	}
	*out_more = true;
	return ERR_OK;
}

static bool
read_number(const struct http_request *req, const char *name, uint64_t max,
    uint64_t *out)
{
	const char *text = http_query(req, name);
	size_t n = text ? strspn(text, "0123456789") : 0;

	*out = 0;
	if (text == NULL)
		return true;
	if (n == 0 || n > 18 || text[n])
		return false;
	*out = strtoull(text, NULL, 10);
	return *out <= max;
}

enum err
consentd_get_events(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_JS json_t *events = json_array();
	uint64_t after, wait;
	int64_t until;
	bool more = false;
	enum err e;

	if (!read_number(req, "after", INT64_MAX, &after) ||
	    !read_number(req, "wait", WAIT_MAX_MS, &wait))
		return err_say(ERR_INVAL,
		    "after and wait (at most %d) are numbers", WAIT_MAX_MS);
	if (events == NULL)
		return ERR_NOMEM;
	/* Who has seen more than there is knew a store that was lost: anew. */
	if (after > atomic_load(&s->visible))
		after = 0;
	e = collect(s, c, &after, events, &more);
	if (e)
		return e;
	until = req->since_boot_ms + (int64_t)wait;
	if (!more && json_array_size(events) == 0 && clock_boot_ms() < until) {
		http_reply_park(reply, until);
		return ERR_OK;
	}
	return http_reply_json(reply, 200,
	    json_pack(
		"{s:O, s:I}", "events", events, "next", (json_int_t)after));
}
