#!/bin/bash
# All daemons are stopped and started again between all steps, and the story
# goes on.
. "$(dirname "$0")/lib.sh"
need_fuse
"$TOP/scripts/make-documents" "$W/docs" 1
world
M=$W/mnt
is_unmounted() { ! mountpoint -q "$M"; }
bounce() { # server, mount, both orders in turn
	n=$((${n:-0} + 1))
	if [ $((n % 2)) = 0 ]; then
		server_stop
		pkill -TERM -f "consentfs .*$M\$" # drains and unmounts
		until_ok 10 not_busy "$M"
		until_ok 5 is_unmounted
		server_start
		mount_home b1 "$M"
	else
		unmount "$M"
		mount_home b1 "$M"
		server_stop
		server_start
	fi
}
mount_home b1 "$M"
bounce
visit=$(publish a1 "Discharge report" "$W/docs/visit")
bounce
consent --home "$W/b1" ask --patient Ann --reason why >/dev/null
bounce
consent --home "$W/ann" inquiries | grep -q 'reason: why'
consent --home "$W/ann" grant --to "Clinic B" --set "$visit" --until 1d >/dev/null
bounce
until_ok 20 appears "$M" "Discharge report"
D() { find_dir "$M" "Discharge report"; }
same() { diff -r "$W/docs/visit" "$(D)/visit"; }
until_ok 20 same
bounce
until_ok 20 same
server_stop
sleep 1
server_start
until_ok 20 same
consent --home "$W/ann" revoke --to "Clinic B" --set "$visit" >/dev/null
bounce
refused() { ! cat "$(D)/visit/report.pdf" >/dev/null 2>&1; }
until_ok 20 appears "$M" "Discharge report"
until_ok 20 refused
bounce
until_ok 20 appears "$M" "Discharge report"
refused
consent --home "$W/ann" grant --to "Clinic B" --set "$visit" --until 1d >/dev/null
until_ok 20 same
unmount "$M"
# The lists of documents are gone, and so is the server until the mount asks
# for them once a minute only; it must not take the minute to be back.  Nothing
# new waits in the feed, which would have it look.
mount_home b1 "$M"
until_ok 20 appears "$M" "Discharge report"
sleep 1
unmount "$M"
rm -rf "$W/b1/cache"
server_stop
mount_home b1 "$M"
sleep 9
server_start
until_ok 30 appears "$M" "Discharge report"
until_ok 20 same
unmount "$M"
consent --home "$W/ann" history --json >"$W/history.json"
jq -e '[.[].id] | length == (unique | length)' "$W/history.json" >/dev/null
figure "after $n restarts: inquiries $(jq length "$W/history.json"), ids twice: 0 of $(jq length "$W/history.json")"
server_stop
