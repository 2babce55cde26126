/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include "db/db.h"
#include "registry_test.h"

struct world W;

enum err __real_db_commit(struct db_txn *t);
enum err __wrap_db_commit(struct db_txn *t);

enum err
__wrap_db_commit(struct db_txn *t)
{
	if (!W.disk_full)
		return __real_db_commit(t);
	db_abort(t);
	return err_say(ERR_NOSPACE, "as on a full disk");
}

const struct pubkey *
key_of(enum who who)
{
	return seal_identity_key(W.id[who]);
}

static enum err
find(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	uint8_t mine[16];

	(void)ctx;
	if (W.find_fails)
		return ERR_IO;
	if (W.dies_at && --W.dies_at == 0)
		(void)raise(SIGKILL);
	seal_handle(key_of(PATIENT_RMS), mine);
	if (memcmp(mine, handle, 16) != 0)
		return ERR_NOTFOUND;
	*out = W.id[PATIENT_RMS];
	return ERR_OK;
}

static void
make_readers(void)
{
	for (int i = 0; i < READERS; i++) {
		W.reader[i].chain = W.chain;
		W.reader[i].rms = *key_of(RMS);
		W.reader[i].reading = W.reading[i];
	}
	W.reader[AT_RMS].rms_identity = W.id[RMS];
	W.reader[AT_RMS].find = find;
	W.reader[AT_PATIENT].account = W.id[PATIENT];
	W.reader[AT_REP].account = W.id[REP];
	W.reader[AT_A].has_institution = W.reader[AT_B].has_institution = true;
	W.reader[AT_A].institution = W.a;
	W.reader[AT_B].institution = W.b;
	W.reading[AT_A][0] = W.id[A_READ];
	W.reading[AT_B][0] = W.id[B_READ];
	W.reader[AT_A].nreading = W.reader[AT_B].nreading = 1;
}

void
world_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	memset(&W, 0, sizeof(W));
	(void)snprintf(W.dir, sizeof(W.dir), "%s/registry-XXXXXX",
	    tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(W.dir));
	seal_random(&W.chain, sizeof(W.chain));
	seal_random(&W.a, sizeof(W.a));
	seal_random(&W.b, sizeof(W.b));
	for (int i = 0; i < WHOS; i++)
		OK(seal_identity_new(&W.id[i]));
	make_readers();
	W.time = clock_wall_ms() - 20000;
	for (int i = 0; i < READERS; i++)
		world_open((enum reader)i);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
world_teardown(void)
{
	for (int i = 0; i < READERS; i++)
		world_close((enum reader)i);
	for (int i = 0; i < WHOS; i++)
		seal_identity_free(W.id[i]);
	(void)nftw(W.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
changed(void *ctx, unsigned changes)
{
	enum reader at = (enum reader)(uintptr_t)ctx;

	W.changes[at] |= changes;
	/* no lock is held */
	if (W.reg[at]) {
		uint64_t height;
		int64_t time;

		registry_position(W.reg[at], &height, &time);
		(void)count(at, EVENT_DECISION);
		policy_free(registry_policy(W.reg[at]));
	}
}

enum err
world_try_open(enum reader at, const struct secret *rest)
{
	char dir[96];
	const struct registry_opts opts = { .dir = dir,
		.reader = W.reader[at],
		.rest_key = rest,
		.changed = changed,
		.changed_ctx = (void *)(uintptr_t)at };

	(void)snprintf(dir, sizeof(dir), "%s/%d", W.dir, at);
	return registry_open(&opts, &W.reg[at]);
}

void
world_open(enum reader at)
{
	CLEANUP(secret_free) struct secret *rest = NULL;

	OK(seal_rest_key(W.id[at], "registry", &rest));
	OK(world_try_open(at, rest));
}

void
world_close(enum reader at)
{
	registry_close(W.reg[at]);
	W.reg[at] = NULL;
}

/* ---- sealing ---- */

static const struct pubkey *
reader_key(int who)
{
	return who == NOBODY ? NULL : key_of((enum who)who);
}

void
seal_json(enum who sender, struct slots to, const uint8_t *public,
    const char *json, struct sealed *out)
{
	CLEANUP_BUF struct buf payload = { 0 }, env = { 0 };
	const struct seal_readers readers = { key_of(RMS), key_of(PATIENT_RMS),
		reader_key(to.patient), reader_key(to.institution),
		reader_key(to.representative) };
	struct seal_place place = { &W.chain, *key_of(sender), { { 0 } } };

	if (out->key == NULL) {
		OK(secret_new(SEAL_KEY, &out->key));
		seal_random(secret_bytes(out->key), SEAL_KEY);
	}
	seal_random(&out->entry, sizeof(out->entry));
	place.entry = out->entry;
	buf_str(&payload, json);
	OK(seal_envelope(&place, &readers, public, out->key, &payload, &env));
	seal_event_id(&W.chain, &place.sender, &out->entry, &out->id);
	out->len = env.len;
	out->value = malloc(env.len);
	memcpy(out->value, env.p, env.len);
}

void
seal_event(
    enum who sender, struct slots to, const struct event *e, struct sealed *out)
{
	CLEANUP_BUF struct buf json = { 0 };

	OK(event_encode(e, &json));
	seal_json(sender, to, NULL, buf_text(&json), out);
}

void
sealed_free(struct sealed *s)
{
	secret_free(s->key);
	free(s->value);
	*s = (struct sealed){ 0 };
}

void
tx_add(struct ledger_tx *tx, const char *name, const void *p, size_t n)
{
	OK(ledger_tx_binary(tx, name, p, n));
}

void
tx_done(struct ledger_tx *tx, enum who sender)
{
	tx->timestamp = W.time + (int64_t)++W.tx_time;
	tx->fee = 1;
	OK(ledger_tx_sign(tx, W.id[sender]));
}

struct ledger_tx *
tx_of(enum who sender, const struct sealed *s)
{
	struct ledger_tx *tx = NULL;
	struct text58 t;

	OK(ledger_tx_new(&tx));
	tx_add(tx, ledger_entry_name(&s->entry, &t), s->value, s->len);
	tx_done(tx, sender);
	return tx;
}

struct ledger_tx *
tx_accredit(enum who sender, const struct event *e)
{
	CLEANUP_BUF struct buf value = { 0 };
	struct ledger_tx *tx = NULL;
	struct entry_key entry;
	struct text58 t;

	seal_random(&entry, sizeof(entry));
	buf_u8(&value, 2);
	OK(event_encode(e, &value));
	OK(ledger_tx_new(&tx));
	tx_add(tx, ledger_entry_name(&entry, &t), value.p, value.len);
	tx_done(tx, sender);
	return tx;
}

/* ---- blocks ---- */

static struct ledger_block
next_block(size_t n, struct ledger_tx **tx)
{
	struct ledger_block b = { .height = W.height + 1,
		.reference = W.last,
		.time = W.time + 10,
		.ntx = n,
		.tx = tx,
		.nall = n };

	memset(b.id.b, (int)b.height, sizeof(b.id.b));
	return b;
}

enum err
block_to(enum reader at, size_t n, struct ledger_tx **tx)
{
	const struct ledger_block b = next_block(n, tx);
	const struct ledger_sink sink = registry_sink(W.reg[at]);

	return sink.blocks(sink.ctx, (const struct ledger_block *[]){ &b }, 1);
}

enum err
blocks_to(enum reader at, size_t n, struct ledger_tx **tx)
{
	const struct ledger_sink sink = registry_sink(W.reg[at]);
	const struct ledger_block *list[8];
	struct ledger_block b[8];

	ck_assert_uint_le(n, 8);
	for (size_t i = 0; i < n; i++) {
		b[i] = next_block(1, tx + i);
		b[i].height += i;
		b[i].time += (int64_t)i;
		memset(b[i].id.b, (int)b[i].height, sizeof(b[i].id.b));
		list[i] = &b[i];
	}
	return sink.blocks(sink.ctx, list, n);
}

void
block_n(size_t n, struct ledger_tx **tx)
{
	const struct ledger_block b = next_block(n, tx);

	for (int i = 0; i < READERS; i++)
		if (W.reg[i])
			OK(block_to((enum reader)i, n, tx));
	W.height = b.height;
	W.time = b.time;
	W.last = b.id;
	for (size_t i = 0; i < n; i++)
		ledger_tx_free(tx[i]);
}

void
see(enum reader at, enum who sender, const struct sealed *s)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = tx_of(sender, s);
	const struct ledger_sink sink = registry_sink(W.reg[at]);

	OK(sink.pending(sink.ctx, tx));
}

void
done(enum reader at)
{
	const struct ledger_sink sink = registry_sink(W.reg[at]);

	sink.done(sink.ctx);
}

/* ---- events ---- */

struct event
event_set(const struct institution_id *custodian)
{
	struct event e = { .type = EVENT_DOCUMENT_SET,
		.patient = *key_of(PATIENT) };
	struct event_document_set *s = &e.u.set;

	s->custodian = *custodian;
	s->title = CANARY_TITLE;
	s->class_code = "imaging";
	s->type_code = "18748-4";
	s->count = 1;
	s->bytes = 100;
	return e;
}

struct event
event_inquiry(
    const struct institution_id *asker, uint64_t first, struct event_item *item)
{
	struct event e = { .type = EVENT_INQUIRY, .patient = *key_of(PATIENT) };

	*item = (struct event_item){ .n = first,
		.kind = EVENT_REQUEST,
		.purpose = asker ? "TREAT" : "PATRQT",
		.practitioner = { CANARY_NAME, "wv" },
		.time = W.time,
		.count = 1 };
	seal_random(&item->id, sizeof(item->id));
	e.u.inquiry.has_institution = asker != NULL;
	if (asker)
		e.u.inquiry.institution = *asker;
	e.u.inquiry.first = e.u.inquiry.last = first;
	e.u.inquiry.nitems = 1;
	e.u.inquiry.items = item;
	return e;
}

struct event
event_decision(
    const struct institution_id *to, uint64_t n, enum event_effect effect)
{
	struct event e = { .type = EVENT_DECISION,
		.patient = *key_of(PATIENT) };
	struct event_decision *d = &e.u.decision;

	d->party = to ? EVENT_INSTITUTION : EVENT_ANYONE;
	if (to)
		d->institution = *to;
	d->n = n;
	d->effect = effect;
	d->scope.all = true;
	if (effect == EVENT_GRANT)
		d->rights = EVENT_RIGHT_LIST | EVENT_RIGHT_READ;
	return e;
}

struct event
event_delegation(enum who representative)
{
	struct event e = { .type = EVENT_DELEGATION,
		.patient = *key_of(PATIENT) };
	struct event_delegation *d = &e.u.delegation;

	d->representative = *key_of(representative);
	d->relationship = "daughter";
	d->powers = EVENT_POWER_DECIDE | EVENT_POWER_VIEW;
	d->scope.all = true;
	d->from = 1;
	d->card = CANARY_NAME;
	return e;
}

struct event
event_end(const struct event_id *ends)
{
	struct event e = { .type = EVENT_END, .patient = *key_of(PATIENT) };

	e.u.end.ends = *ends;
	return e;
}

struct event
event_accredit(const struct institution_id *id, enum who host, enum who reading)
{
	struct event e = { .type = EVENT_ACCREDIT };
	struct event_accredit *a = &e.u.accredit;

	a->institution = *id;
	a->name = "Clinic";
	a->nreading = a->nhosts = 1;
	a->reading[0].key = *key_of(reading);
	a->reading[0].from = 1;
	a->hosts[0].key = *key_of(host);
	a->hosts[0].name = "host";
	a->hosts[0].from = 1;
	a->from = 1;
	return e;
}

/* ---- asking ---- */

struct counter {
	size_t n;
	bool accredited_only;
	uint64_t order;
};

static bool
count_one(void *ctx, const struct registry_event *ev)
{
	struct counter *c = ctx;

	ck_assert_msg(ev->order > c->order, "not in ledger order");
	c->order = ev->order;
	c->n += ev->accredited || !c->accredited_only;
	return true;
}

size_t
count_of(enum reader at, enum event_type type, const struct pubkey *patient,
    bool accredited_only)
{
	struct counter c = { .accredited_only = accredited_only };

	OK(registry_each(W.reg[at], type, patient, count_one, &c));
	return c.n;
}

size_t
count(enum reader at, enum event_type type)
{
	return count_of(at, type, NULL, false);
}

enum policy_why
ask(enum reader at, const struct institution_id *who)
{
	CLEANUP(policy_free) struct policy *p = registry_policy(W.reg[at]);
	struct policy_query q = { .institution = *who,
		.patient = *key_of(PATIENT),
		.purpose = "TREAT",
		.right = EVENT_RIGHT_READ,
		.now = clock_wall_ms() };
	struct policy_verdict v;

	ck_assert_ptr_nonnull(p);
	policy_decide(p, &q, &v);
	ck_assert(v.permit == (v.why == POLICY_GRANTED));
	return v.why;
}
