#!/bin/bash
# The main job on a real node: a private chain of gowaves that mines alone on
# loopback, accounts paid by the official client.  Nothing of the story is
# changed but the configuration; meanwhile the node is restarted and rolled
# back.
LEDGER=waves
. "$(dirname "$0")/lib.sh"
need_fuse
meanwhile() { # what a real node does to us
	case $1 in
	asked) # the newest block is taken back, with what it held
		rollback 1 ;;
	granted)
		node_stop
		node_start
		RESTARTS=$((RESTARTS + 1)) ;;
	revoked) rollback 1 ;;
	esac
}

. "$TOP/tests/system/story.sh"

say "a revocation that an account cannot pay counts from its signature"
seed="consentfs test patient $RANDOM$RANDOM"
echo "$seed" >"$W/seed"
consent --home "$W/eve" keygen --roots "$W/rms/client.conf" --unprotected --seed-file "$W/seed" >/dev/null
consent --home "$W/eve" register >"$W/eve.card" 2>/dev/null
fund eve
for h in a1 b1; do consent --home "$W/$h" alias "$W/eve.card" Eve 2>/dev/null; done
poor=$(consent --home "$W/a1" publish --patient Eve --title "Poor" --json "$W/docs/visit" | jq -r .set)
consent --home "$W/eve" grant --to "Clinic B" --set "$poor" --purpose TREAT --until 30d >/dev/null
mount_home b1 "$M"
until_ok 10 appears "$M" Poor
P=$(find_dir "$M" Poor)/visit
cmp "$W/docs/visit/report.pdf" "$P/report.pdf"
send "$seed" R all "$(address_of a1)"
left() { consent --home "$W/eve" status --json | jq .transactionsLeft; }
[ "$(left)" = 0 ]
must_fail 7 consent --home "$W/eve" revoke --to "Clinic B" --set "$poor"
cat "$W/out"
grep -q 'not yet on the ledger' "$W/out"
poor_refused() { ! cat "$P/report.pdf" >/dev/null 2>"$W/err" && grep -q 'Permission denied' "$W/err"; }
until_ok 10 poor_refused
consent --home "$W/eve" status
consent --home "$W/eve" status --json | jq -e '.waiting == 1 and .refused != ""'
fund eve # and it goes there by itself
none_waits() { [ "$(consent --home "$W/eve" status --json | jq .waiting)" = 0 ]; }
until_ok 10 none_waits
poor_refused

say "what an account still can pay"
consent --home "$W/ann" status --json >"$W/status.json"
jq -e '.dialect == "waves" and .fee == 100000 and .transactionsLeft > 0' "$W/status.json"
consent --home "$W/ann" status | grep -q 'signed by a pinned generator'
spent=$((PAY - $(jq .balance "$W/status.json")))
say "blocks of a generator that is not pinned are refused"
cp -r "$W/ann" "$W/other"
rm -r "$W/other/cli"
sed -i "s/^generator = .*/generator = $(sed -n 's/^key = //p' "$W/rms/client.conf")/" "$W/other/consent.conf"
must_fail 5 consent --home "$W/other" sets
grep -q 'of a generator that the configuration does not name' "$W/out"

say "a rollback deeper than finality: nothing is opened any more, and why"
until_ok 10 appears "$M" "MRI left knee"
S=$(find_dir "$M" "MRI left knee")/study
cat "$S/DICOMDIR" >/dev/null
consent --home "$W/b1" status >/dev/null # this one has seen the newest blocks too
rollback 6
mined 8
dark() { ! cat "$S/DICOMDIR" >/dev/null 2>"$W/err" && grep -q 'No route to host' "$W/err"; }
until_ok 10 dark
cat "$W/err"
must_fail 5 consent --home "$W/b1" status
grep -q "chain does not hold our block" "$W/out"
grep -q "block" "$M/Ann/.consent/status.txt"

figure "real node: height $(height), restarts $RESTARTS, rollbacks $ROLLBACKS, paid by the patient $spent units"
server_stop
node_stop
