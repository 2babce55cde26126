/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who takes part.  Wallets have an outbox and a follower, the RMS a registry
 * and a follower, the clinic all three and a journal; each is wired as the
 * programs do it.
 */
#include "sim.h"

#include <dirent.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

struct deed deed[EVENTS];
size_t ndeeds, nitems;
struct institution_id clinic = { "clinic" };

static struct seal_identity *id[WHOS];
static const struct seal_identity *reading[1];
static struct secret *rest;
static char base_dir[128];

struct home {
	struct ledger_node *node;
	struct ledger_outbox *box;
	struct ledger_follower *follower;
	struct registry *reg;
	struct ledger_sink inner;
	uint64_t height; /* a wallet's position, which outlives crashes */
	struct sig block;
	bool dies; /* between outbox and registry */
};

static struct home wallet[WALLETS], rms, cl;
static int64_t rms_again;

static struct journal_row {
	struct inquiry_id id;
} item[ITEMS];

const struct pubkey *
key_of(enum who who)
{
	return seal_identity_key(id[who]);
}

/* ---- sinks ---- */

static enum err
position(void *ctx, uint64_t *height, struct sig *block)
{
	struct home *h = ctx;

	if (h->reg)
		return h->inner.position(h->inner.ctx, height, block);
	*height = h->height;
	*block = h->block;
	return ERR_OK;
}

static enum err
take_blocks(void *ctx, const struct ledger_block *const *b, size_t n)
{
	struct home *h = ctx;
	enum err e = ERR_OK;

	for (size_t i = 0; h->box && e == ERR_OK && i < n; i++)
		e = ledger_outbox_block(h->box, b[i]);
	if (e == ERR_OK && h->dies)
		return err_say(ERR_IO, "the program dies here");
	if (e == ERR_OK && h->reg)
		return h->inner.blocks(h->inner.ctx, b, n);
	h->height = b[n - 1]->height;
	h->block = b[n - 1]->id;
	return e;
}

static enum err
take_pending(void *ctx, const struct ledger_tx *tx)
{
	struct home *h = ctx;

	return h->reg ? h->inner.pending(h->inner.ctx, tx) : ERR_OK;
}

static void
round_done(void *ctx)
{
	struct home *h = ctx;

	if (h->reg)
		h->inner.done(h->inner.ctx);
}

static void
resend(void *ctx, const char *json, const struct tx_id *tx)
{
	struct home *h = ctx;

	if (ledger_node_broadcast(h->node, json, tx) != ERR_OK)
		err_clear();
}

static void
undone(void *ctx)
{
	struct home *h = ctx;

	if (h->box)
		ledger_outbox_again(h->box);
	if (h == &rms)
		OK(registry_resend(rms.reg, resend, h));
}

/* ---- opening and closing ---- */

static enum err
find_patient(
    void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	(void)ctx;
	(void)handle;
	*out = id[PATIENT_RMS];
	return ERR_OK;
}

static char *
path(char out[static 160], const char *name)
{
	(void)snprintf(out, 160, "%s/%s", base_dir, name);
	return out;
}

static void
open_box(struct home *h, const char *name, enum who who)
{
	char dir[160];
	const struct ledger_outbox_opts o = { .dir = path(dir, name),
		.id = id[who],
		.chain = net_chain,
		.version = 2 };

	OK(ledger_outbox_open(&o, &h->box));
}

static void
open_registry(struct home *h, const char *name, struct registry_reader reader)
{
	char dir[160];
	const struct registry_opts o = {
		.dir = path(dir, name), .reader = reader, .rest_key = rest
	};

	OK(registry_open(&o, &h->reg));
	h->inner = registry_sink(h->reg);
}

static void
follow(struct home *h, unsigned node)
{
	const char *broken = h == &cl ? getenv("CONSENTFS_SIM_DEPTH") : NULL;
	struct ledger_follow_opts o = { .final_depth = broken ?
		    (unsigned)strtoul(broken, NULL, 10) :
		    NET_DEPTH,
		.poll_ms = 1000,
		.sink = { h, position, take_blocks, take_pending, round_done,
		    undone } };

	h->node = net_client(node);
	o.node = h->node;
	OK(ledger_follow_new(&o, &h->follower));
}

static void
close_home(struct home *h)
{
	ledger_follow_free(TAKE(h->follower));
	ledger_outbox_close(TAKE(h->box));
	registry_close(TAKE(h->reg));
	ledger_node_free(TAKE(h->node));
	h->dies = false;
}

static void
open_wallet(unsigned which)
{
	static const char *const names[] = { "patient", "rep" };
	static const enum who whos[] = { PATIENT, REP };

	open_box(&wallet[which], names[which], whos[which]);
	follow(&wallet[which], MAIN);
}

static void
open_rms(void)
{
	open_registry(&rms, "rms",
	    (struct registry_reader){ .chain = net_chain,
		.rms = *key_of(RMS),
		.rms_identity = id[RMS],
		.find = find_patient });
	follow(&rms, MAIN);
}

static void
open_clinic(void)
{
	open_box(&cl, "box", HOST);
	open_registry(&cl, "clinic",
	    (struct registry_reader){ .chain = net_chain,
		.rms = *key_of(RMS),
		.has_institution = true,
		.institution = clinic,
		.reading = reading,
		.nreading = 1 });
	follow(&cl, OTHER);
}

void
actors_init(const char *dir)
{
	static const char *const seeds[] = { "rms", "patient", "patient rms",
		"rep", "host", "reading" };

	(void)snprintf(base_dir, sizeof(base_dir), "%s", dir);
	for (int i = 0; i < WHOS; i++)
		OK(seal_identity_from_seed(seeds[i], &id[i]));
	reading[0] = id[READING];
	OK(secret_new(SEAL_KEY, &rest));
}

static void
remove_dir(const char *name)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	char dir[160], file[200];

	(void)path(dir, name);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", dir, files[i]);
		(void)unlink(file);
	}
	(void)rmdir(dir);
}

void
actors_begin(void)
{
	for (unsigned i = 0; i < WALLETS; i++)
		open_wallet(i);
	open_rms();
	open_clinic();
	rms_again = 0;
}

void
actors_end(void)
{
	static const char *const dirs[] = { "patient", "rep", "rms", "box",
		"clinic" };

	for (unsigned i = 0; i < WALLETS; i++) {
		close_home(&wallet[i]);
		wallet[i] = (struct home){ 0 };
	}
	close_home(&rms);
	close_home(&cl);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		remove_dir(dirs[i]);
	for (; ndeeds > 0; ndeeds--)
		secret_free(deed[ndeeds - 1].key);
	nitems = 0;
}

void
act_crash_clinic(void)
{
	close_home(&cl);
	open_clinic();
}

void
act_crash_wallet(unsigned which)
{
	close_home(&wallet[which]);
	open_wallet(which);
}

void
act_crash_rms(void)
{
	close_home(&rms);
	open_rms();
}

void
act_reinstall_clinic(void)
{
	close_home(&cl);
	remove_dir("clinic");
	open_clinic();
}

/* ---- deciding ---- */

uint32_t
deeds_in(const char *json)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < ndeeds; i++)
		if (strstr(json, deed[i].name.s))
			bits |= 1U << i;
	return bits;
}

/* Seal ${e} into ${d}; its place in the story and its key are known then. */
static void
seal_deed(struct deed *at, struct ledger_draft *d, enum who sender,
    const struct event *e, const uint8_t *public)
{
	CLEANUP_BUF struct buf json = { 0 }, env = { 0 };
	bool shared = e->type != EVENT_DECISION;
	const struct seal_readers to = { key_of(RMS), key_of(PATIENT_RMS),
		key_of(PATIENT), shared ? NULL : key_of(READING),
		shared ? key_of(REP) : NULL };
	struct seal_place place = { &net_chain, *key_of(sender), { { 0 } } };

	seal_random(place.entry.b, sizeof(place.entry.b));
	OK(secret_new(SEAL_KEY, &at->key));
	seal_random(secret_bytes(at->key), SEAL_KEY);
	OK(event_encode(e, &json));
	OK(seal_envelope(&place, &to, public, at->key, &json, &env));
	at->ev.src.signer = place.sender;
	at->ev.patient = *key_of(PATIENT);
	seal_event_id(&net_chain, &place.sender, &place.entry, &at->ev.src.id);
	(void)ledger_entry_name(&place.entry, &at->name);
	OK(ledger_draft_entry(d, &place.entry, env.p, env.len));
}

static struct deed *
next_deed(enum kind kind)
{
	struct deed *d = &deed[ndeeds];

	if (ndeeds == EVENTS)
		sim_fail("too many deeds");
	*d = (struct deed){ .ev.kind = kind };
	return d;
}

static void
commit(struct ledger_draft *d)
{
	OK(ledger_draft_commit(d, NULL));
	ndeeds++;
}

/* What the other signer has on a node by now. */
static void
note_seen(struct event_decision *d, const struct pubkey *signer)
{
	for (size_t i = 0; i < ndeeds; i++) {
		const struct ev *e = &deed[i].ev;

		if (e->kind != DECIDES || ID_EQ(&e->src.signer, signer) ||
		    net_seen(i) == 0)
			continue;
		d->nseen = 1;
		d->seen[0].signer = e->src.signer;
		if (e->d.n > d->seen[0].n)
			d->seen[0].n = e->d.n;
	}
}

void
act_decide(enum who who, enum event_effect effect, int64_t until,
    const struct deed *delegation, bool blind)
{
	struct home *h = &wallet[who == REP ? WALLET_REP : WALLET_PATIENT];
	struct deed *at = next_deed(DECIDES);
	struct event e = { .type = EVENT_DECISION,
		.patient = *key_of(PATIENT) };
	struct event_decision *d = &e.u.decision;
	struct ledger_draft *draft = NULL;

	OK(ledger_draft_begin(h->box, &draft));
	d->party = EVENT_INSTITUTION;
	d->institution = clinic;
	d->effect = effect;
	d->scope.all = true;
	d->n = ledger_draft_count(draft, "n", 1, 0);
	if (effect == EVENT_GRANT) {
		d->rights = EVENT_RIGHT_LIST | EVENT_RIGHT_READ;
		d->until = until;
	}
	if (!blind)
		note_seen(d, key_of(who));
	if (delegation) {
		d->has_delegation = true;
		d->delegation = delegation->ev.src.id;
		memcpy(
		    d->delegation_key, secret_view(delegation->key), SEAL_KEY);
	}
	at->ev.d = *d;
	seal_deed(at, draft, who, &e, NULL);
	commit(draft);
}

void
act_delegate(void)
{
	struct deed *at = next_deed(DELEGATES);
	struct event e = { .type = EVENT_DELEGATION,
		.patient = *key_of(PATIENT) };
	struct event_delegation *g = &e.u.delegation;
	struct ledger_draft *draft = NULL;

	g->representative = *key_of(REP);
	g->relationship = "daughter";
	g->powers = EVENT_POWER_DECIDE | EVENT_POWER_VIEW;
	g->scope.all = true;
	g->card = "card";
	at->ev.g = *g;
	OK(ledger_draft_begin(wallet[WALLET_PATIENT].box, &draft));
	seal_deed(at, draft, PATIENT, &e, NULL);
	commit(draft);
}

void
act_end(const struct deed *delegation)
{
	struct deed *at = next_deed(ENDS);
	struct event e = { .type = EVENT_END, .patient = *key_of(PATIENT) };
	struct ledger_draft *draft = NULL;
	uint8_t mark[32];

	e.u.end.ends = at->ev.ended = delegation->ev.src.id;
	seal_end_mark(delegation->key, mark);
	OK(ledger_draft_begin(wallet[WALLET_PATIENT].box, &draft));
	seal_deed(at, draft, PATIENT, &e, mark);
	commit(draft);
}

/* ---- rounds ---- */

/* The network's faults are no error here; anything else is one. */
static void
may_fail(enum err e, const char *what)
{
	if (e != ERR_OK && e != ERR_UNREACHABLE && e != ERR_TIMEOUT &&
	    e != ERR_BUSY && e != ERR_NODE && e != ERR_FORK)
		sim_fail("%s: %s: %s", what, err_name(e), err_detail(e));
}

void
act_wallet(unsigned which)
{
	struct home *h = &wallet[which];
	enum err e = ledger_follow_step(h->follower);

	may_fail(e, "a wallet's follower");
	if (e == ERR_FORK)
		sim_fail("a wallet sees a fork: %s", err_detail(e));
	may_fail(ledger_outbox_send(h->box, h->node), "a wallet's outbox");
}

void
act_rms(void)
{
	enum err e = ledger_follow_step(rms.follower);

	may_fail(e, "the RMS's follower");
	if (e == ERR_FORK)
		sim_fail("the RMS sees a fork: %s", err_detail(e));
	if (net.now < rms_again)
		return;
	rms_again = net.now + 15000;
	OK(registry_resend(rms.reg, resend, &rms));
}

static void
tell_clinic(void *ctx, const char *json, const struct tx_id *tx)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *t = NULL;
	CLEANUP_JS json_t *j = NULL;

	(void)ctx;
	(void)tx;
	OK(js_parse(json, strlen(json), JS_DEPTH, &j));
	OK(ledger_tx_read(j, &t));
	OK(registry_see(cl.reg, t));
}

void
act_feed(void)
{
	OK(registry_resend(rms.reg, tell_clinic, NULL));
}

void
act_clinic(void)
{
	enum err e;

	cl.dies = net.faults && story_chance(3);
	e = ledger_follow_step(cl.follower);
	if (e == ERR_IO && cl.dies) {
		act_crash_clinic();
		return;
	}
	cl.dies = false;
	may_fail(e, "the clinic's follower");
	may_fail(ledger_outbox_send(cl.box, cl.node), "the clinic's outbox");
}

void
act_read(void)
{
	if (nitems < ITEMS) {
		seal_random(item[nitems].id.b, sizeof(item[nitems].id.b));
		nitems++;
	}
}

/* As gate/drain.c does it. */
void
act_drain(bool crash)
{
	struct event_item out[ITEMS];
	struct event e = { .type = EVENT_INQUIRY, .patient = *key_of(PATIENT) };
	struct event_inquiry *q = &e.u.inquiry;
	struct ledger_draft *d = NULL;
	struct deed tmp = { 0 };
	size_t saved = ndeeds;

	OK(ledger_draft_begin(cl.box, &d));
	q->items = out;
	q->has_institution = true;
	q->institution = clinic;
	for (size_t i = ledger_draft_get(d, "journal"); i < nitems; i++)
		out[q->nitems++] = (struct event_item){ .id = item[i].id,
			.n = ledger_draft_count(d, "inquiry", 7, 0),
			.kind = EVENT_ACCESS,
			.purpose = "TREAT",
			.practitioner = { "Dr. B", "b" },
			.time = clock_wall_ms(),
			.count = 1 };
	if (q->nitems == 0 || crash) {
		ledger_draft_abort(d);
		return;
	}
	q->first = out[0].n;
	q->last = out[q->nitems - 1].n;
	seal_deed(&tmp, d, HOST, &e, NULL);
	secret_free(tmp.key);
	ledger_draft_set(d, "journal", nitems);
	ledger_draft_records(d, (unsigned)q->nitems, 0);
	OK(ledger_draft_commit(d, NULL));
	ndeeds = saved;
}

/* ---- looking ---- */

bool
clinic_permits(int64_t bound, enum policy_why *out_why)
{
	CLEANUP(policy_free) struct policy *p = registry_policy(cl.reg);
	struct policy_verdict v;
	struct ledger_head head;
	struct policy_query q = { .institution = clinic,
		.patient = *key_of(PATIENT),
		.purpose = "TREAT",
		.right = EVENT_RIGHT_READ,
		.now = clock_wall_ms() };

	ledger_follow_head(cl.follower, &head);
	if (head.time > q.now)
		q.now = head.time;
	policy_decide(p, &q, &v);
	*out_why = v.why;
	return head.height > 0 && head.age_ms <= bound && v.permit;
}

bool
clinic_forked(void)
{
	struct ledger_head head;

	ledger_follow_head(cl.follower, &head);
	return head.error == ERR_FORK;
}

static bool
holds(const struct event_id *what, bool *out_final)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };
	enum err e = registry_get(cl.reg, what, &ev);

	if (e != ERR_OK && e != ERR_NOTFOUND)
		sim_fail("the registry of the clinic: %s", err_detail(e));
	*out_final = ev.final;
	return e == ERR_OK;
}

bool
clinic_has(size_t d)
{
	const struct event_decision *is = &deed[d].ev.d;
	bool final;

	if (!holds(&deed[d].ev.src.id, &final))
		return false;
	return final ||
	    (deed[d].ev.kind == DECIDES && is->effect != EVENT_GRANT &&
		is->effect != EVENT_REINSTATE &&
		(!is->has_delegation ||
		    (holds(&is->delegation, &final) && final)));
}

uint64_t
waiting(void)
{
	return ledger_outbox_waiting(wallet[WALLET_PATIENT].box) +
	    ledger_outbox_waiting(wallet[WALLET_REP].box) +
	    ledger_outbox_waiting(cl.box);
}

struct tally {
	unsigned times[ITEMS];
	uint64_t number[ITEMS];
};

static bool
tally_event(void *ctx, const struct registry_event *ev)
{
	struct tally *t = ctx;
	const struct event_inquiry *q = &ev->e->u.inquiry;

	for (size_t i = 0; ev->final && i < q->nitems; i++)
		for (size_t k = 0; k < nitems; k++)
			if (ID_EQ(&q->items[i].id, &item[k].id)) {
				t->times[k]++;
				t->number[k] = q->items[i].n;
			}
	return true;
}

void
check_items(void)
{
	struct tally t = { 0 };

	OK(registry_each(rms.reg, EVENT_INQUIRY, NULL, tally_event, &t));
	for (size_t k = 0; k < nitems; k++)
		if (t.times[k] != 1 || t.number[k] != k + 1)
			sim_fail("inquiry %zu is on the ledger %u times, with "
				 "number %llu",
			    k + 1, t.times[k], (unsigned long long)t.number[k]);
}
