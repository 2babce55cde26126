/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

static void
message(const struct rms_receipt *r, struct buf *out)
{
	buf_put(out, r->tx.b, sizeof(r->tx.b));
	buf_put(out, r->entry.b, sizeof(r->entry.b));
	buf_put(out, r->inquiry.b, sizeof(r->inquiry.b));
	buf_put(out, r->set.b, sizeof(r->set.b));
	buf_put(out, r->institution.b, sizeof(r->institution.b));
	buf_u64(out, (uint64_t)r->time);
}

enum err
rms_receipt_sign(struct rms_receipt *r, const struct seal_identity *rms,
    const struct chain *chain)
{
	CLEANUP_BUF struct buf msg = { 0 };

	message(r, &msg);
	return seal_sign(rms, SEAL_RECEIPT, chain, &msg, &r->sig);
}

enum err
rms_receipt_check(const struct rms_receipt *r, const struct pubkey *rms,
    const struct chain *chain)
{
	CLEANUP_BUF struct buf msg = { 0 };

	message(r, &msg);
	return seal_verify(rms, SEAL_RECEIPT, chain, &msg, &r->sig);
}

json_t *
rms_receipt_json(const struct rms_receipt *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "transaction",
	    JS_58_NEW(&r->tx), "entry", JS_58_NEW(&r->entry), "inquiry",
	    JS_58_NEW(&r->inquiry), "set", JS_58_NEW(&r->set), "institution",
	    JS_58_NEW(&r->institution), "time", (json_int_t)r->time,
	    "signature", JS_58_NEW(&r->sig));
}

enum err
rms_receipt_read(const json_t *j, struct rms_receipt *out)
{
	struct js r;

	js_init(&r, j);
	JS_58(&r, "transaction", &out->tx);
	JS_58(&r, "entry", &out->entry);
	JS_58(&r, "inquiry", &out->inquiry);
	JS_58(&r, "set", &out->set);
	JS_58(&r, "institution", &out->institution);
	out->time = js_int(&r, "time", 0, INT64_MAX);
	JS_58(&r, "signature", &out->sig);
	return r.err;
}
