/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jail/jail_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/capability.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static void
add_place(struct jail *j, const char *path, enum jail_use use)
{
	if (path && path[0] && j->nplaces < JAIL_PLACES)
		j->place[j->nplaces++] = (struct jail_place){ path, use };
}

void
jail_read(struct jail *j, const char *path)
{
	add_place(j, path, JAIL_READ);
}

void
jail_write(struct jail *j, const char *path)
{
	add_place(j, path, JAIL_WRITE);
}

void
jail_read_replaced(struct jail *j, const char *path)
{
	add_place(j, path, JAIL_READ);
	add_place(j, path, JAIL_BESIDE);
}

void
jail_rename(struct jail *j, const char *path)
{
	add_place(j, path, JAIL_RENAME);
}

#define SEPARATORS ", \t" /* of several URLs */

/* The port that a URL names, or the one of its scheme; 0: no port. */
static uint16_t
port_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *colon;
	size_t n;

	host = host ? host + 3 : url;
	n = strcspn(host, "/?#" SEPARATORS);
	colon = memrchr(host, ':', n);
	if (colon && memchr(colon, ']', (size_t)(host + n - colon)) == NULL) {
		unsigned long port = strtoul(colon + 1, NULL, 10);

		return port <= UINT16_MAX ? (uint16_t)port : 0;
	}
	return strncasecmp(url, "https:", 6) == 0 ? 443 : 80;
}

void
jail_connect(struct jail *j, const char *urls)
{
	size_t n;

	for (const char *url = urls ? urls : ""; *url; url += n) {
		uint16_t port;

		url += strspn(url, SEPARATORS);
		n = strcspn(url, SEPARATORS);
		port = n ? port_of(url) : 1;
		if (port == 0 || j->nconnect == JAIL_PORTS)
			j->any_connect = true;
		else if (n)
			j->connect[j->nconnect++] = port;
	}
}

void
jail_bind(struct jail *j, uint16_t port)
{
	if (j->nbind < JAIL_PORTS)
		j->bind[j->nbind++] = port;
}

/*
 * Name services, and what ends a thread that is cancelled, the C library loads
 * when they are needed first: have them loaded now, since no code can be loaded
 * any more later.
 */
static void
load_modules(void)
{
	struct addrinfo *found = NULL;

	(void)dlopen("libgcc_s.so.1", RTLD_NOW); /* for good */
	if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
		freeaddrinfo(found);
}

static enum err
drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	/* The bounding set is root's to drop; an ordinary user has nothing
	 * that it could bound. */
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0 && errno != EPERM)
			return err_say(ERR_IO, "cannot drop capability %lu: %s",
			    i, strerror(errno));
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) != 0)
		return err_say(ERR_IO, "cannot drop the capabilities: %s",
		    strerror(errno));
	return ERR_OK;
}

enum err
jail_enter(const struct jail *j)
{
	int abi = 0;
	bool filtered = false;
	enum err e;

	if (j->off) {
		log_warn("sandbox: off, as --no-sandbox says");
		return ERR_OK;
	}
	load_modules();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_say(ERR_IO, "cannot give up new privileges: %s",
		    strerror(errno));
	e = j->capabilities ? ERR_OK : drop_capabilities();
	if (e == ERR_OK)
		e = jail_landlock(j, &abi);
	if (e == ERR_OK)
		e = jail_filter(j, &filtered);
	if (e != ERR_OK)
		return e;
	if (abi == 0)
		log_warn("sandbox: this kernel has no Landlock: files and "
			 "ports are not restricted");
	log_info("sandbox: Landlock %d, %s, %s", abi,
	    filtered ? "system calls filtered" :
		       "system calls NOT filtered (sanitizer build)",
	    j->capabilities ? "capabilities kept" : "no capabilities");
	return ERR_OK;
}
