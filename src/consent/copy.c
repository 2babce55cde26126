/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of the ciphertext view: DIR/<set>/set.json and DIR/<set>/blobs/<id>.
 * It is held against the ledger without any key: the root in the entry binds
 * the list of blob ids, each id the bytes of its blob.
 */
#include "consent/publish_internal.h"

#define INDEX     "set.json"
#define BLOBS     "blobs"
#define INDEX_MAX (128u << 20)

void
consent_copy_free(struct consent_copy_set *s)
{
	free(s->dir);
	free(s->id);
	*s = (struct consent_copy_set){ 0 };
}

void
consent_finding(struct consent_check *k, const char *what, const char *path)
{
	json_t *row = json_pack("{s:s,s:s}", "what", what, "path", path);

	if (row)
		(void)json_array_append_new(k->findings, row);
	if (!k->quiet)
		printf("%s: %s\n", what, path);
}

/* A call that failed says nothing about the file. */
static const char *
what_is_wrong(enum err e)
{
	static const enum err content[] = { ERR_OK, ERR_FORMAT, ERR_FORGED,
		ERR_TOOBIG, ERR_UNSUPPORTED, ERR_CORRUPT };

	for (size_t i = 0; i < ARRAY_LEN(content); i++)
		if (e == content[i])
			return "damaged";
	return e == ERR_NOTFOUND ? "missing" : "unreadable";
}

/* ---- directories ---- */

static int
not_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

enum err
consent_each_name(
    const char *dir, enum err (*fn)(void *ctx, const char *name), void *ctx)
{
	struct dirent **list = NULL;
	enum err e = ERR_OK;
	int n = scandir(dir, &list, not_dots, alphasort);

	if (n < 0)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (e == ERR_OK)
			e = fn(ctx, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return e;
}

/* ---- set.json ---- */

static enum err
read_ids(const json_t *ids, struct consent_copy_set *out)
{
	size_t n = json_array_size(ids);

	out->id = calloc(n + 1, sizeof(*out->id));
	if (out->id == NULL)
		return ERR_NOMEM;
	for (; out->n < n; out->n++) {
		const char *s = json_string_value(json_array_get(ids, out->n));

		if (s == NULL ||
		    text58_read(s, out->id[out->n].b, sizeof(out->id->b)) !=
			ERR_OK)
			return ERR_FORMAT;
	}
	return ERR_OK;
}

static enum err
read_record(struct js *r, struct rms_record *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	const char *s = js_text(r, "record", (size_t)4 * RMS_RECORD);
	enum err e = text64_read(s, strlen(s), &b);

	return e ? e : rms_record_read(b.p, b.len, out);
}

static enum err
read_index(const char *path, struct consent_copy_set *out)
{
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = NULL;
	const json_t *ids;
	int64_t count;
	struct js r;
	enum err e;

	if ((e = file_read(path, INDEX_MAX, &text)) ||
	    (e = js_parse(text.p, text.len, JS_DEPTH, &j)))
		return e;
	js_init(&r, j);
	JS_58(&r, "set", &out->set);
	JS_58(&r, "transaction", &out->tx);
	JS_58(&r, "entry", &out->entry);
	JS_58(&r, "sender", &out->sender);
	js_58(&r, "root", out->root, sizeof(out->root));
	count = js_int(&r, "count", 0, CONSENT_MAX_DOCUMENTS);
	ids = js_array(&r, "blobs", CONSENT_MAX_DOCUMENTS + 1);
	if (r.err)
		return r.err;
	if (json_array_size(ids) != (size_t)count + 1)
		return ERR_FORMAT;
	e = read_record(&r, &out->record);
	return e ? e : read_ids(ids, out);
}

/* ---- against the ledger ---- */

/* What in the list does not agree with the ledger's entry; NULL: nothing. */
static const char *
disagreement(const struct consent_check *k, const struct consent_copy_set *s,
    const struct ledger_tx *tx)
{
	const struct ledger_entry *en = ledger_entry_find(tx, &s->entry);
	struct institution_id ignored;
	const uint8_t *public;
	struct event_id id;
	uint8_t root[32];

	seal_event_id(k->chain, &tx->sender, &s->entry, &id);
	seal_root(s->id, (uint32_t)s->n, root);
	if (en == NULL || en->type != LEDGER_BINARY || !ID_EQ(&id, &s->set) ||
	    !ID_EQ(&s->sender, &tx->sender))
		return "not the set that the ledger names";
	public = seal_envelope_public(en->value, en->len);
	if (public == NULL || memcmp(public, root, sizeof(root)) != 0 ||
	    memcmp(s->root, root, sizeof(root)) != 0)
		return "the list of blobs is not the one on the ledger";
	if (!tx->confirmed)
		return "not confirmed by the ledger";
	if (k->registry &&
	    registry_host(k->registry, &tx->sender, tx->timestamp, &ignored) !=
		ERR_OK)
		return "not published by an accredited host";
	return NULL;
}

static enum err
check_ledger(struct consent_check *k, const struct consent_copy_set *s,
    const char *path, bool *good)
{
	CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;
	const char *what = "not on the ledger";
	enum err e = ledger_node_tx(k->node, &s->tx, &tx);

	if (e && e != ERR_NOTFOUND)
		return e;
	if (e == ERR_OK)
		what = disagreement(k, s, tx);
	if (what) {
		consent_finding(k, what, path);
		*good = false;
	}
	return ERR_OK;
}

/* No key tells whether a key record is right; the RMS has another copy. */
static void
check_record(struct consent_check *k, const struct consent_copy_set *s,
    const char *path, bool *good)
{
	struct rms_record there;

	if (k->records == NULL ||
	    rms_get_record(k->records, &s->set, &there) != ERR_OK) {
		k->not_compared++;
		return;
	}
	if (memcmp(there.rms, s->record.rms, sizeof(there.rms)) == 0 &&
	    memcmp(there.patient, s->record.patient, sizeof(there.patient)) ==
		0)
		return;
	consent_finding(k, "the key record is not the RMS's", path);
	*good = false;
}

/* ---- blobs ---- */

struct blob_reader {
	uint8_t *span;
	struct buf leaves;
};

static void
blob_reader_free(struct blob_reader *r)
{
	free(r->span);
	buf_free(&r->leaves);
}

/* The blob id of a file's bytes, and their number. */
static enum err
id_of_file(struct consent_check *k, const char *path, struct blob_id *out)
{
	__attribute__((cleanup(blob_reader_free))) struct blob_reader r = {
		.span = malloc(SEAL_SPAN)
	};
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t length = 0, i = 0;
	size_t n;
	enum err e;

	if (r.span == NULL)
		return ERR_NOMEM;
	do {
		uint8_t *leaf = buf_room(&r.leaves, 32);
		struct stat st;

		if (leaf == NULL)
			return r.leaves.err;
		if (fd < 0 || fstat(fd, &st) != 0)
			return err_from_errno(errno);
		n = (uint64_t)st.st_size - length < SEAL_SPAN ?
		    (size_t)((uint64_t)st.st_size - length) :
		    SEAL_SPAN;
		if ((e = file_pread(fd, r.span, n, (off_t)length)))
			return e;
		seal_leaf(i++, r.span, n, leaf);
		length += n;
		consent_progress_add(&k->progress, n);
		if (length >= (uint64_t)st.st_size)
			break;
	} while (n > 0);
	seal_blob_id(length, r.leaves.p, i, out);
	k->bytes += length;
	return ERR_OK;
}

static enum err
check_blob(struct consent_check *k, const char *dir, const struct blob_id *id,
    bool *good)
{
	CLEANUP(free) char *path = NULL;
	struct blob_id got;
	enum err e;

	if (asprintf(&path, "%s/" BLOBS "/%s", dir, TEXT58(id)) < 0) {
		path = NULL;
		return ERR_NOMEM;
	}
	e = id_of_file(k, path, &got);
	if (e == ERR_NOMEM)
		return e;
	k->blobs++;
	if (e == ERR_OK && ID_EQ(&got, id))
		return ERR_OK;
	consent_finding(k, what_is_wrong(e), path);
	*good = false;
	return ERR_OK;
}

/* ---- what does not belong there ---- */

struct expected {
	struct consent_check *k;
	const char *dir;
	struct blob_id *sorted;
	size_t n;
};

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct blob_id));
}

static enum err
extra(struct expected *x, const char *name)
{
	CLEANUP(free) char *path = file_join(x->dir, name);

	if (path == NULL)
		return ERR_NOMEM;
	consent_finding(x->k, "extra", path);
	return ERR_OK;
}

static enum err
expect_blob(void *ctx, const char *name)
{
	struct expected *x = ctx;
	struct blob_id id;

	if (text58_read(name, id.b, sizeof(id.b)) == ERR_OK &&
	    bsearch(&id, x->sorted, x->n, sizeof(id), by_id))
		return ERR_OK;
	return extra(x, name);
}

static enum err
expect_part(void *ctx, const char *name)
{
	if (strcmp(name, INDEX) == 0 || strcmp(name, BLOBS) == 0)
		return ERR_OK;
	return extra(ctx, name);
}

static enum err
check_extra(struct consent_check *k, const struct consent_copy_set *s)
{
	CLEANUP(free) char *blobs = file_join(s->dir, BLOBS);
	CLEANUP(free)
	struct blob_id *sorted = calloc(s->n + 1, sizeof(*sorted));
	struct expected x = { k, s->dir, sorted, s->n };
	enum err e;

	if (blobs == NULL || sorted == NULL)
		return ERR_NOMEM;
	memcpy(sorted, s->id, s->n * sizeof(*sorted));
	qsort(sorted, s->n, sizeof(*sorted), by_id);
	if ((e = consent_each_name(s->dir, expect_part, &x)))
		return e;
	x.dir = blobs;
	e = consent_each_name(blobs, expect_blob, &x);
	return e == ERR_NOTFOUND ? ERR_OK : e; /* each blob is missing */
}

/* ---- a set ---- */

static enum err
check_set(struct consent_check *k, const char *path, bool *good,
    struct consent_copy_set *s)
{
	enum err e = check_ledger(k, s, path, good);

	if (e)
		return e;
	check_record(k, s, path, good);
	for (size_t i = 0; i < s->n; i++)
		if ((e = check_blob(k, s->dir, &s->id[i], good)))
			return e;
	k->sets++;
	return check_extra(k, s);
}

enum err
consent_copy_check(struct consent_check *k, const char *dir, const char *name,
    struct consent_copy_set *out, bool *out_good)
{
	CLEANUP_COPY struct consent_copy_set s = { 0 };
	CLEANUP(free) char *path = NULL;
	struct event_id id;
	enum err e;

	*out_good = true;
	s.dir = file_join(dir, name);
	path = s.dir ? file_join(s.dir, INDEX) : NULL;
	if (path == NULL)
		return ERR_NOMEM;
	if (text58_read(name, id.b, sizeof(id.b)) != ERR_OK) {
		struct expected x = { .k = k, .dir = dir };

		return extra(&x, name);
	}
	e = read_index(path, &s);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_OK && !ID_EQ(&id, &s.set))
		e = ERR_FORMAT;
	if (e) {
		consent_finding(k, what_is_wrong(e), path);
		*out_good = false;
		return ERR_OK;
	}
	e = check_set(k, path, out_good, &s);
	if (e == ERR_OK && out) {
		*out = s;
		s = (struct consent_copy_set){ 0 };
	}
	return e;
}
