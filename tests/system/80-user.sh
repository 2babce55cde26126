#!/bin/bash
# An ordinary user mounts through fusermount3; nobody else, not even root,
# gets in.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
# Debian's own rule makes the device 0666; some containers leave it to root.
mode=$(stat -c %a /dev/fuse)
tidy() { chmod "$mode" /dev/fuse; umount -l "$W/mnt" 2>/dev/null; }
"$TOP/scripts/make-documents" "$W/docs" 1
world
visit=$(publish a1 "Discharge report" "$W/docs/visit")
consent --home "$W/ann" grant --to "Clinic B" --set "$visit" --until 1d >/dev/null
chown -R nobody "$W/b1"
mkdir "$W/mnt" "$W/bin"
cp "$BUILD_DIR/consentfs" "$BUILD_DIR/reader" "$W/bin/"
chown nobody "$W/mnt"
chmod 755 "$W/bin" "$W/bin/"*
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
touch "$W/consentfs-b1.log"
chown nobody "$W/consentfs-b1.log"
chmod 666 /dev/fuse
as_user "$W/bin/consentfs" --home "$W/b1" --log "$W/consentfs-b1.log" "$W/mnt"
MOUNTS+=("$W/mnt")
there() { as_user sh -c "ls -d '$W/mnt/Ann/'*Discharge*"; }
until_ok 15 there
as_user sh -c "cat '$W'/mnt/Ann/*Discharge*/visit/report.pdf" | cmp - "$W/docs/visit/report.pdf"
if ls "$W/mnt/Ann" 2>"$W/out"; then fail "root reads a user's mount"; fi
if setpriv --reuid=1234 --regid=1234 --clear-groups ls "$W/mnt" 2>"$W/out"; then fail "another user reads it"; fi
as_user fusermount3 -u "$W/mnt"
until_ok 10 not_busy "$W/mnt"
server_stop
