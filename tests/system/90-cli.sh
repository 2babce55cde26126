#!/bin/bash
# Errors name the thing and the remedy; exit statuses; configuration by line.
. "$(dirname "$0")/lib.sh"
world
must_fail 2 consent nonsense
grep -q "unknown verb 'nonsense'" "$W/out"
must_fail 2 consent --home "$W/ann" grant --nonsense
must_fail 3 consent --home "$W/nowhere" status
grep -q 'no home in' "$W/out"
must_fail 7 consent --home "$W/ann" keygen --roots "$W/rms/client.conf" --unprotected
echo 'colour = blue' >>"$W/a1/consent.conf"
must_fail 2 consent --home "$W/a1" status
grep -Eq "consent.conf:[0-9]+: unknown key 'colour'" "$W/out"
sed -i '$d' "$W/a1/consent.conf"
must_fail 3 consent --home "$W/ann" grant --to "Nobody" --until 1d
must_fail 2 consent --home "$W/ann" grant --to "Clinic B" --until never
must_fail 2 consent --home "$W/ann" grant --until 1d
cp "$W/ann/consent.conf" "$W/conf"
sed -i "/^final_/d; s/^chain = .*/&\nfinal_depth = 1000\nfinal_wait = 1s/" "$W/ann/consent.conf"
must_fail 7 timeout 25 "$BUILD_DIR/consent" --home "$W/ann" exclude --to "Clinic B" # no 30 s
grep -q 'not yet on the ledger' "$W/out"
cp "$W/conf" "$W/ann/consent.conf"
consent --help | grep -q publish
consent publish --help | grep -q -- --title
consent --version | grep -q consentfs
consentd --version | grep -q consentfs
"$BUILD_DIR/consentfs" --version | grep -q consentfs
must_fail 7 timeout 10 "$BUILD_DIR/consentd" serve --dir "$W/rms"
grep -q 'another consentd serves' "$W/out"

say "a passphrase protects the keys"
echo 'correct horse' | consent --home "$W/safe" keygen --roots "$W/rms/client.conf" --passphrase-fd 0 >/dev/null
echo 'correct horse' | consent --home "$W/safe" register --passphrase-fd 0 >/dev/null 2>&1
printf 'correct horse\n' >"$W/phrase"
no_number() { consent --home "$W/safe" status --passphrase-fd zero <"$W/phrase"; }
must_fail 2 no_number # it used to read descriptor 0
grep -q 'passphrase-fd zero is no number' "$W/out"
wrong() { echo wrong | consent --home "$W/safe" status --passphrase-fd 0; }
must_fail 4 wrong

say "another chain is refused"
consentd init --dir "$W/other" --node-listen 127.0.0.1:0 --rms-listen 127.0.0.1:0 >/dev/null
cp -r "$W/ann" "$W/lost"
rm -r "$W/lost/cli" "$W/lost/outbox"
chain=$(sed -n 's/^chain = //p' "$W/other/client.conf")
sed -i "s/^chain = .*/chain = $chain/" "$W/lost/consent.conf"
must_fail 5 consent --home "$W/lost" status
say "a registry is not read under another chain"
cp -r "$W/ann" "$W/lost2"
sed -i "s/^chain = .*/chain = $chain/" "$W/lost2/consent.conf"
must_fail 7 consent --home "$W/lost2" status

say "the service is down"
server_stop
must_fail 6 consent --home "$W/ann" status
