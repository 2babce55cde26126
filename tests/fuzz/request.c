/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests to the RMS behind HTTP: path, query, headers and body of every
 * signed route, with stores of its own.  First byte the route, second who
 * asks; then three lines: path parts, query, headers; the rest is the body.
 * Signatures of zeros are good, each request is new (--wrap), and nothing is
 * committed, so that each input finds the same server.
 */
#include "consentd/server_internal.h"
#include "fuzz.h"

enum { RMS = 1, PATIENT, HOST };

static struct server server;
static struct {
	const char *query, *header; /* what http_query(), http_header() give */
	struct text58 key;
} asked;

const char *__wrap_http_header(const struct http_request *r, const char *name);
const char *__wrap_http_query(const struct http_request *r, const char *name);
enum err __wrap_consentd_replay_take(struct consentd_replay *r,
    const struct consentd_stamp *stamp, int64_t now, int64_t *floor);
enum err __wrap_registry_host(struct registry *r, const struct pubkey *key,
    int64_t at, struct institution_id *out);
enum err __wrap_db_commit(struct db_txn *t);
void __wrap_consentd_resend_kick(struct resend *r);
void __wrap_consentd_resend_now(struct resend *r, const struct ledger_tx *tx);
enum err __wrap_blobs_add_many(
    struct blobs *b, const struct blobs_piece *pieces, size_t n);

void __wrap_ledger_follow_head(
    struct ledger_follower *f, struct ledger_head *out);

/* The ledger is fresh. */
void
__wrap_ledger_follow_head(struct ledger_follower *f, struct ledger_head *out)
{
	(void)f;
	*out = (struct ledger_head){ .height = 1, .time = 1700000000000 };
}

const char *
__wrap_http_header(const struct http_request *r, const char *name)
{
	static const char zeros[] = "1111111111111111111111111111111111111111"
				    "111111111111111111111111";
	const struct {
		const char *name, *value;
	} all[] = { { "Host", "rms.example" }, { RMS_H_KEY, asked.key.s },
		{ RMS_H_TIME, "5" }, { RMS_H_NONCE, zeros + 48 },
		{ RMS_H_SIG, zeros } };

	(void)r;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return asked.header[0] ? asked.header : all[i].value;
	return NULL;
}

const char *
__wrap_http_query(const struct http_request *r, const char *name)
{
	(void)r;
	return asked.query[0] == name[0] ? asked.query + 1 : NULL;
}

enum err
__wrap_consentd_replay_take(struct consentd_replay *r,
    const struct consentd_stamp *stamp, int64_t now, int64_t *floor)
{
	(void)r, (void)now;
	*floor = 0;
	return stamp->time == 0 ? ERR_UNAUTH : ERR_OK;
}

enum err
__wrap_registry_host(struct registry *r, const struct pubkey *key, int64_t at,
    struct institution_id *out)
{
	(void)r, (void)at;
	memset(out->b, 7, sizeof(out->b));
	return ID_EQ(key, fuzz_pubkey(HOST)) ? ERR_OK : ERR_UNKNOWNKEY;
}

enum err
__wrap_db_commit(struct db_txn *t)
{
	enum err e = t->err;

	db_abort(t);
	return e;
}

void
__wrap_consentd_resend_kick(struct resend *r)
{
	(void)r;
}

void
__wrap_consentd_resend_now(struct resend *r, const struct ledger_tx *tx)
{
	(void)r;
	MUST(tx->nentries > 0);
}

/* Files would stay: look at the bytes only. */
enum err
__wrap_blobs_add_many(
    struct blobs *b, const struct blobs_piece *pieces, size_t n)
{
	struct blob_id id;

	(void)b;
	for (size_t i = 0; i < n; i++)
		MUST(seal_blob_id_of(pieces[i].p, pieces[i].n, &id) == ERR_OK);
	return ERR_OK;
}

static const char *
part(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];

	(void)snprintf(p, 128, "%s/%s", fuzz_dir(), name);
	return p;
}

static void
start(void)
{
	struct registry_opts r = { .dir = part("registry"),
		.reader = { .rms_identity = fuzz_identity(RMS),
		    .find = consentd_keys_find,
		    .rms = *fuzz_pubkey(RMS) },
		.rest_key = fuzz_secret(1) };
	const struct blobs_opts b = { .dir = part("blobs") };

	MUST(consentd_conf_defaults(&server.conf) == ERR_OK);
	server.conf.registrations = 1000000;
	server.rms = (struct seal_identity *)(uintptr_t)fuzz_identity(RMS);
	server.roots.chain = (struct chain){ "V" };
	server.roots.rms_url = (char *)(uintptr_t) "https://rms.example";
	server.url = server.roots.rms_url;
	(void)pthread_mutex_init(&server.waking, NULL);
	(void)pthread_mutex_init(&server.intake, NULL);
	MUST(consentd_keys_open(
		 part("keys"), fuzz_identity(RMS), &server.keys) == ERR_OK);
	r.reader.chain = server.roots.chain;
	r.reader.find_ctx = server.keys;
	MUST(consentd_store_open(
		 part("store"), fuzz_identity(RMS), &server.store) == ERR_OK);
	MUST(registry_open(&r, &server.registry) == ERR_OK);
	MUST(blobs_open(&b, &server.blobs) == ERR_OK);
	atomic_store(&server.ready, true);
}

/* The next line of ${s}, which goes on behind it. */
static char *
line(char **s)
{
	char *from = *s, *end = strchr(from, '\n');

	*s = end ? end + 1 : from + strlen(from);
	if (end)
		*end = '\0';
	return from;
}

static void
cut_path(char *path, struct http_request *out)
{
	for (char *p = strtok(path, "/"); p && out->nseg < HTTP_MAX_SEGMENTS;
	     p = strtok(NULL, "/"))
		out->seg[out->nseg++] = p;
}

static void
ask(const struct http_route *route, const struct http_request *r)
{
	struct http_reply reply = { .status = 200, .fd = -1 };
	enum err e;

	err_clear();
	e = r->body_len <= route->max_body ?
	    route->handler(&server, r, &reply) :
	    ERR_TOOBIG;
	MUST(e != ERR_CORRUPT && e != ERR_IO && e != ERR_NOMEM);
	MUST(e == ERR_OK || err_http(e) >= 400);
	if (e == ERR_OK && reply.park_until == 0)
		MUST(reply.fd < 0 || reply.length > 0);
	buf_free(&reply.body);
	if (reply.fd >= 0)
		(void)close(reply.fd);
}

static void
seed(const struct fuzz_taker *to, unsigned route, unsigned who,
    const char *path, const char *body)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_u8(&b, (uint8_t)route);
	buf_u8(&b, (uint8_t)who);
	buf_fmt(&b, "%s\n\n\n%s", path, body);
	fuzz_seed(to, b.p, b.len);
}

#define B16 "1111111111111111"
#define B32 B16 B16

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const char *const bodies[] = { "{}", "{\"card\":\"x\"}",
		"{\"transaction\":{\"type\":12}}",
		"{\"kind\":\"access\",\"set\":\"" B16 "\",\"inquiry\":\"" B16
		"\",\"transactions\":[{\"type\":12}]}",
		"{\"record\":\"AQEAAA==\"}", "{\"ids\":[\"" B32 "\"]}" };
	char path[256];

	(void)snprintf(path, sizeof(path), "/%s/0", B32);
	for (unsigned i = 0; i < consentd_nroutes; i++)
		for (size_t k = 0; k < ARRAY_LEN(bodies); k++)
			seed(to, i, k & 1 ? HOST : PATIENT, path, bodies[k]);
	seed(to, 0, HOST, B16, "");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http_request r = { .query = "", .path = "/", .method = "GET" };
	const struct http_route *route;
	char *text, *s;

	if (server.keys == NULL)
		start();
	if (n < 2)
		return 0;
	route = &consentd_routes[p[0] % consentd_nroutes];
	s = text = fuzz_text(p + 2, n - 2);
	(void)text58(fuzz_pubkey(p[1] & 3)->b, 32, &asked.key);
	cut_path(line(&s), &r);
	asked.query = line(&s);
	asked.header = line(&s);
	r.method = route->method;
	r.body = (const uint8_t *)s;
	r.body_len = (size_t)(text + n - 2 - s);
	ask(route, &r);
	free(text);
	return 0;
}
