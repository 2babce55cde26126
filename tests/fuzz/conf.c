/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Configuration files of a home and of consentd, and what stands in their
 * values.  What was read and printed reads as the same.
 */
#include "base/conf.h"

#include <unistd.h>

#include "base/file.h"
#include "consentd/conf.h"
#include "fuzz.h"
#include "home/home_internal.h"

static bool
is_refusal(enum err e)
{
	return e == ERR_CONFIG || e == ERR_NOTFOUND;
}

static void
put(const char *name, const void *p, size_t n)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", fuzz_dir(), name);
	f = fopen(path, "w");
	MUST(f != NULL);
	MUST(fwrite(p, 1, n, f) == n);
	MUST(fclose(f) == 0);
}

static void
check_ranges(const struct home *h)
{
	for (size_t i = 0; i < home_nitems; i++) {
		const struct conf_item *it = &home_items[i];
		int64_t v;

		if (it->type == CONF_TEXT || it->type == CONF_BOOL)
			continue;
		memcpy(&v, (const char *)&h->conf + it->offset, sizeof(v));
		MUST(v >= it->min && v <= it->max);
	}
	for (size_t i = 0; i < h->npractitioners; i++)
		MUST(h->practitioner[i].login && h->practitioner[i].id &&
		    h->practitioner[i].name);
}

static void
try_home(const uint8_t *p, size_t n)
{
	struct home h = { .dir = (char *)(uintptr_t)fuzz_dir() };
	const char *name, *id;
	enum err e;

	put("consent.conf", p, n);
	e = home_conf_load(&h);
	MUST(e == ERR_OK || is_refusal(e));
	if (e == ERR_OK) {
		check_ranges(&h);
		home_practitioner(&h, "root", &name, &id);
		MUST(name && id);
	}
	home_conf_release(&h);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* inih trims and cuts: what it gave once it gives again. */
static void
print_again(const struct consentd_conf *c)
{
	CLEANUP_CONF struct consentd_conf again = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	MUST(f != NULL);
	consentd_conf_print(c, f);
	MUST(fclose(f) == 0);
	put("consentd.conf", text, len);
	free(text);
	if (consentd_conf_read(fuzz_dir(), &again) != ERR_OK)
		return; /* a value that ends behind a comment's sign */
	MUST(again.lease == c->lease && again.threads == c->threads);
	MUST(again.idle == c->idle && again.stale_open == c->stale_open);
	MUST(same_text(again.chain_byte, c->chain_byte));
}

static void
try_consentd(const uint8_t *p, size_t n)
{
	CLEANUP_CONF struct consentd_conf c = { 0 };
	CLEANUP_ROOTS struct consentd_roots r = { 0 };
	CLEANUP_ROOTS struct consentd_roots again = { 0 };
	enum err e;

	put("consentd.conf", p, n);
	e = consentd_conf_read(fuzz_dir(), &c);
	MUST(e == ERR_OK || is_refusal(e));
	if (e == ERR_OK)
		print_again(&c);
	put("client.conf", p, n);
	e = consentd_roots_read(fuzz_dir(), &r);
	MUST(e == ERR_OK || is_refusal(e));
	if (e)
		return;
	MUST(seal_key_check(&r.rms) == ERR_OK && r.node_url && r.rms_url);
	MUST(consentd_roots_write(fuzz_dir(), &r) == ERR_OK);
	MUST(consentd_roots_read(fuzz_dir(), &again) == ERR_OK);
	MUST(ID_EQ(&r.rms, &again.rms) && ID_EQ(&r.chain, &again.chain));
	MUST(same_text(r.node_url, again.node_url));
	MUST(r.final_depth == again.final_depth);
}

static void
try_values(const uint8_t *p, size_t n)
{
	CLEANUP(free) char *s = fuzz_text(p, n);
	CLEANUP(free) char *url = NULL;
	struct consentd_listen at;
	int64_t ms;

	if (consentd_listen_read(s, &at) == ERR_OK)
		MUST(strlen(at.address) > 0 && strlen(at.address) < 64);
	if (consentd_conf_time(s, &ms) == ERR_OK)
		MUST(ms >= 10 && ms <= 60000);
	MUST(consentd_url_fix(s, 6860, &url) == ERR_OK && url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	try_home(p, n);
	try_consentd(p, n);
	try_values(p, n);
	return 0;
}
