/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/server_internal.h"

/* The blobs of a set, manifest first. */
struct list {
	struct blob_id *id;
	uint32_t n;
};

static void
list_free(struct list *l)
{
	free(l->id);
}
#define CLEANUP_LIST __attribute__((cleanup(list_free), unused))

static enum err
incomplete(uint32_t missing, uint32_t n)
{
	return err_say(ERR_CONFLICT,
	    "%u of %u blobs are missing; upload them and try again", missing,
	    n);
}

static enum err
read_manifest(
    struct server *s, const struct registry_event *set, struct buf *out)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	CLEANUP(secret_free) struct secret *content = NULL, *key = NULL;
	CLEANUP_BUF struct buf sealed = { 0 };
	const struct event_document_set *about = &set->e->u.set;
	uint8_t *to;
	enum err e;

	if (!blobs_has(s->blobs, &about->manifest))
		return incomplete(1, about->count + 1);
	e = blobs_get(s->blobs, &about->manifest, &x);
	if (e)
		return e;
	if (blobs_length(x) > EVENT_MAX_MANIFEST)
		return err_say(ERR_TOOBIG, "the manifest is too long");
	to = buf_room(&sealed, blobs_length(x));
	e = to ? blobs_read(x, 0, to, blobs_length(x)) : sealed.err;
	if (e == ERR_OK)
		e = registry_content_key(s->registry, &set->id, &content);
	if (e == ERR_OK)
		e = seal_manifest_key(content, &set->id, &key);
	if (e)
		return e;
	return seal_doc_open_whole(key, &set->id, 0, sealed.p, sealed.len, out);
}

static enum err
list_blobs(struct server *s, const struct registry_event *set, struct list *out)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf plain = { 0 };
	enum err e = read_manifest(s, set, &plain);

	if (e == ERR_OK)
		e = event_manifest_read(
		    plain.p, plain.len, set->e->u.set.count, &m);
	if (e)
		return e;
	out->id = calloc(m->n + 1, sizeof(*out->id));
	if (out->id == NULL)
		return ERR_NOMEM;
	out->id[0] = set->e->u.set.manifest;
	for (uint32_t i = 0; i < m->n; i++)
		out->id[i + 1] = m->doc[i].blob;
	out->n = m->n + 1;
	return ERR_OK;
}

static enum err
check_blobs(
    struct server *s, const struct registry_event *set, const struct list *l)
{
	uint8_t root[32], expected[32];
	uint32_t missing = 0;
	enum err e = consentd_store_get_root(s->store, &set->id, expected);

	if (e)
		return e;
	seal_root(l->id, l->n, root);
	if (memcmp(root, expected, sizeof(root)) != 0)
		return err_say(ERR_FORGED,
		    "the manifest does not give the root on the ledger");
	for (uint32_t i = 0; i < l->n; i++)
		missing += !blobs_has(s->blobs, &l->id[i]);
	return missing ? incomplete(missing, l->n) : ERR_OK;
}

/* The set, if the caller may publish it now. */
static enum err
get_own_set(struct server *s, const struct caller *c,
    const struct http_request *req, struct registry_event *out)
{
	struct event_id id;
	enum err e = PATH_ID(req, 0, &id);

	if (e == ERR_OK)
		e = registry_get(s->registry, &id, out);
	if (e)
		return e;
	if (out->e->type != EVENT_DOCUMENT_SET ||
	    !ID_EQ(&out->e->u.set.custodian, &c->institution))
		return ERR_NOTFOUND;
	if (!out->final)
		return err_say(ERR_PENDING,
		    "the ledger has not confirmed the "
		    "set yet; try again");
	return out->accredited ? ERR_OK : ERR_UNKNOWNKEY;
}

static enum err
read_record(const struct http_request *req, struct rms_record *out)
{
	CLEANUP_JS json_t *body = NULL;
	uint8_t bytes[RMS_RECORD];
	struct js r;
	enum err e = consentd_body(req, &body);

	if (e)
		return e;
	js_init(&r, body);
	e = consentd_read_base64(&r, "record", bytes, sizeof(bytes));
	return e ? e : rms_record_read(bytes, sizeof(bytes), out);
}

enum err
consentd_put_record(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_EVENT struct registry_event set = { 0 };
	CLEANUP_LIST struct list l = { 0 };
	struct rms_record record;
	enum err e = get_own_set(s, c, req, &set);

	if (e == ERR_OK)
		e = read_record(req, &record);
	if (e == ERR_OK)
		e = consentd_record_open(s, &record, &set, &key);
	if (e == ERR_OK)
		e = list_blobs(s, &set, &l);
	if (e == ERR_OK)
		e = check_blobs(s, &set, &l);
	if (e == ERR_OK)
		e = consentd_store_publish(
		    s->store, &set.id, &record, l.id, l.n);
	return e ? e : consentd_done(reply);
}

enum err
consentd_get_record(struct server *s, const struct caller *c,
    const struct http_request *req, struct http_reply *reply)
{
	CLEANUP_EVENT struct registry_event set = { 0 };
	struct rms_record record;
	uint8_t bytes[RMS_RECORD];
	struct event_id id;
	enum err e = PATH_ID(req, 0, &id);

	if (e == ERR_OK)
		e = registry_get(s->registry, &id, &set);
	err_clear(); /* unknown and forbidden look alike */
	if (e)
		return e;
	if (set.e->type != EVENT_DOCUMENT_SET || !consentd_may_copy(s, c, &set))
		return ERR_NOTFOUND;
	e = consentd_store_record(s->store, &id, &record);
	if (e)
		return e;
	rms_record_write(&record, bytes);
	return http_reply_json(reply, 200,
	    json_pack(
		"{s:o}", "record", consentd_base64(bytes, sizeof(bytes))));
}
