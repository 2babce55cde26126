/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#include <stdio.h>

#define VERSION 1

void
rms_card_content(const struct rms_card *card, struct buf *out)
{
	size_t n = strnlen(card->url, RMS_URL_MAX);

	buf_u8(out, VERSION);
	buf_put(out, card->patient.b, sizeof(card->patient.b));
	buf_put(out, card->chain.b, sizeof(card->chain.b));
	buf_put(out, card->rms.b, sizeof(card->rms.b));
	buf_put(out, card->patient_rms.b, sizeof(card->patient_rms.b));
	buf_u8(out, (uint8_t)n);
	buf_put(out, card->url, n);
}

/* The patient signs the RMS's signature too. */
static void
patient_message(const struct rms_card *card, struct buf *out)
{
	rms_card_content(card, out);
	buf_put(out, card->by_rms.b, sizeof(card->by_rms.b));
}

enum err
rms_card_sign(const struct rms_card *card, const struct seal_identity *id,
    struct sig *out)
{
	CLEANUP_BUF struct buf msg = { 0 };
	const struct pubkey *key = seal_identity_key(id);

	if (ID_EQ(key, &card->rms))
		rms_card_content(card, &msg);
	else if (ID_EQ(key, &card->patient))
		patient_message(card, &msg);
	else
		return err_say(ERR_INVAL,
		    "a card is signed by its RMS and by its patient only");
	return seal_sign(id, SEAL_CARD, &card->chain, &msg, out);
}

static enum err
check_keys(const struct rms_card *card)
{
	enum err e;

	if ((e = seal_key_check(&card->patient)) ||
	    (e = seal_key_check(&card->rms)) ||
	    (e = seal_key_check(&card->patient_rms)))
		return e;
	if (ID_EQ(&card->patient, &card->rms) ||
	    ID_EQ(&card->patient, &card->patient_rms) ||
	    ID_EQ(&card->rms, &card->patient_rms))
		return ERR_FORGED;
	return ERR_OK;
}

enum err
rms_card_check_rms(const struct rms_card *card)
{
	CLEANUP_BUF struct buf msg = { 0 };
	enum err e;

	if (!rms_url_is_formal(card->url))
		return err_say(ERR_FORMAT,
		    "the card's RMS address is not of the form https://host");
	if ((e = check_keys(card)))
		return e;
	rms_card_content(card, &msg);
	return seal_verify(
	    &card->rms, SEAL_CARD, &card->chain, &msg, &card->by_rms);
}

enum err
rms_card_check(const struct rms_card *card)
{
	CLEANUP_BUF struct buf msg = { 0 };
	enum err e;

	if ((e = rms_card_check_rms(card)))
		return e;
	patient_message(card, &msg);
	return seal_verify(
	    &card->patient, SEAL_CARD, &card->chain, &msg, &card->by_patient);
}

void
rms_card_words(const struct rms_card *card, char out[static 128])
{
	CLEANUP_BUF struct buf msg = { 0 };
	struct seal_part part;
	uint8_t hash[32];
	size_t at = 0;

	out[0] = '\0';
	rms_card_content(card, &msg);
	if (msg.err)
		return; /* no words are no match */
	part = (struct seal_part){ msg.p, msg.len };
	seal_hash(NULL, &part, 1, hash);
	for (size_t i = 0; i < RMS_WORDS; i++)
		at += (size_t)snprintf(out + at, 128 - at, "%s%s",
		    i > 0 ? " " : "", rms_words[hash[i]]);
}
