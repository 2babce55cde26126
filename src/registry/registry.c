/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/registry_internal.h"

#define VERSION   2
#define MAP_BYTES (64ULL << 30) /* grows as needed up to here */

static struct db_val
name(const char *s)
{
	return (struct db_val){ s, strlen(s) };
}

/* Whose registry it is; keyed, so another rest key is another reader too. */
static void
fingerprint(const struct registry *r, uint8_t out[static 32])
{
	const struct registry_reader *reader = &r->reader;
	const struct pubkey *account = reader->account ?
	    seal_identity_key(reader->account) :
	    NULL;
	const struct pubkey *rms = reader->rms_identity ?
	    seal_identity_key(reader->rms_identity) :
	    NULL;
	const uint8_t roles[] = { account != NULL, reader->has_institution,
		rms != NULL };
	const struct seal_part parts[] = {
		{ "registry reader", 15 },
		{ reader->chain.b, sizeof(reader->chain.b) },
		{ reader->rms.b, sizeof(reader->rms.b) },
		{ roles, sizeof(roles) },
		{ account ? account->b : NULL, account ? 32 : 0 },
		{ reader->institution.b, reader->has_institution ? 16 : 0 },
		{ rms ? rms->b : NULL, rms ? 32 : 0 },
	};

	seal_hash(secret_view(r->rest), parts, ARRAY_LEN(parts), out);
}

static enum err
reading_keys(const struct registry *r, uint8_t out[static 32])
{
	CLEANUP_BUF struct buf keys = { 0 };
	struct seal_part part;

	for (size_t i = 0; i < r->reader.nreading; i++)
		buf_put(&keys, seal_identity_key(r->reader.reading[i])->b, 32);
	if (keys.err)
		return keys.err;
	part = (struct seal_part){ keys.p, keys.len };
	seal_hash(secret_view(r->rest), &part, 1, out);
	return ERR_OK;
}

static enum err
check_reader(struct registry *r, const char *dir)
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	uint8_t mine[32];
	struct db_val v;

	fingerprint(r, mine);
	db_write(r->db, &w.t);
	if (registry_get_row(&w.t, r, TAB_STATE, name("reader"), &v)) {
		if (v.n == sizeof(mine) && memcmp(v.p, mine, v.n) == 0)
			return ERR_OK;
		return err_say(ERR_CONFLICT,
		    "'%s' belongs to another identity, chain or RMS; put the "
		    "keys and the configuration back that made it, or take "
		    "another home",
		    dir);
	}
	registry_put(&w, TAB_STATE, name("reader"), DB_VAL(&mine));
	return db_commit(&w.t);
}

/* ---- what is in memory ---- */

static enum err
load_position(struct registry *r, struct db_txn *t)
{
	struct sig block = { 0 };
	uint64_t height = 0;
	int64_t time = 0;
	struct db_val v;
	struct rd rd;

	if (registry_get_row(t, r, TAB_STATE, name("position"), &v)) {
		rd_init(&rd, v.p, v.n);
		height = rd_u64(&rd);
		rd_copy(&rd, block.b, sizeof(block.b));
		time = (int64_t)rd_u64(&rd);
		if (rd_end(&rd))
			return err_say(
			    ERR_CORRUPT, "the registry's position is damaged");
	}
	(void)pthread_mutex_lock(&r->lock);
	r->height = height;
	r->block = block;
	r->time = time;
	(void)pthread_mutex_unlock(&r->lock);
	return t->err;
}

enum err
registry_load(struct registry_work *w, uint64_t change)
{
	struct registry *r = w->r;
	enum err e = load_position(r, &w->t);

	registry_pending_unload(w);
	registry_standing_drop(r);
	memset(r->known, 0, sizeof(r->known));
	r->full = true;
	__atomic_store_n(&r->dirty, true, __ATOMIC_RELEASE);
	r->change = change;
	w->changes |= REGISTRY_POLICY | REGISTRY_SETS | REGISTRY_INQUIRY |
	    REGISTRY_ACCREDIT;
	if (e == ERR_OK)
		e = registry_roster_load(r, &w->t);
	return e ? e : registry_pending_load(w);
}

/* ---- what could not be read before ---- */

struct look {
	struct registry *r;
	struct db_txn *t;
	bool understood;
	enum err err;
};

static bool
look_step(void *ctx, uint64_t order)
{
	CLEANUP_RECORD struct registry_record rec = { 0 };
	CLEANUP(event_free) struct event *e = NULL;
	struct look *x = ctx;
	struct db_val raw;

	x->err = registry_record_get(x->r, x->t, order, &rec);
	if (x->err)
		return false;
	if (rec.has_key)
		x->understood = registry_record_event(&rec, &e) == ERR_OK;
	else if (registry_raw_get(x->r, x->t, order, &raw))
		x->understood = registry_form(raw) != FORM_UNKNOWN;
	return !x->understood;
}

static enum err
put_keys(struct registry *r, uint8_t keys[static 32])
{
	CLEANUP_WORK struct registry_work w = { .r = r };
	unsigned changes;
	enum err e = registry_work_begin(r, &w);

	if (e)
		return e;
	registry_put(&w, TAB_STATE, name("keys"), (struct db_val){ keys, 32 });
	return registry_work_commit(&w, &changes);
}

/* New reading keys, or a newer program, may read what is here already. */
static enum err
read_again(struct registry *r)
{
	struct db_txn t CLEANUP_TXN;
	struct look x = { .r = r, .t = &t };
	uint8_t keys[32];
	bool same;
	struct db_val v;
	enum err e = reading_keys(r, keys);

	db_read(r->db, &t);
	same = registry_get_row(&t, r, TAB_STATE, name("keys"), &v) &&
	    v.n == sizeof(keys) && memcmp(v.p, keys, v.n) == 0;
	registry_index_walk(r, &t, REGISTRY_OPAQUE, NULL, look_step, &x);
	if (e == ERR_OK)
		e = x.err ? x.err : t.err;
	db_abort(&t);
	if (e == ERR_OK && (!same || x.understood))
		e = registry_again(r);
	return e || same ? e : put_keys(r, keys);
}

/* ---- open and close ---- */

static enum err
open_tables(struct registry *r, const char *dir)
{
	const struct db_opts opts = { "registry", VERSION, MAP_BYTES };
	enum err e = db_open(dir, &opts, &r->db);

	if (e == ERR_UNSUPPORTED)
		return err_say(ERR_UNSUPPORTED,
		    "'%s' was made by another version; remove this folder: it "
		    "is made anew from the ledger",
		    dir);
	for (unsigned i = 0; e == ERR_OK && i < TAB_COUNT; i++)
		e = db_table(r->db, registry_tab_names[i], &r->tab[i]);
	return e;
}

enum err
registry_open(const struct registry_opts *opts, struct registry **out)
{
	CLEANUP(registry_close) struct registry *r = calloc(1, sizeof(*r));
	enum err e;

	if (r == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&r->writing, NULL);
	(void)pthread_mutex_init(&r->lock, NULL);
	r->reader = opts->reader;
	e = secret_copy(
	    secret_view(opts->rest_key), secret_len(opts->rest_key), &r->rest);
	if (e == ERR_OK)
		e = open_tables(r, opts->dir);
	if (e == ERR_OK)
		e = check_reader(r, opts->dir);
	if (e == ERR_OK)
		e = registry_refresh(r);
	if (e == ERR_OK)
		e = read_again(r);
	if (e == ERR_OK)
		e = registry_refresh(r);
	if (e)
		return e;
	r->changed = opts->changed;
	r->changed_ctx = opts->changed_ctx;
	*out = TAKE(r);
	return ERR_OK;
}

void
registry_close(struct registry *r)
{
	if (r == NULL)
		return;
	registry_pending_drop(r);
	registry_roster_drop(r);
	registry_standing_drop(r);
	registry_book_free(r->book);
	policy_free(r->policy);
	free(r->pending);
	free(r->accredit);
	secret_free(r->rest);
	db_close(r->db);
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_mutex_destroy(&r->writing);
	free(r);
}

/* ---- the sink ---- */

static enum err
sink_position(void *ctx, uint64_t *height, struct sig *id)
{
	struct registry *r = ctx;
	enum err e = registry_refresh(r);

	(void)pthread_mutex_lock(&r->lock);
	*height = r->height;
	*id = r->block;
	(void)pthread_mutex_unlock(&r->lock);
	return e;
}

static enum err
sink_blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	struct registry *r = ctx;
	unsigned changes = 0;
	enum err e;

	(void)pthread_mutex_lock(&r->writing);
	e = registry_take_blocks(r, b, n, &changes);
	(void)pthread_mutex_unlock(&r->writing);
	registry_tell(r, changes);
	return e;
}

/* A full list must not stop the follower: what is final still counts. */
static enum err
sink_pending(void *ctx, const struct ledger_tx *tx)
{
	struct registry *r = ctx;
	enum err e = registry_see(r, tx);

	if (e != ERR_BUSY)
		return e;
	if (!__atomic_exchange_n(&r->told_busy, true, __ATOMIC_RELAXED))
		log_error("registry: %s; some count only when they are final",
		    err_detail(e));
	return ERR_OK;
}

static void
sink_done(void *ctx)
{
	struct registry *r = ctx;
	enum err e = registry_refresh(r);

	if (e) /* the next round fails in sink_position() */
		log_error("registry: %s", err_detail(e));
	registry_tell(r, REGISTRY_HEAD);
}

struct ledger_sink
registry_sink(struct registry *r)
{
	return (struct ledger_sink){ .ctx = r,
		.position = sink_position,
		.blocks = sink_blocks,
		.pending = sink_pending,
		.done = sink_done };
}

void
registry_position(struct registry *r, uint64_t *out_height, int64_t *out_time)
{
	(void)pthread_mutex_lock(&r->lock);
	*out_height = r->height;
	*out_time = r->time;
	(void)pthread_mutex_unlock(&r->lock);
}
