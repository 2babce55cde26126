/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A journal of the smallest segments, so that a few records begin and drop
 * many of them.
 *
 *   journalist DIR append COUNT  append COUNT records, print the number of each
 *                                that is durable, drop old ones
 *   journalist DIR check SEQ     all records from the first kept one on are
 *                                there, up to SEQ at least; print the newest
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "journal/journal.h"

#define RECORD     1500
#define KEEP       25
#define DROP_EVERY 10

struct reading {
	uint64_t next; /* 0: the first is not known yet */
	bool wrong;
};

static void
fill(uint64_t seq, char out[static RECORD])
{
	int n = snprintf(out, RECORD, "record %" PRIu64 " ", seq);

	memset(out + n, 'a' + (int)(seq % 26), (size_t)(RECORD - n));
}

static int
append(struct journal *j, long count)
{
	char text[RECORD];
	uint64_t seq = journal_last(j);

	for (long i = 0; i < count; i++) {
		fill(seq + 1, text);
		if (journal_append(j, text, sizeof(text), &seq) != ERR_OK)
			return 1;
		(void)printf("%" PRIu64 "\n", seq);
		(void)fflush(stdout);
		if (seq % DROP_EVERY == 0 && seq > KEEP &&
		    journal_drop(j, seq - KEEP) != ERR_OK)
			return 1;
	}
	return 0;
}

static bool
compare(void *ctx, uint64_t seq, const void *p, size_t n)
{
	struct reading *r = ctx;
	char text[RECORD];

	fill(seq, text);
	r->wrong = (r->next && seq != r->next) || n != sizeof(text) ||
	    memcmp(p, text, sizeof(text)) != 0;
	r->next = seq + 1;
	return !r->wrong;
}

/* The first record that was kept is not known: try. */
static int
check(struct journal *j, uint64_t least)
{
	uint64_t last = journal_last(j), first = 1;
	struct reading r = { 0, false };
	enum err e;

	while ((e = journal_read(j, first, compare, &r)) == ERR_NOTFOUND)
		first++;
	(void)printf("%" PRIu64 "\n", last);
	if (e || r.wrong || last < least || (last && r.next != last + 1) ||
	    (last > KEEP && first > last - KEEP)) {
		(void)fprintf(stderr,
		    "%s: kept from %" PRIu64 ", read to %" PRIu64
		    ", newest %" PRIu64 ", wanted %" PRIu64 "\n",
		    e ? err_detail(e) : "wrong", first, r.next, last, least);
		return 1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP(journal_close) struct journal *j = NULL;
	struct journal_opts o = { .segment_bytes = 16 << 10 };
	enum err e = secret_init();

	log_start("journalist", LOG_INFO);
	if (argc != 4)
		return 2;
	if (e == ERR_OK)
		e = secret_copy("0123456789abcdef0123456789abcdef", 32, &key);
	o.dir = argv[1];
	o.key = key;
	if (e == ERR_OK)
		e = journal_open(&o, &j);
	if (e) {
		(void)fprintf(stderr, "journalist: %s\n", err_detail(e));
		return 1;
	}
	return strcmp(argv[2], "append") == 0 ?
	    append(j, atol(argv[3])) :
	    check(j, strtoull(argv[3], NULL, 10));
}
