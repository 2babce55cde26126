/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client: a pool of handles, each with its own kept-alive connections.
 * Each call runs a multi handle of its own so that a cancelled call ends
 * within CANCEL_MS, not when the peer next says something.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "http/http_internal.h"

#define POOL_MAX       16 /* idle handles that are kept */
#define WAIT_MS        1000
#define CANCEL_MS      50
#define DEF_CONNECT_MS 5000
#define DEF_TIMEOUT_MS 30000
#define STALL_BYTES    4096 /* a second */
/* A longer body waits for leave ("Expect: 100-continue"): a peer that refuses
 * it in its midst resets the connection, and its answer can be lost. */
#define UNASKED_MAX (1 << 20)

struct handle {
	struct handle *next; /* client's lock */
	CURL *easy;
	CURLM *multi;
};

struct http_client {
	struct http_client_opts opts; /* strings owned */
	pthread_mutex_t lock;
	struct handle *idle; /* lock */
	size_t nidle;        /* lock */
};

/* The answer being received. */
struct sink {
	struct buf *body;
	size_t max;
	bool over;
};

static bool ready; /* written once, by init_once() */

static void
init_once(void)
{
	ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	(void)signal(SIGPIPE, SIG_IGN);
}

void
http_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, init_once);
}

static void
handle_free(struct handle *h)
{
	if (h == NULL)
		return;
	if (h->easy)
		curl_easy_cleanup(h->easy);
	if (h->multi)
		(void)curl_multi_cleanup(h->multi);
	free(h);
}
DEFINE_CLEANUP(struct handle *, handle_free);

static char *
copy_text(const char *s, bool *failed)
{
	char *copy = s ? strdup(s) : NULL;

	if (s && copy == NULL)
		*failed = true;
	return copy;
}

enum err
http_client_new(const struct http_client_opts *opts, struct http_client **out)
{
	struct http_client *c;
	bool failed = false;

	http_init();
	c = ready ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->opts = *opts;
	c->opts.ca_file = copy_text(opts->ca_file, &failed);
	c->opts.pinned_key = copy_text(opts->pinned_key, &failed);
	if (c->opts.connect_ms <= 0)
		c->opts.connect_ms = DEF_CONNECT_MS;
	if (c->opts.timeout_ms <= 0)
		c->opts.timeout_ms = DEF_TIMEOUT_MS;
	if (failed) {
		http_client_free(c);
		return ERR_NOMEM;
	}
	*out = c;
	return ERR_OK;
}

void
http_client_free(struct http_client *c)
{
	struct handle *h;

	if (c == NULL)
		return;
	while ((h = c->idle)) {
		c->idle = h->next;
		handle_free(h);
	}
	free((void *)(uintptr_t)c->opts.ca_file);
	free((void *)(uintptr_t)c->opts.pinned_key);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct handle *
handle_take(struct http_client *c)
{
	CLEANUP(handle_free) struct handle *h = NULL;

	(void)pthread_mutex_lock(&c->lock);
	h = c->idle;
	if (h) {
		c->idle = h->next;
		c->nidle--;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (h)
		return TAKE(h);
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	return h->easy && h->multi ? TAKE(h) : NULL;
}

static void
handle_give(struct http_client *c, struct handle *h)
{
	bool keep;

	curl_easy_reset(h->easy); /* forgets the call, not the connections */
	(void)pthread_mutex_lock(&c->lock);
	keep = c->nidle < POOL_MAX;
	if (keep) {
		h->next = c->idle;
		c->idle = h;
		c->nidle++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (!keep)
		handle_free(h);
}

static size_t
receive(char *p, size_t size, size_t n, void *ctx)
{
	struct sink *s = ctx;

	n *= size;
	if (n > s->max - s->body->len) {
		s->over = true;
		return 0;
	}
	buf_put(s->body, p, n);
	return s->body->err ? 0 : n;
}

static void
free_headers(struct curl_slist **l)
{
	curl_slist_free_all(*l);
}

static bool
add_header(struct curl_slist **l, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*l, text);

	if (longer)
		*l = longer;
	return longer != NULL;
}

static bool
build_headers(const struct http_call *call, struct curl_slist **out)
{
	bool typed = false;
	bool ok = add_header(out,
		      call->body_len > UNASKED_MAX ? "Expect: 100-continue" :
						     "Expect:") &&
	    add_header(out, "Accept: application/json, */*");

	for (size_t i = 0; ok && call->headers && call->headers[i]; i++) {
		if (strncasecmp(call->headers[i], "content-type:", 13) == 0)
			typed = true;
		ok = add_header(out, call->headers[i]);
	}
	if (ok && call->body && !typed)
		ok = add_header(out, "Content-Type: application/json");
	return ok;
}

static CURLcode
set_method(CURL *h, const struct http_call *call)
{
	bool head = strcmp(call->method, "HEAD") == 0;
	bool with_body = call->body || strcmp(call->method, "POST") == 0;
	CURLcode rc = CURLE_OK;

	if (head)
		return curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	if (with_body) {
		rc = curl_easy_setopt(
		    h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(h, CURLOPT_POSTFIELDS,
			    call->body ? call->body : "");
	}
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
	return rc;
}

/* What every call has in common; no proxy of the environment is used. */
static CURLcode
set_common(
    CURL *h, const struct http_client_opts *o, const struct http_call *call)
{
	int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms :
						    o->timeout_ms;
	CURLcode rc = CURLE_OK;
	const struct {
		CURLoption option;
		long value;
	} nums[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3 },
		{ CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms },
		{ CURLOPT_TIMEOUT_MS, (long)timeout_ms },
		{ CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES },
		{ CURLOPT_LOW_SPEED_TIME, (long)call->stall_s },
		{ CURLOPT_MAXCONNECTS, 2 },
		{ CURLOPT_TCP_NODELAY, 1 },
	};
	const struct {
		CURLoption option;
		const char *value;
	} texts[] = {
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, "" },
		{ CURLOPT_USERAGENT, "consentfs" },
		{ CURLOPT_CAINFO, o->ca_file },
		{ CURLOPT_PINNEDPUBLICKEY, o->pinned_key },
	};

	for (size_t i = 0; rc == CURLE_OK && i < ARRAY_LEN(nums); i++)
		rc = curl_easy_setopt(h, nums[i].option, nums[i].value);
	for (size_t i = 0; rc == CURLE_OK && i < ARRAY_LEN(texts); i++)
		if (texts[i].value)
			rc = curl_easy_setopt(
			    h, texts[i].option, texts[i].value);
	return rc;
}

static CURLcode
set_sink(CURL *h, struct sink *sink)
{
	CURLcode rc = curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, receive);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(h, CURLOPT_WRITEDATA, sink);
	if (rc == CURLE_OK && sink->max > 0) /* 0 would mean no limit */
		rc = curl_easy_setopt(
		    h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)sink->max);
	return rc;
}

/* How the call ended, or CURLE_ABORTED_BY_CALLBACK when cancelled. */
static CURLcode
perform(struct handle *h, const volatile bool *cancel)
{
	CURLMcode rc = curl_multi_add_handle(h->multi, h->easy);
	CURLcode end = CURLE_FAILED_INIT;
	CURLMsg *msg = NULL;
	int running = 1, left;

	while (rc == CURLM_OK) {
		if (cancel && __atomic_load_n(cancel, __ATOMIC_ACQUIRE)) {
			end = CURLE_ABORTED_BY_CALLBACK;
			break;
		}
		rc = curl_multi_perform(h->multi, &running);
		msg = curl_multi_info_read(h->multi, &left);
		if (msg && msg->msg == CURLMSG_DONE) {
			end = msg->data.result;
			break;
		}
		if (rc == CURLM_OK)
			rc = curl_multi_poll(h->multi, NULL, 0,
			    cancel ? CANCEL_MS : WAIT_MS, NULL);
	}
	(void)curl_multi_remove_handle(h->multi, h->easy);
	return end;
}

/* What it is, and what to look at. */
static const struct ending {
	CURLcode rc;
	enum err e;
	const char *remedy;
} endings[] = {
	{ CURLE_URL_MALFORMAT, ERR_INVAL, "correct the address" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_FORMAT,
	    "it does not speak HTTP; check the address" },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_FORMAT,
	    "it does not speak HTTP; check the address" },
	{ CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT,
	    "no answer in time; try again, or see to it and the network" },
	{ CURLE_COULDNT_CONNECT, ERR_UNREACHABLE,
	    "no connection; is it running, and the address right?" },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE,
	    "the name is not known; check the address and the name service" },
	{ CURLE_PARTIAL_FILE, ERR_UNREACHABLE,
	    "the answer broke off; try again" },
	{ CURLE_GOT_NOTHING, ERR_UNREACHABLE,
	    "the connection broke off; try again" },
	{ CURLE_OUT_OF_MEMORY, ERR_NOMEM, "out of memory" },
	{ CURLE_FILESIZE_EXCEEDED, ERR_TOOBIG,
	    "the answer is larger than allowed; check the address" },
	{ CURLE_ABORTED_BY_CALLBACK, ERR_INTERRUPTED, "stopped" },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_FORGED,
	    "its certificate does not hold; check address and authority" },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERR_FORGED,
	    "its TLS key is not the pinned one; check address and pin" },
	{ CURLE_SSL_CONNECT_ERROR, ERR_FORGED,
	    "no TLS 1.3 with it; check the address" },
	{ CURLE_SSL_ISSUER_ERROR, ERR_FORGED,
	    "its certificate does not hold; check address and authority" },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERR_FORGED,
	    "its certificate does not hold; check address and authority" },
	{ CURLE_SSL_CACERT_BADFILE, ERR_CONFIG,
	    "the file of its authority cannot be read; check the "
	    "configuration" },
	{ CURLE_FAILED_INIT, ERR_NOMEM, "out of memory or descriptors" },
};

/* A scheme that we do not speak is the caller's mistake. */
static bool
is_ours(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 ||
	    strncasecmp(url, "https://", 8) == 0;
}

/* Only scheme and host of a URL are told: a path may hold ids. */
static enum err
say(CURLcode rc, const char *url)
{
	const char *host = strstr(url, "://");
	size_t n = host ? (size_t)(host - url) + 3 : 0;
	struct ending end = { rc, ERR_UNREACHABLE, curl_easy_strerror(rc) };

	n += strcspn(url + n, "/?");
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (endings[i].rc == rc)
			end = endings[i];
	if (!is_ours(url))
		end = (struct ending){ rc, ERR_INVAL,
			"an address begins with https:// or http://" };
	return err_say(
	    end.e, "'%.*s': %s", n > 200 ? 200 : (int)n, url, end.remedy);
}

static enum err
run(struct http_client *c, struct handle *h, const struct http_call *call,
    struct http_answer *out)
{
	__attribute__((
	    cleanup(free_headers))) struct curl_slist *headers = NULL;
	struct sink sink = { &out->body, call->max_answer, false };
	CURLcode rc;

	if (!build_headers(call, &headers))
		return ERR_NOMEM;
	rc = set_common(h->easy, &c->opts, call);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(h->easy, CURLOPT_URL, call->url);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	if (rc == CURLE_OK)
		rc = set_sink(h->easy, &sink);
	if (rc == CURLE_OK)
		rc = set_method(h->easy, call);
	if (rc == CURLE_OK)
		rc = perform(h, call->cancel);
	if (out->body.err)
		return out->body.err;
	if (sink.over)
		rc = CURLE_FILESIZE_EXCEEDED;
	if (rc != CURLE_OK)
		return say(rc, call->url);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &out->status);
	return ERR_OK;
}

enum err
http_do(struct http_client *c, const struct http_call *call,
    struct http_answer *out)
{
	struct handle *h = handle_take(c);
	enum err e;

	*out = (struct http_answer){ 0 };
	if (h == NULL)
		return ERR_NOMEM;
	e = run(c, h, call, out);
	handle_give(c, h);
	if (e)
		http_answer_free(out);
	return e;
}

void
http_answer_free(struct http_answer *a)
{
	buf_free(&a->body);
	a->status = 0;
}

void
http_url_part(const char *s, struct buf *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (; *s; s++) {
		if (strchr(plain, *s))
			buf_put(out, s, 1);
		else
			buf_fmt(out, "%%%02X", (unsigned char)*s);
	}
}
