/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "journal/journal_internal.h"

#define WINDOW 65536 /* several of the largest records */

/* A reader's place: in which segment, where, which record comes next. */
struct place {
	uint64_t segment, seq;
	uint32_t off, used;
	bool chained; /* chain is known */
	struct journal_link at;
};

struct visit {
	bool (*fn)(void *ctx, uint64_t seq, const void *p, size_t n);
	void *ctx;
	uint64_t from;
	bool stop;
};

static const struct journal_seg *
seg_of_locked(const struct journal *j, uint64_t seq)
{
	const struct journal_seg *found = NULL;

	for (size_t i = 0; i < j->n_segs && j->segs[i].first <= seq; i++)
		found = &j->segs[i];
	return found;
}

static enum err
gone(const struct journal *j, uint64_t seq)
{
	return err_say(ERR_NOTFOUND,
	    "record %" PRIu64 " of journal '%s' was dropped", seq, j->dir);
}

/* Find record ${seq}: the mark before it.  False at the end. */
static enum err
locate(struct journal *j, uint64_t seq, struct place *out, bool *out_end)
{
	const struct journal_seg *seg;
	uint64_t i;

	(void)pthread_mutex_lock(&j->lock);
	seg = seg_of_locked(j, seq);
	*out_end = seq > j->last.seq;
	if (seg && !*out_end) {
		i = (seq - seg->first) / JOURNAL_MARK_EVERY;
		out->segment = seg->first;
		out->used = seg->used;
		out->off = seg->marks[i];
		out->seq = seg->first + i * JOURNAL_MARK_EVERY;
		/* before the place where we were: that chain is of no use */
		out->chained = out->chained && out->seq == seq;
	}
	(void)pthread_mutex_unlock(&j->lock);
	return seg ? ERR_OK : gone(j, seq);
}

static enum err
damaged(const struct journal *j, const struct place *at)
{
	return err_say(ERR_CORRUPT,
	    "segment %016" PRIx64 " of journal '%s': damage at record %" PRIu64
	    "; keep a copy and have it examined",
	    at->segment, j->dir, at->seq);
}

/* Before the first record that we see only its own word tells the chain. */
static bool
follows(const struct place *at, const struct journal_record *r)
{
	return r->seq == at->seq &&
	    (!at->chained ||
		memcmp(r->chain, at->at.hash, sizeof(at->at.hash)) == 0);
}

static enum err
visit_record(struct journal *j, const struct journal_record *r,
    struct place *at, struct visit *v)
{
	CLEANUP_BUF struct buf plain = { 0 };
	enum err e = journal_record_open(j->key, r, &plain);

	if (e == ERR_NOMEM)
		return e;
	if (e || !follows(at, r))
		return damaged(j, at);
	journal_link_next(&at->at, r);
	at->chained = true;
	if (r->seq >= v->from)
		v->stop = !v->fn(v->ctx, r->seq, plain.p, plain.len);
	at->seq++;
	at->off += r->bytes;
	return ERR_OK;
}

/* Visit the records that lie wholly in ${n} bytes at the place. */
static enum err
visit_window(struct journal *j, const uint8_t *p, size_t n, struct place *at,
    struct visit *v)
{
	uint32_t start = at->off;
	struct journal_record r;
	enum err e = ERR_OK;

	while (e == ERR_OK && !v->stop &&
	    journal_record_read(
		p + (at->off - start), n - (at->off - start), &r))
		e = visit_record(j, &r, at, v);
	if (e == ERR_OK && at->off == start)
		return damaged(j, at);
	return e;
}

static enum err
visit_segment(struct journal *j, struct place *at, struct visit *v)
{
	CLEANUP(free) char *path = journal_seg_path(j, at->segment);
	CLEANUP(free) uint8_t *window = malloc(WINDOW);
	CLEANUP_FD int fd = -1;
	enum err e = ERR_OK;

	if (path == NULL || window == NULL)
		return ERR_NOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ?
		    gone(j, at->seq) :
		    err_say(err_from_errno(errno), "cannot open '%s': %s", path,
			strerror(errno));
	while (e == ERR_OK && !v->stop && at->off < at->used) {
		size_t n = at->used - at->off;

		n = n < WINDOW ? n : WINDOW;
		e = file_pread(fd, window, n, at->off);
		if (e)
			return e == ERR_CORRUPT ?
			    damaged(j, at) :
			    err_say(e, "cannot read '%s'", path);
		e = visit_window(j, window, n, at, v);
	}
	return e;
}

enum err
journal_read(struct journal *j, uint64_t from,
    bool (*fn)(void *ctx, uint64_t seq, const void *p, size_t n), void *ctx)
{
	struct visit v = { .fn = fn, .ctx = ctx, .from = from ? from : 1 };
	struct place at = { 0 };
	uint64_t next = v.from;
	bool end = false;
	enum err e;

	for (;;) {
		e = locate(j, next, &at, &end);
		if (e || end)
			return e;
		v.from = next; /* a mark may lie before it */
		e = visit_segment(j, &at, &v);
		if (e || v.stop)
			return e;
		next = at.seq;
	}
}

static bool
unlist_oldest(struct journal *j, uint64_t before, uint64_t *out_first)
{
	bool old;

	(void)pthread_mutex_lock(&j->lock);
	old = j->n_segs > 1 && j->segs[1].first <= before;
	if (old) {
		*out_first = j->segs[0].first;
		free(j->segs[0].marks);
		j->n_segs--;
		memmove(j->segs, j->segs + 1, j->n_segs * sizeof(*j->segs));
	}
	(void)pthread_mutex_unlock(&j->lock);
	return old;
}

static enum err
remove_segment(const struct journal *j, uint64_t first)
{
	CLEANUP(free) char *path = journal_seg_path(j, first);

	if (path == NULL)
		return ERR_NOMEM;
	if (unlink(path) != 0 && errno != ENOENT)
		return err_say(err_from_errno(errno), "cannot remove '%s': %s",
		    path, strerror(errno));
	return file_sync_dir(j->dir); /* one by one: a crash leaves no hole */
}

enum err
journal_drop(struct journal *j, uint64_t before)
{
	enum err e = ERR_OK;
	uint64_t first;

	(void)pthread_mutex_lock(&j->drop_lock);
	while (e == ERR_OK && unlist_oldest(j, before, &first))
		e = remove_segment(j, first);
	(void)pthread_mutex_unlock(&j->drop_lock);
	return e;
}
