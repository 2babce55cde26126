/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Of several nodes one is followed.  Each has a thread of its own here that
 * looks at it all the time, so that one which is slow delays no other: has it
 * the blocks that are final for us, and what does it show that we do not have
 * yet?  What narrows counts from there too; what widens never does.
 */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 2000
#define FIRST_MS       2000  /* what a slow node may delay a start */
#define LAG_MS         10000 /* so far behind another none is followed */
#define READ_AHEAD     400   /* blocks, above ours */

/* ---- what the follower tells ---- */

void
ledger_watch_final(struct ledger_follower *f, const struct ledger_mark *m)
{
	(void)pthread_mutex_lock(&f->lock);
	f->final[f->nfinal++ % LEDGER_FINALS] = (struct ledger_final){ *m,
		ledger_node_current(f->node) };
	(void)pthread_mutex_unlock(&f->lock);
}

/* The newest block that is final for us and not above ${height}. */
static bool
final_below(
    struct ledger_follower *f, uint64_t height, struct ledger_final *out)
{
	size_t n;
	bool found = false;

	(void)pthread_mutex_lock(&f->lock);
	n = f->nfinal < LEDGER_FINALS ? f->nfinal : LEDGER_FINALS;
	for (size_t i = 1; !found && i <= n; i++) {
		*out = f->final[(f->nfinal - i) % LEDGER_FINALS];
		found = out->at.height <= height;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return found;
}

/* What is above it we do not have. */
static bool
newest(struct ledger_follower *f, struct ledger_mark *out_final,
    struct ledger_final *out_head)
{
	bool has;

	(void)pthread_mutex_lock(&f->lock);
	has = f->has_head && f->nfinal > 0;
	if (has)
		*out_final = f->final[(f->nfinal - 1) % LEDGER_FINALS].at;
	*out_head = (struct ledger_final){ f->head,
		ledger_node_current(f->node) };
	(void)pthread_mutex_unlock(&f->lock);
	return has;
}

/* ---- do they agree? ---- */

static enum err
split(const struct ledger_peer *p, const struct ledger_final *ours,
    const struct sig *theirs, const char *what)
{
	const struct ledger_node *other = ledger_node_peer(
	    p->f->node, ours->who);
	bool changed = other == p->node; /* its mind */
	struct text58 a, b;

	return err_say(ERR_FORK,
	    "node%s %s%s%s %s block %llu, %.12s... and %.12s...; nothing is "
	    "opened until %s; is one of another network, or restored from an "
	    "old copy?",
	    changed ? "" : "s", other->url, changed ? "" : " and ",
	    changed ? "" : p->node->url, changed ? "replaced" : what,
	    (unsigned long long)ours->at.height,
	    text58(ours->at.id.b, sizeof(ours->at.id.b), &a),
	    text58(theirs->b, sizeof(theirs->b), &b),
	    changed ? "it has the first again" : "they agree");
}

/* Our own node's word, for a height that we do not remember. */
static enum err
ask_ours(struct ledger_peer *p, uint64_t height, struct ledger_final *out)
{
	struct ledger_follower *f = p->f;

	out->who = ledger_node_current(f->node);
	out->at.height = height;
	return ledger_node_id_at(
	    ledger_node_peer(f->node, out->who), height, &f->stop, &out->at.id);
}

/* The newest block that is final for both. */
static enum err
compare_final(struct ledger_peer *p)
{
	struct ledger_follower *f = p->f;
	struct ledger_final ours;
	struct sig theirs;
	enum err e = ERR_OK;

	if (p->tip < f->final_depth || !final_below(f, UINT64_MAX, &ours))
		return ERR_OK;
	if (!final_below(f, p->tip + 1 - f->final_depth, &ours))
		e = ask_ours(p, p->tip + 1 - f->final_depth, &ours);
	if (e == ERR_OK)
		e = ledger_node_id_at(
		    p->node, ours.at.height, &f->stop, &theirs);
	if (e)
		return e;
	p->agrees = ID_EQ(&theirs, &ours.at.id);
	return p->agrees ? ERR_OK : split(p, &ours, &theirs, "disagree about");
}

static bool
has_block(struct ledger_peer *p, const struct ledger_mark *m)
{
	struct sig id;

	return m->height > 0 &&
	    ledger_node_id_at(p->node, m->height, &p->f->stop, &id) == ERR_OK &&
	    ID_EQ(&id, &m->id);
}

/* One generator, which signs each height once, has signed two. */
static enum err
compare_signed(struct ledger_peer *p, const struct ledger_final *head,
    const struct ledger_block *b)
{
	if (b->height != head->at.height || ID_EQ(&b->id, &head->at.id) ||
	    !b->once || p->node->ngenerators != 1)
		return ERR_OK;
	return split(p, head, &b->id, "disagree: the generator signed twice");
}

/* ---- what does it show that we do not have? ---- */

static enum err
give(struct ledger_follower *f, struct ledger_tx *const *tx, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = f->sink.pending(f->sink.ctx, tx[i]);
	return e;
}

/* The blocks of one answer. */
static enum err
read_some(struct ledger_peer *p, const struct ledger_final *head)
{
	CLEANUP_JS json_t *j = NULL;
	uint64_t from = p->given.height + 1, left = p->tip - p->given.height;
	enum err e = ledger_node_blocks(p->node, from,
	    left < LEDGER_RANGE ? left : LEDGER_RANGE, &p->f->stop, &j);

	if (e == ERR_TOOBIG)
		e = ledger_node_blocks(p->node, from, 1, &p->f->stop, &j);
	for (size_t i = 0; e == ERR_OK && i < json_array_size(j); i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;

		e = ledger_node_block(p->node, json_array_get(j, i), &b);
		if (e == ERR_OK && b->height != p->given.height + 1)
			e = err_say(ERR_FORMAT, "its blocks are in disorder");
		if (e)
			break;
		p->given = (struct ledger_mark){ b->height, b->id, b->time,
			b->proved };
		e = give(p->f, b->tx, b->ntx);
		if (e == ERR_OK)
			e = compare_signed(p, head, b);
	}
	return e;
}

/*
 * Who is far behind is not followed any more, if another is not: where blocks
 * are signed, lest one lures us away with blocks that it made up.
 */
static void
prefer(struct ledger_peer *p, const struct ledger_final *head)
{
	struct ledger_node *n = p->f->node;

	if (!n->has_generator || p->given.time - head->at.time < LAG_MS ||
	    ledger_node_peer(n, head->who) == p->node)
		return;
	log_warn("ledger: node %s is followed instead of %s, which is %lld s "
		 "behind",
	    p->node->url, ledger_node_peer(n, head->who)->url,
	    (long long)(p->given.time - head->at.time) / 1000);
	ledger_node_use(n, p->node);
}

/* Its blocks above our final ones, unless it has the same as we. */
static enum err
read_blocks(struct ledger_peer *p)
{
	struct ledger_mark final;
	struct ledger_final head;
	enum err e = ERR_OK;

	if (!newest(p->f, &final, &head) || p->tip <= final.height ||
	    (p->tip == head.at.height && has_block(p, &head.at)))
		return ERR_OK;
	if (p->given.height <= final.height || !has_block(p, &p->given))
		p->given = final;
	if (p->tip - p->given.height > READ_AHEAD)
		p->given = (struct ledger_mark){ .height = p->tip -
			    READ_AHEAD };
	while (e == ERR_OK && p->given.height < p->tip)
		e = read_some(p, &head);
	if (e == ERR_OK)
		prefer(p, &head);
	return e;
}

static enum err
meet(struct ledger_peer *p)
{
	struct ledger_node *n = p->f->node;
	size_t who = ledger_node_current(n);
	enum err e = ledger_node_met(p->node) ?
	    ERR_OK :
	    ledger_node_meet(p->node, &p->f->stop);

	if (e != ERR_FORK)
		return e;
	if (ledger_node_peer(n, who) == p->node)
		who = (who + 1) % ledger_node_count(n);
	return err_say(e, "nodes %s and %s disagree: %s",
	    ledger_node_peer(n, who)->url, p->node->url, err_detail(e));
}

static enum err
look(struct ledger_peer *p)
{
	struct ledger_node *n = p->f->node;
	enum err shown = ERR_OK, e = meet(p);

	p->agrees = false;
	if (e == ERR_OK)
		e = ledger_node_height(p->node, &p->f->stop, &p->tip);
	if (e)
		return e;
	if (ledger_node_peer(n, ledger_node_current(n)) != p->node)
		shown = ledger_follow_pool(p->f, p->node, &p->pool_unread);
	e = compare_final(p);
	if (e == ERR_OK)
		e = read_blocks(p);
	return e ? e : shown;
}

/* ---- the threads ---- */

static void
note(struct ledger_peer *p, int64_t begun, enum err e)
{
	struct ledger_follower *f = p->f;

	(void)pthread_mutex_lock(&f->lock);
	p->looked = begun;
	p->height = p->tip;
	p->error = e;
	(void)snprintf(p->why, sizeof(p->why), "%s", e ? err_detail(e) : "");
	/* who does not answer now has taken nothing back */
	if (e == ERR_FORK)
		memcpy(p->split, p->why, sizeof(p->split));
	else if (p->agrees)
		p->split[0] = '\0';
	(void)pthread_mutex_unlock(&f->lock);
}

/* Each change of state is one line. */
static void
log_change(const struct ledger_peer *p, enum err *logged, enum err e)
{
	if (e == *logged)
		return;
	if (e == ERR_FORK)
		log_error("ledger: %s", err_detail(e));
	else if (e)
		log_warn("ledger: node %s cannot be compared with the others: "
			 "%s",
		    p->node->url, err_detail(e));
	else
		log_info("ledger: node %s agrees with the others at height "
			 "%llu",
		    p->node->url, (unsigned long long)p->tip);
	*logged = e;
}

static void *
run(void *arg)
{
	struct ledger_peer *p = arg;
	struct ledger_follower *f = p->f;
	int64_t pause = BACKOFF_MS;
	enum err logged = ERR_OK;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		int64_t begun = clock_boot_ms();
		enum err e = look(p);

		if (__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
			break;
		note(p, begun, e);
		log_change(p, &logged, e);
		if (e == ERR_OK) {
			pause = BACKOFF_MS;
			ledger_node_wait(p->node, p->tip, f->poll_ms, &f->stop);
			continue;
		}
		ledger_nap(pause, &f->stop);
		pause = pause < BACKOFF_MAX_MS / 2 ? 2 * pause : BACKOFF_MAX_MS;
	}
	return NULL;
}

enum err
ledger_watch_start(struct ledger_follower *f)
{
	size_t n = ledger_node_count(f->node);
	int rc = 0;

	if (n == 1)
		return ERR_OK;
	(void)pthread_mutex_lock(&f->lock); /* others may ask for the head */
	f->peer = calloc(n, sizeof(*f->peer));
	for (; f->peer && rc == 0 && f->npeers < n; f->npeers += rc == 0) {
		struct ledger_peer *p = &f->peer[f->npeers];

		p->f = f;
		p->node = ledger_node_peer(f->node, f->npeers);
		rc = pthread_create(&p->thread, NULL, run, p);
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (f->peer == NULL)
		return ERR_NOMEM;
	return rc ?
	    err_say(err_from_errno(rc), "cannot start a watcher of the nodes") :
	    ERR_OK;
}

void
ledger_watch_stop(struct ledger_follower *f)
{
	for (size_t i = 0; i < f->npeers; i++)
		(void)pthread_join(f->peer[i].thread, NULL);
	free(f->peer);
}

/* ---- what is known ---- */

void
ledger_watch_judge(struct ledger_follower *f, struct ledger_head *out)
{
	bool early = clock_boot_ms() - f->head_since < FIRST_MS;

	for (size_t i = 0; i < f->npeers; i++) {
		const struct ledger_peer *p = &f->peer[i];
		bool unseen = early && p->looked < f->head_since;

		if (p->split[0] == '\0' && !unseen)
			continue;
		*out = (struct ledger_head){ .age_ms = INT64_MAX };
		if (p->split[0]) {
			out->error = ERR_FORK;
			memcpy(out->why, p->split, sizeof(out->why));
			return;
		}
		out->error = ERR_STALE;
		(void)snprintf(out->why, sizeof(out->why),
		    "node %s was not asked yet", p->node->url);
	}
}

static bool
all_looked(struct ledger_follower *f)
{
	bool all = true;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->npeers; i++)
		all = all && f->peer[i].looked > 0;
	(void)pthread_mutex_unlock(&f->lock);
	return all;
}

enum err
ledger_follow_watch(struct ledger_follower *f, int64_t ms)
{
	int64_t end = clock_boot_ms() + ms;
	enum err e = ledger_watch_start(f);

	while (e == ERR_OK && !all_looked(f) && clock_boot_ms() < end)
		ledger_nap(1, NULL);
	return e;
}

bool
ledger_follow_peer(
    struct ledger_follower *f, size_t i, struct ledger_peer_state *out)
{
	bool has;

	(void)pthread_mutex_lock(&f->lock);
	has = i < f->npeers;
	if (has) {
		const struct ledger_peer *p = &f->peer[i];

		*out = (struct ledger_peer_state){ .url = p->node->url,
			.height = p->height,
			.error = p->looked ? p->error : ERR_STALE };
		memcpy(out->why, p->why, sizeof(out->why));
	}
	(void)pthread_mutex_unlock(&f->lock);
	return has;
}
