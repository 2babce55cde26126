/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What clinics and the patient do in the tests. */
#include "consentd_test.h"

#define CONTENT "the findings"

/* The sealed blobs of a set with one document. */
static void
seal_blobs(
    struct set *s, const struct secret *content, const struct event_id *id)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_BUF struct buf plain = { 0 }, list = { 0 };
	struct event_document doc = { .ncomponents = 1,
		.component = { "findings.txt" },
		.media = "text/plain",
		.type_code = "11502-2",
		.size = strlen(CONTENT),
		.created = 1,
		.modified = 1 };

	buf_str(&plain, CONTENT);
	OK(seal_doc_whole(s->set_key, id, 1, &plain, &s->document));
	OK(seal_blob_id_of(s->document.p, s->document.len, &s->ids[1]));
	doc.blob = s->ids[1];
	OK(event_manifest_add(&doc, &list));
	OK(seal_manifest_key(content, id, &key));
	OK(seal_doc_whole(key, id, 0, &list, &s->manifest));
	OK(seal_blob_id_of(s->manifest.p, s->manifest.len, &s->ids[0]));
}

void
set_make(struct set *s)
{
	CLEANUP(secret_free) struct secret *content = NULL;
	struct event_document_set *d = &s->e.u.set;
	struct entry_key entry;
	struct event_id id;
	uint8_t root[32];
	struct making how = { .from = place.a.host,
		.entry = &entry,
		.clinic = seal_identity_key(place.a.reading),
		.public = root };

	memset(s, 0, sizeof(*s));
	seal_random(entry.b, sizeof(entry.b));
	seal_event_id(
	    &place.roots.chain, seal_identity_key(place.a.host), &entry, &id);
	OK(secret_new(SEAL_KEY, &s->set_key));
	seal_random(secret_bytes(s->set_key), SEAL_KEY);
	OK(secret_new(SEAL_KEY, &content));
	seal_random(secret_bytes(content), SEAL_KEY);
	seal_blobs(s, content, &id);
	seal_root(s->ids, 2, root);
	s->e.type = EVENT_DOCUMENT_SET;
	s->e.patient = place.card.patient;
	*d = (struct event_document_set){ .custodian = place.a.id,
		.title = "Visit",
		.class_code = "11502-2",
		.type_code = "11502-2",
		.created = clock_wall_ms(),
		.period = { 1, 2 },
		.count = 1,
		.bytes = strlen(CONTENT),
		.manifest = s->ids[0] };
	seal_set_commitment(s->set_key, &id, d->set_key_commitment);
	how.key = content;
	make_event(&s->e, &how, &s->made);
	ck_assert(ID_EQ(&id, &s->made.id));
}

void
set_free(struct set *s)
{
	made_free(&s->made);
	secret_free(s->set_key);
	buf_free(&s->manifest);
	buf_free(&s->document);
}

void
set_publish(struct set *s)
{
	CLEANUP_BUF struct buf pack = { 0 };
	struct rms_record rec;
	enum err e = ERR_PENDING;

	OK(rms_event(place.a.c, buf_text(&s->made.json)));
	buf_u32(&pack, (uint32_t)s->manifest.len);
	buf_put(&pack, s->manifest.p, s->manifest.len);
	buf_u32(&pack, (uint32_t)s->document.len);
	buf_put(&pack, s->document.p, s->document.len);
	OK(rms_blobs_pack(place.a.c, &pack));
	OK(rms_record_make(
	    s->set_key, &place.card.patient, &place.card.patient_rms, &rec));
	wait_final(&s->made.tx->id);
	for (int i = 0; i < 200 && (e == ERR_PENDING || e == ERR_NOTFOUND);
	     i++) {
		e = rms_put_record(place.a.c, &s->made.id, &rec);
		if (e)
			clock_sleep_ms(10);
	}
	OK(e);
	OK(rms_put_record(place.a.c, &s->made.id, &rec));
}

void
inquire_under(struct clinic *c, enum event_kind kind,
    const struct event_id *set, const struct entry_key *entry, struct made *out,
    struct inquiry_id *id)
{
	struct event_item item = { .n = ++c->n,
		.kind = kind,
		.has_set = true,
		.set = *set,
		.document = kind == EVENT_ACCESS ? 1 : 0,
		.practitioner = { "Dr. Grey", "grey" },
		.purpose = "TREAT",
		.time = clock_wall_ms(),
		.count = 1 };
	const struct event e = { .type = EVENT_INQUIRY,
		.patient = place.card.patient,
		.u.inquiry = { .has_institution = true,
		    .institution = c->id,
		    .first = c->n,
		    .last = c->n,
		    .nitems = 1,
		    .items = &item } };
	const struct making how = { .from = c->host,
		.clinic = seal_identity_key(c->reading),
		.entry = entry };

	seal_random(item.id.b, sizeof(item.id.b));
	*id = item.id;
	make_event(&e, &how, out);
}

void
inquire(struct clinic *c, enum event_kind kind, const struct event_id *set,
    struct made *out, struct inquiry_id *id)
{
	inquire_under(c, kind, set, NULL, out, id);
}

enum err
ask(struct clinic *c, enum event_kind kind, const struct event_id *set,
    struct rms_release *out)
{
	CLEANUP_MADE struct made m = { 0 };
	struct rms_release ignored;
	struct inquiry_id id;

	inquire(c, kind, set, &m, &id);
	return rms_release_get(
	    c->c, kind, set, &id, buf_text(&m.json), out ? out : &ignored);
}

void
decide(enum event_effect effect, const struct clinic *c, struct made *out)
{
	const struct event e = { .type = EVENT_DECISION,
		.patient = place.card.patient,
		.u.decision = { .party = c ? EVENT_INSTITUTION : EVENT_GROUP,
		    .group = c ? NULL : "labs",
		    .institution = c ? c->id : (struct institution_id){ { 0 } },
		    .n = ++place.decisions,
		    .effect = effect,
		    .scope = { .all = true },
		    .rights = EVENT_RIGHT_LIST | EVENT_RIGHT_READ } };
	const struct making how = { .from = place.patient,
		.clinic = c ? seal_identity_key(c->reading) : NULL };

	make_event(&e, &how, out);
	OK(rms_event(place.patient_c, buf_text(&out->json)));
}
