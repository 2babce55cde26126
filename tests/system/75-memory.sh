#!/bin/bash
# Keys and plaintext after a release: the memory of consentfs and consentd is
# searched for the key of the set, the keys of its documents and the text.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "needs root to read the memory of processes"
CYCLES=${LONG:+200}
CYCLES=${CYCLES:-4}
needles() { python3 "$TOP/tests/system/needles.py" "$@"; }
world
M=$W/mnt
mount_home b1 "$M"
FS=$(pgrep -d, -f "consentfs .*$M\$") # server, keeper, unmounter
HITS=0 SEARCHES=0 BYTES=0 FILES=0
export TMPDIR=$W/tmp
mkdir "$TMPDIR"

refused() { ! cat "$1" >"$W/out" 2>&1; }

# count OUTPUT: what a search found
count() {
	[[ $(tail -1 <<<"$1") =~ ^([0-9]+)\ in\ ([0-9]+) ]] || fail "the search failed: $1"
	HITS=$((HITS + BASH_REMATCH[1]))
}

# search PID,... WHERE: nothing of the secrets is there
search() {
	local out
	out=$(needles memory "$1" "${SECRETS[@]}") || true
	grep -A1 HIT <<<"$out" | sed "s/^/$2: /" || true
	count "$out"
	BYTES=$((BYTES + BASH_REMATCH[2]))
	SEARCHES=$((SEARCHES + 1))
}

# on_disk: nor in any file, argument or environment
on_disk() {
	local out places=("$W") p
	for p in ${FS//,/ } "$SERVER"; do places+=("/proc/$p/environ" "/proc/$p/cmdline"); done
	out=$(needles files "${SECRETS[@]}" -- "${places[@]}") || true
	grep HIT <<<"$out" || true
	count "$out"
	FILES=$((FILES + BASH_REMATCH[2]))
}

# one cycle: the document is read in every way, then the right ends
cycle() {
	local i=$1 doc canary set map
	canary=$(python3 -c "import secrets; print('Canary' + secrets.token_hex(12))")
	mkdir -p "$W/docs"
	for ((n = 0; n < 4000; n++)); do echo "$canary line $n"; done >"$W/docs/a.txt"
	echo "$canary" >"$W/docs/b.txt"
	set=$(publish a1 "Set $i" "$W/docs")
	consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 1d >/dev/null
	until_ok 10 appears "$M" "Set $i"
	doc=$(find_dir "$M" "Set $i")/docs
	cmp "$doc/a.txt" "$W/docs/a.txt"
	tail -c 100 "$doc/a.txt" >/dev/null
	cat "$doc/b.txt" >/dev/null
	"$BUILD_DIR/reader" "$doc/a.txt" --map >"$W/map.out" &
	map=$!
	until_ok 10 grep -q mapped "$W/map.out"
	read -r id key <<<"$("$BUILD_DIR/setkey" "$W/ann" "$set")"
	SECRETS=("text=$canary" "set-key=$key"
		"key-of-a=$(needles key "$key" "$W/rms/blobs" "$id" 1)"
		"key-of-b=$(needles key "$key" "$W/rms/blobs" "$id" 2)")
	if [ "$i" = 1 ]; then # in use it is there, so that the search is true
		needles memory "$FS" "${SECRETS[@]}" >"$W/out" || true
		grep -q 'set-key raw' "$W/out" || fail "the search does not find the key in use"
		# sanitizers do not let mlock() through
		grep -q 'NOT filtered' "$W/consentd.log" ||
			! grep -A1 'set-key' "$W/out" | grep flags | grep -qv ' lo .*dd' ||
			fail "the key in use is not locked, or would be dumped: $(cat "$W/out")"
	fi
	consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
	until_ok 10 refused "$doc/a.txt"
	search "$FS" "consentfs, cycle $i"
	search "$SERVER" "consentd, cycle $i"
	kill $map
	wait $map 2>/dev/null || true
	search "$FS" "consentfs, closed, cycle $i"
	rm -r "$W/docs"
	on_disk
}

for ((i = 1; i <= CYCLES; i++)); do cycle $i; done
figure "keys or text in memory after a revocation: $HITS in $SEARCHES searches of $CYCLES cycles, $((BYTES >> 20)) MiB, and in $FILES files, arguments and environments"
[ $HITS = 0 ]
