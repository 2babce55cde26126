/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A target without libFuzzer: runs the files named, else the empty input, the
 * target's own seeds and every file of its corpus.
 */
#include "fuzz.h"

#include <dirent.h>

#include "base/file.h"

#define INPUT_MAX (1 << 20)

static unsigned runs;

static void
run(void *ctx, const void *p, size_t n)
{
	uint8_t *exact = malloc(
	    n ? n : 1); /* so that a sanitizer sees its end */

	(void)ctx;
	MUST(exact != NULL);
	if (n > 0)
		memcpy(exact, p, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	runs++;
}

static void
run_file(const char *path)
{
	CLEANUP_BUF struct buf b = { 0 };

	MUST(file_read(path, INPUT_MAX, &b) == ERR_OK);
	run(NULL, b.p, b.len);
}

static void
run_corpus(const char *name)
{
	const char *root = TEST_SRCDIR "/tests/fuzz/corpus";
	struct dirent **found = NULL;
	char path[4096];
	int n;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	n = scandir(path, &found, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s", root, name,
		    found[i]->d_name);
		if (found[i]->d_name[0] != '.')
			run_file(path);
		free(found[i]);
	}
	free(found);
}

int
main(int argc, char **argv)
{
	(void)LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1) {
		run(NULL, "", 0);
		fuzz_seeds(&(struct fuzz_taker){ run, NULL });
		run_corpus(program_invocation_short_name);
	}
	(void)printf("%u inputs\n", runs);
	return 0;
}
