# Sourced by lib.sh if LEDGER=waves: the ledger is a private chain of a real node,
# gowaves, that mines alone on loopback; accounts are paid by the official
# client.  Nothing else of a test is changed.
#   LEDGER=waves bash tests/system/40-patient.sh
tools=$BUILD_DIR/waves
TOOLS_HOME=${TOOLS_HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
made=0
HOME=$TOOLS_HOME nice "$TOP/tests/waves/build" "$tools" >"$W/tools.out" 2>&1 || made=$?
[ $made != 77 ] || { cat "$W/tools.out"; exit 77; }
[ $made = 0 ] || fail "$(tail -5 "$W/tools.out")"

SLOW=6
BLOCK_MS=2000 DEPTH=2
SEED='consentfs private test chain' KEY=consentfs-test
ROLLBACKS=0 RESTARTS=0
PAY=1000000000

node_start() {
	"$tools/gowaves" -cfg-path "$W/chain/chain.json" \
		-blockchain-type custom -state-path "$W/chain/state" \
		-wallet-path "$W/chain/wallet" -wallet-password test \
		-api-address "127.0.0.1:$NODE_PORT" -api-key "$KEY" \
		-declared-address "127.0.0.1:$PEER_PORT" -no-connections -min-peers-mining 0 \
		-disable-ntp -disable-bloom -obsolescence 876000h -microblock-interval 500ms \
		-build-extended-api -serve-extended-api -enable-metamask=false -log-type text \
		-rate-limiter-opts 'cache=65536&rps=10000&burst=10000' >>"$W/gowaves.log" 2>&1 &
	OTHERS=$!
	until_ok 10 curl -sf -m 5 "$NODE/node/status"
}
node_stop() {
	kill "$OTHERS"
	wait "$OTHERS" || true
	OTHERS=''
}
height() { curl -sf -m 5 "$NODE/blocks/height" | jq .height; }
higher() { [ "$(height)" -gt "$1" ]; }
mined() { # N: so many blocks from now
	until_ok 10 higher "$(($(height) + $1 - 1))"
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

# A chain that mines; its name and its generator's key.
chain_start() {
	local at last=1
	NODE_PORT=$(free_port) PEER_PORT=$(free_port)
	NODE=http://127.0.0.1:$NODE_PORT
	at=(--dir "$W/rms" --node "$NODE" --dialect waves)
	mkdir "$W/chain"
	"$tools/chain" "$W/chain" "$SEED" test $BLOCK_MS
	node_start
	mined 1
	CHAIN=$(consentd init "${at[@]}" 2>&1 | sed -n 's/.*says it is \([^,]*\),.*/\1/p')
	[[ $CHAIN != *1 ]] || last=2
	must_fail 5 consentd init "${at[@]}" --chain "${CHAIN%?}$last"
	GENERATOR=$(curl -sf -m 5 "$NODE/blocks/headers/last" | jq -r .generatorPublicKey)
}
pay_rms() { # from what consentd init printed
	pay "$(node -e 'const { libs } = require("@waves/waves-transactions");
		console.log(libs.crypto.address({ publicKey: process.argv[1] }, "R"))' \
		"$(sed -n 's/^rms //p')")"
}

# In place of lib.sh's: the RMS beside the node of somebody else.
server_init() {
	chain_start
	RMS_PORT=$(free_port) RMS=http://127.0.0.1:$RMS_PORT
	consentd init --dir "$W/rms" --rms-listen "127.0.0.1:$RMS_PORT" --rms-url "$RMS" \
		--node "$NODE" --dialect waves --final-depth $DEPTH \
		--chain "$CHAIN" --generator "$GENERATOR" >"$W/init.out"
	pay_rms <"$W/init.out"
}
