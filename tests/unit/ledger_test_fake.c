/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ledger_test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

static enum err
answer(struct fake *f, struct http_reply *r, unsigned status, json_t *j)
{
	if (f->raw) {
		json_decref(j);
		r->status = f->raw_status;
		buf_str(&r->body, f->raw);
		return ERR_OK;
	}
	return http_reply_json(r, status, j);
}

static size_t
number_of(const char *s)
{
	return (size_t)strtoull(s, NULL, 10);
}

static enum err
on_config(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	char id[2] = { (char)f->chain.b[0], '\0' };
	const char *key = http_header(req, "X-API-Key");
	const char *token = http_header(req, "Authorization");

	(void)snprintf(f->key, sizeof(f->key), "%s", key ? key : "");
	(void)snprintf(f->token, sizeof(f->token), "%s", token ? token : "");
	return answer(f, r, 200,
	    json_pack("{s:s, s:s, s:s, s:{s:I}, s:{s:I}}", "version", "1",
		"cryptoType", "WAVES", "chainId", id, "minimumFee", "12",
		(json_int_t)f->fee.base, "additionalFee", "12",
		(json_int_t)f->fee.more));
}

static enum err
on_height(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	enum err e;

	(void)req;
	(void)pthread_mutex_lock(&f->lock);
	e = answer(f, r, 200,
	    json_pack("{s:I}", "height",
		f->height ? (json_int_t)f->height :
			    (json_int_t)json_array_size(f->blocks)));
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

static json_t *
header_of(json_t *block)
{
	json_t *h = json_copy(block);

	(void)json_object_del(h, "transactions");
	return h;
}

static enum err
on_header(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	json_t *b;
	enum err e;

	(void)pthread_mutex_lock(&f->lock);
	b = json_array_get(f->blocks, number_of(req->seg[0]) - 1);
	e = b ? answer(f, r, 200, header_of(b)) :
		answer(f, r, 404,
		    json_pack("{s:i, s:s}", "error", 301, "message",
			"block does not exist"));
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

/* Above the tip it says so with status 200, as real nodes do. */
static enum err
on_block(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	json_t *b;
	enum err e;

	(void)pthread_mutex_lock(&f->lock);
	b = json_array_get(f->blocks, number_of(req->seg[0]) - 1);
	e = answer(f, r, 200,
	    b ? json_incref(b) :
		json_pack("{s:s, s:s}", "status", "error", "details",
		    "No block for this height"));
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

static enum err
on_seq(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	json_t *out = json_array();
	enum err e;

	(void)pthread_mutex_lock(&f->lock);
	f->seqs++;
	for (size_t h = number_of(req->seg[0]);
	     h <= number_of(req->seg[1]) && h <= json_array_size(f->blocks);
	     h++)
		(void)json_array_append(out, json_array_get(f->blocks, h - 1));
	e = answer(f, r, f->no_seq ? 404 : 200, out);
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

static enum err
on_pool(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;

	(void)req;
	return answer(f, r, 200, json_incref(f->pool));
}

static json_t *
find_tx(const json_t *txs, const char *id)
{
	for (size_t i = 0; i < json_array_size(txs); i++) {
		json_t *t = json_array_get(txs, i);

		if (strcmp(test_text(t, "id"), id) == 0)
			return t;
	}
	return NULL;
}

static enum err
answer_tx(
    struct fake *f, struct http_reply *r, const json_t *found, size_t height)
{
	json_t *t;

	if (found == NULL)
		return answer(f, r, 404,
		    json_pack("{s:s, s:s}", "status", "error", "details",
			"Transaction is not in blockchain"));
	t = json_copy((json_t *)(uintptr_t)found);
	if (height)
		(void)json_object_set_new(
		    t, "height", json_integer((json_int_t)height));
	return answer(f, r, 200, t);
}

static enum err
on_info(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	const json_t *found = NULL;
	size_t h = 0;

	while (found == NULL && h < json_array_size(f->blocks))
		found = find_tx(json_object_get(json_array_get(f->blocks, h++),
				    "transactions"),
		    req->seg[0]);
	return answer_tx(f, r, found, h);
}

static enum err
on_pool_info(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;

	return answer_tx(f, r, find_tx(f->pool, req->seg[0]), 0);
}

static enum err
refuse(struct fake *f, struct http_reply *r, const char *id)
{
	const char *at = strstr(f->refuse, "%s");

	r->status = f->refuse_status;
	buf_put(&r->body, f->refuse,
	    at ? (size_t)(at - f->refuse) : strlen(f->refuse));
	if (at) {
		buf_str(&r->body, id);
		buf_str(&r->body, at + 2);
	}
	return ERR_OK;
}

static enum err
on_broadcast(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	CLEANUP_JS json_t *j = NULL;
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	enum ledger_tx_flaw flaw;
	enum err e;

	OK(js_parse(req->body, req->body_len, JS_DEPTH, &j));
	OK(ledger_tx_read_strict(&ledger_enterprise, j, &tx, &flaw));
	(void)pthread_mutex_lock(&f->lock);
	if (f->nbodies < FAKE_BODIES)
		f->body[f->nbodies++] = strndup(
		    (const char *)req->body, req->body_len);
	if (f->refuse && f->refuse_times > 0) {
		f->refuse_times--;
		e = refuse(f, r, TEXT58(&tx->id));
	} else
		e = answer(f, r, 200, json_incref(j));
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

static enum err
on_wait(void *ctx, const struct http_request *req, struct http_reply *r)
{
	struct fake *f = ctx;
	size_t seen = number_of(http_query(req, "height"));
	int64_t until = req->since_boot_ms +
	    (int64_t)number_of(http_query(req, "ms"));
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&f->lock);
	if (!req->parked)
		f->waits++;
	if (!f->has_wait)
		e = ERR_NOTFOUND;
	else if (json_array_size(f->blocks) <= seen &&
	    json_array_size(f->pool) == 0 && clock_boot_ms() < until)
		http_reply_park(r, until);
	else
		e = answer(f, r, 200,
		    json_pack("{s:I, s:I}", "height",
			(json_int_t)json_array_size(f->blocks), "unconfirmed",
			(json_int_t)json_array_size(f->pool)));
	(void)pthread_mutex_unlock(&f->lock);
	return e;
}

static const struct http_route routes[] = {
	{ "GET", "/node/config", 0, on_config },
	{ "GET", "/blocks/height", 0, on_height },
	{ "GET", "/blocks/headers/at/{}", 0, on_header },
	{ "GET", "/blocks/at/{}", 0, on_block },
	{ "GET", "/blocks/seq/{}/{}", 0, on_seq },
	{ "GET", "/transactions/unconfirmed", 0, on_pool },
	{ "GET", "/transactions/info/{}", 0, on_info },
	{ "GET", "/transactions/unconfirmed/info/{}", 0, on_pool_info },
	{ "POST", "/transactions/broadcast", 1 << 20, on_broadcast },
	{ "GET", "/consentfs/wait", 0, on_wait },
};

void
fake_up(struct fake *f)
{
	struct http_listen_opts o = {
		.address = "127.0.0.1", .port = f->port, .threads = 2
	};

	OK(http_listen(&o, routes, ARRAY_LEN(routes), f, &f->l));
	f->port = http_port(f->l);
}

void
fake_down(struct fake *f)
{
	http_close(TAKE(f->l));
}

struct fake *
fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	ck_assert_ptr_nonnull(f);
	(void)pthread_mutex_init(&f->lock, NULL);
	f->generator = test_id("generator");
	f->blocks = json_array();
	f->pool = json_array();
	fake_block(f, NULL, 0, clock_wall_ms() - 1000);
	seal_chain_make('V', f->tip.id.b, sizeof(f->tip.id.b), &f->chain);
	fake_up(f);
	return f;
}

void
fake_free(struct fake *f)
{
	http_close(f->l);
	for (unsigned i = 0; i < f->nbodies; i++)
		free(f->body[i]);
	json_decref(f->blocks);
	json_decref(f->pool);
	seal_identity_free(f->generator);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

json_t *
fake_tx(const struct ledger_tx *tx)
{
	json_t *j = NULL;

	OK(ledger_tx_json(tx, 'V', &j));
	return j;
}

/* Fill in the signature of ${b} over its transactions' told ids. */
static void
sign_block(struct fake *f, struct ledger_block *b, const json_t *txs)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	size_t n = json_array_size(txs);
	struct tx_id *ids = calloc(n + 1, sizeof(*ids));

	ck_assert_ptr_nonnull(ids);
	for (size_t i = 0; i < n; i++)
		OK(text58_read(
		    test_text(json_array_get(txs, i), "id"), ids[i].b, 32));
	ledger_block_bytes(b, ids, n, &bytes);
	OK(seal_sign(f->generator, SEAL_BLOCK, NULL, &bytes, &b->id));
	free(ids);
}

void
fake_block(struct fake *f, struct ledger_tx *const *tx, size_t n, int64_t time)
{
	struct ledger_block b = { .height = f->tip.height + 1,
		.reference = f->tip.id,
		.time = time,
		.generator = *seal_identity_key(f->generator) };
	json_t *txs = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(txs, fake_tx(tx[i]));
	sign_block(f, &b, txs);
	(void)pthread_mutex_lock(&f->lock);
	(void)json_array_append_new(f->blocks,
	    json_pack("{s:i, s:I, s:I, s:s, s:s, s:s, s:I, s:o}", "version", 1,
		"height", (json_int_t)b.height, "timestamp", (json_int_t)b.time,
		"reference", TEXT58(&b.reference), "signature", TEXT58(&b.id),
		"generatorPublicKey", TEXT58(&b.generator), "transactionCount",
		(json_int_t)n, "transactions", txs));
	f->tip = b;
	(void)pthread_mutex_unlock(&f->lock);
	if (f->l)
		http_wake(f->l);
}

void
fake_blocks(struct fake *f, unsigned n)
{
	while (n-- > 0)
		fake_block(f, NULL, 0, clock_wall_ms());
}

json_t *
fake_at(struct fake *f, size_t height)
{
	json_t *b = json_array_get(f->blocks, height - 1);

	ck_assert_ptr_nonnull(b);
	return b;
}

static void
head_of(const json_t *j, struct ledger_block *out)
{
	struct js r;

	js_init(&r, j);
	out->height = (uint64_t)js_int(&r, "height", 1, INT64_MAX);
	out->time = js_int(&r, "timestamp", 0, INT64_MAX);
	JS_58(&r, "reference", &out->reference);
	JS_58(&r, "signature", &out->id);
	JS_58(&r, "generatorPublicKey", &out->generator);
	OK(r.err);
}

void
fake_cut(struct fake *f, size_t height)
{
	(void)pthread_mutex_lock(&f->lock);
	while (json_array_size(f->blocks) > height)
		(void)json_array_remove(f->blocks, height);
	head_of(fake_at(f, height), &f->tip);
	(void)pthread_mutex_unlock(&f->lock);
}

void
fake_resign(struct fake *f, size_t height)
{
	json_t *j = fake_at(f, height);
	const json_t *txs = json_object_get(j, "transactions");
	struct ledger_block b = { 0 };

	head_of(j, &b);
	sign_block(f, &b, txs);
	(void)json_object_set_new(j, "signature", JS_58_NEW(&b.id));
	(void)json_object_set_new(j, "transactionCount",
	    json_integer((json_int_t)json_array_size(txs)));
}

struct ledger_node *
fake_client(struct fake *f, bool pinned)
{
	struct ledger_node_opts o = { .chain = f->chain,
		.has_generator = pinned,
		.generator = *seal_identity_key(f->generator) };
	struct ledger_node *n = NULL;
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", f->port);
	o.url = url;
	OK(ledger_node_new(&o, &n));
	return n;
}

struct seal_identity *
test_id(const char *seed)
{
	struct seal_identity *id = NULL;

	OK(seal_identity_from_seed(seed, &id));
	return id;
}

struct ledger_tx *
test_tx(const char *seed, const char *key)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = test_id(seed);
	struct ledger_tx *tx = NULL;
	uint8_t value[40];

	OK(ledger_tx_new(&tx));
	seal_random(value, sizeof(value));
	OK(ledger_tx_binary(tx, key, value, sizeof(value)));
	tx->timestamp = clock_wall_ms();
	OK(ledger_tx_sign(tx, id));
	return tx;
}

char *
test_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[256], *dir;

	(void)snprintf(
	    path, sizeof(path), "%s/ledger_test.XXXXXX", tmp ? tmp : "/tmp");
	dir = strdup(path);
	ck_assert_ptr_nonnull(dir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	return dir;
}

void
test_dir_remove(char *dir)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(free) char *p = file_join(dir, names[i]);

		(void)unlink(p);
	}
	(void)rmdir(dir);
	free(dir);
}

json_t *
test_file(const char *name)
{
	CLEANUP_BUF struct buf b = { 0 };
	json_t *j = NULL;
	char path[512];

	(void)snprintf(
	    path, sizeof(path), "%s/tests/vectors/%s", TEST_SRCDIR, name);
	OK(file_read(path, 1 << 20, &b));
	OK(js_parse(b.p, b.len, 32, &j));
	return j;
}

const char *
test_text(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}
