#!/bin/bash
# The official clients against the embedded node: they sign, it accepts; we
# sign, they verify; blocks, transactions and data read alike; what is wrong
# gets the status and error number of a real node.
. "$(dirname "$0")/lib.sh"

say "the official clients, pinned, in the build directory"
clients=$BUILD_DIR/clients made=0
HOME=$(getent passwd "$(id -u)" | cut -d: -f6) "$TOP/tests/clients/build" "$clients" \
	>"$W/npm.out" 2>&1 || made=$?
[ $made != 77 ] || skip "$(tail -1 "$W/npm.out")"
[ $made = 0 ] || fail "$(tail -5 "$W/npm.out")"
export NODE_PATH=$clients/node_modules
client() { # SCRIPT ARGUMENT...
	node "$TOP/tests/clients/$1.js" "${@:2}" || fail "$1.js"
}

# a server of a dialect, with transactions of ours in its chain
begin() { # DIALECT
	server_init --dialect "$1"
	echo sesame >"$W/key"
	sed -i "s|^\[node\]|[node]\napi_key_file = $W/key|" "$W/rms/consentd.conf"
	server_start
	patient ann
	clinic a1 "Clinic A"
	consent --home "$W/a1" alias "$W/ann.card" Ann 2>/dev/null
	for i in 1 2 3 4 5; do
		set=$(publish a1 "Set $i" "$TOP/COPYING")
		consent --home "$W/a1" ask --patient Ann --reason "checkup $i" >/dev/null
		consent --home "$W/ann" grant --to "Clinic A" --set "$set" \
			--purpose TREAT --until 30d >/dev/null
	done
}
end() {
	server_stop
	consentd node verify "$W/rms"
	rm -rf "$W"/{rms,ann,a1,ann.card}
}

say "enterprise: they sign, we accept; we sign, they verify"
begin waves-enterprise
client enterprise "$NODE" E
client api "$NODE" E sesame enterprise
# curl asks before it sends so much; a client that does not sees a broken pipe
head -c 4000000 /dev/zero >"$W/long"
curl -s -H 'Content-Type: application/json' --data-binary "@$W/long" \
	"$NODE/transactions/broadcast" >"$W/out" || true
grep -q '"error":611,' "$W/out" || fail "too long a body: $(cat "$W/out")"
end

say "enterprise: blocks that the official client signs are proved"
make -C "$BUILD_DIR" -s ledger_test
client we_blocks "$W/we.json"
(cd "$BUILD_DIR" && CONSENTFS_WE_BLOCKS=$W/we.json CK_RUN_CASE=we_blocks \
	srcdir=$TOP ./ledger_test) >"$W/out" || fail "$(cat "$W/out")"
grep '^figure:' "$W/out"

say "public Waves: the same"
begin waves
client waves "$NODE" E
client api "$NODE" E sesame waves
end
