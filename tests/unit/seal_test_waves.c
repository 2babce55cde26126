/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against vectors of the official Waves and Waves Enterprise libraries. */
#include "seal_test.h"

static json_t *all;

static void
load(void)
{
	all = vectors("waves.json");
}

static void
unload(void)
{
	json_decref(all);
}

static void
check_addresses(const json_t *v, const struct pubkey *key)
{
	const char *chain;
	json_t *address;

	json_object_foreach(json_object_get(v, "addresses"), chain, address)
	{
		uint8_t got[26];

		seal_address(key, (uint8_t)chain[0], got);
		ck_assert_str_eq(
		    text58(got, sizeof(got), &(struct text58){ "" }),
		    json_string_value(address));
	}
}

static void
check_identity(
    const json_t *v, const char *private_name, const struct seal_identity *id)
{
	uint8_t want[32];

	hex_read(v, private_name, want, sizeof(want));
	SAME(seal_identity_private(id), want, 32);
	hex_read(v, "publicKeyHex", want, sizeof(want));
	SAME(seal_identity_key(id)->b, want, 32);
	ck_assert_str_eq(
	    TEXT58(seal_identity_key(id)), text_of(v, "publicKey"));
	OK(seal_key_check(seal_identity_key(id)));
	check_addresses(v, seal_identity_key(id));
}

START_TEST(seeds)
{
	size_t i;
	json_t *v;

	ck_assert_uint_eq(json_array_size(json_object_get(all, "seeds")), 5);
	json_array_foreach(json_object_get(all, "seeds"), i, v)
	{
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;

		OK(seal_identity_from_seed(text_of(v, "seed"), &id));
		check_identity(v, "privateKeyHex", id);
	}
}
END_TEST

START_TEST(raw_keys)
{
	size_t i;
	json_t *v;

	ck_assert(json_array_size(json_object_get(all, "rawKeys")) > 0);
	json_array_foreach(json_object_get(all, "rawKeys"), i, v)
	{
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
		uint8_t raw[32];

		hex_read(v, "inputHex", raw, sizeof(raw));
		OK(seal_identity_from_private(raw, &id));
		check_identity(v, "clampedPrivateKeyHex", id);
	}
}
END_TEST

/* The signer's seed is given: sign again, byte for byte, and verify. */
static void
check_signed(const json_t *v)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	CLEANUP_BUF struct buf body = hex_of(v, "bodyHex");
	struct sig want, got;
	uint8_t rnd[64];

	for (size_t i = 0; i < sizeof(rnd); i++)
		rnd[i] = (uint8_t)i;
	OK(seal_identity_from_seed(text_of(v, "signerSeed"), &id));
	hex_read(v, "sig_det_hex", want.b, sizeof(want.b));
	seal_sign_with(id, NULL, body.p, body.len, &got);
	SAME(got.b, want.b, sizeof(want.b));
	OK(seal_verify_raw(seal_identity_key(id), body.p, body.len, &want));
	base58_read(v, "sig_rnd", want.b, sizeof(want.b));
	seal_sign_with(id, rnd, body.p, body.len, &got);
	SAME(got.b, want.b, sizeof(want.b));
	OK(seal_verify_raw(seal_identity_key(id), body.p, body.len, &want));
	body.p[0] ^= 1;
	IS(seal_verify_raw(seal_identity_key(id), body.p, body.len, &want),
	    FORGED);
}

START_TEST(transactions)
{
	size_t i, nsigned = 0;
	json_t *v;

	json_array_foreach(json_object_get(all, "weDataTransactions"), i, v)
	{
		CLEANUP_BUF struct buf body = hex_of(v, "bodyHex");
		const struct seal_part part = { body.p, body.len };
		struct tx_id id;

		seal_hash(NULL, &part, 1, id.b);
		ck_assert_str_eq(TEXT58(&id), text_of(v, "id"));
		if (json_object_get(v, "signerSeed") == NULL)
			continue;
		check_signed(v);
		nsigned++;
	}
	ck_assert_uint_eq(nsigned, 16);
}
END_TEST

START_TEST(public_transactions)
{
	const json_t *list = json_object_get(
	    all, "publicWavesDataTransactions");
	size_t i;
	json_t *v;

	ck_assert(json_array_size(list) > 0);
	json_array_foreach(list, i, v)
	{
		CLEANUP_BUF struct buf body = hex_of(v, "bodyHex");
		struct pubkey key;
		struct sig sig;

		base58_read(
		    json_object_get(v, "json"), "senderPublicKey", key.b, 32);
		base58_read(v, "sig_rnd", sig.b, sizeof(sig.b));
		OK(seal_verify_raw(&key, body.p, body.len, &sig));
	}
}
END_TEST

START_TEST(bad_signatures)
{
	const json_t *list = json_object_get(all, "badSignatures");
	size_t i, wrong_length = 0;
	json_t *v;

	ck_assert_uint_eq(json_array_size(list), 11);
	json_array_foreach(list, i, v)
	{
		CLEANUP_BUF struct buf msg = hex_of(v, "messageHex");
		struct pubkey key;
		struct sig sig;

		ck_assert(json_is_true(json_object_get(v, "clientMustReject")));
		hex_read(v, "publicKeyHex", key.b, sizeof(key.b));
		if (text58_read(text_of(v, "signature"), sig.b,
			sizeof(sig.b)) != ERR_OK) {
			wrong_length++;
			continue;
		}
		ck_assert_msg(
		    seal_verify_raw(&key, msg.p, msg.len, &sig) == ERR_FORGED,
		    "%s", text_of(v, "name"));
	}
	ck_assert_uint_eq(wrong_length, 1);
}
END_TEST

START_TEST(weak_keys)
{
	const json_t *list = json_object_get(all, "weakPublicKeysHex");
	uint8_t box[SEAL_BOX_KEY], key[SEAL_KEY] = { 0 };
	size_t i;
	json_t *v;

	ck_assert_uint_eq(json_array_size(list), 7);
	json_array_foreach(list, i, v)
	{
		struct pubkey weak;

		OK(text_hex_read(json_string_value(v), weak.b, 32));
		IS(seal_key_check(&weak), FORGED);
		IS(seal_box(&weak, key, sizeof(key), box), FORGED);
		weak.b[31] |= 0x80;
		IS(seal_key_check(&weak), FORGED);
	}
}
END_TEST

/* p + 2 up to 2^255 - 1 stand for 2..18; p - 2 is the highest good one. */
START_TEST(canonical_keys)
{
	uint8_t box[1 + SEAL_BOX_EXTRA];
	struct pubkey key;

	for (size_t i = 0; i < sizeof(key.b); i++)
		key.b[i] = 0xff;
	key.b[31] = 0x7f;
	for (unsigned low = 0xed; low <= 0xff; low++) {
		key.b[0] = (uint8_t)low;
		IS(seal_key_check(&key), FORGED);
		IS(seal_box(&key, "k", 1, box), FORGED);
	}
	key.b[0] = 0xeb;
	OK(seal_key_check(&key));
	key.b[0] = 0xff;
	key.b[17] = 0xfe;
	OK(seal_key_check(&key));
	key.b[31] = 0xff;
	IS(seal_key_check(&key), FORGED);
}
END_TEST

static const json_t *
repository(const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(all, "fromRepositories"), i,
	    v) if (strcmp(text_of(v, "name"), name) == 0) return v;
	ck_abort_msg("no vector '%s'", name);
	return NULL;
}

START_TEST(from_repositories)
{
	static const char *const accounts[] = { "waves-c seed->address T",
		"waves-c seed->address W", "private-node rich account" };
	const json_t *v = repository("public-mainnet-data-v1");
	CLEANUP_BUF struct buf body = hex_of(v, "bodyHex");
	struct pubkey key;
	struct sig sig;

	hex_read(v, "publicKeyHex", key.b, sizeof(key.b));
	hex_read(v, "signatureHex", sig.b, sizeof(sig.b));
	OK(seal_verify_raw(&key, body.p, body.len, &sig));
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
		uint8_t address[26];

		v = repository(accounts[i]);
		OK(seal_identity_from_seed(text_of(v, "seed"), &id));
		seal_address(seal_identity_key(id),
		    (uint8_t)text_of(v, "chainId")[0], address);
		ck_assert_str_eq(
		    text58(address, sizeof(address), &(struct text58){ "" }),
		    text_of(v, "address"));
	}
}
END_TEST

START_TEST(two_proofs)
{
	const json_t *v = repository("waves-c-data-v1");
	const json_t *proofs = json_object_get(v, "proofs");
	CLEANUP_BUF struct buf body = hex_of(v, "bodyHex");
	struct pubkey key;
	struct sig sig;

	base58_read(v, "senderPublicKey", key.b, sizeof(key.b));
	OK(text58_read(json_string_value(json_array_get(proofs, 0)), sig.b,
	    sizeof(sig.b)));
	OK(seal_verify_raw(&key, body.p, body.len, &sig));
	OK(text58_read(json_string_value(json_array_get(proofs, 1)), sig.b,
	    sizeof(sig.b)));
	IS(seal_verify_raw(&key, body.p, body.len, &sig), FORGED);
}
END_TEST

START_TEST(zero_random)
{
	const json_t *v = repository("sign zero random");
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	CLEANUP_BUF struct buf msg = hex_of(v, "messageHex");
	const uint8_t rnd[64] = { 0 };
	uint8_t key[32];
	struct sig want, got;

	hex_read(v, "privateKeyHex", key, sizeof(key));
	OK(seal_identity_from_private(key, &id));
	base58_read(v, "signature", want.b, sizeof(want.b));
	seal_sign_with(id, rnd, msg.p, msg.len, &got);
	SAME(got.b, want.b, sizeof(want.b));
}
END_TEST

START_TEST(hashes)
{
	static const struct {
		const char *text, *hex;
	} keccak[] = {
		{ "",
		    "c5d2460186f7233c927e7db2dcc703c0"
		    "e500b653ca82273b7bfad8045d85a470" },
		{ "abc",
		    "4e03657aea45a94fc7d47ba826c8d667"
		    "c0d1e6e33a64a036ec44f58fa12d6c45" },
	};
	const json_t *v = repository("secureHash");
	const char *text = text_of(v, "inputText");
	uint8_t got[32], want[32];

	for (size_t i = 0; i < ARRAY_LEN(keccak); i++) {
		seal_keccak256(keccak[i].text, strlen(keccak[i].text), got);
		OK(text_hex_read(keccak[i].hex, want, sizeof(want)));
		SAME(got, want, sizeof(want));
	}
	hex_read(v, "hashHex", want, sizeof(want));
	seal_secure_hash(text, strlen(text), got);
	SAME(got, want, sizeof(want));
}
END_TEST

TCase *
tcase_waves(void)
{
	TCase *t = tcase_create("waves");

	tcase_add_checked_fixture(t, load, unload);
	tcase_add_test(t, seeds);
	tcase_add_test(t, raw_keys);
	tcase_add_test(t, transactions);
	tcase_add_test(t, public_transactions);
	tcase_add_test(t, bad_signatures);
	tcase_add_test(t, weak_keys);
	tcase_add_test(t, canonical_keys);
	tcase_add_test(t, from_repositories);
	tcase_add_test(t, two_proofs);
	tcase_add_test(t, zero_random);
	tcase_add_test(t, hashes);
	return t;
}
