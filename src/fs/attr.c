/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fs_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define MODE_DIR  (S_IFDIR | 0500)
#define MODE_FILE (S_IFREG | 0400)

static const mode_t modes[] = {
	[FS_DIR] = MODE_DIR,
	[FS_PATIENT] = MODE_DIR,
	[FS_CONSENT] = MODE_DIR,
	[FS_TEXT] = MODE_FILE,
	[FS_SET] = MODE_DIR,
	[FS_DOC] = MODE_FILE,
	[FS_INDEX] = MODE_FILE,
	[FS_BLOB] = MODE_FILE,
};

bool
fs_is_dir(enum fs_kind kind)
{
	return modes[kind] == MODE_DIR;
}

uint64_t
fs_place_ino(struct fs *fs, const struct fs_place *p)
{
	return p->set ?
	    fs_inodes_peek(&fs->inodes, p->node->ino, p->set, p->index) :
	    p->node->ino;
}

enum err
fs_text(struct fs *fs, const struct fs_place *p, struct buf *out)
{
	uint32_t dir = p->top->tree.node[p->index].parent;
	uint32_t patient = p->top->tree.node[dir].number;

	return gate_text(fs->gate, &p->top->catalog->patient[patient].key,
	    (enum gate_text)p->node->number, out);
}

/* When the newest set of a directory in a top was created. */
static int64_t
newest(const struct fs *fs, const struct fs_place *p)
{
	int64_t when = INT64_MIN;

	for (uint32_t i = 0; i < p->node->count; i++) {
		const struct fs_set *s =
		    p->top->tree.node[p->node->first + i].set;

		if (s && s->gs->event->u.set.created > when)
			when = s->gs->event->u.set.created;
	}
	return when == INT64_MIN ? fs->started : when;
}

static const struct event_document *
document(const struct fs_place *p)
{
	return &p->set->gs->manifest->doc[p->node->number - 1];
}

static int64_t
modified(const struct fs *fs, const struct fs_place *p)
{
	if (p->set)
		return p->node->kind == FS_DOC ?
		    document(p)->modified :
		    p->set->gs->event->u.set.created;
	if (p->node->kind != FS_TEXT)
		return newest(fs, p);
	return p->node->number == GATE_HOW_TO_ASK ? fs->started :
						    clock_wall_ms();
}

static enum err
size_of(struct fs *fs, const struct fs_place *p, uint64_t *out)
{
	CLEANUP_BUF struct buf text = { 0 };
	const struct buf *index;
	enum err e = ERR_OK;

	*out = 0;
	if (p->node->kind == FS_DOC) {
		*out = document(p)->size;
	} else if (p->node->kind == FS_TEXT) {
		e = fs_text(fs, p, &text);
		*out = text.len;
	} else if (p->node->kind == FS_INDEX) {
		e = fs_set_index(p->set, &index);
		*out = index->len;
	} else if (p->node->kind == FS_BLOB) {
		*out = p->set->manifest_size;
		if (p->node->number > 0)
			e = gate_cipher_size(
			    fs->gate, p->set->gs, p->node->number, out);
	}
	return e;
}

static struct timespec
time_of(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += 1000000000;
	}
	return ts;
}

enum err
fs_attr(struct fs *fs, const struct fs_place *p, struct stat *out)
{
	uint64_t size;
	enum err e = size_of(fs, p, &size);

	if (size > INT64_MAX)
		size = INT64_MAX;
	*out = (struct stat){
		.st_mode = modes[p->node->kind],
		.st_nlink = 1,
		.st_uid = fs->uid,
		.st_gid = fs->gid,
		.st_size = (off_t)size,
		.st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0)),
		.st_blksize = 128L * 1024,
	};
	out->st_mtim = out->st_ctim = out->st_atim = time_of(modified(fs, p));
	return e;
}

/* ---- extended attributes ---- */

static const char *
put_58(const void *bytes, size_t len, struct buf *out)
{
	struct text58 t;

	buf_str(out, text58(bytes, len, &t));
	return "";
}

/* Each appends its value and returns "", or returns a text to be appended;
 * NULL: there is none. */
static const char *
x_set(const struct fs_place *p, struct buf *out)
{
	return put_58(p->set->gs->id.b, sizeof(p->set->gs->id.b), out);
}

static const char *
x_custodian(const struct fs_place *p, struct buf *out)
{
	const struct institution_id *id = &p->set->gs->event->u.set.custodian;

	return put_58(id->b, sizeof(id->b), out);
}

static const char *
x_type(const struct fs_place *p, struct buf *out)
{
	(void)out;
	return p->node->kind == FS_DOC ? document(p)->type_code :
					 p->set->gs->event->u.set.type_code;
}

static const char *
x_confidentiality(const struct fs_place *p, struct buf *out)
{
	(void)out;
	return event_level_names[p->set->gs->event->u.set.confidentiality];
}

static const char *
x_document(const struct fs_place *p, struct buf *out)
{
	if (p->node->kind != FS_DOC)
		return NULL;
	buf_fmt(out, "%u", p->node->number);
	return "";
}

static const char *
x_media(const struct fs_place *p, struct buf *out)
{
	(void)out;
	return p->node->kind == FS_DOC ? document(p)->media : NULL;
}

static const struct {
	const char *name;
	const char *(*value)(const struct fs_place *p, struct buf *out);
} xattrs[] = {
	{ "user.consent.set", x_set },
	{ "user.consent.custodian", x_custodian },
	{ "user.consent.type", x_type },
	{ "user.consent.confidentiality", x_confidentiality },
	{ "user.consent.document", x_document },
	{ "user.consent.media", x_media },
};

/* What stands above the sets has none, nor has ciphertext. */
static bool
has_xattrs(const struct fs_place *p)
{
	return p->set && !p->set->fs->opts.ciphertext;
}

static bool
append_value(size_t i, const struct fs_place *p, struct buf *out)
{
	const char *s = xattrs[i].value(p, out);

	if (s)
		buf_str(out, s);
	return s != NULL;
}

enum err
fs_xattr(const struct fs_place *p, const char *name, struct buf *out)
{
	for (size_t i = 0; has_xattrs(p) && i < ARRAY_LEN(xattrs); i++)
		if (strcmp(xattrs[i].name, name) == 0)
			return append_value(i, p, out) ? out->err :
							 ERR_NOTFOUND;
	return ERR_NOTFOUND;
}

enum err
fs_xattr_names(const struct fs_place *p, struct buf *out)
{
	for (size_t i = 0; has_xattrs(p) && i < ARRAY_LEN(xattrs); i++) {
		CLEANUP_BUF struct buf value = { 0 };

		if (append_value(i, p, &value))
			buf_put(
			    out, xattrs[i].name, strlen(xattrs[i].name) + 1);
	}
	return out->err;
}
