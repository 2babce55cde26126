#!/bin/bash
# A node of Waves Enterprise takes transactions only of accounts with a role:
# a revocation that it refuses for the patient's role goes through the RMS and
# counts from its signature, opens of a clinic that lost its role are on the
# ledger when it has it again.
. "$(dirname "$0")/lib.sh"
need_fuse
OTHERS='' ROLENODE=''
tidy() { kill $OTHERS $ROLENODE; }
roles=$W/roles
lose() { printf '%s\t%s\n' "$(address_of "$1")" "$2" >>"$roles"; }
address_of() { consent --home "$W/$1" status --json | jq -r .address; }

# In place of lib.sh's: the ledger's node is somebody else's, with roles.
server_init() {
	local at port
	at=$(free_port) port=$(free_port) RMS_PORT=$(free_port)
	NODE=http://127.0.0.1:$at RMS=http://127.0.0.1:$RMS_PORT
	consentd init --dir "$W/node" --node-listen "127.0.0.1:$port" \
		--rms-listen "127.0.0.1:0" >/dev/null
	"$BUILD_DIR/consentd" serve --dir "$W/node" 2>>"$W/node.log" &
	OTHERS=$!
	python3 "$TOP/tests/system/rolenode.py" "$at" "$port" "$roles" 2>"$W/rolenode.err" &
	ROLENODE=$!
	until_ok 20 curl -sf -m 5 "$NODE/blocks/height"
	consentd init --dir "$W/rms" --rms-listen "127.0.0.1:$RMS_PORT" --rms-url "$RMS" \
		--node "$NODE" --dialect waves-enterprise \
		--chain "$(sed -n 's/^chain = //p' "$W/node/client.conf")" \
		--generator "$(sed -n 's/^generator = //p' "$W/node/client.conf")" >/dev/null
}

world
set=$(publish a1 "A set" "$TOP/COPYING")
other=$(publish a1 "Another" "$TOP/HACKING.md")
M=$W/mnt
mount_home b1 "$M"
for s in "$set" "$other"; do
	consent --home "$W/ann" grant --to "Clinic B" --set "$s" --until 30d >/dev/null
done
until_ok 20 appears "$M" "A set"
until_ok 20 appears "$M" Another
F=$(find_dir "$M" "A set")/COPYING G=$(find_dir "$M" Another)/HACKING.md
cmp "$F" "$TOP/COPYING"
cmp "$G" "$TOP/HACKING.md"

say "the patient's account loses its role: a revocation counts all the same"
lose ann "Has no active 'sender' role"
must_fail 7 consent --home "$W/ann" revoke --to "Clinic B" --set "$set"
cat "$W/out"
grep -q "not yet on the ledger: .*the role 'sender'" "$W/out"
refused() { ! cat "$F" >/dev/null 2>"$W/err" && grep -q 'Permission denied' "$W/err"; }
until_ok 10 refused
consent --home "$W/ann" status --json >"$W/status.json"
jq -e '.waiting == 1 and (.refused | test("permission"))' "$W/status.json" >/dev/null
cmp "$G" "$TOP/HACKING.md"
say "also after another start of the mount and of the RMS"
unmount "$M"
server_stop
server_start
mount_home b1 "$M"
until_ok 20 appears "$M" Another
until_ok 20 appears "$M" "A set"
until_ok 10 refused

say "with the role it goes to the ledger by itself"
: >"$roles"
none_waits() { [ "$(consent --home "$W/$1" status --json | jq .waiting)" = 0 ]; }
until_ok 20 none_waits ann
until_ok 20 appears "$M" "A set"
until_ok 10 refused

say "a clinic that is banned: its opens wait and are not lost"
accesses() { consent --home "$W/ann" history --json |
	jq '[.[] | select(.kind == "access" and .outcome == "released")] | length'; }
settled=-1
while [ "$settled" != "$(accesses)" ]; do
	settled=$(accesses)
	sleep 1
done
lose b1 "Sender is 'banned'"
opens=0
for ((i = 0; i < 5; i++)); do
	! cat "$G" >/dev/null || opens=$((opens + 1))
	sleep 0.1
done
[ $opens -gt 0 ]
banned() { consent --home "$W/b1" status >"$W/out" && grep -q 'has banned this account' "$W/out"; }
until_ok 20 banned
: >"$roles"
until_ok 30 none_waits b1
all_there() { [ "$(accesses)" -ge $((settled + opens)) ]; }
until_ok 20 all_there
figure "opens while a clinic's account was banned, not on the ledger afterwards: $((settled + opens - $(accesses))) of $opens"
unmount "$M"
server_stop
