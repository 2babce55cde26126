/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consent/publish_internal.h"

#define EVERY_MS 200

const char *
consent_size_text(uint64_t n, char out[static 32])
{
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double v = (double)n / 1000;
	size_t i = 0;

	if (n < 1000) {
		(void)snprintf(out, 32, "%u B", (unsigned)n);
		return out;
	}
	while (v >= 999.95 && i + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		i++;
	}
	(void)snprintf(out, 32, "%.1f %s", v, units[i]);
	return out;
}

static void
left_text(double seconds, char out[static 32])
{
	unsigned long s = seconds < 1e8 ? (unsigned long)(seconds + 0.5) :
					  100000000;

	if (s < 60)
		(void)snprintf(out, 32, "%lu s left", s);
	else if (s < 3600)
		(void)snprintf(out, 32, "%lu min %lu s left", s / 60, s % 60);
	else
		(void)snprintf(
		    out, 32, "%lu h %lu min left", s / 3600, s / 60 % 60);
}

/* ", 5.1 MB/s, 7 s left" once something was done. */
static void
rate_text(const struct consent_progress *p, int64_t ms, char out[static 80])
{
	uint64_t fresh = p->done - p->before;
	char rate[32], left[32];
	double per_s;

	out[0] = '\0';
	if (ms <= 0 || fresh == 0)
		return;
	per_s = (double)fresh * 1000 / (double)ms;
	left_text((double)(p->total - p->done) / per_s, left);
	(void)snprintf(out, 80, ", %s/s, %s",
	    consent_size_text((uint64_t)per_s, rate), left);
}

static void
show(struct consent_progress *p, int64_t now)
{
	char done[32], total[32], rate[80];

	rate_text(p, now - p->begun, rate);
	(void)fprintf(stderr, "\r%s: %s of %s (%u%%)%s\033[K", p->what,
	    consent_size_text(p->done, done),
	    consent_size_text(p->total, total),
	    p->total ? (unsigned)(p->done * 100 / p->total) : 100, rate);
	(void)fflush(stderr);
	p->shown = now;
}

void
consent_progress_begin(
    struct consent_progress *p, const char *what, uint64_t total)
{
	*p = (struct consent_progress){ .on = isatty(STDERR_FILENO),
		.what = what,
		.total = total,
		.begun = clock_boot_ms() };
	if (p->on)
		show(p, p->begun);
}

static void
move(struct consent_progress *p, uint64_t n)
{
	int64_t now;

	p->done = n > p->total - p->done ? p->total : p->done + n;
	if (!p->on)
		return;
	now = clock_boot_ms();
	if (now - p->shown >= EVERY_MS)
		show(p, now);
}

void
consent_progress_add(struct consent_progress *p, uint64_t n)
{
	move(p, n);
}

void
consent_progress_skip(struct consent_progress *p, uint64_t n)
{
	uint64_t was = p->done;

	move(p, n);
	p->before += p->done - was;
}

void
consent_progress_end(struct consent_progress *p)
{
	char done[32], rate[32];
	uint64_t fresh = p->done - p->before;
	int64_t ms = clock_boot_ms() - p->begun;

	if (!p->on)
		return;
	(void)fprintf(stderr, "\r%s: %s in %.1f s, %s/s\033[K\n", p->what,
	    consent_size_text(p->done, done), (double)ms / 1000,
	    consent_size_text(
		fresh * 1000 / (uint64_t)(ms > 0 ? ms : 1), rate));
	p->on = false;
}
