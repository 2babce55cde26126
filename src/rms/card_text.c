/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of a card: "consent-card:" and base58 groups of 64 bytes each with
 * '-' between them.  White space is put in by whoever copies the card, so it
 * is ignored; four bytes of a hash tell a slip of the pen from a forgery.
 */
#include "rms/rms_internal.h"

#define LEAD    "consent-card:"
#define GROUP   64 /* bytes */
#define VERSION 1
#define BINARY_MAX                                                             \
	(1 + 32 + CHAIN_BYTES + 32 + 32 + 1 + RMS_URL_MAX + 2 * SIG_BYTES +    \
	    RMS_CARD_CHECK)

static void
check_bytes(const void *p, size_t n, uint8_t out[static 32])
{
	struct seal_part part = { p, n };

	seal_hash(NULL, &part, 1, out);
}

static void
write_binary(const struct rms_card *card, struct buf *out)
{
	uint8_t check[32];

	rms_card_content(card, out);
	buf_put(out, card->by_rms.b, SIG_BYTES);
	buf_put(out, card->by_patient.b, SIG_BYTES);
	if (out->err)
		return;
	check_bytes(out->p, out->len, check);
	buf_put(out, check, RMS_CARD_CHECK);
}

enum err
rms_card_text(const struct rms_card *card, struct buf *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct text58 t;

	write_binary(card, &b);
	if (b.err)
		return b.err;
	buf_str(out, LEAD);
	for (size_t at = 0; at < b.len; at += GROUP) {
		size_t n = b.len - at < GROUP ? b.len - at : GROUP;

		if (at > 0)
			buf_str(out, "-");
		buf_str(out, text58(b.p + at, n, &t));
	}
	return out->err;
}

/* Copy ${text} without its white space. */
static enum err
squeeze(const char *text, char out[static RMS_CARD_MAX + 1])
{
	size_t n = 0;

	for (; *text; text++) {
		if (strchr(" \t\r\n\v\f", *text))
			continue;
		if (n == RMS_CARD_MAX)
			return err_say(ERR_FORMAT,
			    "longer than any card; give one card only");
		out[n++] = *text;
	}
	out[n] = '\0';
	return ERR_OK;
}

/* People hand over what they have: say what it is. */
static enum err
not_a_card(const char *s)
{
	uint8_t bytes[64];
	size_t n = 0;
	bool is_58 = *s &&
	    text58_read_any(s, bytes, sizeof(bytes), &n) == ERR_OK;

	if (strncmp(s, "address:", 8) == 0 ||
	    (is_58 && (strlen(s) == ADDRESS_CHARS || n == 26)))
		return err_say(ERR_FORMAT,
		    "an address is a hash of a key, "
		    "nothing can be sealed to it; ask the patient for the "
		    "card");
	if (is_58 && n == 32)
		return err_say(ERR_FORMAT,
		    "a key alone does not say which "
		    "RMS holds the patient's records; ask the patient for "
		    "the card");
	return err_say(ERR_FORMAT, "no card: one begins with '" LEAD "'");
}

static enum err
read_groups(char *s, struct buf *out)
{
	bool last = false;

	while (!last) {
		size_t len = strcspn(s, "-"), n;
		uint8_t bytes[GROUP];

		last = s[len] == '\0';
		s[len] = '\0';
		if (text58_read_any(s, bytes, sizeof(bytes), &n) != ERR_OK ||
		    (n < GROUP && !last) || n == 0)
			return err_say(ERR_FORMAT,
			    "a part of the card is not whole; copy it again");
		buf_put(out, bytes, n);
		if (out->err || out->len > BINARY_MAX)
			return out->err ? out->err : ERR_FORMAT;
		s += len + 1;
	}
	return ERR_OK;
}

static enum err
strip_check(struct buf *b)
{
	uint8_t check[32];
	size_t n;

	if (b->len <= RMS_CARD_CHECK)
		return err_say(ERR_FORMAT, "the card is cut short");
	n = b->len - RMS_CARD_CHECK;
	check_bytes(b->p, n, check);
	if (memcmp(check, b->p + n, RMS_CARD_CHECK) != 0)
		return err_say(
		    ERR_FORMAT, "the card was not copied right; copy it again");
	b->len = n;
	return ERR_OK;
}

static enum err
read_binary(const struct buf *b, struct rms_card *out)
{
	struct rd r;
	uint8_t version, n;
	const uint8_t *url;

	rd_init(&r, b->p, b->len);
	version = rd_u8(&r);
	if (version != VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "a card of version %u; update this program", version);
	rd_copy(&r, out->patient.b, sizeof(out->patient.b));
	rd_copy(&r, out->chain.b, sizeof(out->chain.b));
	rd_copy(&r, out->rms.b, sizeof(out->rms.b));
	rd_copy(&r, out->patient_rms.b, sizeof(out->patient_rms.b));
	n = rd_u8(&r);
	url = rd_take(&r, n);
	if (url == NULL || n > RMS_URL_MAX || memchr(url, 0, n))
		return ERR_FORMAT;
	memcpy(out->url, url, n);
	out->url[n] = '\0';
	rd_copy(&r, out->by_rms.b, SIG_BYTES);
	rd_copy(&r, out->by_patient.b, SIG_BYTES);
	return rd_end(&r);
}

static enum err
parse(const char *text, struct rms_card *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	char s[RMS_CARD_MAX + 1];
	enum err e;

	if ((e = squeeze(text, s)))
		return e;
	if (strncmp(s, LEAD, sizeof(LEAD) - 1) != 0)
		return not_a_card(s);
	if ((e = read_groups(s + sizeof(LEAD) - 1, &b)) ||
	    (e = strip_check(&b)))
		return e;
	return read_binary(&b, out);
}

enum err
rms_card_read(const char *text, const struct pubkey *rms,
    const struct chain *chain, struct rms_card *out)
{
	struct rms_card card = { 0 };
	enum err e;

	if ((e = parse(text, &card)) || (e = rms_card_check(&card)))
		return e;
	if (chain && !ID_EQ(chain, &card.chain))
		return err_say(ERR_CONFLICT,
		    "the card is for another ledger; "
		    "ask the patient for a card of this network");
	if (rms && !ID_EQ(rms, &card.rms))
		return err_say(ERR_CONFLICT,
		    "the card is of the RMS at %s, "
		    "this home is of another one; use a home of that RMS",
		    card.url);
	*out = card;
	return ERR_OK;
}
