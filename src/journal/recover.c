/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "journal/journal_internal.h"

#define NAME_LEN 20 /* 16 hex digits and ".seg" */

/* One segment being checked. */
struct scan {
	struct journal *j;
	struct journal_seg *seg;
	uint8_t *bytes; /* as long as the segment should be */
	int fd;
	bool newest, cut_short;
};

static enum err
damaged(const struct scan *s, const char *what)
{
	return err_say(ERR_CORRUPT,
	    "segment %016" PRIx64 " of journal '%s': %s at record %" PRIu64
	    " (byte %" PRIu32 "); keep a copy and have it examined",
	    s->seg->first, s->j->dir, what, s->j->last.seq + 1, s->seg->used);
}

static enum err
io_failed(const struct scan *s, const char *what)
{
	int kept = errno;

	return err_say(err_from_errno(kept),
	    "cannot %s segment %016" PRIx64 " of journal '%s': %s", what,
	    s->seg->first, s->j->dir, strerror(kept));
}

/*
 * What a crashed program wrote may not be on disk yet, and after a failed sync
 * the page cache may hold what the disk never got: sync, then read the disk.
 */
static enum err
settle(const struct scan *s)
{
	if (fdatasync(s->fd) != 0)
		return io_failed(s, "sync");
	(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
	return ERR_OK;
}

static enum err
open_file(struct scan *s)
{
	CLEANUP(free) char *path = journal_seg_path(s->j, s->seg->first);

	if (path == NULL)
		return ERR_NOMEM;
	s->fd = open(
	    path, O_CLOEXEC | O_NOFOLLOW | (s->newest ? O_RDWR : O_RDONLY));
	if (s->fd < 0)
		return io_failed(s, "open");
	return s->newest ? settle(s) : ERR_OK;
}

static enum err
read_file(struct scan *s, struct journal_link *before)
{
	uint8_t head[JOURNAL_SEGMENT_HEAD];
	uint32_t size;
	struct stat st;
	size_t have;
	enum err e;

	if (fstat(s->fd, &st) != 0)
		return io_failed(s, "read");
	if (st.st_size < JOURNAL_SEGMENT_HEAD)
		return damaged(s, "no header");
	e = file_pread(s->fd, head, sizeof(head), 0);
	if (e == ERR_OK)
		e = journal_seg_head(s->j, head, s->seg->first, before, &size);
	if (e == ERR_OK)
		e = journal_seg_init(s->seg, s->seg->first, size);
	if (e)
		return e;
	s->cut_short = st.st_size < (off_t)size;
	have = s->cut_short ? (size_t)st.st_size : size;
	s->bytes = calloc(1, size);
	if (s->bytes == NULL)
		return ERR_NOMEM;
	e = file_pread(s->fd, s->bytes, have, 0);
	return e ?
	    err_say(e, "cannot read segment %016" PRIx64 " of journal '%s'",
		s->seg->first, s->j->dir) :
	    ERR_OK;
}

/* CORRUPT tells of the record; anything else must not look like that. */
static enum err
authentic(const struct scan *s, const struct journal_record *r)
{
	CLEANUP_BUF struct buf plain = { 0 };

	return journal_record_open(s->j->key, r, &plain);
}

static bool
continues(const struct scan *s, struct journal_record *out)
{
	const struct journal_link *at = &s->j->last;

	return journal_record_read(
		   s->bytes + s->seg->used, s->seg->size - s->seg->used, out) &&
	    out->seq == at->seq + 1 &&
	    memcmp(out->chain, at->hash, sizeof(at->hash)) == 0;
}

/* Follow the chain up to the first bytes that do not continue it. */
static enum err
follow(struct scan *s)
{
	struct journal_record r;
	enum err e;

	while (continues(s, &r)) {
		e = authentic(s, &r);
		if (e)
			return e == ERR_CORRUPT ? ERR_OK : e;
		journal_seg_mark(s->seg, r.seq, s->seg->used);
		journal_link_next(&s->j->last, &r);
		s->seg->used += r.bytes;
	}
	return ERR_OK;
}

/* The end of the last byte that is not zero. */
static uint32_t
written_end(const struct scan *s)
{
	uint32_t end = s->seg->size;

	while (end > s->seg->used && s->bytes[end - 1] == 0)
		end--;
	return end;
}

/*
 * Bytes after the end of the chain are a torn tail if they can be one write
 * that was never acknowledged; else what they follow had been on disk.
 */
static enum err
check_torn(const struct scan *s, uint32_t end)
{
	uint64_t lost = s->j->last.seq + 1;
	struct journal_record r;
	enum err e;

	if (!s->newest)
		return damaged(s, "damage");
	if (end - s->seg->used > JOURNAL_GROUP_MAX)
		return damaged(s, "a hole");
	for (uint32_t at = s->seg->used; at < end; at += 8) {
		if (!journal_record_read(s->bytes + at, s->seg->size - at, &r))
			continue;
		if (at != s->seg->used && r.group <= lost)
			continue;
		e = authentic(s, &r);
		if (e != ERR_CORRUPT)
			return e ? e : damaged(s, "a hole");
	}
	return ERR_OK;
}

static enum err
cut_tail(const struct scan *s, uint32_t end)
{
	uint32_t n = end - s->seg->used;
	enum err e;

	log_warn("journal: cut %" PRIu32 " bytes of an unfinished write after "
		 "record %" PRIu64,
	    n, s->j->last.seq);
	memset(s->bytes + s->seg->used, 0, n);
	e = file_pwrite(s->fd, s->bytes + s->seg->used, n, s->seg->used);
	if (e == ERR_OK && fdatasync(s->fd) != 0)
		e = err_from_errno(errno);
	return e ? err_say(e, "cannot cut the tail of journal '%s': %s",
		       s->j->dir, err_text(e)) :
		   ERR_OK;
}

static enum err
regrow(const struct scan *s)
{
	log_warn(
	    "journal: segment %016" PRIx64 " was cut short", s->seg->first);
	errno = posix_fallocate(s->fd, 0, s->seg->size);
	if (errno != 0 || fsync(s->fd) != 0)
		return io_failed(s, "reserve");
	return ERR_OK;
}

static enum err
check_tail(struct scan *s)
{
	uint32_t end = written_end(s);
	enum err e = ERR_OK;

	if (end > s->seg->used)
		e = check_torn(s, end);
	if (e || !s->newest)
		return e;
	if (s->cut_short)
		e = regrow(s);
	if (e == ERR_OK && end > s->seg->used)
		e = cut_tail(s, end);
	return e;
}

/* Every segment must go on where the one before it ended. */
static enum err
check_segment(struct scan *s, bool first)
{
	struct journal *j = s->j;
	struct journal_link before;
	enum err e = open_file(s);

	if (e == ERR_OK)
		e = read_file(s, &before);
	if (e == ERR_NOKEY && !first)
		return damaged(s, "a forged header");
	if (e)
		return e;
	if (first)
		j->last = before;
	else if (before.seq != j->last.seq ||
	    memcmp(before.hash, j->last.hash, sizeof(before.hash)) != 0)
		return damaged(s, "records are missing");
	e = follow(s);
	if (e == ERR_OK)
		e = check_tail(s);
	if (e || !s->newest)
		return e;
	j->size = s->seg->size;
	j->used = s->seg->used;
	j->fd = s->fd;
	s->fd = -1;
	return ERR_OK;
}

static enum err
check_all(struct journal *j)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < j->n_segs && e == ERR_OK; i++) {
		struct scan s = { .j = j,
			.seg = &j->segs[i],
			.fd = -1,
			.newest = i == j->n_segs - 1 };

		e = check_segment(&s, i == 0);
		free(s.bytes);
		cleanup_fd_close(&s.fd);
	}
	return e;
}

static enum err
add_name(struct journal *j, const char *name)
{
	struct journal_seg *segs;
	char digits[17] = "";
	uint8_t b[8];
	struct rd r;

	if (strlen(name) != NAME_LEN || strcmp(name + 16, ".seg") != 0)
		return ERR_OK;
	memcpy(digits, name, 16);
	if (text_hex_read(digits, b, sizeof(b)) != ERR_OK)
		return ERR_OK;
	segs = reallocarray(j->segs, j->n_segs + 1, sizeof(*segs));
	if (segs == NULL)
		return ERR_NOMEM;
	j->segs = segs;
	rd_init(&r, b, sizeof(b));
	segs[j->n_segs++] = (struct journal_seg){ .first = rd_u64(&r) };
	return ERR_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct journal_seg *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static enum err
find_segments(struct journal *j)
{
	DIR *d = opendir(j->dir);
	struct dirent *de;
	enum err e = ERR_OK;

	if (d == NULL)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    j->dir, strerror(errno));
	for (;;) {
		errno = 0; /* a name that is none may leave something there */
		de = readdir(d);
		if (de == NULL || (e = add_name(j, de->d_name)) != ERR_OK)
			break;
	}
	if (e == ERR_OK && errno != 0)
		e = err_say(
		    ERR_IO, "cannot read '%s': %s", j->dir, strerror(errno));
	(void)closedir(d);
	if (j->n_segs > 0)
		qsort(j->segs, j->n_segs, sizeof(*j->segs), by_first);
	return e;
}

enum err
journal_recover(struct journal *j)
{
	enum err e = find_segments(j);

	if (e || j->n_segs > 0)
		return e ? e : check_all(j);
	j->segs = calloc(1, sizeof(*j->segs));
	if (j->segs == NULL)
		return ERR_NOMEM;
	j->n_segs = 1;
	e = journal_seg_init(&j->segs[0], 1, j->segment_bytes);
	if (e == ERR_OK)
		e = journal_seg_create(j, &j->last, &j->fd);
	j->size = j->segment_bytes;
	j->used = JOURNAL_SEGMENT_HEAD;
	return e;
}
