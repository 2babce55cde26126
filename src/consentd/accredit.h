/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/accredit: accreditations being made: what institutions ask for in
 * their request files, merged with what the ledger says of them.
 */
#ifndef CONSENTD_ACCREDIT_H
#define CONSENTD_ACCREDIT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "event/event.h"

/* Texts in it are borrowed from what it keeps. */
struct accreditation {
	struct event e;
	bool has_institution;
	json_t *kept; /* an array of the strings that the event borrows */
};

/**
 * consentd_acc_free(a):
 * Free what ${a} keeps.
 */
void consentd_acc_free(struct accreditation *a);
#define CLEANUP_ACCREDITATION                                                  \
	__attribute__((cleanup(consentd_acc_free), unused))

/**
 * consentd_acc_take(a, newest):
 * Begin with the newest accreditation on the ledger.
 */
enum err consentd_acc_take(
    struct accreditation *a, const struct event_accredit *newest) must_check;

/**
 * consentd_acc_request(a, json, len, now):
 * Add host and reading key of a request file.
 * Errors: FORMAT, UNSUPPORTED, CONFLICT (another institution), TOOBIG.
 */
enum err consentd_acc_request(struct accreditation *a, const void *json,
    size_t len, int64_t now) must_check;

/**
 * consentd_acc_name(a, name), consentd_acc_group(a, name):
 * Name the institution; add a group.
 */
enum err consentd_acc_name(
    struct accreditation *a, const char *name) must_check;
/** consentd_acc_group(a, name): see consentd_acc_name(). */
enum err consentd_acc_group(
    struct accreditation *a, const char *name) must_check;

/**
 * consentd_acc_end_host(a, key, now):
 * The host with ${key} is no longer accredited.
 * Errors: NOTFOUND.
 */
enum err consentd_acc_end_host(
    struct accreditation *a, const struct pubkey *key, int64_t now) must_check;

#endif
