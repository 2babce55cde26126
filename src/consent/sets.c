/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sets, status */
#include "consent/consent.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

const struct opt consent_sets_opts[] = {
	{ "patient", "ALIAS", "only of this patient", false },
	CONSENT_COMMON,
};
const struct opt consent_status_opts[] = { CONSENT_COMMON };

struct printing {
	struct consent *c;
	json_t *list;
};

static bool
show(void *ctx, const struct registry_event *ev)
{
	struct printing *p = ctx;
	const struct event_document_set *s = &ev->e->u.set;
	char custodian[256], date[CLOCK_TEXT];

	if (!ev->accredited)
		return true;
	registry_institution_name(
	    home_registry(p->c->home), &s->custodian, custodian);
	if (p->list) {
		json_array_append_new(p->list,
		    json_pack("{s:o,s:s,s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:o,s:b}",
			"set", JS_58_NEW(&ev->id), "title", s->title,
			"custodian", custodian, "institution",
			JS_58_NEW(&s->custodian), "class", s->class_code,
			"type", s->type_code, "count", (json_int_t)s->count,
			"bytes", (json_int_t)s->bytes, "created",
			(json_int_t)s->created, "transaction",
			JS_58_NEW(&ev->tx), "final", ev->final));
		return true;
	}
	printf("%s  %.10s  %s (%s), %u documents, %llu bytes\n",
	    TEXT58(&ev->id), clock_text(s->created, date), s->title, custodian,
	    s->count, (unsigned long long)s->bytes);
	return true;
}

enum err
consent_sets(struct consent *c)
{
	struct printing p = { .c = c };
	const char *patient = consent_opt(c, "patient");
	struct rms_card card;
	enum err e = consent_sync(c);

	if (e == ERR_OK && patient)
		e = home_card_find(c->home, patient, &card);
	if (e != ERR_OK)
		return e;
	if (c->json)
		p.list = json_array();
	e = registry_each(home_registry(c->home), EVENT_DOCUMENT_SET,
	    patient ? &card.patient : NULL, show, &p);
	if (p.list)
		consent_out(p.list);
	return e;
}
