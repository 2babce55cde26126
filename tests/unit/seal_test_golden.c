/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Samples that were sealed once, when the format was settled: every later
 * version of the program must open them and compute the same ids.
 */
#include "seal_test.h"

#include <stdio.h>

#include "base/file.h"

static json_t *all;
static struct chain chain;
static struct seal_place place;
static struct event_id set;

static void
load(void)
{
	const json_t *event;

	all = vectors("seal_v1.json");
	event = json_object_get(all, "event");
	hex_read(
	    json_object_get(all, "chain"), "chain", chain.b, sizeof(chain.b));
	hex_read(event, "sender", place.sender.b, 32);
	hex_read(event, "entryKey", place.entry.b, 16);
	hex_read(event, "eventId", set.b, sizeof(set.b));
	place.chain = &chain;
}

static void
unload(void)
{
	json_decref(all);
}

static struct buf
base64_of(const json_t *j, const char *name)
{
	struct buf b = { 0 };
	const char *s = text_of(j, name);

	OK(text64_read(s, strlen(s), &b));
	return b;
}

static struct secret *
key_of(const char *name)
{
	struct secret *key = NULL;
	uint8_t bytes[SEAL_KEY];

	hex_read(json_object_get(all, "keys"), name, bytes, sizeof(bytes));
	OK(secret_copy(bytes, sizeof(bytes), &key));
	return key;
}

static struct seal_identity *
account(const char *name)
{
	const json_t *v = json_object_get(
	    json_object_get(all, "identities"), name);
	struct seal_identity *id = NULL;
	uint8_t bytes[32];

	hex_read(v, "private", bytes, sizeof(bytes));
	OK(seal_identity_from_private(bytes, &id));
	hex_read(v, "public", bytes, sizeof(bytes));
	SAME(seal_identity_key(id)->b, bytes, 32);
	return id;
}

static void
same_hex(const json_t *j, const char *name, const uint8_t *got, size_t n)
{
	CLEANUP_BUF struct buf want = hex_of(j, name);

	ck_assert_uint_eq(want.len, n);
	SAME(got, want.p, n);
}

START_TEST(ids)
{
	const json_t *c = json_object_get(all, "chain");
	CLEANUP_BUF struct buf block = hex_of(c, "blockId");
	CLEANUP(seal_identity_free)
	struct seal_identity *id = account("patientRms");
	struct chain made;
	struct event_id event;
	uint8_t handle[16];

	seal_chain_make(
	    (uint8_t)text_of(c, "chainByte")[0], block.p, block.len, &made);
	ck_assert(ID_EQ(&made, &chain));
	seal_event_id(&chain, &place.sender, &place.entry, &event);
	ck_assert(ID_EQ(&event, &set));
	seal_handle(seal_identity_key(id), handle);
	same_hex(
	    json_object_get(json_object_get(all, "identities"), "patientRms"),
	    "handle", handle, sizeof(handle));
}
END_TEST

START_TEST(keys)
{
	const json_t *v = json_object_get(all, "keys");
	CLEANUP(secret_free) struct secret *content = key_of("contentKey");
	CLEANUP(secret_free) struct secret *set_key = key_of("setKey");
	CLEANUP(secret_free) struct secret *manifest = NULL;
	uint8_t h[32];

	OK(seal_manifest_key(content, &set, &manifest));
	same_hex(v, "manifestKey", secret_view(manifest), SEAL_KEY);
	seal_set_commitment(set_key, &set, h);
	same_hex(v, "setKeyCommitment", h, sizeof(h));
	seal_end_mark(content, h);
	same_hex(v, "endMark", h, sizeof(h));
}
END_TEST

static void
check_document(const json_t *v, struct blob_id *out_id)
{
	CLEANUP(secret_free)
	struct secret *key = key_of(text_of(v, "parentKey"));
	CLEANUP_BUF struct buf sealed = base64_of(v, "sealedBase64");
	CLEANUP_BUF struct buf out = { 0 }, want = { 0 };
	size_t size = (size_t)json_integer_value(json_object_get(v, "size"));

	if (json_object_get(v, "text"))
		buf_str(&want, text_of(v, "text"));
	else
		fill(buf_room(&want, size), size,
		    (unsigned)json_integer_value(json_object_get(v, "seed")));
	OK(seal_doc_open_whole(key, &set,
	    (uint32_t)json_integer_value(json_object_get(v, "number")),
	    sealed.p, sealed.len, &out));
	ck_assert_uint_eq(out.len, size);
	if (size > 0)
		SAME(out.p, want.p, size);
	OK(seal_blob_id_of(sealed.p, sealed.len, out_id));
	same_hex(v, "blobId", out_id->b, sizeof(out_id->b));
}

START_TEST(documents)
{
	const json_t *list = json_object_get(all, "documents");
	struct blob_id blobs[5];
	uint8_t root[32];
	size_t i;
	json_t *v;

	ck_assert_uint_eq(json_array_size(list), ARRAY_LEN(blobs));
	json_array_foreach(list, i, v) check_document(v, &blobs[i]);
	seal_root(blobs, ARRAY_LEN(blobs), root);
	same_hex(all, "root", root, sizeof(root));
}
END_TEST

START_TEST(blobs)
{
	size_t i;
	json_t *v;

	ck_assert(json_array_size(json_object_get(all, "blobs")) > 0);
	json_array_foreach(json_object_get(all, "blobs"), i, v)
	{
		CLEANUP_BUF struct buf b = { 0 };
		size_t n = (size_t)json_integer_value(
		    json_object_get(v, "size"));
		struct blob_id id;

		fill(buf_room(&b, n), n,
		    (unsigned)json_integer_value(json_object_get(v, "seed")));
		OK(seal_blob_id_of(b.p, b.len, &id));
		same_hex(v, "blobId", id.b, sizeof(id.b));
	}
}
END_TEST

static enum err
find(void *ctx, const uint8_t handle[16], const struct seal_identity **out)
{
	(void)handle;
	*out = ctx;
	return ERR_OK;
}

static bool
is_reader(const json_t *v, const char *name)
{
	size_t i;
	json_t *r;

	json_array_foreach(json_object_get(v, "readers"), i,
	    r) if (strcmp(json_string_value(r), name) == 0) return true;
	return false;
}

/* Open as the reader of ${slot}, and hold the payload against the sample. */
static void
check_envelope(const json_t *v, int slot, const char *name)
{
	CLEANUP_BUF struct buf env = base64_of(v, "sealedBase64"), out = { 0 };
	CLEANUP(seal_identity_free) struct seal_identity *id = account(name);
	CLEANUP(seal_identity_free)
	struct seal_identity *prms = account("patientRms");
	CLEANUP(secret_free) struct secret *key = NULL;
	uint8_t handle[16];
	enum err e = slot ?
	    seal_envelope_key(env.p, env.len, slot, id, &key) :
	    seal_envelope_key_rms(env.p, env.len, id, find, prms, &key, handle);

	if (!is_reader(v, name)) {
		IS(e, NOKEY);
		return;
	}
	OK(e);
	OK(seal_envelope_open(env.p, env.len, &place, key, &out));
	ck_assert_str_eq(buf_text(&out), text_of(v, "payload"));
	same_hex(v, "public", seal_envelope_public(env.p, env.len), 32);
}

START_TEST(envelopes)
{
	static const char *const names[] = { "rms", "patient", "institution",
		"representative" };
	size_t i;
	json_t *v;

	ck_assert_uint_eq(
	    json_array_size(json_object_get(all, "envelopes")), 2);
	json_array_foreach(json_object_get(all, "envelopes"), i,
	    v) for (int slot = 0; slot <= 3; slot++)
	    check_envelope(v, slot, names[slot]);
}
END_TEST

START_TEST(key_record)
{
	CLEANUP_BUF struct buf b = base64_of(all, "keyRecordBase64");
	CLEANUP(seal_identity_free)
	struct seal_identity *patient = account("patient");
	CLEANUP(seal_identity_free)
	struct seal_identity *prms = account("patientRms");
	CLEANUP(secret_free) struct secret *key = key_of("setKey");
	uint8_t out[SEAL_KEY];

	ck_assert_uint_eq(b.len, 2 + 2 * SEAL_BOX_KEY);
	ck_assert_uint_eq(b.p[0], 1);
	ck_assert_uint_eq(b.p[1], 1);
	OK(seal_box_open(patient, b.p + 2, SEAL_BOX_KEY, out));
	SAME(out, secret_view(key), SEAL_KEY);
	OK(seal_box_open(prms, b.p + 2 + SEAL_BOX_KEY, SEAL_BOX_KEY, out));
	SAME(out, secret_view(key), SEAL_KEY);
}
END_TEST

START_TEST(statements)
{
	CLEANUP_BUF struct buf msg = { 0 };
	const json_t *list = json_object_get(all, "statements");
	size_t i;
	json_t *v;

	buf_str(&msg, text_of(all, "statementMessage"));
	ck_assert_uint_eq(json_array_size(list), SEAL_BLOCK + 1);
	json_array_foreach(list, i, v)
	{
		struct sig sig;

		hex_read(v, "signature", sig.b, sizeof(sig.b));
		OK(seal_verify(&place.sender, (enum seal_use)i,
		    i == SEAL_BLOCK ? NULL : &chain, &msg, &sig));
	}
}
END_TEST

START_TEST(at_rest)
{
	const json_t *v = json_object_get(all, "rest");
	CLEANUP(seal_identity_free)
	struct seal_identity *id = account("sender");
	CLEANUP_BUF struct buf sealed = hex_of(v, "sealed"), out = { 0 };
	CLEANUP(secret_free) struct secret *key = NULL;
	const char *at = text_of(v, "place");

	OK(seal_rest_key(id, text_of(v, "purpose"), &key));
	same_hex(v, "key", secret_view(key), SEAL_KEY);
	OK(seal_rest_open(key, (struct seal_part){ at, strlen(at) },
	    (struct seal_part){ sealed.p, sealed.len }, &out));
	ck_assert_str_eq(buf_text(&out), text_of(v, "text"));
}
END_TEST

static enum err
answer(void *ctx, const char *path, struct secret **out)
{
	(void)path;
	return secret_copy(ctx, strlen(ctx), out);
}

START_TEST(key_files)
{
	static const char *const names[] = { "clear", "protected" };
	const json_t *v = json_object_get(all, "keyFiles");
	const char *tmp = getenv("TMPDIR");
	char dir[256], path[300], phrase[64];

	(void)snprintf(
	    dir, sizeof(dir), "%s/seal_test.XXXXXX", tmp ? tmp : "/tmp");
	(void)snprintf(phrase, sizeof(phrase), "%s", text_of(v, "passphrase"));
	ck_assert(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/key", dir);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
		const char *text = text_of(v, names[i]);

		OK(file_write(path, text, strlen(text), 0600));
		OK(seal_identity_load(path, answer, phrase, &id));
		ck_assert(ID_EQ(seal_identity_key(id), &place.sender));
	}
	(void)unlink(path);
	(void)rmdir(dir);
}
END_TEST

TCase *
tcase_golden(void)
{
	TCase *t = tcase_create("golden");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, load, unload);
	tcase_add_test(t, ids);
	tcase_add_test(t, keys);
	tcase_add_test(t, documents);
	tcase_add_test(t, blobs);
	tcase_add_test(t, envelopes);
	tcase_add_test(t, key_record);
	tcase_add_test(t, statements);
	tcase_add_test(t, at_rest);
	tcase_add_test(t, key_files);
	return t;
}
