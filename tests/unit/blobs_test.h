/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the parts of blobs_test. */
#ifndef BLOBS_TEST_H
#define BLOBS_TEST_H

#include <check.h>

#include "blobs/blobs_internal.h"

/* Spans of the larger test blob; the last is short. */
#define SPANS  3
#define LENGTH ((SPANS - 1) * SEAL_SPAN + 1000)

extern char blobs_test_dir[256];
extern uint8_t blobs_test_bytes[LENGTH]; /* of the larger blob */
extern uint8_t blobs_test_leaves[32 * SPANS];
extern struct blob_id blobs_test_id;

/* Make all of the above; remove the directory. */
void blobs_test_setup(void);
void blobs_test_teardown(void);

/* Open the store with a quota (0: none). */
struct blobs *blobs_test_open(uint64_t max_bytes);

/* Get a blob that must be there. */
struct blob *blobs_test_get(struct blobs *b, const struct blob_id *id);

/* Announce the larger blob and get it. */
struct blob *blobs_test_begin(struct blobs *b);

/* Put span ${i} of the larger blob. */
enum err blobs_test_put(struct blob *x, uint64_t i) must_check;

/* Add ${n} bytes of ${fill}. */
struct blob_id blobs_test_add(struct blobs *b, uint8_t fill, size_t n);

/* The path of one of a blob's files. */
void blobs_test_path(
    const struct blob_id *id, const char *suffix, char out[400]);

/* Whether one of a blob's files is there. */
bool blobs_test_file(const struct blob_id *id, const char *suffix);

/* Flip the byte at ${off}. */
void blobs_test_flip(const struct blob_id *id, const char *suffix, off_t off);

TCase *blobs_test_spans(void);
TCase *blobs_test_quota(void);
TCase *blobs_test_faults(void);

#endif
