/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/server_internal.h"

enum err
consentd_get_health(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct server *s = ctx;
	struct ledger_head head;
	bool fresh;

	(void)req;
	if (!atomic_load(&s->ready))
		return err_say(ERR_BUSY, "the service is starting");
	ledger_follow_head(s->follower, &head);
	fresh = head.age_ms <= s->conf.stale_open;
	return http_reply_json(reply, 200,
	    json_pack("{s:s, s:I, s:I, s:I}", "status", fresh ? "ok" : "stale",
		"height", (json_int_t)head.height, "ledgerAgeMs",
		(json_int_t)head.age_ms, "uploadedBytes",
		(json_int_t)atomic_load(&s->uploaded)));
}

enum err
consentd_get_info(
    void *ctx, const struct http_request *req, struct http_reply *reply)
{
	struct server *s = ctx;

	(void)req;
	if (!atomic_load(&s->ready))
		return err_say(ERR_BUSY, "the service is starting");
	return http_reply_json(reply, 200,
	    json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:I, s:I}", "service",
		"consentd", "version", PACKAGE_VERSION, "chain",
		JS_58_NEW(&s->roots.chain), "key",
		JS_58_NEW(seal_identity_key(s->rms)), "url", s->url, "lease",
		(json_int_t)(s->conf.lease / 1000), "packMax",
		(json_int_t)RMS_PACK_MAX, "time", (json_int_t)clock_wall_ms()));
}
