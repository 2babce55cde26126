/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keygen, id, register, card, alias */
#include "consent/consent.h"

#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

const struct opt consent_keygen_opts[] = {
	{ "roots", "FILE", "trust roots: client.conf from the operator",
	    false },
	{ "institution", "NAME", "make an institution's first host", false },
	{ "join", "DIR", "make another host of the institution of home DIR",
	    false },
	{ "host", "NAME", "name of this machine (default: its own)", false },
	{ "seed-file", "FILE", "import a Waves wallet's seed phrase", false },
	{ "unprotected", NULL, "keep the keys without a passphrase", false },
	CONSENT_COMMON,
};
const struct opt consent_id_opts[] = { CONSENT_COMMON };
const struct opt consent_register_opts[] = {
	{ "name", "ALIAS", "alias of the own card (default: me)", false },
	CONSENT_COMMON,
};
const struct opt consent_show_card_opts[] = {
	{ "qr", NULL, "show it as a QR code too", false },
	{ "patient", "ALIAS", "another patient's card", false },
	CONSENT_COMMON,
};
const struct opt consent_alias_opts[] = { CONSENT_COMMON };

static enum err
read_seed(const char *path, struct buf *out)
{
	enum err e = file_read(path, 4096, out);

	while (e == ERR_OK && out->len > 0 && out->p[out->len - 1] == '\n')
		out->len--;
	if (e == ERR_OK && !text_is_utf8((const char *)out->p, out->len))
		e = err_say(ERR_FORMAT, "'%s' is not UTF-8", path);
	return e;
}

enum err
consent_keygen(struct consent *c)
{
	char machine[256] = "host";
	CLEANUP_BUF struct buf seed = { 0 };
	CLEANUP(secret_free) struct secret *passphrase = NULL;
	struct home_create_opts o = {
		.dir = c->home_dir,
		.roots = consent_opt(c, "roots"),
		.institution_name = consent_opt(c, "institution"),
		.join = consent_opt(c, "join"),
		.host_name = consent_opt(c, "host"),
	};
	enum err e = ERR_OK;

	if (o.roots == NULL)
		return err_say(ERR_INVAL,
		    "--roots is missing: the operator's client.conf");
	(void)gethostname(machine, sizeof(machine) - 1);
	if (o.host_name == NULL)
		o.host_name = machine;
	if (consent_opt(c, "seed-file")) {
		e = read_seed(consent_opt(c, "seed-file"), &seed);
		o.seed = buf_text(&seed);
	}
	if (e == ERR_OK && !consent_opt(c, "unprotected"))
		e = consent_passphrase(c, o.dir, &passphrase);
	o.passphrase = passphrase;
	if (e == ERR_OK)
		e = home_create(&o);
	return e == ERR_OK ? consent_id(c) : e;
}

enum err
consent_id(struct consent *c)
{
	uint8_t address[26];
	struct text58 a;
	enum err e = consent_home(c);
	const struct institution_id *inst;

	if (e != ERR_OK)
		return e;
	inst = home_institution(c->home);
	seal_address(home_key(c->home), home_chain(c->home)->b[0], address);
	text58(address, sizeof(address), &a);
	if (c->json) {
		json_t *j = json_pack("{s:o,s:s}", "key",
		    JS_58_NEW(home_key(c->home)), "address", a.s);

		if (inst)
			json_object_set_new(j, "institution", JS_58_NEW(inst));
		consent_out(j);
		return ERR_OK;
	}
	printf("key:         %s\naddress:     %s\n", TEXT58(home_key(c->home)),
	    a.s);
	if (inst)
		printf("institution: %s\nrequest:     %s/accreditation.json\n",
		    TEXT58(inst), c->home_dir);
	return ERR_OK;
}

/* The card as text and, if wanted, as a QR code of half blocks. */
static enum err
show_qr(const char *text)
{
	QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (qr == NULL)
		return err_say(ERR_NOMEM, "cannot make a QR code");
	for (int y = -2; y < qr->width + 2; y += 2) {
		for (int x = -2; x < qr->width + 2; x++) {
			bool up = false, low = false;

			if (x >= 0 && x < qr->width) {
				if (y >= 0 && y < qr->width)
					up = qr->data[y * qr->width + x] & 1;
				if (y + 1 >= 0 && y + 1 < qr->width)
					low =
					    qr->data[(y + 1) * qr->width + x] &
					    1;
			}
			(void)fputs(up ? low ? " " : "▄" :
				low    ? "▀" :
					 "█",
			    stdout);
		}
		(void)putchar('\n');
	}
	QRcode_free(qr);
	return ERR_OK;
}

static enum err
print_card(struct consent *c, const struct rms_card *card)
{
	CLEANUP_BUF struct buf text = { 0 };
	char words[128];
	enum err e = rms_card_text(card, &text);

	if (e != ERR_OK)
		return e;
	rms_card_words(card, words);
	if (c->json) {
		consent_out(json_pack("{s:s,s:s,s:o}", "card", buf_text(&text),
		    "words", words, "patient", JS_58_NEW(&card->patient)));
		return ERR_OK;
	}
	printf("%s\n", buf_text(&text));
	(void)fprintf(stderr, "check words: %s\n", words);
	return consent_opt(c, "qr") ? show_qr(buf_text(&text)) : ERR_OK;
}

enum err
consent_register(struct consent *c)
{
	const char *name = consent_opt(c, "name");
	struct rms_card card;
	enum err e = consent_home(c);

	if (e == ERR_OK && home_institution(c->home))
		return err_say(ERR_INVAL,
		    "an institution is accredited by the operator; only "
		    "patients register");
	if (e == ERR_OK)
		e = rms_register(home_rms(c->home), &card);
	if (e == ERR_OK)
		e = home_card_save(c->home, name ? name : "me", &card);
	return e == ERR_OK ? print_card(c, &card) : e;
}

enum err
consent_show_card(struct consent *c)
{
	struct rms_card card;
	enum err e = consent_home(c);

	if (e == ERR_OK)
		e = consent_card(c, &card);
	return e == ERR_OK ? print_card(c, &card) : e;
}

enum err
consent_alias(struct consent *c)
{
	const char *what = consent_operand(c, 0, "the card");
	const char *name = what ? consent_operand(c, 1, "the alias") : NULL;
	struct rms_card card;
	char words[128];
	enum err e;

	if (name == NULL)
		return ERR_INVAL;
	e = consent_home(c);
	if (e == ERR_OK)
		e = home_card_find(c->home, what, &card);
	if (e == ERR_OK)
		e = home_card_save(c->home, name, &card);
	if (e != ERR_OK)
		return e;
	rms_card_words(&card, words);
	(void)fprintf(stderr,
	    "check words, to be compared with the patient's: %s\n", words);
	return ERR_OK;
}
