/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#include <inttypes.h>

/* One line of the message; a line break in it would shift the others. */
static bool
line(struct buf *out, const char *s)
{
	buf_str(out, s);
	buf_str(out, "\n");
	return strchr(s, '\n') == NULL;
}

static enum err
message(const struct rms_request *r, struct buf *out)
{
	struct seal_part part = { r->body, r->body_len };
	uint8_t hash[32];
	struct text58 t;
	bool ok = line(out, r->method) && line(out, r->host) &&
	    line(out, r->path) && line(out, r->query);

	if (!ok)
		return ERR_FORGED;
	seal_hash(NULL, &part, 1, hash);
	(void)line(out, text58(hash, sizeof(hash), &t));
	buf_fmt(out, "%" PRId64 "\n", r->time);
	buf_str(out, text58(r->nonce, sizeof(r->nonce), &t));
	return out->err;
}

enum err
rms_request_sign(struct rms_request *r, const struct seal_identity *id,
    const struct chain *chain)
{
	CLEANUP_BUF struct buf msg = { 0 };
	enum err e = message(r, &msg);

	if (e)
		return e;
	r->key = *seal_identity_key(id);
	return seal_sign(id, SEAL_REQUEST, chain, &msg, &r->sig);
}

enum err
rms_request_check(const struct rms_request *r, const struct chain *chain)
{
	CLEANUP_BUF struct buf msg = { 0 };
	enum err e = message(r, &msg);

	if (e)
		return e;
	return seal_verify(&r->key, SEAL_REQUEST, chain, &msg, &r->sig);
}

static bool
read_58(const struct http_request *http, const char *name, void *out, size_t n)
{
	const char *s = http_header(http, name);

	return s && text58_read(s, out, n) == ERR_OK;
}

/* Decimal without sign or leading zero: one spelling of each time. */
static bool
read_time(const struct http_request *http, int64_t *out)
{
	const char *s = http_header(http, RMS_H_TIME);
	size_t n = s ? strspn(s, "0123456789") : 0;

	if (n == 0 || n > 18 || s[n] != '\0' || (s[0] == '0' && n > 1))
		return false;
	*out = strtoll(s, NULL, 10);
	return true;
}

enum err
rms_request_read(const struct http_request *http, struct rms_request *out)
{
	const char *host = http_header(http, "Host");
	struct rms_request r = { .method = http->method,
		.host = host,
		.path = http->path,
		.query = http->query,
		.body = http->body,
		.body_len = http->body_len };

	if (host == NULL || !read_time(http, &r.time) ||
	    !read_58(http, RMS_H_KEY, r.key.b, sizeof(r.key.b)) ||
	    !read_58(http, RMS_H_NONCE, r.nonce, sizeof(r.nonce)) ||
	    !read_58(http, RMS_H_SIG, r.sig.b, sizeof(r.sig.b)))
		return err_say(ERR_UNAUTH, "the request is not signed");
	*out = r;
	return ERR_OK;
}
