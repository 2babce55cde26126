/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>

#include "blobs/blobs_internal.h"

/* The files of an announced blob before they have their names. */
struct draft {
	char bytes[BLOBS_NAME], part[BLOBS_NAME], leaves[BLOBS_NAME];
};

static enum err
write_synced(struct blobs *b, const struct blob_id *id, const struct buf *file,
    char out_name[static BLOBS_NAME])
{
	enum err e = file->err;

	if (e == ERR_OK)
		e = blobs_tmp_write(b, id, file->p, file->len, out_name);
	return e ? e : blobs_tmp_sync(b, out_name);
}

static enum err
write_sparse(struct blobs *b, const struct blob_id *id, uint64_t length,
    char out_name[static BLOBS_NAME])
{
	CLEANUP_FD int fd = blobs_tmp_open(b, id, out_name);

	if (fd < 0 || ftruncate(fd, (off_t)length) != 0 || fsync(fd) != 0)
		return blobs_failed(b, out_name, "create");
	return ERR_OK;
}

static enum err
write_draft(struct blobs *b, const struct blob_id *id, uint64_t length,
    const uint8_t *leaves, struct draft *d)
{
	CLEANUP_BUF struct buf part = { 0 }, list = { 0 };
	size_t spans = (size_t)seal_spans(length);
	uint8_t *bits;
	enum err e;

	blobs_head_put(&list, blobs_magic_leaves, length);
	buf_put(&list, leaves, 32 * spans);
	blobs_head_put(&part, blobs_magic_part, length);
	bits = buf_room(&part, (spans + 7) / 8);
	for (size_t i = 0; bits && i < (spans + 7) / 8; i++)
		bits[i] = 0;
	e = write_synced(b, id, &list, d->leaves);
	if (e == ERR_OK)
		e = write_synced(b, id, &part, d->part);
	return e ? e : write_sparse(b, id, length, d->bytes);
}

static enum err
name_draft_locked(struct blobs *b, const struct blob_id *id, struct draft *d)
{
	enum err e;

	if (blobs_look(b, id) != BLOBS_NONE)
		return ERR_OK;
	if (b->failed)
		return err_say(ERR_IO,
		    "'%s' failed before; see to its disk and start this "
		    "program again",
		    b->dir);
	if (b->max_bytes != 0 && blobs_entry_new(b, id, 0, 0) == NULL)
		return ERR_NOMEM;
	e = blobs_rename(b, d->leaves, id, ".leaves");
	if (e == ERR_OK)
		e = blobs_rename(b, d->part, id, ".part");
	if (e == ERR_OK)
		e = blobs_rename(b, d->bytes, id, ".new");
	if (e && b->max_bytes != 0)
		blobs_entry_free(b, blobs_find(b, id));
	return e;
}

static enum err
announce(struct blobs *b, const struct blob_id *id, uint64_t length,
    const uint8_t *leaves)
{
	struct draft d = { "", "", "" };
	enum err e = write_draft(b, id, length, leaves, &d);

	if (e == ERR_OK) {
		(void)pthread_mutex_lock(&b->lock);
		e = name_draft_locked(b, id, &d);
		(void)pthread_mutex_unlock(&b->lock);
	}
	blobs_tmp_drop(b, d.bytes);
	blobs_tmp_drop(b, d.part);
	blobs_tmp_drop(b, d.leaves);
	return e;
}

enum err
blobs_begin(struct blobs *b, const struct blob_id *id, uint64_t length,
    const uint8_t *leaves, size_t n)
{
	enum blobs_there there;
	struct blob_id is;
	enum err e = ERR_OK;

	if (length > BLOBS_MAX_LENGTH)
		return err_say(ERR_TOOBIG,
		    "a blob of %" PRIu64 " bytes is larger than %llu", length,
		    BLOBS_MAX_LENGTH);
	if (n == seal_spans(length))
		seal_blob_id(length, leaves, n, &is);
	if (n != seal_spans(length) || !ID_EQ(&is, id))
		return err_say(
		    ERR_FORGED, "the leaf list does not match its blob id");
	if (b->max_bytes != 0 && length > b->max_bytes)
		return err_say(ERR_NOSPACE,
		    "%" PRIu64 " bytes exceed the size limit of '%s'; raise it",
		    length, b->dir);
	(void)pthread_mutex_lock(&b->lock);
	there = blobs_look(b, id);
	(void)pthread_mutex_unlock(&b->lock);
	if (there == BLOBS_NONE)
		e = announce(b, id, length, leaves);
	return e ? e : blobs_sync_fan(b, id);
}
