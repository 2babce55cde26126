/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gate/gate_internal.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/clock.h"
#include "base/text.h"

#define NAME_MAX_BYTES 200

static char *
folded(const char *s)
{
	utf8proc_uint8_t *out = NULL;

	if (utf8proc_map((const utf8proc_uint8_t *)s, 0, &out,
		UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE |
		    UTF8PROC_CASEFOLD) < 0)
		return NULL;
	return (char *)out;
}

bool
gate_name_equal(const char *a, const char *b)
{
	CLEANUP(free) char *x = folded(a);
	CLEANUP(free) char *y = folded(b);

	return x && y && strcmp(x, y) == 0;
}

/*
 * U+202A..202E and U+2066..2069 let what follows be shown backwards, so that a
 * name seems to be another.
 */
static bool
turns(const char *p)
{
	static const char *const marks[] = { "\xe2\x80\xaa", "\xe2\x80\xab",
		"\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6",
		"\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9" };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (strncmp(p, marks[i], 3) == 0)
			return true;
	return false;
}

/* Cut to whole characters and make it legal on Windows too. */
static void
make_legal(char *s)
{
	size_t n = strlen(s);

	if (n > NAME_MAX_BYTES) {
		n = NAME_MAX_BYTES;
		while (n > 0 && (s[n] & 0xc0) == 0x80)
			n--;
		s[n] = '\0';
	}
	for (char *p = s; *p; p++)
		if (turns(p))
			memset(p, '_', 3);
		else if ((unsigned char)*p < 0x20 || *p == 0x7f ||
		    strchr("/\\:*?\"<>|", *p))
			*p = '_';
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '.'))
		s[--n] = '\0';
}

enum err
gate_name_set(struct gate *g, const struct registry_event *ev,
    bool (*taken)(void *ctx, const char *name), void *ctx, char **out)
{
	const struct event_document_set *s = &ev->e->u.set;
	CLEANUP(free) char *raw = NULL;
	char date[CLOCK_TEXT], custodian[256];
	struct text58 id;
	int64_t when = s->period.start ? s->period.start : s->created;

	registry_institution_name(
	    home_registry(g->home), &s->custodian, custodian);
	if (asprintf(&raw, "%.10s %s (%s)", clock_text(when, date), s->title,
		custodian) < 0) {
		raw = NULL;
		return ERR_NOMEM;
	}
	*out = (char *)utf8proc_NFC((const utf8proc_uint8_t *)raw);
	if (*out == NULL)
		return ERR_FORMAT;
	make_legal(*out);
	if (taken(ctx, *out)) {
		CLEANUP(free) char *plain = *out;

		*out = NULL;
		text58(ev->id.b, sizeof(ev->id.b), &id);
		if (asprintf(out, "%s %.6s", plain, id.s) < 0) {
			*out = NULL;
			return ERR_NOMEM;
		}
	}
	return ERR_OK;
}
