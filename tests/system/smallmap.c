/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded under valgrind, which has no room for the databases' full maps, and
 * where a database is to be full: at $SMALLMAP bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#define MOST ((size_t)256 << 20)

struct MDB_env;
int mdb_env_set_mapsize(struct MDB_env *env, size_t size);

int
mdb_env_set_mapsize(struct MDB_env *env, size_t size)
{
	int (*set)(struct MDB_env *, size_t) = NULL;
	const char *wanted = getenv("SMALLMAP");
	size_t most = wanted ? strtoul(wanted, NULL, 10) : MOST;

	*(void **)&set = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
	return set(env, size < most ? size : most);
}
