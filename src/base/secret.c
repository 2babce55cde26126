/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct secret {
	size_t len;
	uint8_t *bytes; /* sodium_malloc: locked, guarded, not dumped */
};

enum err
secret_init(void)
{
	const struct rlimit none = { 0, 0 };

	if (sodium_init() < 0)
		return err_say(ERR_IO, "libsodium does not start");
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_say(
		    ERR_IO, "cannot forbid core dumps: %s", strerror(errno));
	return ERR_OK;
}

enum err
secret_new(size_t len, struct secret **out)
{
	struct secret *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_NOMEM;
	s->len = len;
	s->bytes = sodium_malloc(len ? len : 1);
	if (s->bytes == NULL) {
		free(s);
		return err_say(ERR_NOMEM,
		    "no locked memory left; raise RLIMIT_MEMLOCK (ulimit -l)");
	}
	sodium_memzero(s->bytes, len);
	*out = s;
	return ERR_OK;
}

enum err
secret_copy(const void *bytes, size_t len, struct secret **out)
{
	enum err e = secret_new(len, out);

	if (e == ERR_OK && len > 0)
		memcpy((*out)->bytes, bytes, len);
	return e;
}

uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

const uint8_t *
secret_view(const struct secret *s)
{
	return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	sodium_free(s->bytes);
	free(s);
}
