/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast a registry is filled from nothing: N decisions, one in each
 * transaction, all sealed to the reader, are read from a node in memory by the
 * real client, follower and registry.  Beside it, in the same run, what cannot
 * be saved: a signature and a slot for each, of the newest 20 000.  Processor
 * time, so that other programs count little.
 * replay N [IN [TIMES]]: IN transactions in a block; medians of TIMES.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/http.h"
#include "registry/registry.h"

#define IN   50    /* transactions of a block, unless told */
#define MOST 99    /* times */
#define BARE 20000 /* transactions kept for what cannot be saved */

#define OK(call)                                                               \
	do {                                                                   \
		enum err ok_err = (call);                                      \
		if (ok_err != ERR_OK) {                                        \
			(void)fprintf(                                         \
			    stderr, "%s: %s\n", #call, err_detail(ok_err));    \
			exit(1);                                               \
		}                                                              \
	} while (0)

static struct ledger_tx *tx[BARE];
static struct buf *block; /* what the node answers, by height - 1 */
static size_t ntx, nblocks, in = IN;
static struct chain chain;
static struct seal_identity *rms, *patient, *prms, *reading;
static struct institution_id clinic = { "clinic" };

static const char *
block_id(size_t height, struct text58 *t)
{
	uint8_t b[64];

	memset(b, 7, sizeof(b));
	memcpy(b + 8, &height, sizeof(height));
	return text58(b, sizeof(b), t);
}

/* Append the JSON of transaction ${i}. */
static void
put_tx(struct buf *out, size_t i)
{
	struct ledger_tx **at = &tx[i % BARE];
	CLEANUP_BUF struct buf env = { 0 }, payload = { 0 };
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_JS json_t *j = NULL;
	const struct seal_readers to = { seal_identity_key(rms),
		seal_identity_key(prms), seal_identity_key(patient),
		seal_identity_key(reading), NULL };
	struct seal_place place = { &chain, *seal_identity_key(patient),
		{ { 0 } } };
	struct event e = { .type = EVENT_DECISION,
		.patient = *seal_identity_key(patient) };
	struct event_decision *d = &e.u.decision;
	struct text58 t;

	d->institution = clinic;
	d->n = i + 1;
	d->effect = i % 2 ? EVENT_REVOKE : EVENT_GRANT;
	d->rights = i % 2 ? 0 : EVENT_RIGHT_LIST | EVENT_RIGHT_READ;
	d->scope.all = true;
	seal_random(place.entry.b, sizeof(place.entry.b));
	OK(secret_new(SEAL_KEY, &key));
	seal_random(secret_bytes(key), SEAL_KEY);
	OK(event_encode(&e, &payload));
	OK(seal_envelope(&place, &to, NULL, key, &payload, &env));
	ledger_tx_free(*at);
	OK(ledger_tx_new(at));
	OK(ledger_tx_binary(
	    *at, ledger_entry_name(&place.entry, &t), env.p, env.len));
	(*at)->timestamp = (int64_t)i;
	OK(ledger_tx_sign(*at, patient));
	OK(ledger_tx_json(*at, 'V', &j));
	js_print(j, out);
}

static void
put_block(struct buf *out, size_t height)
{
	struct text58 a, b;
	size_t from = (height - 1) * in;
	size_t n = ntx - from < in ? ntx - from : in;

	buf_fmt(out,
	    "{\"height\":%zu,\"timestamp\":%zu,\"signature\":\"%s\","
	    "\"reference\":\"%s\",\"transactionCount\":%zu,\"transactions\":[",
	    height, height, block_id(height, &a), block_id(height - 1, &b), n);
	for (size_t i = 0; i < n; i++) {
		buf_str(out, i ? "," : "");
		put_tx(out, from + i);
	}
	buf_str(out, "]}");
}

enum err __wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out);

enum err
__wrap_http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out)
{
	const char *seq = strstr(call->url, "/blocks/seq/");
	struct buf *b = &out->body;

	(void)c;
	out->status = 200;
	if (seq) {
		char *end;
		size_t h = strtoul(seq + 12, &end, 10);
		size_t to = strtoul(end + 1, NULL, 10);

		buf_str(b, "[");
		for (size_t first = h; h <= to && h <= nblocks; h++) {
			buf_str(b, h > first ? "," : "");
			buf_put(b, block[h - 1].p, block[h - 1].len);
		}
		buf_str(b, "]");
	} else if (strstr(call->url, "/blocks/headers/"))
		buf_put(b, block[0].p, block[0].len);
	else if (strstr(call->url, "/blocks/height"))
		buf_fmt(b, "{\"height\":%zu}", nblocks);
	else if (strstr(call->url, "/node/config"))
		buf_str(b, "{\"chainId\":\"V\",\"cryptoType\":\"WAVES\"}");
	else
		buf_str(b, "[]");
	return b->err;
}

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What cannot be saved. */
static double
bare(void)
{
	double begun = seconds();
	uint8_t key[SEAL_KEY];
	size_t n = ntx < BARE ? ntx : BARE;

	for (size_t i = 0; i < n; i++) {
		OK(seal_verify_raw(&tx[i]->sender, tx[i]->body.p,
		    tx[i]->body.len, &tx[i]->proof));
		OK(seal_box_open(reading, tx[i]->entry[0].value + 258,
		    SEAL_KEY + SEAL_BOX_EXTRA, key));
	}
	return (double)n / (seconds() - begun);
}

static double
replay(const char *dir)
{
	CLEANUP(ledger_node_free) struct ledger_node *node = NULL;
	CLEANUP(ledger_follow_free) struct ledger_follower *f = NULL;
	CLEANUP(registry_close) struct registry *r = NULL;
	CLEANUP(secret_free) struct secret *rest = NULL;
	const struct seal_identity *keys[] = { reading };
	struct registry_opts o = { .dir = dir,
		.reader = { .chain = chain,
		    .rms = *seal_identity_key(rms),
		    .has_institution = true,
		    .institution = clinic,
		    .reading = keys,
		    .nreading = 1 } };
	struct ledger_follow_opts fo = { .final_depth = 1 };
	double begun, took;
	int64_t at;

	OK(secret_new(SEAL_KEY, &rest));
	o.rest_key = rest;
	OK(ledger_node_new(
	    &(struct ledger_node_opts){ .url = "http://n", .chain = chain },
	    &node));
	OK(registry_open(&o, &r));
	fo.node = node;
	fo.sink = registry_sink(r);
	OK(ledger_follow_new(&fo, &f));
	begun = seconds();
	OK(ledger_follow_step(f));
	took = seconds() - begun;
	ledger_follow_free(TAKE(f));
	registry_close(TAKE(r));
	at = clock_boot_ms();
	OK(registry_open(&o, &r));
	fo.sink = registry_sink(r);
	OK(ledger_follow_new(&fo, &f));
	OK(ledger_follow_step(f));
	printf("a start from there: %lld ms, N 1\n",
	    (long long)(clock_boot_ms() - at));
	return (double)ntx / took;
}

static int
by_value(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void
measure(const char *dir, size_t times)
{
	double events[MOST], alone[MOST], ratio[MOST];

	for (size_t i = 0; i < times; i++) {
		char sub[64];

		(void)snprintf(sub, sizeof(sub), "%s/%zu", dir, i);
		alone[i] = bare();
		events[i] = replay(sub);
		ratio[i] = events[i] / alone[i];
	}
	printf("replay: %.0f events a second of processor time, N %zu, %zu in "
	       "a block; a signature and a slot alone: %.0f; ",
	    median(events, times), ntx, in, median(alone, times));
	printf("ratio %.2f", median(ratio, times));
	printf(", %.2f to %.2f (medians of %zu)\n", ratio[0], ratio[times - 1],
	    times);
}

static size_t
number(int argc, char **argv, int i, size_t otherwise)
{
	return i < argc ? strtoul(argv[i], NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
	char dir[] = "/tmp/consentfs-replay-XXXXXX", cmd[128];
	size_t times = number(argc, argv, 3, 1);
	struct text58 t;
	uint8_t first[64];

	ntx = number(argc, argv, 1, 20000);
	in = number(argc, argv, 2, IN);
	if (ntx == 0 || in == 0 || times == 0 || times > MOST ||
	    secret_init() != ERR_OK || mkdtemp(dir) == NULL)
		return 1;
	OK(seal_identity_new(&rms));
	OK(seal_identity_new(&patient));
	OK(seal_identity_new(&prms));
	OK(seal_identity_new(&reading));
	OK(text58_read(block_id(1, &t), first, sizeof(first)));
	seal_chain_make('V', first, sizeof(first), &chain);
	nblocks = (ntx + in - 1) / in;
	block = calloc(nblocks, sizeof(*block));
	if (block == NULL)
		return 1;
	for (size_t i = 0; i < nblocks; i++)
		put_block(&block[i], i + 1);
	measure(dir, times);
	(void)snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) != 0;
}
