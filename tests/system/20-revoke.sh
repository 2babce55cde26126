#!/bin/bash
# Revocation reaches open descriptors, mappings and pipes: of the reads begun
# after the notify none returns data.  The same test fails when the notify is
# compiled out.
. "$(dirname "$0")/lib.sh"
need_fuse
READS=${READS:-12000}
head -c 3000000 /dev/urandom >"$W/scan.bin"
world
set=$(publish a1 "Large scan" "$W/scan.bin")

# round HOME MOUNT LOG: grant, read, revoke, count; prints the reader's line
round() {
	local m=$1 log=$2 status=0
	consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
	until_ok 10 appears "$m" "Large scan"
	local f
	f=$(find_dir "$m" "Large scan")/scan.bin
	until_ok 10 cmp "$f" "$W/scan.bin"
	"$BUILD_DIR/reader" "$f" "$READS" >"$W/reader.out" &
	local reader=$!
	"$BUILD_DIR/reader" "$f" --map >"$W/map.out" &
	local mapper=$!
	until_ok 10 grep -q reading "$W/reader.out"
	until_ok 10 grep -q mapped "$W/map.out"
	sleep 0.5
	local before
	before=$(grep -c 'is dark' "$log" || true)
	consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
	darker() { [ "$(grep -c 'is dark' "$log")" -gt "$before" ]; }
	until_ok 10 darker
	kill -USR1 $reader $mapper
	wait $reader || status=$?
	cat "$W/reader.out" "$W/map.out"
	until_ok 5 grep -q SIGBUS "$W/map.out"
	if [ "${3:-}" = again ]; then
		grep -q 'data 0 SIGBUS' "$W/map.out" || status=1
		must_fail 1 cat "$f"
		grep -q 'Permission denied' "$W/out" || status=1
		say "grant again: the same mount reads again"
		consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
		until_ok 10 cmp "$f" "$W/scan.bin"
	fi
	kill $mapper
	wait $mapper 2>/dev/null || true
	return $status
}

M=$W/mnt
mount_home b1 "$M"
round "$M" "$W/consentfs-b1.log" again
figure "$(grep begun "$W/reader.out")"
figure "mapping: $(grep SIGBUS "$W/map.out")"
unmount "$M"

say "the same with direct_io"
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
mount_home b1 "$M" -o direct_io
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
until_ok 10 cmp "$(find_dir "$M" "Large scan")/scan.bin" "$W/scan.bin"
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
refused() { ! cat "$(find_dir "$M" "Large scan")/scan.bin" >/dev/null 2>&1; }
until_ok 10 refused
unmount "$M"

say "with the notify compiled out this test fails"
if [ -x "$TOP/build-dark/consentfs" ]; then
	mkdir -p "$M"
	"$TOP/build-dark/consentfs" --home "$W/b1" --log "$W/dark-b1.log" "$M"
	if round "$M" "$W/dark-b1.log"; then
		fail "the test passes without the notify"
	fi
	figure "without the notify: $(grep begun "$W/reader.out")"
	unmount "$M"
else
	fail "no build without notify in $TOP/build-dark"
fi
