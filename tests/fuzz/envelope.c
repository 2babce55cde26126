/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Envelopes.  The first byte says what the rest is:
 *   0: an envelope as it came;
 *   1: 450 bytes of head and a payload: commitment and encryption are made to
 *      fit, so that what stands behind them is reached;
 *   2: u16 place, u8 change, payload: sealed, one byte changed, opened.
 */
#include "base/text.h"
#include "fuzz.h"

#define COMMITMENT_AT 418
#define TAG           16
#define BLOCK         256

enum { RMS = 1, PATIENT_RMS, PATIENT, INSTITUTION, REPRESENTATIVE, SENDER };

static const struct chain chain = { "Fuzz" };

static struct seal_place
place(void)
{
	struct seal_place p = { .chain = &chain,
		.sender = *fuzz_pubkey(SENDER) };

	memset(p.entry.b, 9, sizeof(p.entry.b));
	return p;
}

static enum err
find(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	uint8_t ours[16];

	(void)ctx;
	seal_handle(fuzz_pubkey(PATIENT_RMS), ours);
	if (memcmp(handle, ours, sizeof(ours)) != 0)
		return ERR_NOTFOUND;
	*out = fuzz_identity(PATIENT_RMS);
	return ERR_OK;
}

static bool
is_key_error(enum err e)
{
	return e == ERR_NOKEY || e == ERR_FORMAT || e == ERR_FORGED;
}

/* Try every slot; whatever key comes out must fit the commitment. */
static unsigned
try_slots(const uint8_t *p, size_t n)
{
	unsigned opened = 0;

	for (int slot = 0; slot <= 3; slot++) {
		CLEANUP(secret_free) struct secret *key = NULL;
		uint8_t handle[16];
		enum err e = slot ?
		    seal_envelope_key(
			p, n, slot, fuzz_identity((uint8_t)(2 + slot)), &key) :
		    seal_envelope_key_rms(
			p, n, fuzz_identity(RMS), find, NULL, &key, handle);

		MUST(e == ERR_OK || is_key_error(e));
		MUST((e == ERR_OK) == (key != NULL));
		opened += e == ERR_OK;
	}
	return opened;
}

static enum err
try_open(const uint8_t *p, size_t n, const struct secret *key, struct buf *out)
{
	struct seal_place at = place();
	enum err e = seal_envelope_open(p, n, &at, key, out);

	MUST(e == ERR_OK || e == ERR_FORMAT || e == ERR_FORGED);
	MUST(e == ERR_OK || out->len == 0);
	MUST(out->len <= SEAL_PAYLOAD_MAX);
	MUST(out->len == 0 || out->p[out->len - 1] != ' ');
	return e;
}

static void
try_raw(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf out = { 0 };

	(void)try_slots(p, n);
	(void)try_open(p, n, fuzz_secret(1), &out);
	MUST(seal_envelope_public(p, n) == NULL ||
	    (n >= SEAL_ENVELOPE_HEAD + BLOCK + TAG && n <= SEAL_ENVELOPE_MAX));
}

static void
fit(struct buf *env, size_t payload)
{
	static const uint8_t nonce[24];
	static const char context[] = "consentfs/1 envelope";
	const struct seal_part part = { context, sizeof(context) - 1 };
	const uint8_t *key = secret_view(fuzz_secret(1));
	CLEANUP_BUF struct buf ad = { 0 };
	struct seal_place at = place();

	seal_hash(key, &part, 1, env->p + COMMITMENT_AT);
	buf_put(&ad, env->p, SEAL_ENVELOPE_HEAD);
	buf_put(&ad, at.sender.b, sizeof(at.sender.b));
	buf_str(&ad, "cfs1.");
	buf_str(&ad, TEXT58(&at.entry));
	buf_put(&ad, chain.b, sizeof(chain.b));
	MUST(ad.err == ERR_OK);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    env->p + SEAL_ENVELOPE_HEAD, NULL, env->p + SEAL_ENVELOPE_HEAD,
	    payload, ad.p, ad.len, NULL, nonce, key);
}

static void
try_fitted(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf env = { 0 }, out = { 0 };
	size_t payload = n - SEAL_ENVELOPE_HEAD;
	enum err e;

	if (n < SEAL_ENVELOPE_HEAD)
		return;
	buf_put(&env, p, n);
	MUST(buf_room(&env, TAG) != NULL);
	fit(&env, payload);
	e = try_open(env.p, env.len, fuzz_secret(1), &out);
	if (seal_envelope_public(env.p, env.len) == NULL) {
		MUST(e == ERR_FORMAT);
		return;
	}
	MUST(e == ERR_OK && out.len <= payload);
	MUST(out.len == 0 ||
	    memcmp(out.p, p + SEAL_ENVELOPE_HEAD, out.len) == 0);
	for (size_t i = out.len; i < payload; i++)
		MUST(p[SEAL_ENVELOPE_HEAD + i] == ' ');
}

static enum err
make(const uint8_t *p, size_t n, struct buf *out)
{
	const struct seal_readers readers = { fuzz_pubkey(RMS),
		fuzz_pubkey(PATIENT_RMS), fuzz_pubkey(PATIENT),
		fuzz_pubkey(INSTITUTION), fuzz_pubkey(REPRESENTATIVE) };
	CLEANUP_BUF struct buf payload = { 0 };
	struct seal_place at = place();

	buf_put(&payload, p, n);
	return seal_envelope(
	    &at, &readers, NULL, fuzz_secret(1), &payload, out);
}

static void
try_changed(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf env = { 0 }, out = { 0 };
	struct rd r;
	size_t where;
	uint8_t change;
	enum err e;

	rd_init(&r, p, n);
	where = rd_u16(&r);
	change = rd_u8(&r);
	e = make(r.p, r.left, &env);
	MUST(e == ERR_OK || (e == ERR_INVAL || e == ERR_TOOBIG));
	if (e || r.err)
		return;
	env.p[where % env.len] ^= change;
	e = try_open(env.p, env.len, fuzz_secret(1), &out);
	if (change) {
		MUST(e == ERR_FORMAT || e == ERR_FORGED);
		MUST(try_slots(env.p, env.len) <= 4);
		return;
	}
	MUST(e == ERR_OK && out.len == r.left);
	MUST(memcmp(out.p, r.p, out.len) == 0);
	MUST(try_slots(env.p, env.len) == 4);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const char payload[] = "{\"v\":1,\"type\":\"end\"}";
	static const uint8_t changed[][5] = { { 2, 0, 0, 0, '{' },
		{ 2, 0, 9, 1, '{' } };
	CLEANUP_BUF struct buf raw = { 0 }, fitted = { 0 };

	buf_u8(&raw, 0);
	MUST(make((const uint8_t *)payload, sizeof(payload) - 1, &raw) ==
	    ERR_OK);
	fuzz_seed(to, raw.p, raw.len);
	raw.p[0] = 1;
	buf_put(&fitted, raw.p, 1 + SEAL_ENVELOPE_HEAD);
	for (size_t i = 0; i < BLOCK; i++)
		buf_u8(&fitted, i < 20 ? 'x' : ' ');
	fuzz_seed(to, fitted.p, fitted.len);
	for (size_t i = 0; i < ARRAY_LEN(changed); i++)
		fuzz_seed(to, changed[i], sizeof(changed[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static void (*const ways[])(
	    const uint8_t *, size_t) = { try_raw, try_fitted, try_changed };

	if (n > 0)
		ways[p[0] % ARRAY_LEN(ways)](p + 1, n - 1);
	return 0;
}
