/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal's segments.  The first byte is a set of flags:
 *   FIT_HEAD  headers get the hashes that belong to them,
 *   FIT_BODY  records get number and chain, and rest encryption is left out,
 *   SPLIT     the input is two segments, the second byte numbers the other,
 *   STORY     no segments, but what a program does, then a change of one bit,
 *   APPEND    a journal that opens is written to.
 */
#include "journal/journal.h"

#include <dirent.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "journal/journal_internal.h"

enum { FIT_HEAD = 1, FIT_BODY = 2, SPLIT = 4, STORY = 8, APPEND = 16 };

#define FIELDS   64
#define CHAIN_AT 24
#define SIZE_AT  12
#define SEG      JOURNAL_SEGMENT_MIN
#define MOST     16 /* records of a story */
#define NONCE    24

static bool in_clear;

enum err __real_seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out);
enum err __wrap_seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out);

/* In clear: what stands between nonce and tag; a nonce of "forged.." is. */
enum err
__wrap_seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out)
{
	const uint8_t *p = in.p;

	if (!in_clear)
		return __real_seal_rest_open(key, ad, in, out);
	if (in.n < SEAL_REST_EXTRA || memcmp(p, "forged..", 8) == 0)
		return ERR_CORRUPT;
	buf_put(out, p + NONCE, in.n - SEAL_REST_EXTRA);
	return out->err;
}

/*
 * The committer is no thread (--wrap): it runs while somebody waits for it,
 * until it waits itself.
 */
static struct {
	void *(*run)(void *arg);
	void *arg;
	bool runs;
	jmp_buf waits;
} committer;

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg);
int __wrap_pthread_join(pthread_t t, void **out);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock);

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg)
{
	(void)t, (void)attr;
	committer.run = run;
	committer.arg = arg;
	return 0;
}

int
__wrap_pthread_join(pthread_t t, void **out)
{
	(void)t, (void)out;
	return 0;
}

/* It waits with the lock, as does who waits for it. */
int
__wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock)
{
	(void)c;
	if (committer.runs)
		longjmp(committer.waits, 1);
	committer.runs = true;
	(void)pthread_mutex_unlock(lock);
	if (setjmp(committer.waits) == 0) {
		(void)committer.run(committer.arg);
		(void)pthread_mutex_lock(lock);
	}
	committer.runs = false;
	return 0;
}

static const char *
dir(void)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/journal", fuzz_dir());
	return path;
}

static void
clear_dir(void)
{
	DIR *d = opendir(dir());
	struct dirent *de;

	if (d == NULL) {
		MUST(mkdir(dir(), 0700) == 0);
		return;
	}
	while ((de = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), de->d_name, 0);
	(void)closedir(d);
}

static void
fit_head(uint8_t *p)
{
	static const char context[] = "consentfs/1 journal segment";
	const struct seal_part keyed[] = { { context, sizeof(context) - 1 },
		{ p, FIELDS } };
	const struct seal_part plain = { p, FIELDS + 32 };

	p[SIZE_AT] = p[SIZE_AT + 1] = 0; /* no larger than 64 KiB */
	p[SIZE_AT + 2] |= SEG >> 8;
	seal_hash(secret_view(fuzz_secret(1)), keyed, 2, p + FIELDS);
	seal_hash(NULL, &plain, 1, p + FIELDS + 32);
}

static void
put_u64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* Let each record follow the one before, as far as they have the shape. */
static void
fit_records(uint8_t *p, size_t n, uint64_t first)
{
	struct journal_link at = { .seq = first - 1 };
	struct journal_record r;
	size_t off = JOURNAL_SEGMENT_HEAD;

	memcpy(at.hash, p + CHAIN_AT, sizeof(at.hash));
	while (off < n && journal_record_read(p + off, n - off, &r)) {
		put_u64(p + off + 8, at.seq + 1);
		memcpy(p + off + 24, at.hash, sizeof(at.hash));
		MUST(journal_record_read(p + off, n - off, &r));
		journal_link_next(&at, &r);
		off += r.bytes;
	}
}

static void
put_segment(const uint8_t *p, size_t n, uint8_t flags, uint64_t first)
{
	static uint8_t bytes[SEG];
	char path[192];
	FILE *f;

	if (n > sizeof(bytes))
		n = sizeof(bytes);
	memset(bytes, 0, sizeof(bytes));
	if (n > 0)
		memcpy(bytes, p, n);
	if (flags & FIT_HEAD && n >= JOURNAL_SEGMENT_HEAD) {
		put_u64(bytes + 16, first);
		fit_head(bytes);
	}
	if (flags & FIT_BODY && n >= JOURNAL_SEGMENT_HEAD)
		fit_records(bytes, sizeof(bytes), first);
	(void)snprintf(path, sizeof(path), "%s/%016llx.seg", dir(),
	    (unsigned long long)first);
	f = fopen(path, "w");
	MUST(f != NULL);
	/* a short input is a segment that was cut short */
	MUST(fwrite(bytes, 1, n < 4096 ? n : sizeof(bytes), f) > 0 || n == 0);
	MUST(fclose(f) == 0);
}

static struct journal *
open_journal(enum err *out)
{
	const struct journal_opts o = { dir(), fuzz_secret(1), SEG };
	struct journal *j = NULL;

	*out = journal_open(&o, &j);
	MUST((*out == ERR_OK) == (j != NULL));
	return j;
}

struct counted {
	uint64_t next, n;
	const struct buf *want; /* of a story, or NULL */
};

static bool
count(void *ctx, uint64_t seq, const void *p, size_t n)
{
	struct counted *c = ctx;

	MUST(c->next == 0 || seq == c->next);
	MUST(n <= JOURNAL_MAX_RECORD);
	if (c->want) {
		MUST(seq <= MOST && c->want[seq].len == n);
		MUST(n == 0 || memcmp(c->want[seq].p, p, n) == 0);
	}
	c->next = seq + 1;
	c->n++;
	return true;
}

/* What was opened can be read from its first record to its last. */
static void
read_all(struct journal *j, uint64_t first, const struct buf *want)
{
	struct counted c = { .want = want };
	enum err e = journal_read(j, first, count, &c);

	MUST(e == ERR_OK || e == ERR_NOTFOUND);
	if (e == ERR_OK && c.n > 0)
		MUST(c.next == journal_last(j) + 1);
}

/* What was opened can be written to, and opened again. */
static struct journal *
append(struct journal *j)
{
	uint64_t last = journal_last(j), seq;
	enum err e = journal_append(j, "after", 5, &seq);

	MUST(e == ERR_OK && seq == last + 1);
	journal_close(j);
	j = open_journal(&e);
	MUST(e == ERR_OK && journal_last(j) == last + 1);
	return j;
}

static void
try_segments(const uint8_t *p, size_t n, uint8_t flags)
{
	uint64_t first = 1;
	struct journal *j;
	enum err e;

	clear_dir();
	in_clear = flags & FIT_BODY;
	if (flags & SPLIT && n > 1) {
		put_segment(p + 1, (n - 1) / 2, flags, 1);
		first = p[0] ? p[0] : 1;
		put_segment(
		    p + 1 + (n - 1) / 2, n - 1 - (n - 1) / 2, flags, first);
	} else {
		put_segment(p, n, flags, 1);
	}
	j = open_journal(&e);
	MUST(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NOKEY ||
	    e == ERR_UNSUPPORTED);
	if (e)
		return;
	read_all(j, 1, NULL);
	if (flags & APPEND)
		j = append(j);
	journal_close(j);
}

/* ---- a story ---- */

static uint64_t
tell(struct rd *r, struct journal **j, struct buf *want)
{
	uint64_t seq = 0;
	enum err e;

	for (uint64_t n = 1; n < MOST && r->left > 3; n++) {
		uint8_t what = rd_u8(r);
		uint8_t *p = buf_room(&want[n], (size_t)(what & 0x7f) * 8);

		memset(p, (int)n, want[n].len);
		MUST(journal_append(*j, p, want[n].len, &seq) == ERR_OK);
		MUST(seq == n);
		if (!(what & 0x80))
			continue;
		journal_close(*j);
		*j = open_journal(&e);
		MUST(e == ERR_OK && journal_last(*j) == n);
	}
	return seq;
}

/* Flip one bit somewhere in the newest segment that is there. */
static void
change(struct rd *r)
{
	uint16_t at = rd_u16(r);
	uint8_t bits = rd_u8(r), b = 0;
	struct dirent **found = NULL;
	char path[512] = "";
	int n = scandir(dir(), &found, NULL, alphasort);
	FILE *f;

	for (int i = 0; i < n; i++) {
		if (strstr(found[i]->d_name, ".seg"))
			(void)snprintf(path, sizeof(path), "%s/%s", dir(),
			    found[i]->d_name);
		free(found[i]);
	}
	free(found);
	f = fopen(path, "r+");
	MUST(f != NULL && fseek(f, at % SEG, SEEK_SET) == 0);
	MUST(fread(&b, 1, 1, f) == 1);
	b ^= (uint8_t)(1u << (bits & 7));
	MUST(fseek(f, at % SEG, SEEK_SET) == 0);
	MUST(fwrite(&b, 1, 1, f) == 1 && fclose(f) == 0);
}

/*
 * One changed bit is refused, or looks like the last write torn: no more than
 * that one record is missing then, and none is another.
 */
static void
try_story(const uint8_t *p, size_t n)
{
	struct buf want[MOST + 1] = { { 0 } };
	struct journal *j;
	struct rd r;
	uint64_t told;
	enum err e;

	in_clear = false;
	clear_dir();
	rd_init(&r, p, n);
	j = open_journal(&e);
	MUST(e == ERR_OK);
	told = tell(&r, &j, want);
	read_all(j, 1, want);
	journal_close(j);
	change(&r);
	j = open_journal(&e);
	MUST(e == ERR_OK || e == ERR_CORRUPT || e == ERR_UNSUPPORTED ||
	    e == ERR_NOKEY);
	if (e == ERR_OK) {
		MUST(journal_last(j) + 1 >= told && journal_last(j) <= told);
		read_all(j, 1, want);
	}
	journal_close(j);
	for (size_t i = 0; i <= MOST; i++)
		buf_free(&want[i]);
}

static void
seed_records(struct buf *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		buf_u32(b, 0x63664a52);
		buf_u32(b, SEAL_REST_EXTRA + 8);
		buf_u64(b, i + 1);
		buf_u64(b, i + 1);
		MUST(buf_room(b, 32 + SEAL_REST_EXTRA + 8) != NULL);
		memset(b->p + b->len - 80, (int)i, 80);
	}
}

static void
seed_segment(struct buf *b, unsigned records)
{
	static const uint8_t zeros[JOURNAL_SEGMENT_HEAD];

	buf_str(b, "cfsjrnl\n");
	buf_u32(b, JOURNAL_VERSION);
	buf_u32(b, SEG);
	buf_put(b, zeros, sizeof(zeros) - 16);
	seed_records(b, records);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	static const uint8_t story[] = { STORY, 1, 0x82, 9, 0, 0xff, 0, 200,
		3 };

	for (uint8_t flags = 0; flags < STORY; flags++) {
		CLEANUP_BUF struct buf b = { 0 };

		buf_u8(&b, flags | APPEND);
		if (flags & SPLIT)
			buf_u8(&b, 3);
		seed_segment(&b, 2);
		if (flags & SPLIT)
			seed_segment(&b, 2);
		fuzz_seed(to, b.p, b.len);
	}
	fuzz_seed(to, story, sizeof(story));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n == 0)
		return 0;
	if (p[0] & STORY)
		try_story(p + 1, n - 1);
	else
		try_segments(p + 1, n - 1, p[0]);
	return 0;
}
