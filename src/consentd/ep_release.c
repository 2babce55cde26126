/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No key without a record: the signed inquiry is durable here before anything
 * is decided, and the receipt before the key leaves.
 */
#include <string.h>

#include "consentd/server_internal.h"

#define MAX_TXS 4

struct release {
	struct server *s;
	const struct caller *c;
	enum event_kind kind;
	struct event_id set;
	struct inquiry_id inquiry;
	size_t ntx;
	struct ledger_tx *tx[MAX_TXS];
	/* where the inquiry's item was found */
	const struct ledger_tx *in;
	struct opened opened;
	const struct event_item *item;
	struct registry_event about; /* the set */
	int64_t until;               /* of the permit, 0: open */
};

static void
release_free(struct release *r)
{
	for (size_t i = 0; i < r->ntx; i++)
		ledger_tx_free(r->tx[i]);
	consentd_opened_free(&r->opened);
	registry_event_free(&r->about);
}
#define CLEANUP_RELEASE __attribute__((cleanup(release_free), unused))

/* kinds of release, and of the items that they may rest on */
static const struct {
	enum event_kind kind;
	enum event_right right;
	enum event_kind items[2];
} rules[] = {
	{ EVENT_LIST, EVENT_RIGHT_LIST, { EVENT_LIST, EVENT_LIST } },
	{ EVENT_ACCESS, EVENT_RIGHT_READ, { EVENT_ACCESS, EVENT_ACCESS } },
	{ EVENT_RENEW, EVENT_RIGHT_READ, { EVENT_RENEW, EVENT_ACCESS } },
};

static size_t
rule_of(const struct release *r)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].kind == r->kind)
			return i;
	return ARRAY_LEN(rules);
}

static enum err
read_txs(const json_t *array, struct release *r)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < json_array_size(array); i++) {
		e = consentd_tx_read(json_array_get(array, i), &r->tx[r->ntx]);
		if (e == ERR_OK)
			r->ntx++;
	}
	return e;
}

static enum err
read_request(const struct http_request *req, struct release *r)
{
	CLEANUP_JS json_t *body = NULL;
	const json_t *txs;
	struct js j;
	int kind;
	enum err e = consentd_body(req, &body);

	if (e)
		return e;
	js_init(&j, body);
	kind = event_name_index(event_kind_names, js_text(&j, "kind", 16));
	JS_58(&j, "set", &r->set);
	JS_58(&j, "inquiry", &r->inquiry);
	txs = js_array(&j, "transactions", MAX_TXS);
	if (j.err)
		return j.err;
	r->kind = kind < 0 ? EVENT_DENIED : (enum event_kind)kind;
	if (rule_of(r) == ARRAY_LEN(rules))
		return err_say(ERR_INVAL,
		    "keys are released for kind list, access or renew");
	return read_txs(txs, r);
}

static bool
is_item(const struct release *r, const struct event_item *item)
{
	size_t rule = rule_of(r);

	return ID_EQ(&item->id, &r->inquiry) && item->has_set &&
	    ID_EQ(&item->set, &r->set) &&
	    (item->kind == rules[rule].items[0] ||
		item->kind == rules[rule].items[1]);
}

/* The item in this entry, if it is there. */
static enum err
look_into(struct release *r, const struct ledger_tx *tx, size_t i)
{
	CLEANUP_OPENED struct opened o = { 0 };
	const struct event_inquiry *q;
	enum err e = consentd_open(r->s, tx, i, &o);

	if (e == ERR_NOMEM || e == ERR_CORRUPT || e == ERR_IO)
		return e;
	if (e || o.e->type != EVENT_INQUIRY)
		return ERR_OK;
	q = &o.e->u.inquiry;
	if (!q->has_institution || !ID_EQ(&q->institution, &r->c->institution))
		return ERR_OK;
	for (size_t k = 0; k < q->nitems; k++)
		if (is_item(r, &q->items[k])) {
			r->item = &q->items[k];
			r->in = tx;
			r->opened = o;
			o.e = NULL;
			break;
		}
	return ERR_OK;
}

static enum err
check_signer(const struct release *r, const struct ledger_tx *tx)
{
	struct institution_id his;

	if (ID_EQ(&tx->sender, &r->c->key))
		return ERR_OK;
	if (registry_host(r->s->registry, &tx->sender, 0, &his) == ERR_OK &&
	    ID_EQ(&his, &r->c->institution))
		return ERR_OK;
	return ERR_UNKNOWNKEY;
}

static enum err
find_item(struct release *r)
{
	for (size_t t = 0; t < r->ntx; t++) {
		enum err e = check_signer(r, r->tx[t]);

		for (size_t i = 0;
		     e == ERR_OK && r->item == NULL && i < r->tx[t]->nentries;
		     i++)
			e = look_into(r, r->tx[t], i);
		if (e)
			return e;
	}
	if (r->item == NULL)
		return err_say(ERR_FORMAT,
		    "the transactions do not hold this inquiry for the set");
	return ERR_OK;
}

/*
 * An old record is no record of what happens now: a key is asked for when
 * the document is opened.
 */
static enum err
check_time(const struct release *r)
{
	int64_t late = clock_wall_ms() - r->item->time;
	int64_t most = r->s->conf.lease + RMS_SKEW_MS;

	if (late <= most && late >= -(int64_t)RMS_SKEW_MS)
		return ERR_OK;
	return err_say(ERR_INVAL,
	    "the inquiry's time is too far from now; record a new one");
}

static enum err
record(struct release *r)
{
	for (size_t i = 0; i < r->ntx; i++) {
		enum err e = consentd_take(r->s, r->tx[i]);

		if (e)
			return e;
		consentd_resend_now(r->s->resend, r->tx[i]);
	}
	return ERR_OK;
}

/*
 * The first entry of an id stands: what is asked here must be what everybody,
 * the patient first of all, reads under it.
 */
static enum err
check_stands(const struct release *r)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };
	CLEANUP_BUF struct buf asked = { 0 };
	CLEANUP_BUF struct buf stands = { 0 };
	enum err e = registry_get(r->s->registry, &r->opened.id, &ev);

	if (e == ERR_NOTFOUND)
		return err_say(ERR_BUSY, "the inquiry is not known yet");
	if (e == ERR_OK)
		e = event_encode(r->opened.e, &asked);
	if (e == ERR_OK)
		e = event_encode(ev.e, &stands);
	if (e)
		return e;
	if (asked.len != stands.len ||
	    memcmp(asked.p, stands.p, asked.len) != 0)
		return err_say(ERR_CONFLICT,
		    "another inquiry stands under this entry's name");
	return ERR_OK;
}

/* A set that is not known and one that may not be seen look alike. */
static enum err
get_set(struct release *r)
{
	enum err e = registry_get(r->s->registry, &r->set, &r->about);

	if (e == ERR_NOTFOUND)
		return ERR_DENIED;
	if (e)
		return e;
	if (r->about.e->type != EVENT_DOCUMENT_SET || !r->about.accredited ||
	    !ID_EQ(&r->about.e->patient, &r->opened.e->patient))
		return ERR_DENIED;
	return ERR_OK;
}

static enum err
decide(struct release *r)
{
	CLEANUP(policy_free) struct policy *p = registry_policy(r->s->registry);
	const struct event_document_set *about = &r->about.e->u.set;
	const struct policy_query q = {
		.institution = r->c->institution,
		.practitioner = r->item->practitioner.id,
		.patient = r->about.e->patient,
		.set = &r->set,
		.about = about,
		.purpose = r->item->purpose,
		.right = rules[rule_of(r)].right,
		.now = consentd_now(r->s),
	};
	struct policy_verdict v;

	if (r->kind == EVENT_LIST &&
	    ID_EQ(&about->custodian, &r->c->institution))
		return ERR_OK;
	policy_decide(p, &q, &v);
	r->until = v.until;
	if (!v.permit)
		return policy_err(&v);
	if (!r->about.final)
		return err_say(ERR_PENDING,
		    "the ledger has not confirmed the set yet; try again");
	return ERR_OK;
}

static enum err
check_fresh(const struct release *r)
{
	struct ledger_head head;

	ledger_follow_head(r->s->follower, &head);
	return head.age_ms <= r->s->conf.stale_open ? ERR_OK : ERR_STALE;
}

static enum err
get_key(const struct release *r, struct secret **out)
{
	struct rms_record record;
	enum err e;

	if (r->kind == EVENT_LIST)
		return registry_content_key(r->s->registry, &r->set, out);
	e = consentd_store_record(r->s->store, &r->set, &record);
	if (e)
		return e;
	return consentd_record_open(r->s, &record, &r->about, out);
}

static enum err
seal_key(const struct release *r, json_t **out)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	struct pubkey to;
	enum err e = get_key(r, &key);

	if (e == ERR_OK)
		e = registry_reading_key(
		    r->s->registry, &r->c->institution, &to);
	return e ? e : consentd_sealed_key(key, &to, out);
}

static enum err
make_receipt(const struct release *r, json_t **out)
{
	struct rms_receipt receipt = { .tx = r->in->id,
		.entry = r->opened.entry,
		.inquiry = r->inquiry,
		.set = r->set,
		.institution = r->c->institution,
		.time = clock_wall_ms() };
	unsigned rights = EVENT_RIGHT_LIST | rules[rule_of(r)].right;
	enum err e = rms_receipt_sign(&receipt, r->s->rms, &r->s->roots.chain);

	if (e == ERR_OK)
		e = consentd_store_release(r->s->store, &receipt, rights);
	if (e)
		return e;
	*out = rms_receipt_json(&receipt);
	return *out ? ERR_OK : ERR_NOMEM;
}

/* A lease does not outlast the consent that it rests on. */
static int64_t
lease_s(const struct release *r)
{
	int64_t ms = r->s->conf.lease;
	int64_t left = r->until ? r->until - consentd_now(r->s) : ms;

	if (left < ms)
		ms = left;
	return ms < 1000 ? 1 : ms / 1000;
}

static enum err
answer(const struct release *r, struct http_reply *reply)
{
	CLEANUP_JS json_t *key = NULL, *receipt = NULL;
	enum err e = seal_key(r, &key);

	if (e == ERR_OK)
		e = make_receipt(r, &receipt);
	if (e)
		return e;
	return http_reply_json(reply, 200,
	    json_pack("{s:O, s:I, s:O}", "key", key, "lease",
		(json_int_t)lease_s(r), "receipt", receipt));
}

enum err
consentd_post_release(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_RELEASE struct release r = { .s = s, .c = c };
	enum err e = read_request(req, &r);

	if (e == ERR_OK)
		e = find_item(&r);
	if (e == ERR_OK)
		e = check_time(&r);
	if (e == ERR_OK)
		e = record(&r);
	if (e == ERR_OK)
		e = check_stands(&r);
	if (e == ERR_OK)
		e = check_fresh(&r);
	if (e == ERR_OK)
		e = get_set(&r);
	if (e == ERR_OK)
		e = decide(&r);
	return e ? e : answer(&r, reply);
}
