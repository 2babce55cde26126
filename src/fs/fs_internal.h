/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fs: what its files share.
 *
 * A tree is an immutable list of named nodes in which the children of a
 * directory lie side by side, sorted: a lookup is a binary search, an offset
 * of readdir is a position.  There is one tree per set (fs_set), built when
 * somebody looks into it, and one above them (fs_top) that is made anew when
 * the catalogue changes.
 *
 * Inode numbers are hashes of what an inode is, so they outlive a remount.
 * Bit 63 tells the two spaces apart: numbers of a top are found in the newest
 * top; numbers of sets in the inode table, which knows those that the kernel
 * knows, and keeps their sets.
 *
 * Lock order: set->lock < sets_lock, inodes->lock, lock, queue_lock, each
 * alone.  No notification, reply or call of the gate under any of them, but
 * those that build a set under set->lock.
 */
#ifndef FS_FS_INTERNAL_H
#define FS_FS_INTERNAL_H

#include "fs/fs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/ids.h"
#include "event/event.h"
#include "fs/tree_internal.h"
#include "gate/gate.h"

#define FS_ROOT     1 /* FUSE_ROOT_ID */
#define FS_TOP_BIT  (1ULL << 63)
#define FS_READ_MAX (1u << 20) /* most that one READ is answered with */
#define FS_BUCKETS  1024

/* ---- fs/inodes.c: the inode table ---- */

struct fs_inode {
	uint64_t ino; /* 0: free */
	struct fs_set *set;
	uint32_t index;   /* in the set's tree */
	uint32_t told[2]; /* round in which it was collected, by purpose */
	uint64_t nlookup; /* what the kernel holds */
	bool opened;      /* since the kernel knows it: it may have pages */
	bool pinned;      /* another was passed on here: keep the row */
};

struct fs_inodes {
	pthread_mutex_t lock;
	struct keeper *keeper; /* is told what was opened; NULL: nobody */
	struct fs_inode *slot;
	size_t cap, n; /* cap: a power of two */
	uint32_t round;
};

/* Why inodes are collected. */
enum fs_purpose {
	FS_DARK,   /* their pages must go: opened ones */
	FS_VANISH, /* the set is not listed any more: all */
};

/**
 * fs_inodes_init(t):
 * Make an empty table.
 */
enum err fs_inodes_init(struct fs_inodes *t) must_check;

/**
 * fs_inodes_free(t):
 * Let all sets go; a zeroed table is allowed.
 */
void fs_inodes_free(struct fs_inodes *t);

/**
 * fs_inodes_take(t, wish, set, index, out):
 * The kernel learns of an inode: give it ${wish} or, if another has that, the
 * next free number, and count it.
 */
enum err fs_inodes_take(struct fs_inodes *t, uint64_t wish, struct fs_set *set,
    uint32_t index, uint64_t *out) must_check;

/**
 * fs_inodes_peek(t, wish, set, index):
 * Return the number that an inode has, or would get, without counting.
 */
uint64_t fs_inodes_peek(struct fs_inodes *t, uint64_t wish,
    const struct fs_set *set, uint32_t index);

/**
 * fs_inodes_find(t, ino, out_index):
 * Return the set of an inode, referenced, or NULL.
 */
struct fs_set *fs_inodes_find(
    struct fs_inodes *t, uint64_t ino, uint32_t *out_index);

/**
 * fs_inodes_forget(t, ino, n):
 * The kernel has let ${n} go.
 */
void fs_inodes_forget(struct fs_inodes *t, uint64_t ino, uint64_t n);

/**
 * fs_inodes_opened(t, ino):
 * The kernel may have pages of ${ino} from here on.
 * Errors: NOMEM (there are too many: it must not be opened).
 */
enum err fs_inodes_opened(struct fs_inodes *t, uint64_t ino) must_check;

/**
 * fs_inodes_round(t):
 * Begin a round of fs_inodes_collect(); one round per purpose at a time.
 */
uint32_t fs_inodes_round(struct fs_inodes *t);

struct fs_round {
	enum fs_purpose why;
	uint32_t round;
	const struct event_id *set;
};

/**
 * fs_inodes_collect(t, r, out, cap):
 * Write up to ${cap} numbers of the set that were not yet given in this
 * round, without memory of its own.  0: that was all.
 */
size_t fs_inodes_collect(
    struct fs_inodes *t, const struct fs_round *r, uint64_t *out, size_t cap);

/* ---- fs/set.c ---- */

struct fs_set {
	_Atomic unsigned refs;
	struct fs *fs;
	struct fs_set *next; /* fs->sets_lock */
	const struct gate_set *gs;
	atomic_bool gone;      /* not in the newest top */
	uint64_t generation;   /* the notifier's: top that listed it last */
	struct fs_node root;   /* the set's directory, without children */
	struct text58 id_text; /* its name in the ciphertext view */

	pthread_mutex_t lock; /* for building what follows, once */
	atomic_bool built;
	struct fs_tree tree;
	char *names; /* of blobs */
	uint64_t manifest_size;
	struct buf index; /* set.json, once somebody asked for it */
};

/**
 * fs_set_get(fs, gs, out):
 * Return the set of ${gs}, referenced: there is one for each id.
 */
enum err fs_set_get(
    struct fs *fs, const struct gate_set *gs, struct fs_set **out) must_check;

/**
 * fs_set_ref(s), fs_set_unref(s):
 * Keep; let go.
 */
struct fs_set *fs_set_ref(struct fs_set *s);
/** fs_set_unref(s): see fs_set_ref(); NULL is allowed. */
void fs_set_unref(struct fs_set *s);
DEFINE_CLEANUP(struct fs_set *, fs_set_unref);

/**
 * fs_set_build(s):
 * Make the set's tree unless it is there.  In the ciphertext view it may wait
 * for the network.
 */
enum err fs_set_build(struct fs_set *s) must_check;

/**
 * fs_set_index(s, out):
 * The bytes of set.json, made once, borrowed from ${s}.  May wait for the
 * network.
 */
enum err fs_set_index(struct fs_set *s, const struct buf **out) must_check;

/* ---- fs/top.c ---- */

struct fs_top {
	_Atomic unsigned refs;
	const struct gate_catalog *catalog; /* plain view */
	struct fs_tree tree;
	uint32_t *by_ino; /* indices, FS_SET left out */
	uint32_t n;
};

/**
 * fs_top_make(fs, out):
 * Make a top of what the gate lists now.
 */
enum err fs_top_make(struct fs *fs, struct fs_top **out) must_check;

/**
 * fs_top_now(fs):
 * Return the newest top, referenced.
 */
struct fs_top *fs_top_now(struct fs *fs);

/**
 * fs_top_unref(t):
 * Let go; NULL is allowed.
 */
void fs_top_unref(struct fs_top *t);
DEFINE_CLEANUP(struct fs_top *, fs_top_unref);

/**
 * fs_top_equal(a, b):
 * Say whether two tops show the same.
 */
bool fs_top_equal(const struct fs_top *a, const struct fs_top *b);

/* A node and the tree it is in: of a top or of a set, the other is NULL. */
struct fs_place {
	struct fs_top *top;
	struct fs_set *set;
	uint32_t index;
	const struct fs_node *node;
};

/**
 * fs_resolve(fs, ino, out):
 * Find what ${ino} is; ${out} holds a reference until fs_place_drop().
 * Errors: NOTFOUND (unknown, or not listed any more).
 */
enum err fs_resolve(
    struct fs *fs, uint64_t ino, struct fs_place *out) must_check;

/**
 * fs_place_drop(p):
 * Let the tree go.
 */
void fs_place_drop(struct fs_place *p);

/* CLEANUP_PLACE struct fs_place p = { 0 }; */
#define CLEANUP_PLACE __attribute__((cleanup(fs_place_drop), unused))

/**
 * fs_children(p, out_first, out_count):
 * Where the children of a directory are, building its set if need be.
 * Errors: INVAL (no directory), those of fs_set_build().
 */
enum err fs_children(const struct fs_place *p, uint32_t *out_first,
    uint32_t *out_count) must_check;

/**
 * fs_child(p, index, out):
 * The child ${index}, borrowed from ${p}.
 * Errors: NOTFOUND (not listed any more).
 */
enum err fs_child(
    const struct fs_place *p, uint32_t index, struct fs_place *out) must_check;

/* ---- fs/attr.c ---- */

/**
 * fs_is_dir(kind):
 * Say whether it is a directory.
 */
bool fs_is_dir(enum fs_kind kind);

/**
 * fs_attr(fs, p, out):
 * The attributes of ${p} but for st_ino.
 */
enum err fs_attr(
    struct fs *fs, const struct fs_place *p, struct stat *out) must_check;

/**
 * fs_place_ino(fs, p):
 * The inode number of ${p}, without counting it.
 */
uint64_t fs_place_ino(struct fs *fs, const struct fs_place *p);

/**
 * fs_text(fs, p, out):
 * Append the text of a file in .consent.
 */
enum err fs_text(
    struct fs *fs, const struct fs_place *p, struct buf *out) must_check;

/**
 * fs_xattr(p, name, out):
 * Append the value of an extended attribute.
 * Errors: NOTFOUND (it has none of that name).
 */
enum err fs_xattr(
    const struct fs_place *p, const char *name, struct buf *out) must_check;

/**
 * fs_xattr_names(p, out):
 * Append the names of the extended attributes, each with its NUL.
 */
enum err fs_xattr_names(const struct fs_place *p, struct buf *out) must_check;

/* ---- fs/tell.c: who tells the kernel ---- */

/* Drop the entry ${name} of the directory ${ino}; NULL: what the kernel keeps
 * of ${ino}. */
struct fs_note {
	uint64_t ino;
	const char *name;
};

/* One for what must be dark at once, one for the rest. */
enum fs_teller_id { FS_TELL_DARK, FS_TELL_NAMES, FS_TELLERS };

struct fs_teller {
	pthread_t thread;
	bool started;
	int device;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum {
		FS_TELL_STARTING,
		FS_TELL_IDLE,
		FS_TELL_ASKED,
		FS_TELL_STOP
	} state;                    /* lock */
	const struct fs_note *note; /* lock; the caller's, who waits */
	size_t n;                   /* lock */
	int result;                 /* lock */
};

/**
 * fs_tellers_start(fs, device), fs_tellers_stop(fs):
 * Start the threads, each with a table of descriptors of its own that holds
 * ${device} only; stop them.
 */
enum err fs_tellers_start(struct fs *fs, int device) must_check;
/** fs_tellers_stop(fs): see fs_tellers_start(). */
void fs_tellers_stop(struct fs *fs);

/**
 * fs_tell(fs, id, note, n):
 * Have the kernel told, one caller for each ${id} at a time, and return when
 * it was, with the first errno that matters or 0.  It may take as long as a
 * request that is being served.
 */
int fs_tell(
    struct fs *fs, enum fs_teller_id id, const struct fs_note *note, size_t n);

/* ---- the mount: fs/fs.c ---- */

struct fuse_session;
struct fs_park;

/* What the kernel has open: a directory or a file. */
struct fs_handle {
	_Atomic unsigned refs; /* the kernel's, and of parked requests */
	struct fs *fs;
	struct fs_handle *next, **at; /* fs->lock */
	struct fs_place place;
	struct gate_doc *doc;
	struct buf text;
};

struct fs {
	struct fs_opts opts;
	char *login, *mountpoint;
	uid_t uid;
	gid_t gid;
	int64_t started;
	struct gate *gate;
	struct fuse_session *session;
	bool gate_started;
	atomic_bool dark; /* nothing is read any more, no matter what */
	struct fs_inodes inodes;
	struct fs_teller teller[FS_TELLERS];
	int device; /* the tellers' own clone of it; -1: none yet */

	pthread_mutex_t lock;
	struct fs_top *top;        /* lock */
	struct fs_handle *handles; /* lock */

	pthread_mutex_t sets_lock;
	struct fs_set *sets[FS_BUCKETS]; /* sets_lock; not references */

	pthread_mutex_t queue_lock;
	pthread_cond_t changed_cond, interrupt_cond;
	bool changed, stop;         /* queue_lock */
	struct fs_park *interrupts; /* queue_lock */
	uint64_t generation;        /* the notifier's */

	/* One darkening at a time.  Held while the kernel is notified: nobody
	 * who serves a request takes it. */
	pthread_mutex_t dark_lock;

	pthread_t notifier, interrupter, main;
	bool has_notifier, has_interrupter;
	atomic_bool loop_over;
};

/* ---- fs/mount.c ---- */

/**
 * fs_mount_check(fs):
 * Say early, and clearly, why the mount point cannot be mounted on.  A mount
 * of ours that nobody serves any more is removed from it.
 * Errors: NOTFOUND, INVAL, BUSY, UNAUTH.
 */
enum err fs_mount_check(struct fs *fs) must_check;

/**
 * fs_mount(fs), fs_unmount(fs):
 * Make the session and mount; end the session, also half of it.  The folder
 * goes when the keeper has ended.
 */
enum err fs_mount(struct fs *fs) must_check;
/** fs_unmount(fs): see fs_mount(). */
void fs_unmount(struct fs *fs);

/* ---- fs/notify.c ---- */

/**
 * fs_notify_changed(ctx), fs_notify_dark(ctx, set):
 * The gate's callbacks; ${ctx} is the fs.
 */
void fs_notify_changed(void *ctx);
/** fs_notify_dark(ctx, set): see fs_notify_changed(). */
void fs_notify_dark(void *ctx, const struct event_id *set);

/**
 * fs_notify_dark_all(fs):
 * Drop what the kernel keeps of everything that was ever opened.
 */
void fs_notify_dark_all(struct fs *fs);

/**
 * fs_notify_run(arg):
 * The thread that takes the kernel's knowledge back; ${arg} is the fs.
 */
void *fs_notify_run(void *arg);

/* ---- fs/handle.c ---- */

/**
 * fs_handle_new(fs, place, out):
 * Make a handle on a copy of ${place} with a reference of its own.
 */
enum err fs_handle_new(struct fs *fs, const struct fs_place *place,
    struct fs_handle **out) must_check;

/**
 * fs_handle_ref(h), fs_handle_unref(h):
 * Keep; let go, and close with the last.
 */
struct fs_handle *fs_handle_ref(struct fs_handle *h);
/** fs_handle_unref(h): see fs_handle_ref(); NULL is allowed. */
void fs_handle_unref(struct fs_handle *h);
DEFINE_CLEANUP(struct fs_handle *, fs_handle_unref);

/**
 * fs_handles_free(fs):
 * Close what the kernel did not release before it was gone.
 */
void fs_handles_free(struct fs *fs);

/**
 * fs_buffer():
 * This thread's buffer of FS_READ_MAX bytes, NULL without memory.
 */
uint8_t *fs_buffer(void);

/* ---- fs/who.c ---- */

struct fs_who {
	char login[256], app[64];
};

/**
 * fs_who(fs, uid, pid, out):
 * Who asks: the login of ${uid}, and the name of the program ${pid}, which is
 * only a hint and may be empty.
 */
void fs_who(struct fs *fs, uid_t uid, pid_t pid, struct fs_who *out);

#endif
