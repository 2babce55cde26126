/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal_test.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

static char dir[256], path[300];

static void
make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(
	    dir, sizeof(dir), "%s/seal_test.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/key.json", dir);
}

static void
remove_dir(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Answers with the passphrase that ${ctx} is. */
static enum err
answer(void *ctx, const char *asked_for, struct secret **out)
{
	ck_assert_str_eq(asked_for, path);
	return secret_copy(ctx, strlen(ctx), out);
}

static enum err
give_up(void *ctx, const char *asked_for, struct secret **out)
{
	(void)ctx;
	(void)asked_for;
	(void)out;
	return ERR_INTERRUPTED;
}

static void
write_text(const char *text)
{
	OK(file_write(path, text, strlen(text), 0600));
}

START_TEST(clear)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *id = NULL, *back = NULL;
	struct stat st;

	OK(seal_identity_new(&id));
	IS(seal_identity_load(path, NULL, NULL, &back), NOTFOUND);
	OK(seal_identity_save(id, path, NULL));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	OK(seal_identity_load(path, NULL, NULL, &back));
	SAME(seal_identity_private(back), seal_identity_private(id), 32);
	IS(seal_identity_save(id, path, NULL), EXISTS);
}
END_TEST

START_TEST(protected)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *id = NULL, *back = NULL;
	CLEANUP(secret_free) struct secret *phrase = NULL, *empty = NULL;
	CLEANUP_BUF struct buf text = { 0 }, private = { 0 };
	char right[] = "correct horse", wrong[] = "correct horsf";

	OK(seal_identity_new(&id));
	OK(secret_copy(right, strlen(right), &phrase));
	OK(secret_new(0, &empty));
	IS(seal_identity_save(id, path, empty), INVAL);
	OK(seal_identity_save(id, path, phrase));
	OK(file_read(path, 4096, &text));
	text64(seal_identity_private(id), 32, &private);
	ck_assert(strstr(buf_text(&text), buf_text(&private)) == NULL);
	IS(seal_identity_load(path, NULL, NULL, &back), NOKEY);
	IS(seal_identity_load(path, give_up, NULL, &back), INTERRUPTED);
	IS(seal_identity_load(path, answer, wrong, &back), NOKEY);
	ck_assert(back == NULL);
	OK(seal_identity_load(path, answer, right, &back));
	SAME(seal_identity_private(back), seal_identity_private(id), 32);
}
END_TEST

/* Another account's key put in place of the protected one. */
START_TEST(swapped_public_key)
{
	CLEANUP(seal_identity_free)
	struct seal_identity *id = identity_of(1), *other = identity_of(2),
			     *back = NULL;
	CLEANUP_BUF struct buf text = { 0 };
	char *at;

	OK(seal_identity_save(id, path, NULL));
	OK(file_read(path, 4096, &text));
	at = strstr(
	    (char *)(uintptr_t)buf_text(&text), TEXT58(seal_identity_key(id)));
	ck_assert(at != NULL);
	ck_assert_uint_eq(strlen(TEXT58(seal_identity_key(id))),
	    strlen(TEXT58(seal_identity_key(other))));
	memcpy(at, TEXT58(seal_identity_key(other)),
	    strlen(TEXT58(seal_identity_key(other))));
	write_text(buf_text(&text));
	IS(seal_identity_load(path, NULL, NULL, &back), FORMAT);
}
END_TEST

#define KEY58 "WpSggvhoqoVW4XJvfjsB52dvVunYSQWrz6XiuMQVsCf"
#define KEY64 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define HEAD(version)                                                          \
	"{\"consentfs\":\"key\",\"version\":" #version                         \
	",\"publicKey\":\"" KEY58 "\","
#define SALT64 "AAAAAAAAAAAAAAAAAAAAAA=="
#define A24    "AAAAAAAAAAAAAAAAAAAAAAAA"
/* 72 bytes as if sealed */
#define PROTECTED(ops, memory, salt)                                           \
	HEAD(1)                                                                \
	"\"kdf\":\"argon2id\",\"opslimit\":" ops ",\"memlimit\":" memory       \
	",\"salt\":\"" salt "\",\"private\":\"" A24 A24 A24 A24 "\"}"

START_TEST(hostile)
{
	static const struct {
		const char *text;
		enum err want;
	} files[] = {
		{ HEAD(1) "\"kdf\":\"none\",\"private\":\"" KEY64 "\"}",
		    ERR_OK },
		{ HEAD(2) "\"kdf\":\"none\",\"private\":\"" KEY64 "\"}",
		    ERR_UNSUPPORTED },
		{ HEAD(0) "\"kdf\":\"none\",\"private\":\"" KEY64 "\"}",
		    ERR_FORMAT },
		{ HEAD(1) "\"kdf\":\"scrypt\",\"private\":\"" KEY64 "\"}",
		    ERR_UNSUPPORTED },
		{ HEAD(1) "\"kdf\":\"none\",\"private\":\"AQID\"}",
		    ERR_FORMAT },
		{ HEAD(1) "\"kdf\":\"none\",\"private\":\"****\"}",
		    ERR_FORMAT },
		{ HEAD(1) "\"kdf\":\"none\"}", ERR_FORMAT },
		{ HEAD(1) "\"kdf\":\"argon2id\",\"private\":\"" KEY64 "\"}",
		    ERR_FORMAT },
		/* well formed, and not sealed by any passphrase */
		{ PROTECTED("1", "8192", SALT64), ERR_NOKEY },
		/* limits that would take all memory, or for ever */
		{ PROTECTED("1", "1099511627776", SALT64), ERR_FORMAT },
		{ PROTECTED("4000000000", "8192", SALT64), ERR_FORMAT },
		{ PROTECTED("0", "8192", SALT64), ERR_FORMAT },
		{ PROTECTED("1", "-8192", SALT64), ERR_FORMAT },
		{ PROTECTED("1", "8192", "AAAA"), ERR_FORMAT },
		{ "{\"version\":1}", ERR_FORMAT },
		{ "[]", ERR_FORMAT },
		{ "", ERR_FORMAT },
		{ "not JSON", ERR_FORMAT },
		{ "{\"a\":{\"b\":{\"c\":1}}}", ERR_FORMAT },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
		enum err e;

		write_text(files[i].text);
		e = seal_identity_load(path, answer, dir, &id);
		ck_assert_msg(
		    e == files[i].want, "%s: %s", files[i].text, err_name(e));
	}
}
END_TEST

START_TEST(oversized)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct seal_identity *id = NULL;

	buf_str(&text, HEAD(1) "\"kdf\":\"none\",\"private\":\"" KEY64 "\"}");
	while (text.len <= 4096)
		buf_str(&text, "                ");
	write_text(buf_text(&text));
	IS(seal_identity_load(path, NULL, NULL, &id), FORMAT);
}
END_TEST

TCase *
tcase_keyfile(void)
{
	TCase *t = tcase_create("keyfile");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_test(t, clear);
	tcase_add_test(t, protected);
	tcase_add_test(t, swapped_public_key);
	tcase_add_test(t, hostile);
	tcase_add_test(t, oversized);
	return t;
}
