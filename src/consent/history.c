/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inquiries, history: what institutions asked and did, each id once. */
#include "consent/consent.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

const struct opt consent_inquiries_opts[] = {
	{ "patient", "ALIAS", "representative: of this patient", false },
	CONSENT_COMMON,
};
const struct opt consent_history_opts[] = {
	{ "patient", "ALIAS", "representative: of this patient", false },
	CONSENT_COMMON,
};

struct shown {
	struct pubkey signer;
	struct inquiry_id id;
	uint8_t content[32];
};

struct printing {
	struct consent *c;
	bool only_requests;
	json_t *list; /* with --json */
	struct shown *seen;
	size_t nseen, cap;
	enum err e;
};

static enum err
content_of(const struct event_item *x, uint8_t out[static 32])
{
	CLEANUP_BUF struct buf b = { 0 };
	struct event_item item = *x;
	enum err e;

	item.n = 1; /* a repeat may bear another number */
	e = event_item_encode(&item, &b);
	seal_hash(NULL, &(struct seal_part){ b.p, b.len }, 1, out);
	return e;
}

/*
 * A reader de-duplicates by signer and id; but an id that is used again for
 * something else hides nothing.
 */
static bool
is_repeat(
    struct printing *p, const struct pubkey *signer, const struct event_item *x)
{
	struct shown now = { .signer = *signer, .id = x->id };

	p->e = content_of(x, now.content);
	for (size_t i = 0; i < p->nseen; i++)
		if (memcmp(&p->seen[i], &now, sizeof(now)) == 0)
			return true;
	if (p->nseen == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;
		struct shown *more = realloc(p->seen, cap * sizeof(*more));

		if (more == NULL) {
			p->e = ERR_NOMEM;
			return true;
		}
		p->seen = more;
		p->cap = cap;
	}
	p->seen[p->nseen++] = now;
	return false;
}

/* Foreign text must not steer the terminal. */
static void
print_plain(const char *s)
{
	for (; *s; s++)
		(void)putchar(
		    (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static json_t *
item_json(const struct registry_event *ev, const struct event_item *x,
    const char *who)
{
	json_t *j = json_pack("{s:o,s:s,s:s,s:s,s:s,s:s,s:I,s:i,s:b}", "id",
	    JS_58_NEW(&x->id), "kind", event_kind_names[x->kind], "institution",
	    who, "practitioner", x->practitioner.name, "practitionerId",
	    x->practitioner.id, "purpose", x->purpose, "time",
	    (json_int_t)x->time, "count", (int)x->count, "final", ev->final);

	json_object_set_new(j, "signer", JS_58_NEW(&ev->sender));
	json_object_set_new(j, "transaction", JS_58_NEW(&ev->tx));
	json_object_set_new(j, "entry", JS_58_NEW(&ev->entry));
	json_object_set_new(j, "n", json_integer((json_int_t)x->n));
	if (x->has_set)
		json_object_set_new(j, "set", JS_58_NEW(&x->set));
	if (x->document)
		json_object_set_new(
		    j, "document", json_integer((json_int_t)x->document));
	if (x->reason)
		json_object_set_new(j, "reason", json_string(x->reason));
	if (x->app)
		json_object_set_new(j, "app", json_string(x->app));
	json_object_set_new(j, "outcome",
	    json_string(x->outcome           ? x->outcome :
		    x->kind == EVENT_DENIED  ? "denied" :
		    x->kind == EVENT_REQUEST ? "asked" :
					       "released"));
	return j;
}

static void
print_item(struct printing *p, const struct registry_event *ev,
    const struct event_item *x, const char *who)
{
	char when[CLOCK_TEXT], title[256];

	printf(
	    "%s  %-7s  ", clock_text(x->time, when), event_kind_names[x->kind]);
	print_plain(who);
	printf(": ");
	print_plain(x->practitioner.name);
	printf(", %s", x->purpose);
	if (x->has_set) {
		consent_set_title(p->c, &x->set, title);
		printf(", \"");
		print_plain(title);
		printf("\"");
	}
	if (x->document)
		printf(" document %u", x->document);
	if (x->reason) {
		printf(", reason: ");
		print_plain(x->reason);
	}
	if (x->outcome)
		printf(" -> %s", x->outcome);
	if (x->count > 1)
		printf(" (%u times)", x->count);
	printf("%s\n    inquiry %s\n", ev->final ? "" : " (pending)",
	    TEXT58(&x->id));
}

static bool
show(void *ctx, const struct registry_event *ev)
{
	struct printing *p = ctx;
	const struct event_inquiry *q = &ev->e->u.inquiry;
	char who[256] = "yourself";

	if (!ev->accredited)
		return true;
	if (q->has_institution)
		registry_institution_name(
		    home_registry(p->c->home), &q->institution, who);
	for (size_t i = 0; i < q->nitems; i++) {
		const struct event_item *x = &q->items[i];

		if ((p->only_requests && x->kind != EVENT_REQUEST) ||
		    is_repeat(p, &ev->sender, x))
			continue;
		if (p->list)
			json_array_append_new(p->list, item_json(ev, x, who));
		else
			print_item(p, ev, x, who);
	}
	return p->e == ERR_OK;
}

static enum err
print_all(struct consent *c, bool only_requests)
{
	struct printing p = { .c = c, .only_requests = only_requests };
	struct rms_card card;
	enum err e = consent_sync(c);

	if (e == ERR_OK && !home_institution(c->home))
		e = consent_card(c, &card);
	if (e != ERR_OK)
		return e;
	if (c->json)
		p.list = json_array();
	e = registry_each(home_registry(c->home), EVENT_INQUIRY,
	    home_institution(c->home) ? NULL : &card.patient, show, &p);
	free(p.seen);
	if (p.list)
		consent_out(p.list);
	return e == ERR_OK ? p.e : e;
}

enum err
consent_inquiries(struct consent *c)
{
	return print_all(c, true);
}

enum err
consent_history(struct consent *c)
{
	return print_all(c, false);
}
