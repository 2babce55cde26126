#!/bin/bash
# Dark even when dead: the mount's processes are killed, stopped or stuck, or it
# is locked, while descriptors and mappings are open and in the kernel's cache.
# Within a second none of them gives data; three when a process that is silent
# has to be told from a busy machine.  First as an ordinary user through
# fusermount3, then as root.
. "$(dirname "$0")/lib.sh"
need_fuse
# What kills a process here is meant to: no sanitizer shall catch and report it.
export ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0:handle_abort=0
export TSAN_OPTIONS=$TSAN_OPTIONS:handle_segv=0:handle_abort=0
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
ROUNDS=${ROUNDS:-${LONG:+46}}
ROUNDS=${ROUNDS:-1}
head -c 300000 /dev/urandom >"$W/scan.bin"
echo "a short note" >"$W/note.txt"
world
head -c 3000000 /dev/urandom >"$W/big.bin"
head -c 1000 /dev/urandom >"$W/other.bin"
for set in "$(publish a1 "Large scan" "$W"/{scan,big}.bin "$W/note.txt")" \
	"$(publish a1 "Other scan" "$W/other.bin")"; do
	consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
done
M=$W/mnt MOUNT_OPTIONS=login=root
mkdir "$M" "$W/bin" "$W/open"
chmod 777 "$W/open"
cp "$BUILD_DIR/consentfs" "$BUILD_DIR/dark" "$W/bin/"
touch "$W/consentfs-b1.log"
chmod -R a+rX "$W/bin"

# Not even root enters a user's mount to see whether it is one.
tidy() { "$W/bin/consentfs" lock "$M" 2>/dev/null; }

# WHO is user or root
as() {
	if [ "$WHO" = user ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}
become() {
	WHO=$1
	local owner=root
	[ "$WHO" = root ] || owner=nobody
	chown -R "$owner" "$W/b1" "$M" "$W/consentfs-b1.log"
}
light() {
	F=$(as find "$M" -mindepth 2 -maxdepth 2 -type d -name "* Large scan (*" | head -1)
	[ -n "$F" ] && as cmp -s "$F/scan.bin" "$W/scan.bin" && as cmp -s "$F/note.txt" "$W/note.txt"
}
# Mount; KEEPER and SERVER are the two processes.
light_up() {
	local p comm i
	as "$W/bin/consentfs" --home "$W/b1" --log "$W/consentfs-b1.log" -o "$MOUNT_OPTIONS" "$M"
	MOUNTS=("$M")
	for ((i = 0; i < 500; i++)); do
		if light; then break; fi
		sleep 0.02
	done
	light || fail "nothing to read"
	KEEPER='' SERVER_PID=''
	for p in $(pgrep -f "consentfs .*$M\$"); do
		read -r comm <"/proc/$p/comm"
		case $comm in
		consentfs-keep) KEEPER=$p ;;
		consentfs) SERVER_PID=$p ;;
		esac
	done
	[ -n "$KEEPER" ] && [ -n "$SERVER_PID" ] || fail "keeper '$KEEPER', server '$SERVER_PID'"
}
over() { not_busy "$M" && ! grep -q " $M " /proc/self/mountinfo; }
export LIMIT_MS=1000
N=0 CHECKS=0 WORST=0 TOTAL=0
# dies WHAT ARGUMENTS OF dark...: one death
dies() {
	local line what=$1
	shift
	line=$(as timeout 60 "$W/bin/dark" "$@" "$F/scan.bin" "$F/note.txt" "$M/Ann/.consent/status.txt") ||
		fail "$what as $WHO, after $N that went well: $line"
	until_ok 30 over
	N=$((N + 1))
	CHECKS=$((CHECKS + $(sed 's/.*checks \([0-9]*\),.*/\1/' <<<"$line")))
	line=${line#dark after } line=${line%% ms*}
	[ "$line" -le "$WORST" ] || WORST=$line
}
rounds() { # TIMES WHAT COMMAND: several of one kind
	local i times=$1 what=$2
	shift 2
	N=0 CHECKS=0 WORST=0
	for ((i = 0; i < times; i++)); do
		light_up
		"$@" "$what"
	done
	TOTAL=$((TOTAL + N))
	figure "$what as $WHO: dark $N of $N within $LIMIT_MS ms (worst $WORST ms), checks with data 0 of $CHECKS"
}
signal() { dies "$3" kill "$2" "${!1}"; } # SERVER_PID|KEEPER SIGNAL
locked() { dies "$1" lock "$W/bin/consentfs lock $M"; }
revoker() {
	local t
	for t in /proc/"$SERVER_PID"/task/*; do
		[ "$(cat "$t/comm")" != revoker ] || echo "${t##*/}"
	done
}
stalled() { dies "$1" stall "$(revoker)" ""; }
stalled_locked() { dies "$1" stall "$(revoker)" "$W/bin/consentfs lock $M"; }

# Memory runs out in a group of the mount's processes.  The server would go
# before the keeper; that it goes before what takes the memory is made sure.
GROUP=/sys/fs/cgroup/memory/$(basename "$W")
storm() {
	until [ -e "$W/open/go" ]; do sleep 0.02; done
	echo "$BASHPID" >"$GROUP/cgroup.procs"
	exec /usr/bin/python3 -c '
import os, sys
held = []
while os.path.exists("/proc/" + sys.argv[1]) and len(held) < 300:
    held.append(b"x" * (1 << 20))' "$SERVER_PID"
}
starved() {
	local p storm
	rm -f "$W/open/go"
	mkdir "$GROUP"
	echo 100M >"$GROUP/memory.limit_in_bytes"
	[ "$(cat "/proc/$SERVER_PID/oom_score")" -gt "$(cat "/proc/$KEEPER/oom_score")" ]
	echo 1000 >"/proc/$SERVER_PID/oom_score_adj"
	for p in $(pgrep -f "consentfs .*$M\$"); do echo "$p" >"$GROUP/cgroup.procs"; done
	storm &
	storm=$!
	dies "$1" run "touch $W/open/go" "$SERVER_PID"
	wait "$storm" || true
	grep -q 'oom_kill [1-9]' "$GROUP/memory.oom_control" || fail "nothing was killed for want of memory"
	rmdir "$GROUP"
}

# A request waits in the server for the RMS when the server is killed: an open
# (of a set without a lease), or a read (of ciphertext that is not there).
waiting() { # FILE WHAT
	local waiter status=0
	kill -STOP "$SERVER"
	as timeout 20 cat "$1" >"$W/open/out" 2>&1 &
	waiter=$!
	sleep 0.3
	signal SERVER_PID 9 "$2"
	wait "$waiter" || status=$?
	kill -CONT "$SERVER"
	[ "$status" = 1 ] || fail "$2: cat ended with $status"
}
waiting_open() { waiting "${F/Large scan/Other scan}/other.bin" "$1"; }
waiting_read() { # the lease is there by now
	waiting "$F/big.bin" "$1"
}

for who in user root; do
	become $who
	rounds 1 "SIGKILL while a read waits" waiting_read
	rounds 1 "SIGKILL while an open waits" waiting_open
	rounds "$ROUNDS" "server SIGKILL" signal SERVER_PID 9
	rounds "$ROUNDS" "server SIGABRT" signal SERVER_PID 6
	rounds "$ROUNDS" "server SIGSEGV" signal SERVER_PID 11
	rounds "$ROUNDS" "server SIGSTOP" signal SERVER_PID 19
	rounds "$ROUNDS" "keeper SIGKILL" signal KEEPER 9
	LIMIT_MS=3000
	rounds "$ROUNDS" "keeper SIGSTOP" signal KEEPER 19
	LIMIT_MS=1000
	rounds "$ROUNDS" "consentfs lock" locked
	if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
		rounds 1 "server out of memory" starved
	else
		figure "out of memory: not tried, there is no memory cgroup of version 1"
	fi
	rm -rf "$W/b1/cache"
done
LIMIT_MS=3000
rounds 1 "revoker stopped" stalled
LIMIT_MS=1000
rounds 1 "revoker stopped, consentfs lock" stalled_locked
MOUNT_OPTIONS=direct_io,login=root
rounds 1 "server SIGKILL with direct_io" signal SERVER_PID 9
figure "all: dark $TOTAL of $TOTAL"

say "who may lock, and what"
light_up
must_fail 3 "$W/bin/consentfs" lock "$W"
must_fail 3 "$W/bin/consentfs" lock "$W/no/where"
WHO=user
must_fail 4 as "$W/bin/consentfs" lock "$M"
grep -q "another user's" "$W/out" || fail "$(cat "$W/out")"
# nor without that check: the socket's name is in the list of mounts
must_fail 1 as /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("\0" + sys.argv[1])
s.settimeout(5)
sys.exit(1 if s.recv(1) == b"" else 2)' "$(awk -v m="$M" '$5 == m { print $(NF - 1) }' /proc/self/mountinfo)"
cmp "$F/scan.bin" "$W/scan.bin"
grep -q 'user 65534 may not lock' "$W/consentfs-b1.log"
(cd "$W" && "$W/bin/consentfs" lock mnt)
until_ok 5 over
must_fail 3 "$W/bin/consentfs" lock "$M"
server_stop
