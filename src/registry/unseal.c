/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading an entry's value: which keys to try, and whether what opens is what
 * it says.  An envelope that fails authentication is void, as if it were not
 * there; one that opens and is not understood is opaque and narrows.
 */
#include "registry/registry_internal.h"

#define KIND_ENVELOPE 1
#define KIND_CLEAR    2
#define VERSION       1

enum registry_form
registry_form(struct db_val value)
{
	const uint8_t *p = value.p;

	if (value.n < 2)
		return FORM_VOID;
	if (p[0] == KIND_CLEAR)
		return FORM_CLEAR;
	if (p[0] != KIND_ENVELOPE || p[1] != VERSION)
		return FORM_UNKNOWN;
	return seal_envelope_public(p, value.n) ? FORM_ENVELOPE : FORM_VOID;
}

void
registry_opened_free(struct registry_opened *o)
{
	secret_free(o->key);
	buf_free(&o->payload);
	event_free(o->e);
	*o = (struct registry_opened){ 0 };
}

static enum err
find_account_key(const struct registry_reader *reader, struct db_val env,
    struct secret **out, int *out_slot)
{
	enum err e = ERR_NOKEY;

	for (int slot = 1; e == ERR_NOKEY && slot <= 3; slot += 2) {
		*out_slot = slot;
		e = seal_envelope_key(env.p, env.n, slot, reader->account, out);
	}
	return e;
}

static enum err
find_key(const struct registry_reader *reader, struct db_val env,
    struct secret **out, int *out_slot)
{
	uint8_t handle[16];
	enum err e = ERR_NOKEY;

	if (reader->account)
		e = find_account_key(reader, env, out, out_slot);
	for (size_t i = 0; e == ERR_NOKEY && i < reader->nreading; i++) {
		*out_slot = 2;
		e = seal_envelope_key(env.p, env.n, 2, reader->reading[i], out);
	}
	if (e == ERR_NOKEY && reader->rms_identity) {
		*out_slot = 0;
		e = seal_envelope_key_rms(env.p, env.n, reader->rms_identity,
		    reader->find, reader->find_ctx, out, handle);
	}
	return e;
}

/* Whom an event of an unknown version is about, if it says so as we do. */
static void
peek_patient(struct registry_opened *o)
{
	CLEANUP_JS json_t *j = NULL;
	struct js r;

	if (js_parse(o->payload.p, o->payload.len, JS_DEPTH, &j) != ERR_OK)
		return;
	js_init(&r, j);
	JS_58(&r, "patient", &o->patient);
	o->has_patient = r.err == ERR_OK;
}

static enum err
understand(struct registry_opened *o)
{
	enum err e = event_decode(o->payload.p, o->payload.len, &o->e);

	if (e == ERR_FORMAT || e == ERR_UNSUPPORTED) {
		peek_patient(o);
		return ERR_OK;
	}
	if (e == ERR_OK && o->e->type != EVENT_ACCREDIT) {
		o->patient = o->e->patient;
		o->has_patient = true;
	}
	return e;
}

static enum err
open_with(const struct registry *r, const struct registry_row *row,
    struct db_val env, struct registry_opened *o)
{
	const struct seal_place place = { &r->reader.chain, row->sender,
		row->entry };
	enum err e = seal_envelope_open(
	    env.p, env.n, &place, o->key, &o->payload);

	return e ? e : understand(o);
}

/* Is the event sealed to whom it concerns?  Slot 2 may be any grantee. */
static bool
fits(const struct registry *r, int slot, const struct event *e)
{
	const struct pubkey *self = r->reader.account ?
	    seal_identity_key(r->reader.account) :
	    NULL;

	if (e == NULL)
		return true;
	if (e->type == EVENT_ACCREDIT)
		return false;
	if (slot == 1)
		return ID_EQ(&e->patient, self);
	if (slot == 3)
		return e->type == EVENT_END ||
		    (e->type == EVENT_DELEGATION &&
			ID_EQ(&e->u.delegation.representative, self));
	return true;
}

enum err
registry_unseal(const struct registry *r, const struct registry_row *row,
    struct db_val env, struct registry_opened *out)
{
	int slot = 0;
	enum err e = find_key(&r->reader, env, &out->key, &slot);

	if (e == ERR_OK)
		e = open_with(r, row, env, out);
	if (e == ERR_OK && !fits(r, slot, out->e))
		e = ERR_FORGED;
	if (e == ERR_FORGED || e == ERR_FORMAT) {
		log_debug("registry: envelope %s is void", TEXT58(&row->id));
		e = ERR_NOKEY;
	}
	if (e)
		registry_opened_free(out);
	return e;
}

enum err
registry_unseal_with(const struct registry *r, const struct registry_row *row,
    struct db_val env, const struct secret *key, struct registry_opened *out)
{
	enum err e;

	if (registry_form(env) != FORM_ENVELOPE)
		return err_say(ERR_FORGED,
		    "entry %s is no envelope that this program can open",
		    TEXT58(&row->entry));
	e = secret_copy(secret_view(key), secret_len(key), &out->key);
	if (e == ERR_OK)
		e = open_with(r, row, env, out);
	if (e == ERR_OK && out->e && out->e->type == EVENT_ACCREDIT)
		e = ERR_FORGED;
	return e;
}

enum err
registry_read_clear(const struct registry *r, const struct registry_row *row,
    struct db_val value, struct registry_opened *out)
{
	const uint8_t *p = value.p;
	enum err e;

	if (!ID_EQ(&row->sender, &r->reader.rms))
		return ERR_NOKEY;
	buf_put(&out->payload, p + 1, value.n - 1);
	if (out->payload.err)
		return out->payload.err;
	e = event_decode(out->payload.p, out->payload.len, &out->e);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_OK && out->e->type == EVENT_ACCREDIT)
		return ERR_OK;
	log_warn("registry: entry %s of the RMS is not understood (%s); "
		 "update this program",
	    TEXT58(&row->entry), e ? err_detail(e) : "not an accreditation");
	registry_opened_free(out);
	return ERR_NOKEY;
}
