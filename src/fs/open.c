/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ops_internal.h"

#include <fcntl.h>

struct fs_handle *
fs_handle_of(const struct fuse_file_info *fi)
{
	union {
		uint64_t fh;
		struct fs_handle *h;
	} u = { fi->fh };

	return u.h;
}

void
fs_reply_open(fuse_req_t req, struct fs_handle *h, struct fuse_file_info *fi)
{
	fi->fh = (uintptr_t)h;
	/* an open that was interrupted meanwhile is not released */
	if (fuse_reply_open(req, fi) != 0)
		fs_handle_unref(h);
}

static void
finish_open(struct fs_park *p)
{
	fs_park_quiet(p);
	if (p->e == ERR_OK)
		fs_reply_open(p->req, fs_handle_ref(p->h), &p->fi);
	else
		fs_reply_err(p->req, p->e);
	fs_park_unref(p);
}

static void
open_doc(fuse_req_t req, struct fs_handle *h, const struct fuse_file_info *fi)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *fs = h->fs;
	struct fs_park *p = fs_park_new(req, h, finish_open);
	struct fs_who who;
	struct gate_who gw = { .login = who.login };
	enum err e;

	if (p == NULL) {
		fs_reply_err(req, ERR_NOMEM);
		return;
	}
	p->fi = *fi;
	p->fi.direct_io = fs->opts.direct_io;
	p->fi.keep_cache = !fs->opts.direct_io;
	fs_who(fs, ctx->uid, ctx->pid, &who);
	gw.app = who.app[0] ? who.app : NULL;
	e = gate_doc_open(fs->gate, h->place.set->gs, h->place.node->number,
	    &gw, &h->doc, fs_park_done, p);
	if (e == ERR_PENDING) {
		fs_park_arm(p);
		return;
	}
	p->e = e;
	finish_open(p);
}

/* What needs no decision: texts and ciphertext. */
static enum err
open_other(struct fs_handle *h, struct fuse_file_info *fi)
{
	const struct buf *index;

	if (h->place.node->kind == FS_TEXT) {
		fi->direct_io = 1; /* it changes while the kernel looks away */
		return fs_text(h->fs, &h->place, &h->text);
	}
	fi->keep_cache = 1;
	return h->place.node->kind == FS_INDEX ?
	    fs_set_index(h->place.set, &index) :
	    ERR_OK;
}

void
fs_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP_PLACE struct fs_place place = { 0 };
	CLEANUP(fs_handle_unref) struct fs_handle *h = NULL;
	enum err e = fs->dark ? ERR_INTERRUPTED : fs_resolve(fs, ino, &place);

	if (e == ERR_OK && fs_is_dir(place.node->kind)) {
		(void)fuse_reply_err(req, EISDIR);
		return;
	}
	if (e == ERR_OK &&
	    ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)))
		e = ERR_READONLY;
	/* from here on a revocation, or the keeper, looks for pages of it */
	if (e == ERR_OK)
		e = fs_inodes_opened(&fs->inodes, ino);
	if (e == ERR_OK)
		e = fs_handle_new(fs, &place, &h);
	if (e == ERR_OK && place.node->kind == FS_DOC) {
		open_doc(req, h, fi);
		return;
	}
	if (e == ERR_OK)
		e = open_other(h, fi);
	if (e == ERR_OK)
		fs_reply_open(req, TAKE(h), fi);
	else
		fs_reply_err(req, e);
}

void
fs_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fs_handle_unref(fs_handle_of(fi));
	(void)fuse_reply_err(req, 0);
}
