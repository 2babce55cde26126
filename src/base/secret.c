/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/*
 * Locked memory is scarce (RLIMIT_MEMLOCK) and comes in pages, and a mount has
 * a key for each open document: keys share pages.
 */
#define SMALL 64 /* bytes of a slot */
#define SLOTS 63 /* and what libsodium adds: one page */

struct page {
	struct page *next;
	unsigned used;
	bool taken[SLOTS];
	uint8_t (*slot)[SMALL]; /* SLOTS of them */
};

struct secret {
	size_t len;
	struct page *page; /* NULL: ${bytes} are alone */
	uint8_t *bytes;    /* locked, guarded, not dumped */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *pages; /* lock */

/* Locked memory is asked for before any other right is given up. */
static void
raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) != 0 || l.rlim_cur == l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

enum err
secret_init(void)
{
	const struct rlimit none = { 0, 0 };

	if (sodium_init() < 0)
		return err_say(ERR_IO, "libsodium does not start");
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_say(
		    ERR_IO, "cannot forbid core dumps: %s", strerror(errno));
	raise_limit();
	return ERR_OK;
}

/* libsodium keeps quiet about memory that the kernel did not lock: ask again,
 * since no secret may stand in memory that can be swapped. */
static enum err
guarded(size_t len, uint8_t **out)
{
	uint8_t *p = sodium_malloc(len ? len : 1);

	if (p == NULL || mlock(p, len ? len : 1) != 0) {
		sodium_free(p);
		return err_say(ERR_NOMEM,
		    "no locked memory left; raise RLIMIT_MEMLOCK (ulimit -l)");
	}
	*out = p;
	return ERR_OK;
}

static void
page_free(struct page *p)
{
	if (p == NULL)
		return;
	sodium_free(p->slot);
	free(p);
}
DEFINE_CLEANUP(struct page *, page_free);

/* The first page with a free slot, or a new one. */
static enum err
page_locked(struct page **out)
{
	CLEANUP(page_free) struct page *p = NULL;
	uint8_t *bytes = NULL;
	enum err e;

	for (*out = pages; *out && (*out)->used == SLOTS; *out = (*out)->next)
		;
	if (*out)
		return ERR_OK;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	e = guarded((size_t)SLOTS * SMALL, &bytes);
	if (e != ERR_OK)
		return e;
	p->slot = (uint8_t(*)[SMALL])bytes;
	p->next = pages;
	*out = pages = TAKE(p);
	return ERR_OK;
}

static enum err
slot_take(struct secret *s)
{
	unsigned i = 0;
	enum err e;

	pthread_mutex_lock(&lock);
	e = page_locked(&s->page);
	if (e == ERR_OK) {
		while (s->page->taken[i])
			i++;
		s->page->taken[i] = true;
		s->page->used++;
		s->bytes = s->page->slot[i];
	}
	pthread_mutex_unlock(&lock);
	return e;
}

static void
slot_give(struct secret *s)
{
	struct page *p = s->page, **at;

	sodium_memzero(s->bytes, SMALL);
	pthread_mutex_lock(&lock);
	p->taken[(size_t)(s->bytes - p->slot[0]) / SMALL] = false;
	if (--p->used == 0) {
		for (at = &pages; *at != p; at = &(*at)->next)
			;
		*at = p->next;
		page_free(p);
	}
	pthread_mutex_unlock(&lock);
}

enum err
secret_new(size_t len, struct secret **out)
{
	struct secret *s = calloc(1, sizeof(*s));
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	s->len = len;
	e = len <= SMALL ? slot_take(s) : guarded(len, &s->bytes);
	if (e != ERR_OK) {
		free(s);
		return e;
	}
	sodium_memzero(s->bytes, len);
	*out = s;
	return ERR_OK;
}

enum err
secret_copy(const void *bytes, size_t len, struct secret **out)
{
	enum err e = secret_new(len, out);

	if (e == ERR_OK && len > 0)
		memcpy((*out)->bytes, bytes, len);
	return e;
}

uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

const uint8_t *
secret_view(const struct secret *s)
{
	return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	if (s->page)
		slot_give(s);
	else
		sodium_free(s->bytes);
	free(s);
}

bool
secret_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}
