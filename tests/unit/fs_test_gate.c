/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gate that decides as the test says.  It runs in a process that is no test:
 * what must not be aborts. */
#include "fs_test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define SETS     3
#define PATIENTS 2

struct fs_test_ctl *fs_test_ctl;

struct gate_doc {
	struct gate *g;
	const struct gate_set *set;
	uint32_t number;
	_Atomic int dark;
	struct gate_doc *next;
};

struct job {
	struct job *next;
	struct gate_doc *d;
	gate_done done;
	void *ctx;
	int64_t due; /* < 0: when interrupted */
	enum err answer;
};

struct test_set {
	struct gate_set pub;
	struct event event;
	struct event_manifest *manifest;
	_Atomic unsigned refs;
};

struct gate {
	struct gate_opts opts;
	pthread_mutex_t lock;
	struct job *jobs;
	struct gate_doc *docs;
	struct test_set set[SETS];
	struct gate_patient patient[2][PATIENTS]; /* hidden or not */
	const struct gate_set *list[2][PATIENTS][SETS];
	struct gate_catalog catalog[2];
	pthread_t thread;
	bool started;
	atomic_bool stop;
	_Atomic int hidden;
};

uint8_t
fs_test_byte(uint32_t number, uint64_t off)
{
	return (uint8_t)(number * 31 + off * 7 + (off >> 8));
}

void
fs_test_line(struct buf *b, const char *path, uint64_t size)
{
	char copy[1024], *rest = NULL;
	struct event_document doc = { .media = "text/plain",
		.type_code = "11506-3",
		.size = size,
		.created = 1700000000000,
		.modified = 1700000001234 };

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *s = strtok_r(copy, "/", &rest); s;
	     s = strtok_r(NULL, "/", &rest))
		doc.component[doc.ncomponents++] = s;
	memcpy(doc.blob.b, &b->len, sizeof(b->len)); /* another each time */
	if (event_manifest_add(&doc, b) != ERR_OK)
		abort();
}

struct event_manifest *
fs_test_manifest(const struct buf *b, uint32_t n)
{
	struct event_manifest *m = NULL;

	if (event_manifest_read(b->p, b->len, n, &m) != ERR_OK)
		abort();
	return m;
}

static struct event_manifest *
first_manifest(void)
{
	CLEANUP_BUF struct buf b = { 0 };

	fs_test_line(&b, "report.txt", 10);
	fs_test_line(&b, "IMAGES/IM000002", 3000000);
	fs_test_line(&b, "DICOMDIR", 4096);
	fs_test_line(&b, "IMAGES/IM000001", 300001);
	fs_test_line(&b, "IMAGES/sub/empty", 0);
	fs_test_line(&b,
	    "\xc3\xbc"
	    "bersicht.txt",
	    100);
	return fs_test_manifest(&b, 6);
}

static struct event_manifest *
big_manifest(void)
{
	CLEANUP_BUF struct buf b = { 0 };

	for (uint32_t i = 0; i < FS_TEST_BIG; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "all/f%07u", i * 7919u);
		fs_test_line(&b, path, i);
	}
	return fs_test_manifest(&b, FS_TEST_BIG);
}

static void
make_set(struct gate *g, int i, uint8_t patient, const char *name,
    struct event_manifest *m)
{
	struct test_set *s = &g->set[i];

	s->refs = 1;
	s->manifest = m;
	s->event.type = EVENT_DOCUMENT_SET;
	s->event.u.set.type_code = "34133-9";
	s->event.u.set.confidentiality = EVENT_R;
	s->event.u.set.created = 1700000000000 + i;
	s->event.u.set.count = m->n;
	s->event.u.set.bytes = 12345;
	s->event.u.set.custodian.b[0] = 9;
	s->event.u.set.manifest.b[0] = (uint8_t)(200 + i);
	s->pub.id.b[0] = (uint8_t)(i + 1);
	s->pub.patient.b[0] = patient;
	s->pub.event = &s->event;
	s->pub.manifest = m;
	s->pub.name = name;
}

static void
make_catalog(struct gate *g, int hidden)
{
	static const char *const names[] = { "Berta", "Ann" };
	struct gate_patient *p = g->patient[hidden];

	for (size_t i = 0; i < PATIENTS; i++) {
		p[i].name = names[i];
		p[i].key.b[0] = (uint8_t)(i + 1);
		p[i].set = g->list[hidden][i];
		for (int k = hidden ? 1 : 0; k < SETS; k++)
			if (ID_EQ(&g->set[k].pub.patient, &p[i].key))
				g->list[hidden][i][p[i].nsets++] =
				    &g->set[k].pub;
	}
	g->catalog[hidden] = (struct gate_catalog){ PATIENTS, p, 1 };
}

enum err
gate_open(const struct gate_opts *opts, struct gate **out)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return ERR_NOMEM;
	g->opts = *opts;
	(void)pthread_mutex_init(&g->lock, NULL);
	make_set(g, 0, 2, "2026-03-02 Knee (Clinic A)", first_manifest());
	make_set(g, 1, 1, "2026-03-01 Many (Clinic A)", big_manifest());
	make_set(g, 2, 2, "2026-01-01 Old (Clinic B)", first_manifest());
	make_catalog(g, 0);
	make_catalog(g, 1);
	*out = g;
	return ERR_OK;
}

/* Take the job that is due, or the one with ${ctx}. */
static struct job *
take_job(struct gate *g, const void *ctx)
{
	struct job *job = NULL;

	pthread_mutex_lock(&g->lock);
	for (struct job **at = &g->jobs; *at; at = &(*at)->next)
		if (ctx ? (*at)->ctx == ctx :
			  (*at)->due >= 0 && (*at)->due <= clock_boot_ms()) {
			job = *at;
			*at = job->next;
			break;
		}
	pthread_mutex_unlock(&g->lock);
	return job;
}

static void
set_dark(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	for (struct gate_doc *d = g->docs; d; d = d->next)
		if (d->set == &g->set[0].pub)
			d->dark = ERR_REVOKED;
	pthread_mutex_unlock(&g->lock);
	g->opts.dark(g->opts.ctx, &g->set[0].pub.id);
}

static void *
gate_run(void *arg)
{
	struct gate *g = arg;

	while (!g->stop) {
		struct job *job;

		while ((job = take_job(g, NULL)) != NULL) {
			job->done(job->ctx, job->answer);
			free(job);
		}
		if (fs_test_ctl->hidden != g->hidden) {
			g->hidden = fs_test_ctl->hidden;
			g->opts.changed(g->opts.ctx);
		}
		if (fs_test_ctl->do_dark) {
			set_dark(g);
			fs_test_ctl->do_dark = 0;
		}
		clock_sleep_ms(1);
	}
	return NULL;
}

/* Only who enters the sandbox asks. */
const struct home *
gate_home(const struct gate *g)
{
	(void)g;
	return NULL;
}

enum err
gate_start(struct gate *g)
{
	g->started = pthread_create(&g->thread, NULL, gate_run, g) == 0;
	return g->started ? ERR_OK : ERR_NOMEM;
}

void
gate_dark(struct gate *g)
{
	if (!g->stop)
		set_dark(g);
}

void
gate_stop(struct gate *g)
{
	if (g->stop)
		return;
	gate_dark(g);
	g->stop = true;
	if (g->started)
		(void)pthread_join(g->thread, NULL);
	while (g->jobs) {
		struct job *job = g->jobs;

		g->jobs = job->next;
		job->done(job->ctx, ERR_INTERRUPTED);
		free(job);
	}
}

/* What was taken must have been given back, or the process says so. */
void
gate_close(struct gate *g)
{
	if (g == NULL)
		return;
	for (int i = 0; i < SETS; i++) {
		if (g->set[i].refs != 1 || g->docs != NULL)
			abort();
		event_manifest_free(g->set[i].manifest);
	}
	free(g);
}

const struct gate_catalog *
gate_catalog(struct gate *g)
{
	return &g->catalog[atomic_load(&g->hidden)];
}

void
gate_catalog_free(const struct gate_catalog *c)
{
	(void)c;
}

const struct gate_set *
gate_set_ref(const struct gate_set *s)
{
	union {
		const struct gate_set *c;
		struct test_set *s;
	} u = { s };

	u.s->refs++;
	return s;
}

void
gate_set_free(const struct gate_set *s)
{
	union {
		const struct gate_set *c;
		struct test_set *s;
	} u = { s };

	if (s)
		u.s->refs--;
}

enum err
gate_text(struct gate *g, const struct pubkey *patient, enum gate_text which,
    struct buf *out)
{
	(void)g;
	fs_test_ctl->texts++;
	buf_fmt(out, "text %d of patient %d\n", (int)which, patient->b[0]);
	return out->err;
}

static enum err
add_job(struct gate_doc *d, gate_done done, void *ctx, enum err answer)
{
	struct job *job = calloc(1, sizeof(*job));
	int delay = fs_test_ctl->delay_ms;

	if (job == NULL)
		return ERR_NOMEM;
	*job = (struct job){ .d = d,
		.done = done,
		.ctx = ctx,
		.due = delay < 0 ? -1 : clock_boot_ms() + delay,
		.answer = answer };
	pthread_mutex_lock(&d->g->lock);
	job->next = d->g->jobs;
	d->g->jobs = job;
	pthread_mutex_unlock(&d->g->lock);
	return ERR_OK;
}

enum err
gate_doc_open(struct gate *g, const struct gate_set *set, uint32_t number,
    const struct gate_who *who, struct gate_doc **out, gate_done done,
    void *ctx)
{
	enum err e = (enum err)fs_test_ctl->open_answer;
	struct gate_doc *d;

	fs_test_ctl->opens++;
	(void)snprintf(
	    fs_test_ctl->login, sizeof(fs_test_ctl->login), "%s", who->login);
	(void)snprintf(fs_test_ctl->app, sizeof(fs_test_ctl->app), "%s",
	    who->app ? who->app : "");
	if (g->stop || (e != ERR_OK && e != ERR_PENDING))
		return g->stop ? ERR_DENIED : e;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	d->g = g;
	d->set = gate_set_ref(set);
	d->number = number;
	pthread_mutex_lock(&g->lock);
	d->next = g->docs;
	g->docs = d;
	pthread_mutex_unlock(&g->lock);
	*out = d;
	if (e == ERR_PENDING &&
	    add_job(d, done, ctx, (enum err)fs_test_ctl->pending_answer) !=
		ERR_OK)
		abort();
	return e;
}

uint64_t
gate_doc_size(const struct gate_doc *d)
{
	return d->set->manifest->doc[d->number - 1].size;
}

enum err
gate_doc_read(
    struct gate_doc *d, uint64_t off, void *p, size_t n, size_t *out_n)
{
	uint64_t size = gate_doc_size(d);
	uint8_t *to = p;

	fs_test_ctl->reads++;
	if (d->dark != ERR_OK || fs_test_ctl->stay_dark)
		return ERR_REVOKED;
	if (fs_test_ctl->read_pending > 0) {
		fs_test_ctl->read_pending--;
		return ERR_PENDING;
	}
	if (off > size)
		off = size;
	if (n > size - off)
		n = (size_t)(size - off);
	for (size_t i = 0; i < n; i++)
		to[i] = fs_test_byte(d->number, off + i);
	*out_n = n;
	fs_test_ctl->stuck_reading++;
	return ERR_OK;
}

void
gate_doc_read_end(struct gate_doc *d)
{
	(void)d;
	fs_test_ctl->stuck_reading--;
}

enum err
gate_doc_fetch(
    struct gate_doc *d, uint64_t off, size_t n, gate_done done, void *ctx)
{
	(void)off;
	(void)n;
	fs_test_ctl->fetches++;
	return add_job(d, done, ctx, ERR_OK);
}

void
gate_doc_interrupt(struct gate_doc *d, void *ctx)
{
	struct job *job = take_job(d->g, ctx);

	fs_test_ctl->interrupts++;
	if (job) {
		job->done(ctx, ERR_INTERRUPTED);
		free(job);
	}
}

void
gate_doc_close(struct gate_doc *d)
{
	struct gate_doc **at;

	if (d == NULL)
		return;
	fs_test_ctl->closes++;
	pthread_mutex_lock(&d->g->lock);
	for (at = &d->g->docs; *at != d;)
		at = &(*at)->next;
	*at = d->next;
	pthread_mutex_unlock(&d->g->lock);
	gate_set_free(d->set);
	free(d);
}

enum err
gate_cipher_sets(struct gate *g,
    bool (*fn)(void *ctx, const struct gate_set *set), void *ctx)
{
	for (int i = 0; i < SETS; i++)
		if (!fn(ctx, &g->set[i].pub))
			break;
	return ERR_OK;
}

enum err
gate_cipher_index(struct gate *g, const struct gate_set *set, struct buf *out)
{
	(void)g;
	fs_test_ctl->texts++;
	/* another each time: it must be asked for once */
	buf_fmt(
	    out, "{\"set\":%d,\"n\":%u}\n", set->id.b[0], fs_test_ctl->texts);
	return out->err;
}

enum err
gate_cipher_size(
    struct gate *g, const struct gate_set *set, uint32_t index, uint64_t *out)
{
	(void)g;
	*out = index == 0 ? 777 : set->manifest->doc[index - 1].size + 144;
	return ERR_OK;
}

enum err
gate_cipher_read(struct gate *g, const struct gate_set *set, uint32_t index,
    uint64_t off, void *p, size_t n, size_t *out_n)
{
	uint8_t *to = p;
	uint64_t size;

	if (gate_cipher_size(g, set, index, &size) != ERR_OK || off > size)
		off = size = 0;
	if (n > size - off)
		n = (size_t)(size - off);
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)~fs_test_byte(index, off + i);
	*out_n = n;
	return ERR_OK;
}
