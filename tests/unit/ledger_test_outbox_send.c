/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test_box.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "db/db.h"

static void
same_text(const struct tx_id *id, const char *body)
{
	CLEANUP_BUF struct buf text = { 0 };

	OK(ledger_outbox_json(box, id, &text));
	ck_assert_str_eq(buf_text(&text), body);
}

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
strike(const struct tx_id *id)
{
	CLEANUP(ledger_tx_free)
	struct ledger_tx *tx = kept(id), *other = test_tx("z", "k");
	struct ledger_tx *txs[] = { other, tx };
	struct ledger_block b = { .height = 2, .ntx = 2, .tx = txs };

	OK(ledger_outbox_block(box, &b));
}

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

#define NO_PERMISSION(why)                                                     \
	"{\"error\":112,\"message\":\"State check failed. Reason: "            \
	"PermissionError(Sender 3N permission validation failed: " why ")\","  \
	"\"tx\":{}}"

/* For want of a role: kept, named, sent again as it was. */
START_TEST(refused_for_a_role)
{
	static const char *const answers[][2] = {
		{ NO_PERMISSION("Has no active 'sender' role"),
		    "the role 'sender'" },
		{ NO_PERMISSION("Sender is 'banned'"), "has banned" },
	};
	struct tx_id id = keep();

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct ledger_state s;

		refuse(answers[i][0], 400, 1);
		FAILS(ERR_NODE, ledger_outbox_send(box, node));
		OK(ledger_outbox_state(box, &s));
		ck_assert_uint_eq(s.waiting, 1);
		ck_assert_ptr_nonnull(strstr(s.why, answers[i][1]));
		ck_assert_uint_eq(f->nbodies, i + 1);
		same_text(&id, f->body[i]);
	}
	OK(ledger_outbox_send(box, node));
	same_text(&id, f->body[2]);
}
END_TEST

/* What all would be refused for is tried with one. */
START_TEST(refused_all)
{
	struct ledger_state s;

	(void)keep();
	(void)keep();
	(void)keep();
	refuse("{\"error\":2,\"message\":\"no key\"}", 403, 1);
	FAILS(ERR_NODE, ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 1);
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.waiting, 3);
	ck_assert_ptr_nonnull(strstr(s.why, "'api_key_file'"));
	OK(ledger_outbox_send(box, node));
	ck_assert_uint_eq(f->nbodies, 4);
}
END_TEST

/* What the callers count, until it is final. */
START_TEST(records)
{
	struct ledger_draft *d = NULL;
	struct ledger_state s;
	struct tx_id first, id;
	int64_t now = clock_wall_ms();

	for (unsigned i = 1; i <= 2; i++) {
		struct entry_key k = random_key();

		OK(ledger_draft_begin(box, &d));
		OK(ledger_draft_entry(d, &k, "value", 5));
		ledger_draft_records(d, 10 * i, i);
		OK(ledger_draft_commit(d, i == 1 ? &first : &id));
	}
	(void)keep(); /* carries none */
	ledger_outbox_close(TAKE(box));
	box_open();
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.records, 30);
	ck_assert_uint_eq(s.minor, 3);
	ck_assert_int_ge(s.since, now);
	strike(&first);
	strike(&first);
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.records, 20);
	ck_assert_uint_eq(s.minor, 2);
	ck_assert_uint_eq(s.waiting, 2);
	strike(&id);
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.records, 0);
	ck_assert_int_eq(s.since, 0);
	OK(ledger_draft_begin(box, &d));
	ledger_draft_records(d, 5, 5);
	OK(ledger_draft_commit(d, NULL)); /* counters only */
	OK(ledger_outbox_state(box, &s));
	ck_assert_uint_eq(s.records, 0);
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
outbox_send_tests(void)
{
	TCase *t = tcase_create("outbox-send");

	tcase_add_checked_fixture(t, box_up, box_down);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, node_down);
	tcase_add_test(t, resent_bytes);
	tcase_add_test(t, fell_out);
	tcase_add_test(t, in_order);
	tcase_add_test(t, refused);
	tcase_add_test(t, refused_for_a_role);
	tcase_add_test(t, refused_all);
	tcase_add_test(t, records);
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
