/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking back what the kernel keeps.  A notification may have to wait for
 * requests that are being served, so it comes from threads that serve none,
 * and no lock that a request needs is held.
 */
#include "fs/fs_internal.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

#define MANY          512
#define CIPHER_LOOK_S 2 /* sets may come without a change of the catalogue */

/* Drop pages and attributes of ${n} inodes. */
static void
drop(struct fs *fs, enum fs_teller_id by, const uint64_t *ino, size_t n)
{
	struct fs_note note[MANY];
	int e;

	for (size_t i = 0; i < n; i++)
		note[i] = (struct fs_note){ .ino = ino[i] };
	e = fs_tell(fs, by, note, n);
	if (e != 0)
		log_error(
		    "fs: pages may be left in the kernel: %s", strerror(e));
}

/* Those of a set. */
static void
drop_inodes(struct fs *fs, const struct event_id *set, enum fs_purpose why)
{
	const struct fs_round r = {
		.why = why, .round = fs_inodes_round(&fs->inodes), .set = set
	};
	uint64_t ino[MANY];
	size_t n;

	while ((n = fs_inodes_collect(&fs->inodes, &r, ino, MANY)) > 0)
		drop(fs, why == FS_DARK ? FS_TELL_DARK : FS_TELL_NAMES, ino, n);
}

void
fs_notify_dark_all(struct fs *fs)
{
	uint64_t ino[MANY];
	uint32_t at = 0;
	size_t n;

	pthread_mutex_lock(&fs->dark_lock);
	while ((n = keeper_opened_list(fs->opts.keeper, &at, ino, MANY)) > 0)
		drop(fs, FS_TELL_DARK, ino, n);
	pthread_mutex_unlock(&fs->dark_lock);
}

void
fs_notify_dark(void *ctx, const struct event_id *set)
{
	struct fs *fs = ctx;

	pthread_mutex_lock(&fs->dark_lock);
	drop_inodes(fs, set, FS_DARK);
	pthread_mutex_unlock(&fs->dark_lock);
}

void
fs_notify_changed(void *ctx)
{
	struct fs *fs = ctx;

	pthread_mutex_lock(&fs->queue_lock);
	fs->changed = true;
	pthread_cond_signal(&fs->changed_cond);
	pthread_mutex_unlock(&fs->queue_lock);
}

/* Make ${new} the top, and know which sets are not in it. */
static void
swap(struct fs *fs, struct fs_top *new, const struct fs_top *old)
{
	fs->generation++;
	for (uint32_t i = 0; i < new->tree.n; i++) {
		struct fs_set *s = new->tree.node[i].set;

		if (s == NULL)
			continue;
		s->generation = fs->generation;
		s->gone = false;
	}
	pthread_mutex_lock(&fs->lock);
	fs->top = new;
	pthread_mutex_unlock(&fs->lock);
	for (uint32_t i = 0; i < old->tree.n; i++) {
		struct fs_set *s = old->tree.node[i].set;

		if (s && s->generation != fs->generation)
			s->gone = true;
	}
}

struct change {
	struct fs *fs;
	const struct fs_top *old, *new;
};

/* An entry of an old top is not in the new one.  (To announce it as deleted
 * would fail while something below it is open.) */
static void
entry_gone(const struct change *c, uint32_t index)
{
	const struct fs_node *x = &c->old->tree.node[index];
	const struct fs_note note = { c->old->tree.node[x->parent].ino,
		x->name };
	int e = fs_tell(c->fs, FS_TELL_NAMES, &note, 1);

	if (e != 0)
		log_warn(
		    "fs: a name may be left in the kernel: %s", strerror(e));
}

/* Compare what is in one directory of both tops. */
static void
compare_dirs(const struct change *c, uint32_t was, uint32_t is)
{
	const struct fs_node *dir = &c->old->tree.node[was];
	const struct fs_node *now = &c->new->tree.node[is];
	bool differ = dir->count != now->count;

	for (uint32_t i = dir->first; i < dir->first + dir->count; i++) {
		const struct fs_node *x = &c->old->tree.node[i];
		const struct fs_node *y;
		uint32_t k;

		if (!fs_tree_find(&c->new->tree, is, x->name, &k)) {
			differ = true;
			entry_gone(c, i);
			continue;
		}
		y = &c->new->tree.node[k];
		if (x->set != y->set || x->ino != y->ino) {
			differ = true;
			entry_gone(c, i);
		} else if (x->kind == FS_PATIENT) {
			compare_dirs(c, i, k);
		}
	}
	if (differ)
		drop(c->fs, FS_TELL_NAMES, &dir->ino, 1);
}

static void
refresh(struct fs *fs)
{
	CLEANUP(fs_top_unref) struct fs_top *old = fs_top_now(fs);
	CLEANUP(fs_top_unref) struct fs_top *spare = NULL;
	struct fs_top *new = NULL;
	enum err e = fs_top_make(fs, &new);
	struct change c = { fs, old, new };

	if (e != ERR_OK) {
		log_error("fs: the folder stays as it was: %s", err_detail(e));
		return;
	}
	if (fs_top_equal(old, new)) {
		spare = new;
		return;
	}
	atomic_fetch_add(&new->refs, 1); /* ours, beside that of fs->top */
	spare = new;
	swap(fs, new, old);
	compare_dirs(&c, 0, 0);
	for (uint32_t i = 0; i < old->tree.n; i++) {
		struct fs_set *s = old->tree.node[i].set;

		if (s && s->gone)
			drop_inodes(fs, &s->gs->id, FS_VANISH);
	}
	atomic_fetch_sub(&old->refs, 1); /* that of fs->top */
}

/* Wait for a change; false: stop. */
static bool
wait_change(struct fs *fs)
{
	struct timespec ts;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += CIPHER_LOOK_S;
	pthread_mutex_lock(&fs->queue_lock);
	while (!fs->changed && !fs->stop) {
		if (!fs->opts.ciphertext)
			pthread_cond_wait(&fs->changed_cond, &fs->queue_lock);
		else if (pthread_cond_timedwait(
			     &fs->changed_cond, &fs->queue_lock, &ts) != 0)
			break;
	}
	fs->changed = false;
	stop = fs->stop;
	pthread_mutex_unlock(&fs->queue_lock);
	return !stop;
}

void *
fs_notify_run(void *arg)
{
	struct fs *fs = arg;

	while (wait_change(fs))
		refresh(fs);
	return NULL;
}
