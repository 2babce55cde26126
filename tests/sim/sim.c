/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random histories, and what must hold in each of them:
 *
 *  - the clinic permits no open that is denied by what it has seen, or by all
 *    that the nodes have had for longer than the bound of staleness, and no
 * read that is for longer than that of open files;
 *  - when all is quiet again it decides as one who knows all, and nothing
 *    waits;
 *  - each inquiry is on the ledger once.
 *
 * CONSENTFS_SIM_RUNS says how many, CONSENTFS_SIM_SEED where to begin: with one
 * run a failure repeats.  CONSENTFS_SIM_DEPTH=1 breaks a rule: what is not
 * final counts.
 */
#include "sim.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RUNS    200
#define SEED    20261128
#define OPEN_MS 60000
#define READ_MS 300000
#define STEPS   30
#define QUIET   40

static uint64_t seed;
static struct {
	uint64_t runs, permits, denials, opens, reads, reorgs, crashes, forks,
	    deeds, items, splits, calls;
	int64_t late_open, late_read;
} sum;

/* What was decided, and where the main chain has it. */
static void
tell_story(void)
{
	static const char *const kinds[] = { "decides", "delegates", "ends" };

	for (size_t i = 0; i < ndeeds; i++) {
		const struct ev *e = &deed[i].ev;
		struct net_where at = { 0 };

		(void)net_place(MAIN, i, &at);
		(void)fprintf(stderr,
		    "  %zu: %s %s effect %d n %llu seen %llu until %lld, "
		    "first seen %lld, block %llu%s\n",
		    i, ID_EQ(&e->src.signer, key_of(REP)) ? "rep" : "patient",
		    kinds[e->kind], (int)e->d.effect,
		    (unsigned long long)e->d.n,
		    (unsigned long long)(e->d.nseen ? e->d.seen[0].n : 0),
		    (long long)e->d.until, (long long)net_seen(i),
		    (unsigned long long)(at.order >> 24),
		    at.final_at ? " final" : "");
	}
}

void
sim_fail(const char *fmt, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fprintf(stderr, "seed %llu, %lld ms: ", (unsigned long long)seed,
	    (long long)net.now);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr,
	    "\nrun again: CONSENTFS_SIM_SEED=%llu CONSENTFS_SIM_RUNS=1\n",
	    (unsigned long long)seed);
	tell_story();
	actors_end();
	exit(1);
}

/* ---- who knows all ---- */

/* In some part of the network, at some time. */
static struct net_where was_final[EVENTS];

/* Of several places that of the main part. */
static void
note_final(void)
{
	for (size_t i = 0; i < ndeeds; i++)
		for (int node = NODES; --node >= 0;) {
			struct net_where at;

			if (net_place((unsigned)node, i, &at) && at.final_at)
				was_final[i] = at;
		}
}

/* Final once is final, though a chain is shorter for a moment. */
static void
find_place(struct ev *e, size_t i)
{
	e->src.final = was_final[i].order != 0;
	e->src.order = e->src.final ? was_final[i].order : 1ULL << 62 | i;
	e->src.block_time = e->src.final ?
	    was_final[i].time :
	    clock_wall_ms() - net.now + net_seen(i);
}

static bool clinic_saw[EVENTS]; /* ever */

/* Whoever decided it had no power any more: it is a number and nothing else. */
static bool
is_void(const struct ev *e)
{
	for (size_t k = 0; e->d.has_delegation && k < ndeeds; k++)
		if (deed[k].ev.kind == ENDS && was_final[k].final_at != 0 &&
		    ID_EQ(&deed[k].ev.ended, &e->d.delegation))
			return true;
	return false;
}

static void
note_seen(void)
{
	note_final();
	for (size_t i = 0; i < ndeeds; i++)
		clinic_saw[i] = clinic_saw[i] ||
		    (clinic_has(i) && !is_void(&deed[i].ev));
}

#define EVER INT64_MAX

/* The clinic forgets nothing, whatever becomes of it or of the nodes. */
static bool
is_known(size_t i, int64_t cut)
{
	int64_t since = net_since(ANY, i);

	if (clinic_saw[i])
		return true;
	return cut == EVER ? net_seen(i) > 0 : since > 0 && since <= cut;
}

/* What he decides who knows what nodes have had since ${cut}, or ever had. */
static bool
knowing(int64_t cut)
{
	static struct story s;
	static struct ref_verdict v;
	const struct policy_query q = { .institution = clinic,
		.patient = *key_of(PATIENT),
		.purpose = "TREAT",
		.right = EVENT_RIGHT_READ,
		.now = clock_wall_ms() };

	s.n = 0;
	note_final();
	for (size_t i = 0; i < ndeeds; i++) {
		if (!is_known(i, cut))
			continue;
		s.ev[s.n] = deed[i].ev;
		find_place(&s.ev[s.n++], i);
	}
	ref_decide(&s, &q, &v);
	return v.permit;
}

/*
 * From when on the clinic is late if it does not know: when its node has it, or
 * when any has it and its own, if it was cut off and made blocks that looked
 * fresh, has ceased to.
 */
static int64_t
shown_from(size_t i)
{
	int64_t any = net_since(ANY, i), own = net_since(OTHER, i);

	if (any < net.minor_at)
		any = net.minor_at;
	return own > 0 && own < any ? own : any;
}

static int64_t
once_final(size_t i, int64_t from)
{
	int64_t at = was_final[i].final_at;

	if (at == 0)
		return net.now;
	return at > from ? at : from;
}

static bool
narrows(const struct ev *e)
{
	return e->kind != DELEGATES &&
	    (e->kind != DECIDES ||
		(e->d.effect != EVENT_GRANT && e->d.effect != EVENT_REINSTATE));
}

/*
 * What widens counts once it is final, also when it denies, as a grant does
 * that has ended; so does the delegation on which a refusal rests.
 */
static int64_t
counts_from(size_t i)
{
	const struct ev *e = &deed[i].ev;
	int64_t from = shown_from(i);

	if (!narrows(e))
		from = once_final(i, from);
	for (size_t k = 0; k < ndeeds; k++)
		if (ID_EQ(&deed[k].ev.src.id, &e->d.delegation))
			from = once_final(k, from);
	return from;
}

/*
 * How late, at least, somebody is who permits what is denied now.  What all
 * nodes lost counts from when one has it again.
 */
static int64_t
lateness(void)
{
	int64_t least = knowing(net.now) ? 0 : INT64_MAX;

	for (size_t i = 0; i < ndeeds; i++) {
		int64_t since = net_since(ANY, i);

		if (since > 0 && net.now - counts_from(i) < least &&
		    knowing(since - 1))
			least = net.now - counts_from(i);
	}
	return least;
}

static void
late(const char *what, bool permitted, int64_t by, int64_t bound,
    int64_t *longest)
{
	if (!permitted)
		return;
	if (by > bound)
		sim_fail("%s is permitted that was denied %lld ms ago", what,
		    (long long)by);
	if (by > *longest)
		*longest = by;
}

static void
look(void)
{
	enum policy_why why;
	bool knows, opens, reads;
	int64_t by;

	note_seen();
	knows = knowing(EVER);
	opens = clinic_permits(OPEN_MS, &why);
	reads = clinic_permits(READ_MS, &why);

	sum.permits += knows;
	sum.denials += !knows;
	sum.opens += opens;
	sum.reads += reads;
	if (knows || !reads)
		return;
	by = lateness();
	late("an open", opens, by, OPEN_MS, &sum.late_open);
	late("a read", reads, by, READ_MS, &sum.late_read);
}

/* ---- what happens ---- */

static const struct deed *
any_delegation(void)
{
	const struct deed *found = NULL;

	for (size_t i = 0; i < ndeeds; i++)
		if (deed[i].ev.kind == DELEGATES &&
		    (found == NULL || story_chance(50)))
			found = &deed[i];
	return found;
}

static void
decide_something(void)
{
	static const enum event_effect effects[] = { EVENT_GRANT, EVENT_GRANT,
		EVENT_GRANT, EVENT_REVOKE, EVENT_REVOKE, EVENT_REFUSE,
		EVENT_EXCLUDE, EVENT_REINSTATE };
	enum event_effect effect = effects[story_below(ARRAY_LEN(effects))];
	const struct deed *delegation = any_delegation();
	int64_t until = story_chance(20) ?
	    clock_wall_ms() + 1000 * (int64_t)(10 + story_below(600)) :
	    0;

	if (ndeeds == EVENTS)
		return;
	if (story_chance(15))
		act_delegate();
	else if (delegation && story_chance(15))
		act_end(delegation);
	else if (delegation && story_chance(40))
		act_decide(REP, effect, until, delegation, story_chance(20));
	else
		act_decide(PATIENT, effect, until, NULL, story_chance(20));
}

static void
disturb(void)
{
	unsigned what = story_below(100);

	if (what < 6 && !net.split) {
		net_split(story_chance(40));
		sum.splits++;
	} else if (what < 16 && net.split)
		net_heal();
	else if (what < 24 && !(net.split && net.minor)) {
		net_reorg(1 + story_below(NET_DEPTH - 1), story_chance(25));
		sum.reorgs++;
	} else if (what < 26)
		net_lose_pools();
	else if (what < 30)
		act_crash_clinic();
	else if (what < 33)
		act_crash_wallet(story_below(WALLETS));
	else if (what < 35)
		act_crash_rms();
	sum.crashes += what >= 26 && what < 35;
}

/* Everybody who is awake does a round. */
static void
rounds(unsigned percent)
{
	for (unsigned i = 0; i < WALLETS; i++)
		if (story_chance(percent * percent / 100))
			act_wallet(i);
	act_rms(); /* a server: always there */
	if (story_chance(percent))
		act_clinic();
	if (story_chance(percent / 2))
		act_feed();
}

/* Below what is final: the network breaks it, or we do. */
static bool
may_fork(void)
{
	return net.deep || getenv("CONSENTFS_SIM_DEPTH");
}

static int64_t
idle(void)
{
	unsigned what = story_below(100);

	if (what < 3)
		return 1000 * (int64_t)(60 + story_below(300));
	if (what == 3 && story_chance(20))
		return NET_EXPIRY_MS + 1000 * (int64_t)story_below(1000);
	return 500 + 500 * (int64_t)story_below(30);
}

static void
step(void)
{
	enum policy_why why;

	net_advance(idle());
	look();
	if (story_chance(35))
		decide_something();
	disturb();
	rounds(75);
	look();
	if (story_chance(40) && clinic_permits(OPEN_MS, &why))
		act_read();
	if (story_chance(60))
		act_drain(story_chance(10));
	if (clinic_forked() && !may_fork())
		sim_fail("a fork is seen where there is none");
}

/* All is mended: it must come right by itself. */
static void
settle(void)
{
	enum policy_why why = POLICY_GRANTED;
	bool knows, opens;

	net_heal();
	net.faults = false;
	for (int i = 0; i < QUIET; i++) {
		net_advance(16000);
		rounds(100);
		act_drain(false);
		if (clinic_forked()) { /* only where the network broke it */
			if (!may_fork())
				sim_fail("the fork does not end");
			sum.forks++;
			act_reinstall_clinic();
		}
		if (i > 8 && waiting() == 0)
			break;
	}
	if (waiting() > 0)
		sim_fail("%llu transactions wait for ever",
		    (unsigned long long)waiting());
	for (int i = 0; i < NET_DEPTH + 1; i++) {
		net_advance(16000);
		rounds(100);
	}
	knows = knowing(EVER);
	opens = clinic_permits(OPEN_MS, &why);
	if (knows != opens)
		sim_fail("in the end who knows all %s and the clinic %s: %s",
		    knows ? "permits" : "denies", opens ? "permits" : "denies",
		    policy_why_texts[why]);
	check_items();
}

static void
history(uint64_t s)
{
	seed = s;
	story_begin(s);
	net_begin();
	net.faults = story_chance(70);
	net.deep = story_chance(10);
	memset(was_final, 0, sizeof(was_final));
	memset(clinic_saw, 0, sizeof(clinic_saw));
	actors_begin();
	for (int i = 0; i < STEPS; i++)
		step();
	settle();
	sum.runs++;
	sum.deeds += ndeeds;
	sum.items += nitems;
	sum.calls += net.calls;
	actors_end();
	net_end();
}

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static void
quiet(enum log_level level, const char *line)
{
	if (getenv("CONSENTFS_SIM_LOG"))
		(void)fprintf(stderr, "%d %s\n", (int)level, line);
}

int
main(void)
{
	uint64_t runs = setting("CONSENTFS_SIM_RUNS", RUNS);
	uint64_t first = setting("CONSENTFS_SIM_SEED", SEED);
	char dir[64];

	(void)snprintf(dir, sizeof(dir), "%s/consentfs-sim-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (secret_init() != ERR_OK || mkdtemp(dir) == NULL)
		return 1;
	log_set_sink(quiet);
	/* LMDB wants 2 MiB of zeros at each start: the kernel's, not ours */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	story_begin(first);
	net_begin();
	actors_init(dir);
	for (uint64_t i = 0; i < runs; i++)
		history(first + i);
	(void)rmdir(dir);
	printf("figure: %llu histories from seed %llu: opens permitted beyond "
	       "the bound 0 of %llu, reads 0 of %llu, inquiries missing or "
	       "twice 0 of %llu\n",
	    (unsigned long long)sum.runs, (unsigned long long)first,
	    (unsigned long long)sum.opens, (unsigned long long)sum.reads,
	    (unsigned long long)sum.items);
	printf("figure: in them %llu decisions, %llu re-orgs, %llu splits, "
	       "%llu crashes, %llu forks below what is final, %llu calls; "
	       "looks at which who knows all permits %llu, denies %llu; "
	       "longest permitted after it was denied: opens %lld ms, reads "
	       "%lld ms\n",
	    (unsigned long long)sum.deeds, (unsigned long long)sum.reorgs,
	    (unsigned long long)sum.splits, (unsigned long long)sum.crashes,
	    (unsigned long long)sum.forks, (unsigned long long)sum.calls,
	    (unsigned long long)sum.permits, (unsigned long long)sum.denials,
	    (long long)sum.late_open, (long long)sum.late_read);
	return 0;
}
