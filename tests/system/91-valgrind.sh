#!/bin/bash
# Commands and a mount under valgrind: no error, nothing lost.  Some verbs; with
# LONG=1 all, and consentd meanwhile.  Valgrind does not know the sandbox.
. "$(dirname "$0")/lib.sh"
need_fuse
gcc -shared -fPIC -o "$W/smallmap.so" "$TOP/tests/system/smallmap.c"
mkdir "$W/grind" # a log for each run: VERB.PID
SILENT=--quiet
under() { # under NAME PROGRAM ...: it becomes the program
	LD_PRELOAD=$W/smallmap.so exec valgrind $SILENT --leak-check=full \
		--show-leak-kinds=definite,indirect,possible \
		--errors-for-leak-kinds=definite,indirect,possible \
		--error-exitcode=99 --log-file="$W/grind/$1.%p" "${@:2}"
}
grind() { # grind HOME VERB ...
	(under "$2" "$BUILD_DIR/consent" --home "$W/$1" "${@:2}" --no-sandbox) 2>>"$W/said" ||
		fail "$2 ended with $?: $(tail -2 "$W/said") $(cat "$W/grind/$2".*)"
}

world
mkdir "$W/docs" "$W/mnt"
echo "a note" >"$W/docs/note.txt"
head -c 2500000 /dev/urandom >"$W/docs/scan.bin"

say "some verbs"
grind new keygen --roots "$W/rms/client.conf" --unprotected >/dev/null
grind new register >"$W/new.card"
set=$(grind a1 publish --patient Ann --title Notes --json "$W/docs" | jq -r .set)
grind ann grant --to "Clinic B" --set "$set" --until 30d >/dev/null

# Nobody sees how the processes of a mount end: each has to say so.  One log is
# of the program that unmounts, and ends where it becomes that.
say "a mount"
(SILENT='' && under consentfs "$BUILD_DIR/consentfs" --home "$W/b1" --no-sandbox \
	--log "$W/consentfs-b1.log" "$W/mnt")
MOUNTS+=("$W/mnt")
until_ok 60 appears "$W/mnt" Notes
dir=$(find_dir "$W/mnt" Notes)
diff -r "$W/docs" "$dir/docs"
exec 7<"$dir/docs/note.txt"
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
refused() { ! cat "$dir/docs/note.txt"; }
until_ok 60 refused
until_ok 60 grep -q "set $set is dark" "$W/consentfs-b1.log"
must_fail 1 cat <&7
exec 7<&-
unmount "$W/mnt"
reported() { [ "$(grep -l 'ERROR SUMMARY: 0 errors' "$W"/grind/consentfs.* | wc -l)" -ge 4 ]; }
until_ok 30 reported
! grep -h 'ERROR SUMMARY: [1-9]' -B 40 "$W"/grind/consentfs.* || fail "the mount has errors or losses"
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null

every_verb() {
	local key delegation
	grind ann id >/dev/null
	grind ann card >/dev/null
	grind b1 alias "$W/new.card" New >/dev/null
	grind b1 ask --patient Ann --reason why >/dev/null
	grind ann inquiries >/dev/null
	grind b1 get --to "$W/got" "$set" >/dev/null
	diff -r "$W/docs" "$(find "$W/got" -type d -name docs)"
	grind ann refuse --to "Clinic A" >/dev/null
	grind ann revoke --to "Clinic B" --set "$set" >/dev/null
	grind ann exclude --to "Clinic B" >/dev/null
	grind ann reinstate --to "Clinic B" >/dev/null
	person rep
	key=$(consent --home "$W/rep" id --json | jq -r .key)
	delegation=$(grind ann delegate "$key" --relationship GUARD \
		--power decide --until 30d --json | jq -r .delegation)
	grind ann end "$delegation" >/dev/null
	grind ann sets >/dev/null
	grind ann history >/dev/null
	mount_home a1 "$W/cipher" -o view=ciphertext
	until_ok 20 test -d "$W/cipher/$set"
	cp -r "$W/cipher" "$W/copy"
	unmount "$W/cipher"
	grind a1 verify "$W/copy" >/dev/null
	grind a1 restore "$W/copy" >/dev/null
	grind ann status >/dev/null
	consent --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | sort >"$W/verbs"
	ls "$W/grind" | sed '/^consent[df]/d; s/\..*//' | sort -u | diff "$W/verbs" - ||
		fail "a verb was not run"
}
serve_under() {
	server_stop
	(under consentd "$BUILD_DIR/consentd" serve --no-sandbox --dir "$W/rms") \
		2>>"$W/consentd.log" &
	SERVER=$!
	until_ok 200 curl -sf "$RMS/healthz"
}
if [ -n "${LONG:-}" ]; then
	say "all the others, and consentd"
	serve_under
	every_verb
fi
server_stop
tail -n 1 "$W/grind"/consentfs.*
figure "valgrind: errors or losses in 0 of $(ls "$W/grind" | wc -l) processes"
