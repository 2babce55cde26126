/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/fresh.h"
#include "base/js.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/secret.h"
#include "base/text.h"

#define SMALL_SECRET 64

static char dir[] = "/tmp/base-test-XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* ---- err ---- */

static const struct {
	int code;
	const char *name;
} codes[] = {
#define ERR(code, name, errnum, http, exit, text) { code, #name },
#include "base/err.def"
#undef ERR
};

/* A code that was given out once must never change its meaning. */
START_TEST(err_table_is_golden)
{
	FILE *f = fopen(TEST_SRCDIR "/tests/unit/err_codes.golden", "r");
	char name[64];
	int code, http, status;
	size_t n = 0;

	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%d %63s %d %d", &code, name, &http, &status) == 4) {
		ck_assert_uint_lt(n, ARRAY_LEN(codes));
		ck_assert_int_eq(codes[n].code, code);
		ck_assert_str_eq(codes[n].name, name);
		ck_assert_int_eq(err_http((enum err)code), http);
		ck_assert_int_eq(err_exit((enum err)code), status);
		n++;
	}
	(void)fclose(f);
	ck_assert_uint_eq(n, ARRAY_LEN(codes));
}
END_TEST

START_TEST(err_detail_is_one_harmless_line)
{
	(void)err_say(ERR_IO, "'%s'", "a\nb\033[2J\177\302\233c\303\251");
	ck_assert_str_eq(err_detail(ERR_IO), "'a?b?[2J???c\303\251'");
}
END_TEST

START_TEST(err_detail_belongs_to_its_code)
{
	ck_assert_int_eq(err_say(ERR_IO, "cannot open '%s'", "x"), ERR_IO);
	ck_assert_str_eq(err_detail(ERR_IO), "cannot open 'x'");
	ck_assert_str_eq(err_detail(ERR_INVAL), "invalid argument");
	(void)err_say(ERR_IO, "again: %s", err_detail(ERR_IO));
	ck_assert_str_eq(err_detail(ERR_IO), "again: cannot open 'x'");
	ck_assert_int_eq(err_from_code(999), ERR_FORMAT);
	ck_assert_int_eq(err_from_code(21), ERR_DENIED);
}
END_TEST

/* ---- bytes ---- */

START_TEST(bytes_round_trip_and_stick)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct rd r;

	buf_u8(&b, 1);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0fULL);
	for (size_t i = 0; i < b.len; i++)
		ck_assert_uint_eq(b.p[i], i + 1);
	rd_init(&r, b.p, b.len);
	ck_assert_uint_eq(rd_u8(&r), 1);
	ck_assert_uint_eq(rd_u16(&r), 0x0203);
	ck_assert_uint_eq(rd_u32(&r), 0x04050607);
	ck_assert_int_eq(rd_end(&r), ERR_FORMAT); /* eight are left */
	ck_assert_uint_eq(rd_u64(&r), 0x08090a0b0c0d0e0fULL);
	ck_assert_int_eq(rd_end(&r), ERR_OK);
	ck_assert_uint_eq(rd_u32(&r), 0);
	ck_assert_int_eq(rd_end(&r), ERR_FORMAT);
}
END_TEST

/* ---- text ---- */

START_TEST(base58_known_values)
{
	static const struct {
		const char *hex, *text;
	} known[] = { { "", "" }, { "61", "2g" }, { "626262", "a3gV" },
		{ "00000000000000000000", "1111111111" },
		{ "0000287fb4cd", "11233QC4" }, { "516b6fcd0f", "ABnLTmg" } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		uint8_t in[32], out[32];
		size_t n = strlen(known[i].hex) / 2;
		struct text58 t;

		ck_assert_int_eq(text_hex_read(known[i].hex, in, n), ERR_OK);
		ck_assert_str_eq(text58(in, n, &t), known[i].text);
		ck_assert_int_eq(text58_read(t.s, out, n), ERR_OK);
		ck_assert_mem_eq(in, out, n);
		ck_assert_int_eq(text58_read(t.s, out, n + 1), ERR_FORMAT);
	}
}
END_TEST

START_TEST(base58_every_length)
{
	uint8_t in[TEXT58_MAX_BYTES], out[TEXT58_MAX_BYTES];
	struct text58 t;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(255 - i);
	for (size_t n = 0; n <= sizeof(in); n++) {
		(void)text58(in, n, &t);
		ck_assert_int_eq(text58_read(t.s, out, n), ERR_OK);
		ck_assert_mem_eq(in, out, n);
	}
	in[1] = 0; /* a zero after the first byte, and the longest text */
	ck_assert_int_eq(
	    text58_read(text58(in, sizeof(in), &t), out, sizeof(in)), ERR_OK);
	ck_assert_mem_eq(in, out, sizeof(in));
	memmove(t.s + 1, t.s, strlen(t.s) + 1); /* 58 times as large */
	ck_assert_int_eq(text58_read(t.s, out, sizeof(out)), ERR_FORMAT);
}
END_TEST

START_TEST(base58_refuses)
{
	uint8_t out[32];
	char longest[TEXT58_CHARS + 10];

	ck_assert_int_eq(text58_read("0OIl", out, 3), ERR_FORMAT);
	ck_assert_int_eq(text58_read("2g ", out, 1), ERR_FORMAT);
	memset(longest, 'z', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(text58_read(longest, out, 32), ERR_FORMAT);
}
END_TEST

START_TEST(base64_and_utf8)
{
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_BUF struct buf back = { 0 };

	text64("hello", 5, &b);
	ck_assert_str_eq(buf_text(&b), "aGVsbG8=");
	ck_assert_int_eq(text64_read("aGVsbG8=", 8, &back), ERR_OK);
	ck_assert_str_eq(buf_text(&back), "hello");
	ck_assert_int_eq(text64_read("aGVsbG8", 7, &back), ERR_FORMAT);
	ck_assert_int_eq(text64_read("aGVsb!8=", 8, &back), ERR_FORMAT);
	ck_assert_int_eq(text64_read("aGVs\xc3\xb6"
				     "8=",
			     8, &back),
	    ERR_FORMAT);
	ck_assert_uint_eq(back.len, 5);
	ck_assert(text_is_utf8("\xc3\xa9\xf0\x9f\x98\x80", 6));
	ck_assert(!text_is_utf8("\xc0\x80", 2));
	ck_assert(!text_is_utf8("\xed\xa0\x80", 3));
	ck_assert(!text_is_utf8("a\0b", 3));
	ck_assert(!text_is_utf8("\xf0\x9f\x98", 3));
}
END_TEST

/* ---- js ---- */

START_TEST(js_is_strict)
{
	static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "1",
		"{\"a\":\"\\u0000\"}", "{\"a\":1}x",
		"[[[[[[[[[[[[[1]]]]]]]]]]]]]", "{\"a\":\"\xff\"}" };
	CLEANUP_JS json_t *good = NULL;
	struct js r;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *j = NULL;

		ck_assert_int_eq(
		    js_parse(bad[i], strlen(bad[i]), JS_DEPTH, &j), ERR_FORMAT);
	}
	ck_assert_int_eq(
	    js_parse("{\"n\":5,\"s\":\"x\",\"z\":null}", 24, JS_DEPTH, &good),
	    ERR_OK);
	js_init(&r, good);
	ck_assert_int_eq(js_int(&r, "n", 0, 9), 5);
	ck_assert_str_eq(js_text(&r, "s", 1), "x");
	ck_assert(!js_has(&r, "z"));
	ck_assert_int_eq(js_int_opt(&r, "q", 0, 9, 7), 7);
	ck_assert_int_eq(r.err, ERR_OK);
	ck_assert_int_eq(js_int(&r, "n", 6, 9), 6);
	ck_assert_int_eq(r.err, ERR_FORMAT);
	ck_assert_str_eq(js_text(&r, "s", 1), "");
}
END_TEST

/* ---- file ---- */

START_TEST(file_write_replaces_create_refuses)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct stat st;

	ck_assert_int_eq(file_write(in_dir("f"), "one", 3, 0600), ERR_OK);
	ck_assert_int_eq(file_write(in_dir("f"), "two!", 4, 0600), ERR_OK);
	ck_assert_int_eq(file_create(in_dir("f"), "x", 1, 0600), ERR_EXISTS);
	ck_assert_int_eq(file_read(in_dir("f"), 3, &b), ERR_TOOBIG);
	buf_free(&b);
	ck_assert_int_eq(file_read(in_dir("f"), 4, &b), ERR_OK);
	ck_assert_str_eq(buf_text(&b), "two!");
	ck_assert_int_eq(stat(in_dir("f"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(file_read(in_dir("none"), 4, &b), ERR_NOTFOUND);
}
END_TEST

/* What a crash leaves is neither shown nor used, and does not pile up. */
START_TEST(file_write_after_a_crash)
{
	CLEANUP_BUF struct buf b = { 0 };
	char path[256], tmp[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s", in_dir("g"));
	(void)snprintf(tmp, sizeof(tmp), "%s", in_dir(".g.new"));
	ck_assert_int_eq(file_create(path, "one", 3, 0600), ERR_OK);
	ck_assert_int_ne(stat(tmp, &st), 0);
	/* between the link and the unlink of a create */
	ck_assert_int_eq(link(path, tmp), 0);
	ck_assert_int_eq(file_create(path, "two", 3, 0600), ERR_EXISTS);
	ck_assert_int_eq(file_read(path, 9, &b), ERR_OK);
	ck_assert_str_eq(buf_text(&b), "one");
	/* half written */
	ck_assert_int_eq(file_write(tmp, "longer than it", 14, 0644), ERR_OK);
	ck_assert_int_eq(file_write(path, "three", 5, 0600), ERR_OK);
	b.len = 0;
	ck_assert_int_eq(file_read(path, 9, &b), ERR_OK);
	ck_assert_str_eq(buf_text(&b), "three");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_ne(stat(tmp, &st), 0);
}
END_TEST

START_TEST(fresh_files_are_whole_or_made_again)
{
	static const char *const names[] = { "d", "d/one", "last" };
	char at[256];

	(void)snprintf(at, sizeof(at), "%s", in_dir("fresh"));
	ck_assert_int_eq(file_mkdirs(in_dir("fresh/d")), ERR_OK);
	ck_assert_int_eq(fresh_begin(at, names, 3), ERR_EXISTS);
	ck_assert_int_eq(rmdir(in_dir("fresh/d")), 0);
	/* it ended before the last one */
	ck_assert_int_eq(fresh_begin(at, names, 3), ERR_OK);
	ck_assert_int_eq(file_mkdirs(in_dir("fresh/d")), ERR_OK);
	ck_assert_int_eq(
	    file_create(in_dir("fresh/d/one"), "x", 1, 0600), ERR_OK);
	ck_assert_int_eq(fresh_begin(at, names, 3), ERR_OK);
	ck_assert_int_ne(access(in_dir("fresh/d"), F_OK), 0);
	/* it ended after it: whole */
	ck_assert_int_eq(
	    file_create(in_dir("fresh/last"), "x", 1, 0600), ERR_OK);
	ck_assert_int_eq(fresh_begin(at, names, 3), ERR_EXISTS);
	ck_assert_int_eq(access(in_dir("fresh/last"), F_OK), 0);
	ck_assert_int_eq(fresh_end(at), ERR_OK);
	ck_assert_int_eq(fresh_begin(at, names, 3), ERR_EXISTS);
}
END_TEST

START_TEST(file_lock_is_exclusive)
{
	int fd = -1, other = -1;

	ck_assert_int_eq(file_lock(in_dir("lock"), &fd), ERR_OK);
	ck_assert_int_eq(file_lock(in_dir("lock"), &other), ERR_BUSY);
	(void)close(fd);
	ck_assert_int_eq(file_lock(in_dir("lock"), &other), ERR_OK);
	(void)close(other);
}
END_TEST

/* ---- clock ---- */

START_TEST(clock_texts)
{
	char t[CLOCK_TEXT];
	int64_t ms;

	ck_assert_str_eq(clock_text(1700000000123, t), "2023-11-14T22:13:20Z");
	ck_assert_int_eq(clock_read("2023-11-14T22:13:20Z", &ms), ERR_OK);
	ck_assert_int_eq(ms, 1700000000000);
	ck_assert_int_eq(clock_read("2023-11-14", &ms), ERR_OK);
	ck_assert_int_eq(ms, 1699920000000);
	ck_assert_int_eq(clock_read("2h", &ms), ERR_OK);
	ck_assert_int_ge(ms, clock_wall_ms() + 7190000);
	ck_assert_int_eq(clock_read("tomorrow", &ms), ERR_INVAL);
	ck_assert_int_eq(clock_read("5", &ms), ERR_INVAL);
}
END_TEST

/* ---- conf ---- */

struct values {
	char *name;
	int64_t size, time;
	bool flag;
};

static const struct conf_item items[] = {
	{ "a", "name", CONF_TEXT, offsetof(struct values, name), "x", 0, 0,
	    "a name" },
	{ "a", "size", CONF_SIZE, offsetof(struct values, size), "1K", 0,
	    1 << 20, "a size" },
	{ "b", "time", CONF_TIME, offsetof(struct values, time), "5s", 0,
	    100000, "a time" },
	{ "b", "flag", CONF_BOOL, offsetof(struct values, flag), "no", 0, 0,
	    "a flag" },
};

static enum err
read_conf(const char *text, struct values *v)
{
	memset(v, 0, sizeof(*v));
	ck_assert_int_eq(
	    file_write(in_dir("c"), text, strlen(text), 0600), ERR_OK);
	ck_assert_int_eq(conf_defaults(items, ARRAY_LEN(items), v), ERR_OK);
	return conf_read(in_dir("c"), items, ARRAY_LEN(items), NULL, NULL, v);
}

START_TEST(conf_reads_and_names_the_line)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "[a]\nname = y\nsise = 3\n", ":3: unknown key 'sise'" },
		{ "[a]\nsize = 3Q\n", ":2: '3Q' is no value for size" },
		{ "[b]\ntime = 200s\n", ":2: '200s'" },
		{ "[b]\nflag = maybe\n", ":2: 'maybe'" },
		{ "[a]\n\nnonsense\n", ":3:" },
		{ "[a]\nname = y\n[b]\n[a]\nname = y\n",
		    ":5: 'name' is given twice in [a]" },
	};
	struct values v;

	ck_assert_int_eq(read_conf("[a]\nname = y\nsize=2K\n[b]\ntime = "
				   "20ms\nflag = yes\n",
			     &v),
	    ERR_OK);
	ck_assert_str_eq(v.name, "y");
	ck_assert_int_eq(v.size, 2048);
	ck_assert_int_eq(v.time, 20);
	ck_assert(v.flag);
	conf_free(items, ARRAY_LEN(items), &v);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(read_conf(bad[i].text, &v), ERR_CONFIG);
		ck_assert_msg(strstr(err_detail(ERR_CONFIG), bad[i].says),
		    "'%s' lacks '%s'", err_detail(ERR_CONFIG), bad[i].says);
		conf_free(items, ARRAY_LEN(items), &v);
	}
}
END_TEST

/* ---- opt ---- */

static struct opt_values values[3], rest;

/* Parse the words of ${line}. */
static enum err
parse(const char *line)
{
	static const struct opt opts[] = { { "one", "X", "", false },
		{ "many", "X", "", true }, { "flag", NULL, "", false } };
	static char words[256];
	char *argv[16], *save = NULL;
	int n = 0;

	(void)snprintf(words, sizeof(words), "p %s", line);
	for (char *w = strtok_r(words, " ", &save); w;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	return opt_parse(opts, 3, n, argv, values, &rest);
}

START_TEST(opt_tables)
{
	ck_assert_int_eq(
	    parse("--one=1 --many a x --many=b --flag -- --y"), ERR_OK);
	ck_assert_str_eq(values[0].v[0], "1");
	ck_assert_uint_eq(values[1].n, 2);
	ck_assert_str_eq(values[1].v[1], "b");
	ck_assert_uint_eq(values[2].n, 1);
	ck_assert_uint_eq(rest.n, 2);
	ck_assert_str_eq(rest.v[1], "--y");
	ck_assert_int_eq(parse("--one=1 --one=2"), ERR_INVAL);
	ck_assert_int_eq(parse("--on=1"), ERR_INVAL);
	ck_assert_int_eq(parse("--one"), ERR_INVAL);
	ck_assert_int_eq(parse("--flag=1"), ERR_INVAL);
}
END_TEST

/* ---- log, secret ---- */

static char last_line[256];

static void
keep_line(enum log_level level, const char *line)
{
	(void)level;
	(void)snprintf(last_line, sizeof(last_line), "%s", line);
}

START_TEST(log_cannot_be_forged)
{
	log_set_sink(keep_line);
	log_error("x %s", "a\nconsentfs: error: forged\x1b[0m");
	log_set_sink(NULL);
	ck_assert_str_eq(last_line, "x a?consentfs: error: forged?[0m");
}
END_TEST

START_TEST(secrets_hold_and_wipe)
{
	struct secret *s = NULL;
	uint8_t *seen;
	struct secret_wipe w;
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	ck_assert_int_eq(secret_copy("abcd", 4, &s), ERR_OK);
	ck_assert_uint_eq(secret_len(s), 4);
	seen = secret_bytes(s);
	ck_assert_mem_eq(seen, "abcd", 4);
	secret_free(s);
	w = (struct secret_wipe){ bytes, sizeof(bytes) };
	secret_wipe_run(&w);
	ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
}
END_TEST

/* Keys share pages: many of them fit into what a user may lock. */
START_TEST(small_secrets_share_pages)
{
	static struct secret *s[5000];
	struct secret *again = NULL;
	const uint8_t *before;
	uint32_t n;

	for (n = 0; n < ARRAY_LEN(s); n++)
		ck_assert_int_eq(secret_copy(&n, sizeof(n), &s[n]), ERR_OK);
	before = secret_view(s[7]);
	secret_free(s[7]);
	ck_assert_mem_eq(before, "\0\0\0\0", 4); /* the page is in use */
	ck_assert_int_eq(secret_new(SMALL_SECRET, &again), ERR_OK);
	memset(secret_bytes(again), 255, SMALL_SECRET);
	for (n = 0; n < ARRAY_LEN(s); n++) {
		if (n == 7)
			continue;
		ck_assert_mem_eq(secret_view(s[n]), &n, sizeof(n));
		secret_free(s[n]);
	}
	secret_free(again);
	ck_assert_int_eq(secret_new(SMALL_SECRET + 1, &again), ERR_OK);
	secret_free(again);
}
END_TEST

static int
without_locked_memory(size_t len)
{
	const struct rlimit none = { 0, 0 };
	struct secret *s = NULL;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 ||
		    (geteuid() == 0 && setuid(65534) != 0))
			_exit(200);
		_exit((int)secret_new(len, &s));
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

START_TEST(no_secret_in_memory_that_is_not_locked)
{
	int small = without_locked_memory(32);
	int large = without_locked_memory(5000);

#ifdef WITH_SANITIZER /* in which mlock() does nothing */
	return;
#endif
	ck_assert(WIFEXITED(small) && WIFEXITED(large));
	ck_assert_int_eq(WEXITSTATUS(small), ERR_NOMEM);
	ck_assert_int_eq(WEXITSTATUS(large), ERR_NOMEM);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = { err_table_is_golden,
		err_detail_belongs_to_its_code, err_detail_is_one_harmless_line,
		bytes_round_trip_and_stick, base58_known_values,
		base58_every_length, base58_refuses, base64_and_utf8,
		js_is_strict, file_write_replaces_create_refuses,
		file_write_after_a_crash, fresh_files_are_whole_or_made_again,
		file_lock_is_exclusive, clock_texts,
		conf_reads_and_names_the_line, opt_tables, log_cannot_be_forged,
		secrets_hold_and_wipe, small_secrets_share_pages,
		no_secret_in_memory_that_is_not_locked };
	Suite *s = suite_create("base");
	SRunner *r = srunner_create(s);
	char remove[300];
	int failed;

	if (secret_init() != ERR_OK || mkdtemp(dir) == NULL)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		TCase *t = tcase_create(all[i]->name);

		tcase_add_test(t, all[i]);
		suite_add_tcase(s, t);
	}
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	(void)snprintf(remove, sizeof(remove), "rm -rf '%s'", dir);
	return system(remove) != 0 || failed != 0;
}
