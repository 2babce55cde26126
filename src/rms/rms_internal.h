/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of rms share. */
#ifndef RMS_RMS_INTERNAL_H
#define RMS_RMS_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "rms/rms.h"

/* ---- cards ---- */

#define RMS_CARD_CHECK 4 /* bytes of H() behind a card's binary form */

/* Append what the RMS signs: everything but the signatures. */
void rms_card_content(const struct rms_card *card, struct buf *out);

/* Check keys, URL and the RMS's signature.  Errors: FORMAT, FORGED. */
enum err rms_card_check_rms(const struct rms_card *card) must_check;

/* As rms_card_check_rms(), and the patient's signature. */
enum err rms_card_check(const struct rms_card *card) must_check;

extern const char *const rms_words[256];

/* ---- URLs ---- */

/*
 * "http://host[:port]" or "https://host[:port]", perhaps with one '/' behind
 * it; in clear only to a loopback address.
 */
struct rms_url {
	char base[RMS_URL_MAX + 1]; /* without the '/' */
	const char *host;           /* in base: with the port as written */
};

enum err rms_url_read(const char *url, struct rms_url *out) must_check;

/* Say whether ${url} has the form of an RMS's (clear text or not). */
bool rms_url_is_formal(const char *url);

/* ---- the client ---- */

#define RMS_MAX_ERROR   65536        /* bytes of an error answer */
#define RMS_MAX_ROWS    10000        /* of the feed */
#define RMS_MAX_SETS    100000       /* of a patient */
#define RMS_MAX_MISSING 10000        /* ids that are asked at once */
#define RMS_MAX_BLOB    (1ULL << 40) /* bytes */

struct rms_client {
	struct rms_url url;
	struct http_client *http;
	struct chain chain;
	struct pubkey rms;
	const struct seal_identity *id;
	int64_t timeout_ms;
	volatile bool cancel;
	_Atomic int64_t floor; /* no request may be older: the RMS said so */
};

/* One call; what is not named is absent. */
struct rms_call {
	const char *method;
	const char *path, *query; /* query without '?', NULL: none */
	const void *body;
	size_t body_len;
	bool binary;       /* the body is no JSON */
	size_t max_answer; /* bytes */
	int64_t wait_ms;   /* that the RMS may take on top */
	bool stream;       /* much comes; slowly, but not for ever */
};

/* Do a signed call; ${out} receives the body of a good answer. */
enum err rms_call(struct rms_client *c, const struct rms_call *call,
    struct buf *out) must_check;

/* Say that the RMS's answer, which is malformed (${e}), is no RMS's. */
enum err rms_strange(const struct rms_client *c, enum err e);

/* As rms_call() with ${body} (may be NULL) as JSON and a JSON answer. */
enum err rms_call_json(struct rms_client *c, struct rms_call *call,
    const json_t *body, json_t **out) must_check;

/* Read a base64 member of exactly ${n} bytes; as js_58(). */
void rms_read_64(struct js *r, const char *name, uint8_t *out, size_t n);

#endif
