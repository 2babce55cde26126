/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "http/http_internal.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode in place; false for a broken escape or a NUL. */
static bool
decode(char *s, bool plus_is_space)
{
	char *to = s;

	for (; *s; s++) {
		if (*s != '%') {
			*to++ = (char)(plus_is_space && *s == '+' ? ' ' : *s);
			continue;
		}
		int hi = hex_digit(s[1]);
		int lo = hi < 0 ? -1 : hex_digit(s[2]);

		if (lo < 0 || (hi | lo) == 0)
			return false;
		*to++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*to = '\0';
	return true;
}

/* Cut "a=b&c=d" into decoded arguments. */
static bool
cut_query(struct http_exchange *x, char *query)
{
	char *next, *value;

	for (; query && *query; query = next) {
		next = strchr(query, '&');
		if (next)
			*next++ = '\0';
		value = strchr(query, '=');
		if (value)
			*value++ = '\0';
		else
			value = query + strlen(query);
		if (x->nargs == HTTP_MAX_ARGS || !decode(query, true) ||
		    !decode(value, true))
			return false;
		x->args[x->nargs++] = (struct http_arg){ query, value };
	}
	return true;
}

/* Cut "/a/b" into parts; 0 if it is no such path or has too many. */
static size_t
cut_path(char *path, char *parts[HTTP_MAX_PARTS])
{
	size_t n = 0;

	if (*path != '/')
		return 0;
	while (path) {
		*path++ = '\0';
		if (n == HTTP_MAX_PARTS)
			return 0;
		parts[n++] = path;
		path = strchr(path, '/');
	}
	return n;
}

static bool
matches(const char *pattern, char *const *parts, size_t n)
{
	size_t i = 0;

	while (*pattern == '/') {
		size_t len = strcspn(++pattern, "/");

		if (i == n)
			return false;
		if (len == 2 && memcmp(pattern, "{}", 2) == 0) {
			if (parts[i][0] == '\0')
				return false;
		} else if (strlen(parts[i]) != len ||
		    memcmp(parts[i], pattern, len) != 0)
			return false;
		i++;
		pattern += len;
	}
	return i == n;
}

/* Lend the decoded parts that stand for {}. */
static bool
take_segments(struct http_exchange *x, char *const *parts)
{
	const char *p = x->route->pattern;

	for (size_t i = 0; *p == '/'; i++) {
		size_t len = strcspn(++p, "/");

		if (len == 2 && memcmp(p, "{}", 2) == 0) {
			if (x->req.nseg == HTTP_MAX_SEGMENTS ||
			    !decode(parts[i], false))
				return false;
			x->req.seg[x->req.nseg++] = parts[i];
		}
		p += len;
	}
	return true;
}

static void
refuse(struct http_exchange *x, enum err e, unsigned status, const char *why)
{
	x->refused = e;
	x->refused_status = status;
	x->refused_why = why;
}

static void
find(struct http_exchange *x, char *const *parts, size_t n)
{
	const char *method = x->req.method;
	bool path_known = false;

	if (strcmp(method, "HEAD") == 0)
		method = "GET"; /* the answer is sent without its body */
	for (size_t i = 0; i < x->l->nroutes; i++) {
		const struct http_route *r = &x->l->routes[i];

		if (!matches(r->pattern, parts, n))
			continue;
		path_known = true;
		if (strcmp(r->method, method) != 0)
			continue;
		x->route = r;
		return;
	}
	if (path_known)
		refuse(x, ERR_INVAL, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "this path has no such method");
	else if (x->l->opts.fallback == NULL)
		refuse(x, ERR_NOTFOUND, MHD_HTTP_NOT_FOUND, "no such path");
}

void
http_route_find(struct http_exchange *x)
{
	char *parts[HTTP_MAX_PARTS];
	char *query = strchr(x->work, '?');
	bool ok;

	if (query)
		*query++ = '\0';
	ok = cut_query(x, query);
	find(x, parts, cut_path(x->work, parts));
	if (x->route && !take_segments(x, parts))
		ok = false;
	if (!ok && x->refused == ERR_OK)
		refuse(x, ERR_INVAL, MHD_HTTP_BAD_REQUEST,
		    "the request's target is not properly percent-encoded");
}

const char *
http_query_nth(const struct http_request *r, const char *name, size_t nth)
{
	const struct http_exchange *x = r->impl;

	for (size_t i = 0; i < x->nargs; i++)
		if (strcmp(x->args[i].name, name) == 0 && nth-- == 0)
			return x->args[i].value;
	return NULL;
}

const char *
http_query(const struct http_request *r, const char *name)
{
	return http_query_nth(r, name, 0);
}

const char *
http_header(const struct http_request *r, const char *name)
{
	const struct http_exchange *x = r->impl;

	return MHD_lookup_connection_value(x->conn, MHD_HEADER_KIND, name);
}
