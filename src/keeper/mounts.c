/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's list of mounts: tells of a mount without asking it. */
#include "keeper/keeper_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#define TYPE "fuse.consentfs"

/* Undo the octal escapes of the list, in place. */
static char *
plain(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
			    (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return s;
}

/* One line: ID PARENT MAJ:MIN ROOT AT OPTIONS [TAG...] - TYPE SOURCE MORE.
 * All is borrowed from ${line}. */
static bool
read_line(char *line, struct keeper_mount *out)
{
	char *field[5] = { 0 }, *rest = NULL, *type, *more, *uid;

	*out = (struct keeper_mount){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(field); i++)
		field[i] = strtok_r(i ? NULL : line, " ", &rest);
	type = field[4] && rest ? strstr(rest, " - ") : NULL;
	if (type == NULL)
		return false;
	rest = type + 3;
	type = strtok_r(NULL, " ", &rest);
	out->source = strtok_r(NULL, " ", &rest);
	more = strtok_r(NULL, " \n", &rest);
	if (more == NULL)
		return false;
	out->at = plain(field[4]);
	(void)plain(out->source);
	uid = strstr(more, "user_id=");
	out->uid = uid ? (uid_t)strtoul(uid + 8, NULL, 10) : 0;
	out->ours = strcmp(type, TYPE) == 0 && uid &&
	    strncmp(out->source, KEEPER_NAME, strlen(KEEPER_NAME)) == 0;
	return true;
}

static enum err
keep(const struct keeper_mount *m, struct keeper_mount *out)
{
	free(out->at);
	free(out->source);
	*out = *m;
	out->at = strdup(m->at);
	out->source = strdup(m->source);
	return out->at && out->source ? ERR_OK : ERR_NOMEM;
}

enum err
keeper_find_mount(const char *at, const char *source, struct keeper_mount *out)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP(free) char *line = NULL;
	struct keeper_mount m;
	enum err e = ERR_NOTFOUND;
	size_t cap = 0;

	*out = (struct keeper_mount){ 0 };
	if (f == NULL)
		return err_say(ERR_IO, "cannot read /proc/self/mountinfo: %s",
		    strerror(errno));
	/* of several on one place the last is seen */
	while (getline(&line, &cap, f) > 0 && e != ERR_NOMEM)
		if (read_line(line, &m) &&
		    strcmp(at ? m.at : m.source, at ? at : source) == 0)
			e = keep(&m, out);
	(void)fclose(f);
	return e;
}

bool
keeper_is_dead(const char *at)
{
	struct keeper_mount m;
	struct statfs s; /* the kernel keeps attributes, but not these */
	bool ours = keeper_find_mount(at, NULL, &m) == ERR_OK && m.ours &&
	    m.uid == geteuid();

	free(m.at);
	free(m.source);
	return ours && statfs(at, &s) != 0 &&
	    (errno == ENOTCONN || errno == ECONNABORTED);
}
