#!/bin/bash
# What is large: a document of more than 10^5 chunks, a set of 10^5 documents,
# a list of documents beyond the limit.  Memory does not grow with them but for
# the list, and time is bounded.
. "$(dirname "$0")/../system/lib.sh"
need_fuse
MIB=${MIB:-1700} DOCUMENTS=${DOCUMENTS:-100000}
world
consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
M=$W/mnt
mount_home b1 "$M"

peak_anew() { echo 5 >"/proc/$1/clear_refs"; }
MOUNT=$(mount_server "$M")
measured() { # WHAT BOUND COMMAND...: its seconds and peak memory, in MiB
	local what=$1 bound=$2 began=$SECONDS
	shift 2
	command time -f %M -o "$W/peak" "$@" >"$W/said" 2>&1 || fail "$what: $(tail -2 "$W/said")"
	figure "$what: $((SECONDS - began)) s, $(($(tail -1 "$W/peak") / 1024)) MiB"
	[ $(($(tail -1 "$W/peak") / 1024)) -le "$bound" ] || fail "$what: more than $bound MiB"
}
grown() { # WHAT BOUND: of the daemons since peak_anew
	local m s
	m=$(peak "$MOUNT") s=$(peak "$SERVER")
	figure "$1: peak of the mount's server $m MiB, of consentd $s MiB"
	[ "$m" -le "$2" ] && [ "$s" -le "$2" ] || fail "$1: more than $2 MiB"
}

say "a document of $((MIB * 64)) chunks"
truncate -s "${MIB}M" "$W/big"
peak_anew "$MOUNT"
peak_anew "$SERVER"
measured "publish of $MIB MiB" 128 "$BUILD_DIR/consent" --home "$W/a1" \
	publish --patient Ann --title Large "$W/big"
until_ok 60 appears "$M" Large
D=$(find_dir "$M" Large)
[ "$(stat -c %s "$D/big")" = $((MIB << 20)) ]
measured "read of $MIB MiB through the mount" 64 cmp "$D/big" "$W/big"
grown "after $((MIB * 64)) chunks" 160

say "a set of $DOCUMENTS documents"
mkdir "$W/many"
(cd "$W/many" && seq -f 'f%06.0f' "$DOCUMENTS" | xargs touch)
echo text >"$W/many/f000001"
measured "publish of $DOCUMENTS documents" 600 "$BUILD_DIR/consent" --home "$W/a1" \
	publish --patient Ann --title Many "$W/many"
until_ok 120 appears "$M" Many
D=$(find_dir "$M" Many)/many
measured "list of $DOCUMENTS documents" 256 find "$D" -type f -fprint "$W/names"
[ "$(wc -l <"$W/names")" = "$DOCUMENTS" ]
cmp "$D/f000001" "$W/many/f000001"
grown "with $DOCUMENTS documents" 700
rm -r "$W/many"

say "a list of documents beyond 64 MiB"
mkdir "$W/long"
name=$(printf 'x%.0s' $(seq 240))
(cd "$W/long" && seq -f "$name%06.0f" 170000 | xargs touch)
refused() { timeout 300 "$BUILD_DIR/consent" --home "$W/a1" publish --patient Ann --title Long "$W/long"; }
must_fail 1 refused
grep -q 'the list of 170000 files is longer than 64 MiB; publish them as several sets' "$W/out"
[ "$(consent --home "$W/ann" sets --json | jq length)" = 2 ] # nothing of it was published
figure "a list of 170 000 documents beyond the limit: published 0 of 1"
unmount "$M"
server_stop
