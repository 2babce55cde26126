/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is seen and not final.  Transactions that narrow are kept durably,
 * whole, until the ledger has what they hold; the rest is remembered while
 * the program runs.
 */
#include "registry/registry_internal.h"

#include "base/clock.h"

#define NARROW_MAX 65536 /* pending facts that narrow */
#define OTHERS_MAX 4096  /* pending facts that do not: the oldest give way */

void
registry_pending_free(struct registry_pending *p)
{
	buf_free(&p->json);
}

void
registry_pending_drop(struct registry *r)
{
	(void)pthread_mutex_lock(&r->lock);
	while (r->npending > 0)
		registry_pending_free(&r->pending[--r->npending]);
	(void)pthread_mutex_unlock(&r->lock);
	r->nnarrow = 0;
}

enum err
registry_pending_fact(
    const struct registry_pending *p, struct registry_fact *out)
{
	*out = (struct registry_fact){ .row = p->row,
		.kind = p->kind,
		.has_patient = p->has_patient,
		.patient = p->patient,
		.ended = p->ended };
	if (p->kind >= REGISTRY_OPAQUE)
		return ERR_OK;
	return event_decode(p->json.p, p->json.len, &out->e);
}

/* Readers copy whole elements. */
void
registry_pending_gone(struct registry *r, struct registry_pending *p, bool gone)
{
	(void)pthread_mutex_lock(&r->lock);
	p->gone = gone;
	(void)pthread_mutex_unlock(&r->lock);
}

static void
forget(struct registry *r, struct registry_pending *p)
{
	if (p->kind == EVENT_ACCREDIT) {
		registry_roster_remove(r, &p->row.id);
		r->full = true;
	}
	if (registry_is_policy(p->kind))
		r->stale++;
	r->nnarrow -= p->narrow;
	registry_pending_free(p);
}

static void
sweep(struct registry *r)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->npending; i++)
		if (r->pending[i].gone)
			forget(r, &r->pending[i]);
		else
			r->pending[n++] = r->pending[i];
	r->npending = n;
	(void)pthread_mutex_unlock(&r->lock);
}

void
registry_pending_unload(struct registry_work *w)
{
	struct registry *r = w->r;
	struct db_val v;

	for (size_t i = 0; i < r->npending; i++)
		registry_pending_gone(r, &r->pending[i],
		    r->pending[i].kept ||
			registry_get_row(&w->t, r, TAB_ENTRIES,
			    DB_VAL(&r->pending[i].row.id), &v));
	sweep(r);
}

static enum err
stay(struct registry *r, const struct registry_pending *p)
{
	CLEANUP_FACT struct registry_fact f = { 0 };
	enum err e;

	if (p->kind != EVENT_ACCREDIT)
		return ERR_OK;
	e = registry_pending_fact(p, &f);
	return e ? e : registry_roster_put(r, &f.row, f.e);
}

/* ---- classifying what is seen ---- */

static bool
narrows(uint8_t kind, const struct event *e)
{
	if (kind == EVENT_DECISION)
		return e->u.decision.effect != EVENT_GRANT &&
		    e->u.decision.effect != EVENT_REINSTATE;
	return kind == EVENT_END || kind >= EVENT_ACCREDIT;
}

static enum err
push(struct registry_work *w, const struct registry_pending *p)
{
	enum err e = registry_grow(
	    (void **)&w->pending, w->npending, sizeof(*w->pending));

	if (e == ERR_OK)
		w->pending[w->npending++] = *p;
	return e;
}

/* Takes the payload of ${o}. */
static enum err
push_opened(struct registry_work *w, const struct registry_row *row,
    struct registry_opened *o)
{
	static const unsigned changes[] = { [EVENT_INQUIRY] = REGISTRY_INQUIRY,
		[EVENT_DECISION] = REGISTRY_POLICY,
		[EVENT_DELEGATION] = REGISTRY_POLICY,
		[EVENT_END] = REGISTRY_POLICY,
		[EVENT_ACCREDIT] = REGISTRY_ACCREDIT | REGISTRY_POLICY,
		[REGISTRY_OPAQUE] = REGISTRY_POLICY };
	struct registry_pending p = { .row = *row,
		.has_patient = o->has_patient,
		.patient = o->patient,
		.stamp = w->stamp };
	enum err e = registry_is_host(w, row, o->e, &p.host);

	p.kind = o->e ? (uint8_t)o->e->type : REGISTRY_OPAQUE;
	if (e == ERR_OK && p.kind == EVENT_DECISION) {
		p.has_delegation = o->e->u.decision.has_delegation;
		p.delegation = o->e->u.decision.delegation;
		e = registry_keep_delegation(w, o->e);
	}
	if (e || p.kind == EVENT_DOCUMENT_SET)
		return e;
	p.narrow = narrows(p.kind, o->e);
	p.json = o->payload;
	e = push(w, &p);
	if (e)
		return e;
	o->payload = (struct buf){ 0 };
	w->changes |= changes[p.kind];
	return ERR_OK;
}

static enum err
push_mark(struct registry_work *w, const struct registry_row *row,
    const struct event_id *ended)
{
	struct registry_pending p = { .row = *row,
		.kind = REGISTRY_MARK,
		.narrow = true,
		.ended = *ended,
		.stamp = w->stamp };

	w->changes |= REGISTRY_POLICY;
	return push(w, &p);
}

static enum err
see_envelope(
    struct registry_work *w, const struct registry_row *row, struct db_val env)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };
	enum err e = registry_unseal(w->r, row, env, &o);
	bool understood = o.e != NULL;

	if (e == ERR_OK)
		e = push_opened(w, row, &o);
	else if (e == ERR_NOKEY)
		e = ERR_OK;
	return e || understood ?
	    e :
	    registry_marked(
		w, row, seal_envelope_public(env.p, env.n), push_mark);
}

static enum err
see_clear(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };
	enum err e = registry_read_clear(w->r, row, value, &o);

	if (e == ERR_OK)
		e = push_opened(w, row, &o);
	return e == ERR_NOKEY ? ERR_OK : e;
}

static enum err
see_unknown(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	CLEANUP_OPENED struct registry_opened o = { 0 };

	(void)value;
	return push_opened(w, row, &o);
}

static enum err
see_void(struct registry_work *w, const struct registry_row *row,
    struct db_val value)
{
	(void)w;
	(void)row;
	(void)value;
	return ERR_OK;
}

static enum err (*const seers[])(struct registry_work *w,
    const struct registry_row *row, struct db_val value) = {
	[FORM_VOID] = see_void,
	[FORM_ENVELOPE] = see_envelope,
	[FORM_CLEAR] = see_clear,
	[FORM_UNKNOWN] = see_unknown,
};

static bool
have(const struct registry_pending *p, size_t n, const struct event_id *id)
{
	for (size_t i = 0; i < n; i++)
		if (ID_EQ(&p[i].row.id, id))
			return true;
	return false;
}

static enum err
see_entry(struct registry_work *w, const struct ledger_tx *tx,
    const struct ledger_entry *in, int64_t seen)
{
	struct registry_row row = {
		.tx = tx->id, .sender = tx->sender, .time = seen
	};
	struct db_val value = { in->value, in->len }, v;
	struct registry *r = w->r;

	if (in->type != LEDGER_BINARY ||
	    ledger_entry_read(in->key, &row.entry) != ERR_OK)
		return ERR_OK;
	seal_event_id(&r->reader.chain, &row.sender, &row.entry, &row.id);
	if (registry_get_row(&w->t, r, TAB_ENTRIES, DB_VAL(&row.id), &v) ||
	    have(r->pending, r->npending, &row.id) ||
	    have(w->pending, w->npending, &row.id))
		return w->t.err;
	row.order = REGISTRY_PENDING | ++r->seq;
	return seers[registry_form(value)](w, &row, value);
}

/* What narrows and could not be kept when it was seen: try again. */
static size_t
not_kept(const struct registry *r, const struct tx_id *tx)
{
	size_t n = 0;

	for (size_t i = 0; i < r->npending; i++)
		n += r->pending[i].narrow && !r->pending[i].kept &&
		    ID_EQ(&r->pending[i].row.tx, tx);
	return n;
}

/* Say in ${out} how many facts of ${tx} narrow and are to be kept. */
static enum err
see_tx(struct registry_work *w, const struct ledger_tx *tx, int64_t seen,
    size_t *out)
{
	size_t before = w->npending;
	enum err e = ERR_OK;

	*out = 0;
	if (!ID_EQ(&tx->author, &tx->sender))
		return ERR_OK;
	*out = not_kept(w->r, &tx->id);
	w->stamp = tx->timestamp;
	for (size_t i = 0; e == ERR_OK && i < tx->nentries; i++)
		e = see_entry(w, tx, &tx->entry[i], seen);
	for (size_t i = before; i < w->npending; i++)
		*out += w->pending[i].narrow;
	return e;
}

/* ---- kept durably ---- */

static enum err
put_narrow(struct registry_work *w, const struct ledger_tx *tx, int64_t seen)
{
	CLEANUP_BUF struct buf plain = { 0 };
	CLEANUP_JS json_t *j = NULL;
	enum err e = ledger_tx_json(tx, w->r->reader.chain.b[0], &j);

	if (e)
		return e;
	buf_u64(&plain, w->r->seq);
	buf_u64(&plain, (uint64_t)seen);
	js_print(j, &plain);
	return registry_rest_put(w, TAB_NARROW, DB_VAL(&tx->id), &plain);
}

struct held { /* a row of NARROW */
	struct tx_id id;
	uint64_t seq;
	int64_t seen;
	struct buf plain;
	size_t at; /* of the JSON */
};

struct holding {
	const struct registry *r;
	struct held *held;
	size_t n;
	enum err err;
};

static void
holding_free(struct holding *x)
{
	for (size_t i = 0; i < x->n; i++)
		buf_free(&x->held[i].plain);
	free(x->held);
}
#define CLEANUP_HOLDING __attribute__((cleanup(holding_free), unused))

static enum err
hold(struct holding *x, struct db_val key, struct db_val value)
{
	struct held *h;
	struct rd rd;
	enum err e = registry_grow((void **)&x->held, x->n, sizeof(*h));

	if (e)
		return e;
	h = &x->held[x->n++];
	*h = (struct held){ 0 };
	if (key.n != sizeof(h->id.b))
		return ERR_CORRUPT;
	memcpy(h->id.b, key.p, key.n);
	e = registry_rest_open(x->r, TAB_NARROW, key, value, &h->plain);
	if (e)
		return e;
	rd_init(&rd, h->plain.p, h->plain.len);
	h->seq = rd_u64(&rd);
	h->seen = (int64_t)rd_u64(&rd);
	h->at = h->plain.len - rd.left;
	return rd.err ? ERR_CORRUPT : ERR_OK;
}

static bool
hold_step(void *ctx, struct db_val key, struct db_val value)
{
	struct holding *x = ctx;

	x->err = hold(x, key, value);
	return x->err == ERR_OK;
}

static int
by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct held *)a)->seq;
	uint64_t y = ((const struct held *)b)->seq;

	return (x > y) - (x < y);
}

static enum err
hold_all(struct holding *x, struct db_txn *t)
{
	db_walk(
	    t, x->r->tab[TAB_NARROW], (struct db_val){ NULL, 0 }, hold_step, x);
	if (x->n > 1)
		qsort(x->held, x->n, sizeof(*x->held), by_seq);
	return x->err ? x->err : t->err;
}

static enum err
load_one(struct registry_work *w, const struct held *h)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	size_t n = 0;
	enum err e = js_parse(
	    h->plain.p + h->at, h->plain.len - h->at, JS_DEPTH, &j);

	if (e == ERR_OK)
		e = ledger_tx_read(j, &tx);
	if (e)
		return e == ERR_NOMEM ? e : ERR_CORRUPT;
	if (w->r->seq < h->seq)
		w->r->seq = h->seq;
	e = see_tx(w, tx, h->seen, &n);
	if (e == ERR_OK && n == 0) /* all of it is final */
		registry_del(w, TAB_NARROW, DB_VAL(&h->id));
	return e;
}

enum err
registry_pending_load(struct registry_work *w)
{
	CLEANUP_HOLDING struct holding x = { .r = w->r };
	enum err e = hold_all(&x, &w->t);

	for (size_t i = 0; e == ERR_OK && i < w->r->npending; i++)
		e = stay(w->r, &w->r->pending[i]);
	for (size_t i = 0; e == ERR_OK && i < x.n; i++)
		e = load_one(w, &x.held[i]);
	for (size_t i = 0; i < w->npending; i++)
		w->pending[i].kept = w->pending[i].narrow;
	return e;
}

enum err
registry_resend(struct registry *r,
    void (*fn)(void *ctx, const char *json, const struct tx_id *id), void *ctx)
{
	CLEANUP_HOLDING struct holding x = { .r = r };
	struct db_txn t CLEANUP_TXN;
	enum err e;

	db_read(r->db, &t);
	e = hold_all(&x, &t);
	db_abort(&t); /* not held over the network */
	for (size_t i = 0; e == ERR_OK && i < x.n; i++)
		fn(ctx, buf_text(&x.held[i].plain) + x.held[i].at,
		    &x.held[i].id);
	return e;
}

/* ---- once it is durable ---- */

/* Of what only waits, the oldest give way. */
static void
make_room(struct registry *r)
{
	size_t others = r->npending - r->nnarrow;

	for (size_t i = 0; others > OTHERS_MAX && i < r->npending; i++) {
		struct registry_pending *p = &r->pending[i];

		if (p->narrow)
			continue;
		registry_pending_gone(r, p, true);
		if (registry_is_policy(p->kind))
			r->full = true;
		others--;
	}
}

static enum err
enter(struct registry *r, struct registry_pending *p)
{
	CLEANUP_FACT struct registry_fact f = { 0 };
	enum err e = registry_pending_fact(p, &f);

	if (e == ERR_OK && p->kind == EVENT_ACCREDIT) {
		e = registry_roster_put(r, &p->row, f.e);
		r->full = true;
	} else if (e == ERR_OK && !r->full) {
		e = registry_book_add(r, r->book, &f);
	}
	if (registry_is_policy(p->kind))
		__atomic_store_n(&r->dirty, true, __ATOMIC_RELEASE);
	if (e)
		return e;
	(void)pthread_mutex_lock(&r->lock);
	e = registry_grow(
	    (void **)&r->pending, r->npending, sizeof(*r->pending));
	if (e == ERR_OK)
		r->pending[r->npending++] = *p;
	(void)pthread_mutex_unlock(&r->lock);
	if (e)
		return e;
	r->nnarrow += p->narrow;
	*p = (struct registry_pending){ 0 };
	return ERR_OK;
}

enum err
registry_pending_apply(struct registry_work *w)
{
	enum err e = ERR_OK;

	sweep(w->r);
	for (size_t i = 0; e == ERR_OK && i < w->npending; i++)
		e = enter(w->r, &w->pending[i]);
	make_room(w->r);
	sweep(w->r);
	return e;
}

/* ---- seeing ---- */

/* A pool shows the same transactions again and again. */
static struct tx_id *
known_slot(struct registry *r, const struct tx_id *id)
{
	return &r->known[(id->b[0] << 8 | id->b[1]) % REGISTRY_KNOWN];
}

static void
now_known(struct registry *r, const struct ledger_tx *tx)
{
	*known_slot(r, &tx->id) = tx->id;
	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->npending; i++)
		if (ID_EQ(&r->pending[i].row.tx, &tx->id))
			r->pending[i].kept = r->pending[i].narrow;
	(void)pthread_mutex_unlock(&r->lock);
}

static enum err
see(struct registry *r, const struct ledger_tx *tx, unsigned *changes)
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	int64_t seen = clock_wall_ms();
	size_t n = 0;
	enum err e;

	if (ID_EQ(known_slot(r, &tx->id), &tx->id))
		return ERR_OK;
	e = registry_work_begin(r, &w);
	if (e == ERR_OK)
		e = see_tx(&w, tx, seen, &n);
	if (e)
		return e;
	if (n > 0 && r->nnarrow + n > NARROW_MAX)
		return err_say(
		    ERR_BUSY, "too many decisions wait for the ledger");
	if (n > 0)
		e = put_narrow(&w, tx, seen);
	if (e == ERR_OK)
		e = registry_work_commit(&w, changes);
	if (e == ERR_OK)
		now_known(r, tx);
	else if (e == ERR_NOSPACE || e == ERR_IO)
		registry_work_remember(&w, changes);
	return e;
}

enum err
registry_see(struct registry *r, const struct ledger_tx *tx)
{
	unsigned changes = 0;
	enum err e;

	(void)pthread_mutex_lock(&r->writing);
	e = see(r, tx, &changes);
	(void)pthread_mutex_unlock(&r->writing);
	registry_tell(r, changes);
	return e;
}
