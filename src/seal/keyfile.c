/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#include "base/file.h"
#include "base/js.h"

#define VERSION  1
#define FILE_MAX 4096
#define OPS      crypto_pwhash_argon2id_OPSLIMIT_MODERATE
#define MEMORY   crypto_pwhash_argon2id_MEMLIMIT_MODERATE
/* What a file may ask of this machine. */
#define OPS_MOST    16
#define MEMORY_MOST (1LL << 30)

struct stretch {
	uint8_t salt[crypto_pwhash_argon2id_SALTBYTES];
	int64_t ops, memory;
};

static enum err
stretch_key(const struct secret *passphrase, const struct stretch *s,
    struct secret **out)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	enum err e = secret_new(SEAL_KEY, &key);

	if (e != ERR_OK)
		return e;
	if (crypto_pwhash_argon2id(secret_bytes(key), SEAL_KEY,
		(const char *)secret_view(passphrase), secret_len(passphrase),
		s->salt, (unsigned long long)s->ops, (size_t)s->memory,
		crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return err_say(ERR_NOMEM,
		    "a key file's passphrase needs %lld MiB of memory",
		    (long long)(s->memory >> 20));
	*out = TAKE(key);
	return ERR_OK;
}

static struct seal_part
bound(const struct seal_identity *id)
{
	return (struct seal_part){ id->public.b, sizeof(id->public.b) };
}

/* The members that tell how the private key is protected. */
static enum err
private_write(const struct seal_identity *id, const struct secret *passphrase,
    struct buf *json)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	CLEANUP_BUF struct buf sealed = { 0 };
	const struct seal_part plain = { secret_view(id->private), SEAL_KEY };
	struct stretch s = { .ops = OPS, .memory = MEMORY };
	enum err e;

	if (passphrase == NULL) {
		buf_str(json, "\"kdf\":\"none\",\"private\":\"");
		text64(plain.p, plain.n, json);
		return json->err;
	}
	seal_random(s.salt, sizeof(s.salt));
	e = stretch_key(passphrase, &s, &key);
	if (e == ERR_OK)
		e = seal_rest(key, bound(id), plain, &sealed);
	if (e != ERR_OK)
		return e;
	buf_fmt(json,
	    "\"kdf\":\"argon2id\",\"opslimit\":%lld,\"memlimit\":%lld,"
	    "\"salt\":\"",
	    (long long)s.ops, (long long)s.memory);
	text64(s.salt, sizeof(s.salt), json);
	buf_str(json, "\",\"private\":\"");
	text64(sealed.p, sealed.len, json);
	return json->err;
}

enum err
seal_identity_save(const struct seal_identity *id, const char *path,
    const struct secret *passphrase)
{
	CLEANUP_BUF struct buf json = { 0 };
	enum err e;

	if (passphrase && secret_len(passphrase) == 0)
		return err_say(ERR_INVAL,
		    "an empty passphrase protects nothing; choose one");
	buf_fmt(&json,
	    "{\"consentfs\":\"key\",\"version\":%d,"
	    "\"publicKey\":\"%s\",",
	    VERSION, TEXT58(&id->public));
	e = private_write(id, passphrase, &json);
	if (e != ERR_OK)
		return e;
	buf_str(&json, "\"}\n");
	if (json.err)
		return json.err;
	return file_create(path, json.p, json.len, 0600);
}

/* Read a base64 member of exactly ${n} bytes. */
static void
member64(struct js *r, const char *name, size_t n, struct buf *out)
{
	const char *s = js_text(r, name, 2 * n);

	if (r->err == ERR_OK)
		r->err = text64_read(s, strlen(s), out);
	if (r->err == ERR_OK && out->len != n)
		r->err = ERR_FORMAT;
}

struct opener {
	const char *path;
	enum err (*ask)(void *ctx, const char *path, struct secret **out);
	void *ctx;
};

static enum err
unlock(struct js *r, const struct opener *o, const struct pubkey *public,
    struct buf *plain)
{
	CLEANUP(secret_free) struct secret *passphrase = NULL, *key = NULL;
	CLEANUP_BUF struct buf salt = { 0 }, sealed = { 0 };
	struct stretch s;
	enum err e;

	s.ops = js_int(r, "opslimit", 1, OPS_MOST);
	s.memory = js_int(
	    r, "memlimit", crypto_pwhash_argon2id_MEMLIMIT_MIN, MEMORY_MOST);
	member64(r, "salt", sizeof(s.salt), &salt);
	member64(r, "private", SEAL_KEY + SEAL_REST_EXTRA, &sealed);
	if (r->err)
		return r->err;
	if (o->ask == NULL)
		return err_say(ERR_NOKEY, "'%s' needs its passphrase", o->path);
	memcpy(s.salt, salt.p, sizeof(s.salt));
	e = o->ask(o->ctx, o->path, &passphrase);
	if (e == ERR_OK)
		e = stretch_key(passphrase, &s, &key);
	if (e == ERR_OK)
		e = seal_rest_open(key,
		    (struct seal_part){ public->b, sizeof(public->b) },
		    (struct seal_part){ sealed.p, sealed.len }, plain);
	if (e == ERR_CORRUPT)
		return err_say(ERR_NOKEY,
		    "wrong passphrase for '%s'; give it again", o->path);
	return e;
}

static enum err
private_read(struct js *r, const struct opener *o, const struct pubkey *public,
    struct buf *plain)
{
	const char *kdf = js_text(r, "kdf", 32);

	if (r->err)
		return r->err;
	if (strcmp(kdf, "argon2id") == 0)
		return unlock(r, o, public, plain);
	if (strcmp(kdf, "none") != 0)
		return err_say(ERR_UNSUPPORTED,
		    "'%s' is protected in an unknown way; use the program "
		    "that wrote it",
		    o->path);
	member64(r, "private", SEAL_KEY, plain);
	return r->err;
}

static enum err
key_read(const json_t *file, const struct opener *o, struct seal_identity **out)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	CLEANUP_BUF struct buf plain = { 0 };
	struct pubkey public;
	int64_t version;
	struct js r;
	enum err e;

	js_init(&r, file);
	if (strcmp(js_text(&r, "consentfs", 16), "key") != 0)
		return ERR_FORMAT;
	version = js_int(&r, "version", 1, INT32_MAX);
	if (r.err == ERR_OK && version != VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "'%s' has version %lld, this program reads %d; use the "
		    "program that wrote it",
		    o->path, (long long)version, VERSION);
	JS_58(&r, "publicKey", &public);
	e = private_read(&r, o, &public, &plain);
	if (e == ERR_OK)
		e = seal_identity_from_private(plain.p, &id);
	if (e == ERR_OK && !ID_EQ(&id->public, &public))
		e = ERR_FORMAT;
	if (e == ERR_OK)
		*out = TAKE(id);
	return e;
}

enum err
seal_identity_load(const char *path,
    enum err (*ask)(void *ctx, const char *path, struct secret **out),
    void *ctx, struct seal_identity **out)
{
	const struct opener o = { path, ask, ctx };
	CLEANUP_BUF struct buf bytes = { 0 };
	CLEANUP_JS json_t *file = NULL;
	enum err e = file_read(path, FILE_MAX, &bytes);

	if (e == ERR_OK)
		e = js_parse(bytes.p, bytes.len, 1, &file);
	if (e == ERR_OK)
		e = key_read(file, &o, out);
	if (e == ERR_NOTFOUND)
		return err_say(e,
		    "there is no key file '%s'; restore it from its copy",
		    path);
	if (e == ERR_FORMAT || e == ERR_TOOBIG)
		return err_say(ERR_FORMAT,
		    "'%s' is not a key file or is damaged; restore its copy",
		    path);
	return e;
}
