/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/js.h"
#include "base/text.h"
#include "consentd/accredit.h"
#include "seal/seal.h"

void
consentd_acc_free(struct accreditation *a)
{
	json_decref(a->kept);
	a->kept = NULL;
}

/* Keep a copy of ${text} for as long as ${a}. */
static enum err
keep(struct accreditation *a, const char *text, const char **out)
{
	json_t *s = json_string(text);

	if (a->kept == NULL)
		a->kept = json_array();
	if (a->kept == NULL || s == NULL ||
	    json_array_append_new(a->kept, s) != 0)
		return err_say(ERR_FORMAT, "a name is no UTF-8 text");
	*out = json_string_value(s);
	return ERR_OK;
}

static enum err
keep_texts(struct accreditation *a)
{
	struct event_accredit *to = &a->e.u.accredit;
	enum err e = keep(a, to->name, &to->name);

	for (size_t i = 0; e == ERR_OK && i < to->nhosts; i++)
		e = keep(a, to->hosts[i].name, &to->hosts[i].name);
	for (size_t i = 0; e == ERR_OK && i < to->groups.n; i++)
		e = keep(a, to->groups.v[i], &to->groups.v[i]);
	return e;
}

enum err
consentd_acc_take(struct accreditation *a, const struct event_accredit *newest)
{
	a->e.type = EVENT_ACCREDIT;
	a->e.u.accredit = *newest;
	a->has_institution = true;
	return keep_texts(a);
}

static enum err
full(const char *what)
{
	return err_say(ERR_TOOBIG, "an institution has at most %d %s",
	    EVENT_MAX_KEYS, what);
}

static enum err
add_reading_key(
    struct event_accredit *to, const struct pubkey *key, int64_t now)
{
	for (size_t i = 0; i < to->nreading; i++)
		if (ID_EQ(&to->reading[i].key, key))
			return ERR_OK;
	if (to->nreading == EVENT_MAX_KEYS)
		return full("reading keys");
	to->reading[to->nreading++] = (struct event_reading_key){ *key, now,
		0 };
	return ERR_OK;
}

static enum err
add_host(struct event_accredit *to, const struct event_host *host)
{
	for (size_t i = 0; i < to->nhosts; i++)
		if (ID_EQ(&to->hosts[i].key, &host->key)) {
			if (to->hosts[i].until)
				to->hosts[i] = *host; /* back again */
			return ERR_OK;
		}
	if (to->nhosts == EVENT_MAX_KEYS)
		return full("hosts");
	to->hosts[to->nhosts++] = *host;
	return ERR_OK;
}

struct request {
	struct institution_id institution;
	const char *name, *host_name;
	struct pubkey reading, host;
};

static enum err
read_request(const json_t *j, struct request *out)
{
	struct js r;

	js_init(&r, j);
	if (strcmp(js_text(&r, "consentfs", 32), "accreditation") != 0)
		return err_say(ERR_FORMAT,
		    "not a request for accreditation; make one by 'consent "
		    "keygen --institution'");
	if (js_int(&r, "version", 0, INT64_MAX) != 1 && r.err == ERR_OK)
		return err_say(ERR_UNSUPPORTED,
		    "a request of another version; use a newer consentd");
	JS_58(&r, "institution", &out->institution);
	out->name = js_text(&r, "name", 255);
	JS_58(&r, "readingKey", &out->reading);
	JS_58(&r, "host", &out->host);
	out->host_name = js_text(&r, "hostName", 255);
	if (r.err)
		return r.err;
	if (seal_key_check(&out->reading) || seal_key_check(&out->host))
		return err_say(ERR_FORMAT, "the request holds a bad key");
	return ERR_OK;
}

static enum err
merge(struct accreditation *a, const struct request *q, int64_t now)
{
	struct event_accredit *to = &a->e.u.accredit;
	struct event_host host = { .key = q->host, .from = now };
	enum err e = ERR_OK;

	if (!a->has_institution) {
		a->e.type = EVENT_ACCREDIT;
		a->has_institution = true;
		to->institution = q->institution;
		to->from = now;
		e = keep(a, q->name, &to->name);
	}
	if (e == ERR_OK && !ID_EQ(&to->institution, &q->institution))
		return err_say(ERR_CONFLICT,
		    "the requests are of different institutions; accredit "
		    "one after the other");
	if (e == ERR_OK)
		e = keep(a, q->host_name, &host.name);
	if (e == ERR_OK)
		e = add_reading_key(to, &q->reading, now);
	return e ? e : add_host(to, &host);
}

enum err
consentd_acc_request(
    struct accreditation *a, const void *json, size_t len, int64_t now)
{
	CLEANUP_JS json_t *j = NULL;
	struct request q;
	enum err e = js_parse(json, len, JS_DEPTH, &j);

	if (e == ERR_OK)
		e = read_request(j, &q);
	return e ? e : merge(a, &q, now);
}

enum err
consentd_acc_name(struct accreditation *a, const char *name)
{
	return keep(a, name, &a->e.u.accredit.name);
}

enum err
consentd_acc_group(struct accreditation *a, const char *name)
{
	struct event_texts *to = &a->e.u.accredit.groups;
	enum err e;

	for (size_t i = 0; i < to->n; i++)
		if (strcmp(to->v[i], name) == 0)
			return ERR_OK;
	if (to->n == EVENT_MAX_LIST)
		return full("groups");
	e = keep(a, name, &to->v[to->n]);
	if (e == ERR_OK)
		to->n++;
	return e;
}

enum err
consentd_acc_end_host(
    struct accreditation *a, const struct pubkey *key, int64_t now)
{
	struct event_accredit *to = &a->e.u.accredit;

	for (size_t i = 0; i < to->nhosts; i++)
		if (ID_EQ(&to->hosts[i].key, key)) {
			to->hosts[i].until = now;
			return ERR_OK;
		}
	return err_say(ERR_NOTFOUND, "no institution has this host");
}
