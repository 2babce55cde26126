/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef JAIL_TEST_H
#define JAIL_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jail/jail.h"

/* What denies a deed. */
enum by { BY_FILTER, BY_LANDLOCK };

/* Returns what the system call returns. */
struct deed {
	const char *name;
	int (*run)(void);
	enum by by;
	int abi;    /* of Landlock, if that is what denies it */
	bool kills; /* it ends the process */
};

extern const struct deed jail_test_deeds[];
extern const size_t jail_test_ndeeds;

/* What must still work; only name and run count. */
extern const struct deed jail_test_needs[];
extern const size_t jail_test_nneeds;

/* A name in the folder of this test, until the next call: mine/file may be
 * written, seen/file read, named/folder renamed, other/file neither. */
const char *jail_test_in(const char *name);

/* A port on which a socket of this process listens: the one that may be
 * connected to, or another. */
uint16_t jail_test_port(bool allowed);

#endif
