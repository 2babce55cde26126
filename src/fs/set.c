/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fs_internal.h"

#include <string.h>

#include "base/text.h"

#define BLOB_NAME 48 /* base58 of 32 bytes and a NUL */

static struct fs_set **
bucket(struct fs *fs, const struct event_id *id)
{
	return &fs->sets[(id->b[0] | id->b[1] << 8) % FS_BUCKETS];
}

/* Take a reference unless the last one is gone already. */
static bool
try_ref(struct fs_set *s)
{
	unsigned n = atomic_load(&s->refs);

	while (n > 0)
		if (atomic_compare_exchange_weak(&s->refs, &n, n + 1))
			return true;
	return false;
}

static struct fs_set *
find_locked(struct fs *fs, const struct event_id *id)
{
	for (struct fs_set *s = *bucket(fs, id); s; s = s->next)
		if (ID_EQ(&s->gs->id, id) && try_ref(s))
			return s;
	return NULL;
}

static struct fs_set *
new_set(struct fs *fs, const struct gate_set *gs)
{
	struct fs_set *s = calloc(1, sizeof(*s));
	const struct fs_what what = {
		.ciphertext = fs->opts.ciphertext,
		.kind = FS_SET,
		.patient = &gs->patient,
		.set = &gs->id,
	};

	if (s == NULL)
		return NULL;
	s->refs = 1;
	s->fs = fs;
	s->gs = gate_set_ref(gs);
	s->root = (struct fs_node){
		.name = fs->opts.ciphertext ?
		    text58(gs->id.b, sizeof(gs->id.b), &s->id_text) :
		    gs->name,
		.ino = fs_number(&what),
		.kind = FS_SET,
	};
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

enum err
fs_set_get(struct fs *fs, const struct gate_set *gs, struct fs_set **out)
{
	struct fs_set *s;

	pthread_mutex_lock(&fs->sets_lock);
	s = find_locked(fs, &gs->id);
	if (s == NULL && (s = new_set(fs, gs)) != NULL) {
		s->next = *bucket(fs, &gs->id);
		*bucket(fs, &gs->id) = s;
	}
	pthread_mutex_unlock(&fs->sets_lock);
	*out = s;
	return s ? ERR_OK : ERR_NOMEM;
}

struct fs_set *
fs_set_ref(struct fs_set *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void
fs_set_unref(struct fs_set *s)
{
	struct fs_set **at;

	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	pthread_mutex_lock(&s->fs->sets_lock);
	for (at = bucket(s->fs, &s->gs->id); *at && *at != s;)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	pthread_mutex_unlock(&s->fs->sets_lock);
	fs_tree_free(&s->tree);
	buf_free(&s->index);
	free(s->names);
	gate_set_free(s->gs);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- building ---- */

/* Numbers: a document by its own number, the rest by its name in its
 * directory.  A parent stands before its children. */
static void
number_nodes(struct fs_set *s)
{
	for (uint32_t i = 1; i < s->tree.n; i++) {
		struct fs_node *x = &s->tree.node[i];
		bool doc = x->kind == FS_DOC;
		const struct fs_what what = {
			.ciphertext = s->fs->opts.ciphertext,
			.kind = x->kind,
			.patient = &s->gs->patient,
			.set = &s->gs->id,
			.parent = doc ? 0 : s->tree.node[x->parent].ino,
			.number = doc ? x->number : 0,
			.name = doc ? NULL : x->name,
		};

		x->ino = fs_number(&what);
	}
}

static const struct blob_id *
blob_of(const struct gate_set *gs, uint32_t number)
{
	return number == 0 ? &gs->event->u.set.manifest :
			     &gs->manifest->doc[number - 1].blob;
}

/* set.json, blobs/ID ... */
static enum err
build_cipher(struct fs_set *s)
{
	const struct fs_node json = { .name = "set.json", .kind = FS_INDEX };
	const struct fs_node blobs = { .name = "blobs", .kind = FS_DIR };
	uint32_t n = s->gs->manifest->n, dir;
	enum err e = gate_cipher_size(s->fs->gate, s->gs, 0, &s->manifest_size);

	if (e != ERR_OK)
		return e;
	free(s->names);
	s->names = calloc((size_t)n + 1, BLOB_NAME);
	if (s->names == NULL)
		return ERR_NOMEM;
	dir = fs_tree_add(&s->tree, 0, &blobs);
	(void)fs_tree_add(&s->tree, 0, &json);
	for (uint32_t i = 0; i <= n; i++) {
		struct fs_node x = { .kind = FS_BLOB, .number = i };
		char *name = s->names + (size_t)i * BLOB_NAME;
		struct text58 t;

		(void)text58(blob_of(s->gs, i), 32, &t);
		memcpy(name, t.s, strlen(t.s) + 1);
		x.name = name;
		(void)fs_tree_add(&s->tree, dir, &x);
	}
	fs_tree_sort(&s->tree, dir);
	return s->tree.err;
}

static enum err
build_locked(struct fs_set *s)
{
	enum err e;

	if (s->built)
		return ERR_OK;
	(void)fs_tree_add(&s->tree, 0, &s->root);
	e = s->tree.err;
	if (e == ERR_OK)
		e = s->fs->opts.ciphertext ?
		    build_cipher(s) :
		    fs_tree_documents(&s->tree, s->gs->manifest);
	if (e != ERR_OK) {
		fs_tree_free(&s->tree);
		return e;
	}
	number_nodes(s);
	s->built = true;
	return ERR_OK;
}

enum err
fs_set_build(struct fs_set *s)
{
	enum err e;

	if (s->built)
		return ERR_OK;
	pthread_mutex_lock(&s->lock);
	e = build_locked(s);
	pthread_mutex_unlock(&s->lock);
	return e;
}

enum err
fs_set_index(struct fs_set *s, const struct buf **out)
{
	enum err e = ERR_OK;

	pthread_mutex_lock(&s->lock);
	if (s->index.len == 0) {
		e = gate_cipher_index(s->fs->gate, s->gs, &s->index);
		if (e != ERR_OK)
			buf_free(&s->index);
	}
	pthread_mutex_unlock(&s->lock);
	*out = &s->index;
	return e;
}
