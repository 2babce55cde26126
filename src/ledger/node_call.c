/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger/ledger_internal.h"

#define CONNECT_MS 5000
#define TIMEOUT_MS 20000

static char *
join_text(const char *a, const char *b)
{
	CLEANUP_BUF struct buf t = { 0 };

	buf_str(&t, a);
	buf_str(&t, b);
	return t.err ? NULL : strdup(buf_text(&t));
}

static enum err
fill(struct ledger_node *n, const struct ledger_node_opts *o)
{
	size_t len;

	(void)pthread_mutex_init(&n->lock, NULL);
	n->dialect = o->dialect ? o->dialect : &ledger_enterprise;
	n->fee = n->dialect->fee;
	n->chain = o->chain;
	n->has_generator = o->has_generator;
	n->generator = o->generator;
	n->url = strdup(o->url);
	if (n->url == NULL)
		return ERR_NOMEM;
	for (len = strlen(n->url); len > 0 && n->url[len - 1] == '/'; len--)
		n->url[len - 1] = '\0';
	if (o->api_key) {
		n->key_line = join_text("X-API-Key: ", o->api_key);
		if (n->key_line == NULL)
			return ERR_NOMEM;
	}
	return http_client_new(
	    &(struct http_client_opts){ .ca_file = o->ca_file,
		.pinned_key = o->pinned_key,
		.connect_ms = CONNECT_MS,
		.timeout_ms = TIMEOUT_MS },
	    &n->http);
}

enum err
ledger_node_new(const struct ledger_node_opts *opts, struct ledger_node **out)
{
	CLEANUP(ledger_node_free) struct ledger_node *n = NULL;
	enum err e;

	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return ERR_NOMEM;
	e = fill(n, opts);
	if (e)
		return e;
	*out = TAKE(n);
	return ERR_OK;
}

void
ledger_node_free(struct ledger_node *n)
{
	if (n == NULL)
		return;
	http_client_free(n->http);
	if (n->key_line)
		explicit_bzero(n->key_line, strlen(n->key_line));
	free(n->key_line);
	free(n->url);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}

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
	return err_say(e,
	    "'%s' does not answer as a node does (%s); check the node's "
	    "address",
	    n->url, err_detail(e));
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

static enum err
exchange(
    struct ledger_node *n, const struct ledger_ask *ask, struct http_answer *a)
{
	const char *headers[4] = { "Accept: application/json" };
	CLEANUP_BUF struct buf url = { 0 };
	size_t i = 1;

	buf_str(&url, n->url);
	buf_str(&url, ask->path);
	if (url.err)
		return url.err;
	if (ask->body)
		headers[i++] = "Content-Type: application/json";
	if (n->key_line)
		headers[i++] = n->key_line;
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

enum err
ledger_node_call(struct ledger_node *n, const struct ledger_ask *ask,
    struct ledger_told *told, json_t **out)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	enum err e = exchange(n, ask, &a);

	*told = (struct ledger_told){ .status = e ? 0 : a.status };
	return e ? e : judge(n, ask, &a, told, out);
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
