/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests to the embedded node behind HTTP, with a chain of its own.  First
 * byte the route, more than 127: as of public Waves; then a line with the parts
 * of the path, one with the query; the rest is the body.  "$" and a letter
 * stand for what only this chain has, see names.  Signatures of zeros are good
 * and the time stands still (--wrap); nothing is committed, so that each input
 * finds the same chain.
 */
#include <jansson.h>

#include "base/clock.h"
#include "fuzz.h"
#include "node/node_internal.h"

#define NOW 1700000000000

static struct {
	const struct http_route *v;
	size_t n;
	struct node *node; /* NULL: the chain is being made */
} routes;
static char *query;
static struct {
	char letter;
	struct text58 is;
} names[] = { { 'a', { "" } }, { 't', { "" } }, { 'u', { "" } },
	{ 'b', { "" } } };

enum err __wrap_http_listen(const struct http_listen_opts *opts,
    const struct http_route *v, size_t n, void *ctx,
    struct http_listener **out);
uint16_t __wrap_http_port(const struct http_listener *l);
const char *__wrap_http_query(const struct http_request *r, const char *name);
const char *__wrap_http_query_nth(
    const struct http_request *r, const char *name, size_t i);
const char *__wrap_http_header(const struct http_request *r, const char *name);
enum err __real_db_commit(struct db_txn *t);
enum err __wrap_db_commit(struct db_txn *t);
void __wrap_node_miner_kick(struct node *n);
int64_t __wrap_clock_wall_ms(void);

enum err
__wrap_http_listen(const struct http_listen_opts *opts,
    const struct http_route *v, size_t n, void *ctx, struct http_listener **out)
{
	(void)opts, (void)ctx;
	routes.v = v;
	routes.n = n;
	*out = NULL;
	return ERR_OK;
}

uint16_t
__wrap_http_port(const struct http_listener *l)
{
	(void)l;
	return 1;
}

static const char *
named(const char *s)
{
	for (size_t i = 0; s[0] == '$' && i < ARRAY_LEN(names); i++)
		if (s[1] == names[i].letter && s[2] == '\0')
			return names[i].is.s;
	return s;
}

/* "name=value&name=value" */
const char *
__wrap_http_query_nth(const struct http_request *r, const char *name, size_t i)
{
	static char value[256];
	size_t n = strlen(name);

	(void)r;
	for (const char *p = query; p; p = strchr(p, '&')) {
		p += *p == '&';
		if (strncmp(p, name, n) != 0 || p[n] != '=' || i-- > 0)
			continue;
		(void)snprintf(value, sizeof(value), "%.*s",
		    (int)strcspn(p + n + 1, "&"), p + n + 1);
		return named(value);
	}
	return NULL;
}

const char *
__wrap_http_query(const struct http_request *r, const char *name)
{
	return __wrap_http_query_nth(r, name, 0);
}

/* Headers stand among the query's values. */
const char *
__wrap_http_header(const struct http_request *r, const char *name)
{
	const char *value = __wrap_http_query(r, name);

	if (value == NULL && strcmp(name, "Content-Type") == 0)
		return "application/json";
	return value;
}

enum err
__wrap_db_commit(struct db_txn *t)
{
	enum err e = t->err;

	if (routes.node == NULL)
		return __real_db_commit(t);
	db_abort(t);
	return e;
}

void
__wrap_node_miner_kick(struct node *n)
{
	(void)n;
}

int64_t
__wrap_clock_wall_ms(void)
{
	return NOW;
}

/* ---- the chain ---- */

static void
make_tx(unsigned which, struct tx_id *out_id, struct buf *out)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	CLEANUP_JS json_t *j = NULL;
	char name[16];

	(void)snprintf(name, sizeof(name), "entry %u", which);
	MUST(ledger_tx_new(&tx) == ERR_OK);
	tx->timestamp = NOW + which;
	MUST(ledger_tx_binary(tx, name, "value", 5) == ERR_OK);
	MUST(ledger_tx_sign(tx, fuzz_identity(2)) == ERR_OK);
	memset(&tx->proof, 0, sizeof(tx->proof));
	MUST(ledger_tx_json(tx, 'V', &j) == ERR_OK);
	js_print(j, out);
	MUST(out->err == ERR_OK);
	*out_id = tx->id;
}

static void
offer(struct node *n, unsigned which, struct text58 *out_id)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct http_reply reply = { .status = 200, .fd = -1 };
	struct http_request r = { .method = "POST" };
	struct tx_id id;

	make_tx(which, &id, &b);
	r.body = b.p;
	r.body_len = b.len;
	MUST(node_post_broadcast(n, &r, &reply) == ERR_OK);
	MUST(reply.status == 200);
	buf_free(&reply.body);
	(void)text58(id.b, sizeof(id.b), out_id);
}

/* Three blocks: none, two, one transaction; and one in the pool. */
static void
start(void)
{
	static char dir[128];
	const struct node_opts o = { .dir = dir,
		.identity = fuzz_identity(1),
		.chain_byte = 'V',
		.api_key = "key",
		.heartbeat_ms = INT64_MAX / 4 };
	uint8_t address[NODE_ADDRESS];
	struct chain chain;
	struct node *n = NULL;
	struct node_block b;
	struct db_txn t;
	bool more;

	(void)snprintf(dir, sizeof(dir), "%s/node", fuzz_dir());
	MUST(node_create(dir, o.identity, 'V', &chain) == ERR_OK);
	MUST(node_open(&o, &n) == ERR_OK);
	offer(n, 1, &names[1].is);
	offer(n, 2, &names[1].is);
	MUST(node_mine(n, false, &more) == ERR_OK);
	offer(n, 3, &names[1].is);
	MUST(node_mine(n, false, &more) == ERR_OK);
	offer(n, 4, &names[2].is);
	seal_address(fuzz_pubkey(2), 'V', address);
	(void)text58(address, sizeof(address), &names[0].is);
	db_read(n->db, &t);
	MUST(node_block_at(n, &t, 2, &b));
	(void)text58(b.head.id.b, sizeof(b.head.id.b), &names[3].is);
	db_abort(&t);
	routes.node = n;
}

/* ---- one request ---- */

static char *
line(char **s)
{
	char *from = *s, *end = strchr(from, '\n');

	*s = end ? end + 1 : from + strlen(from);
	if (end)
		*end = '\0';
	return from;
}

static size_t
parts_of(const char *pattern)
{
	size_t n = 0;

	for (const char *p = strstr(pattern, "{}"); p; p = strstr(p + 2, "{}"))
		n++;
	return n;
}

/* As many as the route has: the others are empty. */
static void
cut_path(char *path, size_t n, struct http_request *out)
{
	char *state = NULL, *s = strtok_r(path, "/", &state);

	for (; out->nseg < n; s = s ? strtok_r(NULL, "/", &state) : NULL)
		out->seg[out->nseg++] = s ? named(s) : "";
}

/* Whatever is asked, the answer is JSON or says that it is text. */
static void
check(enum err e, struct http_reply *reply)
{
	json_t *j = NULL;

	MUST(e == ERR_OK);
	MUST(reply->status >= 200 && reply->status < 600);
	if (reply->park_until == 0 && reply->type == NULL) {
		j = json_loadb((const char *)reply->body.p, reply->body.len,
		    JSON_DECODE_ANY, NULL);
		MUST(j != NULL);
		json_decref(j);
	}
	buf_free(&reply->body);
	MUST(reply->fd < 0);
}

static void
seed(const struct fuzz_taker *to, size_t route, const char *path,
    const char *args, const char *body)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_u8(&b, (uint8_t)route);
	buf_fmt(&b, "%s\n%s\n%s", path, args, body);
	fuzz_seed(to, b.p, b.len);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const char *const paths[] = { "$a/entry 1", "$a/2", "$t", "$u",
		"$b", "1/3", "3/1", "1/200" };
	static const char rollback[] = "{\"rollbackTo\":2,"
				       "\"returnTransactionsToUtx\":true}";
	CLEANUP_BUF struct buf b = { 0 };
	struct tx_id id;

	if (routes.node == NULL)
		start();
	for (size_t i = 0; i < 2 * routes.n; i++)
		for (size_t k = 0; k < ARRAY_LEN(paths); k++)
			seed(to, i < routes.n ? i : 0x80 + i - routes.n,
			    paths[k],
			    k & 1 ? "after=$t&limit=1&offset=1&height=9&ms=1"
				    "&id=$t&id=$u&key=entry 1&matches=e.*" :
				    "X-API-Key=key",
			    rollback);
	for (size_t i = 0; i < routes.n; i++) {
		if (strcmp(routes.v[i].method, "POST") != 0)
			continue;
		for (unsigned which = 2; which < 6; which++) {
			make_tx(which, &id, &b);
			seed(to, i, "", "", buf_text(&b));
			buf_free(&b);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http_request r = { .path = "/", .query = "" };
	struct http_reply reply = { .status = 200, .fd = -1 };
	const struct http_route *route;
	char *text, *s;

	if (routes.node == NULL)
		start();
	if (n < 1)
		return 0;
	route = &routes.v[(p[0] & 0x7f) % routes.n];
	routes.node->waves = p[0] & 0x80;
	s = text = fuzz_text(p + 1, n - 1);
	r.method = route->method;
	cut_path(line(&s), parts_of(route->pattern), &r);
	query = line(&s);
	r.since_boot_ms = clock_boot_ms();
	r.body = (const uint8_t *)s;
	r.body_len = (size_t)(text + n - 1 - s);
	memset(routes.node->recent, 0, sizeof(routes.node->recent));
	err_clear();
	if (r.body_len <= route->max_body || route->max_body == 0)
		check(route->handler(routes.node, &r, &reply), &reply);
	free(text);
	return 0;
}
