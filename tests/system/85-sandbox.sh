#!/bin/bash
# What the running programs have given up: privileges, capabilities, system
# calls.  What the sandbox denies, deed by deed: tests/unit/jail_test.
. "$(dirname "$0")/lib.sh"
THREADS=0

# given_up PID: every thread has
given_up() {
	local t s
	for t in /proc/"$1"/task/*; do
		s=$(cat "$t/status")
		grep -q '^NoNewPrivs:[[:space:]]1$' <<<"$s" || fail "$t may gain privileges"
		[ "$(grep -cE '^Cap(Inh|Prm|Eff|Amb):[[:space:]]0{16}$' <<<"$s")" = 4 ] || fail "$t has capabilities"
		[ "$(id -u)" != 0 ] || grep -qE '^CapBnd:[[:space:]]0{16}$' <<<"$s" || fail "$t has a bounding set"
		[ -n "$SANITIZED" ] || grep -q '^Seccomp:[[:space:]]2$' <<<"$s" || fail "$t has no filter"
		THREADS=$((THREADS + 1))
	done
}

say "consentd"
server_init
server_start
SANITIZED=$(grep 'NOT filtered' "$W/consentd.log" || :)
grep 'sandbox: Landlock' "$W/consentd.log"
given_up "$SERVER"

say "consentfs: server and keeper"
person a
M=$W/mnt
if [ -c /dev/fuse ] && command -v fusermount3 >"$W/out"; then
	mount_home a "$M"
	mapfile -t processes < <(pgrep -f "consentfs .*$M\$")
	sandboxed=0
	for p in "${processes[@]}"; do
		# the unmounter has only a pipe, and must become fusermount3
		[ "$(cat "/proc/$p/comm")" = consentfs-umnt ] && continue
		given_up "$p"
		sandboxed=$((sandboxed + 1))
	done
	[ $sandboxed = 2 ]
	unmount "$M"
	if grep 'killed by signal' "$W/consentfs-a.log"; then fail "the server could not end"; fi
fi
server_stop

say "without the sandbox, and it says so"
"$BUILD_DIR/consentd" serve --dir "$W/rms" --no-sandbox 2>>"$W/open.log" &
SERVER=$!
until_ok 20 curl -sf "$RMS/healthz"
grep -q 'warning: sandbox: off' "$W/open.log"
if (given_up "$SERVER") 2>"$W/out"; then fail "--no-sandbox changes nothing"; fi
server_stop
figure "threads that could regain a privilege: 0 of $THREADS"
