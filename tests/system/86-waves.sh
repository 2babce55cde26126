#!/bin/bash
# The main job on a real node: a private chain of gowaves that mines alone on
# loopback, accounts paid by the official client.  Nothing of the story is
# changed but the configuration; meanwhile the node is restarted and rolled
# back.
. "$(dirname "$0")/lib.sh"
need_fuse
tools=$BUILD_DIR/waves
TOOLS_HOME=${TOOLS_HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
made=0
HOME=$TOOLS_HOME nice "$TOP/tests/waves/build" "$tools" >"$W/tools.out" 2>&1 || made=$?
[ $made != 77 ] || { cat "$W/tools.out"; exit 77; }
[ $made = 0 ] || fail "$(tail -5 "$W/tools.out")"

SOON=60
BLOCK_MS=2000 DEPTH=2
SEED='consentfs private test chain' KEY=consentfs-test
GOWAVES='' ROLLBACKS=0 RESTARTS=0
PAY=1000000000
tidy() { [ -z "$GOWAVES" ] || kill -9 "$GOWAVES"; }

node_start() {
	# Go's runtime maps far more than it uses
	(ulimit -v unlimited; exec "$tools/gowaves" -cfg-path "$W/chain/chain.json" \
		-blockchain-type custom -state-path "$W/chain/state" \
		-wallet-path "$W/chain/wallet" -wallet-password test \
		-api-address "127.0.0.1:$NODE_PORT" -api-key "$KEY" \
		-declared-address "127.0.0.1:$PEER_PORT" -no-connections -min-peers-mining 0 \
		-disable-ntp -disable-bloom -obsolescence 876000h -microblock-interval 500ms \
		-build-extended-api -serve-extended-api -enable-metamask=false -log-type text \
		-rate-limiter-opts 'cache=65536&rps=10000&burst=10000') >>"$W/gowaves.log" 2>&1 &
	GOWAVES=$!
	until_ok 60 curl -sf "$NODE/node/status"
}
node_stop() {
	kill "$GOWAVES"
	wait "$GOWAVES" || true
	GOWAVES=''
}
height() { curl -sf "$NODE/blocks/height" | jq .height; }
higher() { [ "$(height)" -gt "$1" ]; }
mined() { # N: so many blocks from now
	until_ok 60 higher "$(($(height) + $1 - 1))"
}
rollback() { # BLOCKS
	curl -sf -X POST -H "X-API-Key: $KEY" -H 'Content-Type: application/json' \
		-d "{\"rollbackTo\":$(($(height) - $1)),\"returnTransactionsToUtx\":true}" \
		"$NODE/debug/rollback" >/dev/null
	ROLLBACKS=$((ROLLBACKS + 1))
}
export NODE_PATH=$tools/node_modules # the official client's
send() { node "$TOP/tests/waves/fund.js" "$NODE" "$@"; } # SEED CHAIN AMOUNT ADDRESS...
pay() { send "$SEED" R "$PAY" "$@"; }
address_of() { consent --home "$W/$1" status --json | jq -r .address; }
fund() {
	local h to=()
	for h; do to+=("$(address_of "$h")"); done
	pay "${to[@]}"
}

# In place of lib.sh's: the RMS beside the node of somebody else.
server_init() {
	NODE_PORT=$(free_port) PEER_PORT=$(free_port) RMS_PORT=$(free_port)
	NODE=http://127.0.0.1:$NODE_PORT RMS=http://127.0.0.1:$RMS_PORT
	local chain at=(--dir "$W/rms" --rms-listen "127.0.0.1:$RMS_PORT" --rms-url "$RMS"
		--node "$NODE" --dialect waves --final-depth $DEPTH)
	mkdir "$W/chain"
	"$tools/chain" "$W/chain" "$SEED" test $BLOCK_MS
	node_start
	mined 1
	chain=$(consentd init "${at[@]}" 2>&1 | sed -n 's/.*says it is \([^,]*\),.*/\1/p')
	must_fail 5 consentd init "${at[@]}" --chain "${chain%?}1"
	consentd init "${at[@]}" --chain "$chain" \
		--generator "$(curl -sf "$NODE/blocks/headers/last" | jq -r .generatorPublicKey)" >"$W/init.out"
	pay "$(node -e 'const { libs } = require("@waves/waves-transactions");
		console.log(libs.crypto.address({ publicKey: process.argv[1] }, "R"))' \
		"$(sed -n 's/^rms //p' "$W/init.out")")"
}

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
until_ok "$SOON" appears "$M" Poor
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
until_ok "$SOON" none_waits
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

figure "real node: height $(height), restarts $RESTARTS, rollbacks $ROLLBACKS, paid by the patient $spent units"
server_stop
node_stop
