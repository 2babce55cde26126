/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fs_internal.h"

#include <sys/mman.h>

enum err
fs_handle_new(
    struct fs *fs, const struct fs_place *place, struct fs_handle **out)
{
	struct fs_handle *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return ERR_NOMEM;
	h->refs = 1;
	h->fs = fs;
	h->place = *place;
	if (place->top)
		atomic_fetch_add(&place->top->refs, 1);
	if (place->set)
		(void)fs_set_ref(place->set);
	pthread_mutex_lock(&fs->lock);
	h->next = fs->handles;
	h->at = &fs->handles;
	if (h->next)
		h->next->at = &h->next;
	fs->handles = h;
	pthread_mutex_unlock(&fs->lock);
	*out = h;
	return ERR_OK;
}

struct fs_handle *
fs_handle_ref(struct fs_handle *h)
{
	atomic_fetch_add(&h->refs, 1);
	return h;
}

void
fs_handle_unref(struct fs_handle *h)
{
	if (h == NULL || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	pthread_mutex_lock(&h->fs->lock);
	*h->at = h->next;
	if (h->next)
		h->next->at = h->at;
	pthread_mutex_unlock(&h->fs->lock);
	gate_doc_close(h->doc);
	fs_place_drop(&h->place);
	buf_free(&h->text);
	free(h);
}

void
fs_handles_free(struct fs *fs)
{
	while (fs->handles)
		fs_handle_unref(fs->handles);
}

static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

static void
buffer_free(void *p)
{
	explicit_bzero(p, FS_READ_MAX);
	free(p);
}

static void
buffer_init(void)
{
	(void)pthread_key_create(&buffer_key, buffer_free);
}

uint8_t *
fs_buffer(void)
{
	static _Thread_local void *p;

	if (p)
		return p;
	(void)pthread_once(&buffer_once, buffer_init);
	if (posix_memalign(&p, 4096, FS_READ_MAX) != 0) {
		p = NULL;
		return NULL;
	}
	(void)madvise(p, FS_READ_MAX, MADV_DONTDUMP);
	(void)pthread_setspecific(buffer_key, p);
	return p;
}
