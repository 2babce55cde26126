/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define WAIT_MS   20000
#define FEED_FILE 64

static char *
feed_path(const struct home *h)
{
	return file_join(h->program_dir, "feed");
}

void
home_feed_load(struct home *h)
{
	CLEANUP(free) char *path = feed_path(h);
	CLEANUP_BUF struct buf text = { 0 };

	/* A lost position only costs reading the feed again. */
	if (path && file_read(path, FEED_FILE, &text) == ERR_OK)
		h->feed_next = strtoull(buf_text(&text), NULL, 10);
	err_clear();
}

void
home_feed_save(const struct home *h)
{
	CLEANUP(free) char *path = feed_path(h);
	char text[FEED_FILE];
	int n = snprintf(
	    text, sizeof(text), "%llu\n", (unsigned long long)h->feed_next);

	if (path && file_write(path, text, (size_t)n, 0600) != ERR_OK)
		log_warn("home: %s", err_detail(ERR_IO));
}

/* The transaction that a row speaks of: in the row, or from the node. */
static enum err
row_tx(struct home *h, const struct rms_feed_row *row, struct ledger_tx **out)
{
	CLEANUP_JS json_t *j = NULL;
	enum err e;

	if (row->json == NULL)
		return ledger_node_tx(h->node, &row->tx, out);
	e = js_parse(row->json, strlen(row->json), JS_DEPTH, &j);
	return e == ERR_OK ? ledger_tx_read(j, out) : e;
}

/* A content key that the RMS re-sealed to us: the ledger must bear it out. */
static enum err
learn(
    struct home *h, const struct rms_feed_row *row, const struct ledger_tx *tx)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	enum err e = secret_new(SEAL_KEY, &key);

	if (e == ERR_OK)
		e = home_open_sealed(
		    h, row->key, sizeof(row->key), secret_bytes(key));
	if (e == ERR_OK)
		e = registry_learn(h->registry, tx, &row->entry, key);
	return e;
}

/* A row only brings hints: what does not prove itself is passed over. */
static enum err
take_row(struct home *h, const struct rms_feed_row *row)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	enum err e;

	if (!row->has_key && row->json == NULL) {
		ledger_follow_kick(h->follower);
		return ERR_OK;
	}
	e = row_tx(h, row, &tx);
	if (e == ERR_OK && row->json)
		e = registry_see(h->registry, tx);
	if (e == ERR_OK && row->has_key)
		e = learn(h, row, tx);
	if (e == ERR_FORGED || e == ERR_FORMAT || e == ERR_UNSUPPORTED) {
		log_warn("home: the feed's row %llu is not genuine; ignored",
		    (unsigned long long)row->seq);
		return ERR_OK;
	}
	if (e == ERR_NOTFOUND) /* not on the ledger yet: come back to it */
		return ERR_PENDING;
	return e;
}

static bool
disk_fails(enum err e)
{
	return e == ERR_NOSPACE || e == ERR_IO;
}

enum err
home_feed_round(struct home *h, int64_t wait_ms, bool *out_more)
{
	CLEANUP_FEED struct rms_feed feed = { 0 };
	enum err e = rms_feed_get(h->rms, h->feed_next, wait_ms, &feed);

	*out_more = false;
	/* what the disk does not keep counts if it narrows, and comes again */
	for (size_t i = 0; i < feed.n && (e == ERR_OK || disk_fails(e)); i++) {
		enum err one = take_row(h, &feed.row[i]);

		if (e == ERR_OK)
			e = one;
		if (e == ERR_OK)
			h->feed_next = feed.row[i].seq;
		*out_more = true;
	}
	if (e == ERR_OK) /* smaller than before: the RMS lost its store */
		h->feed_next = feed.next;
	return e;
}

void *
home_feed_run(void *arg)
{
	struct home *h = arg;
	enum err last = ERR_OK;

	while (!h->stop) {
		bool more = false, again = last != ERR_OK;
		uint64_t before = h->feed_next;
		/* whoever waits for the RMS is told as soon as it answers */
		enum err e = home_feed_round(h, again ? 0 : WAIT_MS, &more);

		if (e != last && e != ERR_OK && e != ERR_PENDING &&
		    e != ERR_INTERRUPTED && !h->stop)
			log_warn("home: feed: %s", err_detail(e));
		last = e;
		if (h->feed_next != before)
			home_feed_save(h);
		if ((more || (again && e == ERR_OK)) && h->hint)
			h->hint(h->hint_ctx);
		if (e != ERR_OK) {
			ledger_follow_kick(h->follower);
			for (int i = 0; i < 5 && !h->stop; i++)
				clock_sleep_ms(100);
		}
	}
	return NULL;
}
