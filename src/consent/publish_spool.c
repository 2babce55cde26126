/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A publishing that may be cut off at any moment.  HOME/spool/<name>/ holds
 *   state   keys, key record and sources as they were, sealed at rest; of a
 *           publishing that is done only its result
 *   data    sealed blobs one behind the other
 *   index   one row for each blob in data, behind which its bytes are durable
 *   lock
 * A document is sealed under its salt once; what was sealed is sent again as
 * it is, never sealed again.
 */
#include "consent/publish_internal.h"

#define VERSION   1
#define DONE      2
#define STATE_MAX (512u << 20)
#define ROW_CHECK 4
#define ROW       (4 + 8 + 8 + 32 + ROW_CHECK)
#define NAME      16

void
consent_spool_close(struct consent_spool *s)
{
	int *const fds[] = { &s->data, &s->index, &s->lock };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		cleanup_fd_close(fds[i]);
	secret_free(s->rest);
	secret_free(s->set_key);
	secret_free(s->content_key);
	consent_sources_free(&s->src);
	free(s->blob);
	free(s->sealed);
	free(s->dir);
	free(s->name);
	*s = (struct consent_spool)CONSENT_SPOOL_NONE;
}

/* The same operands for the same patient find their spool again. */
static enum err
make_name(const struct consent_spool_opts *o, struct consent_spool *s)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct seal_part part;
	uint8_t hash[32];
	struct text58 t;

	buf_put(&b, o->card->patient.b, sizeof(o->card->patient.b));
	buf_str(&b, o->type_code);
	for (size_t i = 0; i < o->operands->n; i++) {
		CLEANUP(free) char *path = realpath(o->operands->v[i], NULL);

		if (path == NULL)
			return err_say(err_from_errno(errno),
			    "cannot read '%s': %s", o->operands->v[i],
			    strerror(errno));
		buf_u8(&b, 0);
		buf_str(&b, path);
		buf_u8(&b, 0);
		buf_str(&b, consent_operand_name(o->operands->v[i]));
	}
	if (b.err)
		return b.err;
	part = (struct seal_part){ b.p, b.len };
	seal_hash(secret_view(s->rest), &part, 1, hash);
	s->name = strdup(text58(hash, NAME, &t));
	if (s->name == NULL ||
	    asprintf(&s->dir, "%s/spool/%s", home_dir(o->home), s->name) < 0)
		return ERR_NOMEM;
	return ERR_OK;
}

static enum err
open_file(const struct consent_spool *s, const char *name, int flags, int *out)
{
	CLEANUP(free) char *path = file_join(s->dir, name);

	if (path == NULL)
		return ERR_NOMEM;
	*out = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*out < 0)
		return err_say(err_from_errno(errno), "cannot open '%s': %s",
		    path, strerror(errno));
	return ERR_OK;
}

static enum err
lock(struct consent_spool *s)
{
	CLEANUP(free) char *path = file_join(s->dir, "lock");
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	if ((e = file_mkdirs(s->dir)))
		return e;
	e = file_lock(path, &s->lock);
	if (e == ERR_BUSY)
		return err_say(e,
		    "this is being published by another "
		    "command; wait for it");
	return e;
}

/* ---- the state ---- */

static void
write_state(const struct consent_spool *s, struct buf *out)
{
	uint8_t record[RMS_RECORD];

	rms_record_write(&s->record, record);
	buf_u8(out, VERSION);
	buf_put(out, secret_view(s->set_key), SEAL_KEY);
	buf_put(out, secret_view(s->content_key), SEAL_KEY);
	buf_put(out, s->entry.b, sizeof(s->entry.b));
	buf_put(out, record, sizeof(record));
	buf_u32(out, (uint32_t)s->src.n);
	for (size_t i = 0; i < s->src.n; i++) {
		const struct consent_source *one = &s->src.v[i];

		buf_u64(out, one->size);
		buf_u64(out, (uint64_t)one->mtime_ns);
		buf_u16(out, (uint16_t)strlen(one->path));
		buf_str(out, one->path);
		buf_u16(out, (uint16_t)strlen(one->file));
		buf_str(out, one->file);
	}
}

static enum err
save_sealed(const struct consent_spool *s, const struct buf *plain)
{
	CLEANUP(free) char *path = file_join(s->dir, "state");
	CLEANUP_BUF struct buf sealed = { 0 };
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	if (plain->err)
		return plain->err;
	e = seal_rest(s->rest, (struct seal_part){ s->name, strlen(s->name) },
	    (struct seal_part){ plain->p, plain->len }, &sealed);
	return e ? e : file_write(path, sealed.p, sealed.len, 0600);
}

static enum err
save_state(const struct consent_spool *s)
{
	CLEANUP_BUF struct buf plain = { 0 };

	write_state(s, &plain);
	return save_sealed(s, &plain);
}

static enum err
save_done(const struct consent_spool *s)
{
	CLEANUP_BUF struct buf plain = { 0 };

	buf_u8(&plain, DONE);
	buf_put(&plain, s->set.b, sizeof(s->set.b));
	buf_u64(&plain, s->src.n);
	buf_u64(&plain, s->src.bytes);
	return save_sealed(s, &plain);
}

static char *
take_text(struct rd *r)
{
	uint16_t n = rd_u16(r);
	const uint8_t *p = rd_take(r, n);

	return p ? strndup((const char *)p, n) : NULL;
}

static enum err
take_secret(struct rd *r, struct secret **out)
{
	const uint8_t *p = rd_take(r, SEAL_KEY);

	return p ? secret_copy(p, SEAL_KEY, out) : ERR_CORRUPT;
}

static enum err
read_sources(struct rd *r, struct consent_sources *src)
{
	uint32_t n = rd_u32(r);

	if (n == 0 || n > CONSENT_MAX_DOCUMENTS)
		return ERR_CORRUPT;
	src->v = calloc(n, sizeof(*src->v));
	if (src->v == NULL)
		return ERR_NOMEM;
	src->cap = n;
	while (src->n < n && r->err == ERR_OK) {
		struct consent_source *one = &src->v[src->n++];

		one->size = rd_u64(r);
		one->mtime_ns = (int64_t)rd_u64(r);
		one->path = take_text(r);
		one->file = take_text(r);
		if (r->err == ERR_OK && (!one->path || !one->file))
			return ERR_NOMEM;
		src->bytes += one->size;
	}
	return rd_end(r) ? ERR_CORRUPT : ERR_OK;
}

static enum err
read_done(struct consent_spool *s, struct rd *r)
{
	rd_copy(r, s->set.b, sizeof(s->set.b));
	s->documents = rd_u64(r);
	s->bytes = rd_u64(r);
	s->done = true;
	return rd_end(r) ? ERR_CORRUPT : ERR_OK;
}

static enum err
read_running(struct consent_spool *s, struct rd *r)
{
	const uint8_t *record;
	enum err e;

	if ((e = take_secret(r, &s->set_key)) ||
	    (e = take_secret(r, &s->content_key)))
		return e;
	rd_copy(r, s->entry.b, sizeof(s->entry.b));
	record = rd_take(r, RMS_RECORD);
	if (record == NULL ||
	    rms_record_read(record, RMS_RECORD, &s->record) != ERR_OK)
		return ERR_CORRUPT;
	return read_sources(r, &s->src);
}

static enum err
read_state(struct consent_spool *s, const struct buf *plain)
{
	uint8_t version;
	struct rd r;

	rd_init(&r, plain->p, plain->len);
	version = rd_u8(&r);
	if (version == DONE)
		return read_done(s, &r);
	if (version == VERSION)
		return read_running(s, &r);
	return err_say(ERR_UNSUPPORTED,
	    "'%s' was made by another "
	    "version of this program; --restart publishes anew",
	    s->dir);
}

/* Errors: NOTFOUND (nothing was begun). */
static enum err
load_state(struct consent_spool *s)
{
	CLEANUP(free) char *path = file_join(s->dir, "state");
	CLEANUP_BUF struct buf plain = { 0 }, sealed = { 0 };
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	if ((e = file_read(path, STATE_MAX, &sealed)))
		return e;
	e = seal_rest_open(s->rest,
	    (struct seal_part){ s->name, strlen(s->name) },
	    (struct seal_part){ sealed.p, sealed.len }, &plain);
	if (e == ERR_OK)
		e = read_state(s, &plain);
	if (e == ERR_CORRUPT)
		return err_say(
		    e, "'%s' is damaged; --restart publishes anew", path);
	return e;
}

static enum err
new_key(struct secret **out)
{
	enum err e = secret_new(SEAL_KEY, out);

	if (e == ERR_OK)
		seal_random(secret_bytes(*out), SEAL_KEY);
	return e;
}

static enum err
begin_state(const struct consent_spool_opts *o, struct consent_spool *s)
{
	enum err e;

	if ((e = consent_scan(o->operands, &s->src)) ||
	    (e = new_key(&s->set_key)) || (e = new_key(&s->content_key)) ||
	    (e = rms_record_make(s->set_key, &o->card->patient,
		 &o->card->patient_rms, &s->record)))
		return e;
	seal_random(s->entry.b, sizeof(s->entry.b));
	return save_state(s);
}

/* ---- the index ---- */

static void
row_check(const uint8_t *row, uint8_t out[static 32])
{
	struct seal_part part = { row, ROW - ROW_CHECK };

	seal_hash(NULL, &part, 1, out);
}

void
consent_spool_row(const struct consent_spool *s, uint32_t i, struct buf *out)
{
	const struct consent_blob *b = &s->blob[i];
	uint8_t check[32];

	buf_u32(out, i);
	buf_u64(out, b->at);
	buf_u64(out, b->length);
	buf_put(out, b->id.b, sizeof(b->id.b));
	if (out->err)
		return;
	row_check(out->p + out->len - (ROW - ROW_CHECK), check);
	buf_put(out, check, ROW_CHECK);
}

static bool
take_row(
    struct consent_spool *s, const uint8_t row[static ROW], uint64_t data_len)
{
	struct consent_blob b = { .fd = s->data };
	uint8_t check[32];
	struct rd r;
	uint32_t i;

	row_check(row, check);
	rd_init(&r, row, ROW);
	i = rd_u32(&r);
	if (memcmp(check, row + ROW - ROW_CHECK, ROW_CHECK) != 0 ||
	    i > s->src.n)
		return false;
	b.at = rd_u64(&r);
	b.length = rd_u64(&r);
	rd_copy(&r, b.id.b, sizeof(b.id.b));
	if (b.at > data_len || b.length > data_len - b.at)
		return false;
	s->blob[i] = b;
	s->sealed[i] = true;
	if (b.at + b.length > s->end)
		s->end = b.at + b.length;
	return true;
}

/* Take the rows up to the first that is not whole; go on from there. */
static enum err
load_index(struct consent_spool *s)
{
	struct stat data, index;
	uint64_t at = 0;
	enum err e;

	if (fstat(s->data, &data) != 0 || fstat(s->index, &index) != 0)
		return err_from_errno(errno);
	while (at + ROW <= (uint64_t)index.st_size) {
		uint8_t row[ROW];

		if ((e = file_pread(s->index, row, ROW, (off_t)at)))
			return e;
		if (!take_row(s, row, (uint64_t)data.st_size))
			break;
		at += ROW;
	}
	if (ftruncate(s->index, (off_t)at) != 0 ||
	    ftruncate(s->data, (off_t)s->end) != 0 ||
	    lseek(s->index, (off_t)at, SEEK_SET) < 0)
		return err_from_errno(errno);
	return ERR_OK;
}

static void
drop_file(const char *dir, const char *name)
{
	CLEANUP(free) char *path = file_join(dir, name);

	if (path)
		(void)unlink(path);
}

static void
drop_data(const struct consent_spool *s)
{
	drop_file(s->dir, "data");
	drop_file(s->dir, "index");
}

static void
drop_files(const struct consent_spool *s)
{
	drop_file(s->dir, "state");
	drop_data(s);
}

static void
empty(const char *dir)
{
	static const char *const names[] = { "state", ".state.new", "data",
		"index", "lock" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		drop_file(dir, names[i]);
	(void)rmdir(dir);
}

/* In one step, and under one name, so that crashes leave one at most. */
static void
drop_dir(const struct consent_spool *s)
{
	CLEANUP(free) char *gone = NULL;

	if (asprintf(&gone, "%s/spool/.gone", s->home_dir) < 0) {
		gone = NULL;
		return;
	}
	empty(gone);
	if (rename(s->dir, gone) == 0)
		empty(gone);
}

static enum err
open_data(struct consent_spool *s)
{
	enum err e;

	s->blob = calloc(s->src.n + 1, sizeof(*s->blob));
	s->sealed = calloc(s->src.n + 1, sizeof(*s->sealed));
	if (s->blob == NULL || s->sealed == NULL)
		return ERR_NOMEM;
	if ((e = open_file(s, "data", O_CREAT, &s->data)) ||
	    (e = open_file(s, "index", O_CREAT, &s->index)))
		return e;
	return load_index(s);
}

enum err
consent_spool_open(
    const struct consent_spool_opts *o, struct consent_spool *out)
{
	struct consent_spool *s = out;
	enum err e;

	*s = (struct consent_spool)CONSENT_SPOOL_NONE;
	s->type_code = o->type_code;
	s->home_dir = home_dir(o->home);
	if ((e = seal_rest_key(home_identity(o->home), "spool", &s->rest)) ||
	    (e = make_name(o, s)) || (e = lock(s)))
		return e;
	if (o->restart)
		drop_files(s);
	e = load_state(s);
	if (e == ERR_NOTFOUND) {
		err_clear();
		drop_files(s); /* data without its keys */
		e = begin_state(o, s);
		if (e)
			drop_dir(s);
	}
	if (e || s->done)
		return e;
	s->documents = s->src.n;
	s->bytes = s->src.bytes;
	seal_event_id(
	    home_chain(o->home), home_key(o->home), &s->entry, &s->set);
	return open_data(s);
}

enum err
consent_spool_same(
    const struct consent_spool *s, const struct consent_sources *now)
{
	size_t n = now->n < s->src.n ? now->n : s->src.n;

	for (size_t i = 0; i < n; i++) {
		const struct consent_source *was = &s->src.v[i];
		const struct consent_source *is = &now->v[i];

		if (strcmp(was->path, is->path) != 0 ||
		    strcmp(was->file, is->file) != 0)
			return err_say(ERR_CONFLICT,
			    "'%s' came or went since "
			    "the publishing began; --restart publishes anew",
			    strcmp(was->path, is->path) < 0 ? was->file :
							      is->file);
		if (was->size != is->size || was->mtime_ns != is->mtime_ns)
			return err_say(ERR_CONFLICT,
			    "'%s' has changed since "
			    "its publishing began; --restart publishes it "
			    "anew",
			    is->file);
	}
	if (now->n != s->src.n)
		return err_say(ERR_CONFLICT,
		    "'%s' came or went since the "
		    "publishing began; --restart publishes anew",
		    now->n > n ? now->v[n].file : s->src.v[n].file);
	return ERR_OK;
}

enum err
consent_spool_root(const struct consent_spool *s, uint8_t out[static 32])
{
	CLEANUP(free) struct blob_id *ids = calloc(s->src.n + 1, sizeof(*ids));

	if (ids == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i <= s->src.n; i++)
		ids[i] = s->blob[i].id;
	seal_root(ids, (uint32_t)s->src.n + 1, out);
	return ERR_OK;
}

static enum err
overwrite(int fd)
{
	static const uint8_t zeros[4096];
	struct stat st;
	enum err e = ERR_OK;

	if (fstat(fd, &st) != 0)
		return err_from_errno(errno);
	for (off_t at = 0; e == ERR_OK && at < st.st_size;
	     at += (off_t)sizeof(zeros))
		e = file_pwrite(fd, zeros, sizeof(zeros), at);
	if (e == ERR_OK && fsync(fd) != 0)
		e = err_from_errno(errno);
	return e;
}

/* The keys first: without them the rest is noise. */
enum err
consent_spool_finish(struct consent_spool *s)
{
	CLEANUP_FD int keys = -1;
	enum err e = open_file(s, "state", 0, &keys);

	if (e == ERR_OK)
		e = save_done(s); /* a new file in its place */
	if (e == ERR_OK)
		e = overwrite(keys);
	if (e == ERR_OK)
		drop_data(s);
	s->done = e == ERR_OK;
	return e;
}

void
consent_spool_forget(struct consent_spool *s)
{
	drop_dir(s);
}
