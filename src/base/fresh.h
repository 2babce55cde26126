/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/fresh: files that are made once and belong together, such as the keys
 * and the configuration of a new home.  The last of them makes it whole; if
 * the program ends before, the same run, given again, begins anew.
 */
#ifndef BASE_FRESH_H
#define BASE_FRESH_H

#include <stddef.h>

#include "base/err.h"

/**
 * fresh_begin(dir, names, n):
 * Begin to make the ${n} files ${names} in ${dir}, in this order.  What an
 * earlier run left that did not come to the last one is removed; a folder
 * among them comes before what is in it.
 * Errors: EXISTS (one is there that no such run left), IO.
 */
enum err fresh_begin(
    const char *dir, const char *const names[], size_t n) must_check;

/**
 * fresh_end(dir):
 * The last file is there.
 */
enum err fresh_end(const char *dir) must_check;

#endif
