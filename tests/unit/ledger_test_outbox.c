/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test_box.h"

#include <stdio.h>
#include <string.h>

struct seal_identity *me;
struct ledger_outbox *box;
char *dir;

void
box_open(void)
{
	struct ledger_outbox_opts o = {
		.dir = dir, .id = me, .chain = f->chain, .version = 2, .fee = 5
	};

	OK(ledger_outbox_open(&o, &box));
}

void
box_up(void)
{
	f = fake_new();
	node = fake_client(f, true);
	me = test_id("me");
	dir = test_dir();
	box_open();
}

void
box_down(void)
{
	ledger_outbox_close(TAKE(box));
	test_dir_remove(TAKE(dir));
	seal_identity_free(TAKE(me));
	ledger_node_free(TAKE(node));
	fake_free(TAKE(f));
}

struct entry_key
random_key(void)
{
	struct entry_key k;

	seal_random(k.b, sizeof(k.b));
	return k;
}

struct tx_id
keep(void)
{
	struct ledger_draft *d = NULL;
	struct entry_key k = random_key();
	struct tx_id id;

	OK(ledger_draft_begin(box, &d));
	OK(ledger_draft_entry(d, &k, "value", 5));
	OK(ledger_draft_commit(d, &id));
	return id;
}

struct ledger_tx *
kept(const struct tx_id *id)
{
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct ledger_tx *tx = NULL;

	OK(ledger_outbox_json(box, id, &text));
	OK(js_parse(text.p, text.len, JS_DEPTH, &j));
	OK(ledger_tx_read(j, &tx));
	return tx;
}

START_TEST(kept_signed)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	struct tx_id id = keep(), none = { { 0 } };
	CLEANUP_BUF struct buf text = { 0 };

	tx = kept(&id);
	ck_assert(ID_EQ(&tx->id, &id));
	ck_assert(ID_EQ(&tx->sender, seal_identity_key(me)));
	ck_assert(ID_EQ(&tx->author, seal_identity_key(me)));
	ck_assert_uint_eq(tx->version, 2);
	ck_assert_int_eq(tx->fee, 5);
	ck_assert_uint_eq(tx->nentries, 1);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
	FAILS(ERR_NOTFOUND, ledger_outbox_json(box, &none, &text));
}
END_TEST

START_TEST(times_increase)
{
	int64_t last = 0;

	for (int i = 0; i < 10; i++) {
		struct tx_id id = keep();
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = kept(&id);

		ck_assert_int_gt(tx->timestamp, last);
		last = tx->timestamp;
		if (i == 5) {
			ledger_outbox_close(TAKE(box));
			box_open();
		}
	}
}
END_TEST

START_TEST(aborted)
{
	struct ledger_draft *d = NULL;
	struct entry_key k = random_key();
	struct tx_id id = { { 1 } }, none = { { 0 } };
	uint64_t n;

	OK(ledger_draft_begin(box, &d));
	ck_assert_uint_eq(ledger_draft_count(d, "c", 1, 0), 1);
	ledger_draft_set(d, "n", 7);
	OK(ledger_draft_entry(d, &k, "value", 5));
	ledger_draft_abort(d);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 0);
	ck_assert_int_eq(ledger_outbox_number(box, "n", &n), ERR_OK);
	ck_assert_uint_eq(n, 0);

	OK(ledger_draft_begin(box, &d));
	ck_assert_uint_eq(ledger_draft_count(d, "c", 1, 0), 1);
	OK(ledger_draft_commit(d, &id)); /* counters only */
	ck_assert(ID_EQ(&id, &none));
	ck_assert_uint_eq(ledger_outbox_waiting(box), 0);
}
END_TEST

START_TEST(counters)
{
	struct ledger_draft *d = NULL;
	uint64_t n;

	OK(ledger_draft_begin(box, &d));
	ck_assert_uint_eq(ledger_draft_count(d, "a\0b", 3, 0), 1);
	ck_assert_uint_eq(ledger_draft_count(d, "a\0b", 3, 0), 2);
	ck_assert_uint_eq(ledger_draft_count(d, "a\0c", 3, 10), 10);
	ck_assert_uint_eq(ledger_draft_count(d, "a\0c", 3, 4), 11);
	ledger_draft_set(d, "drained", 1ULL << 60);
	ck_assert_uint_eq(ledger_draft_get(d, "drained"), 1ULL << 60);
	ck_assert_int_eq(ledger_outbox_number(box, "drained", &n), ERR_OK);
	ck_assert_uint_eq(n, 0);
	OK(ledger_draft_commit(d, NULL));
	ledger_outbox_close(TAKE(box));
	box_open();
	ck_assert_int_eq(ledger_outbox_number(box, "drained", &n), ERR_OK);
	ck_assert_uint_eq(n, 1ULL << 60);
	OK(ledger_draft_begin(box, &d));
	ck_assert_uint_eq(ledger_draft_count(d, "a\0b", 3, 0), 3);
	ledger_draft_abort(d);
}
END_TEST

/* What a bad entry leaves behind is nothing at all. */
START_TEST(bad_entry)
{
	static uint8_t value[LEDGER_MAX_VALUE + 1];
	struct ledger_draft *d = NULL;
	struct entry_key k = random_key();

	OK(ledger_draft_begin(box, &d));
	OK(ledger_draft_entry(d, &k, "value", 5));
	FAILS(ERR_TOOBIG, ledger_draft_entry(d, &k, value, sizeof(value)));
	FAILS(ERR_TOOBIG, ledger_draft_entry(d, &k, value, 1));
	FAILS(ERR_TOOBIG, ledger_draft_commit(d, NULL));
	OK(ledger_draft_begin(box, &d));
	OK(ledger_draft_entry(d, &k, "value", 5));
	OK(ledger_draft_entry(d, &k, "other", 5));
	FAILS(ERR_INVAL, ledger_draft_commit(d, NULL)); /* the same key */
	ck_assert_uint_eq(ledger_outbox_waiting(box), 0);
}
END_TEST

static void
pack(unsigned n, size_t size)
{
	static uint8_t value[LEDGER_MAX_VALUE];
	struct ledger_draft *d = NULL;

	OK(ledger_draft_begin(box, &d));
	while (n-- > 0) {
		struct entry_key k = random_key();

		OK(ledger_draft_entry(d, &k, value, size));
	}
	OK(ledger_draft_commit(d, NULL));
}

static unsigned
sent_entries(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->nbodies; i++) {
		CLEANUP_JS json_t *j = NULL;
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;

		OK(js_parse(f->body[i], strlen(f->body[i]), JS_DEPTH, &j));
		OK(ledger_tx_read(j, &tx));
		ck_assert_uint_le(ledger_tx_full_size(tx), LEDGER_MAX_TX);
		ck_assert_uint_le(tx->nentries, 100);
		n += (unsigned)tx->nentries;
	}
	return n;
}

START_TEST(packs)
{
	pack(250, 10);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 3);
	pack(10, 30000); /* 5 would fit a node's limit, not ours */
	ck_assert_uint_eq(ledger_outbox_waiting(box), 6);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(sent_entries(), 260);
}
END_TEST

TCase *
outbox_tests(void)
{
	TCase *t = tcase_create("outbox");

	tcase_add_checked_fixture(t, box_up, box_down);
	tcase_add_test(t, kept_signed);
	tcase_add_test(t, times_increase);
	tcase_add_test(t, aborted);
	tcase_add_test(t, counters);
	tcase_add_test(t, bad_entry);
	tcase_add_test(t, packs);
	return t;
}
