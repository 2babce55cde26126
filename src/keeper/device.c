/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's protocol, as far as somebody who serves nothing needs it. */
#include "keeper/keeper_internal.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>

#define ROOM ((1u << 20) + 2 * 4096) /* of the largest request */

int
keeper_clone(int device)
{
	CLEANUP_FD int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	uint32_t from = (uint32_t)device;

	if (fd < 0 || ioctl(fd, FUSE_DEV_IOC_CLONE, &from) != 0)
		return -1;
	return (from = (uint32_t)fd, fd = -1, (int)from);
}

static void
drop_pages(int device, uint64_t ino)
{
	const struct {
		struct fuse_out_header head;
		struct fuse_notify_inval_inode_out body;
	} m = {
		.head = { .len = sizeof(m), .error = FUSE_NOTIFY_INVAL_INODE },
		.body = { .ino = ino },
	};

	/* it fails for what the kernel does not know any more */
	if (write(device, &m, sizeof(m)) < 0)
		return;
}

size_t
keeper_drop_pages(const struct keeper *k, int device)
{
	const struct keeper_shared *s = k->shared;
	size_t n = 0;

	for (uint32_t i = 0; i < KEEPER_SLOTS; i++) {
		uint64_t ino = s->used[i / KEEPER_BLOCK] ? s->ino[i] : 0;

		if (ino == 0)
			continue;
		drop_pages(device, ino);
		n++;
	}
	return n;
}

void
keeper_refuse(const struct keeper *k)
{
	static union {
		struct fuse_in_header head;
		char bytes[ROOM];
	} in;

	for (;;) {
		struct fuse_out_header out = { .len = sizeof(out),
			.error = -ENOTCONN };
		ssize_t n = read(k->device, &in, sizeof(in));

		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(in.head))
			return;
		out.unique = in.head.unique;
		/* it fails for what wants no answer, or is over */
		if (write(k->device, &out, sizeof(out)) < 0)
			continue;
	}
}
