#!/bin/bash
# The ciphertext view for backup tools; verify without a key; restore.
. "$(dirname "$0")/lib.sh"
need_fuse
"$TOP/scripts/make-documents" "$W/docs" 3
head -c 2500000 /dev/urandom >"$W/docs/visit/large.bin"
world
visit=$(publish a1 "Discharge report" "$W/docs/visit")
study=$(publish a1 "MRI left knee" "$W/docs/study")
C=$W/cipher
mount_home a1 "$C" -o view=ciphertext
two() { [ "$(ls "$C" | wc -l)" = 2 ]; }
until_ok 10 two

say "tar and rsync take it, a second run finds nothing changed"
mkdir "$W/copy" "$W/snap"
rsync -a "$C/" "$W/copy/"
[ -z "$(rsync -ai "$C/" "$W/copy/")" ] || fail "rsync found changes"
tar -C "$C" --listed-incremental="$W/snap/list" -cf "$W/snap/full.tar" .
sleep 1
tar -C "$C" --listed-incremental="$W/snap/list" -cf "$W/snap/incr.tar" .
[ -z "$(tar tf "$W/snap/incr.tar" | grep -v '/$')" ] || fail "tar found changes"
if grep -rlE 'Discharge|knee' "$W/copy" >/dev/null; then fail "plaintext in the ciphertext view"; fi
unmount "$C"

say "verify names one flipped bit, a missing and an extra blob"
consent --home "$W/a1" verify "$W/copy" >"$W/out"
cat "$W/out"
consent --home "$W/nobody" verify --roots "$W/rms/client.conf" "$W/copy" >"$W/out" # no key at all
blob=$(ls -S "$W/copy/$visit/blobs" | head -1)
cp "$W/copy/$visit/blobs/$blob" "$W/good"
python3 - "$W/copy/$visit/blobs/$blob" <<'P'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(1500000); b = f.read(1); f.seek(1500000); f.write(bytes([b[0] ^ 1]))
P
must_fail 5 consent --home "$W/a1" verify "$W/copy"
grep -q "$blob" "$W/out"
cp "$W/good" "$W/copy/$visit/blobs/$blob"
victim=$(ls "$W/copy/$study/blobs" | head -1)
mv "$W/copy/$study/blobs/$victim" "$W/missing"
must_fail 5 consent --home "$W/a1" verify "$W/copy"
grep -q "$victim" "$W/out"
mv "$W/missing" "$W/copy/$study/blobs/$victim"
extra=${victim:0:5}extra
echo x >"$W/copy/$study/blobs/$extra"
must_fail 5 consent --home "$W/a1" verify "$W/copy"
grep -q "$extra" "$W/out"
rm "$W/copy/$study/blobs/$extra"
consent --home "$W/a1" verify "$W/copy" >/dev/null

say "restore refills an emptied store"
M=$W/mnt
consent --home "$W/ann" grant --to "Clinic B" --until 30d >/dev/null
server_stop
rm -rf "$W/rms/store" "$W/rms/blobs"
server_start
consent --home "$W/a1" restore "$W/copy" >"$W/out"
cat "$W/out"
mount_home b1 "$M"
until_ok 15 appears "$M" "Discharge report"
until_ok 15 cmp "$(find_dir "$M" "Discharge report")/visit/large.bin" "$W/docs/visit/large.bin"
diff -r "$W/docs/study" "$(find_dir "$M" "MRI left knee")/study"
unmount "$M"
server_stop
