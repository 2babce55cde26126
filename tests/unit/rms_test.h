/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the unit test of rms share. */
#ifndef TESTS_UNIT_RMS_TEST_H
#define TESTS_UNIT_RMS_TEST_H

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/file.h"
#include "rms/rms_internal.h"

#define OK(call)       ck_assert_int_eq((call), ERR_OK)
#define IS(call, want) ck_assert_int_eq((call), ERR_##want)
#define SAME(a, b, n)  ck_assert_mem_eq((a), (b), (n))

TCase *tcase_card(void);
TCase *tcase_card_bad(void);
TCase *tcase_statement(void);
TCase *tcase_client(void);
TCase *tcase_errors(void);
TCase *tcase_blobs(void);
TCase *tcase_golden(void);

/* The parties, made anew for each test by parties_up(). */
struct parties {
	struct seal_identity *patient, *rms, *patient_rms, *other;
	struct chain chain;
};
extern struct parties who;

void parties_up(void);
void parties_down(void);

/* A card with both signatures. */
void card_make(const char *url, struct rms_card *out);

/* The identity whose 32 private bytes are ${byte}. */
struct seal_identity *identity_of(uint8_t byte);

/*
 * An RMS that keeps everything in memory.  Every request is checked as a real
 * one would: signature, host, caller, replay floor.
 */
#define FAKE_SPANS 4

struct fake {
	struct http_listener *l;
	struct rms_client *c;
	char url[64];
	/* what to answer instead, for the next calls; NULL: as due */
	const char *canned;
	size_t canned_len;
	unsigned canned_status;
	atomic_int calls;       /* that came */
	_Atomic int64_t floor;  /* 0: none */
	_Atomic int64_t told;   /* notBefore that is told, if not floor */
	struct buf query, body; /* of the newest request */
	struct buf card, record;
	struct rms_receipt receipt; /* to be signed and given */
	bool receipt_by_other;
	struct buf leaves;
	struct buf span[FAKE_SPANS];
	char blob[TEXT58_CHARS]; /* its id */
	size_t misses;           /* every n-th asked blob is missing */
};
extern struct fake fake;

void fake_up(void);
void fake_down(void);
/* Answer the next calls by ${status} and ${text}. */
void fake_say(unsigned status, const char *text);

#endif
