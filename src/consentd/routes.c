/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/server_internal.h"

#define SMALL       4096
#define KIB(n)      ((size_t)1024 * (n))
#define TX_BODY     KIB(512)
#define LEAVES_BODY (8 + BLOBS_MAX_LENGTH / SEAL_SPAN * 32)

/* method, pattern, largest body, who may call, endpoint */
#define SIGNED_ROUTES(X)                                                       \
	X("POST", "/v1/patients", SMALL, WHO_ANY, consentd_post_patient)       \
	X("PUT", "/v1/patients/{}/card", SMALL, WHO_ANY, consentd_put_card)    \
	X("GET", "/v1/patients/{}/card", 0, WHO_ANY, consentd_get_card)        \
	X("GET", "/v1/patients/{}/sets", 0, WHO_ANY, consentd_get_sets)        \
	X("POST", "/v1/events", TX_BODY, WHO_ANY, consentd_post_event)         \
	X("GET", "/v1/events", 0, WHO_ANY, consentd_get_events)                \
	X("POST", "/v1/release", 2 * TX_BODY, WHO_HOST, consentd_post_release) \
	X("PUT", "/v1/sets/{}/key", SMALL, WHO_HOST, consentd_put_record)      \
	X("GET", "/v1/sets/{}/key", 0, WHO_ANY, consentd_get_record)           \
	X("POST", "/v1/blobs/missing", KIB(1024), WHO_HOST,                    \
	    consentd_post_missing)                                             \
	X("POST", "/v1/blobs", RMS_PACK_MAX, WHO_HOST, consentd_post_blobs)    \
	X("PUT", "/v1/blobs/{}/leaves", LEAVES_BODY, WHO_HOST,                 \
	    consentd_put_leaves)                                               \
	X("GET", "/v1/blobs/{}/leaves", 0, WHO_ANY, consentd_get_leaves)       \
	X("GET", "/v1/blobs/{}/spans", 0, WHO_HOST, consentd_get_spans)        \
	X("PUT", "/v1/blobs/{}/spans/{}", SEAL_SPAN, WHO_HOST,                 \
	    consentd_put_span)                                                 \
	X("GET", "/v1/blobs/{}/spans/{}", 0, WHO_ANY, consentd_get_span)

/* The listener's handlers know no more than their context. */
#define HANDLER(method, pattern, max, who, fn)                                 \
	static enum err fn##_signed(                                           \
	    void *s, const struct http_request *req, struct http_reply *reply) \
	{                                                                      \
		return consentd_signed(s, who, fn, req, reply);                \
	}
SIGNED_ROUTES(HANDLER)

#define ROUTE(method, pattern, max, who, fn)                                   \
	{ method, pattern, max, fn##_signed },
const struct http_route consentd_routes[] = { { "GET", "/healthz", 0,
						  consentd_get_health },
	{ "GET", "/v1/info", 0, consentd_get_info }, SIGNED_ROUTES(ROUTE) };

const size_t consentd_nroutes = ARRAY_LEN(consentd_routes);
