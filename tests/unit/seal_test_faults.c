/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Out of memory, a library that refuses, keys and uses that cannot be: the
 * right error, and nothing half done or left behind.
 */
#include <stdio.h>

#include "nth_cipher.h"
#include "seal_test.h"

#define PLAIN 20000 /* two chunks */

static struct seal_identity *one, *two;
static struct secret *key, *short_key;
static struct chain chain;
static struct seal_place place;
static struct seal_readers readers;
static const struct event_id set = { { 5 } };
static const struct buf failed = { .err = ERR_NOMEM };
static struct buf plain, payload, sealed, env;
static char path[300];

static void
set_up(void)
{
	const uint8_t some[16] = { 0 };

	one = identity_of(1);
	two = identity_of(2);
	key = secret_of(6);
	OK(secret_copy(some, sizeof(some), &short_key));
	place = (struct seal_place){ .chain = &chain };
	readers = (struct seal_readers){ .rms = seal_identity_key(one),
		.patient_rms = seal_identity_key(two),
		.patient = seal_identity_key(one) };
	fill(buf_room(&plain, PLAIN), PLAIN, 1);
	buf_str(&payload, "{\"v\":1}");
	OK(seal_doc_whole(key, &set, 1, &plain, &sealed));
	OK(seal_envelope(&place, &readers, NULL, key, &payload, &env));
	(void)snprintf(
	    path, sizeof(path), "/tmp/seal_test.%d.key", (int)getpid());
	nth_quick_stretch = true;
}

static void
tear_down(void)
{
	buf_free(&plain);
	buf_free(&payload);
	buf_free(&sealed);
	buf_free(&env);
	seal_identity_free(one);
	seal_identity_free(two);
	secret_free(key);
	secret_free(short_key);
	(void)unlink(path);
}

/* The error is NOMEM if something failed, else none. */
#define FAILS_CLEANLY(e) NTH_MUST((e) == (nth_hit() ? ERR_NOMEM : ERR_OK))

static void
documents(void *ctx)
{
	CLEANUP_BUF struct buf in = { 0 }, out = { 0 };
	enum err e = seal_doc_whole(key, &set, 1, &plain, &in);

	(void)ctx;
	NTH_MUST(e == ERR_OK || in.len == 0);
	if (e == ERR_OK)
		e = seal_doc_open_whole(key, &set, 1, in.p, in.len, &out);
	NTH_MUST(e == ERR_OK || out.len == 0);
	FAILS_CLEANLY(e);
}

static void
manifest_keys(void *ctx)
{
	CLEANUP(secret_free) struct secret *k = NULL;
	enum err e = seal_manifest_key(key, &set, &k);

	(void)ctx;
	NTH_MUST((e == ERR_OK) == (k != NULL));
	FAILS_CLEANLY(e);
}

static enum err
find(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	enum err *e = ctx;

	(void)handle;
	if (*e == ERR_OK)
		*out = two;
	return *e == ERR_EXISTS ? ERR_OK : *e; /* EXISTS: OK, but nobody */
}

static void
envelopes(void *ctx)
{
	CLEANUP(secret_free) struct secret *k = NULL, *k0 = NULL;
	CLEANUP_BUF struct buf made = { 0 }, out = { 0 };
	uint8_t handle[16];
	enum err found = ERR_OK;
	enum err e = seal_envelope(
	    &place, &readers, NULL, key, &payload, &made);

	(void)ctx;
	NTH_MUST(e == ERR_OK || made.len == 0);
	if (e == ERR_OK)
		e = seal_envelope_key(env.p, env.len, 1, one, &k);
	if (e == ERR_OK)
		e = seal_envelope_key_rms(
		    env.p, env.len, one, find, &found, &k0, handle);
	if (e == ERR_OK)
		e = seal_envelope_open(env.p, env.len, &place, key, &out);
	NTH_MUST(e == ERR_OK || out.len == 0);
	FAILS_CLEANLY(e);
}

static void
identities(void *ctx)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *a = NULL, *b = NULL;
	enum err e = seal_identity_new(&a);

	(void)ctx;
	if (e == ERR_OK)
		e = seal_identity_from_seed("a wallet's phrase", &b);
	NTH_MUST((e == ERR_OK) == (b != NULL));
	FAILS_CLEANLY(e);
}

static enum err
ask(void *ctx, const char *of, struct secret **out)
{
	(void)ctx, (void)of;
	return secret_copy("phrase", 6, out);
}

/* A key file is there whole or not at all. */
static void
key_files(void *ctx)
{
	const struct secret *phrase = ctx;
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	enum err e;

	(void)unlink(path);
	e = seal_identity_save(one, path, phrase);
	NTH_MUST((e == ERR_OK) == (access(path, F_OK) == 0));
	if (e == ERR_OK)
		e = seal_identity_load(path, ask, NULL, &id);
	NTH_MUST((e == ERR_OK) == (id != NULL));
	FAILS_CLEANLY(e);
}

static void
at_rest(void *ctx)
{
	const struct seal_part ad = { "row", 3 }, in = { "plain", 5 };
	CLEANUP_BUF struct buf kept = { 0 }, out = { 0 };
	CLEANUP(secret_free) struct secret *k = NULL;
	enum err e = seal_rest_key(one, "test", &k);

	(void)ctx;
	if (e == ERR_OK)
		e = seal_rest(k, ad, in, &kept);
	if (e == ERR_OK)
		e = seal_rest_open(
		    k, ad, (struct seal_part){ kept.p, kept.len }, &out);
	NTH_MUST(e == ERR_OK ? out.len == 5 : out.len == 0);
	FAILS_CLEANLY(e);
}

static void
statements(void *ctx)
{
	const struct pubkey *who = seal_identity_key(one);
	struct sig sig = { { 0 } };
	enum err e = seal_sign(one, SEAL_CARD, &chain, &payload, &sig);

	(void)ctx;
	if (e == ERR_OK)
		e = seal_verify(who, SEAL_CARD, &chain, &payload, &sig);
	FAILS_CLEANLY(e);
}

static void
blob_ids(void *ctx)
{
	struct blob_id id;
	enum err e = seal_blob_id_of(plain.p, plain.len, &id);

	(void)ctx;
	FAILS_CLEANLY(e);
}

START_TEST(no_memory)
{
	CLEANUP(secret_free) struct secret *phrase = NULL;
	void (*const all[])(void *) = { documents, manifest_keys, envelopes,
		identities, at_rest, statements, blob_ids, key_files };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		ck_assert_uint_ge(
		    nth_each(NTH_MEMORY, ENOMEM, all[i], NULL), 1);
	OK(secret_copy("phrase", 6, &phrase));
	ck_assert_uint_ge(nth_each(NTH_MEMORY, ENOMEM, key_files, phrase), 8);
}
END_TEST

/* Whatever libcrypto refuses, no plain byte is shown. */
static void
refused_cipher(void *ctx)
{
	CLEANUP_BUF struct buf in = { 0 }, out = { 0 };
	enum err e = seal_doc_whole(key, &set, 1, &plain, &in);

	(void)ctx;
	NTH_MUST(e == ERR_OK || (e == ERR_NOMEM && in.len == 0));
	if (e)
		return;
	e = seal_doc_open_whole(key, &set, 1, in.p, in.len, &out);
	NTH_MUST(e == ERR_OK || e == ERR_FORGED || e == ERR_NOMEM);
	NTH_MUST((e == ERR_OK) == !nth_hit());
	NTH_MUST(e == ERR_OK || out.len == 0);
}

START_TEST(no_cipher)
{
	ck_assert_uint_ge(nth_each(NTH_CIPHER, 0, refused_cipher, NULL), 20);
}
END_TEST

/* libcrypto is asked once: in a process that has not done so yet. */
START_TEST(no_such_cipher)
{
	CLEANUP_BUF struct buf in = { 0 };
	CLEANUP(secret_free) struct secret *k = secret_of(6);
	enum err e;

	buf_str(&payload, "{}");
	nth_arm(NTH_CIPHER, 1, 0);
	e = seal_doc_whole(k, &set, 1, &payload, &in);
	if (!nth_disarm())
		return; /* without fork it was asked already */
	IS(e, UNSUPPORTED);
	ck_assert_uint_eq(in.len, 0);
	buf_free(&payload);
}
END_TEST

START_TEST(wrong_keys)
{
	CLEANUP_BUF struct buf out = { 0 };
	CLEANUP(secret_free) struct secret *k = NULL;
	const struct seal_part part = { "x", 1 };
	struct seal_doc *d = NULL;
	uint8_t head[SEAL_DOC_HEAD];

	IS(seal_doc_begin(short_key, &set, 1, 5, &d, head), INVAL);
	IS(seal_doc_open(short_key, &set, 1, sealed.p, &d), FORGED);
	IS(seal_manifest_key(short_key, &set, &k), INVAL);
	IS(seal_envelope(&place, &readers, NULL, short_key, &payload, &out),
	    INVAL);
	IS(seal_envelope_open(env.p, env.len, &place, short_key, &out), FORGED);
	IS(seal_rest(short_key, part, part, &out), INVAL);
	IS(seal_rest_open(short_key, part,
	       (struct seal_part){ sealed.p, SEAL_REST_EXTRA }, &out),
	    CORRUPT);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* What failed before is told on. */
START_TEST(failed_inputs)
{
	CLEANUP_BUF struct buf out = { 0 };
	struct sig sig;

	IS(seal_doc_whole(key, &set, 1, &failed, &out), NOMEM);
	IS(seal_envelope(&place, &readers, NULL, key, &failed, &out), NOMEM);
	IS(seal_sign(one, SEAL_CARD, NULL, &failed, &sig), NOMEM);
	IS(seal_sign(one, (enum seal_use)99, NULL, &payload, &sig), INVAL);
}
END_TEST

START_TEST(wrong_turn)
{
	CLEANUP(seal_doc_free) struct seal_doc *in = NULL, *out = NULL;
	uint8_t head[SEAL_DOC_HEAD], byte = 7, chunk[1 + SEAL_TAG];

	OK(seal_doc_begin(key, &set, 1, 1, &in, head));
	OK(seal_doc_chunk(in, &byte, 1, chunk));
	IS(seal_doc_chunk(in, &byte, 1, chunk), INVAL); /* one too many */
	IS(seal_doc_read(in, 0, chunk, sizeof(chunk), &byte), INVAL);
	OK(seal_doc_open(key, &set, 1, head, &out));
	IS(seal_doc_chunk(out, &byte, 1, chunk), INVAL);
	OK(seal_doc_read(out, 0, chunk, sizeof(chunk), &byte));
	ck_assert_uint_eq(byte, 7);
}
END_TEST

/* What the lookup of a patient's key says is told on. */
START_TEST(lookup_fails)
{
	static const struct {
		enum err found, want;
	} rows[] = { { ERR_NOTFOUND, ERR_NOKEY }, { ERR_EXISTS, ERR_NOKEY },
		{ ERR_IO, ERR_IO }, { ERR_NOKEY, ERR_NOKEY } };
	uint8_t handle[16];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret *k = NULL;
		enum err found = rows[i].found;

		ck_assert_int_eq(seal_envelope_key_rms(env.p, env.len, one,
				     find, &found, &k, handle),
		    rows[i].want);
		ck_assert_ptr_null(k);
	}
}
END_TEST

/* The shape is right but for one of its first bytes. */
START_TEST(other_kinds)
{
	for (int i = 0; i < 2; i++) {
		env.p[i] ^= 8;
		ck_assert_ptr_null(seal_envelope_public(env.p, env.len));
		env.p[i] ^= 8;
	}
	ck_assert_ptr_nonnull(seal_envelope_public(env.p, env.len));
}
END_TEST

/* Computed by another implementation: one block, exactly one, two. */
START_TEST(keccak)
{
	static const struct {
		size_t n;
		const char *hex;
	} rows[] = {
		{ 135,
		    "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454"
		    "919cf446" },
		{ 136,
		    "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b"
		    "60aa386e" },
		{ 200,
		    "96ea54061def936c4be90b518992fdc6f12f535068a256229aca5426"
		    "7b4d084d" },
	};
	uint8_t in[200], out[32];
	char hex[65];

	memset(in, 'a', sizeof(in));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		seal_keccak256(in, rows[i].n, out);
		text_hex(out, sizeof(out), hex);
		ck_assert_str_eq(hex, rows[i].hex);
	}
}
END_TEST

/* A passphrase that cannot be had is told on; nothing is made. */
static enum err
give_up(void *ctx, const char *of, struct secret **out)
{
	(void)ctx, (void)of, (void)out;
	return ERR_INTERRUPTED;
}

START_TEST(no_passphrase)
{
	CLEANUP(secret_free) struct secret *phrase = NULL;
	struct seal_identity *id = NULL;

	OK(secret_copy("phrase", 6, &phrase));
	OK(seal_identity_save(one, path, phrase));
	IS(seal_identity_load(path, give_up, NULL, &id), INTERRUPTED);
	ck_assert_ptr_null(id);
}
END_TEST

TCase *
tcase_faults(void)
{
	TCase *c = tcase_create("faults");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, no_memory);
	tcase_add_test(c, no_cipher);
	tcase_add_test(c, wrong_keys);
	tcase_add_test(c, failed_inputs);
	tcase_add_test(c, wrong_turn);
	tcase_add_test(c, lookup_fails);
	tcase_add_test(c, other_kinds);
	tcase_add_test(c, keccak);
	tcase_add_test(c, no_passphrase);
	return c;
}

TCase *
tcase_no_cipher(void)
{
	TCase *c = tcase_create("no cipher");

	tcase_add_test(c, no_such_cipher);
	return c;
}
