/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "blobs/blobs_internal.h"

#define FIRST_BUCKETS 64

/* Ids are hashes: any of their bytes will do. */
static size_t
bucket_of(const struct blobs *b, const struct blob_id *id)
{
	uint64_t h;

	memcpy(&h, id->b + 8, sizeof(h));
	return (size_t)h & (b->n_buckets - 1);
}

struct blobs_entry *
blobs_find(const struct blobs *b, const struct blob_id *id)
{
	struct blobs_entry *e;

	if (b->n_buckets == 0)
		return NULL;
	for (e = b->buckets[bucket_of(b, id)]; e; e = e->next)
		if (ID_EQ(&e->id, id))
			return e;
	return NULL;
}

static bool
grow(struct blobs *b)
{
	struct blobs old = *b; /* for its buckets */
	size_t n = old.n_buckets ? 2 * old.n_buckets : FIRST_BUCKETS;
	struct blobs_entry *e, *next, **to;

	b->buckets = calloc(n, sizeof(struct blobs_entry *));
	if (b->buckets == NULL) {
		b->buckets = old.buckets;
		return b->n_buckets > 0; /* crowded, but right */
	}
	b->n_buckets = n;
	for (size_t i = 0; i < old.n_buckets; i++)
		for (e = old.buckets[i]; e; e = next) {
			next = e->next;
			to = &b->buckets[bucket_of(b, &e->id)];
			e->next = *to;
			*to = e;
		}
	free(old.buckets);
	return true;
}

static void
link_newest(struct blobs *b, struct blobs_entry *e)
{
	e->newer = NULL;
	e->older = b->newest;
	if (b->newest)
		b->newest->newer = e;
	else
		b->oldest = e;
	b->newest = e;
}

static void
unlink_used(struct blobs *b, struct blobs_entry *e)
{
	*(e->older ? &e->older->newer : &b->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &b->newest) = e->older;
}

struct blobs_entry *
blobs_entry_new(
    struct blobs *b, const struct blob_id *id, uint64_t bytes, int64_t used_ms)
{
	struct blobs_entry *e, **to;

	if (b->n_entries >= b->n_buckets && !grow(b))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->id = *id;
	e->bytes = bytes;
	e->used_ms = used_ms ? used_ms : clock_wall_ms();
	to = &b->buckets[bucket_of(b, id)];
	e->next = *to;
	*to = e;
	b->n_entries++;
	link_newest(b, e);
	return e;
}

void
blobs_entry_free(struct blobs *b, struct blobs_entry *e)
{
	struct blobs_entry **at = &b->buckets[bucket_of(b, &e->id)];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	b->n_entries--;
	unlink_used(b, e);
	free(e);
}

void
blobs_entry_used(struct blobs *b, struct blobs_entry *e)
{
	unlink_used(b, e);
	link_newest(b, e);
}

static int
by_use(const void *a, const void *b)
{
	const struct blobs_entry *const *x = a, *const *y = b;

	return (*x)->used_ms < (*y)->used_ms ? -1 :
					       (*x)->used_ms > (*y)->used_ms;
}

enum err
blobs_sort(struct blobs *b)
{
	CLEANUP(free) struct blobs_entry **all = NULL;
	size_t n = 0;

	all = calloc(b->n_entries + 1, sizeof(struct blobs_entry *));
	if (all == NULL)
		return ERR_NOMEM;
	for (struct blobs_entry *e = b->oldest; e; e = e->newer)
		all[n++] = e;
	qsort(all, n, sizeof(struct blobs_entry *), by_use);
	b->oldest = b->newest = NULL;
	for (size_t i = 0; i < n; i++)
		link_newest(b, all[i]);
	return ERR_OK;
}

static enum err
evict_one(struct blobs *b)
{
	struct blobs_entry *e = b->oldest;
	enum err err;

	while (e && e->open)
		e = e->newer;
	if (e == NULL)
		return err_say(ERR_NOSPACE,
		    "all of '%s' is in use; raise its size limit", b->dir);
	err = blobs_unlink(b, &e->id);
	if (err)
		return err;
	b->bytes -= e->bytes;
	blobs_entry_free(b, e);
	return ERR_OK;
}

enum err
blobs_reserve(struct blobs *b, uint64_t n)
{
	enum err e = ERR_OK;

	if (b->max_bytes != 0 && n > b->max_bytes)
		return err_say(ERR_NOSPACE,
		    "%llu bytes exceed the size limit of '%s'; raise it",
		    (unsigned long long)n, b->dir);
	while (b->max_bytes != 0 && b->bytes + n > b->max_bytes && e == ERR_OK)
		e = evict_one(b);
	if (e == ERR_OK)
		b->bytes += n;
	return e;
}
