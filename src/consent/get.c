/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * get: write a document set to disk, in clear, because somebody asked for it.
 * It goes through the gate as the mount does: each document is decided,
 * recorded durably, and only then opened.
 */
#include <pthread.h>

#include "consent/get.h"
#include "consent/publish_internal.h"
#include "gate/gate.h"

#define PIECE       SEAL_SPAN
#define LOOK_MS     50
#define PATIENCE_MS 3000 /* with what may pass by itself */
#define STALE_MS    1000 /* each refused try is recorded: do not hurry */

const struct opt consent_get_opts[] = {
	{ "to", "DIR", "a new folder (default: the set's name, here)", false },
	{ "login", "NAME", "the practitioner who reads (default: you)", false },
	CONSENT_COMMON,
};

/* ---- waiting for the gate's threads ---- */

struct wait {
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	bool done;
	enum err e;
};

#define WAIT_INIT                                                              \
	{                                                                      \
		.lock = PTHREAD_MUTEX_INITIALIZER,                             \
		.changed = PTHREAD_COND_INITIALIZER                            \
	}

static void
on_done(void *ctx, enum err e)
{
	struct wait *w = ctx;

	(void)pthread_mutex_lock(&w->lock);
	w->done = true;
	w->e = e;
	(void)pthread_cond_signal(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static enum err
wait_done(struct wait *w)
{
	enum err e;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->done)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	w->done = false;
	e = w->e;
	(void)pthread_mutex_unlock(&w->lock);
	return e;
}

static void
on_changed(void *ctx)
{
	(void)ctx; /* the catalogue is looked at again and again */
}

static void
on_dark(void *ctx, const struct event_id *set)
{
	(void)ctx, (void)set; /* no page of ours outlives a read */
}

/* ---- one document ---- */

struct getting {
	struct gate *g;
	struct event_id id;
	const struct gate_set *set;
	const char *login;
	struct consent_folder folder;
	uint8_t *piece;
	struct consent_progress progress;
};

static void
getting_free(struct getting *x)
{
	if (x->piece)
		sodium_memzero(x->piece, PIECE);
	free(x->piece);
	consent_folder_end(&x->folder);
	gate_set_free(x->set);
	if (x->g)
		gate_stop(x->g);
	gate_close(x->g);
}

/* Right after the start, the newest block may still be on its way. */
static enum err
open_doc(struct getting *x, uint32_t number, struct gate_doc **out)
{
	const struct gate_who who = { .login = x->login, .app = "consent" };
	int64_t end = clock_boot_ms() + CONSENT_WAIT_MS;
	struct wait w = WAIT_INIT;

	for (;;) {
		enum err e = gate_doc_open(
		    x->g, x->set, number, &who, out, on_done, &w);

		if (e == ERR_PENDING)
			return wait_done(&w);
		if ((e != ERR_STALE && e != ERR_BUSY) || clock_boot_ms() >= end)
			return e;
		clock_sleep_ms(LOOK_MS);
	}
}

static enum err
fetch(struct gate_doc *d, uint64_t off, size_t n)
{
	int64_t end = clock_boot_ms() + CONSENT_WAIT_MS;
	struct wait w = WAIT_INIT;

	for (;;) {
		enum err e = gate_doc_fetch(d, off, n, on_done, &w);

		if (e == ERR_OK)
			return wait_done(&w);
		if (e != ERR_BUSY || clock_boot_ms() >= end)
			return e;
		clock_sleep_ms(LOOK_MS);
	}
}

static enum err
read_piece(
    struct getting *x, struct gate_doc *d, uint64_t off, int fd, size_t *out_n)
{
	enum err e = gate_doc_read(d, off, x->piece, PIECE, out_n);

	if (e == ERR_PENDING && (e = fetch(d, off, PIECE)) == ERR_OK)
		e = gate_doc_read(d, off, x->piece, PIECE, out_n);
	if (e)
		return e;
	e = file_pwrite(fd, x->piece, *out_n, (off_t)off);
	gate_doc_read_end(d);
	consent_progress_add(&x->progress, *out_n);
	return e;
}

static void
close_doc(struct gate_doc **d)
{
	gate_doc_close(*d);
}

static enum err
copy_doc(struct getting *x, uint32_t number, int fd)
{
	__attribute__((cleanup(close_doc))) struct gate_doc *d = NULL;
	uint64_t off = 0, size;
	size_t n;
	enum err e = open_doc(x, number, &d);

	if (e)
		return e;
	/* an empty document is read too: its one chunk must be authentic */
	size = gate_doc_size(d);
	do {
		if ((e = read_piece(x, d, off, fd, &n)))
			return e;
		off += n;
	} while (off < size && n > 0);
	return ERR_OK;
}

/* The manifest allows no component that leads out of the folder. */
static char *
make_path(
    const struct getting *x, const struct event_document *doc, enum err *e)
{
	CLEANUP_BUF struct buf path = { 0 };

	buf_str(&path, x->folder.part);
	for (size_t i = 0; i < doc->ncomponents; i++) {
		if (i > 0 && (*e = file_mkdirs(buf_text(&path))))
			return NULL;
		buf_str(&path, "/");
		buf_str(&path, doc->component[i]);
	}
	*e = ERR_NOMEM; /* without a path */
	return path.err ? NULL : strdup(buf_text(&path));
}

static enum err
get_doc(struct getting *x, uint32_t number)
{
	const struct event_document *doc = &x->set->manifest->doc[number - 1];
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
		{ .tv_sec = doc->modified / 1000,
		    .tv_nsec = doc->modified % 1000 * 1000000 } };
	CLEANUP_FD int fd = -1;
	enum err e;
	CLEANUP(free) char *path = make_path(x, doc, &e);

	if (path == NULL)
		return e;
	fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_say(err_from_errno(errno), "cannot make '%s': %s",
		    path, strerror(errno));
	e = copy_doc(x, number, fd);
	if (e == ERR_OK)
		(void)futimens(fd, times);
	return e;
}

/* ---- the set ---- */

static const struct gate_set *
look(struct gate *g, const struct event_id *id)
{
	CLEANUP(gate_catalog_free)
	const struct gate_catalog *c = gate_catalog(g);

	for (size_t i = 0; i < c->npatients; i++)
		for (size_t k = 0; k < c->patient[i].nsets; k++)
			if (ID_EQ(&c->patient[i].set[k]->id, id))
				return gate_set_ref(c->patient[i].set[k]);
	return NULL;
}

static enum err
find_set(struct getting *x)
{
	int64_t began = clock_boot_ms();

	while ((x->set = look(x->g, &x->id)) == NULL) {
		int64_t waited = clock_boot_ms() - began;
		enum err e = waited < PATIENCE_MS ? ERR_OK :
						    gate_unlisted(x->g);

		if (e != ERR_OK)
			return e;
		if (waited >= CONSENT_WAIT_MS)
			return err_say(ERR_NOTFOUND,
			    "no set %s that may be "
			    "listed here; see 'consent sets'",
			    TEXT58(&x->id));
		clock_sleep_ms(LOOK_MS);
	}
	return ERR_OK;
}

static enum err
get_all(struct consent *c, struct getting *x)
{
	uint32_t n = x->set->manifest->n;
	enum err e = consent_folder_name(&x->folder, x->set->name);

	consent_progress_begin(
	    &x->progress, "fetching", x->set->event->u.set.bytes);
	for (uint32_t i = 1; e == ERR_OK && i <= n; i++)
		e = get_doc(x, i);
	consent_progress_end(&x->progress);
	if (e == ERR_OK)
		e = consent_folder_done(&x->folder);
	if (e)
		return e;
	if (c->json)
		consent_out(json_pack("{s:o,s:s,s:I,s:I}", "set",
		    JS_58_NEW(&x->set->id), "folder", x->folder.path,
		    "documents", (json_int_t)n, "bytes",
		    (json_int_t)x->set->event->u.set.bytes));
	else
		printf("%s\n", x->folder.path);
	return ERR_OK;
}

/* All is decided here in memory; only the folder is written. */
static enum err
enter(struct consent *c, const struct getting *x)
{
	struct jail j = { 0 };

	jail_write(&j, x->folder.part);
	jail_rename(&j, x->folder.parent);
	return consent_enter_home(c, gate_home(x->g), &j);
}

static enum err
get(struct consent *c, struct getting *x)
{
	const char *what = consent_operand(c, 0, "the set's id");
	struct gate_opts o = { .home_dir = c->home_dir,
		.ask = consent_passphrase,
		.ask_ctx = c,
		.changed = on_changed,
		.dark = on_dark,
		.only = &x->id };
	enum err e;

	if (what == NULL)
		return ERR_INVAL;
	if (text58_read(what, x->id.b, sizeof(x->id.b)) != ERR_OK)
		return err_say(ERR_INVAL, "'%s' is no set id", what);
	if (x->piece == NULL)
		return ERR_NOMEM;
	x->login = o.login = consent_login(c);
	e = gate_open(&o, &x->g);
	if (e == ERR_BUSY)
		return err_say(e,
		    "this home is mounted: copy the set from "
		    "the mount, or unmount it first");
	if (e == ERR_OK)
		e = consent_folder_begin(
		    &x->folder, consent_opt(c, "to"), &x->id);
	if (e || (e = enter(c, x)) || (e = gate_start(x->g)) ||
	    (e = find_set(x)))
		return e;
	return get_all(c, x);
}

enum err
consent_get(struct consent *c)
{
	struct getting x = { .piece = malloc(PIECE), .folder.fd = -1 };
	enum err e = get(c, &x);
	char why[512];

	(void)snprintf(why, sizeof(why), "%s", e ? err_detail(e) : "");
	getting_free(&x); /* what it still sends has errors of its own */
	return e ? err_say(e, "%s", why) : ERR_OK;
}
