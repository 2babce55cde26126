#!/bin/bash
# Power loss: the states in which a logged device may be found; see power.py.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "not root"
command -v qemu-storage-daemon >/dev/null || skip "no qemu-storage-daemon"
[ -e /dev/loop-control ] || skip "no loop devices"
cc -O1 -shared -fPIC -o "$W/killpoint.so" "$TOP/tests/system/killpoint.c"
export W BUILD_DIR RMS='' NODE='' LOOP=''
driver="$TOP/tests/system/power.py"

say "a world on a disk"
mkdir "$W/ram" # thousands of disks, each flushed again and again
mount -t tmpfs -o size=2G none "$W/ram"
truncate -s 96M "$W/ram/disk.img"
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$W/ram/disk.img"
mkdir "$W/disk"
release() { # the disk and what serves it
	local status=$? l
	set +eE
	trap - ERR
	umount -l "$W/mnt" 2>/dev/null
	umount "$W/disk" 2>/dev/null || umount -l "$W/disk" 2>/dev/null
	for l in $(losetup -n -O NAME,BACK-FILE | grep -F "$W/" | cut -d' ' -f1); do
		losetup -d "$l"
	done
	[ ! -e "$W/qsd.pid" ] || kill "$(cat "$W/qsd.pid")" 2>/dev/null
	umount "$W/ram" 2>/dev/null || umount -l "$W/ram" 2>/dev/null
	return $status
}
trap 'release; finish' EXIT
attach() {
	LOOP=$(losetup -f --show "$1")
	mount "$LOOP" "$W/disk"
}
detach() {
	umount "$W/disk"
	losetup -d "$LOOP"
}
attach "$W/ram/disk.img"
for h in rms ann a1 a2 b1; do
	mkdir "$W/disk/$h"
	ln -s "disk/$h" "$W/$h"
done
world
server_stop
detach
cp --sparse=always "$W/ram/disk.img" "$W/ram/before.img"

say "the workload"
truncate -s 1G "$W/ram/log.img"
touch "$W/ram/logged"
qemu-storage-daemon --daemonize --pidfile "$W/qsd.pid" \
	--blockdev "driver=file,node-name=disk,filename=$W/ram/disk.img" \
	--blockdev "driver=file,node-name=log,filename=$W/ram/log.img" \
	--blockdev "driver=blklogwrites,node-name=both,file=disk,log=log,log-sector-size=512" \
	--export "type=fuse,id=logged,node-name=both,mountpoint=$W/ram/logged,writable=on"
attach "$W/ram/logged"
python3 -B "$driver" work
cp -a "$W/disk/rms" "$W/rms-final"
detach
kill "$(cat "$W/qsd.pid")" # it removes the file when all is written
until_ok 20 test ! -e "$W/qsd.pid"

say "the states"
python3 -B "$driver" states ${STATES:-$([ -n "${LONG:-}" ] || echo 30)}
