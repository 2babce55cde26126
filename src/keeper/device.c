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

int
keeper_drop_inode(int device, uint64_t ino)
{
	const struct {
		struct fuse_out_header head;
		struct fuse_notify_inval_inode_out body;
	} m = {
		.head = { .len = sizeof(m), .error = FUSE_NOTIFY_INVAL_INODE },
		.body = { .ino = ino },
	};

	return write(device, &m, sizeof(m)) < 0 ? errno : 0;
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
