/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#include "base/text.h"

#define KIND          1 /* byte 0: an envelope */
#define VERSION       1
#define PUBLIC_AT     2
#define RMS_AT        34
#define SLOT_AT       178 /* slot 1; 2 and 3 follow */
#define COMMITMENT_AT 418
#define HANDLE        16
#define INNER         (HANDLE + SEAL_BOX_KEY) /* what slot 0 seals: 96 */
#define INNER_SEALED  (INNER + SEAL_BOX_EXTRA)
#define BLOCK         256
#define PAD           0x20
#define TAG           crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(RMS_AT + INNER_SEALED == SLOT_AT, "slot 0");
_Static_assert(SLOT_AT + 3 * SEAL_BOX_KEY == COMMITMENT_AT, "slots");
_Static_assert(COMMITMENT_AT + 32 == SEAL_ENVELOPE_HEAD, "head");

/* The content key is used for this one envelope only. */
static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

static void
commit(const uint8_t *key, uint8_t out[static 32])
{
	static const struct seal_part context = SEAL_CONTEXT("envelope");

	seal_hash(key, &context, 1, out);
}

static bool
is_committed(const uint8_t *env, const uint8_t *key)
{
	SECRET_BUF(h, 32);

	commit(key, h);
	return sodium_memcmp(h, env + COMMITMENT_AT, sizeof(h)) == 0;
}

/* Without a reader: a box that nobody can open, of nothing. */
static enum err
slot_write(const struct pubkey *to, const uint8_t *key, uint8_t *out)
{
	static const uint8_t nothing[SEAL_KEY];
	struct pubkey nobody;
	SECRET_BUF(thrown, 32);

	if (to)
		return seal_box(to, key, SEAL_KEY, out);
	(void)crypto_box_keypair(nobody.b, thrown);
	return seal_box(&nobody, nothing, SEAL_KEY, out);
}

static enum err
slot_rms_write(
    const struct seal_readers *readers, const uint8_t *key, uint8_t *out)
{
	uint8_t inner[INNER];
	enum err e;

	seal_handle(readers->patient_rms, inner);
	e = seal_box(readers->patient_rms, key, SEAL_KEY, inner + HANDLE);
	if (e == ERR_OK)
		e = seal_box(readers->rms, inner, sizeof(inner), out);
	return e;
}

static enum err
head_write(const struct seal_readers *readers, const uint8_t *public,
    const uint8_t *key, uint8_t *out)
{
	const struct pubkey *to[] = { readers->patient, readers->institution,
		readers->representative };
	enum err e;

	out[0] = KIND;
	out[1] = VERSION;
	if (public)
		memcpy(out + PUBLIC_AT, public, 32);
	else
		seal_random(out + PUBLIC_AT, 32);
	commit(key, out + COMMITMENT_AT);
	e = slot_rms_write(readers, key, out + RMS_AT);
	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(to); i++)
		e = slot_write(to[i], key, out + SLOT_AT + i * SEAL_BOX_KEY);
	return e;
}

/* What the payload is bound to: the head and the place it stands at. */
static enum err
associate(const uint8_t *env, const struct seal_place *place, struct buf *out)
{
	buf_put(out, env, SEAL_ENVELOPE_HEAD);
	buf_put(out, place->sender.b, sizeof(place->sender.b));
	buf_str(out, "cfs1.");
	buf_str(out, TEXT58(&place->entry));
	buf_put(out, place->chain->b, sizeof(place->chain->b));
	return out->err;
}

static enum err
envelope_write(const struct seal_place *place,
    const struct seal_readers *readers, const uint8_t *public,
    const uint8_t *key, uint8_t *env, size_t padded)
{
	CLEANUP_BUF struct buf ad = { 0 };
	uint8_t *body = env + SEAL_ENVELOPE_HEAD;
	enum err e = head_write(readers, public, key, env);

	if (e == ERR_OK)
		e = associate(env, place, &ad);
	if (e == ERR_OK)
		(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		    body, NULL, body, padded, ad.p, ad.len, NULL, nonce, key);
	return e;
}

enum err
seal_envelope(const struct seal_place *place,
    const struct seal_readers *readers, const uint8_t *public,
    const struct secret *key, const struct buf *payload, struct buf *out)
{
	size_t padded, total;
	uint8_t *env;
	enum err e;

	if (payload->err)
		return payload->err;
	if (payload->len > SEAL_PAYLOAD_MAX)
		return err_say(ERR_TOOBIG,
		    "an event of %zu bytes; at most %d fit into an envelope",
		    payload->len, SEAL_PAYLOAD_MAX);
	if (secret_len(key) != SEAL_KEY || payload->len == 0 ||
	    payload->p[payload->len - 1] == PAD)
		return err_say(
		    ERR_INVAL, "a payload is empty or ends with a space");
	padded = (payload->len + BLOCK - 1) / BLOCK * BLOCK;
	total = SEAL_ENVELOPE_HEAD + padded + TAG;
	env = buf_room(out, total);
	if (env == NULL)
		return out->err;
	memcpy(env + SEAL_ENVELOPE_HEAD, payload->p, payload->len);
	for (size_t i = payload->len; i < padded; i++)
		env[SEAL_ENVELOPE_HEAD + i] = PAD;
	e = envelope_write(
	    place, readers, public, secret_view(key), env, padded);
	if (e != ERR_OK) {
		sodium_memzero(env, total);
		out->len -= total;
	}
	return e;
}

static bool
has_shape(const uint8_t *env, size_t len)
{
	return len >= SEAL_ENVELOPE_HEAD + BLOCK + TAG &&
	    len <= SEAL_ENVELOPE_MAX &&
	    (len - SEAL_ENVELOPE_HEAD - TAG) % BLOCK == 0 && env[0] == KIND &&
	    env[1] == VERSION;
}

const uint8_t *
seal_envelope_public(const uint8_t *env, size_t len)
{
	return has_shape(env, len) ? env + PUBLIC_AT : NULL;
}

static enum err
malformed(void)
{
	return err_say(ERR_FORMAT, "not an envelope of version %d", VERSION);
}

/* Open a sealed content key and hold it against the commitment. */
static enum err
key_open(const uint8_t *env, const uint8_t *box, const struct seal_identity *id,
    struct secret **out_key)
{
	SECRET_BUF(key, SEAL_KEY);

	if (seal_box_open(id, box, SEAL_BOX_KEY, key) != ERR_OK)
		return ERR_NOKEY;
	if (!is_committed(env, key))
		return ERR_FORGED;
	return secret_copy(key, sizeof(key), out_key);
}

enum err
seal_envelope_key(const uint8_t *env, size_t len, int slot,
    const struct seal_identity *id, struct secret **out_key)
{
	if (slot < 1 || slot > 3)
		return ERR_INVAL;
	if (!has_shape(env, len))
		return malformed();
	return key_open(env, env + SLOT_AT + (size_t)(slot - 1) * SEAL_BOX_KEY,
	    id, out_key);
}

enum err
seal_envelope_key_rms(const uint8_t *env, size_t len,
    const struct seal_identity *rms,
    enum err (*find)(
	void *ctx, const uint8_t handle[16], const struct seal_identity **out),
    void *ctx, struct secret **out_key, uint8_t out_handle[static 16])
{
	const struct seal_identity *patient_rms = NULL;
	SECRET_BUF(inner, INNER);
	enum err e;

	if (!has_shape(env, len))
		return malformed();
	if (seal_box_open(rms, env + RMS_AT, INNER_SEALED, inner) != ERR_OK)
		return ERR_NOKEY;
	memcpy(out_handle, inner, HANDLE);
	e = find(ctx, out_handle, &patient_rms);
	if (e == ERR_NOTFOUND || (e == ERR_OK && patient_rms == NULL))
		return ERR_NOKEY;
	if (e != ERR_OK)
		return e;
	return key_open(env, inner + HANDLE, patient_rms, out_key);
}

void
seal_handle(const struct pubkey *patient_rms, uint8_t out[static 16])
{
	const struct seal_part part = { patient_rms->b,
		sizeof(patient_rms->b) };
	uint8_t h[32];

	seal_hash(NULL, &part, 1, h);
	memcpy(out, h, HANDLE);
}

enum err
seal_envelope_open(const uint8_t *env, size_t len,
    const struct seal_place *place, const struct secret *key, struct buf *out)
{
	CLEANUP_BUF struct buf ad = { 0 };
	const uint8_t *body = env + SEAL_ENVELOPE_HEAD;
	size_t padded;
	uint8_t *to;
	enum err e;

	if (!has_shape(env, len))
		return malformed();
	if (secret_len(key) != SEAL_KEY || !is_committed(env, secret_view(key)))
		return ERR_FORGED;
	e = associate(env, place, &ad);
	if (e != ERR_OK)
		return e;
	padded = len - SEAL_ENVELOPE_HEAD - TAG;
	to = buf_room(out, padded);
	if (to == NULL)
		return out->err;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(to, NULL, NULL, body,
		padded + TAG, ad.p, ad.len, nonce, secret_view(key)) != 0) {
		out->len -= padded;
		return ERR_FORGED;
	}
	while (padded > 0 && to[padded - 1] == PAD) {
		padded--;
		out->len--;
	}
	return ERR_OK;
}

void
seal_end_mark(const struct secret *content_key, uint8_t out[static 32])
{
	static const struct seal_part context = SEAL_CONTEXT("end");

	seal_hash(secret_view(content_key), &context, 1, out);
}
