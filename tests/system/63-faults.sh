#!/bin/bash
# Every call of the paths fails once, with each errno that it may have, and the
# N-th allocation fails; then full disks.  See faults.py.
. "$(dirname "$0")/lib.sh"
need_fuse
alloc=-DWITH_ALLOC
nm -D "$BUILD_DIR/consent" | grep -q __asan_init && alloc=
cc -O1 -shared -fPIC $alloc -o "$W/killpoint.so" "$TOP/tests/system/killpoint.c"
export W BUILD_DIR RMS NODE ALLOC=$alloc PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
crash_world
MOUNTS+=("$W/mnt")
python3 "$TOP/tests/system/faults.py" ${ONLY:-}
