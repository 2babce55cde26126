/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fresh.h"
#include "base/text.h"

#define MAX_FILE 65536

/* With identity.key a home is whole. */
static const char *const made[] = { "consent.conf", "reading.key",
	"accreditation.json", "identity.key" };

static enum err
save_key(const struct home_create_opts *o, const char *name,
    const struct seal_identity *id)
{
	CLEANUP(free) char *path = file_join(o->dir, name);

	return path ? seal_identity_save(id, path, o->passphrase) : ERR_NOMEM;
}

static enum err
copy_file(const char *from_dir, const char *to_dir, const char *name)
{
	CLEANUP(free) char *from = file_join(from_dir, name);
	CLEANUP(free) char *to = file_join(to_dir, name);
	CLEANUP_BUF struct buf data = { 0 };
	enum err e;

	if (from == NULL || to == NULL)
		return ERR_NOMEM;
	e = file_read(from, MAX_FILE, &data);
	return e == ERR_OK ? file_create(to, data.p, data.len, 0600) : e;
}

/* The accreditation request of another host of the same institution. */
struct joined {
	struct institution_id institution;
	struct pubkey reading;
	char name[256];
};

static enum err
read_joined(const char *dir, struct joined *out)
{
	CLEANUP(free) char *path = file_join(dir, "accreditation.json");
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = NULL;
	struct js r;
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	e = file_read(path, MAX_FILE, &text);
	if (e == ERR_OK)
		e = js_parse(text.p, text.len, JS_DEPTH, &j);
	if (e != ERR_OK)
		return e;
	js_init(&r, j);
	JS_58(&r, "institution", &out->institution);
	JS_58(&r, "readingKey", &out->reading);
	(void)snprintf(
	    out->name, sizeof(out->name), "%s", js_text(&r, "name", 255));
	return r.err;
}

static enum err
write_request(const struct home_create_opts *o, const struct joined *inst,
    const struct pubkey *host)
{
	CLEANUP(free) char *path = file_join(o->dir, "accreditation.json");
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *j = json_pack("{s:s,s:i,s:o,s:s,s:o,s:o,s:s}",
	    "consentfs", "accreditation", "version", 1, "institution",
	    JS_58_NEW(&inst->institution), "name", inst->name, "readingKey",
	    JS_58_NEW(&inst->reading), "host", JS_58_NEW(host), "hostName",
	    o->host_name);

	if (j == NULL || path == NULL)
		return ERR_NOMEM;
	js_print(j, &text);
	buf_str(&text, "\n");
	return text.err ? text.err : file_create(path, text.p, text.len, 0644);
}

/* A new institution, or the reading key and id of the host to join. */
static enum err
make_institution(const struct home_create_opts *o, const struct pubkey *host,
    struct joined *inst)
{
	CLEANUP(seal_identity_free) struct seal_identity *reading = NULL;
	enum err e;

	if (o->join) {
		e = read_joined(o->join, inst);
		if (e == ERR_OK)
			e = copy_file(o->join, o->dir, "reading.key");
	} else {
		seal_random(inst->institution.b, sizeof(inst->institution.b));
		(void)snprintf(
		    inst->name, sizeof(inst->name), "%s", o->institution_name);
		e = seal_identity_new(&reading);
		if (e == ERR_OK)
			e = save_key(o, "reading.key", reading);
		if (e == ERR_OK)
			inst->reading = *seal_identity_key(reading);
	}
	return e == ERR_OK ? write_request(o, inst, host) : e;
}

static enum err
write_conf(const struct home_create_opts *o, const struct joined *inst)
{
	CLEANUP(free) char *path = file_join(o->dir, "consent.conf");
	CLEANUP_BUF struct buf text = { 0 };
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	e = file_read(o->roots, MAX_FILE, &text);
	if (e != ERR_OK)
		return e;
	if (inst)
		buf_fmt(&text, "[identity]\ninstitution = %s\nhost_name = %s\n",
		    TEXT58(&inst->institution), o->host_name);
	return text.err ? text.err : file_create(path, text.p, text.len, 0600);
}

static enum err
make_all(const struct home_create_opts *o)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	bool institution = o->institution_name || o->join;
	struct joined inst = { 0 };
	enum err e = o->seed ? seal_identity_from_seed(o->seed, &id) :
			       seal_identity_new(&id);

	if (e == ERR_OK && institution)
		e = make_institution(o, seal_identity_key(id), &inst);
	if (e == ERR_OK)
		e = write_conf(o, institution ? &inst : NULL);
	return e == ERR_OK ? save_key(o, "identity.key", id) : e;
}

enum err
home_create(const struct home_create_opts *o)
{
	enum err e = file_mkdirs(o->dir);

	if (e == ERR_OK && access(o->roots, R_OK) != 0)
		e = err_say(ERR_NOTFOUND,
		    "cannot read the trust roots '%s': take client.conf from "
		    "the operator",
		    o->roots);
	if (e == ERR_OK)
		e = fresh_begin(o->dir, made, ARRAY_LEN(made));
	if (e == ERR_OK)
		e = make_all(o);
	return e == ERR_OK ? fresh_end(o->dir) : e;
}
