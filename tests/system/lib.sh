# Sourced by every system test: real daemons, real mounts, a folder of its own.
# Exit 0: passed, 77: skipped, else failed.
set -eEu
shopt -s inherit_errexit
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD_DIR=${BUILD_DIR:-$TOP/build}
W=$(mktemp -d /tmp/consentfs-test.XXXXXX)
chmod 755 "$W"
export HOME=$W/home
mkdir "$HOME"
# Where there are sanitizers, what they find ends the process, and is in its log.
export ASAN_OPTIONS=detect_leaks=1:exitcode=66
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=66:second_deadlock_stack=1
SERVER='' MOUNTS=()
SLOW=1  # how much longer things may take
OTHERS='' # processes to be killed at the end

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
figure() { echo "figure: $*"; }
say() { echo "== $*"; }
trap 'echo "FAILED in line $LINENO: $BASH_COMMAND" >&2' ERR

# Of a command the tests may read or drop stderr: the report has its own file.
consent() {
	ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$W/asan.log \
		UBSAN_OPTIONS=$UBSAN_OPTIONS:log_path=$W/ubsan.log \
		TSAN_OPTIONS=$TSAN_OPTIONS:log_path=$W/tsan.log "$BUILD_DIR/consent" "$@"
}
consentd() { "$BUILD_DIR/consentd" "$@"; }

need_fuse() {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	command -v fusermount3 >/dev/null || skip "no fusermount3"
}

tidy() { :; } # what a test has of its own to clean up; its status is ignored
finish() {
	local status=$? m
	set +eE
	trap - ERR
	tidy
	for m in "${MOUNTS[@]}"; do
		mountpoint -q "$m" && fusermount3 -uz "$m"
	done
	[ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null
	[ -z "$OTHERS" ] || kill -9 $OTHERS
	wait 2>/dev/null
	for ((m = 0; m < 200; m++)); do # a report may come at the very end
		pgrep -f "consentfs .*$W/" >/dev/null || break
		sleep 0.05
	done
	if [ $status = 0 ] && grep -lE 'Sanitizer|runtime error|assert|Segmentation' "$W"/*.log*; then
		echo "FAILED: suspicious words in the logs" >&2
		status=1
	fi
	if [ $status != 0 ] && [ $status != 77 ]; then
		for f in "$W"/*.log*; do
			[ -s "$f" ] && { echo "--- $f"; tail -15 "$f"; }
		done
	fi
	rm -rf "$W"
	exit $status
}
trap finish EXIT

# until_ok SECONDS COMMAND...: wait for something to become true
until_ok() {
	local n=$(($1 * 20 * SLOW)) i
	shift
	for ((i = 0; i < n; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	fail "did not happen in time: $*"
}

must_fail() { # must_fail STATUS COMMAND...
	local want=$1 got=0
	shift
	"$@" >"$W/out" 2>&1 || got=$?
	[ "$got" = "$want" ] || fail "'$*' ended with $got, not $want: $(cat "$W/out")"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# server_init: make $W/rms (clients reach it at RMS_URL); server_start, server_stop
server_init() {
	NODE_PORT=$(free_port) RMS_PORT=$(free_port)
	NODE=http://127.0.0.1:$NODE_PORT RMS=http://127.0.0.1:$RMS_PORT
	consentd init --dir "$W/rms" --node-listen "127.0.0.1:$NODE_PORT" \
		--rms-listen "127.0.0.1:$RMS_PORT" --rms-url "${RMS_URL:-$RMS}" "$@" >/dev/null
}
server_start() {
	"$BUILD_DIR/consentd" serve --dir "$W/rms" 2>>"$W/consentd.log" &
	SERVER=$!
	until_ok 20 curl -sf -m 5 "$RMS/healthz"
}
server_stop() {
	kill "$SERVER"
	wait "$SERVER" || fail "consentd ended with $?"
	SERVER=''
}

# person NAME; clinic NAME "Accredited name"; host NAME OTHER: homes in $W/NAME
person() {
	consent --home "$W/$1" keygen --roots "$W/rms/client.conf" --unprotected >/dev/null
	fund "$1"
}
patient() {
	person "$1"
	consent --home "$W/$1" register >"$W/$1.card" 2>/dev/null
}
accredit() { # NAME HOME...: accredit these hosts
	local name=$1 h requests=()
	shift
	for h; do requests+=("$W/$h/accreditation.json"); done
	consentd accredit --dir "$W/rms" --name "$name" "${requests[@]}" >/dev/null
}
clinic() {
	consent --home "$W/$1" keygen --roots "$W/rms/client.conf" --unprotected \
		--institution "$2" --host "$1" >/dev/null
	fund "$1"
	accredit "$2" "$1"
}
host() {
	consent --home "$W/$1" keygen --roots "$W/rms/client.conf" --unprotected \
		--join "$W/$2" --host "$1" >/dev/null
	fund "$1"
}
practitioner() { # HOME LOGIN ID NAME
	printf '[practitioners]\n%s = %s, %s\n' "$2" "$3" "$4" >>"$W/$1/consent.conf"
}

# What other ledgers than the embedded node need; LEDGER=waves: waves.sh.
fund() { :; }      # HOME...: so that these accounts can send
meanwhile() { :; } # STEP: between two steps of story.sh

# world: a server, patient ann, clinic-a (hosts a1, a2), clinic-b (b1); the
# card is known to all under the alias "Ann"
world() {
	server_init
	server_start
	patient ann
	clinic a1 "Clinic A"
	host a2 a1
	accredit "Clinic A" a1 a2
	clinic b1 "Clinic B"
	practitioner b1 root dr-b "Dr. Berta Blum"
	for h in a1 a2 b1; do
		consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null
	done
}

# crash_world: what crash.py and faults.py begin with: a copy of a world that
# stands still in $W/made, and a backup of it
crash_world() {
	local set
	world
	set=$(publish a1 Base "$TOP/COPYING")
	mkdir "$W/view"
	"$BUILD_DIR/consentfs" --home "$W/a1" -o view=ciphertext "$W/view"
	until_ok 20 test -e "$W/view/$set"
	cp -r "$W/view" "$W/backup"
	fusermount3 -u "$W/view"
	server_stop
	mkdir "$W/made"
	cp -a "$W"/{rms,ann,a1,a2,b1} "$W/made"
}

# mount_home HOME MOUNTPOINT [options]
mount_home() {
	local home=$1 at=$2
	shift 2
	mkdir -p "$at"
	"$BUILD_DIR/consentfs" --home "$W/$home" --log "$W/consentfs-$home.log" "$@" "$at"
	MOUNTS+=("$at")
}
unmount() {
	fusermount3 -u "$1"
	until_ok 10 not_busy "$1"
}
not_busy() { ! pgrep -f "consentfs .*$1\$" >/dev/null; }

# Of the processes of a mount the one with most threads is the server.
mount_server() {
	local p
	for p in $(pgrep -f "consentfs .*$1\$"); do
		echo "$(find "/proc/$p/task" -maxdepth 1 2>/dev/null | wc -l) $p"
	done | sort -n | tail -n 1 | cut -d' ' -f2
}
peak() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$1/status"; } # MiB

publish() { # HOME TITLE [options] FILES...: prints the set id
	local home=$1 title=$2 out
	shift 2
	out=$(consent --home "$W/$home" publish --patient Ann --title "$title" --json "$@")
	jq -r .set <<<"$out"
}
find_dir() { # MOUNT TITLE: the folder of a set
	find "$1" -mindepth 2 -maxdepth 2 -type d -name "* $2 (*" | head -1
}
appears() { [ -n "$(find_dir "$1" "$2")" ]; }
gone() { [ -z "$(find_dir "$1" "$2")" ]; }
history_has() { # HOME JQ-FILTER
	[ "$(consent --home "$W/$1" history --json | jq "[.[] | select($2)] | length")" -ge 1 ]
}

[ -z "${LEDGER:-}" ] || . "$TOP/tests/system/$LEDGER.sh"
