/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_UNIT_NTH_CIPHER_H
#define TESTS_UNIT_NTH_CIPHER_H

#include <sodium.h>

#include "nth.h"

/* Argon2id is replaced by something quick. */
extern bool nth_quick_stretch;

#endif
