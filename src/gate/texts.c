/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The texts in MOUNT/<alias>/.consent/. */
#include "gate/gate_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static void
how_to_ask(struct gate *g, const struct pubkey *patient, struct buf *out)
{
	struct rms_card c;
	char alias[256] = "ALIAS";

	if (home_card_of(g->home, patient, &c, alias) != ERR_OK)
		err_clear();
	buf_fmt(out,
	    "Nothing of this patient's records is shown here but what the\n"
	    "patient has granted to this institution.\n\n"
	    "To ask for access:\n\n"
	    "    consent --home %s ask --patient \"%s\" --purpose TREAT \\\n"
	    "        --reason \"why it is needed\"\n\n"
	    "The patient sees who asks and why, and answers from anywhere.\n"
	    "What is granted appears in this folder by itself.  Every open,\n"
	    "granted or refused, is shown to the patient.\n",
	    home_dir(g->home), alias);
}

/* What went wrong last, as the log has it: what, since when, the remedy. */
static void
trouble(struct buf *out)
{
	char since[CLOCK_TEXT], last[CLOCK_TEXT];
	struct log_trouble t;

	if (log_newest_trouble(&t))
		buf_fmt(out,
		    "newest trouble:    %s\n"
		    "                   since %s, last %s\n",
		    t.text, clock_text(t.since, since),
		    clock_text(t.last, last));
}

/* Of several nodes each. */
static void
nodes(struct gate *g, struct buf *out)
{
	struct ledger_peer_state p;

	for (size_t i = 0; ledger_follow_peer(home_follower(g->home), i, &p);
	     i++)
		buf_fmt(out, "node:              %s at height %llu%s%s\n",
		    p.url, (unsigned long long)p.height, p.why[0] ? ": " : "",
		    p.why);
}

static void
status(struct gate *g, const struct pubkey *patient, struct buf *out)
{
	CLEANUP(gate_catalog_free)
	const struct gate_catalog *c = gate_catalog(g);
	enum err fresh = gate_fresh(g, home_conf(g->home)->stale_open);
	struct ledger_state box;
	struct ledger_head head;
	char when[CLOCK_TEXT];

	if (fresh == ERR_OK)
		fresh = gate_room(g);
	ledger_follow_head(home_follower(g->home), &head);
	buf_fmt(
	    out, "ledger height:     %llu\n", (unsigned long long)head.height);
	buf_fmt(out, "newest block:      %s\n",
	    head.height ? clock_text(head.time, when) : "none");
	buf_fmt(out, "new opens:         %s\n",
	    fresh == ERR_OK ? "possible" : "refused");
	if (fresh != ERR_OK)
		buf_fmt(out, "because:           %s\n", err_detail(fresh));
	nodes(g, out);
	if (ledger_outbox_state(home_outbox(g->home), &box) == ERR_OK) {
		buf_fmt(out, "waiting for the ledger: %llu transactions\n",
		    (unsigned long long)box.waiting);
		if (box.why[0])
			buf_fmt(out, "newest refusal:    %s\n", box.why);
	}
	trouble(out);
	for (size_t i = 0; i < c->npatients; i++)
		if (ID_EQ(&c->patient[i].key, patient))
			buf_fmt(out, "document sets:     %zu\n",
			    c->patient[i].nsets);
}

static bool
one_inquiry(void *ctx, const struct registry_event *ev)
{
	struct buf *out = ctx;
	const struct event_inquiry *q = &ev->e->u.inquiry;
	char when[CLOCK_TEXT];

	for (size_t i = 0; ev->accredited && i < q->nitems; i++) {
		const struct event_item *x = &q->items[i];

		buf_fmt(out, "%s  %-8s %s %s%s%s%s\n",
		    clock_text(x->time, when), event_kind_names[x->kind],
		    x->practitioner.name, x->purpose, x->reason ? ": " : "",
		    x->reason ? x->reason : "", ev->final ? "" : " (pending)");
	}
	return true;
}

enum err
gate_text(struct gate *g, const struct pubkey *patient, enum gate_text which,
    struct buf *out)
{
	if (which == GATE_HOW_TO_ASK)
		how_to_ask(g, patient, out);
	else if (which == GATE_STATUS)
		status(g, patient, out);
	else
		return registry_each(home_registry(g->home), EVENT_INQUIRY,
		    patient, one_inquiry, out);
	return out->err;
}
