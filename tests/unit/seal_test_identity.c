/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identities, statements, boxes, encryption at rest. */
#include "seal_test.h"

START_TEST(fresh_keys)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *a = NULL, *b = NULL, *again = NULL;

	OK(seal_identity_new(&a));
	OK(seal_identity_new(&b));
	ck_assert(!ID_EQ(seal_identity_key(a), seal_identity_key(b)));
	OK(seal_identity_from_private(seal_identity_private(a), &again));
	ck_assert(ID_EQ(seal_identity_key(a), seal_identity_key(again)));
	OK(seal_key_check(seal_identity_key(a)));
	seal_identity_free(NULL);
}
END_TEST

START_TEST(seed_text)
{
	struct seal_identity *id = NULL;

	IS(seal_identity_from_seed("\xff\xfe", &id), INVAL);
	ck_assert(id == NULL);
}
END_TEST

/* y(u) against libsodium, which computes both forms of a key on its own. */
START_TEST(edwards_form)
{
	for (unsigned i = 0; i < 300; i++) {
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
		uint8_t y[32];

		OK(seal_identity_new(&id));
		seal_field_edwards(id->public.b, y);
		y[31] |= id->edwards[31] & 0x80;
		SAME(y, id->edwards, 32);
	}
}
END_TEST

START_TEST(event_ids)
{
	struct chain chain, other;
	struct pubkey sender = { { 1 } };
	struct entry_key entry = { { 2 } };
	struct event_id a, b;

	seal_chain_make('V', "block one", 9, &chain);
	ck_assert_uint_eq(chain.b[0], 'V');
	seal_chain_make('V', "block onf", 9, &other);
	seal_event_id(&chain, &sender, &entry, &a);
	seal_event_id(&other, &sender, &entry, &b);
	ck_assert(!ID_EQ(&a, &b));
	entry.b[15] = 1;
	seal_event_id(&chain, &sender, &entry, &b);
	ck_assert(!ID_EQ(&a, &b));
	entry.b[15] = 0;
	sender.b[31] = 1;
	seal_event_id(&chain, &sender, &entry, &b);
	ck_assert(!ID_EQ(&a, &b));
	sender.b[31] = 0;
	seal_event_id(&chain, &sender, &entry, &b);
	ck_assert(ID_EQ(&a, &b));
}
END_TEST

START_TEST(boxes)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *to = identity_of(1), *other = identity_of(2);
	uint8_t box[5 + SEAL_BOX_EXTRA], again[5 + SEAL_BOX_EXTRA], out[5];

	OK(seal_box(seal_identity_key(to), "hello", 5, box));
	OK(seal_box(seal_identity_key(to), "hello", 5, again));
	ck_assert_mem_ne(box, again, sizeof(box));
	OK(seal_box_open(to, box, sizeof(box), out));
	SAME(out, "hello", 5);
	IS(seal_box_open(other, box, sizeof(box), out), FORGED);
	IS(seal_box_open(to, box, SEAL_BOX_EXTRA - 1, out), FORGED);
	for (size_t bit = 0; bit < 8 * sizeof(box); bit++) {
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
		IS(seal_box_open(to, box, sizeof(box), out), FORGED);
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

TCase *
tcase_identity(void)
{
	TCase *t = tcase_create("identity");

	tcase_add_test(t, fresh_keys);
	tcase_add_test(t, seed_text);
	tcase_add_test(t, edwards_form);
	tcase_add_test(t, event_ids);
	tcase_add_test(t, boxes);
	return t;
}

/* Sign under each use and verify under each: only the same one passes. */
START_TEST(uses_apart)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = identity_of(3);
	CLEANUP_BUF struct buf msg = { 0 };
	struct chain chain;

	seal_chain_make('V', "x", 1, &chain);
	buf_str(&msg, "a statement");
	for (int s = SEAL_REQUEST; s <= SEAL_BLOCK; s++) {
		struct sig sig;

		OK(seal_sign(id, (enum seal_use)s, &chain, &msg, &sig));
		for (int v = SEAL_REQUEST; v <= SEAL_BLOCK; v++)
			ck_assert_int_eq(
			    seal_verify(seal_identity_key(id), (enum seal_use)v,
				&chain, &msg, &sig),
			    v == s ? ERR_OK : ERR_FORGED);
	}
}
END_TEST

START_TEST(statement_bound)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *id = identity_of(3), *other = identity_of(4);
	const struct pubkey *key = seal_identity_key(id);
	CLEANUP_BUF struct buf msg = { 0 };
	struct chain chain, elsewhere;
	struct sig sig;

	seal_chain_make('V', "x", 1, &chain);
	seal_chain_make('V', "y", 1, &elsewhere);
	buf_str(&msg, "a statement");
	OK(seal_sign(id, SEAL_CARD, &chain, &msg, &sig));
	IS(seal_verify(key, SEAL_CARD, &elsewhere, &msg, &sig), FORGED);
	IS(seal_verify(key, SEAL_CARD, NULL, &msg, &sig), FORGED);
	IS(seal_verify(seal_identity_key(other), SEAL_CARD, &chain, &msg, &sig),
	    FORGED);
	IS(seal_verify_raw(key, msg.p, msg.len, &sig), FORGED);
	for (size_t bit = 0; bit < 8 * sizeof(sig.b); bit++) {
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		IS(seal_verify(key, SEAL_CARD, &chain, &msg, &sig), FORGED);
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	msg.p[0] ^= 1;
	IS(seal_verify(key, SEAL_CARD, &chain, &msg, &sig), FORGED);
	msg.err = ERR_NOMEM;
	IS(seal_sign(id, SEAL_CARD, &chain, &msg, &sig), NOMEM);
}
END_TEST

/* The signed bytes are those that PROTOCOL.ledger writes down. */
START_TEST(statement_bytes)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = identity_of(3);
	CLEANUP_BUF struct buf msg = { 0 }, bytes = { 0 };
	struct chain chain;
	struct sig sig;

	seal_chain_make('V', "x", 1, &chain);
	buf_str(&msg, "m");
	buf_u16(&bytes, 0xffff);
	buf_put(&bytes, "consentfs/1 statementreceipt", 29); /* with its NUL */
	buf_put(&bytes, chain.b, sizeof(chain.b));
	buf_str(&bytes, "m");
	OK(seal_sign(id, SEAL_RECEIPT, &chain, &msg, &sig));
	OK(seal_verify_raw(seal_identity_key(id), bytes.p, bytes.len, &sig));
}
END_TEST

TCase *
tcase_sign(void)
{
	TCase *t = tcase_create("sign");

	tcase_add_test(t, uses_apart);
	tcase_add_test(t, statement_bound);
	tcase_add_test(t, statement_bytes);
	return t;
}

START_TEST(rest_round)
{
	CLEANUP(secret_free) struct secret *key = secret_of(5);
	CLEANUP_BUF struct buf a = { 0 }, b = { 0 }, out = { 0 };
	const struct seal_part ad = { "titles/7", 8 };
	const struct seal_part other = { "titles/8", 8 };
	const struct seal_part in = { "chest x-ray", 11 };

	OK(seal_rest(key, ad, in, &a));
	OK(seal_rest(key, ad, in, &b));
	ck_assert_uint_eq(a.len, 11 + SEAL_REST_EXTRA);
	ck_assert_mem_ne(a.p, b.p, a.len);
	OK(seal_rest_open(key, ad, (struct seal_part){ a.p, a.len }, &out));
	ck_assert_str_eq(buf_text(&out), "chest x-ray");
	IS(seal_rest_open(key, other, (struct seal_part){ a.p, a.len }, &out),
	    CORRUPT);
	IS(seal_rest_open(
	       key, ad, (struct seal_part){ a.p, SEAL_REST_EXTRA - 1 }, &out),
	    CORRUPT);
	for (size_t bit = 0; bit < 8 * a.len; bit++) {
		a.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		IS(seal_rest_open(
		       key, ad, (struct seal_part){ a.p, a.len }, &out),
		    CORRUPT);
		a.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_str_eq(buf_text(&out), "chest x-ray");
}
END_TEST

START_TEST(rest_keys)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = identity_of(6);
	CLEANUP(secret_free) struct secret *a = NULL, *b = NULL, *again = NULL;

	OK(seal_rest_key(id, "journal", &a));
	OK(seal_rest_key(id, "registry", &b));
	OK(seal_rest_key(id, "journal", &again));
	ck_assert_uint_eq(secret_len(a), SEAL_KEY);
	ck_assert_mem_ne(secret_view(a), secret_view(b), SEAL_KEY);
	SAME(secret_view(a), secret_view(again), SEAL_KEY);
}
END_TEST

TCase *
tcase_rest(void)
{
	TCase *t = tcase_create("rest");

	tcase_add_test(t, rest_round);
	tcase_add_test(t, rest_keys);
	return t;
}
