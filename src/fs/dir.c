/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listing.  A handle keeps its tree, so an offset is the position behind an
 * entry: 1 ".", 2 "..", then the children in their order.
 */
#include "fs/ops_internal.h"

#include <string.h>

#define TTL       3600.0
#define MIN_ENTRY 128 /* bytes of READDIRPLUS; it is more */

enum err
fs_entry(struct fs *fs, const struct fs_place *p, struct fuse_entry_param *out)
{
	enum err e;

	*out = (struct fuse_entry_param){ .ino = p->node->ino,
		.attr_timeout = p->node->kind == FS_TEXT ? 0 : TTL,
		.entry_timeout = TTL };
	e = fs_attr(fs, p, &out->attr);
	if (e == ERR_OK && p->set) {
		uint64_t ino;

		e = fs_inodes_take(
		    &fs->inodes, p->node->ino, p->set, p->index, &ino);
		out->ino = e == ERR_OK ? ino : 0;
	}
	out->attr.st_ino = out->ino;
	return e;
}

void
fs_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP_PLACE struct fs_place place = { 0 };
	CLEANUP(fs_handle_unref) struct fs_handle *h = NULL;
	uint32_t first, count;
	enum err e = fs_resolve(fs, ino, &place);

	if (e == ERR_OK && !fs_is_dir(place.node->kind)) {
		(void)fuse_reply_err(req, ENOTDIR);
		return;
	}
	if (e == ERR_OK)
		e = fs_children(&place, &first, &count);
	if (e == ERR_OK)
		e = fs_handle_new(fs, &place, &h);
	if (e != ERR_OK) {
		fs_reply_err(req, e);
		return;
	}
	/* what is in a set never changes; what is above does, and a listing
	 * that is on its way would be cached after the notification */
	fi->cache_readdir = fi->keep_cache = place.set != NULL;
	fs_reply_open(req, TAKE(h), fi);
}

struct listing {
	fuse_req_t req;
	struct fs *fs;
	const struct fs_handle *h;
	bool plus;
	char *p; /* the reply */
	size_t used, size;
	uint64_t *taken; /* inodes that the reply makes known */
	size_t ntaken;
};

static char *
at(const struct listing *l)
{
	return l->p + l->used;
}

/* Add an entry without attributes; false: it does not fit. */
static bool
put_name(struct listing *l, const char *name, const struct stat *st, off_t off)
{
	struct fuse_entry_param none = { .attr = *st };
	size_t left = l->size - l->used;
	size_t n = l->plus ?
	    fuse_add_direntry_plus(l->req, at(l), left, name, &none, off) :
	    fuse_add_direntry(l->req, at(l), left, name, st, off);

	if (n > left)
		return false;
	l->used += n;
	return true;
}

/* Add an entry with attributes, which counts as a lookup if it fits. */
static bool
put_plus(
    struct listing *l, const char *name, const struct fs_place *p, off_t off)
{
	size_t left = l->size - l->used, n;
	struct fuse_entry_param e;

	n = fuse_add_direntry_plus(l->req, NULL, 0, name, NULL, 0);
	if (n > left)
		return false;
	if (fs_entry(l->fs, p, &e) != ERR_OK) {
		struct stat st = { .st_ino = fs_place_ino(l->fs, p),
			.st_mode = e.attr.st_mode };

		return put_name(l, name, &st, off);
	}
	l->used += fuse_add_direntry_plus(l->req, at(l), left, name, &e, off);
	if (p->set)
		l->taken[l->ntaken++] = e.ino;
	return true;
}

static bool
put_dots(struct listing *l, off_t off)
{
	const struct fs_place *p = &l->h->place;
	const struct fs_tree *t = p->set ? &p->set->tree : &p->top->tree;
	uint32_t parent = p->node->parent;
	struct fs_place up = { .top = p->top,
		.set = p->set,
		.index = parent,
		.node = &t->node[parent] };
	struct stat st = { .st_mode = S_IFDIR,
		.st_ino = fs_place_ino(l->fs, off == 0 ? p : &up) };

	return put_name(l, off == 0 ? "." : "..", &st, off + 1);
}

static bool
put_child(struct listing *l, uint32_t index, off_t off)
{
	const struct fs_place *dir = &l->h->place;
	const struct fs_tree *t = dir->set ? &dir->set->tree : &dir->top->tree;
	struct fs_place p;
	struct stat st;

	if (fs_child(dir, index, &p) != ERR_OK)
		return true; /* not listed any more */
	if (l->plus)
		return put_plus(l, t->node[index].name, &p, off);
	st = (struct stat){ .st_ino = fs_place_ino(l->fs, &p),
		.st_mode = fs_is_dir(p.node->kind) ? S_IFDIR : S_IFREG };
	return put_name(l, t->node[index].name, &st, off);
}

static enum err
fill(struct listing *l, off_t off)
{
	uint32_t first, count;
	enum err e = fs_children(&l->h->place, &first, &count);
	bool more = e == ERR_OK;

	for (; more && off < 2; off++)
		more = put_dots(l, off);
	for (; more && off - 2 < count; off++)
		more = put_child(l, first + (uint32_t)(off - 2), off + 1);
	return e;
}

static void
list(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi,
    bool plus)
{
	struct fs_handle *h = fs_handle_of(fi);
	struct listing l = { .req = req, .fs = h->fs, .h = h, .plus = plus };
	CLEANUP(free) uint64_t *taken = NULL;
	enum err e = ERR_NOMEM;

	l.size = size < FS_READ_MAX ? size : FS_READ_MAX;
	l.p = (char *)fs_buffer();
	l.taken = taken = calloc(l.size / MIN_ENTRY + 1, sizeof(*taken));
	if (l.p && taken)
		e = off < 0 ? ERR_INVAL : fill(&l, off);
	if (e != ERR_OK) {
		fs_reply_err(req, e);
		return;
	}
	if (fs_reply_buffer(req, l.used) == 0)
		return;
	for (size_t i = 0; i < l.ntaken; i++) /* the kernel did not get it */
		fs_inodes_forget(&h->fs->inodes, l.taken[i], 1);
}

void
fs_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)ino;
	list(req, size, off, fi, false);
}

void
fs_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)ino;
	list(req, size, off, fi, true);
}
