/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/keystore.h"
#include "consentd/store.h"
#include "consentd_test.h"

static struct {
	char dir[128];
	struct seal_identity *protect;
	struct consentd_keys *k;
	struct consentd_store *s;
} t;

static void
up(void)
{
	memset(&t, 0, sizeof(t));
	dir_make(t.dir);
	OK(seal_identity_new(&t.protect));
}

static void
down(void)
{
	consentd_keys_close(TAKE(t.k));
	consentd_store_close(TAKE(t.s));
	seal_identity_free(TAKE(t.protect));
	dir_remove(t.dir);
}

static struct pubkey
key_of(uint8_t byte)
{
	struct pubkey k;

	memset(k.b, byte, sizeof(k.b));
	return k;
}

START_TEST(test_pairs)
{
	struct pubkey p1 = key_of(1), p2 = key_of(2), a, b, owner;
	const struct seal_identity *id;
	uint8_t handle[16];

	OK(consentd_keys_open(t.dir, t.protect, &t.k));
	IS(consentd_keys_public(t.k, &p1, &a), NOTFOUND);
	OK(consentd_keys_make(t.k, &p1, &a));
	OK(consentd_keys_make(t.k, &p1, &b));
	ck_assert(ID_EQ(&a, &b));
	OK(consentd_keys_make(t.k, &p2, &b));
	ck_assert(!ID_EQ(&a, &b));
	consentd_keys_close(TAKE(t.k));

	OK(consentd_keys_open(t.dir, t.protect, &t.k));
	seal_handle(&a, handle);
	OK(consentd_keys_find(t.k, handle, &id));
	ck_assert(ID_EQ(seal_identity_key(id), &a));
	OK(consentd_keys_owner(t.k, handle, &owner));
	ck_assert(ID_EQ(&owner, &p1));
	handle[0] ^= 1;
	IS(consentd_keys_find(t.k, handle, &id), NOKEY);
	IS(consentd_keys_owner(t.k, handle, &owner), NOKEY);
}
END_TEST

/* Another key opens nothing; the file shows neither patient nor key. */
START_TEST(test_at_rest)
{
	CLEANUP(seal_identity_free) struct seal_identity *other = NULL;
	CLEANUP_BUF struct buf file = { 0 };
	struct pubkey p = key_of(0x5a), a;
	const struct seal_identity *id;
	uint8_t handle[16], private[32];
	char path[160];

	OK(consentd_keys_open(t.dir, t.protect, &t.k));
	OK(consentd_keys_make(t.k, &p, &a));
	seal_handle(&a, handle);
	OK(consentd_keys_find(t.k, handle, &id));
	memcpy(private, seal_identity_private(id), sizeof(private));
	consentd_keys_close(TAKE(t.k));
	(void)snprintf(path, sizeof(path), "%s/data.mdb", t.dir);
	OK(file_read(path, 1 << 24, &file));
	ck_assert_ptr_nonnull(memmem(file.p, file.len, handle, 16));
	ck_assert_ptr_null(memmem(file.p, file.len, private, 32));
	ck_assert_ptr_null(memmem(file.p, file.len, p.b, 32));

	OK(seal_identity_new(&other));
	OK(consentd_keys_open(t.dir, other, &t.k));
	IS(consentd_keys_find(t.k, handle, &id), CORRUPT);
}
END_TEST

static struct consentd_feed_row
row_of(uint8_t n, enum consentd_stage stage)
{
	struct consentd_feed_row row = { .stage = stage,
		.type = EVENT_DECISION,
		.has_party = true,
		.party = EVENT_GROUP,
		.group = "labs",
		.patient = key_of(0x77),
		.sender = key_of(0x78) };

	memset(row.id.b, n, sizeof(row.id.b));
	memset(row.tx.b, n, sizeof(row.tx.b));
	memset(row.entry.b, n, sizeof(row.entry.b));
	return row;
}

static void
add(uint8_t n, enum consentd_stage stage)
{
	struct consentd_feed_row row = row_of(n, stage);
	struct db_txn txn;

	db_write(t.s->db, &txn);
	OK(consentd_feed_add(t.s, &txn, &row));
	OK(db_commit(&txn));
}

static enum err
next(uint64_t after, struct consentd_feed_row *out)
{
	CLEANUP_TXN struct db_txn txn;

	db_read(t.s->db, &txn);
	return consentd_feed_next(t.s, &txn, after, out);
}

START_TEST(test_feed)
{
	struct consentd_feed_row row;

	OK(consentd_store_open(t.dir, t.protect, &t.s));
	IS(next(0, &row), NOTFOUND);
	add(1, CONSENTD_SEEN);
	add(1, CONSENTD_SEEN); /* told once */
	add(2, CONSENTD_FINAL);
	add(2, CONSENTD_SEEN); /* it was final before */
	add(1, CONSENTD_FINAL);
	OK(next(0, &row));
	ck_assert_uint_eq(row.seq, 1);
	ck_assert(row.first && row.stage == CONSENTD_SEEN);
	ck_assert_str_eq(row.group, "labs");
	ck_assert(row.has_party && row.party == EVENT_GROUP);
	ck_assert_uint_eq(row.patient.b[0], 0x77);
	OK(next(1, &row));
	ck_assert(row.first && row.stage == CONSENTD_FINAL);
	ck_assert_uint_eq(row.id.b[0], 2);
	OK(next(2, &row));
	ck_assert(!row.first && row.id.b[0] == 1);
	IS(next(3, &row), NOTFOUND);
}
END_TEST

/* Transaction ${n} of account ${of}: ${entries}, ${text}. */
static enum err
hold_of(unsigned n, enum consentd_holder holder, uint8_t of, size_t entries,
    const char *text)
{
	CLEANUP_BUF struct buf json = { 0 };
	CLEANUP_TXN struct db_txn txn = { 0 };
	struct ledger_tx tx = { .nentries = entries, .sender = key_of(of) };
	enum err e;

	memset(tx.id.b, (uint8_t)n, sizeof(tx.id.b));
	tx.id.b[31] ^= (uint8_t)(n >> 8);
	buf_str(&json, text);
	db_write(t.s->db, &txn);
	e = consentd_store_hold(t.s, &txn, &tx, holder, &json);
	return e ? e : db_commit(&txn);
}

static void
hold(uint8_t n, const char *text)
{
	OK(hold_of(n, CONSENTD_OF_PERSON, 1, 1, text));
}

static void
unhold(unsigned n)
{
	struct tx_id id;
	struct db_txn txn = { 0 };

	memset(id.b, (uint8_t)n, sizeof(id.b));
	id.b[31] ^= (uint8_t)(n >> 8);
	db_write(t.s->db, &txn);
	consentd_store_unhold(t.s, &txn, &id);
	OK(db_commit(&txn));
}

START_TEST(test_held)
{
	CLEANUP_BUF struct buf json = { 0 };
	struct tx_id id;
	uint64_t seq;

	OK(consentd_store_open(t.dir, t.protect, &t.s));
	hold(1, "one");
	hold(2, "two");
	hold(1, "again");
	OK(consentd_store_next_held(t.s, 0, &seq, &id, &json));
	ck_assert_str_eq(buf_text(&json), "one");
	add(1, CONSENTD_SEEN);  /* first seen in transaction 1 ... */
	add(1, CONSENTD_FINAL); /* ... which is no longer needed */
	json.len = 0;
	OK(consentd_store_next_held(t.s, 0, &seq, &id, &json));
	ck_assert_str_eq(buf_text(&json), "two");
	IS(consentd_store_next_held(t.s, seq, &seq, &id, &json), NOTFOUND);
	/* a number is never given again: who sent up to it sends the next */
	add(2, CONSENTD_SEEN);
	add(2, CONSENTD_FINAL);
	hold(3, "three");
	OK(consentd_store_next_held(t.s, seq, &seq, &id, &json));
}
END_TEST

/* What is refused leaves no trace, and what is struck off makes room. */
START_TEST(test_held_of_an_account)
{
	OK(consentd_store_open(t.dir, t.protect, &t.s));
	OK(hold_of(
	    1, CONSENTD_OF_PERSON, 1, CONSENTD_PERSON_ENTRIES - 2, "most"));
	OK(hold_of(2, CONSENTD_OF_PERSON, 1, 2, "rest"));
	IS(hold_of(3, CONSENTD_OF_PERSON, 1, 1, "too much"), BUSY);
	OK(hold_of(2, CONSENTD_OF_PERSON, 1, 2, "again"));
	OK(hold_of(3, CONSENTD_OF_PERSON, 2, 1, "of another"));
	OK(hold_of(4, CONSENTD_OF_HOST, 3, CONSENTD_HOST_ENTRIES, "host"));
	IS(hold_of(5, CONSENTD_OF_HOST, 3, 1, "too much"), BUSY);
	consentd_store_close(TAKE(t.s));

	OK(consentd_store_open(t.dir, t.protect, &t.s));
	IS(hold_of(6, CONSENTD_OF_PERSON, 1, 1, "too much"), BUSY);
	unhold(2);
	OK(hold_of(6, CONSENTD_OF_PERSON, 1, 2, "as much"));
	IS(hold_of(7, CONSENTD_OF_PERSON, 1, 1, "too much"), BUSY);
}
END_TEST

START_TEST(test_held_of_all)
{
	CLEANUP(free) char *text = malloc(CONSENTD_PERSON_BYTES + 2);
	const unsigned all = CONSENTD_PERSONS_BYTES / CONSENTD_PERSON_BYTES;

	memset(text, 'x', CONSENTD_PERSON_BYTES + 1);
	text[CONSENTD_PERSON_BYTES + 1] = '\0';
	OK(consentd_store_open(t.dir, t.protect, &t.s));
	IS(hold_of(1, CONSENTD_OF_PERSON, 1, 1, text), BUSY);
	text[CONSENTD_PERSON_BYTES] = '\0';
	for (unsigned i = 1; i <= all; i++)
		OK(hold_of(i, CONSENTD_OF_PERSON, (uint8_t)i, 1, text));
	IS(hold_of(all + 1, CONSENTD_OF_PERSON, 200, 1, "x"), BUSY);
	OK(hold_of(all + 1, CONSENTD_OF_HOST, 201, 1, text));
	unhold(7);
	OK(hold_of(all + 2, CONSENTD_OF_PERSON, 200, 1, "x"));
	/* and nothing is counted that is not there */
	for (unsigned i = 1; i <= all + 2; i++)
		unhold(i);
	for (unsigned i = 1; i <= all; i++)
		OK(hold_of(i, CONSENTD_OF_PERSON, (uint8_t)i, 1, text));
}
END_TEST

START_TEST(test_floor_is_kept)
{
	int64_t floor = -1;

	OK(consentd_store_open(t.dir, t.protect, &t.s));
	OK(consentd_store_floor(t.s, &floor));
	ck_assert_int_eq(floor, 0);
	OK(consentd_store_set_floor(t.s, 1234567890123));
	consentd_store_close(TAKE(t.s));
	OK(consentd_store_open(t.dir, t.protect, &t.s));
	OK(consentd_store_floor(t.s, &floor));
	ck_assert_int_eq(floor, 1234567890123);
}
END_TEST

static bool
count_set(void *ctx, const struct event_id *set)
{
	(void)set;
	++*(unsigned *)ctx;
	return true;
}

START_TEST(test_sets)
{
	struct rms_record rec = { .custody = 1 }, got, other;
	struct blob_id ids[2] = { { { 1 } }, { { 2 } } }, third = { { 3 } };
	struct event_id set = { { 9 } }, second = { { 8 } };
	unsigned n = 0;

	memset(rec.patient, 0x31, sizeof(rec.patient));
	other = rec;
	other.rms[0] = 1;
	OK(consentd_store_open(t.dir, t.protect, &t.s));
	IS(consentd_store_record(t.s, &set, &got), NOTFOUND);
	OK(consentd_store_publish(t.s, &set, &rec, ids, 2));
	OK(consentd_store_publish(t.s, &set, &rec, ids, 2));
	IS(consentd_store_publish(t.s, &set, &other, ids, 2), EXISTS);
	OK(consentd_store_publish(t.s, &second, &rec, ids, 1));
	OK(consentd_store_record(t.s, &set, &got));
	ck_assert_mem_eq(got.patient, rec.patient, sizeof(rec.patient));
	OK(consentd_store_holders(t.s, &ids[0], count_set, &n));
	ck_assert_uint_eq(n, 2);
	n = 0;
	OK(consentd_store_holders(t.s, &ids[1], count_set, &n));
	ck_assert_uint_eq(n, 1);
	n = 0;
	OK(consentd_store_holders(t.s, &third, count_set, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(test_granted)
{
	struct rms_receipt r = { .institution = { { 5 } }, .set = { { 6 } } };
	struct institution_id other = { { 7 } };

	OK(consentd_store_open(t.dir, t.protect, &t.s));
	ck_assert_uint_eq(
	    consentd_store_granted(t.s, &r.institution, &r.set), 0);
	OK(consentd_store_release(t.s, &r, EVENT_RIGHT_LIST));
	ck_assert_uint_eq(
	    consentd_store_granted(t.s, &r.institution, &r.set), 1);
	OK(consentd_store_release(t.s, &r, EVENT_RIGHT_READ));
	ck_assert_uint_eq(
	    consentd_store_granted(t.s, &r.institution, &r.set), 3);
	ck_assert_uint_eq(consentd_store_granted(t.s, &other, &r.set), 0);
}
END_TEST

TCase *
tcase_keystore(void)
{
	TCase *tc = tcase_create("keystore");

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, test_pairs);
	tcase_add_test(tc, test_at_rest);
	return tc;
}

TCase *
tcase_store(void)
{
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, test_feed);
	tcase_add_test(tc, test_held);
	tcase_add_test(tc, test_held_of_an_account);
	tcase_add_test(tc, test_held_of_all);
	tcase_add_test(tc, test_floor_is_kept);
	tcase_add_test(tc, test_sets);
	tcase_add_test(tc, test_granted);
	return tc;
}
