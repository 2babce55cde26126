/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands above the sets, made of the catalogue, swapped when it changes,
 * and the way from an inode number to what it is. */
#include "fs/fs_internal.h"

#include <string.h>

#include "base/text.h"

static const struct {
	const char *name;
	enum gate_text which;
} texts[] = {
	{ "HOW-TO-ASK.txt", GATE_HOW_TO_ASK },
	{ "inquiries.txt", GATE_INQUIRIES },
	{ "status.txt", GATE_STATUS },
};

static void
free_top(struct fs_top *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->tree.n; i++)
		fs_set_unref(t->tree.node[i].set);
	fs_tree_free(&t->tree);
	gate_catalog_free(t->catalog);
	free(t->by_ino);
	free(t);
}
DEFINE_CLEANUP(struct fs_top *, free_top);

void
fs_top_unref(struct fs_top *t)
{
	if (t && atomic_fetch_sub(&t->refs, 1) == 1)
		free_top(t);
}

struct fs_top *
fs_top_now(struct fs *fs)
{
	struct fs_top *t;

	pthread_mutex_lock(&fs->lock);
	t = fs->top;
	atomic_fetch_add(&t->refs, 1);
	pthread_mutex_unlock(&fs->lock);
	return t;
}

/* ---- making ---- */

struct making {
	struct fs *fs;
	struct fs_top *t;
	uint32_t dir;
};

/* Add a set under the directory; its name lives as long as the set. */
static bool
add_set(void *ctx, const struct gate_set *gs)
{
	struct making *m = ctx;
	struct fs_tree *tree = &m->t->tree;
	struct fs_node x = { .kind = FS_SET };

	if (tree->err == ERR_OK)
		tree->err = fs_set_get(m->fs, gs, &x.set);
	if (tree->err != ERR_OK)
		return false;
	x.name = x.set->root.name;
	(void)fs_tree_add(tree, m->dir, &x);
	if (tree->err != ERR_OK)
		fs_set_unref(x.set);
	return tree->err == ERR_OK;
}

static void
add_patients(struct making *m)
{
	const struct gate_catalog *c = m->t->catalog;

	for (size_t i = 0; i < c->npatients; i++) {
		const struct fs_what what = {
			.kind = FS_PATIENT,
			.patient = &c->patient[i].key,
		};
		const struct fs_node x = {
			.name = c->patient[i].name,
			.kind = FS_PATIENT,
			.number = (uint32_t)i,
			.ino = fs_number(&what) | FS_TOP_BIT,
		};

		(void)fs_tree_add(&m->t->tree, 0, &x);
	}
}

/* .consent and the sets of the patient whose directory is ${dir}. */
static void
add_patient(struct making *m, uint32_t dir)
{
	uint32_t number = m->t->tree.node[dir].number;
	const struct gate_patient *p = &m->t->catalog->patient[number];
	const struct fs_what what = {
		.kind = FS_CONSENT,
		.patient = &p->key,
	};
	const struct fs_node x = {
		.name = ".consent",
		.kind = FS_CONSENT,
		.number = number,
		.ino = fs_number(&what) | FS_TOP_BIT,
	};

	m->dir = dir;
	(void)fs_tree_add(&m->t->tree, dir, &x);
	for (size_t i = 0; i < p->nsets; i++)
		(void)add_set(m, p->set[i]);
}

static void
add_texts(struct making *m, uint32_t dir)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct fs_what what = {
			.kind = FS_TEXT,
			.parent = m->t->tree.node[dir].ino,
			.number = texts[i].which,
		};
		const struct fs_node x = {
			.name = texts[i].name,
			.kind = FS_TEXT,
			.number = texts[i].which,
			.ino = fs_number(&what) | FS_TOP_BIT,
		};

		(void)fs_tree_add(&m->t->tree, dir, &x);
	}
}

/* Sets whose name is a second time in their directory must be let go. */
static void
sort_children(struct fs_tree *t, uint32_t dir)
{
	uint32_t before = t->n;

	fs_tree_sort(t, dir);
	for (uint32_t i = t->n; i < before; i++)
		fs_set_unref(t->node[i].set);
}

static enum err
make_plain(struct making *m)
{
	struct fs_tree *t = &m->t->tree;

	m->t->catalog = gate_catalog(m->fs->gate);
	add_patients(m);
	sort_children(t, 0);
	for (uint32_t i = 1; i < t->n && t->err == ERR_OK; i++) {
		if (t->node[i].kind == FS_PATIENT)
			add_patient(m, i);
		if (t->node[i].kind == FS_CONSENT)
			add_texts(m, i);
		sort_children(t, i);
	}
	return t->err;
}

static enum err
make_cipher(struct making *m)
{
	enum err e = gate_cipher_sets(m->fs->gate, add_set, m);

	if (e == ERR_OK)
		e = m->t->tree.err;
	sort_children(&m->t->tree, 0);
	return e;
}

static int
compare_ino(const void *a, const void *b, void *ctx)
{
	const struct fs_node *node = ctx;
	uint64_t x = node[*(const uint32_t *)a].ino;
	uint64_t y = node[*(const uint32_t *)b].ino;

	return x < y ? -1 : x > y;
}

/* Make the way back from numbers; equal ones are told apart. */
static enum err
index_numbers(struct fs_top *t)
{
	struct fs_node *node = t->tree.node;

	t->by_ino = calloc((size_t)t->tree.n + 1, sizeof(*t->by_ino));
	if (t->by_ino == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 1; i < t->tree.n; i++)
		if (node[i].kind != FS_SET)
			t->by_ino[t->n++] = i;
	qsort_r(t->by_ino, t->n, sizeof(*t->by_ino), compare_ino, node);
	for (uint32_t i = 1; i < t->n; i++) {
		uint64_t before = node[t->by_ino[i - 1]].ino;

		if (node[t->by_ino[i]].ino <= before)
			node[t->by_ino[i]].ino = before + 1;
	}
	return ERR_OK;
}

enum err
fs_top_make(struct fs *fs, struct fs_top **out)
{
	const struct fs_node root = { .name = "", .ino = FS_ROOT };
	CLEANUP(free_top) struct fs_top *t = calloc(1, sizeof(*t));
	struct making m = { fs, t, 0 };
	enum err e;

	if (t == NULL)
		return ERR_NOMEM;
	t->refs = 1;
	(void)fs_tree_add(&t->tree, 0, &root);
	if (t->tree.err != ERR_OK)
		return t->tree.err;
	e = fs->opts.ciphertext ? make_cipher(&m) : make_plain(&m);
	if (e == ERR_OK)
		e = index_numbers(t);
	if (e == ERR_OK)
		*out = TAKE(t);
	return e;
}

bool
fs_top_equal(const struct fs_top *a, const struct fs_top *b)
{
	if (a->tree.n != b->tree.n)
		return false;
	for (uint32_t i = 0; i < a->tree.n; i++) {
		const struct fs_node *x = &a->tree.node[i];
		const struct fs_node *y = &b->tree.node[i];

		if (x->set != y->set || x->ino != y->ino ||
		    x->parent != y->parent || strcmp(x->name, y->name) != 0)
			return false;
	}
	return true;
}

/* ---- places ---- */

static bool
find_in_top(const struct fs_top *t, uint64_t ino, uint32_t *out)
{
	uint32_t lo = 0, hi = t->n;

	if (ino == FS_ROOT) {
		*out = 0;
		return true;
	}
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		uint64_t here = t->tree.node[t->by_ino[mid]].ino;

		if (here == ino) {
			*out = t->by_ino[mid];
			return true;
		}
		if (here < ino)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static enum err
resolve_top(struct fs *fs, uint64_t ino, struct fs_place *out)
{
	CLEANUP(fs_top_unref) struct fs_top *t = fs_top_now(fs);
	uint32_t i;

	if (!find_in_top(t, ino, &i))
		return ERR_NOTFOUND;
	*out = (struct fs_place){ .index = i, .node = &t->tree.node[i] };
	out->top = TAKE(t);
	return ERR_OK;
}

enum err
fs_resolve(struct fs *fs, uint64_t ino, struct fs_place *out)
{
	CLEANUP(fs_set_unref) struct fs_set *s = NULL;
	uint32_t i = 0;

	if (ino == FS_ROOT || (ino & FS_TOP_BIT))
		return resolve_top(fs, ino, out);
	s = fs_inodes_find(&fs->inodes, ino, &i);
	if (s == NULL || s->gone || (i > 0 && (!s->built || i >= s->tree.n)))
		return ERR_NOTFOUND;
	*out = (struct fs_place){ .index = i,
		.node = i == 0 ? &s->root : &s->tree.node[i] };
	out->set = TAKE(s);
	return ERR_OK;
}

void
fs_place_drop(struct fs_place *p)
{
	fs_top_unref(p->top);
	fs_set_unref(p->set);
	*p = (struct fs_place){ 0 };
}

enum err
fs_children(const struct fs_place *p, uint32_t *out_first, uint32_t *out_count)
{
	const struct fs_node *dir = p->node;
	enum err e = ERR_OK;

	if (!fs_is_dir(dir->kind))
		return ERR_INVAL;
	if (p->set) {
		e = fs_set_build(p->set);
		if (e == ERR_OK)
			dir = &p->set->tree.node[p->index];
	}
	*out_first = e == ERR_OK ? dir->first : 0;
	*out_count = e == ERR_OK ? dir->count : 0;
	return e;
}

enum err
fs_child(const struct fs_place *p, uint32_t index, struct fs_place *out)
{
	const struct fs_tree *t = p->set ? &p->set->tree : &p->top->tree;
	struct fs_set *s = t->node[index].set;

	if (s) {
		*out = (struct fs_place){ .set = s, .node = &s->root };
		return s->gone ? ERR_NOTFOUND : ERR_OK;
	}
	*out = (struct fs_place){ .top = p->top,
		.set = p->set,
		.index = index,
		.node = &t->node[index] };
	return ERR_OK;
}
