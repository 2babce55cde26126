/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The listing thread: learns of sets that may be listed (each against a `list`
 * item), loads their lists of documents, makes the catalogue.
 */
#include "gate/gate_internal.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#define LOOK_MS 1000  /* for new cards, and to try again */
#define ASK_MS  60000 /* the RMS is asked this often without a hint */
#define SOON_MS                                                                \
	200          /* the RMS may still be behind us: ask again after this,  \
		      */
#define SOON_TIMES 5 /* so often, each time twice as long */
#define FINAL_MS   5000 /* a set that we hear of becomes final within */

void
gate_list_dirty(struct gate *g)
{
	pthread_mutex_lock(&g->sets_lock);
	g->sets_dirty = true;
	pthread_cond_signal(&g->sets_cond);
	pthread_mutex_unlock(&g->sets_lock);
}

/* ---- learning sets from the RMS (institutions only) ---- */

struct asking {
	struct gate *g;
	enum err e;
};

static enum err
release_list(struct gate *g, const struct pubkey *patient,
    const struct event_id *set, struct secret *key)
{
	const struct gate_note note = {
		.patient = patient,
		.set = set,
		.kind = EVENT_LIST,
		.login = g->login,
	};
	CLEANUP_BUF struct buf json = { 0 };
	struct inquiry_id inquiry;
	struct rms_release r;
	uint64_t seq;
	enum err e = gate_record(g, &note, &inquiry, &seq);

	if (e == ERR_OK)
		e = gate_drained_json(
		    g, seq, clock_boot_ms() + GATE_PARK_MS, &json);
	if (e == ERR_OK)
		e = rms_release_get(home_rms(g->home), EVENT_LIST, set,
		    &inquiry, buf_text(&json), &r);
	return e == ERR_OK ?
	    home_open_sealed(g->home, r.key, sizeof(r.key), secret_bytes(key)) :
	    e;
}

/* The follower may still be on its way to the block that holds the set. */
static enum err
learn_final(
    struct gate *g, const struct rms_set_ref *ref, const struct secret *key)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	int64_t end = clock_boot_ms() + FINAL_MS;
	enum err e = ledger_node_tx(home_node(g->home), &ref->tx, &tx);

	if (e != ERR_OK)
		return e;
	for (;;) {
		e = registry_learn(
		    home_registry(g->home), tx, &ref->entry, key);
		if (e != ERR_NOTFOUND || clock_boot_ms() >= end || g->stop)
			return e;
		ledger_follow_kick(home_follower(g->home));
		clock_sleep_ms(50);
	}
}

/* Not asked for again, or each look would be an inquiry. */
static bool
was_refused(const struct gate *g, const struct event_id *id)
{
	for (size_t i = 0; i < g->nrefused && i < GATE_REFUSED; i++)
		if (ID_EQ(&g->refused[i], id))
			return true;
	return false;
}

static enum err
learn_set(
    struct gate *g, const struct pubkey *patient, const struct rms_set_ref *ref)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	struct event_id id;
	enum err e;

	seal_event_id(home_chain(g->home), &ref->sender, &ref->entry, &id);
	if (!ID_EQ(&id, &ref->set))
		return err_say(ERR_FORGED,
		    "the record management system names a set that is not");
	e = registry_content_key(home_registry(g->home), &id, &key);
	if (e != ERR_NOTFOUND)
		return e;
	if (was_refused(g, &id))
		return ERR_OK;
	e = secret_new(SEAL_KEY, &key);
	if (e == ERR_OK)
		e = release_list(g, patient, &id, key);
	if (err_http(e) == 403)
		g->refused[g->nrefused++ % GATE_REFUSED] = id;
	return e == ERR_OK ? learn_final(g, ref, key) : e;
}

static bool
first_decision(void *ctx, const struct registry_event *ev)
{
	bool *found = ctx;

	(void)ev;
	*found = true;
	return false;
}

static bool
ask_patient(void *ctx, const char *alias, const struct rms_card *card)
{
	struct asking *a = ctx;
	struct rms_set_ref *ref = NULL;
	CLEANUP(free) void *owned = NULL;
	bool decided = false;
	size_t n = 0;
	enum err e;

	err_clear();
	e = registry_each(home_registry(a->g->home), EVENT_DECISION,
	    &card->patient, first_decision, &decided);

	(void)alias;
	if (e == ERR_OK && !decided)
		return true;
	if (e == ERR_OK)
		e = rms_sets(home_rms(a->g->home), &card->patient, &ref, &n);
	owned = ref;
	for (size_t i = 0; i < n && e == ERR_OK && !a->g->stop; i++) {
		e = learn_set(a->g, &card->patient, &ref[i]);
		if (err_http(e) == 403 || e == ERR_NOTFOUND)
			e = ERR_OK; /* not (any more) ours to list */
	}
	if (e != ERR_OK) {
		if (e != a->g->list_said && e != ERR_INTERRUPTED)
			log_warn("gate: the sets of a patient cannot be asked "
				 "for: %s",
			    err_detail(e));
		a->g->list_said = a->e = e;
	}
	return true;
}

/* ---- loading what the registry knows ---- */

struct names {
	const struct gate *g;
	const struct pubkey *patient;
};

static bool
is_taken(void *ctx, const char *name)
{
	const struct names *x = ctx;

	for (size_t i = 0; i < x->g->nsets; i++) {
		const struct gate_set *s = &x->g->set[i]->pub;

		if (ID_EQ(&s->patient, x->patient) && s->name &&
		    gate_name_equal(s->name, name))
			return true;
	}
	return false;
}

static enum err
keep_set(struct gate *g, struct gate_set_full *s)
{
	struct names x = { g, &s->pub.patient };
	enum err e = gate_name_set(g, &s->ev, is_taken, &x, &s->name);

	if (e != ERR_OK) {
		gate_set_free(&s->pub);
		return e;
	}
	s->pub.name = s->name;
	pthread_mutex_lock(&g->sets_lock);
	if (g->nsets == g->cap_sets) {
		size_t cap = g->cap_sets ? g->cap_sets * 2 : 64;
		struct gate_set_full **more = realloc(
		    g->set, cap * sizeof(struct gate_set_full *));

		if (more) {
			g->set = more;
			g->cap_sets = cap;
		}
	}
	if (g->nsets < g->cap_sets)
		g->set[g->nsets++] = s;
	else
		e = ERR_NOMEM;
	pthread_mutex_unlock(&g->sets_lock);
	if (e != ERR_OK)
		gate_set_free(&s->pub);
	return e;
}

struct wanted {
	struct gate *g;
	size_t n, cap;
	struct event_id *id;
};

static bool
is_known(const struct gate *g, const struct event_id *id)
{
	for (size_t i = 0; i < g->nsets; i++)
		if (ID_EQ(&g->set[i]->pub.id, id))
			return true;
	return false;
}

static bool
want(void *ctx, const struct registry_event *ev)
{
	struct wanted *w = ctx;
	const struct event_id *only = w->g->opts.only;

	if (!ev->accredited || is_known(w->g, &ev->id) ||
	    (only && !ID_EQ(only, &ev->id)))
		return true;
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		struct event_id *more = realloc(w->id, cap * sizeof(*more));

		if (more == NULL)
			return false;
		w->id = more;
		w->cap = cap;
	}
	w->id[w->n++] = ev->id;
	return true;
}

static enum err
load_one(struct gate *g, const struct event_id *id)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };
	struct gate_set_full *s = NULL;
	enum err e = registry_get(home_registry(g->home), id, &ev);

	if (e == ERR_OK)
		e = gate_load_set(g, &ev, &s);
	return e == ERR_OK ? keep_set(g, s) : e;
}

static enum err
load_new(struct gate *g)
{
	struct wanted w = { .g = g };
	enum err all = ERR_OK,
		 e = registry_each(home_registry(g->home), EVENT_DOCUMENT_SET,
		     NULL, want, &w);
	CLEANUP(free) void *owned = w.id;

	for (size_t i = 0; i < w.n && e == ERR_OK && !g->stop; i++) {
		enum err one;

		err_clear();
		one = load_one(g, &w.id[i]);
		if (one == ERR_OK)
			continue;
		all = one;
		/* it may be published at this moment */
		log_line(one == ERR_NOTFOUND ? LOG_INFO : LOG_WARN,
		    "gate: set %s cannot be listed yet: %s", TEXT58(&w.id[i]),
		    err_detail(one));
	}
	return e == ERR_OK ? all : e;
}

/* A set that the RMS has not yet is being published. */
static void
say_unlisted(struct gate *g, enum err e)
{
	pthread_mutex_lock(&g->sets_lock);
	g->unlisted = e == ERR_NOTFOUND ? ERR_OK : e;
	(void)snprintf(
	    g->unlisted_why, sizeof(g->unlisted_why), "%s", err_detail(e));
	pthread_mutex_unlock(&g->sets_lock);
}

enum err
gate_unlisted(struct gate *g)
{
	enum err e;

	pthread_mutex_lock(&g->sets_lock);
	e = g->unlisted;
	if (e != ERR_OK)
		e = err_say(e, "%s", g->unlisted_why);
	pthread_mutex_unlock(&g->sets_lock);
	return e;
}

/* ---- the thread ---- */

static int64_t
cards_changed(struct gate *g)
{
	CLEANUP(free) char *path = file_join(home_dir(g->home), "cards");
	struct stat st;

	if (path == NULL || stat(path, &st) != 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* Wait until something is to be done; say whether somebody asked for it. */
static bool
wait_dirty(struct gate *g, int64_t ms)
{
	struct timespec ts;
	bool dirty;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&g->sets_lock);
	while (!g->sets_dirty && !g->stop &&
	    pthread_cond_timedwait(&g->sets_cond, &g->sets_lock, &ts) == 0)
		;
	dirty = g->sets_dirty;
	g->sets_dirty = false;
	pthread_mutex_unlock(&g->sets_lock);
	return dirty;
}

static enum err
refresh(struct gate *g)
{
	struct asking a = { g, ERR_OK };
	enum err loaded, made;

	/* what is known may be shown before the network is asked */
	made = gate_catalog_make(g);
	if (home_institution(g->home)) {
		enum err e = home_cards(g->home, ask_patient, &a);

		if (e != ERR_OK)
			a.e = e;
	}
	loaded = load_new(g);
	if (made == ERR_OK)
		made = gate_catalog_make(g);
	say_unlisted(g, loaded);
	return a.e != ERR_OK ? a.e : loaded != ERR_OK ? loaded : made;
}

void *
gate_list_run(void *arg)
{
	struct gate *g = arg;
	int64_t asked = INT64_MIN / 2, cards = -1;
	unsigned again = 0; /* times that are left to ask soon */
	unsigned fails = 0;
	enum err last = ERR_OK;

	while (!g->stop) {
		int64_t ms = again ? SOON_MS << (SOON_TIMES - again) : LOOK_MS;
		bool dirty = wait_dirty(g, ms);
		int64_t now = clock_boot_ms(), stamp = cards_changed(g);

		/* what failed is tried again later and later */
		int64_t pause = last == ERR_OK || fails > 5 ? ASK_MS :
							      LOOK_MS << fails;

		if (g->stop ||
		    (!dirty && again == 0 && stamp == cards &&
			now - asked < pause))
			continue;
		if (dirty)
			g->nrefused = fails = 0;
		again = dirty ? SOON_TIMES : again ? again - 1 : 0;
		last = refresh(g);
		fails = last == ERR_OK ? 0 : fails + 1;
		if (last == ERR_OK)
			g->list_said = ERR_OK;
		asked = now;
		cards = stamp;
	}
	return NULL;
}
