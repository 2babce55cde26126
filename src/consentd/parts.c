/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "consentd/server_internal.h"

enum err
consentd_path_id(
    const struct http_request *req, size_t i, void *out, size_t len)
{
	if (i < req->nseg && text58_read(req->seg[i], out, len) == ERR_OK)
		return ERR_OK;
	return err_say(ERR_NOTFOUND, "%s", err_text(ERR_NOTFOUND));
}

enum err
consentd_body(const struct http_request *req, json_t **out)
{
	return js_parse(req->body, req->body_len, JS_DEPTH, out);
}

json_t *
consentd_base64(const void *p, size_t n)
{
	CLEANUP_BUF struct buf b = { 0 };

	text64(p, n, &b);
	return b.err ? NULL : json_stringn((const char *)b.p, b.len);
}

enum err
consentd_read_base64(struct js *r, const char *name, uint8_t *out, size_t n)
{
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = js_text(r, name, (n + 2) / 3 * 4);

	if (r->err)
		return r->err;
	if (text64_read(s, strlen(s), &b) != ERR_OK || b.len != n)
		return err_say(ERR_FORMAT,
		    "member '%s' is not base64 of %zu bytes", name, n);
	memcpy(out, b.p, n);
	return ERR_OK;
}

enum err
consentd_sealed_key(
    const struct secret *key, const struct pubkey *to, json_t **out)
{
	uint8_t box[SEAL_BOX_KEY];
	enum err e;

	if (secret_len(key) != SEAL_KEY)
		return ERR_CORRUPT;
	e = seal_box(to, secret_view(key), SEAL_KEY, box);
	if (e)
		return e;
	*out = consentd_base64(box, sizeof(box));
	return *out ? ERR_OK : ERR_NOMEM;
}

enum err
consentd_done(struct http_reply *reply)
{
	return http_reply_json(reply, 200, json_object());
}
