/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inode table: open addressing with linear probing, no holes: what follows
 * a removed row moves up.
 */
#include "fs/fs_internal.h"

#define FIRST_CAP 1024

enum err
fs_inodes_init(struct fs_inodes *t)
{
	*t = (struct fs_inodes){ 0 };
	t->slot = calloc(FIRST_CAP, sizeof(*t->slot));
	if (t->slot == NULL)
		return ERR_NOMEM;
	t->cap = FIRST_CAP;
	(void)pthread_mutex_init(&t->lock, NULL);
	return ERR_OK;
}

void
fs_inodes_free(struct fs_inodes *t)
{
	if (t->slot == NULL)
		return;
	for (size_t i = 0; i < t->cap; i++)
		if (t->slot[i].ino)
			fs_set_unref(t->slot[i].set);
	free(t->slot);
	(void)pthread_mutex_destroy(&t->lock);
	*t = (struct fs_inodes){ 0 };
}

static size_t
home_of(const struct fs_inodes *t, uint64_t ino)
{
	return (size_t)((ino * 0x9e3779b97f4a7c15ULL) >> 20) & (t->cap - 1);
}

/* The row of ${ino}, or the free one where it would be. */
static struct fs_inode *
row_of(const struct fs_inodes *t, uint64_t ino)
{
	size_t i = home_of(t, ino);

	while (t->slot[i].ino && t->slot[i].ino != ino)
		i = (i + 1) & (t->cap - 1);
	return &t->slot[i];
}

/* A table that cannot grow is used until three quarters and more are full. */
static enum err
grow(struct fs_inodes *t)
{
	struct fs_inodes more = { .cap = t->cap * 2 };

	if (t->n * 2 < t->cap)
		return ERR_OK;
	more.slot = calloc(more.cap, sizeof(*more.slot));
	if (more.slot == NULL)
		return t->n * 8 < t->cap * 7 ? ERR_OK : ERR_NOMEM;
	for (size_t i = 0; i < t->cap; i++)
		if (t->slot[i].ino)
			*row_of(&more, t->slot[i].ino) = t->slot[i];
	free(t->slot);
	t->slot = more.slot;
	t->cap = more.cap;
	return ERR_OK;
}

static uint64_t
next_number(uint64_t ino)
{
	ino = (ino + 1) & ~FS_TOP_BIT;
	return ino > FS_ROOT ? ino : FS_ROOT + 1;
}

/* The row that has the inode, or the free one that it would get. */
static struct fs_inode *
probe(const struct fs_inodes *t, uint64_t wish, const struct fs_set *set,
    uint32_t index, uint64_t *out_ino)
{
	struct fs_inode *x;

	for (;;) {
		x = row_of(t, wish);
		if (x->ino == 0 || (x->set == set && x->index == index))
			break;
		wish = next_number(wish);
	}
	*out_ino = wish;
	return x;
}

/* Two with one wish: the rows that lead to the second must stay, or it would
 * get another number while it has this one.  As numbers are hashes this all
 * but never happens. */
static void
pin(struct fs_inodes *t, uint64_t wish, uint64_t ino)
{
	for (; wish != ino; wish = next_number(wish))
		row_of(t, wish)->pinned = true;
}

enum err
fs_inodes_take(struct fs_inodes *t, uint64_t wish, struct fs_set *set,
    uint32_t index, uint64_t *out)
{
	struct fs_inode *x;
	enum err e;

	pthread_mutex_lock(&t->lock);
	e = grow(t);
	if (e == ERR_OK) {
		x = probe(t, wish, set, index, out);
		if (x->ino == 0) {
			*x = (struct fs_inode){ .ino = *out,
				.set = fs_set_ref(set),
				.index = index };
			t->n++;
			pin(t, wish, *out);
		}
		x->nlookup++;
	}
	pthread_mutex_unlock(&t->lock);
	return e;
}

uint64_t
fs_inodes_peek(struct fs_inodes *t, uint64_t wish, const struct fs_set *set,
    uint32_t index)
{
	uint64_t ino;

	pthread_mutex_lock(&t->lock);
	(void)probe(t, wish, set, index, &ino);
	pthread_mutex_unlock(&t->lock);
	return ino;
}

struct fs_set *
fs_inodes_find(struct fs_inodes *t, uint64_t ino, uint32_t *out_index)
{
	struct fs_set *set = NULL;
	struct fs_inode *x;

	pthread_mutex_lock(&t->lock);
	x = row_of(t, ino);
	if (x->ino) {
		set = fs_set_ref(x->set);
		*out_index = x->index;
	}
	pthread_mutex_unlock(&t->lock);
	return set;
}

/* Say whether the row at ${i} may move up to the hole at ${hole}. */
static bool
may_move(const struct fs_inodes *t, size_t hole, size_t i)
{
	size_t mask = t->cap - 1;
	size_t home = home_of(t, t->slot[i].ino);

	return ((i - home) & mask) >= ((i - hole) & mask);
}

static void
drop_row(struct fs_inodes *t, struct fs_inode *x)
{
	size_t mask = t->cap - 1, hole = (size_t)(x - t->slot);

	for (size_t i = (hole + 1) & mask; t->slot[i].ino; i = (i + 1) & mask) {
		if (!may_move(t, hole, i))
			continue;
		t->slot[hole] = t->slot[i];
		hole = i;
	}
	t->slot[hole] = (struct fs_inode){ 0 };
	t->n--;
}

void
fs_inodes_forget(struct fs_inodes *t, uint64_t ino, uint64_t n)
{
	struct fs_set *over = NULL;
	struct fs_inode *x;

	pthread_mutex_lock(&t->lock);
	x = row_of(t, ino);
	if (x->ino && (x->nlookup > n || x->pinned)) {
		x->nlookup -= n < x->nlookup ? n : x->nlookup;
	} else if (x->ino) {
		over = x->set;
		if (x->opened && t->keeper)
			keeper_forgot(t->keeper, ino);
		drop_row(t, x);
	}
	pthread_mutex_unlock(&t->lock);
	fs_set_unref(over);
}

enum err
fs_inodes_opened(struct fs_inodes *t, uint64_t ino)
{
	enum err e = ERR_OK;
	struct fs_inode *x;

	pthread_mutex_lock(&t->lock);
	if (t->keeper)
		e = keeper_opened(t->keeper, ino);
	x = row_of(t, ino);
	if (x->ino && e == ERR_OK)
		x->opened = true;
	pthread_mutex_unlock(&t->lock);
	return e;
}

uint32_t
fs_inodes_round(struct fs_inodes *t)
{
	uint32_t round;

	pthread_mutex_lock(&t->lock);
	if (++t->round == 0) /* 0 is the mark of a new row */
		t->round = 1;
	round = t->round;
	pthread_mutex_unlock(&t->lock);
	return round;
}

size_t
fs_inodes_collect(
    struct fs_inodes *t, const struct fs_round *r, uint64_t *out, size_t cap)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->cap && n < cap; i++) {
		struct fs_inode *x = &t->slot[i];

		if (x->ino == 0 || x->told[r->why] == r->round ||
		    (r->why == FS_DARK && !x->opened) ||
		    !ID_EQ(&x->set->gs->id, r->set))
			continue;
		x->told[r->why] = r->round;
		out[n++] = x->ino;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}
