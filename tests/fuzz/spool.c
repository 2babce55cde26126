/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an interrupted `consent publish` left in HOME/spool: first byte whether
 * the rows of the index get the sums that belong to them, then the lengths of
 * state and index, u16 each; state, index, and what is left is the data.  The
 * state is in clear, and one that begins with "forged" is damaged (--wrap).
 */
#include "consent/publish_internal.h"
#include "fuzz.h"
#include "home/home_internal.h"

#define ROW     56 /* as in publish_spool.c */
#define ROW_SUM 4

static struct home home;
static char spool[512]; /* its folder */

enum err __wrap_seal_rest(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out);
enum err __wrap_seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out);

enum err
__wrap_seal_rest(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out)
{
	(void)key, (void)ad;
	buf_put(out, in.p, in.n);
	return out->err;
}

enum err
__wrap_seal_rest_open(const struct secret *key, struct seal_part ad,
    struct seal_part in, struct buf *out)
{
	(void)key, (void)ad;
	if (in.n >= 6 && memcmp(in.p, "forged", 6) == 0)
		return ERR_CORRUPT;
	buf_put(out, in.p, in.n);
	return out->err;
}

/* copy.c's: no operand here is a folder. */
enum err
consent_each_name(
    const char *dir, enum err (*fn)(void *ctx, const char *name), void *ctx)
{
	(void)dir, (void)fn, (void)ctx;
	abort();
}

static enum err
open_spool(bool restart, struct consent_spool *out)
{
	static char file[128];
	const struct rms_card card = { .patient = *fuzz_pubkey(2),
		.patient_rms = *fuzz_pubkey(3) };
	const struct opt_values operands = { .v = { file }, .n = 1 };
	const struct consent_spool_opts o = { .home = &home,
		.card = &card,
		.operands = &operands,
		.type_code = "",
		.restart = restart };

	(void)snprintf(file, sizeof(file), "%s/document", fuzz_dir());
	if (access(file, F_OK) != 0)
		MUST(file_write(file, "text", 4, 0600) == ERR_OK);
	return consent_spool_open(&o, out);
}

static void
start(void)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;

	home.dir = (char *)(uintptr_t)fuzz_dir();
	home.chain = (struct chain){ "V" };
	home.id = (struct seal_identity *)(uintptr_t)fuzz_identity(1);
	MUST(open_spool(true, &s) == ERR_OK);
	(void)snprintf(spool, sizeof(spool), "%s", s.dir);
}

static void
put(const char *name, const void *p, size_t n)
{
	char path[600];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", spool, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	(void)close(fd);
}

static void
put_index(const uint8_t *p, size_t n, bool fit)
{
	uint8_t *rows = malloc(n + 1), sum[32];

	MUST(rows != NULL);
	memcpy(rows, p, n);
	for (size_t at = 0; fit && at + ROW <= n; at += ROW) {
		struct seal_part part = { rows + at, ROW - ROW_SUM };

		seal_hash(NULL, &part, 1, sum);
		memcpy(rows + at + ROW - ROW_SUM, sum, ROW_SUM);
	}
	put("index", rows, n);
	free(rows);
}

static uint64_t
size_of(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st) == 0);
	return (uint64_t)st.st_size;
}

/* What goes on is whole: every blob lies in the data, every row is kept. */
static void
check(const struct consent_spool *s)
{
	CLEANUP_BUF struct buf row = { 0 };
	uint8_t root[32];
	uint64_t end = size_of(s->data);

	MUST(s->end == end && size_of(s->index) % ROW == 0);
	for (size_t i = 0; i < s->src.n; i++)
		MUST(s->src.v[i].path && s->src.v[i].file);
	for (uint32_t i = 0; i <= s->src.n; i++) {
		const struct consent_blob *b = &s->blob[i];

		if (!s->sealed[i])
			continue;
		MUST(b->at <= end && b->length <= end - b->at);
		row.len = 0;
		consent_spool_row(s, i, &row);
		MUST(row.len == ROW);
	}
	MUST(consent_spool_root(s, root) == ERR_OK);
	MUST(consent_spool_same(s, &s->src) == ERR_OK);
}

static void
finish(struct consent_spool *s)
{
	CLEANUP_SPOOL struct consent_spool again = CONSENT_SPOOL_NONE;

	MUST(consent_spool_finish(s) == ERR_OK && s->done);
	consent_spool_close(s);
	MUST(open_spool(false, &again) == ERR_OK && again.done);
}

static void
try_spool(bool last)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	enum err e = open_spool(false, &s);

	MUST(e == ERR_OK || e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
	if (e || s.done)
		return;
	check(&s);
	if (last)
		finish(&s);
}

static void
put_header(struct buf *b, uint8_t flags, size_t state, size_t index)
{
	b->len = 0;
	buf_u8(b, flags);
	buf_u16(b, (uint16_t)state);
	buf_u16(b, (uint16_t)index);
}

static void
put_bytes(struct buf *b, uint8_t value, size_t n)
{
	MUST(buf_room(b, n) != NULL);
	memset(b->p + b->len - n, value, n);
}

/* The state of a spool that has just begun. */
static void
begun(struct buf *out)
{
	CLEANUP_SPOOL struct consent_spool s = CONSENT_SPOOL_NONE;
	char path[600];

	MUST(open_spool(true, &s) == ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state", spool);
	MUST(file_read(path, 4096, out) == ERR_OK);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	CLEANUP_BUF struct buf b = { 0 }, state = { 0 };

	if (!spool[0])
		start();
	begun(&state);
	for (uint8_t flags = 1; flags <= 3; flags += 2) {
		put_header(&b, flags, state.len, 2 * ROW);
		buf_put(&b, state.p, state.len);
		for (uint32_t i = 0; i < 2; i++) {
			buf_u32(&b, i);
			buf_u64(&b, (uint64_t)i * 4);
			buf_u64(&b, 4);
			put_bytes(&b, 1, ROW - 20);
		}
		buf_str(&b, "eightbyt");
		fuzz_seed(to, b.p, b.len);
	}
	/* one that is done: version, set, documents, bytes */
	put_header(&b, 0, 1 + 32 + 16, 0);
	buf_u8(&b, 2);
	put_bytes(&b, 3, 48);
	fuzz_seed(to, b.p, b.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t state, index;
	uint8_t flags;
	struct rd r;

	if (!spool[0])
		start();
	rd_init(&r, p, n);
	flags = rd_u8(&r);
	state = rd_u16(&r);
	index = rd_u16(&r);
	if (r.err)
		return 0;
	state = state < r.left ? state : r.left;
	put("state", rd_take(&r, state), state);
	index = index < r.left ? index : r.left;
	put_index(rd_take(&r, index), index, flags & 1);
	put("data", r.p, r.left);
	try_spool(flags & 2);
	return 0;
}
