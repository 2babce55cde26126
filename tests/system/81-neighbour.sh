#!/bin/bash
# Another local user against a mount, its home and its process: no name, no
# size, no byte, nothing changed.  What the owner or root can do by the same
# ways shows that the ways work.
. "$(dirname "$0")/lib.sh"
need_fuse
[ "$(id -u)" = 0 ] || skip "needs root to become other users"
A=65534 B=1234 C=4321
mode=$(stat -c %a /dev/fuse)
tidy() { chmod "$mode" /dev/fuse; umount -l "$W/mnt" 2>/dev/null; }
chmod 666 /dev/fuse
as() { # UID COMMAND...; the third user is of the owner's group
	local uid=$1 gid=$1
	shift
	[ "$uid" != $C ] || gid=$A
	setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
}
mkdir "$W/src" "$W/mnt" "$W/bin" "$W/other" "$W/third"
echo 'QxNeighbourQx content' >"$W/src/QxFileQx.txt"
world
set=$(publish a1 "QxTitleQx" "$W/src")
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 1d >/dev/null
cp "$BUILD_DIR/consentfs" "$TOP/tests/system/neighbour.py" "$W/bin/"
chmod 755 "$W/bin" "$W/bin/"*
touch "$W/consentfs-b1.log"
chown -R $A "$W/b1" "$W/mnt" "$W/consentfs-b1.log"
chown $B "$W/other"
chown $C "$W/third"

mount_as() { # UID [options]
	local A=$1
	shift
	as "$A" env -u HOME "$W/bin/consentfs" --home "$W/b1" --log "$W/consentfs-b1.log" "$@" "$W/mnt"
	there() { as $A sh -c "ls -d '$W/mnt/Ann/'*QxTitleQx*"; }
	until_ok 15 there
	doc=$(as $A sh -c "ls -d '$W'/mnt/Ann/*QxTitleQx*/src/QxFileQx.txt")
	as $A cat "$doc" | cmp - "$W/src/QxFileQx.txt" # warm: dentries, attributes, pages
	as $A stat "$doc" >/dev/null
	# of the starter, the keeper and the server the one with most threads
	PID=$(for p in $(pgrep -f "^$W/bin/consentfs .*$W/mnt\$"); do
		echo "$(find "/proc/$p/task" -maxdepth 1 2>/dev/null | wc -l) $p"
	done | sort -n | tail -n 1 | cut -d' ' -f2)
}
config() { # WAYS-JSON [FOLDER]: what neighbour.py is told
	jq -n --arg m "$W/mnt" --arg d "$doc" --arg h "$W/b1" --arg o "$W/${2:-other}" \
		--arg blob "$(find "$W/b1/cache" -name '*.blob' | head -1)" \
		--arg log "$W/consentfs-b1.log" --argjson pid "$PID" --argjson uid $A \
		--argjson tid "$(ls "/proc/$PID/task" | tail -1)" --argjson ways "$1" '
		{mount: $m, doc: $d, set: ($d | split("/")[:-2] | join("/")), home: $h, cache: ($h + "/cache"),
		 journal: ($h + "/mount/journal"), key: ($h + "/identity.key"), pid: $pid, tid: $tid,
		 other: $o, blob: $blob, log: $log, uid: $uid,
		 secret: ["QxTitleQx", "QxFileQx", "QxNeighbourQx", "Dr. Berta"]}
		+ if $ways then {ways: $ways} else {} end' >"$W/config.json"
	chmod 644 "$W/config.json"
}
try() { as "$1" timeout 60 python3 "$W/bin/neighbour.py" "$W/config.json"; }

say "what the owner and root can do"
mount_as $A
grep -q . "$W/b1/identity.key"
config '["list-the-mount","list-a-set","stat-a-document","lstat-a-set","access-a-document","open-a-document",
	"open-for-nothing","reopen-a-path-descriptor","openat-from-a-path-descriptor",
	"extended-attributes","one-extended-attribute","map-and-mincore","watch-the-mount","watch-a-set","watch-the-cache",
	"list-the-home","read-the-key","read-the-configuration","list-the-cards","list-the-cache","stat-a-known-blob",
	"read-a-known-blob","list-the-journal","open-the-database-lock","open-the-outbox","renice-it","pin-it"]'
try $A >"$W/owner.out"
if grep -v ' got ' "$W/owner.out"; then fail "a way does not work even for the owner"; fi
config '["proc-environ","proc-maps","proc-mem","proc-task-mem","proc-fd-list","proc-fdinfo-list","proc-fd-open",
	"proc-cwd","proc-exe","proc-map-files","proc-io","proc-auxv","take-its-descriptor","proc-pagemap"]'
try 0 >"$W/root.out"
if grep -v ' got ' "$W/root.out"; then fail "a way does not work even for root"; fi

say "what the neighbour can do"
config null
try $B >"$W/b.out"
cat "$W/b.out"
n=$(wc -l <"$W/b.out")
[ "$n" -ge 26 ] || fail "only $n ways were tried"
if grep ' got ' "$W/b.out"; then fail "the neighbour got something"; fi
as $A cat "$doc" | cmp - "$W/src/QxFileQx.txt" # nothing was changed
config null third
try $C >"$W/c.out"
c=$(wc -l <"$W/c.out")
[ "$c" = "$n" ] || fail "the third user tried $c ways"
if grep ' got ' "$W/c.out"; then fail "a user of the owner's group got something"; fi
figure "ways of a user of the owner's group: $c, got: 0 of $c"
figure "ways of another user: $n, names, sizes or bytes got: 0 of $n (the owner got $(wc -l <"$W/owner.out") of $(wc -l <"$W/owner.out"), root $(wc -l <"$W/root.out"))"
as $A fusermount3 -u "$W/mnt"
until_ok 10 not_busy "$W/mnt"

say "a mount for others too: the permissions of the files stand"
chown -R 0 "$W/b1" "$W/mnt"
mount_as 0 -o allow_other,login=root
config null
try $B >"$W/b.out"
config null third
try $C >>"$W/b.out"
m=$(wc -l <"$W/b.out")
if grep ' got ' "$W/b.out"; then fail "a neighbour got something"; fi
figure "ways of two other users with allow_other: $m, got: 0 of $m"
fusermount3 -u "$W/mnt"
until_ok 10 not_busy "$W/mnt"
server_stop
