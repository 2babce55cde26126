#!/bin/bash
# The daemons and the command are killed at the points where something outside
# of them changes, and at random under load; see crash.py.
. "$(dirname "$0")/lib.sh"
need_fuse
command -v strace >/dev/null || skip "no strace"
cc -O1 -shared -fPIC -o "$W/killpoint.so" "$TOP/tests/system/killpoint.c"
export W BUILD_DIR RMS NODE ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
crash_world
MOUNTS+=("$W/mnt" "$W/view")
driver="$TOP/tests/system/crash.py"
kills=${KILLS:-$([ -n "${LONG:-}" ] && echo 500 || echo 10)}
case ${ONLY:=} in
random) ;;
*) python3 "$driver" points $ONLY ;;
esac
case $ONLY in
random | '') python3 "$driver" random "$kills" ;;
esac
