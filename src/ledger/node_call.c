/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define AWAY_MS 60000

/*
 * Strings may hold NUL: anybody can put such a transaction into a chain, and it
 * must not keep us from reading the block around it.
 */
static enum err
parse(const struct ledger_node *n, const struct buf *body, json_t **out)
{
	enum err e = js_parse_nul(body->p, body->len, LEDGER_DEPTH, out);

	return e == ERR_FORMAT ? ledger_node_strange(n, e) : e;
}

enum err
ledger_node_strange(const struct ledger_node *n, enum err e)
{
	const char *said = err_detail(e);

	if (said[0] == '\'' && strncmp(said + 1, n->url, strlen(n->url)) == 0)
		return e; /* by whoever knew more */
	return err_say(e,
	    "'%s' does not answer as a node does (%s); check the node's "
	    "address",
	    n->url, said);
}

/*
 * Errors have two shapes: {"error":number,"message"} and {"status":"error",
 * "details"}; a broken node says {"error":"text"}.
 */
static bool
read_told(const json_t *j, struct ledger_told *told)
{
	static const char *const texts[] = { "message", "details", "detail",
		"error" };
	const json_t *number = json_object_get(j, "error");
	const char *status = json_string_value(json_object_get(j, "status"));

	told->number = json_integer_value(number);
	told->message[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *s = json_string_value(json_object_get(j, texts[i]));

		if (s && told->message[0] == '\0')
			(void)snprintf(
			    told->message, sizeof(told->message), "%s", s);
	}
	return json_is_integer(number) || json_is_string(number) ||
	    (status && strcmp(status, "error") == 0);
}

/* Numbers first, then the status; texts differ between versions. */
static enum err
error_of(long status, const struct ledger_told *told)
{
	static const struct {
		int64_t number;
		enum err e;
	} numbers[] = { { 301, ERR_NOTFOUND }, { 304, ERR_NOTFOUND },
		{ 640, ERR_BUSY }, { 642, ERR_BUSY } };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].number == told->number)
			return numbers[i].e;
	if (status == 503 || status == 429)
		return ERR_BUSY;
	/* 200 with an error object: what was asked for is not there */
	if (status == 404 || (status == 200 && told->number == 0))
		return ERR_NOTFOUND;
	return ERR_NODE;
}

static enum err
judge(const struct ledger_node *n, const struct ledger_ask *ask,
    const struct http_answer *a, struct ledger_told *told, json_t **out)
{
	CLEANUP_JS json_t *j = NULL;
	enum err e = parse(n, &a->body, &j), why;

	if ((a->status == 200 && e) || e == ERR_NOMEM)
		return e;
	if (!read_told(j, told) && a->status == 200) {
		*out = TAKE(j);
		return ERR_OK;
	}
	why = error_of(a->status, told);
	if (told->message[0] == '\0')
		return err_say(why,
		    "'%s' answers %s with HTTP %ld and not as a node does; "
		    "check the node and its address",
		    n->url, ask->path, a->status);
	return err_say(why, "the node answers %s with HTTP %ld, error %lld: %s",
	    ask->path, a->status, (long long)told->number, told->message);
}

/* Copies: another thread may read the files again meanwhile. */
static enum err
auth_lines(struct ledger_node *n, struct buf *key, struct buf *token)
{
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&n->lock);
	if (n->auth[0])
		e = ledger_auth_line(n->auth[0], key);
	if (e == ERR_OK && n->auth[1])
		e = ledger_auth_line(n->auth[1], token);
	(void)pthread_mutex_unlock(&n->lock);
	return e;
}

static enum err
exchange(
    struct ledger_node *n, const struct ledger_ask *ask, struct http_answer *a)
{
	const char *headers[5] = { "Accept: application/json" };
	CLEANUP_BUF struct buf url = { 0 }, key = { 0 }, token = { 0 };
	size_t i = 1;
	enum err e = auth_lines(n, &key, &token);

	buf_str(&url, n->url);
	buf_str(&url, ask->path);
	if (e || url.err)
		return e ? e : url.err;
	if (ask->body)
		headers[i++] = "Content-Type: application/json";
	if (key.len)
		headers[i++] = buf_text(&key);
	if (token.len)
		headers[i++] = buf_text(&token);
	return http_do(n->http,
	    &(struct http_call){ .method = ask->body ? "POST" : "GET",
		.url = buf_text(&url),
		.headers = headers,
		.body = ask->body,
		.body_len = ask->body ? strlen(ask->body) : 0,
		.max_answer = ask->max ? ask->max : LEDGER_ANSWER,
		.timeout_ms = ask->timeout_ms,
		.cancel = ask->cancel },
	    a);
}

static enum err
call_one(struct ledger_node *n, const struct ledger_ask *ask,
    struct ledger_told *told, json_t **out)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	enum err e = exchange(n, ask, &a);

	__atomic_store_n(&n->away,
	    ledger_node_away(e) ? clock_boot_ms() + AWAY_MS : 0,
	    __ATOMIC_RELAXED);
	*told = (struct ledger_told){ .status = e ? 0 : a.status };
	return e ? e : judge(n, ask, &a, told, out);
}

bool
ledger_node_away(enum err e)
{
	return e == ERR_UNREACHABLE || e == ERR_TIMEOUT || e == ERR_BUSY;
}

size_t
ledger_node_current(const struct ledger_node *n)
{
	return __atomic_load_n(&n->current, __ATOMIC_RELAXED);
}

struct ledger_node *
ledger_node_turn(struct ledger_node *n, unsigned turn)
{
	size_t k = ledger_node_current(n) + turn;
	struct ledger_node *p;

	if (n->npeers == 0 || k % n->npeers == ledger_node_current(n))
		return n;
	p = n->peer[k % n->npeers];
	return ledger_node_met(p) &&
		clock_boot_ms() >= __atomic_load_n(&p->away, __ATOMIC_RELAXED) ?
	    p :
	    n;
}

void
ledger_node_use(struct ledger_node *n, const struct ledger_node *peer)
{
	for (size_t i = 0; i < n->npeers; i++)
		if (n->peer[i] == peer)
			__atomic_store_n(&n->current, i, __ATOMIC_RELAXED);
}

/*
 * The node that answered last, else the next one.  After a handshake none is
 * asked that was not met.
 */
static enum err
call_any(struct ledger_node *n, const struct ledger_ask *ask,
    struct ledger_told *told, json_t **out)
{
	size_t first = ledger_node_current(n);
	enum err e = ERR_UNREACHABLE;

	*told = (struct ledger_told){ 0 };
	for (size_t i = 0; i < n->npeers; i++) {
		size_t k = (first + i) % n->npeers;
		struct ledger_node *p = n->peer[k];

		e = ledger_node_met(n) && !ledger_node_met(p) ?
		    ledger_node_meet(p, ask->cancel) :
		    ERR_OK;
		if (e == ERR_OK)
			e = call_one(p, ask, told, out);
		if (ledger_node_away(e))
			continue;
		if (ledger_node_met(n) && !ledger_node_met(p))
			break; /* a wrong one: the others first next time */
		if (k != first)
			log_warn("ledger: node %s answers instead of %s",
			    p->url, n->peer[first]->url);
		__atomic_store_n(&n->current, k, __ATOMIC_RELAXED);
		break;
	}
	return e;
}

enum err
ledger_node_call(struct ledger_node *n, const struct ledger_ask *ask,
    struct ledger_told *told, json_t **out)
{
	return n->npeers ? call_any(n, ask, told, out) :
			   call_one(n, ask, told, out);
}

enum err
ledger_node_get(struct ledger_node *n, const char *path, size_t max,
    const volatile bool *cancel, json_t **out)
{
	struct ledger_told told;

	return ledger_node_call(n,
	    &(struct ledger_ask){ .path = path, .max = max, .cancel = cancel },
	    &told, out);
}
