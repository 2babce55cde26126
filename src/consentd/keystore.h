/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/keystore: one key pair per patient.  What the RMS must be able to
 * forget is sealed to it.  It must be backed up: nothing rebuilds it.  Any
 * thread.
 */
#ifndef CONSENTD_KEYSTORE_H
#define CONSENTD_KEYSTORE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "seal/seal.h"

struct consentd_keys;

/**
 * consentd_keys_open(dir, protect, out):
 * Open or create the keystore in ${dir}, its rows encrypted under a key that
 * is derived from the identity ${protect}.
 * Errors: those of db_open().
 */
enum err consentd_keys_open(const char *dir,
    const struct seal_identity *protect, struct consentd_keys **out) must_check;

/**
 * consentd_keys_close(k):
 * NULL is allowed.
 */
void consentd_keys_close(struct consentd_keys *k);
DEFINE_CLEANUP(struct consentd_keys *, consentd_keys_close);

/**
 * consentd_keys_make(k, patient, out):
 * Find or durably make the pair of ${patient}; ${out} is its public key.
 */
enum err consentd_keys_make(struct consentd_keys *k,
    const struct pubkey *patient, struct pubkey *out) must_check;

/**
 * consentd_keys_public(k, patient, out):
 * The public key of ${patient}'s pair.
 * Errors: NOTFOUND.
 */
enum err consentd_keys_public(struct consentd_keys *k,
    const struct pubkey *patient, struct pubkey *out) must_check;

/**
 * consentd_keys_find(k, handle, out):
 * The pair with ${handle}; a callback of seal_envelope_key_rms().  Borrowed
 * until this thread's next call here.
 * Errors: NOKEY.
 */
enum err consentd_keys_find(void *k, const uint8_t handle[16],
    const struct seal_identity **out) must_check;

/**
 * consentd_keys_owner(k, handle, out):
 * The patient whose pair has ${handle}.
 * Errors: NOKEY.
 */
enum err consentd_keys_owner(struct consentd_keys *k,
    const uint8_t handle[static 16], struct pubkey *out) must_check;

#endif
