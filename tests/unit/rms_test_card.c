/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms_test.h"

#define URL "https://rms.example.org:8443"

static void
text_make(const struct rms_card *card, struct buf *out)
{
	out->len = 0;
	OK(rms_card_text(card, out));
}

static enum err
reread(const struct rms_card *card)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card got;

	text_make(card, &text);
	return rms_card_read(buf_text(&text), NULL, NULL, &got);
}

START_TEST(round_trip)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	ck_assert_uint_lt(text.len, RMS_CARD_MAX);
	OK(rms_card_read(buf_text(&text), &card.rms, &card.chain, &got));
	ck_assert_str_eq(got.url, URL);
	ck_assert(ID_EQ(&got.patient, &card.patient));
	ck_assert(ID_EQ(&got.patient_rms, &card.patient_rms));
	ck_assert(ID_EQ(&got.rms, &card.rms));
	ck_assert(ID_EQ(&got.chain, &card.chain));
	ck_assert(ID_EQ(&got.by_patient, &card.by_patient));
}
END_TEST

/* As long as a card can be, and of every length of the last group. */
START_TEST(round_trip_url)
{
	struct rms_card card;
	char url[RMS_URL_MAX + 1] = "https://";

	memset(url + 8, 'a', sizeof(url) - 9);
	for (size_t n = RMS_URL_MAX - 70; n <= RMS_URL_MAX; n++) {
		char one[RMS_URL_MAX + 1];

		(void)snprintf(one, sizeof(one), "%.*s", (int)n, url);
		card_make(one, &card);
		OK(reread(&card));
	}
}
END_TEST

START_TEST(white_space)
{
	CLEANUP_BUF struct buf text = { 0 }, spaced = { 0 };
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	buf_str(&spaced, "\r\n ");
	for (size_t i = 0; i < text.len; i++) {
		buf_put(&spaced, text.p + i, 1);
		if (i % 7 == 0)
			buf_str(&spaced, i % 2 ? "\t\r\n" : " ");
	}
	OK(rms_card_read(buf_text(&spaced), NULL, NULL, &got));
	ck_assert(ID_EQ(&got.patient, &card.patient));
}
END_TEST

START_TEST(words)
{
	struct rms_card card;
	char one[128], two[128];
	size_t spaces = 0;

	card_make(URL, &card);
	rms_card_words(&card, one);
	for (const char *s = one; *s; s++)
		spaces += *s == ' ';
	ck_assert_uint_eq(spaces, RMS_WORDS - 1);
	memset(&card.by_patient, 0, sizeof(card.by_patient));
	rms_card_words(&card, two);
	ck_assert_str_eq(one, two);
	card.patient_rms.b[0] ^= 1;
	rms_card_words(&card, two);
	ck_assert_str_ne(one, two);
	for (size_t i = 0; i + 1 < 256; i++) {
		ck_assert_int_lt(strcmp(rms_words[i], rms_words[i + 1]), 0);
		ck_assert_uint_le(strlen(rms_words[i]), 8);
	}
}
END_TEST

START_TEST(sign_by_stranger)
{
	struct rms_card card;
	struct sig sig;

	card_make(URL, &card);
	IS(rms_card_sign(&card, who.other, &sig), INVAL);
}
END_TEST

/* ---- what is refused ---- */

/* Every bit of every signed part: the text's own check is made anew, so that
 * only the signatures are left to notice. */
START_TEST(flip)
{
	struct rms_card card, bad;
	const struct {
		size_t at, n;
	} parts[] = {
		{ offsetof(struct rms_card, patient), 32 },
		{ offsetof(struct rms_card, chain), CHAIN_BYTES },
		{ offsetof(struct rms_card, rms), 32 },
		{ offsetof(struct rms_card, patient_rms), 32 },
		{ offsetof(struct rms_card, by_rms), SIG_BYTES },
		{ offsetof(struct rms_card, by_patient), SIG_BYTES },
	};

	card_make(URL, &card);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t bit = 0; bit < 8 * parts[i].n; bit++) {
			bad = card;
			((uint8_t *)&bad)[parts[i].at + bit / 8] ^= (uint8_t)(1
			    << bit % 8);
			IS(reread(&bad), FORGED);
		}
	bad = card;
	bad.url[9] ^= 1;
	IS(reread(&bad), FORGED);
}
END_TEST

/* A slip of the pen is told from a forgery. */
START_TEST(slip)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t was = text.p[i];

		text.p[i] = was == 'z' ? 'y' : 'z';
		IS(rms_card_read(buf_text(&text), NULL, NULL, &got), FORMAT);
		text.p[i] = '0';
		IS(rms_card_read(buf_text(&text), NULL, NULL, &got), FORMAT);
		text.p[i] = was;
	}
	OK(rms_card_read(buf_text(&text), NULL, NULL, &got));
}
END_TEST

START_TEST(cut)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	while (text.len > 0) {
		text.len--;
		IS(rms_card_read(buf_text(&text), NULL, NULL, &got), FORMAT);
	}
}
END_TEST

static const struct {
	const char *text, *told;
} not_cards[] = {
	{ "3N9gDFq8tKFhBDBTQxR3zqvtpXjw5wW3syA", "an address is a hash" },
	{ " 3N9gDFq8tKFhBDBTQxR3zqvtpXjw5wW3syA\n", "an address is a hash" },
	{ "address:3N9gDFq8tKFhBDBTQxR3zqvtpXjw5wW3syA",
	    "an address is a hash" },
	{ "BXs6VFPgu4NQbs9V2P25uF3J2d9NM9DeKVmrxr9qxGbA", "a key alone" },
	{ "", "no card" },
	{ "consent-card", "no card" },
	{ "https://rms.example.org", "no card" },
	{ "consent-card:", "not whole" },
	{ "consent-card:-", "not whole" },
	{ "consent-card:2", "cut short" },
};

START_TEST(not_a_card)
{
	struct rms_card got;

	IS(rms_card_read(not_cards[_i].text, NULL, NULL, &got), FORMAT);
	ck_assert_msg(strstr(err_detail(ERR_FORMAT), not_cards[_i].told), "%s",
	    err_detail(ERR_FORMAT));
}
END_TEST

START_TEST(too_long)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	for (int i = 0; i < 20; i++) {
		buf_str(&text, "-");
		for (int k = 0; k < 80; k++)
			buf_str(&text, "z");
		IS(rms_card_read(buf_text(&text), NULL, NULL, &got), FORMAT);
	}
}
END_TEST

START_TEST(another_rms)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct chain chain = who.chain;
	struct rms_card card, got;

	card_make(URL, &card);
	text_make(&card, &text);
	IS(rms_card_read(
	       buf_text(&text), seal_identity_key(who.other), NULL, &got),
	    CONFLICT);
	chain.b[5] ^= 1;
	IS(rms_card_read(buf_text(&text), NULL, &chain, &got), CONFLICT);
}
END_TEST

/* Signed by all, and yet an URL that leads elsewhere than it seems. */
static const char *const bad_urls[] = { "", "rms.example.org",
	"ftp://rms.example.org", "https://", "https:///", "https://:80",
	"https://a@b", "https://a/b", "https://a?b", "https://a b",
	"https://a\nb", "https://a#b", "https://\xc3\xa4", "https://a//" };

START_TEST(bad_url)
{
	struct rms_card card;

	card_make(bad_urls[_i], &card);
	IS(reread(&card), FORMAT);
}
END_TEST

/* One party in two roles could sign for the other. */
START_TEST(same_keys)
{
	struct seal_identity *kept = who.patient_rms;
	struct rms_card card;

	who.patient_rms = who.rms;
	card_make(URL, &card);
	IS(reread(&card), FORGED);
	who.patient_rms = who.patient;
	card_make(URL, &card);
	IS(reread(&card), FORGED);
	who.patient_rms = kept;
	card_make(URL, &card);
	OK(reread(&card));
}
END_TEST

START_TEST(newer_version)
{
	CLEANUP_BUF struct buf bin = { 0 }, text = { 0 };
	struct rms_card card, got;
	uint8_t hash[32];
	struct text58 t;

	card_make(URL, &card);
	rms_card_content(&card, &bin);
	bin.p[0] = 2;
	seal_hash(NULL, &(struct seal_part){ bin.p, bin.len }, 1, hash);
	buf_put(&bin, hash, RMS_CARD_CHECK);
	buf_str(&text, "consent-card:");
	for (size_t at = 0; at < bin.len; at += 64)
		buf_fmt(&text, "%s%s", at ? "-" : "",
		    text58(
			bin.p + at, bin.len - at < 64 ? bin.len - at : 64, &t));
	IS(rms_card_read(buf_text(&text), NULL, NULL, &got), UNSUPPORTED);
}
END_TEST

TCase *
tcase_card(void)
{
	TCase *t = tcase_create("card");

	tcase_add_checked_fixture(t, parties_up, parties_down);
	tcase_add_test(t, round_trip);
	tcase_add_test(t, round_trip_url);
	tcase_add_test(t, white_space);
	tcase_add_test(t, words);
	tcase_add_test(t, sign_by_stranger);
	return t;
}

TCase *
tcase_card_bad(void)
{
	TCase *t = tcase_create("bad cards");

	tcase_add_checked_fixture(t, parties_up, parties_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, flip);
	tcase_add_test(t, slip);
	tcase_add_test(t, cut);
	tcase_add_loop_test(t, not_a_card, 0, ARRAY_LEN(not_cards));
	tcase_add_test(t, too_long);
	tcase_add_test(t, another_rms);
	tcase_add_loop_test(t, bad_url, 0, ARRAY_LEN(bad_urls));
	tcase_add_test(t, same_keys);
	tcase_add_test(t, newer_version);
	return t;
}
