/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "base/secret.h"
#include "event_test.h"

const char *
b58(uint8_t b, size_t n)
{
	static struct text58 ring[16];
	static unsigned next;
	uint8_t raw[32];

	memset(raw, b, sizeof(raw));
	return text58(raw, n, &ring[next++ % 16]);
}

static struct event *
decode(const char *json)
{
	struct event *e = NULL;
	enum err err = event_decode(json, strlen(json), &e);

	ck_assert_msg(err == ERR_OK, "%s: %s", json, err_detail(err));
	return e;
}

static void
refuse(const char *json, enum err want)
{
	CLEANUP(event_free) struct event *e = NULL;
	enum err err = event_decode(json, strlen(json), &e);

	ck_assert_msg(err == want, "%s: %s", json, err_name(err));
	ck_assert_ptr_null(e);
}

/* Decode, encode: the same bytes; and return the event. */
static struct event *
round_trip(const char *json)
{
	CLEANUP_BUF struct buf out = { 0 };
	struct event *e = decode(json);
	enum err err = event_encode(e, &out);

	ck_assert_msg(err == ERR_OK, "%s", err_detail(err));
	ck_assert_str_eq(buf_text(&out), json);
	return e;
}

static const char *fmt(const char *f, ...)
    __attribute__((format(printf, 1, 2)));

static const char *
fmt(const char *f, ...)
{
	static char text[65536];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	return text;
}

/* A decision with the given scope and other members at its end. */
static const char *
decision(const char *effect, const char *scope, const char *more)
{
	return fmt("{\"v\":1,\"type\":\"decision\",\"patient\":\"%s\","
		   "\"institution\":\"%s\",\"n\":1,\"effect\":\"%s\","
		   "\"scope\":%s%s}",
	    b58(1, 32), b58(2, 16), effect, scope, more);
}

START_TEST(set_round_trip)
{
	CLEANUP(event_free)
	struct event *e = round_trip(
	    fmt("{\"v\":1,\"type\":\"documentSet\",\"patient\":\"%s\","
		"\"custodian\":\"%s\",\"title\":\"Röntgen Thorax\","
		"\"class\":\"imaging\",\"typeCode\":\"18748-4\","
		"\"confidentiality\":\"R\",\"sensitivity\":[\"HIV\",\"PSY\"],"
		"\"created\":1700000000000,\"period\":{\"start\":-86400000,"
		"\"end\":1600000000000},\"count\":3,"
		"\"bytes\":5000000000,\"manifest\":\"%s\","
		"\"setKeyCommitment\":\"%s\",\"replaces\":\"%s\","
		"\"author\":\"Dr. Who\"}",
		b58(1, 32), b58(2, 16), b58(3, 32), b58(4, 32), b58(5, 16)));
	const struct event_document_set *s = &e->u.set;

	ck_assert_int_eq(e->type, EVENT_DOCUMENT_SET);
	ck_assert_int_eq(e->patient.b[31], 1);
	ck_assert_int_eq(s->custodian.b[15], 2);
	ck_assert_str_eq(s->title, "Röntgen Thorax");
	ck_assert_str_eq(s->class_code, "imaging");
	ck_assert_str_eq(s->type_code, "18748-4");
	ck_assert_int_eq(s->confidentiality, EVENT_R);
	ck_assert_uint_eq(s->sensitivity.n, 2);
	ck_assert_str_eq(s->sensitivity.v[1], "PSY");
	ck_assert_int_eq(s->created, 1700000000000);
	ck_assert_int_eq(s->period.start, -86400000);
	ck_assert_uint_eq(s->count, 3);
	ck_assert_uint_eq(s->bytes, 5000000000);
	ck_assert_int_eq(s->manifest.b[0], 3);
	ck_assert_int_eq(s->set_key_commitment[31], 4);
	ck_assert(s->has_replaces && s->replaces.b[7] == 5);
	ck_assert_str_eq(s->author, "Dr. Who");
	ck_assert(!event_is_foreign(e));
}
END_TEST

START_TEST(set_least)
{
	CLEANUP(event_free)
	struct event *e = round_trip(
	    fmt("{\"v\":1,\"type\":\"documentSet\",\"patient\":\"%s\","
		"\"custodian\":\"%s\",\"title\":\"t\",\"class\":\"note\","
		"\"typeCode\":\"x\",\"confidentiality\":\"N\",\"created\":0,"
		"\"count\":0,\"bytes\":0,\"manifest\":\"%s\","
		"\"setKeyCommitment\":\"%s\"}",
		b58(1, 32), b58(2, 16), b58(3, 32), b58(4, 32)));

	ck_assert(!e->u.set.has_replaces);
	ck_assert_ptr_null(e->u.set.author);
	ck_assert_uint_eq(e->u.set.sensitivity.n, 0);
	ck_assert_int_eq(e->u.set.period.start, 0);
}
END_TEST

START_TEST(inquiry_round_trip)
{
	CLEANUP(event_free)
	struct event *e = round_trip(
	    fmt("{\"v\":1,\"type\":\"inquiry\",\"patient\":\"%s\","
		"\"institution\":\"%s\",\"first\":7,\"last\":8,\"items\":["
		"{\"n\":7,\"id\":\"%s\",\"kind\":\"denied\",\"set\":\"%s\","
		"\"document\":2,\"practitioner\":{\"name\":\"A B\","
		"\"id\":\"ab\"},\"purpose\":\"TREAT\",\"reason\":\"why\","
		"\"app\":\"viewer\",\"time\":12,\"count\":5,"
		"\"outcome\":\"no\"},"
		"{\"n\":8,\"id\":\"%s\",\"kind\":\"request\","
		"\"purpose\":\"PATRQT\",\"time\":13}]}",
		b58(1, 32), b58(2, 16), b58(3, 16), b58(4, 16), b58(5, 16)));
	const struct event_item *i = e->u.inquiry.items;

	ck_assert_uint_eq(e->u.inquiry.nitems, 2);
	ck_assert_uint_eq(e->u.inquiry.first, 7);
	ck_assert_uint_eq(e->u.inquiry.last, 8);
	ck_assert_int_eq(i[0].kind, EVENT_DENIED);
	ck_assert_uint_eq(i[0].document, 2);
	ck_assert(i[0].has_set && i[0].set.b[0] == 4);
	ck_assert_str_eq(i[0].practitioner.id, "ab");
	ck_assert_str_eq(i[0].reason, "why");
	ck_assert_uint_eq(i[0].count, 5);
	ck_assert_str_eq(i[0].outcome, "no");
	ck_assert_int_eq(i[1].kind, EVENT_REQUEST);
	ck_assert_uint_eq(i[1].count, 1);
	ck_assert_str_eq(i[1].practitioner.name, "");
	ck_assert(!i[1].has_set);
	ck_assert_ptr_null(i[1].app);
}
END_TEST

START_TEST(inquiry_own)
{
	CLEANUP(event_free)
	struct event *e = round_trip(
	    fmt("{\"v\":1,\"type\":\"inquiry\",\"patient\":\"%s\","
		"\"first\":1,\"last\":1}",
		b58(1, 32)));

	ck_assert(!e->u.inquiry.has_institution);
	ck_assert_uint_eq(e->u.inquiry.nitems, 0);
	refuse(fmt("{\"v\":1,\"type\":\"inquiry\",\"patient\":\"%s\","
		   "\"first\":2,\"last\":1}",
		   b58(1, 32)),
	    ERR_FORMAT);
}
END_TEST

START_TEST(decision_round_trip)
{
	CLEANUP(event_free)
	struct event *e = round_trip(
	    fmt("{\"v\":1,\"type\":\"decision\",\"patient\":\"%s\","
		"\"institution\":\"%s\",\"n\":9,\"seen\":{\"%s\":4,\"%s\":6},"
		"\"effect\":\"grant\",\"scope\":{\"sets\":[\"%s\",\"%s\"],"
		"\"types\":[\"t1\"],\"classes\":[\"c1\",\"c2\"],"
		"\"authors\":[\"Dr. Who\"],\"confidentiality\":\"R\","
		"\"without\":[\"HIV\"],\"period\":{\"end\":99}},"
		"\"practitioner\":\"ab\",\"purposes\":[\"TREAT\"],"
		"\"rights\":[\"list\",\"read\"],\"from\":5,\"until\":6,"
		"\"answers\":[\"%s\"],\"delegation\":\"%s\","
		"\"delegationKey\":\"%s\"}",
		b58(1, 32), b58(2, 16), b58(3, 32), b58(4, 32), b58(5, 16),
		b58(6, 16), b58(7, 16), b58(8, 16), b58(9, 32)));
	const struct event_decision *d = &e->u.decision;

	ck_assert_int_eq(d->party, EVENT_INSTITUTION);
	ck_assert_int_eq(d->institution.b[3], 2);
	ck_assert_uint_eq(d->n, 9);
	ck_assert_uint_eq(d->nseen, 2);
	ck_assert(d->seen[0].signer.b[0] == 3 && d->seen[0].n == 4);
	ck_assert(d->seen[1].signer.b[0] == 4 && d->seen[1].n == 6);
	ck_assert_int_eq(d->effect, EVENT_GRANT);
	ck_assert(!d->scope.all);
	ck_assert_uint_eq(d->scope.nsets, 2);
	ck_assert_int_eq(d->scope.sets[1].b[0], 6);
	ck_assert_str_eq(d->scope.types.v[0], "t1");
	ck_assert_str_eq(d->scope.classes.v[1], "c2");
	ck_assert_str_eq(d->scope.authors.v[0], "Dr. Who");
	ck_assert(d->scope.has_confidentiality);
	ck_assert_int_eq(d->scope.confidentiality, EVENT_R);
	ck_assert_str_eq(d->scope.without.v[0], "HIV");
	ck_assert(d->scope.has_period && d->scope.period.end == 99);
	ck_assert_str_eq(d->practitioner, "ab");
	ck_assert_str_eq(d->purposes.v[0], "TREAT");
	ck_assert_uint_eq(d->rights, EVENT_RIGHT_LIST | EVENT_RIGHT_READ);
	ck_assert(d->from == 5 && d->until == 6);
	ck_assert(d->nanswers == 1 && d->answers[0].b[0] == 7);
	ck_assert(d->has_delegation && d->delegation.b[0] == 8);
	ck_assert_int_eq(d->delegation_key[31], 9);
}
END_TEST

START_TEST(decision_parties)
{
	static const struct {
		const char *json;
		enum event_party party;
	} cases[] = { { "*", EVENT_ANYONE }, { "group:gps", EVENT_GROUP } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(event_free)
		struct event *e = round_trip(
		    fmt("{\"v\":1,\"type\":\"decision\",\"patient\":\"%s\","
			"\"institution\":\"%s\",\"n\":1,"
			"\"effect\":\"exclude\",\"scope\":{\"all\":true}}",
			b58(1, 32), cases[i].json));

		ck_assert_int_eq(e->u.decision.party, cases[i].party);
		if (cases[i].party == EVENT_GROUP)
			ck_assert_str_eq(e->u.decision.group, "gps");
	}
}
END_TEST

START_TEST(others_round_trip)
{
	CLEANUP(event_free)
	struct event *d = round_trip(
	    fmt("{\"v\":1,\"type\":\"delegation\",\"patient\":\"%s\","
		"\"representative\":\"%s\",\"relationship\":\"son\","
		"\"powers\":[\"decide\",\"notices\"],\"scope\":{\"all\":true},"
		"\"from\":1,\"until\":2,\"evidence\":\"court\\nof X\","
		"\"card\":\"a\\nb\"}",
		b58(1, 32), b58(2, 32)));
	CLEANUP(event_free)
	struct event *keep = round_trip(
	    fmt("{\"v\":1,\"type\":\"end\",\"patient\":\"%s\","
		"\"ends\":\"%s\",\"dependents\":\"keep\"}",
		b58(1, 32), b58(2, 16)));
	CLEANUP(event_free)
	struct event *end = round_trip(
	    fmt("{\"v\":1,\"type\":\"end\",\"patient\":\"%s\","
		"\"ends\":\"%s\",\"dependents\":\"end\"}",
		b58(1, 32), b58(2, 16)));
	CLEANUP(event_free)
	struct event *a = round_trip(
	    fmt("{\"v\":1,\"type\":\"accredit\",\"institution\":\"%s\","
		"\"name\":\"St. Mary\",\"readingKeys\":[{\"key\":\"%s\","
		"\"from\":1,\"until\":2},{\"key\":\"%s\"}],"
		"\"hosts\":[{\"key\":\"%s\",\"name\":\"ws1\",\"from\":3}],"
		"\"groups\":[\"gps\"],\"from\":4,\"until\":5}",
		b58(1, 16), b58(2, 32), b58(3, 32), b58(4, 32)));

	ck_assert_uint_eq(
	    d->u.delegation.powers, EVENT_POWER_DECIDE | EVENT_POWER_NOTICES);
	ck_assert_int_eq(d->u.delegation.representative.b[0], 2);
	ck_assert_str_eq(d->u.delegation.card, "a\nb");
	ck_assert(keep->u.end.keep_dependents && keep->u.end.ends.b[0] == 2);
	ck_assert(!end->u.end.keep_dependents);
	ck_assert_uint_eq(a->u.accredit.nreading, 2);
	ck_assert_int_eq(a->u.accredit.reading[1].key.b[0], 3);
	ck_assert_int_eq(a->u.accredit.reading[0].until, 2);
	ck_assert_uint_eq(a->u.accredit.nhosts, 1);
	ck_assert_str_eq(a->u.accredit.hosts[0].name, "ws1");
	ck_assert_str_eq(a->u.accredit.groups.v[0], "gps");
	ck_assert_int_eq(a->u.accredit.until, 5);
}
END_TEST

START_TEST(padding_is_taken)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP(event_free) struct event *e = NULL;

	buf_str(&b, decision("refuse", "{\"all\":true}", ""));
	while (b.len % 256)
		buf_u8(&b, ' ');
	ck_assert_int_eq(event_decode(b.p, b.len, &e), ERR_OK);
}
END_TEST

START_TEST(unknown_members)
{
	static const struct {
		const char *scope, *more;
		unsigned unknown;
	} cases[] = {
		{ "{\"all\":true}", "", 0 },
		{ "{\"all\":true}", ",\"x\":1", 1 },
		{ "{\"all\":true}", ",\"x\":null,\"y\":[{\"z\":1}]", 2 },
		{ "{\"all\":true,\"x\":{}}", "", 1 },
		{ "{\"period\":{\"end\":4,\"zone\":\"UTC\"}}", "", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(event_free)
		struct event *e = decode(
		    decision("revoke", cases[i].scope, cases[i].more));

		ck_assert_uint_eq(e->unknown, cases[i].unknown);
		ck_assert(event_is_foreign(e) == (cases[i].unknown > 0));
	}
}
END_TEST

START_TEST(unknown_in_items)
{
	CLEANUP(event_free)
	struct event *e = decode(
	    fmt("{\"v\":1,\"type\":\"inquiry\",\"patient\":\"%s\","
		"\"first\":1,\"last\":1,\"items\":[{\"n\":1,\"id\":\"%s\","
		"\"kind\":\"list\",\"purpose\":\"TREAT\",\"time\":1,\"a\":2,"
		"\"practitioner\":{\"name\":\"n\",\"id\":\"i\",\"b\":3}}]}",
		b58(1, 32), b58(2, 16)));

	ck_assert_uint_eq(e->unknown, 2);
}
END_TEST

START_TEST(heads)
{
	refuse("", ERR_FORMAT);
	refuse("[]", ERR_FORMAT);
	refuse("{}", ERR_FORMAT);
	refuse("{\"v\":2}", ERR_UNSUPPORTED);
	refuse("{\"v\":2,\"type\":\"future\"}", ERR_UNSUPPORTED);
	refuse("{\"v\":1}", ERR_FORMAT);
	refuse("{\"v\":\"1\",\"type\":\"end\"}", ERR_FORMAT);
	refuse("{\"v\":1,\"type\":\"future\"}", ERR_FORMAT);
	refuse("{\"v\":1,\"v\":1,\"type\":\"end\"}", ERR_FORMAT);
}
END_TEST

static const struct {
	const char *effect, *scope, *more;
} bad_decisions[] = {
	{ "allow", "{\"all\":true}", "" },
	{ "grant", "{\"all\":true}", "" }, /* no right */
	{ "refuse", "{}", "" },
	{ "refuse", "{\"all\":false}", "" },
	{ "refuse", "{\"all\":1}", "" },
	{ "refuse", "{\"sets\":[]}", "" },
	{ "refuse", "{\"types\":[]}", "" },
	{ "refuse", "{\"types\":[\"\"]}", "" },
	{ "refuse", "{\"types\":[1]}", "" },
	{ "refuse", "{\"types\":\"a\"}", "" },
	{ "refuse", "{\"sets\":[\"abc\"]}", "" },
	{ "refuse", "{\"confidentiality\":\"U\"}", "" },
	{ "refuse", "{\"period\":{}}", "" },
	{ "refuse", "{\"period\":{\"start\":5,\"end\":4}}", "" },
	{ "refuse", "{\"all\":true}", ",\"purposes\":[]" },
	{ "refuse", "{\"all\":true}", ",\"rights\":[\"print\"]" },
	{ "refuse", "{\"all\":true}", ",\"from\":-1" },
	{ "refuse", "{\"all\":true}", ",\"from\":1.5" },
	{ "refuse", "{\"all\":true}", ",\"until\":999999999999999" },
	{ "refuse", "{\"all\":true}", ",\"seen\":{\"x\":1}" },
	{ "refuse", "{\"all\":true}", ",\"seen\":[]" },
	{ "refuse", "{\"all\":true}", ",\"answers\":[\"x\"]" },
	{ "refuse", "{\"all\":true}", ",\"practitioner\":\"\"" },
	{ "refuse", "{\"all\":true}", ",\"practitioner\":\"a\\nb\"" },
	{ "refuse", "{\"all\":true}", ",\"delegation\":\"x\"" },
};

START_TEST(bad_decision)
{
	refuse(decision(bad_decisions[_i].effect, bad_decisions[_i].scope,
		   bad_decisions[_i].more),
	    ERR_FORMAT);
}
END_TEST

START_TEST(bad_pairs)
{
	CLEANUP_BUF struct buf more = { 0 };

	refuse(fmt("{\"v\":1,\"type\":\"decision\",\"patient\":\"%s\","
		   "\"institution\":\"%s\",\"n\":0,\"effect\":\"refuse\","
		   "\"scope\":{\"all\":true}}",
		   b58(1, 32), b58(2, 16)),
	    ERR_FORMAT);
	refuse(fmt("{\"v\":1,\"type\":\"decision\",\"patient\":\"%s\","
		   "\"institution\":\"group:\",\"n\":1,"
		   "\"effect\":\"refuse\",\"scope\":{\"all\":true}}",
		   b58(1, 32)),
	    ERR_FORMAT);
	buf_fmt(&more, ",\"seen\":{\"%s\":0}", b58(3, 32));
	refuse(
	    decision("refuse", "{\"all\":true}", buf_text(&more)), ERR_FORMAT);
	buf_free(&more);
	buf_fmt(&more, ",\"delegation\":\"%s\"", b58(3, 16));
	refuse(
	    decision("refuse", "{\"all\":true}", buf_text(&more)), ERR_FORMAT);
	buf_free(&more);
	buf_fmt(&more, ",\"delegationKey\":\"%s\"", b58(3, 32));
	refuse(
	    decision("refuse", "{\"all\":true}", buf_text(&more)), ERR_FORMAT);
}
END_TEST

/* ${n} copies of ${one}, with commas. */
static void
repeat(struct buf *b, const char *one, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_fmt(b, "%s%s", i ? "," : "", one);
}

START_TEST(bounds)
{
	static const struct {
		size_t n;
		bool ok;
	} texts[] = { { EVENT_MAX_LIST, true }, { EVENT_MAX_LIST + 1, false } };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP_BUF struct buf scope = { 0 };

		buf_str(&scope, "{\"types\":[");
		repeat(&scope, "\"t\"", texts[i].n);
		buf_str(&scope, "]}");
		if (texts[i].ok)
			event_free(
			    decode(decision("revoke", buf_text(&scope), "")));
		else
			refuse(decision("revoke", buf_text(&scope), ""),
			    ERR_FORMAT);
	}
}
END_TEST

START_TEST(bounds_sets)
{
	CLEANUP_BUF struct buf scope = { 0 };
	CLEANUP(event_free) struct event *e = NULL;
	char id[40];

	snprintf(id, sizeof(id), "\"%s\"", b58(255, 16));
	buf_str(&scope, "{\"sets\":[");
	repeat(&scope, id, EVENT_MAX_SETS);
	buf_str(&scope, "]}");
	e = round_trip(decision("revoke", buf_text(&scope), ""));
	ck_assert_uint_eq(e->u.decision.scope.nsets, EVENT_MAX_SETS);
	buf_free(&scope);
	buf_str(&scope, "{\"sets\":[");
	repeat(&scope, id, EVENT_MAX_SETS + 1);
	buf_str(&scope, "]}");
	refuse(decision("revoke", buf_text(&scope), ""), ERR_FORMAT);
}
END_TEST

START_TEST(bounds_bytes)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP(event_free) struct event *e = NULL;

	buf_str(&b, decision("revoke", "{\"all\":true}", ""));
	while (b.len < EVENT_MAX_BYTES)
		buf_u8(&b, ' ');
	ck_assert_int_eq(event_decode(b.p, b.len, &e), ERR_OK);
	event_free(TAKE(e));
	buf_u8(&b, ' ');
	ck_assert_int_eq(event_decode(b.p, b.len, &e), ERR_FORMAT);
}
END_TEST

/* Every single-byte change of a payload is refused or decodes; under the
 * sanitizers this is the memory test. */
START_TEST(every_byte)
{
	CLEANUP_BUF struct buf b = { 0 };
	size_t ok = 0;

	buf_str(&b,
	    decision("revoke",
		"{\"types\":[\"a\"],\"without\":[\"b\"],"
		"\"period\":{\"end\":4}}",
		",\"answers\":[],\"rights\":[\"read\"]"));
	for (size_t i = 0; i < b.len; i++)
		for (unsigned c = 0; c < 256; c += 5) {
			CLEANUP(event_free) struct event *e = NULL;
			uint8_t kept = b.p[i];

			b.p[i] = (uint8_t)c;
			ok += event_decode(b.p, b.len, &e) == ERR_OK;
			b.p[i] = kept;
		}
	ck_assert_uint_gt(ok, 0);
	for (size_t n = 0; n < b.len; n++) {
		CLEANUP(event_free) struct event *e = NULL;

		ck_assert_int_ne(event_decode(b.p, n, &e), ERR_OK);
	}
}
END_TEST

START_TEST(names)
{
	ck_assert_int_eq(
	    event_name_index(event_effect_names, "revoke"), EVENT_REVOKE);
	ck_assert_int_eq(
	    event_name_index(event_type_names, "accredit"), EVENT_ACCREDIT);
	ck_assert_int_eq(
	    event_name_index(event_kind_names, "denied"), EVENT_DENIED);
	ck_assert_int_eq(event_name_index(event_level_names, "V"), EVENT_V);
	ck_assert_int_ge(event_name_index(event_purposes, "ETREAT"), 0);
	ck_assert_int_eq(event_name_index(event_purposes, "FUN"), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("event");
	TCase *bad = tcase_create("bad decisions");
	SRunner *r = srunner_create(s);
	int failed;

	if (secret_init() != ERR_OK)
		return 1;
	CASE("types", set_round_trip, set_least, inquiry_round_trip,
	    inquiry_own, decision_round_trip, decision_parties,
	    others_round_trip, padding_is_taken, names);
	CASE("unknown", unknown_members, unknown_in_items);
	CASE("hostile", heads, bad_pairs, every_byte);
	CASE("bounds", bounds, bounds_sets, bounds_bytes);
	tcase_add_loop_test(
	    bad, bad_decision, 0, (int)ARRAY_LEN(bad_decisions));
	suite_add_tcase(s, bad);
	add_encode(s);
	add_manifest(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
