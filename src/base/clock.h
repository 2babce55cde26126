/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/clock: the two clocks.  Wall time is for records and expiry, boot time
 * (counts suspend, cannot be set) for every bound and time-out.  Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CLOCK_TEXT 32 /* room for clock_text() */

/**
 * clock_wall_ms():
 * Return the time in milliseconds UTC since 1970.
 */
int64_t clock_wall_ms(void);

/**
 * clock_boot_ms():
 * Return milliseconds since boot, suspend included.
 */
int64_t clock_boot_ms(void);

/**
 * clock_sleep_ms(ms):
 * Sleep.
 */
void clock_sleep_ms(int64_t ms);

/**
 * clock_text(ms, out):
 * Write ${ms} as "2026-11-22T09:02:43Z" into ${out} and return it.
 */
const char *clock_text(int64_t ms, char out[CLOCK_TEXT]);

/**
 * clock_read(s, out_ms):
 * Read "2026-11-22", "2026-11-22T09:02", "2026-11-22T09:02:43Z" (UTC) or a
 * span from now such as "90d", "12h", "30m", "10s".
 * Errors: INVAL.
 */
enum err clock_read(const char *s, int64_t *out_ms) must_check;

#endif
