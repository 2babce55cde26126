/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fs_internal.h"

#include <string.h>

#include "seal/seal.h"

#define MAX_NODES (1u << 30)

static bool
make_room(struct fs_tree *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 16;
	struct fs_node *more;

	if (t->err == ERR_OK && t->n >= MAX_NODES)
		t->err = ERR_TOOBIG;
	if (t->err != ERR_OK)
		return false;
	if (t->n < t->cap)
		return true;
	more = reallocarray(t->node, cap, sizeof(*more));
	if (more == NULL) {
		t->err = ERR_NOMEM;
		return false;
	}
	t->node = more;
	t->cap = cap;
	return true;
}

uint32_t
fs_tree_add(struct fs_tree *t, uint32_t parent, const struct fs_node *proto)
{
	struct fs_node *x;

	if (!make_room(t))
		return 0;
	x = &t->node[t->n];
	*x = *proto;
	x->parent = parent;
	x->first = x->count = 0;
	if (t->n > 0) {
		struct fs_node *dir = &t->node[parent];

		if (dir->count++ == 0)
			dir->first = t->n;
	}
	return t->n++;
}

static int
compare_names(const void *a, const void *b)
{
	const struct fs_node *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void
fs_tree_sort(struct fs_tree *t, uint32_t dir)
{
	uint32_t first, count, kept = 0;
	struct fs_node *x;

	if (t->err != ERR_OK || t->node[dir].count == 0)
		return;
	first = t->node[dir].first;
	count = t->node[dir].count;
	x = t->node + first;
	qsort(x, count, sizeof(*x), compare_names);
	for (uint32_t i = 0; i < count; i++) {
		struct fs_node spare = x[kept];

		if (kept > 0 && strcmp(x[kept - 1].name, x[i].name) == 0)
			continue;
		x[kept++] = x[i];
		if (kept <= i)
			x[i] = spare;
	}
	t->node[dir].count = kept;
	t->n = first + kept;
}

bool
fs_tree_find(
    const struct fs_tree *t, uint32_t dir, const char *name, uint32_t *out)
{
	uint32_t lo = t->node[dir].first, hi = lo + t->node[dir].count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = strcmp(t->node[mid].name, name);

		if (c == 0) {
			*out = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void
fs_tree_free(struct fs_tree *t)
{
	free(t->node);
	*t = (struct fs_tree){ 0 };
}

static int
compare_paths(const void *a, const void *b, void *ctx)
{
	const struct event_manifest *m = ctx;
	const struct event_document *x = &m->doc[*(const uint32_t *)a];
	const struct event_document *y = &m->doc[*(const uint32_t *)b];

	for (size_t i = 0; i < x->ncomponents && i < y->ncomponents; i++) {
		int c = strcmp(x->component[i], y->component[i]);

		if (c != 0)
			return c;
	}
	return x->ncomponents < y->ncomponents ?
	    -1 :
	    x->ncomponents > y->ncomponents;
}

/*
 * The documents in the order of their paths.  While a directory waits to be
 * expanded, first and count are its range in this order and number is its
 * depth.
 */
struct expanding {
	struct fs_tree *t;
	const struct event_manifest *m;
	uint32_t *order;
};

/* How many documents from ${at} on share the component at ${depth}. */
static uint32_t
group(const struct expanding *x, uint32_t at, uint32_t end, uint32_t depth)
{
	const char *name = x->m->doc[x->order[at]].component[depth];
	uint32_t n = 1;

	while (at + n < end &&
	    strcmp(x->m->doc[x->order[at + n]].component[depth], name) == 0)
		n++;
	return n;
}

static void
add_group(const struct expanding *x, uint32_t dir, uint32_t at, uint32_t n,
    uint32_t depth)
{
	const struct event_document *doc = &x->m->doc[x->order[at]];
	bool file = doc->ncomponents == depth + 1;
	const struct fs_node proto = {
		.name = doc->component[depth],
		.kind = file ? FS_DOC : FS_DIR,
		.number = file ? x->order[at] + 1 : depth + 1,
	};
	uint32_t i;

	if (file && n > 1) {
		x->t->err = ERR_FORMAT;
		return;
	}
	i = fs_tree_add(x->t, dir, &proto);
	if (x->t->err == ERR_OK && !file) {
		x->t->node[i].first = at;
		x->t->node[i].count = n;
	}
}

static void
expand(const struct expanding *x, uint32_t dir)
{
	struct fs_node *d = &x->t->node[dir];
	uint32_t at = d->first, end = at + d->count, depth = d->number;

	d->first = d->count = d->number = 0;
	while (at < end && x->t->err == ERR_OK) {
		uint32_t n = group(x, at, end, depth);

		add_group(x, dir, at, n, depth);
		at += n;
	}
}

enum err
fs_tree_documents(struct fs_tree *t, const struct event_manifest *m)
{
	struct expanding x = { t, m, calloc((size_t)m->n + 1, 4) };
	CLEANUP(free) uint32_t *owned = x.order;
	union {
		const struct event_manifest *c;
		void *p;
	} ctx = { m };

	if (x.order == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n; i++) {
		x.order[i] = i;
		if (m->doc[i].ncomponents == 0)
			return ERR_FORMAT;
	}
	qsort_r(x.order, m->n, sizeof(*x.order), compare_paths, ctx.p);
	t->node[0].count = m->n;
	t->node[0].number = 0;
	for (uint32_t i = 0; i < t->n && t->err == ERR_OK; i++)
		if (t->node[i].kind != FS_DOC)
			expand(&x, i);
	return t->err;
}

uint64_t
fs_number(const struct fs_what *what)
{
	static const uint8_t none[32];
	CLEANUP_BUF struct buf b = { 0 };
	uint8_t hash[32];
	struct seal_part part;
	struct rd r;
	uint64_t n;

	buf_str(&b, "consentfs/1 inode");
	buf_u8(&b, what->ciphertext);
	buf_u8(&b, (uint8_t)what->kind);
	buf_put(&b, what->patient ? what->patient->b : none, 32);
	buf_put(&b, what->set ? what->set->b : none, 16);
	buf_u64(&b, what->parent);
	buf_u32(&b, what->number);
	buf_str(&b, what->name ? what->name : "");
	part = (struct seal_part){ b.p, b.len };
	seal_hash(NULL, &part, 1, hash);
	rd_init(&r, hash, sizeof(hash));
	n = rd_u64(&r) & ~FS_TOP_BIT;
	return n > FS_ROOT ? n : n + 2;
}
