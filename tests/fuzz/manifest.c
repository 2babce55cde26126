/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Manifests: paths are legal and none lies inside another; written again they
 * read as the same.
 */
#include "event/event.h"
#include "fuzz.h"

static void
check_document(const struct event_document *d)
{
	MUST(d->ncomponents >= 1 && d->ncomponents <= EVENT_MAX_PATH);
	for (size_t i = 0; i < d->ncomponents; i++) {
		const char *s = d->component[i];

		MUST(*s && strlen(s) <= 255 && strchr(s, '/') == NULL);
		MUST(strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
	}
	MUST(d->media && d->type_code);
}

static void
write_all(const struct event_manifest *m, struct buf *out)
{
	for (uint32_t i = 0; i < m->n; i++)
		MUST(event_manifest_add(&m->doc[i], out) == ERR_OK);
}

static void
try_count(const uint8_t *p, size_t n, uint32_t count)
{
	CLEANUP(event_manifest_free)
	struct event_manifest *m = NULL, *m2 = NULL;
	CLEANUP_BUF struct buf once = { 0 }, twice = { 0 };
	enum err e = event_manifest_read(p, n, count, &m);

	MUST(e == ERR_OK || e == ERR_FORMAT);
	MUST((e == ERR_OK) == (m != NULL));
	if (e)
		return;
	MUST(m->n == count);
	for (uint32_t i = 0; i < m->n; i++)
		check_document(&m->doc[i]);
	write_all(m, &once);
	MUST(event_manifest_read(once.p, once.len, count, &m2) == ERR_OK);
	write_all(m2, &twice);
	MUST(twice.len == once.len &&
	    (once.len == 0 || memcmp(twice.p, once.p, once.len) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint32_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	try_count(p, n, lines);
	try_count(p, n, lines + 1);
	if (lines > 0)
		try_count(p, n, lines - 1);
	return 0;
}
