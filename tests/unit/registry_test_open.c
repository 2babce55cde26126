/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directory: whose it is, what lies in it, who else writes to it. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "db/db.h"
#include "registry_test.h"

static void
setup(void)
{
	struct event a, b;

	world_setup();
	a = event_accredit(&W.a, A_HOST, A_READ);
	b = event_accredit(&W.b, B_HOST, B_READ);
	BLOCK(tx_accredit(RMS, &a), tx_accredit(RMS, &b));
}

static void
seal_grant(struct sealed *s)
{
	struct event e = event_decision(&W.b, 1, EVENT_GRANT);

	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, s);
}

START_TEST(position_follows)
{
	const struct ledger_sink sink = registry_sink(W.reg[AT_B]);
	struct sig id;
	uint64_t height;
	int64_t time;

	block_n(0, NULL);
	OK(sink.position(sink.ctx, &height, &id));
	ck_assert_uint_eq(height, 2);
	ck_assert(ID_EQ(&id, &W.last));
	world_close(AT_B);
	world_open(AT_B);
	registry_position(W.reg[AT_B], &height, &time);
	ck_assert_uint_eq(height, 2);
	ck_assert_int_eq(time, W.time);
	W.changes[AT_B] = 0;
	done(AT_B);
	ck_assert_uint_eq(W.changes[AT_B], REGISTRY_HEAD);
}
END_TEST

START_TEST(blocks_come_one_by_one)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	const struct ledger_sink sink = registry_sink(W.reg[AT_B]);
	struct ledger_block b = { .height = 3, .time = W.time };
	const struct ledger_block *at = &b;
	struct ledger_tx *tx;

	FAILS(sink.blocks(sink.ctx, &at, 1), ERR_INVAL);
	b.height = 1; /* the same height, another block */
	FAILS(sink.blocks(sink.ctx, &at, 1), ERR_FORK);
	b.id = W.last;
	OK(sink.blocks(sink.ctx, &at, 1));
	b.height = 1ULL << 39;
	FAILS(sink.blocks(sink.ctx, &at, 1), ERR_INVAL);
	seal_grant(&s);
	tx = tx_of(PATIENT, &s);
	BLOCK(tx);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

/* Nothing of a block that failed is kept, and it can be taken again. */
START_TEST(failed_block_leaves_nothing)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event more = event_accredit(&W.a, STRANGER, A_READ);
	struct ledger_tx *tx[2];
	struct institution_id id;
	uint64_t height;
	int64_t time;

	seal_grant(&s);
	tx[0] = tx_accredit(RMS, &more);
	tx[1] = tx_of(PATIENT, &s);
	W.find_fails = true;
	FAILS(block_to(AT_RMS, 2, tx), ERR_IO);
	FAILS(registry_see(W.reg[AT_RMS], tx[1]), ERR_IO);
	W.find_fails = false;
	FAILS(registry_host(W.reg[AT_RMS], key_of(STRANGER), 0, &id),
	    ERR_UNKNOWNKEY);
	ck_assert_uint_eq(count(AT_RMS, EVENT_ACCREDIT), 2);
	registry_position(W.reg[AT_RMS], &height, &time);
	ck_assert_uint_eq(height, 1);
	block_n(2, tx);
	OK(registry_host(W.reg[AT_RMS], key_of(STRANGER), 0, &id));
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
}
END_TEST

START_TEST(another_reader_is_refused)
{
	CLEANUP(secret_free) struct secret *rest = NULL, *other = NULL;
	struct registry_reader mine = W.reader[AT_B];

	OK(seal_rest_key(W.id[AT_B], "registry", &rest));
	OK(seal_rest_key(W.id[AT_A], "registry", &other));
	world_close(AT_B);
	W.reader[AT_B].institution = W.a;
	FAILS(world_try_open(AT_B, rest), ERR_CONFLICT);
	W.reader[AT_B] = mine;
	W.reader[AT_B].chain.b[32] ^= 1;
	FAILS(world_try_open(AT_B, rest), ERR_CONFLICT);
	W.reader[AT_B] = mine;
	W.reader[AT_B].rms = *key_of(STRANGER);
	FAILS(world_try_open(AT_B, rest), ERR_CONFLICT);
	W.reader[AT_B] = mine;
	W.reader[AT_B].account = W.id[PATIENT];
	FAILS(world_try_open(AT_B, rest), ERR_CONFLICT);
	W.reader[AT_B] = mine;
	FAILS(world_try_open(AT_B, other), ERR_CONFLICT);
	OK(world_try_open(AT_B, rest));
}
END_TEST

START_TEST(new_reading_key_opens_what_is_there)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct event e = event_decision(&W.b, 1, EVENT_GRANT);

	seal_event(PATIENT, TO(PATIENT, B_READ2, NOBODY), &e, &s);
	BLOCK(tx_of(PATIENT, &s));
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 0);
	world_close(AT_B);
	W.reading[AT_B][1] = W.id[B_READ2];
	W.reader[AT_B].nreading = 2;
	world_open(AT_B);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
}
END_TEST

/* Reading again finds what is not understood as it was. */
START_TEST(another_version_is_refused)
{
	const struct db_opts old = { "registry", 1, 1 << 20 };
	CLEANUP(secret_free) struct secret *rest = NULL;
	char dir[80];
	struct db *d = NULL;

	OK(seal_rest_key(W.id[AT_B], "registry", &rest));
	world_close(AT_B);
	(void)snprintf(dir, sizeof(dir), "%s/old", W.dir);
	OK(db_open(dir, &old, &d));
	db_close(d);
	FAILS(registry_open(
		  &(struct registry_opts){
		      .dir = dir, .rest_key = rest, .reader = W.reader[AT_B] },
		  &W.reg[AT_B]),
	    ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(
	    strstr(err_detail(ERR_UNSUPPORTED), "made anew from the ledger"));
}
END_TEST

START_TEST(opaque_stays_opaque)
{
	CLEANUP_SEALED struct sealed s = { 0 }, t = { 0 }, u = { 0 };
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP(secret_free) struct secret *key = NULL;

	seal_grant(&s);
	seal_json(PATIENT, TO(PATIENT, B_READ, NOBODY), NULL, "[1]", &t);
	seal_json(STRANGER, TO(PATIENT, NOBODY, NOBODY), NULL, "[1]", &u);
	tx = tx_of(STRANGER, &u);
	BLOCK(tx_of(PATIENT, &s), tx_of(PATIENT, &t), tx_of(STRANGER, &u));
	OK(registry_learn(W.reg[AT_B], tx, &u.entry, u.key));
	world_close(AT_B);
	W.reading[AT_B][1] = W.id[B_READ2];
	W.reader[AT_B].nreading = 2;
	world_open(AT_B);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_OPAQUE);
	OK(registry_content_key(W.reg[AT_B], &u.id, &key));
	ck_assert_mem_eq(secret_view(key), secret_view(u.key), SEAL_KEY);
}
END_TEST

/* Every byte of the databases: no title, no name, no patient. */
static void
forbid(const char *what, const void *p, size_t n)
{
	for (int i = 0; i < READERS; i++) {
		CLEANUP_BUF struct buf all = { 0 };
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/%d/data.mdb", W.dir, i);
		OK(file_read(path, 64 << 20, &all));
		ck_assert_uint_gt(all.len, 4096);
		ck_assert_msg(memmem(all.p, all.len, p, n) == NULL, "%s in %s",
		    what, path);
	}
}

START_TEST(nothing_personal_on_disk)
{
	CLEANUP_SEALED struct sealed set = { 0 }, ask1 = { 0 }, grant = { 0 },
				     refuse = { 0 }, deleg = { 0 };
	struct event_item item;
	struct event e = event_set(&W.a), q = event_inquiry(&W.b, 1, &item),
		     d = event_delegation(REP),
		     n = event_decision(&W.b, 2, EVENT_REFUSE);
	const char *text = TEXT58(key_of(PATIENT));

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &set);
	seal_event(B_HOST, TO(PATIENT, B_READ, NOBODY), &q, &ask1);
	seal_event(PATIENT, TO(PATIENT, NOBODY, REP), &d, &deleg);
	seal_grant(&grant);
	BLOCK(tx_of(A_HOST, &set), tx_of(B_HOST, &ask1), tx_of(PATIENT, &grant),
	    tx_of(PATIENT, &deleg));
	seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &n, &refuse);
	for (int i = 0; i < READERS; i++)
		see((enum reader)i, PATIENT, &refuse);
	for (int i = 0; i < READERS; i++)
		world_close((enum reader)i);
	forbid("a title", CANARY_TITLE, strlen(CANARY_TITLE));
	forbid("a name", CANARY_NAME, strlen(CANARY_NAME));
	forbid("a patient's key", key_of(PATIENT)->b, 32);
	forbid("a patient's key in base58", text, strlen(text));
	forbid("a content key", secret_view(set.key), SEAL_KEY);
	forbid("a content key", secret_view(deleg.key), SEAL_KEY);
}
END_TEST

static void
damage(enum reader at, const void *p, size_t n)
{
	CLEANUP_BUF struct buf all = { 0 };
	char path[128];
	uint8_t *hit;

	(void)snprintf(path, sizeof(path), "%s/%d/data.mdb", W.dir, at);
	OK(file_read(path, 64 << 20, &all));
	for (size_t i = 0; (hit = memmem(all.p + i, all.len - i, p, n));) {
		i = (size_t)(hit - all.p) + n;
		/* the value follows the key in a small LMDB row */
		all.p[i + 60] ^= 1;
	}
	OK(file_write(path, all.p, all.len, 0600));
}

START_TEST(damaged_row_is_corrupt)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	struct registry_event ev = { 0 };
	CLEANUP(secret_free) struct secret *rest = NULL;
	struct event e = event_set(&W.a);
	uint8_t order[8] = { 0 };

	seal_event(A_HOST, TO(PATIENT, A_READ, NOBODY), &e, &s);
	BLOCK(tx_of(A_HOST, &s));
	world_close(AT_A);
	order[4] = (uint8_t)W.height; /* height << 24 */
	damage(AT_A, order, sizeof(order));
	OK(seal_rest_key(W.id[AT_A], "registry", &rest));
	OK(world_try_open(AT_A, rest));
	FAILS(registry_get(W.reg[AT_A], &s.id, &ev), ERR_CORRUPT);
}
END_TEST

/* ---- several blocks in one write ---- */

struct three { /* grant, revoke, grant */
	struct sealed s[3];
	struct ledger_tx *tx[3];
};

static void
three_make(struct three *x)
{
	for (uint64_t i = 0; i < 3; i++) {
		struct event e = event_decision(
		    &W.b, i + 1, i == 1 ? EVENT_REVOKE : EVENT_GRANT);

		seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, &x->s[i]);
		x->tx[i] = tx_of(PATIENT, &x->s[i]);
	}
}

static void
three_free(struct three *x)
{
	for (int i = 0; i < 3; i++) {
		sealed_free(&x->s[i]);
		ledger_tx_free(x->tx[i]);
	}
}

static void
not_taken(void)
{
	uint64_t height;
	int64_t time;

	registry_position(W.reg[AT_RMS], &height, &time);
	ck_assert_uint_eq(height, 1);
	ck_assert_uint_eq(count(AT_RMS, EVENT_DECISION), 1); /* pending */
	ck_assert_int_ne(ask(AT_RMS, &W.b), POLICY_GRANTED);
}

static void
taken(void)
{
	uint64_t height;
	int64_t time;

	registry_position(W.reg[AT_RMS], &height, &time);
	ck_assert_uint_eq(height, 4);
	ck_assert_uint_eq(count(AT_RMS, EVENT_DECISION), 3);
	ck_assert_int_eq(ask(AT_RMS, &W.b), POLICY_GRANTED);
}

/* Wherever the process dies, all or nothing is there, and what was seen. */
START_TEST(killed_in_a_batch)
{
	struct three x = { 0 };
	int status;

	three_make(&x);
	see(AT_RMS, PATIENT, &x.s[1]);
	for (unsigned at = 1; at <= 3; at++) {
		pid_t child;

		world_close(AT_RMS);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			world_open(AT_RMS);
			W.dies_at = at;
			_exit(blocks_to(AT_RMS, 3, x.tx) == ERR_OK ? 0 : 3);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		world_open(AT_RMS);
		not_taken();
	}
	OK(blocks_to(AT_RMS, 3, x.tx));
	taken();
	world_close(AT_RMS);
	world_open(AT_RMS);
	taken();
	three_free(&x);
}
END_TEST

/* A block that does not follow the one before in the same call. */
START_TEST(bad_block_in_a_batch)
{
	const struct ledger_sink sink = registry_sink(W.reg[AT_RMS]);
	struct ledger_block b[3] = { { 0 } };
	const struct ledger_block *list[] = { &b[0], &b[1], &b[2] };
	struct three x = { 0 };

	three_make(&x);
	see(AT_RMS, PATIENT, &x.s[1]);
	for (uint64_t i = 0; i < 3; i++)
		b[i] = (struct ledger_block){ .height = 2 + i,
			.time = W.time,
			.ntx = 1,
			.tx = &x.tx[i] };
	b[2].height++;
	FAILS(sink.blocks(sink.ctx, list, 3), ERR_INVAL);
	not_taken();
	b[2].height = 3; /* the same height, another block */
	b[2].id.b[0] = 1;
	FAILS(sink.blocks(sink.ctx, list, 3), ERR_FORK);
	not_taken();
	OK(blocks_to(AT_RMS, 3, x.tx));
	taken();
	OK(blocks_to(AT_RMS, 3, x.tx)); /* once more: all are there */
	taken();
	three_free(&x);
}
END_TEST

/* ---- others ---- */

static void
child_takes_block(int go, const struct sealed *s)
{
	struct ledger_tx *tx = tx_of(PATIENT, s);
	char c;

	if (read(go, &c, 1) != 1)
		_exit(2);
	world_open(AT_B);
	_exit(block_to(AT_B, 1, &tx) == ERR_OK ? 0 : 3);
}

START_TEST(another_process_writes_too)
{
	CLEANUP_SEALED struct sealed s = { 0 };
	const struct ledger_sink *sink;
	struct ledger_sink mine;
	struct ledger_tx *tx;
	uint64_t height;
	struct sig id;
	int go[2], status;
	pid_t child;

	seal_grant(&s);
	for (int i = 0; i < READERS; i++)
		world_close((enum reader)i);
	ck_assert_int_eq(pipe(go), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		child_takes_block(go[0], &s);
	world_open(AT_B);
	ck_assert_int_eq((int)write(go[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	mine = registry_sink(W.reg[AT_B]);
	sink = &mine;
	W.changes[AT_B] = 0;
	OK(sink->position(sink->ctx, &height, &id));
	ck_assert_uint_eq(height, 2);
	ck_assert(W.changes[AT_B] & REGISTRY_POLICY);
	ck_assert_int_eq(ask(AT_B, &W.b), POLICY_GRANTED);
	/* our follower may still bring the block that the other one took */
	tx = tx_of(PATIENT, &s);
	OK(block_to(AT_B, 1, &tx));
	ledger_tx_free(tx);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 1);
	(void)close(go[0]);
	(void)close(go[1]);
}
END_TEST

static bool stop;

static void *
read_on(void *arg)
{
	uint64_t asked = 0;
	char name[256];

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct institution_id id;
		struct event_id delegation;

		(void)ask(AT_B, &W.b);
		OK(registry_host(W.reg[AT_B], key_of(B_HOST), 0, &id));
		FAILS(registry_representative(W.reg[AT_B], key_of(REP),
			  key_of(PATIENT), 0, &delegation),
		    ERR_DENIED);
		registry_institution_name(W.reg[AT_B], &W.b, name);
		(void)count(AT_B, EVENT_DECISION);
		asked++;
	}
	ck_assert_uint_gt(asked, 0);
	return NULL;
}

START_TEST(readers_beside_the_writer)
{
	struct event less = event_accredit(&W.b, B_HOST, B_READ);
	pthread_t thread[2];

	stop = false;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
		    pthread_create(&thread[i], NULL, read_on, NULL), 0);
	for (uint64_t n = 1; n <= 20; n++) {
		CLEANUP_SEALED struct sealed s = { 0 };
		struct event e = event_decision(
		    &W.b, n, n % 2 ? EVENT_GRANT : EVENT_REVOKE);

		seal_event(PATIENT, TO(PATIENT, B_READ, NOBODY), &e, &s);
		see(AT_B, PATIENT, &s);
		BLOCK(tx_of(PATIENT, &s), tx_accredit(RMS, &less));
		ck_assert_int_eq(
		    ask(AT_B, &W.b), n % 2 ? POLICY_GRANTED : POLICY_REVOKED);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	ck_assert_uint_eq(count(AT_B, EVENT_DECISION), 20);
}
END_TEST

TCase *
registry_test_open(void)
{
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, position_follows);
	tcase_add_test(tc, blocks_come_one_by_one);
	tcase_add_test(tc, failed_block_leaves_nothing);
	tcase_add_test(tc, another_reader_is_refused);
	tcase_add_test(tc, new_reading_key_opens_what_is_there);
	tcase_add_test(tc, opaque_stays_opaque);
	tcase_add_test(tc, another_version_is_refused);
	tcase_add_test(tc, nothing_personal_on_disk);
	tcase_add_test(tc, damaged_row_is_corrupt);
	tcase_add_test(tc, killed_in_a_batch);
	tcase_add_test(tc, bad_block_in_a_batch);
	tcase_add_test(tc, another_process_writes_too);
	tcase_add_test(tc, readers_beside_the_writer);
	return tc;
}
