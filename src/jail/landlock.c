/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Landlock by its system calls.  What newer kernels add is written out here:
 * the headers of the build may be older than the kernel that runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "jail/jail_internal.h"

#define FS(name)       LANDLOCK_ACCESS_FS_##name
#define FS_REFER       (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE    (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (1ULL << 15) /* ABI 5 */
#define NET_BIND       (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT    (1ULL << 1)
#define SCOPE_ABSTRACT (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL   (1ULL << 1)
#define RULE_PATH      1
#define RULE_PORT      2
#define DNS            53

#define READING (FS(READ_FILE) | FS(READ_DIR))
#define WRITING                                                                \
	(READING | FS(WRITE_FILE) | FS(REMOVE_DIR) | FS(REMOVE_FILE) |         \
	    FS(MAKE_DIR) | FS(MAKE_REG) | FS_REFER | FS_TRUNCATE)
static const uint64_t rights_of[] = {
	[JAIL_READ] = READING,
	[JAIL_WRITE] = WRITING,
	[JAIL_RENAME] = FS(READ_DIR) | FS(MAKE_DIR) | FS(REMOVE_DIR),
	[JAIL_BESIDE] = FS(READ_FILE),
};
/* What a rule may allow on something that is no directory. */
#define ON_FILES (FS(READ_FILE) | FS(WRITE_FILE) | FS_TRUNCATE)

struct rights {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct port_rule {
	uint64_t allowed, port;
};

/*
 * /etc as a whole: its files are replaced, not changed, and a rule follows the
 * file.  /proc: the name of the program that opens a document.
 */
static const struct jail_place standard[] = {
	{ "/etc", JAIL_READ },
	{ "/usr/lib", JAIL_READ },
	{ "/lib64", JAIL_READ },
	{ "/usr/share/ca-certificates", JAIL_READ },
	{ "/usr/share/zoneinfo", JAIL_READ },
	{ "/run/systemd/resolve", JAIL_READ },
	{ "/run/NetworkManager", JAIL_READ },
	{ "/run/resolvconf", JAIL_READ },
	{ "/proc", JAIL_READ },
	{ "/sys/devices/system/cpu", JAIL_READ },
	{ "/dev/urandom", JAIL_READ },
	{ "/dev/null", JAIL_WRITE },
};

/* All that a kernel of this version can restrict. */
static struct rights
handled(const struct jail *j, int abi)
{
	struct rights r = { .fs = (1ULL << 13) - 1 };

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4)
		r.net = NET_BIND | (j->any_connect ? 0 : NET_CONNECT);
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	/* whoever dies sends the signal that its child asked for then: the
	 * scope would take it for one of its own */
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT | (j->signals ? 0 : SCOPE_SIGNAL);
	return r;
}

/* An older kernel refuses fields that it does not know. */
static size_t
rights_size(int abi)
{
	if (abi < 4)
		return sizeof(uint64_t);
	return abi < 6 ? 2 * sizeof(uint64_t) : 3 * sizeof(uint64_t);
}

static enum err
refused(const char *what)
{
	return err_say(
	    ERR_IO, "Landlock does not take '%s': %s", what, strerror(errno));
}

/* A rule on a folder holds for what is put there later. */
static int
open_place(const struct jail_place *p)
{
	const char *slash = strrchr(p->path, '/');
	char folder[PATH_MAX];

	if (p->use != JAIL_BESIDE)
		return open(p->path, O_PATH | O_CLOEXEC);
	(void)snprintf(folder, sizeof(folder), "%.*s",
	    slash ? (int)(slash - p->path) : 1, slash ? p->path : ".");
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC); /* "": / */
}

static enum err
allow_place(int ruleset, const struct rights *all, const struct jail_place *p)
{
	struct path_rule rule = { .allowed = rights_of[p->use] };
	CLEANUP_FD int fd = open_place(p);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ERR_OK;
	if (fd < 0 || fstat(fd, &st) != 0)
		return refused(p->path);
	rule.fd = fd;
	rule.allowed &= all->fs;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= ON_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) != 0)
		return refused(p->path);
	return ERR_OK;
}

static enum err
allow_places(int ruleset, const struct rights *all,
    const struct jail_place *places, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < n && e == ERR_OK; i++)
		e = allow_place(ruleset, all, &places[i]);
	return e;
}

static enum err
allow_port(int ruleset, uint64_t right, uint16_t port)
{
	const struct port_rule rule = { right, port };

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) != 0)
		return refused("a port");
	return ERR_OK;
}

static enum err
allow_ports(int ruleset, const struct rights *all, const struct jail *j)
{
	enum err e = ERR_OK;

	if (all->net & NET_CONNECT) {
		e = allow_port(ruleset, NET_CONNECT, DNS);
		for (size_t i = 0; i < j->nconnect && e == ERR_OK; i++)
			e = allow_port(ruleset, NET_CONNECT, j->connect[i]);
	}
	for (size_t i = 0; all->net && i < j->nbind && e == ERR_OK; i++)
		e = allow_port(ruleset, NET_BIND, j->bind[i]);
	return e;
}

enum err
jail_landlock(const struct jail *j, int *out_abi)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	CLEANUP_FD int ruleset = -1;
	struct rights all;
	enum err e;

	*out_abi = abi > 0 ? (int)abi : 0;
	if (*out_abi == 0)
		return ERR_OK;
	all = handled(j, *out_abi);
	ruleset = (int)syscall(
	    SYS_landlock_create_ruleset, &all, rights_size(*out_abi), 0);
	if (ruleset < 0)
		return refused("its rights");
	e = allow_places(ruleset, &all, standard, ARRAY_LEN(standard));
	if (e == ERR_OK)
		e = allow_places(ruleset, &all, j->place, j->nplaces);
	if (e == ERR_OK)
		e = allow_ports(ruleset, &all, j);
	if (e == ERR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		e = refused("this process");
	return e;
}
