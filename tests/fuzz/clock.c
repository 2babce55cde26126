/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A clock that goes on only while somebody sleeps (--wrap). */
#include "fuzz.h"

int64_t __wrap_clock_boot_ms(void);
void __wrap_clock_sleep_ms(int64_t ms);

static int64_t now = 1000;

int64_t
__wrap_clock_boot_ms(void)
{
	return now;
}

void
__wrap_clock_sleep_ms(int64_t ms)
{
	now += ms > 0 ? ms : 1;
}
