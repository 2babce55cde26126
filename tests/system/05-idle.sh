#!/bin/bash
# Idle for six minutes, then read again: leases, freshness and connections
# outlive the pause.  (The runner starts this one first, in the background.)
. "$(dirname "$0")/lib.sh"
need_fuse
world
echo "some text" >"$W/x.txt"
set=$(publish a1 "Short note" "$W/x.txt")
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
mount_home b1 "$W/mnt"
until_ok 10 appears "$W/mnt" "Short note"
F=$(find_dir "$W/mnt" "Short note")/x.txt
exec 9<"$F"
cmp "$F" "$W/x.txt"
sleep "${IDLE:-370}"
cmp "$F" "$W/x.txt"
read -r line <&9
[ "$line" = "some text" ]
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
refused() { ! cat "$F" >/dev/null 2>&1; }
until_ok 5 refused
exec 9<&-
figure "idle for ${IDLE:-370} s, then read and revoked"
unmount "$W/mnt"
server_stop
