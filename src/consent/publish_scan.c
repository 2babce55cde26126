/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Find the files that are to be published, and say what each of them is. */
#include "consent/publish_internal.h"

#include <strings.h>

void
consent_sources_free(struct consent_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].file);
		free(s->v[i].path);
	}
	free(s->v);
	*s = (struct consent_sources){ 0 };
}

static int64_t
mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static enum err
add(struct consent_sources *s, const char *file, const char *path,
    const struct stat *st)
{
	struct consent_source *one;

	if (s->n == CONSENT_MAX_DOCUMENTS)
		return err_say(ERR_TOOBIG,
		    "more than %d files; publish them "
		    "as several sets",
		    CONSENT_MAX_DOCUMENTS);
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		void *v = realloc(s->v, cap * sizeof(*s->v));

		if (v == NULL)
			return ERR_NOMEM;
		s->v = v;
		s->cap = cap;
	}
	one = &s->v[s->n];
	*one = (struct consent_source){ .file = strdup(file),
		.path = strdup(path),
		.size = (uint64_t)st->st_size,
		.mtime_ns = mtime_of(st) };
	s->n++;
	s->bytes += one->size;
	return one->file && one->path ? ERR_OK : ERR_NOMEM;
}

static enum err walk(
    struct consent_sources *s, const char *dir, const char *rel);

/* ${path}: in the set. */
static enum err
take(struct consent_sources *s, const char *file, const char *path)
{
	struct stat st;

	if (lstat(file, &st) != 0)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    file, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return walk(s, file, path);
	if (S_ISREG(st.st_mode))
		return add(s, file, path, &st);
	return err_say(ERR_INVAL,
	    "'%s' is %s; only files and folders are "
	    "published: replace it by the file or leave it out",
	    file, S_ISLNK(st.st_mode) ? "a symbolic link" : "no file");
}

struct walking {
	struct consent_sources *s;
	const char *dir, *rel;
};

static enum err
step(void *ctx, const char *name)
{
	const struct walking *w = ctx;
	CLEANUP(free) char *file = NULL, *path = NULL;

	if (asprintf(&file, "%s/%s", w->dir, name) < 0)
		file = NULL;
	if (asprintf(&path, "%s%s%s", w->rel, *w->rel ? "/" : "", name) < 0)
		path = NULL;
	return file && path ? take(w->s, file, path) : ERR_NOMEM;
}

static enum err
walk(struct consent_sources *s, const char *dir, const char *rel)
{
	struct walking w = { s, dir, rel };
	size_t depth = 0;

	for (const char *p = rel; *p; p++)
		depth += *p == '/';
	if (depth >= EVENT_MAX_PATH)
		return err_say(ERR_INVAL,
		    "'%s' is nested deeper than %d "
		    "folders",
		    dir, EVENT_MAX_PATH);
	return consent_each_name(dir, step, &w);
}

const char *
consent_operand_name(const char *operand)
{
	const char *base = strrchr(operand, '/');

	base = base ? base + 1 : operand;
	return strcmp(base, ".") == 0 || strcmp(base, "..") == 0 ? "" : base;
}

/* "DIR" is published under its name, "DIR/" and "." as what is in it. */
static enum err
take_operand(struct consent_sources *s, const char *operand)
{
	CLEANUP(free) char *file = realpath(operand, NULL);

	if (file == NULL)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    operand, strerror(errno));
	return take(s, file, consent_operand_name(operand));
}

/* By components, so that a path follows what it is the beginning of. */
static int
by_path(const void *a, const void *b)
{
	const uint8_t *x =
	    (const void *)((const struct consent_source *)a)->path;
	const uint8_t *y =
	    (const void *)((const struct consent_source *)b)->path;

	for (; *x && *x == *y; x++, y++)
		;
	return (*x == '/' ? 1 :
		       *x ? *x + 1 :
			    0) -
	    (*y == '/' ? 1 :
		    *y ? *y + 1 :
			 0);
}

static enum err
check(const struct consent_sources *s)
{
	static const struct blob_id none;

	for (size_t i = 0; i < s->n; i++) {
		CLEANUP_BUF struct buf line = { 0 };
		const char *path = s->v[i].path;
		size_t n = i > 0 ? strlen(s->v[i - 1].path) : 0;
		enum err e = consent_source_line(&s->v[i], "", &none, &line);

		if (e == ERR_NOMEM)
			return e;
		if (e)
			return err_say(e,
			    "'%s' cannot be published under "
			    "this name: %s",
			    s->v[i].file, err_detail(e));
		if (n > 0 && strncmp(path, s->v[i - 1].path, n) == 0 &&
		    (path[n] == '\0' || path[n] == '/'))
			return err_say(ERR_INVAL,
			    "'%s' and '%s' would both "
			    "be '%s' in the set; publish them as two sets",
			    s->v[i - 1].file, s->v[i].file, s->v[i - 1].path);
	}
	return ERR_OK;
}

enum err
consent_scan(const struct opt_values *operands, struct consent_sources *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < operands->n; i++)
		e = take_operand(out, operands->v[i]);
	if (e)
		return e;
	if (out->n == 0)
		return err_say(ERR_INVAL, "there is no file to publish");
	qsort(out->v, out->n, sizeof(*out->v), by_path);
	return check(out);
}

enum err
consent_source_same(const struct consent_source *s, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == s->size &&
	    mtime_of(&st) == s->mtime_ns)
		return ERR_OK;
	return err_say(ERR_CONFLICT,
	    "'%s' has changed since its publishing "
	    "began; --restart publishes it anew",
	    s->file);
}

/* ---- what a file is ---- */

static const struct {
	const char *ending, *media;
} medias[] = {
	{ ".dcm", "application/dicom" },
	{ ".pdf", "application/pdf" },
	{ ".xml", "application/xml" },
	{ ".cda", "application/xml" },
	{ ".xsl", "application/xslt+xml" },
	{ ".xslt", "application/xslt+xml" },
	{ ".hl7", "x-application/hl7-v2+er7" },
	{ ".json", "application/json" },
	{ ".tif", "image/tiff" },
	{ ".tiff", "image/tiff" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".png", "image/png" },
	{ ".svg", "image/svg+xml" },
	{ ".txt", "text/plain" },
	{ ".htm", "text/html" },
	{ ".html", "text/html" },
	{ ".css", "text/css" },
	{ ".rtf", "application/rtf" },
	{ ".csv", "text/csv" },
	{ ".edf", "application/edf" },
	{ ".zip", "application/zip" },
	{ ".mp4", "video/mp4" },
	{ ".wav", "audio/wav" },
	{ "DICOMDIR", "application/dicom" },
};

/* How files begin whose names say nothing: DICOM media, scanners. */
static const struct {
	size_t at, n;
	const char *bytes, *media;
} magics[] = {
	{ 128, 4, "DICM", "application/dicom" },
	{ 0, 5, "%PDF-", "application/pdf" },
	{ 0, 4, "MSH|", "x-application/hl7-v2+er7" },
	{ 0, 5, "<?xml", "application/xml" },
	{ 0, 4, "II*\0", "image/tiff" },
	{ 0, 4, "MM\0*", "image/tiff" },
	{ 0, 3, "\xff\xd8\xff", "image/jpeg" },
	{ 0, 4, "\x89PNG", "image/png" },
};

static const char *
media_of(const struct consent_source *s)
{
	CLEANUP_FD int fd = -1;
	uint8_t head[132];
	ssize_t got;
	size_t n = strlen(s->path);

	for (size_t i = 0; i < ARRAY_LEN(medias); i++) {
		size_t k = strlen(medias[i].ending);

		if (n >= k &&
		    strcasecmp(s->path + n - k, medias[i].ending) == 0)
			return medias[i].media;
	}
	fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	got = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if (got >= (ssize_t)(magics[i].at + magics[i].n) &&
		    memcmp(head + magics[i].at, magics[i].bytes, magics[i].n) ==
			0)
			return magics[i].media;
	return "application/octet-stream";
}

enum err
consent_source_line(const struct consent_source *s, const char *type_code,
    const struct blob_id *blob, struct buf *out)
{
	CLEANUP(free) char *path = strdup(s->path);
	int64_t ms = s->mtime_ns > 0 ? s->mtime_ns / 1000000 : 0;
	struct event_document doc = { .type_code = type_code,
		.size = s->size,
		.created = ms,
		.modified = ms,
		.blob = *blob };
	char *rest = NULL;

	if (path == NULL)
		return ERR_NOMEM;
	for (char *c = strtok_r(path, "/", &rest); c;
	     c = strtok_r(NULL, "/", &rest)) {
		if (doc.ncomponents == EVENT_MAX_PATH)
			return err_say(
			    ERR_INVAL, "more than %d folders", EVENT_MAX_PATH);
		doc.component[doc.ncomponents++] = c;
	}
	doc.media = media_of(s);
	return event_manifest_add(&doc, out);
}
