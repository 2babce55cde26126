/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sends signed transactions to a node, one after the other, and prints of each
 * what became of it: "taken ID", "refused STATUS" or, when there is no node any
 * more, "gone" as the last line.
 *   sender URL CHAIN-BYTE N
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "ledger/ledger.h"

static void
must(enum err e, const char *what)
{
	if (e == ERR_OK)
		return;
	fprintf(stderr, "sender: %s: %s\n", what, err_detail(e));
	exit(1);
}

static struct ledger_tx *
make(const struct seal_identity *id, long i)
{
	struct ledger_tx *tx = NULL;
	uint8_t value[300];
	char key[40];

	must(ledger_tx_new(&tx), "transaction");
	tx->timestamp = clock_wall_ms();
	memset(value, (int)i, sizeof(value));
	(void)snprintf(key, sizeof(key), "sender.%ld", i % 5);
	must(ledger_tx_binary(tx, key, value, sizeof(value)), "entry");
	must(ledger_tx_sign(tx, id), "sign");
	return tx;
}

/* False: there is no node any more. */
static bool
send_one(struct http_client *http, const char *url, uint8_t chain,
    const struct ledger_tx *tx)
{
	static const char *const headers[] = { "Content-Type: application/json",
		NULL };
	CLEANUP_ANSWER struct http_answer a = { 0 };
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct http_call c = { .method = "POST",
		.url = url,
		.headers = headers,
		.max_answer = 1 << 20 };

	must(ledger_tx_json(tx, chain, &j), "JSON");
	js_print(j, &text);
	c.body = text.p;
	c.body_len = text.len;
	if (http_do(http, &c, &a) != ERR_OK) {
		printf("gone\n");
		return false;
	}
	if (a.status == 200)
		printf("taken %s\n", TEXT58(&tx->id));
	else
		printf("refused %ld\n", a.status);
	(void)fflush(stdout);
	return true;
}

int
main(int argc, char **argv)
{
	const struct http_client_opts o = { .timeout_ms = 20000 };
	CLEANUP(http_client_free) struct http_client *http = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	char url[300];
	bool up = true;

	log_start("sender", LOG_WARN);
	must(secret_init(), "start");
	if (argc != 4)
		return 2;
	must(http_client_new(&o, &http), "client");
	must(seal_identity_new(&id), "identity");
	(void)snprintf(url, sizeof(url), "%s/transactions/broadcast", argv[1]);
	for (long i = 0; up && i < atol(argv[3]); i++) {
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = make(id, i);

		up = send_one(http, url, (uint8_t)argv[2][0], tx);
		clock_sleep_ms(1); /* a new time is a new id */
	}
	return 0;
}
