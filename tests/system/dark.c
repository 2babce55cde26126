/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opens, maps and reads files of a mount, has the mount's processes die, and
 * looks how long what it holds still gives data.
 *
 *   dark kill SIGNAL PID FILE...   send the signal
 *   dark run COMMAND PID FILE...   run the command, which makes PID end; what
 *                                  counts is the time since it was dead
 *   dark lock COMMAND FILE...      run the command; since it was begun
 *   dark stall TID COMMAND FILE... stop one thread for good, then lock with
 *                                  the command, if it is not empty
 *
 * Prints "dark after N ms, checks N, with data N" and exits 0 if, a second
 * after, no descriptor and no page gave data.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE     4096
#define FILES    64
#define LIMIT_MS 1000 /* unless $LIMIT_MS says otherwise */

struct held {
	int fd;
	size_t size;
	const volatile uint8_t *map[2]; /* shared, private; NULL: not allowed */
};

static struct held held[FILES];
static size_t nheld;
static sigjmp_buf on_bus;
static long checks;

static void
bus(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
doze(long ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static bool
map_gives(const volatile uint8_t *map, size_t at)
{
	checks++;
	if (sigsetjmp(on_bus, 1) != 0)
		return false;
	(void)map[at];
	return true;
}

static bool
read_gives(const struct held *h, size_t at)
{
	char b[PAGE];

	checks++;
	return pread(h->fd, b, sizeof(b), (off_t)at) > 0;
}

/* Ask everything that is held; count what gives data. */
static long
ask_all(void)
{
	long data = 0;

	for (size_t i = 0; i < nheld; i++)
		for (size_t at = 0; at < held[i].size; at += PAGE) {
			data += read_gives(&held[i], at);
			for (int m = 0; m < 2; m++)
				if (held[i].map[m])
					data += map_gives(held[i].map[m], at);
		}
	return data;
}

static void
hold(const char *path)
{
	static const int flags[2] = { MAP_SHARED, MAP_PRIVATE };
	struct held *h = &held[nheld++];
	struct stat st;

	h->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (h->fd < 0 || fstat(h->fd, &st) != 0 || st.st_size == 0) {
		perror(path);
		exit(2);
	}
	h->size = (size_t)st.st_size;
	for (int m = 0; m < 2; m++) {
		void *p = mmap(NULL, h->size, PROT_READ, flags[m], h->fd, 0);

		h->map[m] = p == MAP_FAILED ? NULL : p;
	}
}

static bool
is_dead(pid_t pid)
{
	char path[40], state = 'X';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	(void)fclose(f);
	return state == 'X' || state == 'Z';
}

static void
run(const char *command)
{
	if (fork() == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
}

/* Have it happen; return since when everything has to be dark. */
static int64_t
happen(char **argv)
{
	const pid_t pid = (pid_t)atol(argv[3]);

	if (strcmp(argv[1], "kill") == 0 && kill(pid, atoi(argv[2])) != 0)
		perror("kill");
	if (strcmp(argv[1], "stall") == 0 &&
	    (ptrace(PTRACE_SEIZE, atol(argv[2]), NULL, NULL) != 0 ||
		ptrace(PTRACE_INTERRUPT, atol(argv[2]), NULL, NULL) != 0))
		perror("ptrace");
	if (strcmp(argv[1], "stall") == 0 && argv[3][0])
		run(argv[3]);
	if (strcmp(argv[1], "lock") == 0)
		run(argv[2]);
	if (strcmp(argv[1], "run") == 0) {
		run(argv[2]);
		while (!is_dead(pid))
			doze(1);
	}
	return now_ms();
}

int
main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_handler = bus };
	int first = argc > 3 && argv[1][0] == 'l' ? 3 : 4;
	const char *given = getenv("LIMIT_MS");
	const int64_t limit = given ? atoll(given) : LIMIT_MS;
	long all, data;
	int64_t begun, took;

	if (argc <= first || argc - first > FILES)
		return 2;
	(void)sigaction(SIGBUS, &sa, NULL);
	for (int i = first; i < argc; i++)
		hold(argv[i]);
	all = ask_all();
	if (all != checks) {
		(void)printf("only %ld of %ld are light\n", all, checks);
		return 2;
	}
	begun = happen(argv);
	while ((data = ask_all()) > 0 && now_ms() - begun < limit)
		doze(2);
	took = now_ms() - begun;
	checks = 0;
	doze(20); /* and it stays so */
	data += ask_all();
	(void)printf("dark after %lld ms, checks %ld, with data %ld\n",
	    (long long)took, checks, data);
	return data == 0 && took <= limit ? 0 : 1;
}
