/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "journal/journal_internal.h"

#define FIELDS 64 /* bytes of the header before its two hashes */

static const char magic[8] = "cfsjrnl\n";
static const char context[] = "consentfs/1 journal segment";

char *
journal_seg_path(const struct journal *j, uint64_t first)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%016" PRIx64 ".seg", j->dir, first) < 0)
		return NULL;
	return path;
}

enum err
journal_seg_init(struct journal_seg *seg, uint64_t first, uint32_t size)
{
	size_t records = size / JOURNAL_RECORD_MIN + 1;

	*seg = (struct journal_seg){
		.first = first, .size = size, .used = JOURNAL_SEGMENT_HEAD
	};
	seg->marks = calloc(
	    records / JOURNAL_MARK_EVERY + 1, sizeof(*seg->marks));
	return seg->marks ? ERR_OK : ERR_NOMEM;
}

void
journal_seg_mark(struct journal_seg *seg, uint64_t seq, uint32_t off)
{
	uint64_t i = seq - seg->first;

	if (i % JOURNAL_MARK_EVERY == 0)
		seg->marks[i / JOURNAL_MARK_EVERY] = off;
}

static void
head_hashes(const struct journal *j, const uint8_t *head,
    uint8_t mac[static 32], uint8_t sum[static 32])
{
	const struct seal_part keyed[] = {
		{ context, sizeof(context) - 1 },
		{ head, FIELDS },
	};
	const struct seal_part plain = { head, FIELDS + 32 };

	seal_hash(secret_view(j->key), keyed, ARRAY_LEN(keyed), mac);
	seal_hash(NULL, &plain, 1, sum);
}

static enum err
make_head(
    const struct journal *j, const struct journal_link *at, struct buf *out)
{
	uint8_t *hashes;

	buf_put(out, magic, sizeof(magic));
	buf_u32(out, JOURNAL_VERSION);
	buf_u32(out, j->segment_bytes);
	buf_u64(out, at->seq + 1);
	buf_put(out, at->hash, sizeof(at->hash));
	buf_u64(out, 0);
	hashes = buf_room(out, 64);
	if (hashes == NULL)
		return out->err;
	head_hashes(j, out->p, hashes, hashes + 32);
	/* the sum covers the MAC, which is there only now */
	head_hashes(j, out->p, hashes, hashes + 32);
	return ERR_OK;
}

static enum err
fill_file(const struct journal *j, int fd, const struct buf *head)
{
	int rc = posix_fallocate(fd, 0, j->segment_bytes);
	enum err e;

	if (rc)
		return err_say(err_from_errno(rc),
		    "cannot reserve %" PRIu32 " bytes in '%s': %s",
		    j->segment_bytes, j->dir, strerror(rc));
	e = file_pwrite(fd, head->p, head->len, 0);
	if (e == ERR_OK && fsync(fd) != 0)
		e = err_from_errno(errno);
	if (e)
		return err_say(e, "cannot write a segment in '%s': %s", j->dir,
		    err_text(e));
	return ERR_OK;
}

/* Once it has its name the segment counts, unless the name may be lost. */
static enum err
name_file(struct journal *j, const char *tmp, uint64_t first)
{
	CLEANUP(free) char *path = journal_seg_path(j, first);
	int rc;

	if (path == NULL)
		return ERR_NOMEM;
	if (rename(tmp, path) != 0) {
		rc = errno;
		return err_say(err_from_errno(rc), "cannot create '%s': %s",
		    path, strerror(rc));
	}
	j->broken = true;
	if (file_sync_dir(j->dir) != ERR_OK)
		return ERR_IO;
	j->broken = false;
	return ERR_OK;
}

enum err
journal_seg_create(
    struct journal *j, const struct journal_link *at, int *out_fd)
{
	CLEANUP(free) char *tmp = file_join(j->dir, "new.tmp");
	CLEANUP_BUF struct buf head = { 0 };
	CLEANUP_FD int fd = -1;
	enum err e;

	if (tmp == NULL || make_head(j, at, &head) != ERR_OK)
		return ERR_NOMEM;
	(void)unlink(tmp); /* left over from a crash */
	fd = open(
	    tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_say(err_from_errno(errno), "cannot create '%s': %s",
		    tmp, strerror(errno));
	e = fill_file(j, fd, &head);
	if (e == ERR_OK)
		e = name_file(j, tmp, at->seq + 1);
	if (e != ERR_OK) {
		(void)unlink(tmp);
		return e;
	}
	*out_fd = fd;
	fd = -1;
	return ERR_OK;
}

static enum err
head_bad(const struct journal *j, enum err e, uint64_t first, const char *why)
{
	return err_say(
	    e, "segment %016" PRIx64 " of journal '%s' %s", first, j->dir, why);
}

enum err
journal_seg_head(const struct journal *j,
    const uint8_t head[static JOURNAL_SEGMENT_HEAD], uint64_t first,
    struct journal_link *out, uint32_t *out_size)
{
	uint8_t mac[32], sum[32];
	uint32_t version;
	struct rd r;

	rd_init(&r, head, JOURNAL_SEGMENT_HEAD);
	if (memcmp(rd_take(&r, sizeof(magic)), magic, sizeof(magic)) != 0)
		return head_bad(j, ERR_CORRUPT, first, "has no header");
	version = rd_u32(&r);
	if (version != JOURNAL_VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "segment %016" PRIx64 " of journal '%s' has version %u, "
		    "this program reads %u; use the program that wrote it",
		    first, j->dir, version, JOURNAL_VERSION);
	head_hashes(j, head, mac, sum);
	if (memcmp(head + FIELDS + 32, sum, 32) != 0)
		return head_bad(j, ERR_CORRUPT, first, "has a damaged header");
	if (memcmp(head + FIELDS, mac, 32) != 0)
		return head_bad(j, ERR_NOKEY, first,
		    "belongs to another identity; use that one or another "
		    "directory");
	*out_size = rd_u32(&r);
	if (rd_u64(&r) != first || first == 0 ||
	    *out_size < JOURNAL_SEGMENT_MIN || *out_size > JOURNAL_SEGMENT_MAX)
		return head_bad(j, ERR_CORRUPT, first, "is misnamed");
	out->seq = first - 1;
	rd_copy(&r, out->hash, sizeof(out->hash));
	return ERR_OK;
}
