/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a file of the mount from four threads, by pread, by a mapping and by
 * splice, from one descriptor opened before.
 *
 *   reader FILE COUNT       read; after SIGUSR1 count the reads begun from then
 *                           on until there are COUNT, print the figures, exit 0
 *                           if none of them returned data
 *   reader FILE --until-err print the wall clock in ms at the first EACCES
 *   reader FILE --map       map whole, print "mapped"; on SIGUSR1 touch every
 *                           page again and print how many gave data, SIGBUS
 *   reader FILE --random N  N random preads against a mapping of a second open
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE    4096
#define READERS 4

static int fd;
static size_t size;
static const volatile uint8_t *map;
static long wanted;
static atomic_bool counting;
static atomic_long begun, data[3], denied[3], odd;
static _Thread_local sigjmp_buf on_bus;
static _Thread_local volatile sig_atomic_t armed;

static void
bus(int sig)
{
	if (armed)
		siglongjmp(on_bus, 1);
	(void)signal(sig, SIG_DFL);
}

static void
start_counting(int sig)
{
	(void)sig;
	counting = true;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Each returns 1: data, 0: refused, -1: something else. */
static int
by_pread(size_t at)
{
	uint8_t b[PAGE];
	ssize_t n = pread(fd, b, sizeof(b), (off_t)at);

	return n > 0 ? 1 : n < 0 && errno == EACCES ? 0 : -1;
}

static int
by_map(size_t at)
{
	int got = 0;

	if (sigsetjmp(on_bus, 1) == 0) {
		armed = 1;
		(void)map[at];
		got = 1;
	}
	armed = 0;
	return got;
}

static int
by_splice(size_t at)
{
	off_t off = (off_t)at;
	int p[2], e;
	ssize_t n;

	if (pipe(p) != 0)
		return -1;
	n = splice(fd, &off, p[1], NULL, PAGE, 0);
	e = errno;
	(void)close(p[0]);
	(void)close(p[1]);
	return n > 0 ? 1 : n < 0 && e == EACCES ? 0 : -1;
}

static void *
run(void *arg)
{
	static int (*const ways[])(size_t at) = { by_pread, by_map, by_splice };
	unsigned seed = (unsigned)(uintptr_t)arg;
	int way = (int)(seed % 3);

	while (begun < wanted) {
		/* decided before the read begins */
		bool counts = counting;
		size_t at = (size_t)rand_r(&seed) % size & ~(size_t)(PAGE - 1);
		int got = ways[way](at);

		if (counts) {
			begun++;
			if (got > 0)
				data[way]++;
			else if (got == 0)
				denied[way]++;
			else
				odd++;
		}
		way = (way + 1) % 3;
	}
	return NULL;
}

static int
count_reads(void)
{
	pthread_t t[READERS];
	long all;

	for (uintptr_t i = 0; i < READERS; i++)
		(void)pthread_create(&t[i], NULL, run, (void *)(i + 1));
	(void)printf("reading\n");
	(void)fflush(stdout);
	for (int i = 0; i < READERS; i++)
		(void)pthread_join(t[i], NULL);
	all = data[0] + data[1] + data[2];
	(void)printf("reads begun after: %ld, with data: %ld (pread %ld, map "
		     "%ld, splice %ld), refused: %ld, other: %ld\n",
	    (long)begun, all, (long)data[0], (long)data[1], (long)data[2],
	    denied[0] + denied[1] + denied[2], (long)odd);
	return all == 0 && odd == 0 && denied[0] && denied[1] && denied[2] ? 0 :
									     1;
}

static int
until_error(void)
{
	(void)printf("reading\n");
	(void)fflush(stdout);
	for (;;) {
		int got = by_pread(0);

		if (got > 0)
			continue;
		(void)printf("%lld %s\n", (long long)now_ms(),
		    got == 0 ? "EACCES" : strerror(errno));
		return got == 0 ? 0 : 1;
	}
}

static int
touch_all(void)
{
	long got = 0, bad = 0;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < size; i += PAGE)
		(void)map[i];
	(void)printf("mapped\n");
	(void)fflush(stdout);
	for (int n = 0; n < 2; n++) { /* once dark, once light again */
		int sig;

		(void)sigwait(&set, &sig);
		got = bad = 0;
		for (size_t i = 0; i < size; i += PAGE)
			*(by_map(i) ? &got : &bad) += 1;
		(void)printf("data %ld SIGBUS %ld\n", got, bad);
		(void)fflush(stdout);
	}
	return 0;
}

static int
random_reads(const char *path, long n)
{
	int other = open(path, O_RDONLY);
	const uint8_t *m = mmap(NULL, size, PROT_READ, MAP_PRIVATE, other, 0);
	static uint8_t b[300000];
	unsigned seed = 7;

	if (m == MAP_FAILED)
		return 1;
	for (long i = 0; i < n; i++) {
		size_t at = (size_t)rand_r(&seed) % size;
		size_t len = (size_t)rand_r(&seed) % sizeof(b);
		ssize_t got = pread(fd, b, len, (off_t)at);
		size_t due = len < size - at ? len : size - at;

		if (got != (ssize_t)due || memcmp(b, m + at, due) != 0) {
			(void)printf("differs at %zu, %zu bytes\n", at, len);
			return 1;
		}
	}
	(void)printf("random reads: %ld, differences: 0\n", n);
	return 0;
}

int
main(int argc, char **argv)
{
	struct stat st;

	if (argc < 3 || (fd = open(argv[1], O_RDONLY)) < 0 ||
	    fstat(fd, &st) != 0) {
		perror(argc > 1 ? argv[1] : "usage");
		return 2;
	}
	size = (size_t)st.st_size;
	(void)signal(SIGBUS, bus);
	if (strcmp(argv[2], "--until-err") == 0)
		return until_error();
	if (strcmp(argv[2], "--random") == 0)
		return random_reads(argv[1], argc > 3 ? atol(argv[3]) : 1000);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	if (strcmp(argv[2], "--map") == 0)
		return touch_all();
	(void)signal(SIGUSR1, start_counting);
	wanted = atol(argv[2]);
	return count_reads();
}
