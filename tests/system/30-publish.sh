#!/bin/bash
# Publish: killed at half and run again it sends the rest only; progress on a
# terminal and none in a pipe; 10 000 documents; a changed source is refused.
. "$(dirname "$0")/lib.sh"
world
uploaded() { curl -sf "$RMS/healthz" | jq .uploadedBytes; }

say "killed at half, run again"
mkdir "$W/big"
for i in 1 2 3 4; do head -c 24000000 /dev/urandom >"$W/big/part$i.bin"; done
total=$(cat "$W"/big/* | wc -c)
before=$(uploaded)
"$BUILD_DIR/consent" --home "$W/a1" publish --patient Ann --title Big "$W/big" >"$W/publish.log" 2>&1 &
job=$!
half() { [ $(($(uploaded) - before)) -ge $((total / 2)) ]; }
until_ok 60 half
kill -9 $job
wait $job 2>/dev/null || true
middle=$(uploaded)
[ $((middle - before)) -lt "$total" ] || fail "it was faster than the kill"
consent --home "$W/a1" publish --patient Ann --title Big "$W/big" >"$W/publish.log" 2>"$W/publish.err"
after=$(uploaded)
[ $(((after - middle) * 100)) -le $((total * 55)) ] || fail "sent $((after - middle)) of $total again"
figure "resumed publish sent $(((after - middle) * 100 / total)) % of $total bytes after $(((middle - before) * 100 / total)) % before the kill"
[ "$(consent --home "$W/ann" sets --json | jq '[.[] | select(.title == "Big")] | length')" = 1 ]
[ ! -s "$W/publish.err" ] || fail "talk in a pipe: $(cat "$W/publish.err")"

say "a source that changed since is refused"
mkdir "$W/chg"
head -c 48000000 /dev/urandom >"$W/chg/a.bin"
before=$(uploaded)
total=48000000
"$BUILD_DIR/consent" --home "$W/a1" publish --patient Ann --title Chg "$W/chg" >/dev/null 2>&1 &
job=$!
until_ok 60 half
kill -9 $job
wait $job 2>/dev/null || true
echo more >>"$W/chg/a.bin"
must_fail 7 consent --home "$W/a1" publish --patient Ann --title Chg "$W/chg"
grep -q 'a.bin' "$W/out"
consent --home "$W/a1" publish --restart --patient Ann --title Chg "$W/chg" >/dev/null

say "progress on a terminal"
mkdir "$W/tty"
head -c 160000000 /dev/urandom >"$W/tty/x.bin"
script -qec "$BUILD_DIR/consent --home $W/a1 publish --patient Ann --title Tty $W/tty" "$W/typescript" >/dev/null
tr '\r' '\n' <"$W/typescript" | grep -Eq '[0-9.]+ (k|M|G)?i?B.*/s' || fail "no rate: $(head -c 400 "$W/typescript")"
tr '\r' '\n' <"$W/typescript" | grep -Eq 'left' || fail "no time left"

say "10 000 documents"
mkdir "$W/many"
python3 - "$W/many" <<'P'
import sys
for i in range(10000):
    with open(f"{sys.argv[1]}/doc-{i:05d}.txt", "w") as f:
        f.write(f"document {i} " * 20)
P
SECONDS=0
set=$(publish a1 Many "$W/many")
figure "10 000 documents published in $SECONDS s"
[ "$(consent --home "$W/ann" sets --json | jq '.[] | select(.title == "Many") | .count')" = 10000 ]
if [ -c /dev/fuse ]; then
	mount_home b1 "$W/mnt"
	consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 1d >/dev/null
	until_ok 30 appears "$W/mnt" Many
	D=$(find_dir "$W/mnt" Many)/many
	[ "$(find "$D" -type f | wc -l)" = 10000 ]
	cmp "$D/doc-09999.txt" "$W/many/doc-09999.txt"
	cmp "$D/doc-00000.txt" "$W/many/doc-00000.txt"
	unmount "$W/mnt"
fi

say "a card, not an address"
address=$(consent --home "$W/ann" id --json | jq -r .address)
must_fail 5 consent --home "$W/a1" publish --patient "$address" --title X "$W/tty"
grep -q 'ask the patient for the card' "$W/out"
say "an unaccredited host cannot publish"
consent --home "$W/x1" keygen --roots "$W/rms/client.conf" --unprotected --institution "Clinic X" >/dev/null
consent --home "$W/x1" alias "$W/ann.card" Ann 2>/dev/null
must_fail 4 consent --home "$W/x1" publish --patient Ann --title X "$W/tty"
server_stop
