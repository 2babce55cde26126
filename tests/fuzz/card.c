/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A patient's card, as text and as the QR code holds it.  Odd first byte: the
 * rest is a card's binary form, its check and groups are made here; even: the
 * text itself.  Signatures of zeros are good (wrap_verify.c).
 */
#include "base/text.h"
#include "fuzz.h"
#include "rms/rms.h"

#define LEAD  "consent-card:"
#define GROUP 64
#define CHECK 4

static bool
is_refusal(enum err e)
{
	return e == ERR_FORMAT || e == ERR_FORGED || e == ERR_UNSUPPORTED ||
	    e == ERR_CONFLICT;
}

/* Is ${text}, its white space left out, exactly ${plain}? */
static bool
is_spelling(const char *text, const char *plain)
{
	for (; *text; text++)
		if (!strchr(" \t\r\n\v\f", *text) && *text != *plain++)
			return false;
	return *plain == '\0';
}

static void
try_text(const char *text)
{
	struct rms_card card, again;
	CLEANUP_BUF struct buf out = { 0 };
	char words[128];
	enum err e = rms_card_read(text, NULL, NULL, &card);

	MUST(e == ERR_OK || is_refusal(e));
	if (e)
		return;
	MUST(memchr(card.url, 0, sizeof(card.url)) != NULL);
	MUST(rms_card_text(&card, &out) == ERR_OK);
	MUST(out.len <= RMS_CARD_MAX);
	/* one card has one text */
	MUST(is_spelling(text, buf_text(&out)));
	MUST(rms_card_read(buf_text(&out), &card.rms, &card.chain, &again) ==
	    ERR_OK);
	MUST(memcmp(&card, &again, sizeof(card)) == 0);
	rms_card_words(&card, words);
	MUST(words[0] != '\0');
}

static void
try_binary(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf b = { 0 }, text = { 0 };
	const struct seal_part part = { p, n };
	uint8_t hash[32];
	struct text58 t;

	seal_hash(NULL, &part, 1, hash);
	buf_put(&b, p, n);
	buf_put(&b, hash, CHECK);
	buf_str(&text, LEAD);
	for (size_t at = 0; at < b.len; at += GROUP) {
		size_t some = b.len - at < GROUP ? b.len - at : GROUP;

		buf_str(&text, at ? "-" : "");
		buf_str(&text, text58(b.p + at, some, &t));
	}
	try_text(buf_text(&text));
}

static void
seed_binary(const struct fuzz_taker *to, const char *url)
{
	CLEANUP_BUF struct buf b = { 0 };
	static const uint8_t zeros[2 * SIG_BYTES];

	buf_u8(&b, 1);
	buf_u8(&b, 1);
	buf_put(&b, fuzz_pubkey(1)->b, 32);
	buf_put(&b, "Vchain", CHAIN_BYTES < 6 ? CHAIN_BYTES : 6);
	buf_put(&b, zeros, CHAIN_BYTES - 6);
	buf_put(&b, fuzz_pubkey(2)->b, 32);
	buf_put(&b, fuzz_pubkey(3)->b, 32);
	buf_u8(&b, (uint8_t)strlen(url));
	buf_str(&b, url);
	buf_put(&b, zeros, sizeof(zeros));
	fuzz_seed(to, b.p, b.len);
}

static void
seed_text(const struct fuzz_taker *to)
{
	struct rms_card card = { .patient = *fuzz_pubkey(1),
		.rms = *fuzz_pubkey(2),
		.patient_rms = *fuzz_pubkey(3),
		.chain = { "V" },
		.url = "https://rms.example" };
	CLEANUP_BUF struct buf b = { 0 };

	buf_u8(&b, 0);
	MUST(rms_card_sign(&card, fuzz_identity(2), &card.by_rms) == ERR_OK);
	MUST(
	    rms_card_sign(&card, fuzz_identity(1), &card.by_patient) == ERR_OK);
	MUST(rms_card_text(&card, &b) == ERR_OK);
	fuzz_seed(to, b.p, b.len);
	buf_str(&b, " \n");
	fuzz_seed(to, b.p, b.len);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	struct text58 t;
	char s[TEXT58_CHARS + 16];

	seed_text(to);
	seed_binary(to, "https://rms.example:443");
	seed_binary(to, "http://[::1]:6860/");
	/* what people hand over instead */
	(void)snprintf(s, sizeof(s), " %s", text58(fuzz_pubkey(1), 32, &t));
	fuzz_seed_text(to, s);
	(void)snprintf(s, sizeof(s), " %s", text58(fuzz_pubkey(1), 26, &t));
	fuzz_seed_text(to, s);
	fuzz_seed_text(to, " address:3M");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text;

	if (n == 0)
		return 0;
	if (p[0] & 1) {
		try_binary(p + 1, n - 1);
		return 0;
	}
	text = fuzz_text(p + 1, n - 1);
	try_text(text);
	free(text);
	return 0;
}
