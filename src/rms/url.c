/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

#include <stdio.h>

/* An authority without user name: letters, digits and what IPv6 needs. */
static bool
is_host(const char *s, size_t n)
{
	static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-.:[]_";

	return n > 0 && s[0] != ':' && strspn(s, legal) >= n;
}

/* Cut a URL into scheme, host with port, and nothing else. */
static bool
cut(const char *url, bool *tls, const char **host, size_t *n)
{
	static const char clear[] = "http://", secure[] = "https://";

	if (strnlen(url, RMS_URL_MAX + 1) > RMS_URL_MAX)
		return false;
	*tls = strncmp(url, secure, sizeof(secure) - 1) == 0;
	if (!*tls && strncmp(url, clear, sizeof(clear) - 1) != 0)
		return false;
	*host = url + (*tls ? sizeof(secure) : sizeof(clear)) - 1;
	*n = strcspn(*host, "/");
	if (!is_host(*host, *n))
		return false;
	return (*host)[*n] == '\0' || strcmp(*host + *n, "/") == 0;
}

bool
rms_url_is_formal(const char *url)
{
	const char *host;
	size_t n;
	bool tls;

	return cut(url, &tls, &host, &n);
}

static bool
is_number(const char *s, size_t n)
{
	return n > 0 && strspn(s, "0123456789.") >= n;
}

/* Only what cannot be another machine: names are not looked up. */
static bool
is_loopback(const char *host, size_t n)
{
	static const char v6[] = "[::1]", name[] = "localhost";

	if (n >= sizeof(v6) - 1 && memcmp(host, v6, sizeof(v6) - 1) == 0)
		return n == sizeof(v6) - 1 || host[sizeof(v6) - 1] == ':';
	n = strcspn(host, ":/");
	if (n == sizeof(name) - 1 && memcmp(host, name, n) == 0)
		return true;
	return n > 4 && memcmp(host, "127.", 4) == 0 && is_number(host, n);
}

enum err
rms_url_read(const char *url, struct rms_url *out)
{
	const char *host;
	size_t n;
	bool tls;

	if (!cut(url, &tls, &host, &n))
		return err_say(ERR_INVAL,
		    "'%.200s' is no address of an RMS; "
		    "give https://host or https://host:port",
		    url);
	if (!tls && !is_loopback(host, n))
		return err_say(ERR_INVAL,
		    "'%.200s': an RMS is called in "
		    "clear only on this machine; give an https:// address",
		    url);
	n += (size_t)(host - url);
	memcpy(out->base, url, n);
	out->base[n] = '\0';
	out->host = out->base + (host - url);
	return ERR_OK;
}

enum err
rms_url_check(const char *url)
{
	struct rms_url unused;

	return rms_url_read(url, &unused);
}
