#!/bin/bash
# consentd node verify: the chain is whole, whatever was done with it, and a
# changed bit in the file is found if it changes anything that the file holds.
# FLIPS bits (300, LONG: 5000) chosen by SEED.
. "$(dirname "$0")/lib.sh"
command -v mdb_dump >/dev/null || skip "no mdb_dump"
SEED=${SEED:-7}
flips=${FLIPS:-${LONG:+5000}}
flips=${flips:-300}

say "a chain of a real world"
world
publish a1 "A set" "$TOP/COPYING" >/dev/null
consent --home "$W/b1" ask --patient Ann --reason "knee pain" >/dev/null
must_fail 7 consentd node verify "$W/rms"
grep -q 'stop it first' "$W/out" || fail "$(cat "$W/out")"
server_stop
consentd node verify "$W/rms" | tee "$W/whole"
grep -qE '^blocks [0-9]+, transactions [1-9][0-9]*, unconfirmed 0: nothing is wrong$' "$W/whole"
(cd "$W/rms" && consentd node verify) | cmp - "$W/whole"

say "killed in the middle of its work, it is whole, too"
server_start
for i in 1 2 3; do
	consent --home "$W/b1" ask --patient Ann --reason "again $i" >/dev/null
done
kill -9 "$SERVER"
wait "$SERVER" || true
SERVER=''
consentd node verify "$W/rms"

say "$flips changed bits"
cp "$W/rms/node/data.mdb" "$W/pristine"
BUILD_DIR=$BUILD_DIR python3 "$TOP/tests/system/flipbits.py" "$W" "$SEED" "$flips"

say "what is named"
cp "$W/pristine" "$W/rms/node/data.mdb"
head -c 20000 "$W/pristine" >"$W/rms/node/data.mdb"
must_fail 5 consentd node verify "$W/rms"
cp "$W/pristine" "$W/rms/node/data.mdb"
sed -i "s/^generator.*/generator = $(sed -n 's/^rms = //p;s/^key = //p' "$W/rms/client.conf" | head -1)/" "$W/rms/client.conf"
must_fail 5 consentd node verify "$W/rms"
grep -q 'block 1: it is of' "$W/out" || fail "$(cat "$W/out")"
