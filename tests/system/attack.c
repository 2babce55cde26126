/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attacks that need no server, or keys that only an insider has, in numbers:
 *   attack NAME [N]    prints a line "figure: ..."; exit 1 if one was accepted
 * What is random comes from the seed in ATTACK_SEED.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "rms/rms.h"

#define PLAIN 65536
#define OK(call)                                                               \
	do {                                                                   \
		if ((call) != ERR_OK)                                          \
			die(#call);                                            \
	} while (0)

static const struct event_id set = { { 7, 7, 7 } };
static uint64_t state;

static void
die(const char *what)
{
	printf("FAILED: %s\n", what);
	exit(1);
}

static uint32_t
dice(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

static struct secret *
key_of(uint8_t byte)
{
	struct secret *s = NULL;

	OK(secret_new(SEAL_KEY, &s));
	memset(secret_bytes(s), byte, SEAL_KEY);
	return s;
}

static void
sealed_of(const struct secret *key, uint32_t number, size_t n, struct buf *out)
{
	CLEANUP_BUF struct buf plain = { 0 };
	uint8_t *p = buf_room(&plain, n);

	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(i + i / 251 + number);
	OK(seal_doc_whole(key, &set, number, &plain, out));
}

/* Never accepted; FORMAT and UNSUPPORTED are what a reader without any key
 * sees too. */
static void
refused(enum err e, const char *what)
{
	if (e != ERR_FORGED && e != ERR_FORMAT && e != ERR_UNSUPPORTED) {
		printf("FAILED: %s: %s\n", what, err_name(e));
		exit(1);
	}
}

static enum err
open_whole(const struct secret *key, const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf out = { 0 };
	enum err e = seal_doc_open_whole(key, &set, 1, p, n, &out);

	if (e != ERR_OK && out.len != 0)
		die("bytes of a refused document");
	return e;
}

/* Every bit of a document of 64 KiB; each chunk is opened by itself. */
static void
bits(uint64_t unused)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
	CLEANUP_BUF struct buf doc = { 0 };
	static uint8_t out[SEAL_CHUNK], zeros[SEAL_CHUNK];
	uint64_t n = 0;

	(void)unused;
	sealed_of(key, 1, PLAIN, &doc);
	OK(seal_doc_open(key, &set, 1, doc.p, &d));
	for (size_t bit = 0; bit < 8 * doc.len; bit++, n++) {
		size_t at = bit / 8,
		       i = (at - SEAL_DOC_HEAD) / SEAL_CHUNK_SEALED;
		uint8_t *chunk = doc.p + SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED;

		doc.p[at] ^= (uint8_t)(1 << bit % 8);
		if (at < SEAL_DOC_HEAD) {
			refused(open_whole(key, doc.p, doc.len), "a header");
		} else if (seal_doc_read(d, i, chunk, SEAL_CHUNK_SEALED, out) !=
			ERR_FORGED ||
		    memcmp(out, zeros, sizeof(out)) != 0) {
			die("a chunk");
		}
		doc.p[at] ^= (uint8_t)(1 << bit % 8);
	}
	OK(open_whole(key, doc.p, doc.len));
	printf("figure: bits of a document of 64 KiB: %" PRIu64
	       ", accepted: 0 of %" PRIu64 "\n",
	    n, n);
}

/* Every bit of a sealed key: one error, one text, nothing written. */
static void
boxes(uint64_t unused)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	uint8_t key[SEAL_KEY] = { 9 }, box[SEAL_BOX_KEY], out[SEAL_KEY];
	const uint8_t nothing[SEAL_KEY] = { 0 };
	uint64_t n = 0;

	(void)unused;
	OK(seal_identity_new(&id));
	OK(seal_box(seal_identity_key(id), key, sizeof(key), box));
	for (size_t bit = 0; bit < 8 * sizeof(box); bit++, n++) {
		memset(out, 0, sizeof(out));
		err_clear();
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (seal_box_open(id, box, sizeof(box), out) != ERR_FORGED ||
		    strcmp(err_detail(ERR_FORGED), err_text(ERR_FORGED)) != 0 ||
		    memcmp(out, nothing, sizeof(out)) != 0)
			die("a sealed key");
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	OK(seal_box_open(id, box, sizeof(box), out));
	printf("figure: bits of a sealed key: %" PRIu64
	       ", accepted: 0, told apart: 0 of %" PRIu64 "\n",
	    n, n);
}

/* All sequences of six chunks of a document of six: 6^6, one of them right. */
static void
orders(uint64_t unused)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP_BUF struct buf doc = { 0 }, mixed = { 0 };
	uint64_t n = 0, taken = 0;

	(void)unused;
	sealed_of(key, 1, 6 * SEAL_CHUNK, &doc);
	buf_put(&mixed, doc.p, doc.len);
	for (unsigned s = 0; s < 46656; s++, n++) {
		for (unsigned i = 0, rest = s; i < 6; i++, rest /= 6)
			memcpy(mixed.p + SEAL_DOC_HEAD + i * SEAL_CHUNK_SEALED,
			    doc.p + SEAL_DOC_HEAD +
				(rest % 6) * SEAL_CHUNK_SEALED,
			    SEAL_CHUNK_SEALED);
		taken += open_whole(key, mixed.p, mixed.len) == ERR_OK;
	}
	if (taken != 1)
		die("chunks in another order");
	printf("figure: sequences of 6 chunks: %" PRIu64
	       ", accepted but the right one: 0 of %" PRIu64 "\n",
	    n, n - 1);
}

/* Every length below the whole one. */
static void
cuts(uint64_t unused)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP_BUF struct buf doc = { 0 };
	size_t n;

	(void)unused;
	sealed_of(key, 1, PLAIN, &doc);
	for (n = 0; n < doc.len; n++)
		refused(open_whole(key, doc.p, n), "a cut document");
	printf("figure: documents cut at every byte: %zu, accepted: 0 of %zu\n",
	    n, n);
}

/* Made as chance will: pure noise, and genuine ones with some bytes changed. */
static void
malformed(uint64_t n)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP_BUF struct buf doc = { 0 };
	uint8_t junk[SEAL_DOC_HEAD + 400 + 16];
	uint64_t forged = 0;

	sealed_of(key, 1, 400, &doc);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t changes = 1 + dice() % 8;
		enum err e;

		memcpy(junk, doc.p, sizeof(junk));
		for (uint32_t k = 0; k < changes; k++)
			junk[dice() % sizeof(junk)] ^= (uint8_t)(1 +
			    dice() % 255);
		if (i % 4 == 0)
			for (size_t k = 16; k < sizeof(junk); k++)
				junk[k] = (uint8_t)dice();
		if (memcmp(junk, doc.p, sizeof(junk)) == 0)
			continue;
		e = open_whole(key, junk, sizeof(junk));
		refused(e, "a malformed document");
		forged += e == ERR_FORGED;
	}
	printf("figure: malformed documents: %" PRIu64 ", accepted: 0 of "
	       "%" PRIu64 ", FORGED %" PRIu64 ", not of the form %" PRIu64 "\n",
	    n, n, forged, n - forged);
}

/* Every other version and cipher of a document, a key record. */
static void
versions(uint64_t unused)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP_BUF struct buf doc = { 0 };
	uint8_t record[RMS_RECORD] = { 1, 1 };
	struct rms_record r;
	unsigned n = 0;

	(void)unused;
	sealed_of(key, 1, 100, &doc);
	OK(rms_record_read(record, sizeof(record), &r));
	for (unsigned v = 0; v < 65536; v++) {
		if (v == 0x0101)
			continue;
		doc.p[8] = record[0] = (uint8_t)(v >> 8);
		doc.p[9] = record[1] = (uint8_t)v;
		if (open_whole(key, doc.p, doc.len) != ERR_UNSUPPORTED ||
		    rms_record_read(record, sizeof(record), &r) !=
			ERR_UNSUPPORTED)
			die("another version");
		n += 2;
	}
	printf("figure: other versions and ciphers: %u, accepted: 0 of %u\n", n,
	    n);
}

/* Each way to write the same id in another spelling. */
static unsigned
spellings_of(const uint8_t id[static 32])
{
	static const char *const before[] = { "", "1", " ", "0x", "+", "\t" };
	static const char *const behind[] = { "", "1", " ", "=", "\n", "%00" };
	struct text58 t;
	char s[400];
	uint8_t back[32];
	unsigned n = 0;

	(void)text58(id, 32, &t);
	OK(text58_read(t.s, back, sizeof(back)));
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		for (size_t k = 0; k < ARRAY_LEN(behind); k++) {
			if (i + k == 0)
				continue;
			(void)snprintf(
			    s, sizeof(s), "%s%s%s", before[i], t.s, behind[k]);
			if (text58_read(s, back, sizeof(back)) == ERR_OK &&
			    memcmp(back, id, 32) == 0)
				die("two spellings of one id");
			n++;
		}
	return n;
}

/* The bits behind the last byte of base64, its padding, spaces. */
static unsigned
spellings_64(const uint8_t *p, size_t len)
{
	CLEANUP_BUF struct buf t = { 0 };
	size_t at;
	unsigned n = 0;

	text64(p, len, &t);
	for (at = t.len; at > 0 && t.p[at - 1] == '=';)
		at--;
	for (unsigned c = 1; c < 256; c++, n++) {
		CLEANUP_BUF struct buf back = { 0 };
		uint8_t was = t.p[at - 1];

		t.p[at - 1] = (uint8_t)c;
		if (c != was &&
		    text64_read((char *)t.p, t.len, &back) == ERR_OK &&
		    back.len == len && memcmp(back.p, p, len) == 0)
			die("two spellings in base64");
		t.p[at - 1] = was;
	}
	for (size_t cut = 1; cut < 4; cut++, n++) {
		CLEANUP_BUF struct buf back = { 0 };

		if (text64_read((char *)t.p, t.len - cut, &back) == ERR_OK &&
		    back.len == len)
			die("base64 without its padding");
	}
	return n;
}

static void
spellings(uint64_t n)
{
	uint64_t done = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint8_t id[32];

		for (size_t k = 0; k < sizeof(id); k++)
			id[k] = k < i % 4 ? 0 : (uint8_t)dice();
		done += spellings_of(id);
		done += spellings_64(id, 30 + i % 3);
	}
	printf("figure: other spellings of an id or a key: %" PRIu64
	       ", accepted: 0 of %" PRIu64 "\n",
	    done, done);
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The first 64 bits of what makes a key or a nonce unlike all others: the salt
 * of documents, the content key's box, the nonce at rest. */
static void
draw(uint64_t *out, uint64_t n)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);

	for (uint64_t i = 0; i < n; i++) {
		if (i % 2 == 0) {
			CLEANUP(seal_doc_free) struct seal_doc *d = NULL;
			uint8_t head[SEAL_DOC_HEAD];

			OK(seal_doc_begin(key, &set, 1, 0, &d, head));
			memcpy(&out[i], head + 40, sizeof(*out));
		} else {
			CLEANUP_BUF struct buf b = { 0 };
			const struct seal_part part = { "x", 1 };

			OK(seal_rest(key, part, part, &b));
			memcpy(&out[i], b.p, sizeof(*out));
		}
	}
}

/* Half of them are drawn by a child that was forked in their midst. */
static void
nonces(uint64_t n)
{
	uint64_t *all = calloc(n, sizeof(*all)), half = n / 2, same = 0;
	size_t got = 0;
	ssize_t k = 1;
	int fds[2];
	pid_t pid;

	if (all == NULL || pipe(fds) != 0)
		die("no memory");
	draw(all, half / 2);
	pid = fork();
	if (pid == 0) {
		draw(all + half, half);
		for (size_t at = 0; at < half * 8; at += (size_t)k)
			if ((k = write(fds[1], (char *)(all + half) + at,
				 half * 8 - at)) <= 0)
				_exit(1);
		_exit(0);
	}
	(void)close(fds[1]);
	draw(all + half / 2, half - half / 2);
	while (k > 0 && got < half * 8)
		if ((k = read(fds[0], (char *)(all + half) + got,
			 half * 8 - got)) > 0)
			got += (size_t)k;
	(void)waitpid(pid, NULL, 0);
	qsort(all, n, sizeof(*all), by_value);
	for (uint64_t i = 1; i < n; i++)
		same += all[i] == all[i - 1];
	free(all);
	/* of 64 of their 192 or 256 bits chance makes n^2 / 2^65 alike */
	if (same > 1 + n / 2 * n / (1ULL << 62))
		die("nonces repeat");
	printf("figure: salts and nonces, half of them after a fork: %" PRIu64
	       ", alike in their first 64 bits: %" PRIu64 "\n",
	    n, same);
}

/* Headers that announce what nobody has room for. */
static void
lengths(uint64_t n)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP_BUF struct buf doc = { 0 };
	struct rusage before, after;

	sealed_of(key, 1, 100, &doc);
	(void)getrusage(RUSAGE_SELF, &before);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t size = i < 64 ? 1ULL << i :
					 (uint64_t)dice() << 32 | dice();

		for (unsigned k = 0; k < 8; k++)
			doc.p[16 + k] = (uint8_t)(size >> (56 - 8 * k));
		refused(open_whole(key, doc.p, doc.len), "a length");
	}
	(void)getrusage(RUSAGE_SELF, &after);
	if (after.ru_maxrss - before.ru_maxrss > 8192)
		die("memory for a length that was only announced");
	printf("figure: announced lengths up to 2^63: %" PRIu64
	       ", accepted: 0 of %" PRIu64 ", memory for them: %ld KiB\n",
	    n, n, after.ru_maxrss - before.ru_maxrss);
}

static long
rss_kib(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* A document of ${n} chunks, sealed one by one; some of them are kept, opened
 * at their places and refused at others, the last mark among them. */
static void
chunks(uint64_t n)
{
	CLEANUP(secret_free) struct secret *key = key_of(1);
	CLEANUP(seal_doc_free) struct seal_doc *to = NULL, *from = NULL;
	static uint8_t plain[SEAL_CHUNK], out[SEAL_CHUNK];
	static uint8_t kept[11][SEAL_CHUNK_SEALED], sealed[SEAL_CHUNK_SEALED];
	uint64_t at[11], step = (n - 1) / 10, k = 0, refused_n = 0;
	uint8_t head[SEAL_DOC_HEAD];
	long before;

	OK(seal_doc_begin(key, &set, 1, n * SEAL_CHUNK, &to, head));
	before = rss_kib();
	for (uint64_t i = 0; i < n; i++) {
		bool keep = i == k * step || i == n - 1;

		OK(seal_doc_chunk(to, plain, sizeof(plain), sealed));
		if (!keep || k == ARRAY_LEN(at))
			continue;
		at[k] = i;
		memcpy(kept[k++], sealed, sizeof(sealed));
	}
	OK(seal_doc_open(key, &set, 1, head, &from));
	for (uint64_t i = 0; i < k; i++)
		for (uint64_t j = 0; j < k; j++) {
			enum err e = seal_doc_read(
			    from, at[j], kept[i], sizeof(kept[i]), out);

			if ((e == ERR_OK) != (i == j))
				die("a chunk at another place");
			refused_n += e != ERR_OK;
		}
	if (rss_kib() - before > 1024)
		die("memory that grows with the document");
	printf("figure: a document of %" PRIu64 " chunks: %" PRIu64
	       " opened at their places, accepted at another: 0 of %" PRIu64
	       ", memory that grew: %ld KiB\n",
	    n, k, refused_n, rss_kib() - before);
}

/* The most documents that fit a manifest, and one byte more than that. */
static void
manifest(uint64_t bytes)
{
	CLEANUP(event_manifest_free) struct event_manifest *m = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	struct event_document doc = {
		.ncomponents = 1, .media = "a/b", .type_code = ""
	};
	char name[24];
	uint32_t n = 0;
	size_t whole = 0;
	long before;

	for (doc.component[0] = name; text.len < bytes; n++) {
		(void)snprintf(name, sizeof(name), "%x", n);
		whole = text.len;
		OK(event_manifest_add(&doc, &text));
	}
	n--; /* what still fits */
	text.len = whole;
	before = rss_kib();
	refused(event_manifest_read(text.p, text.len, n + 1, &m), "a count");
	refused(event_manifest_read(text.p, text.len, n - 1, &m), "a count");
	refused(event_manifest_read(text.p, text.len - 1, n, &m), "an end");
	OK(event_manifest_read(text.p, text.len, n, &m));
	if (rss_kib() - before > (long)(12 * bytes >> 10) + 1024)
		die("memory for a manifest");
	printf("figure: a manifest of %zu bytes: %u documents, accepted with "
	       "another count: 0 of 3, memory for it: %ld MiB\n",
	    text.len, n, (rss_kib() - before) >> 10);
}

static void
read_hex(const char *hex, uint8_t *out, size_t n)
{
	char part[3] = "";

	for (size_t i = 0; i < n; i++) {
		memcpy(part, hex + 2 * i, 2);
		out[i] = (uint8_t)strtoul(part, NULL, 16);
	}
}

/* Lines "KEY1 KEY2 ENVELOPE" in hex of envelopes that XChaCha20-Poly1305 opens
 * under both keys; the commitment is that of the first. */
static void
twokeys(uint64_t n)
{
	static const struct chain chain = { { 'E' } };
	const struct seal_place place = { &chain, { { 3 } }, { { 5 } } };
	static char line[8192];
	uint64_t done;

	for (done = 0; fgets(line, sizeof(line), stdin); done++) {
		CLEANUP(secret_free) struct secret *one = key_of(0);
		CLEANUP(secret_free) struct secret *two = key_of(0);
		CLEANUP_BUF struct buf out = { 0 };
		uint8_t env[4000];
		size_t len = (strlen(line) - 131) / 2;

		read_hex(line, secret_bytes(one), 32);
		read_hex(line + 65, secret_bytes(two), 32);
		read_hex(line + 130, env, len);
		OK(seal_envelope_open(env, len, &place, one, &out));
		if (seal_envelope_open(env, len, &place, two, &out) !=
		    ERR_FORGED)
			die("an envelope of two keys");
	}
	if (done != n)
		die("too few envelopes");
	printf("figure: envelopes that pass under two keys: %" PRIu64
	       ", accepted under the second: 0 of %" PRIu64 "\n",
	    done, done);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(uint64_t n);
	} all[] = { { "bits", bits }, { "boxes", boxes }, { "orders", orders },
		{ "cuts", cuts }, { "malformed", malformed },
		{ "versions", versions }, { "spellings", spellings },
		{ "nonces", nonces }, { "lengths", lengths },
		{ "twokeys", twokeys }, { "chunks", chunks },
		{ "manifest", manifest } };
	const char *seed = getenv("ATTACK_SEED");

	state = seed ? strtoull(seed, NULL, 10) : 1;
	if (secret_init() != ERR_OK)
		return 1;
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(all); i++)
		if (strcmp(argv[1], all[i].name) == 0) {
			all[i].run(argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
			return 0;
		}
	(void)fprintf(stderr, "usage: attack NAME [N]\n");
	return 2;
}
