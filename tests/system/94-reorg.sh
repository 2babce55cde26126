#!/bin/bash
# Real re-orgs, by a node's rollback (the embedded one; LEDGER=waves: a real one),
# where blocks are final after three: what falls out comes back, a revocation
# counts all the same, below what is final nothing is opened.
. "$(dirname "$0")/lib.sh"
need_fuse

KEY=${KEY:-a key for tests} DEPTH=3
server_init
if [ -z "${LEDGER:-}" ]; then
	echo "$KEY" >"$W/key"
	sed -i 's/^heartbeat.*//; s|^\[node\]$|[node]\nheartbeat = 1s\napi_key_file = '"$W/key|" "$W/rms/consentd.conf"
	sed -i 's/^final_depth = .*/final_depth = '$DEPTH/ "$W/rms/client.conf"
fi
server_start
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
for h in a1 b1; do consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null; done
height() { curl -sf "$NODE/blocks/height" | jq .height; }
roll_back() { # BLOCKS RETURN: the newest go, and one made meanwhile; their
	# transactions go back to the pool, or not (a real node: never)
	local h
	h=$(height)
	curl -sf -X POST -H 'Content-Type: application/json' -H "X-API-Key: $KEY" \
		-d "{\"rollbackTo\": $((h - $1)), \"returnTransactionsToUtx\": $2}" "$NODE/debug/rollback" >/dev/null
}
echo "a document" >"$W/doc"
publish b1 "Records" "$W/doc" >/dev/null
consent --home "$W/ann" grant --to "Clinic A" --until 30d >/dev/null
M=$W/m-reorg
mount_home a1 "$M" --verbose # the log tells of the newest block too
until_ok 30 appears "$M" Records
D=$(find_dir "$M" Records)
until_ok 20 cmp "$W/doc" "$D/doc"
opens=1
for keep in true true false; do # what was opened just now falls out, and comes back
	cmp "$W/doc" "$D/doc" && opens=$((opens + 1))
	sleep 0.3
	roll_back 1 $keep
	until_ok 30 cmp "$W/doc" "$D/doc"
	opens=$((opens + 1))
done
reopened() {
	consent --home "$W/ann" history --json >"$W/history" 2>/dev/null &&
		[ "$(jq '[.[] | select(.kind == "access")] | length' "$W/history")" -ge $opens ]
}
until_ok 20 reopened
[ "$(jq '[.[].id] | length' "$W/history")" = "$(jq '[.[].id] | unique | length' "$W/history")" ] ||
	fail "an inquiry is on the ledger twice after re-orgs"
grep -q "replaced its newest" "$W/consentfs-a1.log"
figure "opens that re-orgs took from the ledger: missing 0 of $opens, twice 0 of $(jq length "$W/history")"

say "a revocation that falls out counts all the same, and comes back"
consent --home "$W/ann" revoke --to "Clinic A" >/dev/null 2>&1 &
revoking=$!
denied() { ! cat "$D/doc"; }
until_ok 20 denied
roll_back 1 false
wait $revoking || true
for i in $(seq 20); do
	denied 2>/dev/null || fail "readable again after the re-org"
	sleep 0.1
done
nothing_waits() { [ "$(consent --home "$W/ann" status --json | jq .waiting)" = 0 ]; }
until_ok 20 nothing_waits

say "a re-org below what is final is refused, and said"
deep="signed two blocks|below our block|does not hold our block"
roll_back 8 false
until_ok 30 grep -qE "$deep" "$W/consentfs-a1.log"
status=$(echo "$M"/*/.consent/status.txt)
says_why() { grep -qE "^because: .*($deep)" $status; }
until_ok 20 says_why
figure "$(grep ^because "$status")"
