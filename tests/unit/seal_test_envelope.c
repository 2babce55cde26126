/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal_test.h"

#define SLOT(n) (178 + ((n)-1) * SEAL_BOX_KEY)

static struct seal_identity *rms, *patient_rms, *patient, *institution,
    *representative;
static struct secret *key;
static struct chain chain;
static struct seal_place place;
static struct seal_readers readers;

static void
set_up(void)
{
	rms = identity_of(1);
	patient_rms = identity_of(2);
	patient = identity_of(3);
	institution = identity_of(4);
	representative = identity_of(5);
	key = secret_of(6);
	seal_chain_make('V', "block one", 9, &chain);
	place = (struct seal_place){
		.chain = &chain, .sender = { { 7 } }, .entry = { { 0, 8 } }
	};
	readers = (struct seal_readers){
		.rms = seal_identity_key(rms),
		.patient_rms = seal_identity_key(patient_rms),
		.patient = seal_identity_key(patient),
		.institution = seal_identity_key(institution),
		.representative = seal_identity_key(representative),
	};
}

static void
tear_down(void)
{
	seal_identity_free(rms);
	seal_identity_free(patient_rms);
	seal_identity_free(patient);
	seal_identity_free(institution);
	seal_identity_free(representative);
	secret_free(key);
}

/* An envelope around ${n} bytes of JSON-like text. */
static struct buf
envelope(size_t n)
{
	CLEANUP_BUF struct buf payload = { 0 };
	struct buf env = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_u8(&payload, (uint8_t)('a' + i % 26));
	OK(seal_envelope(&place, &readers, NULL, key, &payload, &env));
	return env;
}

static enum err
find(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	uint8_t known[16];

	(void)ctx;
	seal_handle(seal_identity_key(patient_rms), known);
	if (memcmp(known, handle, sizeof(known)) != 0)
		return ERR_NOTFOUND;
	*out = patient_rms;
	return ERR_OK;
}

static enum err
find_none(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	(void)ctx;
	(void)handle;
	(void)out;
	return ERR_NOTFOUND;
}

/* All that a reader of ${slot} does; 0 is the RMS. */
static enum err
read_as(const struct buf *env, int slot)
{
	const struct seal_identity *who[] = { rms, patient, institution,
		representative };
	CLEANUP(secret_free) struct secret *k = NULL;
	CLEANUP_BUF struct buf out = { 0 };
	uint8_t handle[16];
	enum err e;

	if (slot == 0)
		e = seal_envelope_key_rms(
		    env->p, env->len, rms, find, NULL, &k, handle);
	else
		e = seal_envelope_key(env->p, env->len, slot, who[slot], &k);
	if (e == ERR_OK)
		e = seal_envelope_open(env->p, env->len, &place, k, &out);
	return e;
}

START_TEST(every_reader)
{
	static const size_t sizes[] = { 1, 255, 256, 257, 5000,
		SEAL_PAYLOAD_MAX };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_BUF struct buf env = envelope(sizes[i]), out = { 0 };

		ck_assert_uint_eq((env.len - SEAL_ENVELOPE_HEAD - 16) % 256, 0);
		for (int slot = 0; slot <= 3; slot++)
			OK(read_as(&env, slot));
		buf_str(&out, "kept");
		OK(seal_envelope_open(env.p, env.len, &place, key, &out));
		ck_assert_uint_eq(out.len, 4 + sizes[i]);
		SAME(out.p, "kepta", 5);
	}
}
END_TEST

START_TEST(refused_payloads)
{
	CLEANUP_BUF struct buf p = { 0 }, env = { 0 };

	IS(seal_envelope(&place, &readers, NULL, key, &p, &env), INVAL);
	ck_assert(buf_room(&p, SEAL_PAYLOAD_MAX + 1) != NULL);
	fill(p.p, p.len, 0);
	IS(seal_envelope(&place, &readers, NULL, key, &p, &env), TOOBIG);
	p.len = 20;
	p.p[19] = ' ';
	IS(seal_envelope(&place, &readers, NULL, key, &p, &env), INVAL);
	ck_assert_uint_eq(env.len, 0);
}
END_TEST

START_TEST(bad_reader_key)
{
	const struct pubkey weak = { { 1 } };
	const struct pubkey **slots[] = { &readers.rms, &readers.patient_rms,
		&readers.patient, &readers.institution,
		&readers.representative };
	CLEANUP_BUF struct buf p = { 0 }, env = { 0 };

	buf_str(&p, "{}");
	buf_str(&env, "kept");
	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		const struct pubkey *good = *slots[i];

		*slots[i] = &weak;
		IS(seal_envelope(&place, &readers, NULL, key, &p, &env),
		    FORGED);
		*slots[i] = good;
	}
	ck_assert_str_eq(buf_text(&env), "kept");
}
END_TEST

START_TEST(public_bytes)
{
	CLEANUP_BUF struct buf p = { 0 }, a = { 0 }, b = { 0 };
	uint8_t root[32];

	fill(root, sizeof(root), 9);
	buf_str(&p, "{}");
	OK(seal_envelope(&place, &readers, root, key, &p, &a));
	SAME(seal_envelope_public(a.p, a.len), root, 32);
	OK(seal_envelope(&place, &readers, NULL, key, &p, &b));
	ck_assert_mem_ne(seal_envelope_public(b.p, b.len), root, 32);
	ck_assert_ptr_eq(seal_envelope_public(b.p, b.len), b.p + 2);
}
END_TEST

START_TEST(empty_slots)
{
	CLEANUP_BUF struct buf env = { 0 }, p = { 0 };
	struct secret *k = NULL;

	readers.institution = readers.representative = NULL;
	buf_str(&p, "{}");
	OK(seal_envelope(&place, &readers, NULL, key, &p, &env));
	OK(read_as(&env, 0));
	OK(read_as(&env, 1));
	IS(read_as(&env, 2), NOKEY);
	IS(read_as(&env, 3), NOKEY);
	IS(seal_envelope_key(env.p, env.len, 0, patient, &k), INVAL);
	IS(seal_envelope_key(env.p, env.len, 4, patient, &k), INVAL);
}
END_TEST

START_TEST(wrong_reader)
{
	CLEANUP_BUF struct buf env = envelope(100);
	struct secret *k = NULL;
	uint8_t handle[16];

	IS(seal_envelope_key(env.p, env.len, 1, institution, &k), NOKEY);
	IS(seal_envelope_key(env.p, env.len, 2, patient, &k), NOKEY);
	IS(seal_envelope_key(env.p, env.len, 3, rms, &k), NOKEY);
	IS(seal_envelope_key_rms(
	       env.p, env.len, patient, find, NULL, &k, handle),
	    NOKEY);
	IS(seal_envelope_key_rms(
	       env.p, env.len, rms, find_none, NULL, &k, handle),
	    NOKEY);
	ck_assert(k == NULL);
}
END_TEST

/* Erasing a patient: the RMS key alone opens nothing. */
START_TEST(erased_patient)
{
	CLEANUP_BUF struct buf env = envelope(100);
	struct secret *k = NULL;
	uint8_t handle[16];
	struct seal_identity *kept = patient_rms;

	IS(seal_envelope_key(env.p, env.len, 1, rms, &k), NOKEY);
	patient_rms = identity_of(99);
	IS(seal_envelope_key_rms(env.p, env.len, rms, find, NULL, &k, handle),
	    NOKEY);
	seal_identity_free(patient_rms);
	patient_rms = kept;
}
END_TEST

START_TEST(shapes)
{
	CLEANUP_BUF struct buf env = envelope(100);
	CLEANUP_BUF struct buf out = { 0 };
	struct secret *k = NULL;

	for (size_t len = 0; len < env.len; len++) {
		IS(seal_envelope_key(env.p, len, 1, patient, &k), FORMAT);
		IS(seal_envelope_open(env.p, len, &place, key, &out), FORMAT);
		ck_assert(seal_envelope_public(env.p, len) == NULL);
	}
	env.p[1] = 2;
	IS(seal_envelope_open(env.p, env.len, &place, key, &out), FORMAT);
	env.p[1] = 1;
	env.p[0] = 2;
	IS(seal_envelope_key(env.p, env.len, 1, patient, &k), FORMAT);
	ck_assert(seal_envelope_public(env.p, env.len) == NULL);
	IS(seal_envelope_open(
	       env.p, SEAL_ENVELOPE_MAX + 256, &place, key, &out),
	    FORMAT);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* A valid envelope copied to where it does not stand. */
START_TEST(copied)
{
	CLEANUP_BUF struct buf env = envelope(100), out = { 0 };
	struct seal_place there = place;
	struct chain other_chain = chain;

	there.sender.b[31] ^= 1;
	IS(seal_envelope_open(env.p, env.len, &there, key, &out), FORGED);
	there = place;
	there.entry.b[15] ^= 1;
	IS(seal_envelope_open(env.p, env.len, &there, key, &out), FORGED);
	there = place;
	there.chain = &other_chain;
	other_chain.b[0] ^= 1;
	IS(seal_envelope_open(env.p, env.len, &there, key, &out), FORGED);
	other_chain = chain;
	other_chain.b[32] ^= 1;
	IS(seal_envelope_open(env.p, env.len, &there, key, &out), FORGED);
	ck_assert_uint_eq(out.len, 0);
	OK(seal_envelope_open(env.p, env.len, &place, key, &out));
}
END_TEST

/* A sender that gives each reader another key, to show other content. */
START_TEST(other_key_in_a_slot)
{
	CLEANUP(secret_free) struct secret *other = secret_of(66);
	const struct seal_identity *who[] = { NULL, patient, institution,
		representative };

	for (int slot = 1; slot <= 3; slot++) {
		CLEANUP_BUF struct buf env = envelope(100);

		struct secret *k = NULL;

		OK(seal_box(seal_identity_key(who[slot]), secret_view(other),
		    SEAL_KEY, env.p + SLOT(slot)));
		IS(read_as(&env, slot), FORGED);
		IS(seal_envelope_key(env.p, env.len, slot, who[slot], &k),
		    FORGED);
		ck_assert(k == NULL);
	}
}
END_TEST

/* Sealed well under one key, with the commitment of another. */
START_TEST(other_commitment)
{
	static const uint8_t nonce[24];
	CLEANUP(secret_free) struct secret *other = secret_of(66);
	CLEANUP_BUF struct buf env = envelope(256), mine = { 0 };
	CLEANUP_BUF struct buf ad = { 0 }, p = { 0 }, out = { 0 };

	OK(seal_envelope_open(env.p, env.len, &place, key, &p));
	OK(seal_envelope(&place, &readers, NULL, other, &p, &mine));
	memcpy(mine.p + 418, env.p + 418, 32);
	buf_put(&ad, mine.p, SEAL_ENVELOPE_HEAD);
	buf_put(&ad, place.sender.b, 32);
	buf_str(&ad, "cfs1.");
	buf_str(&ad, TEXT58(&place.entry));
	buf_put(&ad, chain.b, sizeof(chain.b));
	crypto_aead_xchacha20poly1305_ietf_encrypt(mine.p + SEAL_ENVELOPE_HEAD,
	    NULL, p.p, p.len, ad.p, ad.len, NULL, nonce, secret_view(other));
	IS(seal_envelope_open(mine.p, mine.len, &place, other, &out), FORGED);
	/* with its own commitment the same bytes open */
	crypto_generichash(mine.p + 418, 32,
	    (const uint8_t *)"consentfs/1 envelope", 20, secret_view(other),
	    SEAL_KEY);
	memcpy(ad.p + 418, mine.p + 418, 32);
	crypto_aead_xchacha20poly1305_ietf_encrypt(mine.p + SEAL_ENVELOPE_HEAD,
	    NULL, p.p, p.len, ad.p, ad.len, NULL, nonce, secret_view(other));
	OK(seal_envelope_open(mine.p, mine.len, &place, other, &out));
}
END_TEST

START_TEST(other_key_for_the_rms)
{
	CLEANUP_BUF struct buf env = envelope(100), out = { 0 };
	CLEANUP(secret_free) struct secret *other = secret_of(66);
	uint8_t inner[16 + SEAL_BOX_KEY];

	seal_handle(readers.patient_rms, inner);
	OK(seal_box(
	    readers.patient_rms, secret_view(other), SEAL_KEY, inner + 16));
	OK(seal_box(readers.rms, inner, sizeof(inner), env.p + 34));
	IS(read_as(&env, 0), FORGED);
	IS(seal_envelope_open(env.p, env.len, &place, other, &out), FORGED);
	/* a handle of one patient around the box of another */
	seal_handle(readers.patient_rms, inner);
	OK(seal_box(readers.patient, secret_view(key), SEAL_KEY, inner + 16));
	OK(seal_box(readers.rms, inner, sizeof(inner), env.p + 34));
	IS(read_as(&env, 0), NOKEY);
}
END_TEST

START_TEST(end_marks)
{
	CLEANUP(secret_free) struct secret *other = secret_of(66);
	uint8_t a[32], b[32];

	seal_end_mark(key, a);
	seal_end_mark(other, b);
	ck_assert_mem_ne(a, b, 32);
	seal_end_mark(key, b);
	SAME(a, b, 32);
}
END_TEST

TCase *
tcase_envelope(void)
{
	TCase *t = tcase_create("envelope");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, every_reader);
	tcase_add_test(t, refused_payloads);
	tcase_add_test(t, bad_reader_key);
	tcase_add_test(t, public_bytes);
	tcase_add_test(t, empty_slots);
	tcase_add_test(t, wrong_reader);
	tcase_add_test(t, erased_patient);
	tcase_add_test(t, shapes);
	tcase_add_test(t, copied);
	tcase_add_test(t, other_key_in_a_slot);
	tcase_add_test(t, other_commitment);
	tcase_add_test(t, other_key_for_the_rms);
	tcase_add_test(t, end_marks);
	return t;
}

static void
flip(const struct buf *env, size_t bit)
{
	env->p[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

/* Reader ${slot}: all it does if ${bit} lies in what it opens, else the open
 * with the key it found (the patient, slot 1, always does all). */
static enum err
read_flipped(const struct buf *env, size_t bit, int slot)
{
	size_t at = bit / 8, from = slot ? SLOT(slot) : 34;
	size_t to = SLOT(slot + 1);
	CLEANUP_BUF struct buf out = { 0 };

	if (slot == 1 || at < 2 || (at >= from && at < to) ||
	    (at >= 418 && at < 450))
		return read_as(env, slot);
	return seal_envelope_open(env->p, env->len, &place, key, &out);
}

/* Every bit of a 2 KiB envelope, for the reader of slot ${_i}. */
START_TEST(every_bit)
{
	CLEANUP_BUF struct buf env = envelope(1500);

	ck_assert_uint_eq(env.len, 450 + 1536 + 16);
	OK(read_as(&env, _i));
	for (size_t bit = 0; bit < 8 * env.len; bit++) {
		flip(&env, bit);
		if (read_flipped(&env, bit, _i) == ERR_OK)
			ck_abort_msg("bit %zu", bit);
		flip(&env, bit);
	}
	OK(read_as(&env, _i));
}
END_TEST

TCase *
tcase_flip(void)
{
	TCase *t = tcase_create("flip");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, every_bit, 0, 4);
	return t;
}
