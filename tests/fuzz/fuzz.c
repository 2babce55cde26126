/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static char folder[64];

void
fuzz_seed(const struct fuzz_taker *to, const void *p, size_t n)
{
	to->take(to->ctx, p, n);
}

void
fuzz_seed_text(const struct fuzz_taker *to, const char *s)
{
	fuzz_seed(to, s, strlen(s));
}

const struct seal_identity *
fuzz_identity(uint8_t which)
{
	static struct seal_identity *all[256];
	uint8_t private[32];

	memset(private, which, sizeof(private));
	if (all[which] == NULL)
		MUST(
		    seal_identity_from_private(private, &all[which]) == ERR_OK);
	return all[which];
}

const struct pubkey *
fuzz_pubkey(uint8_t which)
{
	return seal_identity_key(fuzz_identity(which));
}

const struct secret *
fuzz_secret(uint8_t which)
{
	static struct secret *all[256];
	uint8_t bytes[SEAL_KEY];

	memset(bytes, which, sizeof(bytes));
	if (all[which] == NULL)
		MUST(secret_copy(bytes, sizeof(bytes), &all[which]) == ERR_OK);
	return all[which];
}

char *
fuzz_text(const uint8_t *p, size_t n)
{
	char *s = malloc(n + 1);

	MUST(s != NULL);
	if (n > 0)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

const char *
fuzz_file(const void *p, size_t n)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(ftruncate(fd, 0) == 0);
	MUST(pwrite(fd, p, n, 0) == (ssize_t)n);
	return path;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static void
remove_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
fuzz_dir(void)
{
	if (folder[0])
		return folder;
	(void)snprintf(folder, sizeof(folder), "%s/consentfs-fuzz.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(folder) != NULL);
	(void)atexit(remove_folder);
	return folder;
}

bool
fuzz_sig_is_good(const struct sig *sig)
{
	static const uint8_t zeros[FUZZ_SIG_ZEROS];

	return memcmp(sig->b, zeros, sizeof(zeros)) == 0;
}

struct writing {
	const char *dir;
	unsigned n;
};

static void
write_seed(void *ctx, const void *p, size_t n)
{
	struct writing *w = ctx;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/seed-%02u", w->dir, w->n++);
	MUST(file_write(path, p, n, 0644) == ERR_OK);
}

static void
no_log(enum log_level level, const char *line)
{
	(void)level, (void)line;
}

/* For targets whose seeds are all files of the corpus. */
__attribute__((weak)) void
fuzz_seeds(const struct fuzz_taker *to)
{
	(void)to;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char option[] = "--seeds=";
	struct writing w = { 0 };

	MUST(sodium_init() >= 0);
	log_set_sink(no_log);
	if (*argc < 2 || strncmp((*argv)[1], option, sizeof(option) - 1) != 0)
		return 0;
	w.dir = (*argv)[1] + sizeof(option) - 1;
	fuzz_seeds(&(struct fuzz_taker){ write_seed, &w });
	exit(0);
}
