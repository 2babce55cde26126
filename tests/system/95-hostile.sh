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
make -C "$BUILD_DIR" -s attack setkey

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
through ann b1 # a1 publishes what b1 is lied to about
for h in a1 b1; do consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null; done
mkdir "$W/src"
for i in $(seq -w 60); do
	printf 'document %s of nobody\n' "$i" >"$W/src/f$i"
done
for i in 1 2 3 4 5 6 7 8 9; do
	head -c 3500000 /dev/urandom >"$W/src/big$i"
done
FIRST_SET=$(publish a1 "Records" "$W/src")
consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
M=$W/mnt
mount_home b1 "$M"
until_ok 15 appears "$M" "Records"
D=$(find_dir "$M" "Records")/src
cmp "$D/f60" "$W/src/f60" # a right span and a key that the server has seen
LOG=$W/consentfs-b1.log
KEYS=$(cat "$W"/{ann,b1}/*.key "$W"/b1/cards/* | sha256sum)
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
	SET=$(publish a1 "$title" "$W/src/f01")
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

# ---- shell functions of the table

# More readers than the gate has workers wait for bodies without end or of a
# byte a second: each is answered, those who need nothing of the server go on.
stalled() { # ATTACK DOC...
	local server before began=$SECONDS i readers=() others=0
	server=$(mount_server "$M")
	echo 5 >"/proc/$server/clear_refs"
	before=$(peak "$server")
	attack_on "$1"
	shift
	for i; do
		timeout 90 python3 "$HERE/evil.py" read "$D/$i" "$W/src/$i" >"$W/stalled.$i" &
		readers+=($!)
	done
	until_ok 20 acted
	while kill -0 "${readers[@]}" 2>/dev/null; do
		timeout 10 cmp "$D/f60" "$W/src/f60" || fail "a cached document waits too"
		timeout 10 ls "$D" >/dev/null || fail "the list waits too"
		others=$((others + 1))
		sleep 0.2
	done
	wait "${readers[@]}"
	attack_off
	got=$(for i; do cat "$W/stalled.$i"; done | sort -u | paste -sd,)
	i=$(($(peak "$server") - before))
	figure "$# reads of $RUN_WHAT: all ended after $((SECONDS - began)) s, $others reads beside, memory +$i MiB"
	[ "$i" -le 64 ] || fail "$i MiB more"
	for i; do until_ok 30 cmp "$D/$i" "$W/src/$i"; done
}
# The same when all is run.
long_stalled() {
	if [ -n "${LONG:-}" ]; then stalled "$@"; else got="ETIMEDOUT 0"; fi
}

run_node() { # ATTACK: new blocks are not believed until the attack ends
	attack_on "$1"
	fresh
	until_ok 20 acted
	until_ok 20 log_has "cannot follow the node"
	got=absent
	! appears "$M" "$title" || got=listed
	attack_off
	until_ok 30 appears "$M" "$title"
}

# In a copy of a home: COMMAND's exit status is what comes of it, its message
# the line.
in_copy() { # HOME COMMAND...
	local home=$1
	shift
	rm -rf "$W/copy"
	cp -r "$W/$home" "$W/copy"
	LOG=$W/cli.log LOG_AT=0 got=0
	"$@" >"$W/cli.log" 2>&1 || got=$?
}

# The first patient's card is made anew with another key of the same RMS: what a
# dishonest RMS can do, as its own signature is on it.
other_card() {
	local port rms
	port=$(free_port)
	cp -r "$W/rms" "$W/rms2"
	rm -rf "$W/rms2/keystore"
	sed -i "s/:$RMS_PORT\$/:$port/; s/^listen = 127.0.0.1:$NODE_PORT\$/listen = 127.0.0.1:0/" "$W/rms2/consentd.conf"
	sed -i "s/:$EVIL_RMS\$/:$port/; s/:$NODE_PORT\$/:0/" "$W/rms2/client.conf" "$W/rms2/consentd.conf"
	"$BUILD_DIR/consentd" serve --dir "$W/rms2" 2>"$W/consentd2.log" &
	rms=$!
	until_ok 20 curl -sf -m 5 "http://127.0.0.1:$port/healthz"
	cp -r "$W/ann" "$W/ann2"
	sed -i "s/:$EVIL_RMS\$/:$port/; s/:$EVIL_NODE\$/:$(sed -n 's/^node //p' "$W/rms2/ports")/" "$W/ann2/consent.conf"
	rm -rf "$W/ann2/cli" "$W/ann2/cards"
	consent --home "$W/ann2" register >"$W/other.card" 2>"$W/out" || fail "$(cat "$W/out")"
	kill $rms
	wait $rms || true
	! cmp -s "$W/ann.card" "$W/other.card" || fail "the card is the same"
	in_copy b1 consent --home "$W/copy" alias "$W/other.card" Ann
}

enrol() { # ATTACK: a new patient registers
	rm -rf "$W/new"
	person new
	run_cli "$1" consent --home "$W/new" register
	[ ! -s "$W/new/cards" ] || [ -z "$(ls -A "$W/new/cards")" ] || fail "a card was kept"
}

own_record() { # ATTACK: the patient reads a set of their own
	fresh
	one_is_seen() { rm -rf "$W/got" && consent --home "$W/ann" get --to "$W/got" "$SET"; }
	until_ok 30 one_is_seen
	cmp "$W/got/f01" "$W/src/f01"
	rm -rf "$W/got"
	run_cli "$1" consent --home "$W/ann" get --to "$W/got" "$FIRST_SET"
	[ -z "$(find "$W/got" "$W"/.consent-get-* 2>/dev/null)" ] || fail "something was written"
}

replayed() { # FILE [HOST]: a request that was answered is sent again
	LOG=$W/consentd.log
	log_from
	got=$(python3 "$HERE/evil.py" replay "$RMS_PORT" "$W/evil/kept/$1" "${@:2}")
}
replayed_elsewhere() { # FILE: to another host; told when the next line is due
	told() { replayed "$1" rms.example.org && log_has "for another host"; }
	until_ok 20 told "$1"
}
replayed_after_restart() {
	server_stop
	server_start
	replayed "$1"
}
# After a revocation: the old grant comes again by pool, feed and broadcast.
old_grant() { # ATTACK
	fresh
	until_ok 20 appears "$M" "$title"
	local f
	f=$(find_dir "$M" "$title")/f01
	cmp "$f" "$W/src/f01"
	consent --home "$W/ann" revoke --to "Clinic B" >/dev/null
	denied() { [ "$(python3 "$HERE/evil.py" read "$f" "$W/src/f01")" = "EACCES 0" ]; }
	until_ok 20 denied
	attack_on "$1"
	until_ok 20 acted
	for _ in 1 2 3 4 5 6; do
		sleep 0.3
		denied || fail "an old grant counts again"
	done
	got="EACCES 0"
	attack_off
	consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
	until_ok 20 cmp "$f" "$W/src/f01"
}

tls_stripped() {
	stripped() {
		sed -i "s|http://127.0.0.1:$EVIL_RMS|https://127.0.0.1:$EVIL_RMS|" "$W/copy/consent.conf"
		rm -rf "$W/copy/cli"
		consent --home "$W/copy" register
	}
	in_copy ann stripped
}
in_clear() {
	clear_text() {
		sed -i "s|http://127.0.0.1:$EVIL_RMS|http://192.0.2.1:$EVIL_RMS|" "$W/copy/consent.conf"
		consent --home "$W/copy" register
	}
	in_copy ann clear_text
}

# All that the processes show and write, searched for keys in every spelling.
no_key_shown() {
	local p
	{
		for p in "$SERVER" $(pgrep -f "consentfs .*$M\$"); do
			tr '\0' '\n' <"/proc/$p/cmdline"
			tr '\0' '\n' <"/proc/$p/environ"
		done
		cat "$W"/*.log
		cat "$W/evil/kept"/* | sed -n 's/^\([A-Z]* .*\) HTTP.1.1.*/\1/p'
	} >"$W/shown"
	jq -r '.. | strings | select(length >= 40)' "$W"/rms/*.key "$W"/{ann,a1,b1}/*.key |
		sort -u >"$W/keys"
	[ "$(wc -l <"$W/keys")" -ge 6 ]
	jq -r '.publicKey // .public // empty' "$W"/rms/*.key "$W"/{ann,a1,b1}/*.key | sort -u >"$W/public"
	grep -vxFf "$W/public" "$W/keys" >"$W/private"
	[ "$(wc -l <"$W/private")" -ge 6 ]
	got="0 of $(wc -l <"$W/private") keys"
	! grep -qFf "$W/private" "$W/shown" || got=shown
	[ "$(wc -c <"$W/shown")" -gt 2000 ]
	figure "private keys in arguments, environments, logs and targets: $got, $(wc -c <"$W/shown") bytes searched"
	got=${got%% *}
}

run_system() { # a test of its own
	[ -f "$HERE/$1.sh" ] && got=there
}

documented() { # what is not promised is said
	! grep -q 'sizes of documents and the times' "$TOP/SECURITY.md" || got=said
}

as_bytes() { # FILE of hexadecimal digits
	python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(open(sys.argv[1]).read()))' "$1"
}
disk_hits() { # KEY-IN-HEX FOLDER: how often the key is in its files
	python3 - "$@" <<'P'
import os, sys
hexed = open(sys.argv[1]).read().strip()
needles = [bytes.fromhex(hexed), hexed.encode(), hexed.upper().encode()]
files = size = hits = 0
for d, _, names in os.walk(sys.argv[2]):
    for n in names:
        data = open(os.path.join(d, n), "rb").read()
        files, size = files + 1, size + len(data)
        hits += sum(data.count(x) for x in needles)
print(hits, f"hits in {files} files, {size >> 20} MiB")
P
}

# A revoked institution's disk: no file of its home holds the key of a set.
stolen_disk() {
	fresh
	until_ok 20 appears "$M" "$title"
	cmp "$(find_dir "$M" "$title")/f01" "$W/src/f01"
	"$BUILD_DIR/setkey" "$W/ann" "$SET" | sed 's/.*hex://' >"$W/setkey.hex"
	[ "$(wc -c <"$W/setkey.hex")" = 65 ]
	consent --home "$W/ann" revoke --to "Clinic B" --set "$SET" >/dev/null
	until_ok 20 log_has "set $SET is dark"
	disk_hits "$W/setkey.hex" "$W/b1" >"$W/disk.out"
	cp -r "$W/b1" "$W/b1.planted" # there it must be found
	{ head -c 5000 /dev/urandom && as_bytes "$W/setkey.hex"; } >"$W/b1.planted/cache/planted"
	[ "$(disk_hits "$W/setkey.hex" "$W/b1.planted" | cut -d' ' -f1)" = 1 ] || fail "a key on the disk is not found"
	figure "key of a revoked set on the institution's disk: $(cat "$W/disk.out")"
	got=$(cut -d' ' -f1 "$W/disk.out")
	consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
}

row() { # ID RUN WHAT WANT LINE
	local kind=${2%% *} LOG=$LOG LOG_AT RUN_WHAT=$3
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

for i in $(seq 26); do
	awk -F'\t' -v id="A$i" '$1 == id && $2 != "later" { n++ } END { exit !n }' \
		"$HERE/attacks.tsv" || fail "no row runs A$i"
done
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
[ "$KEYS" = "$(cat "$W"/{ann,b1}/*.key "$W"/b1/cards/* | sha256sum)" ] ||
	fail "keys or cards were overwritten"
figure "attacks refused: $RUN of $RUN, bytes that were not verified: 0, not run: $LATER"
unmount "$M"
server_stop
