#!/bin/bash
# A mount with two nodes, each behind evilnode.py.  Two that disagree: nothing is
# opened, both are named, it ends by itself.  A revocation counts that either
# shows, in a block or in its pool.  One that does not answer delays nobody.  A
# token is read anew when another file takes its place.  An RMS whose node lacks
# its blocks starts, releases nothing, and goes on when the node has them again.
. "$(dirname "$0")/lib.sh"
need_fuse
HERE=$TOP/tests/system
SEED=${SEED:-93}
PIDS=''
tidy() { kill $PIDS 2>/dev/null; }

evil() { # NAME OTHER PORT:MODE: before the node, in $W/NAME
	mkdir "$W/$1"
	python3 "$HERE/evilnode.py" serve "$W/$1" "$SEED" "$NODE_PORT" "$2" "$RMS_PORT" "$3" 2>"$W/$1.err" &
	PIDS="$PIDS $!"
	until_ok 10 test -e "$W/$1/ready"
}
url_of() { echo "http://127.0.0.1:$(sed 's/.* //' "$W/$1/ready")"; }
misbehave() { echo "$2" >"$W/$1/mode"; touch "$W/$1/on"; }
behave() { rm -f "$W/$1/on"; }

copied_node() { # as if restored from a backup: it signs other blocks
	server_stop
	cp -a "$W/rms" "$W/copy"
	server_start
	COPY_PORT=$(free_port)
	sed -i "s/:$NODE_PORT/:$COPY_PORT/; s/:$RMS_PORT/:0/" "$W/copy/consentd.conf" "$W/copy/client.conf"
	"$BUILD_DIR/consentd" serve --dir "$W/copy" 2>"$W/copy.log" &
	PIDS="$PIDS $!"
	until_ok 20 curl -sf -m 5 "http://127.0.0.1:$COPY_PORT/blocks/height"
}

opens() { cmp "$W/doc" "$DOC"; }
held() { python3 -c 'import os; os.pread(3, 1, 0)' 3<&9; }
refused() { ! cat "$DOC" && ! held; }
hold() { exec 9<"$DOC"; }
says_both() { [[ $1 == *"$E1"* && $1 == *"$E2"* ]] || fail "not said: $1"; }

RMS_FRONT=$(free_port)
RMS_URL=http://127.0.0.1:$RMS_FRONT server_init
sed -i 's/^heartbeat.*//; s/^\[node\]$/[node]\nheartbeat = 1s/' "$W/rms/consentd.conf"
server_start
copied_node
evil front 0 "$RMS_FRONT:feed"
evil first 0 0:told
evil second "$COPY_PORT" 0:told
E1=$(url_of first) E2=$(url_of second)
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
for h in a1 b1; do consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null; done
echo "a document" >"$W/doc"
publish b1 "Records" "$W/doc" >/dev/null
consent --home "$W/ann" grant --to "Clinic A" --until 30d >/dev/null
sed -i "s|:$RMS_FRONT|:$RMS_PORT|" "$W/ann/consent.conf" # she is not cut off
mkdir "$W/secret"
echo first >"$W/secret/token"
sed -i "s|^node = .*|node = $E1, $E2\npoll = 1s\ntoken_file = $W/secret/token|" "$W/a1/consent.conf"
printf '[mount]\nstale_open = 200s\nstale_read = 300s\n' >>"$W/a1/consent.conf"
mount_home a1 "$W/m"
until_ok 40 appears "$W/m" Records
DOC=$(find_dir "$W/m" Records)/doc
STATUS=$(echo "$W"/m/*/.consent/status.txt)
until_ok 20 opens
states() { consent --home "$W/a1" status --json | jq -r '[.nodes[].state] | join(" ")'; }
[ "$(states)" = "OK OK" ] || fail "status: $(states)"

say "the token is replaced"
was_shown() { grep -qx "Bearer $1" "$W/first/token"; }
until_ok 10 was_shown first
echo second >"$W/secret/.new"
mv "$W/secret/.new" "$W/secret/token"
until_ok 20 was_shown second
opens

n=0
for mode in two-blocks other-chain; do
	say "the second node: $mode"
	hold
	misbehave second $mode
	until_ok 30 refused
	says_both "$(grep -m1 disagree "$W/consentfs-a1.log")"
	says_both "$(grep '^because' "$STATUS")"
	must_fail 5 consent --home "$W/a1" status
	says_both "$(grep '^ledger' "$W/out")"
	behave second
	until_ok 60 opens
	[ "$(states)" = "OK OK" ] || fail "status: $(states)"
	n=$((n + 1))
	: >"$W/consentfs-a1.log"
done
figure "nodes that disagree: opened all the same 0 of $n, not over by itself 0 of $n"

say "the second node does not answer"
misbehave second silent
failed=0
for i in $(seq 20); do
	opens || failed=$((failed + 1))
	sleep 0.3
done
begun=$(date +%s%N)
[ "$(states)" = "OK STALE" ] || fail "status: $(states)"
figure "status with a silent second node: $((($(date +%s%N) - begun) / 1000000)) ms"
behave second
[ $failed = 0 ] || fail "$failed of 20 opens failed"
figure "opens that a silent second node delayed: failed 0 of 20"

touch "$W/front/on" # from here on only nodes tell the mount
n=0
for pair in "frozen pass" "frozen pool-only" "pass frozen" "pool-only frozen" "silent pass"; do
	say "first and second node: $pair; the patient revokes"
	hold
	for e in "first ${pair% *}" "second ${pair#* }"; do
		[ "${e#* }" = pass ] || misbehave $e
	done
	sleep 2
	opens
	consent --home "$W/ann" revoke --to "Clinic A" >/dev/null
	until_ok 60 refused
	behave first
	behave second
	consent --home "$W/ann" grant --to "Clinic A" --until 30d >/dev/null
	until_ok 60 appears "$W/m" Records
	until_ok 60 opens
	n=$((n + 1))
done
figure "revocations that only one of two nodes showed: missed 0 of $n"

say "an RMS is started while its node lacks its blocks"
root_of() { sed -n "s/^$1 = //p" "$W/rms/client.conf"; }
PORT=$(free_port)
consentd init --dir "$W/beside" --node "$E2" --chain "$(root_of chain)" \
	--generator "$(root_of generator)" --rms-listen "127.0.0.1:$PORT" --rms-url "http://127.0.0.1:$PORT" >/dev/null
beside_start() {
	"$BUILD_DIR/consentd" serve --dir "$W/beside" 2>>"$W/beside.log" &
	BESIDE=$!
	PIDS="$PIDS $BESIDE"
}
is() { [ "$(curl -s -m 5 "http://127.0.0.1:$PORT/healthz" | jq -r .status)" = "$1" ]; }
beside_start
until_ok 20 is ok
kill $BESIDE
wait $BESIDE
misbehave second other-chain
beside_start
until_ok 20 is stale
grep -qE "could not be read: .*(hold|below) our block" "$W/beside.log" || fail "not said: $(tail -3 "$W/beside.log")"
behave second
until_ok 30 is ok
figure "an RMS whose node lacks its blocks: ended 0 of 1"
