#!/bin/bash
# Half an hour of random use: neither memory, nor descriptors, nor threads of a
# daemon grow.  SOAK=seconds and SEED=number override.
. "$(dirname "$0")/../system/lib.sh"
need_fuse
world
mkdir "$W/note" "$W/second" "$W/docs"
echo "a short note" >"$W/note/note.txt"
sets=()
for i in 1 2 3; do
	head -c $((i * 700000)) /dev/urandom >"$W/docs/scan.bin"
	sets+=("$(publish a1 "Scan $i" "$W/docs")")
	consent --home "$W/ann" grant --to "Clinic B" --set "${sets[-1]}" --until 30d >/dev/null
done
mount_home b1 "$W/mnt"
until_ok 30 appears "$W/mnt" "Scan 3"
"$(dirname "$0")/soak.py" "$BUILD_DIR" "$W" "${SOAK:-1800}" "${SEED:-1}" \
	"$SERVER" "$W/mnt" "${sets[@]}"
unmount "$W/mnt"
server_stop
