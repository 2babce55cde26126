/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/server_internal.h"

#define TELL_MS 10000

/* A request that may be signed again for a later time. */
static enum err
not_before(struct http_reply *reply, int64_t floor)
{
	return http_reply_json(reply, (unsigned)err_http(ERR_UNAUTH),
	    json_pack("{s:i, s:s, s:s, s:I}", "code", (int)ERR_UNAUTH, "name",
		err_name(ERR_UNAUTH), "detail", err_detail(ERR_UNAUTH),
		"notBefore", (json_int_t)floor));
}

static void
identify(struct server *s, const struct pubkey *key, struct caller *out)
{
	*out = (struct caller){ .key = *key };
	out->is_host = registry_host(s->registry, key, 0, &out->institution) ==
	    ERR_OK;
}

static bool
is_known(struct server *s, const struct caller *c)
{
	struct pubkey ignored;

	return c->is_host ||
	    consentd_keys_public(s->keys, &c->key, &ignored) == ERR_OK;
}

/* A request that was signed for another RMS of the chain is not for us. */
static bool
is_our_host(const struct server *s, const char *host)
{
	const char *at = strstr(s->roots.rms_url, "://");
	size_t n;

	at = at ? at + 3 : s->roots.rms_url;
	n = strcspn(at, "/");
	return strlen(host) == n && strncasecmp(at, host, n) == 0;
}

/* Told at once, but at most so often: anybody can send such requests. */
static void
tell_refused(struct server *s, enum err e)
{
	unsigned n = atomic_fetch_add(&s->refused, 1) + 1;
	int64_t now = clock_boot_ms(), due = atomic_load(&s->refused_told);

	if (now < due ||
	    !atomic_compare_exchange_strong(
		&s->refused_told, &due, now + TELL_MS))
		return;
	atomic_store(&s->refused, 0);
	log_warn("requests that do not authenticate: %u, the last: %s", n,
	    err_detail(e));
}

/* OK without ${floor}: go on. */
static enum err
check(struct server *s, const struct rms_request *r, const struct caller *c,
    int64_t *floor)
{
	struct consentd_stamp stamp = {
		.key = r->key, .time = r->time, .known = is_known(s, c)
	};

	if (!is_our_host(s, r->host))
		return err_say(ERR_UNAUTH, "the request is for another host");
	if (rms_request_check(r, &s->roots.chain) != ERR_OK)
		return err_say(ERR_UNAUTH, "the signature does not hold");
	memcpy(stamp.nonce, r->nonce, sizeof(stamp.nonce));
	return consentd_replay_take(s->replay, &stamp, clock_wall_ms(), floor);
}

enum err
consentd_signed(struct server *s, enum who who, consentd_endpoint fn,
    const struct http_request *req, struct http_reply *reply)
{
	struct rms_request r;
	struct caller c;
	int64_t floor = 0;
	enum err e;

	if (!atomic_load(&s->ready))
		return err_say(ERR_BUSY, "the service is starting");
	e = rms_request_read(req, &r);
	if (e == ERR_OK)
		identify(s, &r.key, &c);
	/* a parked request was checked when it came */
	if (e == ERR_OK && !req->parked)
		e = check(s, &r, &c, &floor);
	if (floor)
		return not_before(reply, floor);
	if (e == ERR_UNAUTH)
		tell_refused(s, e);
	if (e)
		return e;
	if (who == WHO_HOST && !c.is_host)
		return ERR_UNKNOWNKEY;
	return fn(s, &c, req, reply);
}
