/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef JAIL_JAIL_INTERNAL_H
#define JAIL_JAIL_INTERNAL_H

#include "jail/jail.h"

/*
 * Restrict files, ports and signals as far as the kernel can; ${out_abi}: its
 * version of Landlock, 0 if it has none.
 * Errors: IO.
 */
enum err jail_landlock(const struct jail *j, int *out_abi) must_check;

/*
 * Load the list of system calls into all threads; ${out_on}: false in a build
 * whose sanitizer needs others.
 * Errors: UNSUPPORTED.
 */
enum err jail_filter(const struct jail *j, bool *out_on) must_check;

#endif
