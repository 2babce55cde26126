/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The threads that tell the kernel.  A notification may wait, and no signal
 * ends that, for a request which this process has read.  If the process is
 * killed meanwhile, the thread that waits would keep the descriptors of the
 * process open, and so the request alive: neither would ever end.  So these
 * threads have a table of descriptors of their own, with nothing in it but a
 * clone of the device.  They may log nothing: the log's descriptor is another
 * table's.
 */
#include "fs/fs_internal.h"

#include <linux/fuse.h>
#include <sched.h>
#include <string.h>
#include <sys/uio.h>

#define OWN 0 /* the device; not even the streams: a pipe would stay open */

/* The entry is gone; it fails silently for what the kernel does not know. */
static int
drop_name(int device, const struct fs_note *note)
{
	const size_t n = strlen(note->name);
	struct {
		struct fuse_out_header head;
		struct fuse_notify_inval_entry_out body;
	} m = {
		.head = { .error = FUSE_NOTIFY_INVAL_ENTRY },
		.body = { .parent = note->ino, .namelen = (uint32_t)n },
	};
	union {
		const char *c;
		char *p;
	} name = { note->name };
	const struct iovec iov[] = { { &m, sizeof(m) }, { name.p, n + 1 } };

	m.head.len = (uint32_t)(sizeof(m) + n + 1);
	return writev(device, iov, 2) < 0 ? errno : 0;
}

/* ENOENT: the kernel does not know it; ENODEV, ENOTCONN: not mounted any more,
 * so it keeps nothing. */
static bool
matters(int e)
{
	return e != 0 && e != ENOENT && e != ENODEV && e != ENOTCONN;
}

static int
tell_all(const struct fs_note *note, size_t n)
{
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		int e = note[i].name ? drop_name(OWN, &note[i]) :
				       keeper_drop_inode(OWN, note[i].ino);

		if (matters(e) && first == 0)
			first = e;
	}
	return first;
}

/* Leave the table of the process.  The copy holds whatever was open, for these
 * few instructions. */
static int
own_table(int device)
{
	if (unshare(CLONE_FILES) != 0 || dup2(device, OWN) < 0 ||
	    close_range(OWN + 1, ~0U, 0) != 0)
		return errno;
	return 0;
}

static void *
teller_run(void *arg)
{
	struct fs_teller *t = arg;
	int e = own_table(t->device);

	pthread_mutex_lock(&t->lock);
	t->result = e;
	t->state = FS_TELL_IDLE;
	pthread_cond_broadcast(&t->cond);
	while (e == 0 && t->state != FS_TELL_STOP) {
		if (t->state != FS_TELL_ASKED) {
			pthread_cond_wait(&t->cond, &t->lock);
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		t->result = tell_all(t->note, t->n);
		pthread_mutex_lock(&t->lock);
		if (t->state == FS_TELL_ASKED)
			t->state = FS_TELL_IDLE;
		pthread_cond_broadcast(&t->cond);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static enum err
start(struct fs_teller *t, int device)
{
	int e;

	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_cond_init(&t->cond, NULL);
	t->device = device;
	t->state = FS_TELL_STARTING;
	if (pthread_create(&t->thread, NULL, teller_run, t) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	t->started = true;
	pthread_mutex_lock(&t->lock);
	while (t->state == FS_TELL_STARTING)
		pthread_cond_wait(&t->cond, &t->lock);
	e = t->result;
	pthread_mutex_unlock(&t->lock);
	return e == 0 ? ERR_OK :
			err_say(ERR_IO,
			    "no descriptors of its own for a "
			    "thread: %s",
			    strerror(e));
}

enum err
fs_tellers_start(struct fs *fs, int device)
{
	enum err e = start(&fs->teller[FS_TELL_DARK], device);

	return e == ERR_OK ? start(&fs->teller[FS_TELL_NAMES], device) : e;
}

void
fs_tellers_stop(struct fs *fs)
{
	for (size_t i = 0; i < ARRAY_LEN(fs->teller); i++) {
		struct fs_teller *t = &fs->teller[i];

		if (!t->started)
			continue;
		pthread_mutex_lock(&t->lock);
		t->state = FS_TELL_STOP;
		pthread_cond_broadcast(&t->cond);
		pthread_mutex_unlock(&t->lock);
		(void)pthread_join(t->thread, NULL);
		t->started = false;
	}
}

int
fs_tell(
    struct fs *fs, enum fs_teller_id id, const struct fs_note *note, size_t n)
{
	struct fs_teller *t = &fs->teller[id];
	int e = 0;

	if (!t->started)
		return 0; /* the kernel was never served */
	pthread_mutex_lock(&t->lock);
	t->note = note;
	t->n = n;
	t->state = FS_TELL_ASKED;
	pthread_cond_broadcast(&t->cond);
	while (t->state == FS_TELL_ASKED)
		pthread_cond_wait(&t->cond, &t->lock);
	e = t->result;
	pthread_mutex_unlock(&t->lock);
	return e;
}
