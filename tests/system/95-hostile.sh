#!/bin/bash
# A server that misbehaves on command (evil.py) stands between clients and a
# real consentd: the rows of attacks.tsv.  Each must be refused with the right
# error, release no byte that was not verified, leave a line that an operator
# understands, and when the attack ends all must work again.
. "$(dirname "$0")/lib.sh"
need_fuse
HERE=$TOP/tests/system
ONLY=${ATTACK:-} # run only the rows whose first two columns begin with this
EVIL='' RUN=0 LATER=0 SETS=0
[ -x "$BUILD_DIR/attack" ] || make -C "$BUILD_DIR" -s attack

# ---- the world: everybody but consentd itself goes through the evil server
evil_start() {
	EVIL_RMS=$(free_port) EVIL_NODE=$(free_port)
	RMS_URL=http://127.0.0.1:$EVIL_RMS server_init
	server_start
	mkdir "$W/evil"
	python3 "$HERE/evil.py" serve "$W/evil" "$EVIL_RMS:$RMS_PORT" \
		"$EVIL_NODE:$NODE_PORT" 2>"$W/evil.err" &
	EVIL=$!
	until_ok 10 test -e "$W/evil/ready"
}
tidy() { [ -z "$EVIL" ] || kill "$EVIL"; }
through() { # HOME...: their node is the evil one too
	local h
	for h; do
		sed -i "s|:$NODE_PORT\$|:$EVIL_NODE|" "$W/$h/consent.conf"
		grep -q ":$EVIL_NODE" "$W/$h/consent.conf"
	done
}
attack_on() { : >"$W/evil/acted"; echo "$*" >"$W/evil/attack"; }
attack_off() { echo none >"$W/evil/attack"; }
acted() { [ -s "$W/evil/acted" ]; }

evil_start
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
through ann a1 b1
for h in a1 b1; do consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null; done
mkdir "$W/src"
for i in $(seq -w 60); do
	printf 'document %s of nobody\n' "$i" >"$W/src/f$i"
done
for i in 1 2 3 4 5 6 7 8; do
	head -c 3500000 /dev/urandom >"$W/src/big$i"
done
publish a1 "Records" "$W/src" >/dev/null
consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
M=$W/mnt
mount_home b1 "$M"
until_ok 15 appears "$M" "Records"
D=$(find_dir "$M" "Records")/src
cmp "$D/f60" "$W/src/f60" # a right span and a key that the server has seen
LOG=$W/consentfs-b1.log
READING_KEY=$(jq -r .readingKey "$W/b1/accreditation.json")

# ---- kinds of runs; each leaves in $got what came of it
log_from() { LOG_AT=$(stat -c %s "$LOG"); }
log_has() { tail -c +$((LOG_AT + 1)) "$LOG" | grep -qF -- "$1"; }

run_read() { # ATTACK DOC [OFFSET that is read before]
	[ -z "${3:-}" ] || tail -c +"$3" "$D/$2" | head -c 1 >/dev/null
	attack_on "$1"
	got=$(timeout 60 python3 "$HERE/evil.py" read "$D/$2" "$W/src/$2")
	attack_off
	acted || fail "the server did not do it: $1"
	until_ok 20 cmp "$D/$2" "$W/src/$2"
}

fresh() { # publish one more set with one document: its title in $title
	SETS=$((SETS + 1)) title="Set $SETS"
	publish a1 "$title" "$W/src/f01" >/dev/null
}

run_key() { # ATTACK [ARG]: the key of the set is asked for when f01 is opened
	fresh
	until_ok 20 appears "$M" "$title"
	attack_on "${@/#KEY/$READING_KEY}"
	got=$(timeout 60 python3 "$HERE/evil.py" read "$(find_dir "$M" "$title")/f01" "$W/src/f01")
	attack_off
	acted || fail "the server did not do it: $1"
	until_ok 20 cmp "$(find_dir "$M" "$title")/f01" "$W/src/f01"
}

run_list() { # ATTACK: it is not listed until the attack ends
	attack_on "$1"
	fresh
	until_ok 20 acted
	sleep 0.5
	got=absent
	! appears "$M" "$title" || got=listed
	attack_off
	fresh # the news of another set has the list asked for again
	until_ok 20 appears "$M" "$title"
	SETS=$((SETS - 1)) && until_ok 20 appears "$M" "Set $SETS"
	SETS=$((SETS + 1))
}

run_cli() { # ATTACK COMMAND: the exit status; the message is the line
	attack_on "${1//:/ }"
	shift
	LOG=$W/cli.log LOG_AT=0
	got=0
	"$@" >"$W/cli.log" 2>&1 || got=$?
	attack_off
	acted || fail "the server did not do it: $*"
}

run_unit() { # PROGRAM CASE TEST
	local case=${2//+/ } log=$W/unit-$1-$2
	[ -e "$log" ] || (cd "$BUILD_DIR" && srcdir=$TOP CK_RUN_CASE=$case \
		CK_LOG_FILE_NAME=$log "./$1" >/dev/null 2>&1) ||
		fail "$1 fails: $(grep ':[FE]:' "$log" | head -3)"
	got=missing
	! grep -qE ":P:$case:$3:" "$log" || got=passed
}

run_attack() { # NAME [N [N when everything is run in full]]
	local n=${2:-0}
	[ -z "${LONG:-}" ] || n=${3:-$n}
	got=refused
	"$BUILD_DIR/attack" "$1" "$n" >"$W/attack.out" || got=accepted
	cat "$W/attack.out"
}

run_shell() { "$@"; }

two_keys() { # N N: GCM by the unit test, XChaCha20-Poly1305 by twokeys.py
	local n=$1
	[ -z "${LONG:-}" ] || n=$2
	export TWO_KEYS=$n
	run_unit seal_test gcm two_keys
	[ "$got" = passed ]
	(cd "$HERE" && python3 twokeys.py "$n") | "$BUILD_DIR/attack" twokeys "$n"
	figure "documents that pass under two keys: $n each way, accepted under the second: 0 of $((2 * n))"
	got=refused
}

row() { # ID RUN WHAT WANT LINE
	local kind=${2%% *} LOG=$LOG
	got=''
	log_from
	# shellcheck disable=SC2086 # the run is words
	"run_$kind" ${2#* }
	[ "$got" = "$4" ] || fail "$1 $2 ($3): got '$got', not '$4'"
	[ "$5" = - ] || log_has "$5" ||
		fail "$1 $2 ($3): nobody reads '$5' but: $(tail -c +$((LOG_AT + 1)) "$LOG" | tail -5)"
	RUN=$((RUN + 1))
	echo "ok $1 $2: $got"
}

while IFS=$'\t' read -r -u 3 id run what want line; do
	case $id in '#'* | '') continue ;; esac
	[[ "$id $run" == "$ONLY"* ]] || continue
	if [ "$run" = later ]; then
		LATER=$((LATER + 1))
		echo "later $id $what: $line"
		continue
	fi
	row "$id" "$run" "$what" "$want" "$line"
done 3<"$HERE/attacks.tsv"
figure "attacks refused: $RUN of $RUN, bytes that were not verified: 0, not run: $LATER"
unmount "$M"
server_stop
