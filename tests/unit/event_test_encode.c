/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Items alone, and what encoding refuses. */
#include "event_test.h"

static struct event_item
an_item(void)
{
	return (struct event_item){ .n = 3,
		.kind = EVENT_ACCESS,
		.practitioner = { "Jane", "jane" },
		.purpose = "TREAT",
		.time = 77,
		.count = 1 };
}

START_TEST(item_alone)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_JS json_t *keep = NULL;
	struct event_item item = an_item(), out;

	item.has_set = true;
	item.set.b[4] = 4;
	item.document = 12;
	ck_assert_int_eq(event_item_encode(&item, &b), ERR_OK);
	ck_assert_int_eq(event_item_decode(b.p, b.len, &out, &keep), ERR_OK);
	ck_assert_uint_eq(out.n, 3);
	ck_assert_uint_eq(out.document, 12);
	ck_assert_int_eq(out.set.b[4], 4);
	ck_assert_int_eq(out.kind, EVENT_ACCESS);
	ck_assert_str_eq(out.practitioner.name, "Jane");
	ck_assert_uint_eq(out.count, 1);
}
END_TEST

START_TEST(item_bounds)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct event_item item = an_item();
	char reason[EVENT_MAX_REASON + 2];

	memset(reason, 'a', sizeof(reason));
	reason[EVENT_MAX_REASON] = '\0';
	item.reason = reason;
	ck_assert_int_eq(event_item_encode(&item, &b), ERR_OK);
	reason[EVENT_MAX_REASON] = 'a';
	reason[EVENT_MAX_REASON + 1] = '\0';
	ck_assert_int_eq(event_item_encode(&item, &b), ERR_INVAL);
	item.reason = NULL;
	item.purpose = NULL;
	ck_assert_int_eq(event_item_encode(&item, &b), ERR_INVAL);
}
END_TEST

START_TEST(encode_items)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP(event_free) struct event *out = NULL;
	static struct event_item items[EVENT_MAX_ITEMS + 1];
	struct event e = { .type = EVENT_INQUIRY };

	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		items[i] = an_item();
	e.u.inquiry.items = items;
	e.u.inquiry.nitems = EVENT_MAX_ITEMS;
	ck_assert_int_eq(event_encode(&e, &b), ERR_OK);
	ck_assert_int_eq(event_decode(b.p, b.len, &out), ERR_OK);
	ck_assert_uint_eq(out->u.inquiry.nitems, EVENT_MAX_ITEMS);
	e.u.inquiry.nitems++;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
}
END_TEST

static struct event
a_grant(void)
{
	struct event e = { .type = EVENT_DECISION };

	e.u.decision.party = EVENT_ANYONE;
	e.u.decision.n = 1;
	e.u.decision.effect = EVENT_GRANT;
	e.u.decision.scope.all = true;
	e.u.decision.rights = EVENT_RIGHT_READ;
	return e;
}

START_TEST(encode_refuses)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct event e = a_grant();

	ck_assert_int_eq(event_encode(&e, &b), ERR_OK);
	b.len = 0;
	e.u.decision.n = 0;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.u.decision.n = UINT64_MAX;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.scope.all = false;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.effect = (enum event_effect)9;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.practitioner = "a\x1b[2J";
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.u.decision.practitioner = "a\xc2\x9b";
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.u.decision.practitioner = "a\xff";
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.u.decision.practitioner = "\xc3\xa9\xc2\xa0";
	ck_assert_int_eq(event_encode(&e, &b), ERR_OK);
	b.len = 0;
	e = a_grant();
	e.u.decision.party = EVENT_GROUP;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(encode_refuses_lists)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct event e = a_grant();

	e.u.decision.nseen = 2; /* the same signer twice */
	e.u.decision.seen[0].n = e.u.decision.seen[1].n = 1;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.u.decision.nseen = EVENT_MAX_SEEN + 1;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.purposes.n = EVENT_MAX_LIST + 1;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.nanswers = EVENT_MAX_LIST + 1;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e = a_grant();
	e.u.decision.effect = EVENT_REVOKE;
	e.u.decision.until = 5;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	e.type = (enum event_type)17;
	ck_assert_int_eq(event_encode(&e, &b), ERR_INVAL);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

void
add_encode(Suite *s)
{
	CASE("items", item_alone, item_bounds, encode_items);
	CASE("encode", encode_refuses, encode_refuses_lists);
}
