/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_TEST_H
#define EVENT_TEST_H

#include <check.h>
#include <string.h>

#include "event/event.h"

/* Base58 of n bytes b, in one of several static buffers. */
const char *b58(uint8_t b, size_t n);

void add_encode(Suite *s);
void add_manifest(Suite *s);

#define CASE(name, ...)                                                        \
	do {                                                                   \
		const TTest *const tests[] = { __VA_ARGS__ };                  \
		TCase *tc = tcase_create(name);                                \
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)                  \
			tcase_add_test(tc, tests[i]);                          \
		suite_add_tcase(s, tc);                                        \
	} while (0)

#endif
