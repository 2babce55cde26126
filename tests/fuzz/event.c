/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Event payloads and inquiry items: what is read can be written, and what was
 * written reads as the same again.
 */
#include "event/event.h"
#include "fuzz.h"

static bool
is_refusal(enum err e)
{
	return e == ERR_FORMAT || e == ERR_UNSUPPORTED;
}

/*
 * Writing may refuse what reading took (a decision with an end date that is
 * no grant); then the error is INVAL and nothing is written.
 */
static void
encode(const struct event *e, struct buf *out)
{
	enum err err = event_encode(e, out);

	MUST(err == ERR_OK || err == ERR_INVAL);
	MUST(err == ERR_OK || out->len == 0);
}

static void
try_event(const uint8_t *p, size_t n)
{
	CLEANUP(event_free) struct event *e = NULL, *again = NULL;
	CLEANUP_BUF struct buf once = { 0 }, twice = { 0 };
	enum err err = event_decode(p, n, &e);

	MUST(err == ERR_OK || is_refusal(err));
	MUST((err == ERR_OK) == (e != NULL));
	if (err)
		return;
	MUST(n <= EVENT_MAX_BYTES && e->type <= EVENT_ACCREDIT);
	encode(e, &once);
	if (once.len == 0)
		return;
	MUST(event_decode(once.p, once.len, &again) == ERR_OK);
	MUST(!event_is_foreign(again));
	encode(again, &twice);
	MUST(twice.len == once.len && memcmp(twice.p, once.p, once.len) == 0);
}

static void
try_item(const uint8_t *p, size_t n)
{
	CLEANUP_JS json_t *keep = NULL, *keep_too = NULL;
	CLEANUP_BUF struct buf once = { 0 }, twice = { 0 };
	struct event_item item, again;
	enum err e = event_item_decode(p, n, &item, &keep);

	MUST(e == ERR_OK || is_refusal(e));
	if (e)
		return;
	MUST(item.count >= 1 && item.practitioner.id && item.purpose);
	e = event_item_encode(&item, &once);
	MUST(e == ERR_OK || e == ERR_INVAL);
	if (e)
		return;
	MUST(event_item_decode(once.p, once.len, &again, &keep_too) == ERR_OK);
	MUST(event_item_encode(&again, &twice) == ERR_OK);
	MUST(twice.len == once.len && memcmp(twice.p, once.p, once.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	try_event(p, n);
	try_item(p, n);
	return 0;
}
