#!/bin/bash
# A canary in every title, name, reason and file name: nowhere on ledger,
# databases, cache, journal or logs, raw, base58 or base64.
. "$(dirname "$0")/lib.sh"
need_fuse
K=QxCanaryZv
server_init
server_start
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
practitioner b1 root "$K-id" "Dr. $K"
consent --home "$W/a1" alias "$W/ann.card" Ann 2>/dev/null
consent --home "$W/b1" alias "$W/ann.card" Ann 2>/dev/null
mkdir "$W/src" "$W/src/$K"
echo "content $K" >"$W/src/$K/$K.txt"
set=$(publish a1 "Title $K" --label "$K" "$W/src")
consent --home "$W/b1" ask --patient Ann --reason "because $K" >/dev/null
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --practitioner "$K-id" --until 1d >/dev/null
mount_home b1 "$W/mnt"
until_ok 10 appears "$W/mnt" "Title $K"
cat "$(find_dir "$W/mnt" "Title $K")"/src/*/*.txt >/dev/null
seen() { history_has ann '.kind == "access"'; }
until_ok 10 seen
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
refused() { ! cat "$(find_dir "$W/mnt" "Title $K")"/src/*/*.txt >/dev/null 2>&1; }
until_ok 10 refused
until_ok 10 history_has ann '.kind == "denied"'
unmount "$W/mnt"
server_stop
rm "$W/b1/consent.conf" # the map of practitioners, written by us
out=$(python3 "$TOP/tests/system/needles.py" files canary="$K" -- "$W/rms" "$W/a1" "$W/b1" "$W/ann" "$W"/*.log) || {
	echo "$out"
	fail "found"
}
figure "canary hits: $out (ledger, databases, cache, journal, logs)"
[ "$(cut -d' ' -f3 <<<"$out")" -ge 20 ]
