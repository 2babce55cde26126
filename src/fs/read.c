/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ops_internal.h"

#define MAX_TRIES 3 /* fetches for one READ */

/* Reply what the gate gave, and tell it so, or the error. */
static void
reply_doc(fuse_req_t req, struct gate_doc *doc, enum err e, size_t n)
{
	if (e != ERR_OK) {
		fs_reply_err(req, e);
		return;
	}
	(void)fs_reply_buffer(req, n);
	gate_doc_read_end(doc);
}

static void
finish_read(struct fs_park *p)
{
	uint8_t *to = fs_buffer();
	enum err e = to ? p->e : ERR_NOMEM;
	size_t n = 0;

	if (e == ERR_OK)
		e = gate_doc_read(p->h->doc, p->off, to, p->size, &n);
	if (e == ERR_PENDING) {
		e = ERR_IO;
		if (++p->tries < MAX_TRIES)
			e = fs_park_fetch(p);
		if (e == ERR_OK)
			return;
	}
	fs_park_quiet(p);
	reply_doc(p->req, p->h->doc, e, n);
	fs_park_unref(p);
}

static void
park_read(fuse_req_t req, struct fs_handle *h, uint64_t off, size_t size)
{
	struct fs_park *p = fs_park_new(req, h, finish_read);
	enum err e = ERR_NOMEM;

	if (p) {
		p->off = off;
		p->size = size;
		e = gate_doc_fetch(h->doc, off, size, fs_park_done, p);
	}
	if (e == ERR_OK) {
		fs_park_arm(p);
		return;
	}
	if (p)
		fs_park_unref(p);
	fs_reply_err(req, e);
}

static void
read_doc(fuse_req_t req, struct fs_handle *h, uint64_t off, size_t size)
{
	size_t n = 0;
	enum err e = gate_doc_read(h->doc, off, fs_buffer(), size, &n);

	if (e == ERR_PENDING)
		park_read(req, h, off, size);
	else
		reply_doc(req, h->doc, e, n);
}

static void
read_blob(fuse_req_t req, struct fs_handle *h, uint64_t off, size_t size)
{
	size_t n = 0;
	enum err e = gate_cipher_read(h->fs->gate, h->place.set->gs,
	    h->place.node->number, off, fs_buffer(), size, &n);

	if (e == ERR_OK)
		(void)fs_reply_buffer(req, n);
	else
		fs_reply_err(req, e);
}

/* A copy: the reader may have closed the file before our write returns. */
static void
read_bytes(fuse_req_t req, const struct buf *b, uint64_t off, size_t size)
{
	if (off >= b->len)
		size = 0;
	else if (size > b->len - off)
		size = b->len - (size_t)off;
	if (size > 0)
		memcpy(fs_buffer(), b->p + off, size);
	(void)fs_reply_buffer(req, size);
}

void
fs_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct fs_handle *h = fs_handle_of(fi);

	(void)ino;
	if (size > FS_READ_MAX)
		size = FS_READ_MAX;
	if (h->fs->dark)
		fs_reply_err(req, ERR_INTERRUPTED);
	else if (off < 0 || fs_buffer() == NULL)
		fs_reply_err(req, off < 0 ? ERR_INVAL : ERR_NOMEM);
	else if (h->place.node->kind == FS_DOC)
		read_doc(req, h, (uint64_t)off, size);
	else if (h->place.node->kind == FS_BLOB)
		read_blob(req, h, (uint64_t)off, size);
	else if (h->place.node->kind == FS_INDEX)
		read_bytes(req, &h->place.set->index, (uint64_t)off, size);
	else
		read_bytes(req, &h->text, (uint64_t)off, size);
}
