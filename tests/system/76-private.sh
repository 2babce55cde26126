#!/bin/bash
# Another program of the same user gets nothing out of our processes, and a
# crash leaves no core.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
server_init
person b1
mkdir "$W/mnt" "$W/bin" "$W/cores"
cp "$BUILD_DIR/consentd" "$BUILD_DIR/consentfs" "$BUILD_DIR/consent" "$W/bin/"
chmod 755 "$W/bin/"*
chown -R nobody "$W/rms" "$W/b1" "$W/mnt" "$W/cores"
touch "$W/consentfs-b1.log"
chown nobody "$W/consentfs-b1.log"
user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
peek() { "${user[@]}" /usr/bin/python3 - "$1" <"$TOP/tests/system/peek.py"; }
TRIED=0 GOT=0

# hidden PID NAME: no way in
hidden() {
	local out
	out=$(peek "$1")
	echo "$2: ${out:-nothing}"
	TRIED=$((TRIED + $(wc -w <<<"$WAYS")))
	GOT=$((GOT + $(wc -w <<<"$out")))
}

say "a process that does not hide gives everything"
"${user[@]}" sleep 100 &
plain=$!
until_ok 5 test -r "/proc/$plain/exe"
WAYS=$(peek $plain)
kill $plain
echo "sleep: $WAYS"
[ "$(wc -w <<<"$WAYS")" -ge 8 ]

say "ours give nothing, from the first moment to the last"
"${user[@]}" "$W/bin/consentd" serve --dir "$W/rms" 2>>"$W/consentd.log" &
SERVER=$!
until_ok 20 curl -sf "$RMS/healthz"
hidden "$SERVER" consentd
"${user[@]}" "$W/bin/consentfs" --home "$W/b1" --log "$W/consentfs-b1.log" -o login=nobody "$W/mnt"
MOUNTS+=("$W/mnt")
for p in $(pgrep -f "consentfs .*$W/mnt\$"); do hidden "$p" "$(cat "/proc/$p/comm")"; done
mkfifo "$W/passphrase"
"${user[@]}" "$W/bin/consent" --home "$W/cores/new" keygen --roots "$W/rms/client.conf" \
	--passphrase-fd 3 3<>"$W/passphrase" >"$W/out" 2>&1 &
keygen=$!
sleep 0.5
hidden $keygen "consent keygen, which waits for the passphrase"
kill $keygen

say "consentd, started as root, is who owns its directory"
server_stop
server_start
grep -qE '^Uid:([[:space:]]65534){4}$' "/proc/$SERVER/status"
grep -qE '^Gid:([[:space:]][0-9]+){4}$' "/proc/$SERVER/status"
[ -z "$(sed -n 's/^Groups:[[:space:]]*//p' "/proc/$SERVER/status")" ]
hidden "$SERVER" "consentd, started as root"

say "a crash leaves no core"
crash() { # COMMAND...: in $W/cores, as a user who wants cores
	(
		cd "$W/cores"
		ulimit -c unlimited
		# no sanitizer shall catch and report it
		export ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0
		export TSAN_OPTIONS=$TSAN_OPTIONS:handle_segv=0
		exec "${user[@]}" "$@"
	) 2>>"$W/crash.log" &
}
crash sleep 100
sleep 0.3
kill -SEGV $!
wait $! || true
cores() { find "$W/cores" -type f -name 'core*' | wc -l; }
wanted=$(cores)
rm -f "$W"/cores/core*
server_stop
crash "$W/bin/consentd" serve --dir "$W/rms"
SERVER=$!
until_ok 20 curl -sf "$RMS/healthz"
kill -SEGV "$SERVER"
wait "$SERVER" || true
SERVER=''
fusermount3 -u "$W/mnt"
until_ok 10 not_busy "$W/mnt"
crash "$W/bin/consentfs" -f --home "$W/b1" -o login=nobody "$W/mnt"
keeper=$!
until_ok 20 grep -q "$W/mnt" /proc/mounts
kill -SEGV "$(pgrep -P $keeper -x consentfs)"
wait $keeper || true
[ "$(cores)" = 0 ] || fail "a core was written"
figure "ways into another process of the same user: $GOT of $TRIED; cores of 2 crashes: 0 (of a program that allows it: $wanted of 1)"
[ $GOT = 0 ]
