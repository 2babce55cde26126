/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of http_test share: a listener and a client to try it. */
#ifndef HTTP_TEST_H
#define HTTP_TEST_H

#include <check.h>
#include <stdatomic.h>

#include "http/http.h"

struct site {
	struct http_listener *l;
	struct http_client *c;
	atomic_uint news;  /* what parked handlers wait for */
	atomic_uint calls; /* of parked handlers */
};

extern struct site site;

void site_up(void);
void site_down(void);

/* Call METHOD of the listener's path; asserts that the call itself works. */
long ask(const char *method, const char *path, const void *body, size_t len,
    struct buf *out);
const char *site_url(const char *path, char *out, size_t cap);

/* Send raw bytes and read what comes until the end or a whole answer. */
void raw(const char *bytes, size_t len, char *out, size_t cap);

TCase *park_tests(void);
TCase *client_tests(void);
TCase *slow_tests(void);

#endif
