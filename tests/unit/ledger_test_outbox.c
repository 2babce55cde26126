/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "db/db.h"

static struct fake *f;
static struct ledger_node *node;
static struct seal_identity *me;
static struct ledger_outbox *box;
static char *dir;

static void
box_open(void)
{
	struct ledger_outbox_opts o = {
		.dir = dir, .id = me, .chain = f->chain, .version = 2, .fee = 5
	};

	OK(ledger_outbox_open(&o, &box));
}

static void
up(void)
{
	f = fake_new();
	node = fake_client(f, true);
	me = test_id("me");
	dir = test_dir();
	box_open();
}

static void
down(void)
{
	ledger_outbox_close(TAKE(box));
	test_dir_remove(TAKE(dir));
	seal_identity_free(TAKE(me));
	ledger_node_free(TAKE(node));
	fake_free(TAKE(f));
}

static struct entry_key
random_key(void)
{
	struct entry_key k;

	seal_random(k.b, sizeof(k.b));
	return k;
}

/* Keep one transaction with one entry. */
static struct tx_id
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

static struct ledger_tx *
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

static void
same_text(const struct tx_id *id, const char *body)
{
	CLEANUP_BUF struct buf text = { 0 };

	OK(ledger_outbox_json(box, id, &text));
	ck_assert_str_eq(buf_text(&text), body);
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

/* ---- sending ---- */

START_TEST(node_down)
{
	struct tx_id id = keep();

	fake_down(f);
	FAILS(ERR_UNREACHABLE, ledger_outbox_send(box, node));
	FAILS(ERR_UNREACHABLE, ledger_outbox_send(box, node));
	fake_up(f);
	OK(ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node)); /* the node has it */
	ck_assert_uint_eq(f->nbodies, 1);
	same_text(&id, f->body[0]);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
}
END_TEST

/* A power cut between keeping and sending, and one after sending. */
START_TEST(resent_bytes)
{
	struct tx_id id = keep();

	ledger_outbox_close(TAKE(box));
	box_open();
	OK(ledger_outbox_send(box, node));
	ledger_outbox_close(TAKE(box));
	box_open();
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2);
	same_text(&id, f->body[0]);
	ck_assert_str_eq(f->body[0], f->body[1]);
}
END_TEST

/* A re-org: the node may have lost what it took. */
START_TEST(fell_out)
{
	(void)keep();
	OK(ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 1);
	ledger_outbox_again(box);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2);
	ck_assert_str_eq(f->body[0], f->body[1]);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2);
}
END_TEST

START_TEST(in_order)
{
	struct tx_id a = keep(), b = keep(), c = keep();

	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 3);
	same_text(&a, f->body[0]);
	same_text(&b, f->body[1]);
	same_text(&c, f->body[2]);
}
END_TEST

static void
refuse(const char *what, unsigned status, unsigned times)
{
	f->refuse = what;
	f->refuse_status = status;
	f->refuse_times = times;
}

START_TEST(refused)
{
	struct tx_id a = keep(), b = keep();

	refuse("{\"error\":112,\"message\":\"no fee\"}", 400, 1);
	FAILS(ERR_NODE, ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2); /* the later one went on */
	same_text(&b, f->body[1]);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 2);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 3);
	same_text(&a, f->body[2]);
}
END_TEST

START_TEST(busy)
{
	(void)keep();
	(void)keep();
	refuse("{\"error\":642,\"message\":\"later\"}", 503, 1);
	FAILS(ERR_BUSY, ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 1);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 3);
}
END_TEST

START_TEST(duplicates)
{
	(void)keep();
	(void)keep();
	refuse(
	    "{\"error\":199,\"message\":\"AlreadyInProcessing(%s)\"}", 400, 1);
	OK(ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2);
}
END_TEST

static void
strike(const struct tx_id *id)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *tx = kept(id), *other = test_tx("z", "k");
	struct ledger_tx *txs[] = { other, tx };
	struct ledger_block b = { .height = 2, .ntx = 2, .tx = txs };

	OK(ledger_outbox_block(box, &b));
}

START_TEST(struck_off)
{
	struct tx_id a = keep(), b = keep();

	strike(&a);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
	strike(&a); /* again: nothing */
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 1);
	same_text(&b, f->body[0]);
	ledger_tx_free(kept(&a)); /* still there for key requests */
}
END_TEST

/* Change the time of the outbox's first row from outside. */
static void
age_row(int64_t ms)
{
	struct db_opts o = { "outbox", 1, 4ULL << 30 };
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP_BUF struct buf row = { 0 };
	struct db_val key, value;
	struct db_table tx;
	struct db_txn t;

	ledger_outbox_close(TAKE(box));
	OK(db_open(dir, &o, &db));
	OK(db_table(db, "tx", &tx));
	db_write(db, &t);
	ck_assert(db_next(&t, tx, (struct db_val){ "", 0 }, &key, &value));
	buf_u64(&row, (uint64_t)(clock_wall_ms() - ms));
	buf_put(&row, (const uint8_t *)value.p + 8, value.n - 8);
	db_put(&t, tx, key, (struct db_val){ row.p, row.len });
	OK(db_commit(&t));
	db_close(TAKE(db));
	box_open();
}

/* How many ids the outbox knows. */
static uint64_t
count_ids(void)
{
	struct db_opts o = { "outbox", 1, 4ULL << 30 };
	CLEANUP(db_close) struct db *db = NULL;
	struct db_table ids;
	struct db_txn t;
	uint64_t n;

	ledger_outbox_close(TAKE(box));
	OK(db_open(dir, &o, &db));
	OK(db_table(db, "byid", &ids));
	db_read(db, &t);
	n = db_count(&t, ids);
	db_abort(&t);
	db_close(TAKE(db));
	box_open();
	return n;
}

#define DAY (24 * 3600 * 1000LL)

START_TEST(purged)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct tx_id a = keep(), b = keep();

	age_row(DAY + 1000);
	ledger_tx_free(kept(&a)); /* old, but not final */
	strike(&a);
	ledger_tx_free(kept(&a));
	ledger_outbox_close(TAKE(box));
	box_open();
	FAILS(ERR_NOTFOUND, ledger_outbox_json(box, &a, &text));
	ledger_tx_free(kept(&b));
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
	ck_assert_uint_eq(count_ids(), 1);
}
END_TEST

START_TEST(kept_a_day)
{
	struct tx_id a = keep();

	strike(&a);
	age_row(DAY - 60000);
	ledger_tx_free(kept(&a));
}
END_TEST

/* Too old for the node: the same entries, signed with a new time. */
START_TEST(renewed)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *old = NULL, *new = NULL;
	struct tx_id id = keep();

	old = kept(&id);
	age_row(3 * 3600 * 1000);
	refuse("{\"error\":303,\"message\":\"too old\"}", 400, 1);
	FAILS(ERR_NODE, ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 2);
	new = kept(&id); /* the old id leads to it */
	ck_assert(!ID_EQ(&new->id, &id));
	same_text(&new->id, f->body[1]);
	ck_assert_int_gt(new->timestamp, old->timestamp);
	ck_assert_str_eq(new->entry[0].key, old->entry[0].key);
	ck_assert_mem_eq(new->entry[0].value, old->entry[0].value, 5);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 1);
	strike(&new->id);
	ck_assert_uint_eq(ledger_outbox_waiting(box), 0);
}
END_TEST

/* What was made just now is not renewed: then a clock is wrong. */
START_TEST(not_renewed)
{
	struct tx_id id = keep();

	refuse("{\"error\":303,\"message\":\"from the future\"}", 400, 1);
	FAILS(ERR_NODE, ledger_outbox_send(box, node));
	OK(ledger_outbox_send(box, node));
	ck_assert_str_eq(f->body[0], f->body[1]);
	same_text(&id, f->body[1]);
}
END_TEST

static void
wait_bodies(unsigned n)
{
	int64_t until = clock_boot_ms() + 5000;
	unsigned have = 0;

	while (have < n && clock_boot_ms() < until) {
		clock_sleep_ms(5);
		(void)pthread_mutex_lock(&f->lock);
		have = f->nbodies;
		(void)pthread_mutex_unlock(&f->lock);
	}
	ck_assert_uint_eq(have, n);
}

START_TEST(thread)
{
	int64_t begun;

	(void)keep();
	OK(ledger_outbox_start(box, node));
	wait_bodies(1);
	begun = clock_boot_ms();
	(void)keep(); /* commit wakes the thread */
	wait_bodies(2);
	ck_assert_int_lt(clock_boot_ms() - begun, 700);
	fake_down(f);
	(void)keep();
	clock_sleep_ms(50);
	fake_up(f);
	ledger_outbox_kick(box);
	wait_bodies(3);
	begun = clock_boot_ms();
	ledger_outbox_close(TAKE(box));
	ck_assert_int_lt(clock_boot_ms() - begun, 1000);
}
END_TEST

static void
child_keeps(int go)
{
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	box_open();
	(void)keep();
	ledger_outbox_close(TAKE(box));
	_exit(0);
}

/* A row of another process is found within a second or so. */
START_TEST(other_process)
{
	int go[2], status = 1;
	pid_t pid;

	ledger_outbox_close(TAKE(box)); /* nothing of it in the child */
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		child_keeps(go[0]);
	box_open();
	OK(ledger_outbox_start(box, node));
	ck_assert_int_eq(write(go[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	wait_bodies(1);
	(void)close(go[0]);
	(void)close(go[1]);
}
END_TEST

TCase *
outbox_tests(void)
{
	TCase *t = tcase_create("outbox");

	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, kept_signed);
	tcase_add_test(t, times_increase);
	tcase_add_test(t, aborted);
	tcase_add_test(t, counters);
	tcase_add_test(t, bad_entry);
	tcase_add_test(t, packs);
	return t;
}

TCase *
outbox_send_tests(void)
{
	TCase *t = tcase_create("outbox-send");

	tcase_add_checked_fixture(t, up, down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, node_down);
	tcase_add_test(t, resent_bytes);
	tcase_add_test(t, fell_out);
	tcase_add_test(t, in_order);
	tcase_add_test(t, refused);
	tcase_add_test(t, busy);
	tcase_add_test(t, duplicates);
	tcase_add_test(t, struck_off);
	tcase_add_test(t, purged);
	tcase_add_test(t, kept_a_day);
	tcase_add_test(t, renewed);
	tcase_add_test(t, not_renewed);
	tcase_add_test(t, thread);
	tcase_add_test(t, other_process);
	return t;
}
