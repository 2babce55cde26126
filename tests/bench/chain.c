/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long the embedded node looks for things in a chain of 10^5, 10^6, 10^7
 * transactions.  The rows are those that the node itself would write, with
 * signed blocks, but the transactions are neither signed nor sent one by one,
 * and their ids ascend: with random ones filling takes hours.
 * chainbench DIR N...: fill to N, measure, fill on.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/node_internal.h"

#define ACCOUNTS  1000
#define BLOCK_TXS 1000
#define AT_ONCE   100 /* blocks in a transaction of the database */
#define LOOKS     2000

struct bench {
	struct node *n; /* for the store */
	struct seal_identity *key;
	struct chain chain;
	const char *dir;
	struct http_client *http;
	uint64_t filled;
	struct ledger_block last;
};

static void
must(enum err e, const char *what)
{
	if (e == ERR_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, err_detail(e));
	exit(1);
}

static void
hash_of(const char *what, uint64_t i, uint8_t out[32])
{
	const struct seal_part part[] = { { what, strlen(what) },
		{ &i, sizeof(i) } };

	seal_hash(NULL, part, 2, out);
}

static const struct account {
	uint8_t address[NODE_ADDRESS];
	struct text58 key, name; /* name: the address */
} * account(uint64_t i)
{
	static struct account all[ACCOUNTS];
	struct account *a = &all[i % ACCOUNTS];
	struct pubkey key;

	if (a->address[0] == 0) {
		hash_of("account", i % ACCOUNTS, key.b);
		seal_address(&key, 'B', a->address);
		(void)text58(key.b, sizeof(key.b), &a->key);
		(void)text58(a->address, NODE_ADDRESS, &a->name);
	}
	return a;
}

/* Ascending, else without order. */
static void
tx_id(uint64_t i, struct tx_id *out)
{
	for (int k = 0; k < 32; k += 8) {
		uint64_t v = i * 0x9e3779b97f4a7c15u * (uint64_t)(k + 1);

		if (k == 0)
			v = htobe64(i);
		memcpy(out->b + k, &v, 8);
	}
}

static void
entry_key(uint64_t i, char out[static 32])
{
	(void)snprintf(out, 32, "cfs1.key.%08" PRIu64, i);
}

/* What node_data_put() would do, without the way through JSON. */
static void
put_data(struct bench *b, struct db_txn *t, const struct account *a, uint64_t i,
    char text[static 100])
{
	uint8_t key[NODE_ADDRESS + 32];
	char name[32];

	entry_key(i, name);
	memcpy(key, a->address, NODE_ADDRESS);
	memcpy(key + NODE_ADDRESS, name, strlen(name));
	(void)snprintf(text, 100,
	    "{\"key\":\"%s\",\"type\":\"integer\",\"value\":%" PRIu64 "}", name,
	    i);
	db_put(t, b->n->t.data,
	    (struct db_val){ key, NODE_ADDRESS + strlen(name) },
	    (struct db_val){ text, strlen(text) });
}

static void
put_tx(struct bench *b, struct db_txn *t, uint64_t i,
    const struct node_place *place, const struct tx_id *id)
{
	static const struct sig sig = { { 1 } };
	static struct text58 proof;
	const struct account *a = account(i);
	struct node_address_key row;
	char text[1000], data[100];

	if (proof.s[0] == '\0')
		(void)text58(sig.b, sizeof(sig.b), &proof);
	put_data(b, t, a, i, data);
	(void)snprintf(text, sizeof(text),
	    "{\"type\":12,\"version\":2,\"id\":\"%.60s\",\"sender\":\"%.40s\","
	    "\"senderPublicKey\":\"%.60s\",\"author\":\"%.40s\","
	    "\"authorPublicKey\":\"%.60s\",\"fee\":0,\"timestamp\":%" PRIu64
	    ",\"data\":[%s],\"feeAssetId\":null,\"proofs\":[\"%.100s\"]}",
	    TEXT58(id), a->name.s, a->key.s, a->name.s, a->key.s,
	    1700000000000 + i, data, proof.s);
	db_put(
	    t, b->n->t.tx, DB_VAL(id), (struct db_val){ text, strlen(text) });
	node_place_put(b->n, t, id, place);
	node_address_key(a->address, place, &row);
	db_put(t, b->n->t.address, DB_VAL(&row), DB_VAL(id));
}

static void
put_block(struct bench *b, struct db_txn *t)
{
	static struct tx_id id[BLOCK_TXS];
	CLEANUP_BUF struct buf bytes = { 0 };
	struct node_block out = { .head = { .height = b->last.height + 1,
				      .reference = b->last.id,
				      .time = b->last.time + 1,
				      .generator = *seal_identity_key(b->key) },
		.size = BLOCK_TXS * 250,
		.count = BLOCK_TXS,
		.ids = id[0].b };

	for (uint32_t i = 0; i < BLOCK_TXS; i++) {
		const struct node_place place = { out.head.height, i };

		tx_id(b->filled, &id[i]);
		put_tx(b, t, b->filled++, &place, &id[i]);
	}
	ledger_block_bytes(&out.head, id, BLOCK_TXS, &bytes);
	must(seal_sign(b->key, SEAL_BLOCK, NULL, &bytes, &out.head.id), "sign");
	node_block_put(b->n, t, &out);
	b->last = out.head;
}

static void
fill(struct bench *b, uint64_t to)
{
	struct node_block last;
	struct db_txn t;

	must(node_store_open(b->dir, false, b->n), "open");
	db_read(b->n->db, &t);
	if (!node_block_last(b->n, &t, &last))
		must(ERR_CORRUPT, "last block");
	b->last = last.head;
	db_abort(&t);
	while (b->filled < to) {
		db_write(b->n->db, &t);
		for (int i = 0; i < AT_ONCE && b->filled < to; i++)
			put_block(b, &t);
		must(db_commit(&t), "commit");
	}
	node_store_close(b->n);
}

/* ---- looking ---- */

static int
by_time(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Of the whole process: client and node. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
path_of(const struct bench *b, int kind, uint64_t i, char *out, size_t n)
{
	const struct account *a = account(i);
	struct tx_id id;
	char name[32];

	tx_id(i, &id);
	entry_key(i, name);
	if (kind == 0)
		(void)snprintf(out, n, "/transactions/info/%s", TEXT58(&id));
	else if (kind == 1)
		(void)snprintf(out, n, "/blocks/headers/at/%" PRIu64,
		    1 + i * b->last.height / b->filled);
	else if (kind == 2)
		(void)snprintf(out, n,
		    "/transactions/address/%s/limit/10?after=%s", a->name.s,
		    TEXT58(&id));
	else
		(void)snprintf(
		    out, n, "/addresses/data/%s/%s", a->name.s, name);
}

static int64_t
look(const struct bench *b, const struct node *n, int kind, uint64_t i)
{
	CLEANUP_ANSWER struct http_answer a = { 0 };
	char path[800], url[900];
	const struct http_call c = {
		.method = "GET", .url = url, .max_answer = 1 << 20
	};
	int64_t start;

	path_of(b, kind, i, path, sizeof(path));
	(void)snprintf(
	    url, sizeof(url), "http://127.0.0.1:%u%s", node_port(n), path);
	start = now_us();
	must(http_do(b->http, &c, &a), "ask");
	start = now_us() - start;
	if (a.status != 200 || a.body.len < 4)
		must(ERR_NOTFOUND, path);
	return start;
}

struct figure { /* of one kind of look */
	int64_t p50, p99;
	double cpu;
};

/* The same rows each time. */
static struct figure
look_often(const struct bench *b, const struct node *n, int kind)
{
	static int64_t us[LOOKS];
	uint64_t i = (uint64_t)kind + 1;
	int64_t cpu = cpu_us();

	for (size_t k = 0; k < LOOKS; k++) {
		i = i * 6364136223846793005u + 1442695040888963407u;
		us[k] = look(b, n, kind, (i >> 16) % b->filled);
	}
	cpu = cpu_us() - cpu;
	qsort(us, LOOKS, sizeof(us[0]), by_time);
	return (struct figure){ us[LOOKS / 2], us[LOOKS * 99 / 100],
		(double)cpu / LOOKS };
}

/*
 * Cold: the first look of a process at these rows.  Warm: the second, which
 * is what the depth of the tree costs; the factor is to the N before.
 */
static void
measure(const struct bench *b)
{
	static const char *const names[] = { "transaction by id",
		"header by height", "10 of an address after an id",
		"data by key" };
	static struct figure before[ARRAY_LEN(names)];
	const struct node_opts o = { .dir = b->dir,
		.identity = b->key,
		.chain_byte = 'B',
		.heartbeat_ms = 3600000 };
	struct node *n = NULL;
	int64_t start = now_us();

	must(node_open(&o, &n), "start");
	printf("N %" PRIu64 ": start %.1f ms; us of %d looks:\n", b->filled,
	    (double)(now_us() - start) / 1000, LOOKS);
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		struct figure cold = look_often(b, n, (int)k);
		struct figure warm = look_often(b, n, (int)k);

		printf("  %-28s cold p50 %" PRId64 " p99 %" PRId64
		       " CPU %.1f; warm p50 %" PRId64 " p99 %" PRId64
		       " CPU %.1f",
		    names[k], cold.p50, cold.p99, cold.cpu, warm.p50, warm.p99,
		    warm.cpu);
		if (before[k].cpu > 0)
			printf("; warm x%.2f, CPU x%.2f",
			    (double)warm.p50 / (double)before[k].p50,
			    warm.cpu / before[k].cpu);
		printf("\n");
		before[k] = warm;
	}
	(void)fflush(stdout);
	node_close(n);
}

/* How many pages a look reads, which no other load changes. */
static void
depths(const struct bench *b)
{
	char command[400];

	(void)snprintf(command, sizeof(command),
	    "mdb_stat -a '%s' | awk '/^Status of [a-z]/ {t = $3} "
	    "/Tree depth/ && t != \"\" {printf \" %%s %%s\", t, $3} "
	    "END {print \"\"}' | sed 's/^/  depth of trees:/'",
	    b->dir);
	if (system(command) != 0)
		fprintf(stderr, "no mdb_stat: depths are not known\n");
}

int
main(int argc, char **argv)
{
	static struct node store;
	struct bench b = { .n = &store };
	const struct http_client_opts co = { .timeout_ms = 60000 };

	log_start("chainbench", LOG_WARN);
	must(secret_init(), "start");
	if (argc < 3) {
		fprintf(stderr, "usage: chainbench DIR N...\n");
		return 2;
	}
	b.dir = argv[1];
	must(seal_identity_new(&b.key), "key");
	must(http_client_new(&co, &b.http), "client");
	must(node_create(b.dir, b.key, 'B', &b.chain), "create");
	for (int i = 2; i < argc; i++) {
		int64_t start = now_us();

		fill(&b, strtoull(argv[i], NULL, 10));
		fprintf(stderr, "filled to %" PRIu64 " in %.0f s\n", b.filled,
		    (double)(now_us() - start) / 1e6);
		measure(&b);
		depths(&b);
	}
	http_client_free(b.http);
	seal_identity_free(b.key);
	return 0;
}
