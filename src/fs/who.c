/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fs_internal.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>

#include "base/text.h"

/* What the program calls itself may be anything: no control characters, and
 * plain ASCII unless it is UTF-8. */
static void
clean(char *s, size_t n)
{
	bool utf8 = text_is_utf8(s, n);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			s[i] = '?';
	}
}

static void
app_of(pid_t pid, char *out, size_t cap)
{
	CLEANUP_FD int fd = -1;
	char path[64];
	ssize_t n = 0;

	if (pid > 0) { /* 0: from another pid namespace */
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0)
		n = read(fd, out, cap - 1);
	if (n < 0)
		n = 0;
	if (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	clean(out, (size_t)n);
}

void
fs_who(struct fs *fs, uid_t uid, pid_t pid, struct fs_who *out)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	app_of(pid, out->app, sizeof(out->app));
	if (uid == fs->uid) {
		(void)snprintf(out->login, sizeof(out->login), "%s", fs->login);
		return;
	}
	if (getpwuid_r(uid, &pw, room, sizeof(room), &found) == 0 && found)
		(void)snprintf(
		    out->login, sizeof(out->login), "%s", pw.pw_name);
	else
		(void)snprintf(
		    out->login, sizeof(out->login), "uid-%u", (unsigned)uid);
}
