/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "blobs/blobs_internal.h"

const char blobs_magic_leaves[8] = "cfsleaf\n";
const char blobs_magic_part[8] = "cfspart\n";

void
blobs_head_put(struct buf *out, const char magic[static 8], uint64_t length)
{
	buf_put(out, magic, 8);
	buf_u32(out, BLOBS_VERSION);
	buf_u32(out, 0);
	buf_u64(out, length);
}

static enum err
damaged(const struct blobs *b, const char *name)
{
	return err_say(ERR_CORRUPT,
	    "'%s/%s' is damaged; fetch or restore it again", b->dir, name);
}

/* ${magic} also names what is expected: 8 bytes. */
static enum err
head_read(const struct blobs *b, const char *name, int fd, const char *magic,
    uint64_t *out_length)
{
	uint8_t head[BLOBS_HEAD];
	uint32_t version, zero;
	struct rd r;
	enum err e = file_pread(fd, head, sizeof(head), 0);

	if (e)
		return e == ERR_CORRUPT ? damaged(b, name) : e;
	if (memcmp(head, magic, 8) != 0)
		return damaged(b, name);
	rd_init(&r, head + 8, sizeof(head) - 8);
	version = rd_u32(&r);
	if (version != BLOBS_VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "'%s/%s' has version %u, this program reads %d; use the "
		    "program that wrote it",
		    b->dir, name, version, BLOBS_VERSION);
	zero = rd_u32(&r);
	*out_length = rd_u64(&r);
	return zero != 0 || *out_length > BLOBS_MAX_LENGTH ? damaged(b, name) :
							     ERR_OK;
}

size_t
blobs_span_len(uint64_t length, uint64_t i)
{
	uint64_t left = length - i * SEAL_SPAN;

	return left < SEAL_SPAN ? (size_t)left : SEAL_SPAN;
}

enum err
blobs_leaves_of(const uint8_t *bytes, size_t n, struct buf *out)
{
	uint64_t spans = seal_spans(n);

	for (uint64_t i = 0; i < spans; i++) {
		uint8_t *leaf = buf_room(out, 32);

		if (leaf == NULL)
			return out->err;
		seal_leaf(i, n ? bytes + i * SEAL_SPAN : bytes,
		    blobs_span_len(n, i), leaf);
	}
	return ERR_OK;
}

/* The file after its head must have exactly ${n} bytes. */
static enum err
body_read(
    const struct blobs *b, const char *name, int fd, size_t n, uint8_t **out)
{
	CLEANUP(free) uint8_t *p = malloc(n);
	struct stat st;
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	if (fstat(fd, &st) != 0)
		return blobs_failed(b, name, "read");
	if (st.st_size != (off_t)(BLOBS_HEAD + n))
		return damaged(b, name);
	e = file_pread(fd, p, n, BLOBS_HEAD);
	if (e)
		return e == ERR_CORRUPT ? damaged(b, name) : e;
	*out = TAKE(p);
	return ERR_OK;
}

enum err
blobs_leaves_load(const struct blobs *b, const struct blob_id *id,
    uint64_t *out_length, uint8_t **out)
{
	CLEANUP(free) uint8_t *leaves = NULL;
	CLEANUP_FD int fd = -1;
	char name[BLOBS_NAME];
	struct blob_id is;
	size_t n;
	enum err e;

	blobs_name(id, ".leaves", name);
	fd = openat(b->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? damaged(b, name) :
					 blobs_failed(b, name, "open");
	e = head_read(b, name, fd, blobs_magic_leaves, out_length);
	if (e)
		return e;
	n = (size_t)seal_spans(*out_length);
	e = body_read(b, name, fd, 32 * n, &leaves);
	if (e)
		return e;
	seal_blob_id(*out_length, leaves, n, &is);
	if (!ID_EQ(&is, id))
		return damaged(b, name);
	*out = TAKE(leaves);
	return ERR_OK;
}

enum err
blobs_bits_load(const struct blobs *b, int fd, const struct blob_id *id,
    uint64_t length, uint8_t **out)
{
	char name[BLOBS_NAME];
	uint64_t says;
	enum err e;

	blobs_name(id, ".part", name);
	e = head_read(b, name, fd, blobs_magic_part, &says);
	if (e)
		return e;
	if (says != length)
		return damaged(b, name);
	return body_read(
	    b, name, fd, (size_t)(seal_spans(length) + 7) / 8, out);
}

uint64_t
blobs_bits_count(const uint8_t *bits, uint64_t length, uint64_t *out_bytes)
{
	uint64_t spans = seal_spans(length), n = 0;

	*out_bytes = 0;
	for (uint64_t i = 0; i < spans; i++)
		if (bits[i / 8] >> (i % 8) & 1) {
			n++;
			*out_bytes += blobs_span_len(length, i);
		}
	return n;
}

static void
count_bits(
    const struct blobs *b, const struct blob_id *id, struct blobs_size *out)
{
	CLEANUP(free) uint8_t *bits = NULL;
	CLEANUP_FD int fd = -1;
	char name[BLOBS_NAME];

	out->bytes = 0;
	out->all = false;
	blobs_name(id, ".part", name);
	fd = openat(b->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && out->length <= BLOBS_MAX_LENGTH &&
	    blobs_bits_load(b, fd, id, out->length, &bits) == ERR_OK)
		out->all = blobs_bits_count(bits, out->length, &out->bytes) ==
		    seal_spans(out->length);
}

enum err
blobs_stat(const struct blobs *b, const struct blob_id *id, const char *suffix,
    struct blobs_size *out)
{
	char name[BLOBS_NAME];
	struct stat st;

	blobs_name(id, suffix, name);
	if (fstatat(b->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return blobs_failed(b, name, "read");
	out->length = out->bytes = (uint64_t)st.st_size;
	out->used_ms = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	out->all = true;
	if (strcmp(suffix, ".blob") != 0)
		count_bits(b, id, out);
	return ERR_OK;
}
