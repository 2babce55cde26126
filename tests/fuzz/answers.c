/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "answers.h"

#include "http/http.h"

static struct {
	const uint8_t *p;
	size_t left;
} queue;

void
fuzz_answers(const uint8_t *p, size_t n)
{
	queue.p = p;
	queue.left = n;
}

bool
fuzz_is_call_error(enum err e)
{
	static const enum err all[] = { ERR_UNREACHABLE, ERR_TIMEOUT,
		ERR_TOOBIG, ERR_FORMAT, ERR_FORGED, ERR_NODE, ERR_NOTFOUND,
		ERR_BUSY, ERR_UNSUPPORTED, ERR_FORK };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i] == e)
			return true;
	return false;
}

static long
status_of(uint8_t c)
{
	static const struct {
		char c;
		long status;
	} map[] = { { '2', 200 }, { '4', 404 }, { '5', 500 }, { 'B', 503 },
		{ 'M', 429 }, { 'R', 302 }, { 'E', 413 }, { 'U', 401 } };

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].c == c)
			return map[i].status;
	return 400;
}

enum err __wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out);

enum err
__wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out)
{
	const uint8_t *p = queue.p, *end;
	size_t n;

	(void)c;
	MUST(call->url && call->method && call->max_answer > 0);
	if (queue.left == 0)
		return ERR_UNREACHABLE;
	end = memchr(p, 0xff, queue.left);
	n = end ? (size_t)(end - p) : queue.left;
	queue.left -= end ? n + 1 : n;
	queue.p += end ? n + 1 : n;
	if (n == 0 || p[0] == 'T')
		return ERR_TIMEOUT;
	if (n - 1 > call->max_answer)
		return ERR_TOOBIG;
	out->status = status_of(p[0]);
	buf_put(&out->body, p + 1, n - 1);
	return out->body.err;
}
