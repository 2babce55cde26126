/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal: everything that is cryptography.  Identities (Waves accounts), Waves
 * signatures, sealed boxes, the four-slot envelope, sealed documents, blob ids
 * and roots, encryption at rest.  Bytes as PROTOCOL.document and
 * PROTOCOL.ledger say.  It does no network I/O, knows no payload type and
 * keeps no state.  All functions may be called from any thread; an object is
 * used by one thread at a time unless it is const.
 *
 * A failed authentication of received bytes is always ERR_FORGED, whatever
 * the reason, so that no caller becomes an oracle.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/secret.h"

/**
 * seal_init():
 * Have libcrypto ready.  Programs begin with it: libcrypto 3.0 may crash, in
 * whoever's hands, if this fails, and it may be called again.
 * Errors: UNSUPPORTED.
 */
enum err seal_init(void) must_check;

/* ---- identities: seal/identity.c, seal/keyfile.c ---- */

struct seal_identity; /* private key in locked memory, public key, immutable */

/**
 * seal_identity_new(out):
 * Make an identity from fresh random bytes.
 */
enum err seal_identity_new(struct seal_identity **out) must_check;

/**
 * seal_identity_from_seed(phrase, out):
 * Derive the identity of a Waves wallet seed phrase (UTF-8):
 * clamp(SHA-256(secureHash(u32 0 || phrase))).
 * Errors: INVAL (not UTF-8), NOMEM.
 */
enum err seal_identity_from_seed(
    const char *phrase, struct seal_identity **out) must_check;

/**
 * seal_identity_from_private(key, out):
 * Make the identity of a private key (clamped here).
 */
enum err seal_identity_from_private(
    const uint8_t key[static 32], struct seal_identity **out) must_check;

/**
 * seal_identity_private(id):
 * Return the 32 private bytes, borrowed from ${id}; for keystores only.
 */
const uint8_t *seal_identity_private(const struct seal_identity *id);

/**
 * seal_identity_key(id):
 * Return the public key, borrowed from ${id}.
 */
const struct pubkey *seal_identity_key(const struct seal_identity *id);

/**
 * seal_identity_free(id):
 * Wipe and free; NULL is allowed.
 */
void seal_identity_free(struct seal_identity *id);
DEFINE_CLEANUP(struct seal_identity *, seal_identity_free);

/**
 * seal_identity_save(id, path, passphrase):
 * Create the key file ${path} (mode 0600; EXISTS if there): JSON with
 * version, public key and the private key encrypted under Argon2id of
 * ${passphrase}, or in clear if ${passphrase} is NULL.
 */
enum err seal_identity_save(const struct seal_identity *id, const char *path,
    const struct secret *passphrase) must_check;

/**
 * seal_identity_load(path, ask, ctx, out):
 * Read a key file.  If it is protected, ${ask}(${ctx}, path, &secret) is
 * called once for the passphrase (NULL ${ask}: NOKEY).
 * Errors: NOTFOUND, FORMAT, UNSUPPORTED (version), NOKEY (wrong passphrase).
 */
enum err seal_identity_load(const char *path,
    enum err (*ask)(void *ctx, const char *path, struct secret **out),
    void *ctx, struct seal_identity **out) must_check;

/**
 * seal_key_check(key):
 * Refuse public keys that are not canonical (top bit set, >= p) or of small
 * order.  Every key from outside passes here before use.
 * Errors: FORGED.
 */
enum err seal_key_check(const struct pubkey *key) must_check;

/**
 * seal_address(key, chain_byte, out):
 * Write the Waves address of ${key} on the chain ${chain_byte}: 26 bytes.
 */
void seal_address(
    const struct pubkey *key, uint8_t chain_byte, uint8_t out[static 26]);

/**
 * seal_secure_hash(p, n, out):
 * Waves secureHash: Keccak-256(BLAKE2b-256(p)).  (API keys of nodes.)
 */
void seal_secure_hash(const void *p, size_t n, uint8_t out[static 32]);

/* ---- signatures: seal/sign.c ---- */

/**
 * seal_sign_raw(id, msg, len, out):
 * Waves signature over ${msg} as it is.  For transaction bodies only.
 */
void seal_sign_raw(const struct seal_identity *id, const void *msg, size_t len,
    struct sig *out);

/**
 * seal_verify_raw(key, msg, len, sig):
 * Errors: FORGED (also for S >= L, non-canonical or weak keys).
 */
enum err seal_verify_raw(const struct pubkey *key, const void *msg, size_t len,
    const struct sig *sig) must_check;

/* The uses of signatures over statements. */
enum seal_use {
	SEAL_REQUEST,
	SEAL_CARD,
	SEAL_REGISTER,
	SEAL_RECEIPT,
	SEAL_RELEASE,
	SEAL_INVENTORY,
	SEAL_BLOCK, /* embedded node's blocks; chain all zero */
};

/**
 * seal_sign(id, use, chain, msg, len, out):
 * Waves signature over FF FF || "consentfs/1 statement" || use name || 00 ||
 * chain || msg: can never be taken for a transaction.  ${chain} NULL = zeros.
 * Errors: NOMEM.
 */
enum err seal_sign(const struct seal_identity *id, enum seal_use use,
    const struct chain *chain, const struct buf *msg,
    struct sig *out) must_check;

/**
 * seal_verify(key, use, chain, msg, sig):
 * Errors: FORGED, NOMEM.
 */
enum err seal_verify(const struct pubkey *key, enum seal_use use,
    const struct chain *chain, const struct buf *msg,
    const struct sig *sig) must_check;

/* ---- hashes and random: seal/hash.c ---- */

struct seal_part {
	const void *p;
	size_t n;
};

/**
 * seal_hash(key, parts, n, out):
 * BLAKE2b-256 over the ${n} concatenated parts; keyed if ${key} (32 bytes) is
 * not NULL.
 */
void seal_hash(const uint8_t *key, const struct seal_part *parts, size_t n,
    uint8_t out[static 32]);

/**
 * seal_random(out, n):
 * Fill with random bytes.
 */
void seal_random(void *out, size_t n);

/**
 * seal_chain_make(chain_byte, block_id, len, out):
 * chain id byte || H(id of block 1).
 */
void seal_chain_make(
    uint8_t chain_byte, const void *block_id, size_t len, struct chain *out);

/**
 * seal_event_id(chain, sender, entry, out):
 * First 16 bytes of H("consentfs/1 event" || chain || sender || entry).
 */
void seal_event_id(const struct chain *chain, const struct pubkey *sender,
    const struct entry_key *entry, struct event_id *out);

/* ---- sealed boxes: seal/box.c (crypto_box_seal) ---- */

#define SEAL_BOX_EXTRA 48
#define SEAL_KEY       32
#define SEAL_BOX_KEY   (SEAL_KEY + SEAL_BOX_EXTRA) /* a sealed key: 80 */

/**
 * seal_box(to, in, n, out):
 * Seal ${n} bytes to ${to} into ${n} + SEAL_BOX_EXTRA bytes at ${out}.
 * Errors: FORGED (bad key).
 */
enum err seal_box(
    const struct pubkey *to, const void *in, size_t n, uint8_t *out) must_check;

/**
 * seal_box_open(id, in, n, out):
 * Open ${n} bytes into ${n} - SEAL_BOX_EXTRA bytes at ${out}.
 * Errors: FORGED.
 */
enum err seal_box_open(const struct seal_identity *id, const uint8_t *in,
    size_t n, void *out) must_check;

/* ---- envelopes: seal/envelope.c ---- */

#define SEAL_ENVELOPE_HEAD 450
#define SEAL_PAYLOAD_MAX   32256
#define SEAL_ENVELOPE_MAX  (SEAL_ENVELOPE_HEAD + SEAL_PAYLOAD_MAX + 16)

/* Where an envelope stands: bound into it, so that a copy is void. */
struct seal_place {
	const struct chain *chain;
	struct pubkey sender;
	struct entry_key entry;
};

/* To whom an envelope is sealed; NULL = empty slot (a throwaway key). */
struct seal_readers {
	const struct pubkey *rms;            /* required */
	const struct pubkey *patient_rms;    /* per-patient RMS key, required */
	const struct pubkey *patient;        /* slot 1 */
	const struct pubkey *institution;    /* slot 2 */
	const struct pubkey *representative; /* slot 3 */
};

/**
 * seal_envelope(place, readers, public, key, payload, out):
 * Append to ${out} the envelope that holds ${payload} (<= SEAL_PAYLOAD_MAX,
 * padded here) under the content key ${key} (32 bytes, fresh from
 * seal_random()).  ${public} NULL = random bytes.
 * Errors: TOOBIG, INVAL (${payload} empty or ending in a space), FORGED (bad
 * reader key), NOMEM.
 */
enum err seal_envelope(const struct seal_place *place,
    const struct seal_readers *readers, const uint8_t *public,
    const struct secret *key, const struct buf *payload,
    struct buf *out) must_check;

/**
 * seal_envelope_public(env, len):
 * Return the 32 public bytes of an envelope, borrowed; NULL if ${env} has not
 * the shape of a version 1 envelope.
 */
const uint8_t *seal_envelope_public(const uint8_t *env, size_t len);

/**
 * seal_envelope_key(env, len, slot, id, out_key):
 * Try to open slot 1, 2 or 3 with ${id}.  The commitment is checked here.
 * Errors: NOKEY (not sealed to ${id}), FORMAT (shape, version), FORGED
 * (commitment does not match), NOMEM.
 */
enum err seal_envelope_key(const uint8_t *env, size_t len, int slot,
    const struct seal_identity *id, struct secret **out_key) must_check;

/**
 * seal_envelope_key_rms(env, len, rms, find, ctx, out_key, out_handle):
 * Open slot 0: ${find}(ctx, handle, &identity) looks up the per-patient key
 * pair (identity owned by the caller of find's keystore: borrowed).
 * Errors: as seal_envelope_key(); NOKEY also if ${find} knows no such handle.
 */
enum err seal_envelope_key_rms(const uint8_t *env, size_t len,
    const struct seal_identity *rms,
    enum err (*find)(
	void *ctx, const uint8_t handle[16], const struct seal_identity **out),
    void *ctx, struct secret **out_key,
    uint8_t out_handle[static 16]) must_check;

/**
 * seal_handle(patient_rms, out):
 * First 16 bytes of H(per-patient RMS public key).
 */
void seal_handle(const struct pubkey *patient_rms, uint8_t out[static 16]);

/**
 * seal_envelope_open(env, len, place, key, out):
 * Check the commitment of ${key} and append the payload without its padding
 * to ${out}.
 * Errors: FORMAT (shape, version), FORGED, NOMEM.
 */
enum err seal_envelope_open(const uint8_t *env, size_t len,
    const struct seal_place *place, const struct secret *key,
    struct buf *out) must_check;

/**
 * seal_end_mark(content_key, out):
 * H(content key of the ended event; "consentfs/1 end").
 */
void seal_end_mark(const struct secret *content_key, uint8_t out[static 32]);

/* ---- sealed documents: seal/document.c (AES-256-GCM by libcrypto) ---- */

#define SEAL_DOC_HEAD     128
#define SEAL_CHUNK        16384
#define SEAL_CHUNK_SEALED (SEAL_CHUNK + 16)

/**
 * seal_doc_size(size):
 * Return the sealed length of a document of ${size} bytes.
 */
uint64_t seal_doc_size(uint64_t size);

struct seal_doc; /* one document being sealed or opened */

/**
 * seal_doc_begin(parent, set, number, size, out, out_head):
 * Start sealing a document of exactly ${size} bytes under the parent key with
 * a fresh salt.  The header is written to ${out_head}.
 */
enum err seal_doc_begin(const struct secret *parent, const struct event_id *set,
    uint32_t number, uint64_t size, struct seal_doc **out,
    uint8_t out_head[static SEAL_DOC_HEAD]) must_check;

/**
 * seal_doc_chunk(d, in, n, out):
 * Seal the next chunk: SEAL_CHUNK bytes, fewer only for the last (0 only for
 * an empty document); ${out} takes ${n} + 16 bytes.
 * Errors: INVAL (wrong length, more than announced).
 */
enum err seal_doc_chunk(
    struct seal_doc *d, const void *in, size_t n, uint8_t *out) must_check;

/**
 * seal_doc_open(parent, set, number, head, out):
 * Check a header against key commitment, set and number.
 * Errors: FORMAT, UNSUPPORTED, FORGED.
 */
enum err seal_doc_open(const struct secret *parent, const struct event_id *set,
    uint32_t number, const uint8_t head[static SEAL_DOC_HEAD],
    struct seal_doc **out) must_check;

/**
 * seal_doc_plain_size(d):
 * Return the document's size in bytes as its header says.  The size is bound
 * by the chunks: it is authentic once one has been read.
 */
uint64_t seal_doc_plain_size(const struct seal_doc *d);

/**
 * seal_doc_read(d, index, in, n, out):
 * Open chunk ${index} (${n} sealed bytes at ${in}) into ${out} (${n} - 16),
 * which may be ${in}.  May be called by several threads at once on one ${d}.
 * libcrypto decrypts while it authenticates: show ${out} to nobody before
 * the return.
 * Errors: FORGED (${out} is zeroed), NOMEM.
 */
enum err seal_doc_read(const struct seal_doc *d, uint64_t index,
    const uint8_t *in, size_t n, uint8_t *out) must_check;

/**
 * seal_doc_free(d):
 * Wipe and free; NULL is allowed.
 */
void seal_doc_free(struct seal_doc *d);
DEFINE_CLEANUP(struct seal_doc *, seal_doc_free);

/**
 * seal_doc_whole(parent, set, number, plain, out):
 * Seal ${plain} at once, appending header and chunks to ${out} (manifests).
 */
enum err seal_doc_whole(const struct secret *parent, const struct event_id *set,
    uint32_t number, const struct buf *plain, struct buf *out) must_check;

/**
 * seal_doc_open_whole(parent, set, number, sealed, len, out):
 * Open a whole sealed document, appending its bytes to ${out}.
 * Errors: FORMAT, FORGED, NOMEM.
 */
enum err seal_doc_open_whole(const struct secret *parent,
    const struct event_id *set, uint32_t number, const uint8_t *sealed,
    size_t len, struct buf *out) must_check;

/**
 * seal_manifest_key(content_key, set, out):
 * H(content key; "consentfs/1 manifest" || set id).
 */
enum err seal_manifest_key(const struct secret *content_key,
    const struct event_id *set, struct secret **out) must_check;

/**
 * seal_set_commitment(set_key, set, out):
 * H(set key; "consentfs/1 setcommit" || set id).
 */
void seal_set_commitment(const struct secret *set_key,
    const struct event_id *set, uint8_t out[static 32]);

/* ---- blob ids: seal/blob.c ---- */

#define SEAL_SPAN (1 << 20)

/**
 * seal_leaf(index, span, n, out):
 * H("consentfs/1 leaf" || u64 index || span).
 */
void seal_leaf(
    uint64_t index, const void *span, size_t n, uint8_t out[static 32]);

/**
 * seal_blob_id(length, leaves, n, out):
 * H("consentfs/1 blob" || u64 length || ${n} leaves of 32 bytes).
 */
void seal_blob_id(
    uint64_t length, const uint8_t *leaves, size_t n, struct blob_id *out);

/**
 * seal_blob_id_of(bytes, len, out):
 * The blob id of bytes in memory.
 */
enum err seal_blob_id_of(
    const void *bytes, size_t len, struct blob_id *out) must_check;

/**
 * seal_spans(length):
 * Return how many spans a blob of ${length} bytes has (1 for an empty one).
 */
uint64_t seal_spans(uint64_t length);

/**
 * seal_root(ids, n, out):
 * H("consentfs/1 root" || u32 n || blob ids), the manifest's first.
 */
void seal_root(const struct blob_id *ids, uint32_t n, uint8_t out[static 32]);

/* ---- at rest: seal/rest.c ---- */

/**
 * seal_rest_key(id, purpose, out):
 * Derive the key under which an identity's own files are encrypted:
 * H(private key; "consentfs/1 rest" || purpose).
 */
enum err seal_rest_key(const struct seal_identity *id, const char *purpose,
    struct secret **out) must_check;

#define SEAL_REST_EXTRA 40 /* nonce 24 and tag 16 */

/**
 * seal_rest(key, ad, ad_len, in, n, out):
 * Append nonce || XChaCha20-Poly1305 of ${in} to ${out}; ${ad} names the
 * place (table and row) so that values cannot be swapped.
 */
enum err seal_rest(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out) must_check;

/**
 * seal_rest_open(key, ad, in, out):
 * Append the plain bytes to ${out}.
 * Errors: CORRUPT.
 */
enum err seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out) must_check;

#endif
