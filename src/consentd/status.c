/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/opt.h"
#include "consentd/commands_internal.h"
#include "consentd/conf.h"
#include "http/http.h"

#define WAIT_MS    5000
#define ANSWER_MAX 65536

enum err
consentd_only_dir(int argc, char **argv, const char **out_dir)
{
	static const struct opt opts[] = {
		{ "dir", "DIR", "consentd's directory", false },
	};
	struct opt_values v[1], operands;
	enum err e = opt_parse(opts, 1, argc, argv, v, &operands);

	if (e)
		return e;
	if (v[0].n == 0 || operands.n > 0)
		return err_say(ERR_INVAL,
		    "%s takes --dir DIR and nothing "
		    "else; see consentd(8)",
		    argv[0]);
	*out_dir = v[0].v[0];
	return ERR_OK;
}

enum err
consentd_config(int argc, char **argv)
{
	CLEANUP_CONF struct consentd_conf c = { 0 };
	const char *dir;
	enum err e = consentd_only_dir(argc, argv, &dir);

	if (e == ERR_OK)
		e = consentd_conf_read(dir, &c);
	if (e == ERR_OK)
		consentd_conf_print(&c, stdout);
	return e;
}

enum err
consentd_health(const char *dir, struct buf *out)
{
	CLEANUP_CONF struct consentd_conf c = { 0 };
	CLEANUP_ROOTS struct consentd_roots r = { 0 };
	CLEANUP(http_client_free) struct http_client *http = NULL;
	CLEANUP_ANSWER struct http_answer a = { 0 };
	CLEANUP_BUF struct buf url = { 0 };
	struct http_client_opts opts = { .connect_ms = WAIT_MS,
		.timeout_ms = WAIT_MS };
	enum err e = consentd_conf_read(dir, &c);

	if (e == ERR_OK)
		e = consentd_roots_read(dir, &r);
	opts.ca_file = c.tls_cert;
	if (e == ERR_OK)
		e = http_client_new(&opts, &http);
	if (e)
		return e;
	buf_fmt(&url, "%s/healthz", r.rms_url);
	e = http_do(http,
	    &(struct http_call){ .method = "GET",
		.url = buf_text(&url),
		.max_answer = ANSWER_MAX },
	    &a);
	if (e)
		return e;
	if (a.status != 200)
		return err_say(ERR_UNREACHABLE,
		    "'%s' answers with status %ld; is it consentd, and up?",
		    r.rms_url, a.status);
	buf_put(out, a.body.p, a.body.len);
	return out->err;
}

enum err
consentd_status(int argc, char **argv)
{
	CLEANUP_BUF struct buf text = { 0 };
	const char *dir;
	enum err e = consentd_only_dir(argc, argv, &dir);

	if (e == ERR_OK)
		e = consentd_health(dir, &text);
	if (e)
		return e;
	puts(buf_text(&text));
	return strstr(buf_text(&text), "\"status\":\"ok\"") ? ERR_OK :
							      ERR_STALE;
}
