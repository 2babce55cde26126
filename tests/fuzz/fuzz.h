/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the fuzz targets share.  A target is one file with fuzz_seeds() and
 * LLVMFuzzerTestOneInput().  Configured with --enable-fuzz it is linked with
 * libFuzzer; else with replay.c, which runs the seeds and tests/fuzz/corpus
 * in `make check`.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/ids.h"
#include "seal/seal.h"

/* A property that must hold for every input. */
#define MUST(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			(void)fprintf(stderr, "%s:%d: must hold: %s\n",        \
			    __FILE__, __LINE__, #cond);                        \
			abort();                                               \
		}                                                              \
	} while (0)

/* Takes one seed. */
struct fuzz_taker {
	void (*take)(void *ctx, const void *p, size_t n);
	void *ctx;
};

/* The target's: hand a few valid inputs to ${to}. */
void fuzz_seeds(const struct fuzz_taker *to);

/* The target's: run one input; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Once, before the first input; "--seeds=DIR" writes the seeds and exits. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

void fuzz_seed(const struct fuzz_taker *to, const void *p, size_t n);
void fuzz_seed_text(const struct fuzz_taker *to, const char *s);

/* Fixed identities and keys: the same in each run. */
const struct seal_identity *fuzz_identity(uint8_t which);
const struct pubkey *fuzz_pubkey(uint8_t which);
const struct secret *fuzz_secret(uint8_t which);

/* A copy of the input with a NUL behind it, to be freed. */
char *fuzz_text(const uint8_t *p, size_t n);

/* A path that holds these bytes until the next call. */
const char *fuzz_file(const void *p, size_t n);

/* A folder of this process alone in memory, removed at its end. */
const char *fuzz_dir(void);

/*
 * Signatures of this many zeros in front are good for whoever is linked with
 * wrap_verify.c: the fuzzer gets past them without a key.
 */
#define FUZZ_SIG_ZEROS 8
bool fuzz_sig_is_good(const struct sig *sig);

#endif
