#!/bin/bash
# Registries that are gone are made anew from the ledger.  Hours later, so that
# blocks are old and many are taken in one write; what comes out is the same.
. "$(dirname "$0")/lib.sh"
FAKETIME=$(compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1') || skip "no libfaketime"
world
head -c 5000 /dev/urandom >"$W/x.bin"
sets=()
for i in 1 2 3; do
	sets+=("$(publish a1 "Set $i" "$W/x.bin")")
	consent --home "$W/b1" ask --patient Ann --reason "why $i" >/dev/null
	consent --home "$W/ann" grant --to "Clinic B" --set "${sets[-1]}" --until 30d >/dev/null
done
consent --home "$W/ann" revoke --to "Clinic B" --set "${sets[1]}" >/dev/null
list() { # list DIR: what patient and institution know, without what time tells
	consent --home "$W/ann" history --json | jq -S . >"$1.history"
	consent --home "$W/ann" inquiries --json | jq -S . >"$1.inquiries"
	consent --home "$W/ann" sets --json | jq -S . >"$1.sets"
}
list "$W/before"
server_stop

say "all of it hours later, from nothing"
rm -r "$W/rms/registry" "$W/ann/cli/registry" "$W/b1/cli/registry"
export FAKETIME_DONT_FAKE_MONOTONIC=1
eval "real_$(declare -f consent)"
consent() { LD_PRELOAD=$FAKETIME FAKETIME=+5h real_consent "$@"; }
server_start_later() {
	LD_PRELOAD=$FAKETIME FAKETIME=+5h "$BUILD_DIR/consentd" serve --dir "$W/rms" 2>>"$W/consentd.log" &
	SERVER=$!
	until_ok 20 curl -sf -m 5 "$RMS/healthz"
}
server_start_later
list "$W/after"
for what in history inquiries sets; do
	cmp "$W/before.$what" "$W/after.$what" || fail "$what: $(diff "$W/before.$what" "$W/after.$what" | head -20)"
done
figure "made anew: $(jq length "$W/after.history") of $(jq length "$W/before.history") entries of the history, $(jq length "$W/after.sets") sets, differences 0"
say "and it goes on"
consent --home "$W/ann" revoke --to "Clinic B" --set "${sets[0]}" >/dev/null
server_stop
