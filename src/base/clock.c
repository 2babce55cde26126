/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t
now(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return now(CLOCK_REALTIME);
}

int64_t
clock_boot_ms(void)
{
	return now(CLOCK_BOOTTIME);
}

void
clock_sleep_ms(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (ms > 0 && nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

const char *
clock_text(int64_t ms, char out[CLOCK_TEXT])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, CLOCK_TEXT, "%lld", (long long)ms);
	return out;
}

static enum err
read_span(const char *s, int64_t *out_ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 },
		{ 'd', 86400000 } };
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno != 0 || end == s || n < 0 || n > 1000000000 ||
	    end[0] == '\0' || end[1] != '\0')
		return ERR_INVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == *end) {
			*out_ms = clock_wall_ms() + n * units[i].ms;
			return ERR_OK;
		}
	return ERR_INVAL;
}

enum err
clock_read(const char *s, int64_t *out_ms)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M",
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(s, forms[i], &tm);

		if (end && *end == '\0') {
			*out_ms = (int64_t)timegm(&tm) * 1000;
			return ERR_OK;
		}
	}
	if (read_span(s, out_ms) == ERR_OK)
		return ERR_OK;
	return err_say(ERR_INVAL,
	    "'%s' is no time; write 2026-11-22, 2026-11-22T09:02:43Z or a "
	    "span such as 90d, 12h, 30m",
	    s);
}
