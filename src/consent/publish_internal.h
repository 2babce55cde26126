/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What publish, verify and restore share. */
#ifndef CONSENT_PUBLISH_INTERNAL_H
#define CONSENT_PUBLISH_INTERNAL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "consent/consent.h"

/* ---- progress.c: on a terminal only ---- */

struct consent_progress {
	bool on;
	const char *what; /* "sealing" */
	uint64_t total, done;
	uint64_t before; /* of done: was done by an earlier run */
	int64_t begun, shown;
};

void consent_progress_begin(
    struct consent_progress *p, const char *what, uint64_t total);
/* ${n} bytes were done now, or by an earlier run. */
void consent_progress_add(struct consent_progress *p, uint64_t n);
void consent_progress_skip(struct consent_progress *p, uint64_t n);
void consent_progress_end(struct consent_progress *p);

/* "12.3 MB" into ${out} */
const char *consent_size_text(uint64_t n, char out[static 32]);

/* ---- publish_scan.c: what is to be published ---- */

#define CONSENT_MAX_DOCUMENTS 1000000

/* A file as it was when the publishing began. */
struct consent_source {
	char *file; /* absolute */
	char *path; /* its path in the set */
	uint64_t size;
	int64_t mtime_ns;
};

struct consent_sources {
	size_t n, cap;
	struct consent_source *v; /* sorted by path */
	uint64_t bytes;
};

enum err consent_scan(
    const struct opt_values *operands, struct consent_sources *out) must_check;

/* The path under which an operand is published; "": only what is in it. */
const char *consent_operand_name(const char *operand);

void consent_sources_free(struct consent_sources *s);
#define CLEANUP_SOURCES __attribute__((cleanup(consent_sources_free), unused))

/* Refused with CONFLICT if the file behind ${fd} is not what it was. */
enum err consent_source_same(const struct consent_source *s, int fd) must_check;

/* One line of the manifest. */
enum err consent_source_line(const struct consent_source *s,
    const char *type_code, const struct blob_id *blob,
    struct buf *out) must_check;

/* ---- publish_send.c: blobs to the RMS ---- */

#define CONSENT_SMALL ((size_t)256 * 1024) /* goes into a pack */

/* A sealed blob in a file. */
struct consent_blob {
	struct blob_id id;
	uint64_t length;
	int fd;           /* >= 0: borrowed */
	uint64_t at;      /* where it begins in fd */
	const char *path; /* if fd < 0 */
};

/*
 * Send what the RMS lacks of ${n} blobs; each is checked against its id
 * first.  Errors: also CORRUPT.
 */
enum err consent_upload(struct rms_client *rms, const struct consent_blob *b,
    size_t n, uint64_t *out_sent) must_check;

/* Put a key record as soon as the RMS knows its set as final. */
enum err consent_put_record(struct home *h, const struct event_id *set,
    const struct rms_record *record) must_check;

/* ---- publish_spool.c: a publishing that may be cut off ---- */

struct consent_spool {
	char *dir, *name;
	const char *type_code, *home_dir; /* borrowed */
	int lock, data, index;
	struct secret *rest;
	struct secret *set_key, *content_key;
	struct entry_key entry;
	struct event_id set;
	struct rms_record record;
	struct consent_sources src;
	struct consent_blob *blob; /* src.n + 1, manifest first */
	bool *sealed;              /* of them */
	uint64_t end;              /* of the data */
	uint64_t documents, bytes;
	bool done; /* only set, documents and bytes are known any more */
};

/* No descriptor yet: 0 is one. */
#define CONSENT_SPOOL_NONE                                                     \
	{                                                                      \
		.lock = -1, .data = -1, .index = -1                            \
	}

struct consent_spool_opts {
	struct home *home;
	const struct rms_card *card;
	const struct opt_values *operands;
	const char *type_code;
	bool restart;
};

/*
 * Open the spool of this publishing, or make it.  Errors: BUSY (it is running
 * elsewhere), CORRUPT.
 */
enum err consent_spool_open(
    const struct consent_spool_opts *o, struct consent_spool *out) must_check;

/* Refused with CONFLICT if a source has changed. */
enum err consent_spool_same(const struct consent_spool *s,
    const struct consent_sources *now) must_check;

/* Append the row of the index about blob ${i}. */
void consent_spool_row(
    const struct consent_spool *s, uint32_t i, struct buf *out);

enum err consent_spool_root(
    const struct consent_spool *s, uint8_t out[static 32]) must_check;

/*
 * It is published: destroy keys and sealed bytes, and remember the result, so
 * that the same command, if it has to come again, does not publish again.
 */
enum err consent_spool_finish(struct consent_spool *s) must_check;

/* The result is told. */
void consent_spool_forget(struct consent_spool *s);

void consent_spool_close(struct consent_spool *s);
#define CLEANUP_SPOOL __attribute__((cleanup(consent_spool_close), unused))

/* ---- publish_seal.c ---- */

/* Seal what is not sealed yet, the manifest last. */
enum err consent_spool_seal(struct consent_spool *s) must_check;

/* ---- copy.c: a copy of the ciphertext view ---- */

struct consent_copy_set {
	char *dir; /* DIR/<set> */
	struct event_id set;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender;
	uint8_t root[32];
	size_t n;
	struct blob_id *id; /* manifest first */
	struct rms_record record;
};

void consent_copy_free(struct consent_copy_set *s);
#define CLEANUP_COPY __attribute__((cleanup(consent_copy_free), unused))

/* Against what a copy is held. */
struct consent_check {
	struct ledger_node *node;
	const struct chain *chain;
	struct registry *registry;  /* NULL: accreditation is not looked at */
	struct rms_client *records; /* NULL: key records are not compared */
	json_t *findings;
	size_t sets, blobs, not_compared;
	uint64_t bytes;
	bool quiet; /* findings are not printed */
	struct consent_progress progress;
};

/*
 * Check DIR/<name>; what is wrong is added to the findings.  ${out} may be
 * NULL; it stays empty (n = 0) if the name is no set's.  ${out_good}: nothing
 * is missing or damaged.
 * Errors: only those that have nothing to do with the copy (node).
 */
enum err consent_copy_check(struct consent_check *k, const char *dir,
    const char *name, struct consent_copy_set *out, bool *out_good) must_check;

/*
 * Call ${fn}(ctx, name) for each entry of the directory ${dir} in order of
 * name.
 */
enum err consent_each_name(const char *dir,
    enum err (*fn)(void *ctx, const char *name), void *ctx) must_check;

/* Add a finding about ${path}, such as "damaged". */
void consent_finding(
    struct consent_check *k, const char *what, const char *path);

#endif
