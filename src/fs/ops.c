/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ops_internal.h"

#include <string.h>
#include <sys/statvfs.h>

#define TTL        3600.0
#define NAME_BYTES 255
#define BLOCK      4096

void
fs_reply_err(fuse_req_t req, enum err e)
{
	(void)fuse_reply_err(req, err_errno(e));
}

int
fs_reply_buffer(fuse_req_t req, size_t n)
{
	int r = fuse_reply_buf(req, (const char *)fs_buffer(), n);

	sodium_memzero(fs_buffer(), n);
	return r;
}

/* ---- what the kernel may keep ---- */

static void
op_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned on = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
	    FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPLICIT_INVAL_DATA;
	/* always with attributes: a lookup costs more than they do */
	const unsigned off = FUSE_CAP_AUTO_INVAL_DATA |
	    FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ |
	    FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE;

	(void)userdata;
	conn->want |= on & conn->capable;
	conn->want &= ~off;
	conn->time_gran = 1;
}

/* ---- names and attributes ---- */

static enum err
do_lookup(struct fs *fs, fuse_ino_t dir, const char *name,
    struct fuse_entry_param *out)
{
	CLEANUP_PLACE struct fs_place parent = { 0 };
	uint32_t first, count, index;
	struct fs_place p;
	enum err e = fs_resolve(fs, dir, &parent);

	if (e == ERR_OK)
		e = fs_children(&parent, &first, &count);
	if (e != ERR_OK)
		return e;
	if (!fs_tree_find(parent.set ? &parent.set->tree : &parent.top->tree,
		parent.index, name, &index))
		return ERR_NOTFOUND;
	e = fs_child(&parent, index, &p);
	return e == ERR_OK ? fs_entry(fs, &p, out) : e;
}

static void
op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct fuse_entry_param entry;
	enum err e;

	if (strlen(name) > NAME_BYTES) {
		(void)fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	e = do_lookup(fs, dir, name, &entry);
	/* no negative entry: what comes later shows at once */
	if (e != ERR_OK)
		fs_reply_err(req, e);
	else if (fuse_reply_entry(req, &entry) != 0)
		fs_inodes_forget(&fs->inodes, entry.ino, 1);
}

static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	struct fs *fs = fuse_req_userdata(req);

	fs_inodes_forget(&fs->inodes, ino, n);
	fuse_reply_none(req);
}

static void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *all)
{
	struct fs *fs = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		fs_inodes_forget(&fs->inodes, all[i].ino, all[i].nlookup);
	fuse_reply_none(req);
}

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP_PLACE struct fs_place p = { 0 };
	struct stat st;
	enum err e = fs_resolve(fs, ino, &p);

	(void)fi;
	if (e == ERR_OK)
		e = fs_attr(fs, &p, &st);
	if (e != ERR_OK) {
		fs_reply_err(req, e);
		return;
	}
	st.st_ino = ino;
	(void)fuse_reply_attr(req, &st, p.node->kind == FS_TEXT ? 0 : TTL);
}

static void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP(fs_top_unref) struct fs_top *t = fs_top_now(fs);
	struct statvfs st = { .f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_namemax = NAME_BYTES,
		.f_flag = ST_RDONLY | ST_NOSUID };
	/* the kernel asks no permission for it: sums are the owner's alone */
	bool owner = fuse_req_ctx(req)->uid == fs->uid;

	(void)ino;
	for (uint32_t i = 0; owner && i < t->tree.n; i++) {
		const struct fs_set *s = t->tree.node[i].set;

		if (s == NULL)
			continue;
		st.f_blocks += s->gs->event->u.set.bytes / BLOCK + 1;
		st.f_files += s->gs->event->u.set.count;
	}
	(void)fuse_reply_statfs(req, &st);
}

/* ---- extended attributes ---- */

static void
reply_xattr(fuse_req_t req, enum err e, const struct buf *value, size_t size)
{
	if (e != ERR_OK)
		fs_reply_err(req, e);
	else if (size == 0)
		(void)fuse_reply_xattr(req, value->len);
	else if (value->len > size)
		(void)fuse_reply_err(req, ERANGE);
	else
		(void)fuse_reply_buf(req, (const char *)value->p, value->len);
}

static void
op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP_PLACE struct fs_place p = { 0 };
	CLEANUP_BUF struct buf value = { 0 };
	enum err e = fs_resolve(fs, ino, &p);

	if (e == ERR_OK && fs_xattr(&p, name, &value) == ERR_NOTFOUND) {
		(void)fuse_reply_err(req, ENODATA);
		return;
	}
	reply_xattr(req, e == ERR_OK ? value.err : e, &value, size);
}

static void
op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs *fs = fuse_req_userdata(req);
	CLEANUP_PLACE struct fs_place p = { 0 };
	CLEANUP_BUF struct buf names = { 0 };
	enum err e = fs_resolve(fs, ino, &p);

	if (e == ERR_OK)
		e = fs_xattr_names(&p, &names);
	reply_xattr(req, e, &names, size);
}

/* ---- what would change something: the kernel refuses it on a mount that is
 * read-only, and so do we should it ask ---- */

static void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
    struct fuse_file_info *fi)
{
	(void)ino;
	(void)st;
	(void)to_set;
	(void)fi;
	fs_reply_err(req, ERR_READONLY);
}

static void
op_mknod(
    fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev)
{
	(void)dir;
	(void)name;
	(void)mode;
	(void)rdev;
	fs_reply_err(req, ERR_READONLY);
}

static void
op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	op_mknod(req, dir, name, mode, 0);
}

static void
op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	op_mknod(req, dir, name, 0, 0);
}

static void
op_symlink(fuse_req_t req, const char *to, fuse_ino_t dir, const char *name)
{
	(void)to;
	op_mknod(req, dir, name, 0, 0);
}

static void
op_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to,
    const char *new_name, unsigned flags)
{
	(void)to;
	(void)new_name;
	(void)flags;
	op_mknod(req, dir, name, 0, 0);
}

static void
op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	(void)ino;
	op_mknod(req, dir, name, 0, 0);
}

static void
op_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	(void)fi;
	op_mknod(req, dir, name, mode, 0);
}

static void
op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off,
    struct fuse_file_info *fi)
{
	(void)ino;
	(void)p;
	(void)n;
	(void)off;
	(void)fi;
	fs_reply_err(req, ERR_READONLY);
}

static void
op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
    size_t n, int flags)
{
	(void)value;
	(void)n;
	(void)flags;
	op_mknod(req, ino, name, 0, 0);
}

static void
op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	op_mknod(req, ino, name, 0, 0);
}

static void
op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t n,
    struct fuse_file_info *fi)
{
	(void)mode;
	op_write(req, ino, NULL, (size_t)n, off, fi);
}

/* Left out, so that libfuse answers ENOSYS and the kernel never asks again:
 * flush, access (default_permissions), fsync, locks, lseek. */
const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.opendir = fs_op_opendir,
	.readdir = fs_op_readdir,
	.readdirplus = fs_op_readdirplus,
	.releasedir = fs_op_release,
	.open = fs_op_open,
	.read = fs_op_read,
	.release = fs_op_release,
	.setattr = op_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_unlink,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	.write = op_write,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
	.fallocate = op_fallocate,
};
