/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consent/consent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/passphrase.h"
#include "base/text.h"

static const struct opt_values none;

const struct opt_values *
consent_opts(const struct consent *c, const char *name)
{
	for (size_t i = 0; i < c->nopts; i++)
		if (strcmp(c->opts[i].name, name) == 0)
			return &c->values[i];
	return &none;
}

const char *
consent_opt(const struct consent *c, const char *name)
{
	const struct opt_values *v = consent_opts(c, name);

	return v->n > 0 ? v->v[0] : NULL;
}

const char *
consent_operand(const struct consent *c, size_t i, const char *what)
{
	if (i < c->operands.n)
		return c->operands.v[i];
	(void)err_say(ERR_INVAL, "%s is missing; see --help", what);
	return NULL;
}

enum err
consent_passphrase(void *ctx, const char *path, struct secret **out)
{
	static struct passphrase asked; /* a home's keys share one */
	enum err e = passphrase_from(&asked, consent_opt(ctx, "passphrase-fd"));

	return e == ERR_OK ? passphrase_ask(&asked, path, out) : e;
}

enum err
consent_home(struct consent *c)
{
	const struct home_opts o = { .dir = c->home_dir,
		.program = "cli",
		.ask = consent_passphrase,
		.ask_ctx = c };

	struct jail j = { 0 };
	enum err e;

	if (c->home)
		return ERR_OK;
	(void)consent_login(c);
	e = home_open(&o, &c->home);
	return e == ERR_OK ? consent_enter_home(c, c->home, &j) : e;
}

enum err
consent_sync(struct consent *c)
{
	enum err e = consent_home(c);

	return e == ERR_OK ? home_sync(c->home) : e;
}

static bool output_lost;

void
consent_out(json_t *j)
{
	CLEANUP_BUF struct buf b = { 0 };

	js_print(j, &b);
	if (j == NULL || b.err)
		output_lost = true;
	else
		printf("%s\n", buf_text(&b));
	json_decref(j);
}

enum err
consent_out_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_say(ERR_IO, "cannot write the output");
	if (output_lost || js_was_short())
		return err_say(
		    ERR_NOMEM, "out of memory: the output is not whole");
	return ERR_OK;
}

enum err
consent_card(struct consent *c, struct rms_card *out)
{
	const char *patient = consent_opt(c, "patient");
	enum err e;

	if (patient)
		return home_card_find(c->home, patient, out);
	e = home_card_of(c->home, home_key(c->home), out, NULL);
	if (e == ERR_NOTFOUND)
		return err_say(e,
		    home_institution(c->home) ?
			"name the patient: --patient ALIAS or card" :
			"not registered yet; run 'consent register'");
	return e;
}

enum err
consent_send(struct consent *c, const struct event *e, const struct home_to *to,
    struct event_id *out_id)
{
	CLEANUP(ledger_draft_abort) struct ledger_draft *d = NULL;
	struct tx_id tx;
	enum err err = ledger_draft_begin(home_outbox(c->home), &d);

	if (err == ERR_OK)
		err = home_event(c->home, d, e, to, NULL, NULL, out_id);
	if (err == ERR_OK)
		err = home_commit(c->home, TAKE(d), &tx);
	return err == ERR_OK ?
	    home_wait_final(c->home, &tx, home_conf(c->home)->final_wait) :
	    err;
}

void
consent_set_title(
    struct consent *c, const struct event_id *id, char out[static 256])
{
	CLEANUP_EVENT struct registry_event ev = { 0 };

	if (registry_get(home_registry(c->home), id, &ev) == ERR_OK &&
	    ev.e->type == EVENT_DOCUMENT_SET)
		(void)snprintf(out, 256, "%s", ev.e->u.set.title);
	else
		(void)snprintf(out, 256, "%s", TEXT58(id));
}
