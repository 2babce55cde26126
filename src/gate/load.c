/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A set that is known from the ledger: fetch its list of documents. */
#include "gate/gate_internal.h"

#include <string.h>

static enum err
manifest_bytes(struct gate *g, const struct registry_event *ev, struct buf *out)
{
	const struct blob_id *id = &ev->e->u.set.manifest;
	CLEANUP(blobs_put) struct blob *x = NULL;
	CLEANUP_BUF struct buf sealed = { 0 };
	CLEANUP(secret_free) struct secret *content = NULL;
	CLEANUP(secret_free) struct secret *key = NULL;
	enum err e = gate_blob_sound(g, id, &x);
	uint8_t *to;

	if (e == ERR_OK && blobs_length(x) > EVENT_MAX_MANIFEST)
		e = err_say(ERR_TOOBIG, "its list of documents is too long");
	if (e == ERR_OK)
		e = gate_blob_range(g, id, x, 0, blobs_length(x));
	if (e != ERR_OK)
		return e;
	to = buf_room(&sealed, (size_t)blobs_length(x));
	e = to ? blobs_read(x, 0, to, sealed.len) : ERR_NOMEM;
	if (e == ERR_OK)
		e = registry_content_key(
		    home_registry(g->home), &ev->id, &content);
	if (e == ERR_OK)
		e = seal_manifest_key(content, &ev->id, &key);
	return e == ERR_OK ?
	    seal_doc_open_whole(key, &ev->id, 0, sealed.p, sealed.len, out) :
	    e;
}

/* The root that the ledger's own bytes bear. */
static enum err
ledger_root(
    struct gate *g, const struct registry_event *ev, uint8_t out[static 32])
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	const struct ledger_entry *entry;
	const uint8_t *root;
	enum err e = ledger_node_tx(home_node(g->home), &ev->tx, &tx);

	if (e != ERR_OK)
		return e;
	entry = ledger_entry_find(tx, &ev->entry);
	root = entry ? seal_envelope_public(entry->value, entry->len) : NULL;
	if (root == NULL)
		return ERR_FORGED;
	memcpy(out, root, 32);
	return ERR_OK;
}

static enum err
check_root(const struct registry_event *ev, const struct event_manifest *m,
    const uint8_t root[static 32])
{
	struct blob_id *ids = calloc((size_t)m->n + 1, sizeof(*ids));
	CLEANUP(free) void *owned = ids;
	uint8_t ours[32];

	if (ids == NULL)
		return ERR_NOMEM;
	ids[0] = ev->e->u.set.manifest;
	for (uint32_t i = 0; i < m->n; i++)
		ids[i + 1] = m->doc[i].blob;
	seal_root(ids, m->n + 1, ours);
	return memcmp(ours, root, 32) == 0 ?
	    ERR_OK :
	    err_say(ERR_FORGED,
		"a set's list of documents does not match "
		"its root on the ledger");
}

enum err
gate_load_set(
    struct gate *g, struct registry_event *ev, struct gate_set_full **out)
{
	CLEANUP_BUF struct buf plain = { 0 };
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	struct gate_set_full *s;
	uint8_t root[32];
	enum err e = manifest_bytes(g, ev, &plain);

	if (e == ERR_OK)
		e = event_manifest_read(
		    plain.p, plain.len, ev->e->u.set.count, &m);
	if (e == ERR_OK)
		e = ledger_root(g, ev, root);
	if (e == ERR_OK)
		e = check_root(ev, m, root);
	if (e != ERR_OK)
		return e;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	s->refs = 1;
	s->ev = *ev;
	memset(ev, 0, sizeof(*ev));
	s->manifest = TAKE(m);
	s->pub = (struct gate_set){ .id = s->ev.id,
		.tx = s->ev.tx,
		.entry = s->ev.entry,
		.sender = s->ev.sender,
		.patient = s->ev.e->patient,
		.event = s->ev.e,
		.manifest = s->manifest };
	memcpy(s->pub.root, root, sizeof(root));
	*out = s;
	return ERR_OK;
}

const struct gate_set *
gate_set_ref(const struct gate_set *set)
{
	union {
		const struct gate_set *c;
		struct gate_set_full *s;
	} u = { set };

	atomic_fetch_add(&u.s->refs, 1);
	return set;
}

void
gate_set_free(const struct gate_set *set)
{
	union {
		const struct gate_set *c;
		struct gate_set_full *s;
	} u = { set };

	if (set == NULL || atomic_fetch_sub(&u.s->refs, 1) != 1)
		return;
	event_manifest_free(u.s->manifest);
	registry_event_free(&u.s->ev);
	free(u.s->name);
	free(u.s);
}
