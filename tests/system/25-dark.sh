#!/bin/bash
# Dark even when dead: the mount's processes are killed, stopped or stuck, or it
# is locked, while descriptors and mappings are open and in the kernel's cache.
# Within a second none of them gives data.  First as an ordinary user through
# fusermount3, then as root.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
ROUNDS=${ROUNDS:-${LONG:+46}}
ROUNDS=${ROUNDS:-1}
head -c 300000 /dev/urandom >"$W/scan.bin"
echo "a short note" >"$W/note.txt"
world
set=$(publish a1 "Large scan" "$W/scan.bin" "$W/note.txt")
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
M=$W/mnt
mkdir "$M" "$W/bin"
cp "$BUILD_DIR/consentfs" "$BUILD_DIR/dark" "$W/bin/"
touch "$W/consentfs-b1.log"
chmod -R a+rX "$W/bin"

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
	[ -n "$F" ] && as cmp -s "$F/scan.bin" "$W/scan.bin"
}
# Mount; KEEPER and SERVER are the two processes.
light_up() {
	local p comm i
	as "$W/bin/consentfs" --home "$W/b1" --log "$W/consentfs-b1.log" -o login=root "$M"
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
N=0 CHECKS=0 WORST=0
# dies WHAT ARGUMENTS OF dark...: one death
dies() {
	local line what=$1
	shift
	line=$(as timeout 60 "$W/bin/dark" "$@" "$F/scan.bin" "$F/note.txt" "$M/Ann/.consent/status.txt") ||
		fail "$what as $WHO, after $N that went well: $line"
	until_ok 20 over
	N=$((N + 1))
	CHECKS=$((CHECKS + $(sed 's/.*checks \([0-9]*\),.*/\1/' <<<"$line")))
	line=${line#dark after } line=${line%% ms*}
	[ "$line" -le "$WORST" ] || WORST=$line
}
rounds() { # WHAT COMMAND: several of one kind
	local i what=$1
	shift
	N=0 CHECKS=0 WORST=0
	for ((i = 0; i < ROUNDS; i++)); do
		light_up
		"$@" "$what"
	done
	figure "$what as $WHO: dark $N of $N within 1 s (worst $WORST ms), checks with data 0 of $CHECKS"
}
signal() { dies "$3" kill "$2" "${!1}"; } # SERVER_PID|KEEPER SIGNAL
locked() { dies "$1" lock "$W/bin/consentfs lock $M"; }

for who in user root; do
	become $who
	rounds "server SIGKILL" signal SERVER_PID 9
	rounds "server SIGABRT" signal SERVER_PID 6
	rounds "server SIGSEGV" signal SERVER_PID 11
	rounds "server SIGSTOP" signal SERVER_PID 19
	rounds "keeper SIGKILL" signal KEEPER 9
	rounds "keeper SIGSTOP" signal KEEPER 19
	rounds "consentfs lock" locked
done
server_stop
