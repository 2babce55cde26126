/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the unit test of seal share. */
#ifndef TESTS_UNIT_SEAL_TEST_H
#define TESTS_UNIT_SEAL_TEST_H

#include <check.h>
#include <jansson.h>

#include "base/text.h"
#include "seal/seal_internal.h"

#define OK(call)       ck_assert_int_eq((call), ERR_OK)
#define IS(call, want) ck_assert_int_eq((call), ERR_##want)
#define SAME(a, b, n)  ck_assert_mem_eq((a), (b), (n))

TCase *tcase_waves(void);
TCase *tcase_identity(void);
TCase *tcase_sign(void);
TCase *tcase_envelope(void);
TCase *tcase_flip(void);
TCase *tcase_document(void);
TCase *tcase_gcm(void);
TCase *tcase_blob(void);
TCase *tcase_keyfile(void);
TCase *tcase_rest(void);
TCase *tcase_golden(void);
TCase *tcase_faults(void);
TCase *tcase_no_cipher(void);

/* A document: ${n} bytes that are not all alike. */
void fill(uint8_t *p, size_t n, unsigned seed);
/* A new secret of 32 bytes, each ${byte}. */
struct secret *secret_of(uint8_t byte);
/* tests/vectors/${name}, to be released by json_decref(). */
json_t *vectors(const char *name);
/* A member that must be a string. */
const char *text_of(const json_t *j, const char *name);
/* Bytes of a hex member, to be released by buf_free(). */
struct buf hex_of(const json_t *j, const char *name);
/* A hex member of exactly ${n} bytes. */
void hex_read(const json_t *j, const char *name, void *out, size_t n);
/* A member in base58 of exactly ${n} bytes. */
void base58_read(const json_t *j, const char *name, void *out, size_t n);
/* The identity whose 32 private bytes are ${byte}. */
struct seal_identity *identity_of(uint8_t byte);

#endif
