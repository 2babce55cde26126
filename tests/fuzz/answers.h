/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * answers.c takes the place of http_do() (--wrap): the calls of a client get
 * the answers that the input holds, one after the other, cut at bytes 0xff.
 * An answer's first byte is its status, see answers.c.  Once they are used up
 * the peer cannot be reached.
 */
#ifndef TESTS_FUZZ_ANSWERS_H
#define TESTS_FUZZ_ANSWERS_H

#include "fuzz.h"

/* Answer from these bytes from now on. */
void fuzz_answers(const uint8_t *p, size_t n);

/* Say whether ${e} is one that a call to a peer may end with. */
bool fuzz_is_call_error(enum err e);

#endif
