#!/bin/bash
# A node that takes no transactions, and one that does not answer: the outbox
# fills, refused opens take a quarter of it at most, then nothing more is opened,
# which `consent status` and the mount say; open files can be read.  When the
# node is back all of it gets there by itself, each open once.
. "$(dirname "$0")/lib.sh"
need_fuse
HERE=$TOP/tests/system
MOST=60 DOCS=30 # of two sets of files
EVIL=''
tidy() { kill $EVIL; }

server_init
server_start
mkdir "$W/evil"
python3 "$HERE/evilnode.py" serve "$W/evil" 92 "$NODE_PORT" 0 "$RMS_PORT" 0:told 2>"$W/evil.err" &
EVIL=$!
until_ok 10 test -e "$W/evil/ready"
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
practitioner a1 root dr-a "Dr. A"
for h in a1 b1; do consent --home "$W/$h" alias "$W/ann.card" Ann 2>/dev/null; done
mkdir "$W/own"
for i in $(seq $((2 * DOCS))); do echo "document $i" >"$W/own/$i"; done
head -c 300000 /dev/urandom >"$W/doc"
own=$(publish a1 "Own" "$W/own") # which it lists, and may not read
set=$(publish b1 "Records" "$W/doc")
consent --home "$W/ann" grant --to "Clinic A" --set "$set" --until 30d >/dev/null
sed -i "s|^node = .*|node = http://127.0.0.1:$(sed 's/.* //' "$W/evil/ready")\npoll = 1s|" "$W/a1/consent.conf"
printf '[mount]\nstale_open = 1h\nstale_read = 2h\noutbox_records = %s\n' $MOST >>"$W/a1/consent.conf"

state() { consent --home "$W/a1" status --json 2>/dev/null | jq "$1"; }
status_of() { sed -n "s/^$1: *//p" "$W"/m/*/.consent/status.txt; }
is_empty() { [ "$(state .waiting)" = 0 ]; }
M=$W/m
mount_home a1 "$M"
until_ok 40 appears "$M" Records
until_ok 40 appears "$M" Own
DOC=$(find_dir "$M" Records)/doc
OWN=$(find_dir "$M" Own)
until_ok 20 cmp "$W/doc" "$DOC" # from here on there is a lease
until_ok 20 is_empty
opened() { # KIND SET: how often, as the ledger has it
	consent --home "$W/ann" history --json 2>/dev/null |
		jq "[.[] | select(.practitionerId == \"dr-a\" and .kind == \"$1\" and .set == \"$2\") | .count] | add // 0"
}
has() { [ "$(opened "$1" "$2")" = "$3" ]; }
shows() { # KIND SET N: and no more
	until_ok 30 has "$@"
	sleep 1
	has "$@" || fail "the ledger has $(opened "$1" "$2"), not $3"
}
accesses=$(opened access "$set") denials=0

# python: open FILE up to N times, print how often it succeeded
try() { python3 -c '
import sys
n = 0
for i in range(int(sys.argv[2])):
    try:
        open(sys.argv[1], "rb").close()
        n += 1
    except OSError as e:
        print(e.strerror, file=sys.stderr)
print(n)' "$@" 2>"$W/tried"; }

mapfile -t files < <(find "$OWN" -type f)
[ ${#files[@]} = $((2 * DOCS)) ]
fill() { # STATUS WORD: until no more is opened
	local f got
	exec 9<"$DOC"
	accesses=$((accesses + 1))
	for f in "${files[@]:denials:DOCS}"; do ! cat "$f" 2>/dev/null || fail "$f was read"; done
	denials=$((denials + DOCS))
	got=$(try "$DOC" $((2 * MOST)))
	accesses=$((accesses + got))
	[ "$got" -ge $((MOST / 2)) ] && [ "$got" -lt $MOST ] || fail "opened $got times, $MOST may wait"
	grep -q "No route to host" "$W/tried"
	[ "$(status_of "new opens")" = refused ] || fail "status.txt: new opens are not refused"
	status_of because | grep -q "as many as may" || fail "status.txt: $(status_of because)"
	must_fail $1 consent --home "$W/a1" status
	grep -q "^outbox: *full: .*as many as may" "$W/out" || fail "status: $(cat "$W/out")"
	python3 -c 'import os, sys; sys.exit(os.pread(3, 300000, 0) != open(sys.argv[1], "rb").read())' "$W/doc" 3<&9
	[ "$(try "$DOC" 5)" = 0 ]
	figure "$2: opened $got times until $MOST waited, refused opens among them $(state .refusedOpens)"
	[ "$(state .refusedOpens)" -le $((MOST / 4)) ] || fail "refused opens take more than a quarter"
	exec 9<&-
}
drained() {
	until_ok 60 is_empty
	until_ok 20 cmp "$W/doc" "$DOC"
	accesses=$((accesses + 1))
	[ "$(status_of "new opens")" = possible ] || fail "status.txt: new opens are refused"
	until_ok 20 is_empty
	shows access "$set" $accesses
}

say "the node refuses transactions"
echo refuse >"$W/evil/mode"
touch "$W/evil/on"
fill 0 "refused"
rm "$W/evil/on"
drained

say "the node does not answer"
echo cut >"$W/evil/mode"
touch "$W/evil/on"
fill 6 "absent"
rm "$W/evil/on"
drained

say "a record waits too long"
unmount "$M" # what was counted is written down now
sed -i 's/^outbox_records = .*/outbox_age = 5s/' "$W/a1/consent.conf"
mount_home a1 "$M"
until_ok 40 cmp "$W/doc" "$DOC"
accesses=$((accesses + 1))
until_ok 20 is_empty
echo refuse >"$W/evil/mode"
touch "$W/evil/on"
accesses=$((accesses + $(try "$DOC" 1)))
stopped() { [ "$(try "$DOC" 1)" = 0 ] || { accesses=$((accesses + 1)); false; }; }
for i in $(seq 60); do
	stopped && break
	sleep 0.5
done
status_of because | grep -q "longer than it may" || fail "status.txt: $(status_of because)"
rm "$W/evil/on"
drained
unmount "$M"
until_ok 20 is_empty
shows denied "$own" $denials

# On the ledger itself, not only as readers see it.
for from in $(seq 1 50 "$(curl -sf "$NODE/blocks/height" | jq .height)"); do
	curl -sf "$NODE/blocks/seq/$from/$((from + 49))"
done | jq -r '.[].transactions[].data[].key' >"$W/keys"
twice=$(sort "$W/keys" | uniq -d | wc -l)
[ "$twice" = 0 ] || fail "$twice entries are on the ledger twice"
ids=$(consent --home "$W/ann" history --json | jq '[.[].id] | length, (unique | length)' | tr '\n' ' ')
[ "${ids% * }" = "$(cut -d' ' -f2 <<<"$ids")" ] || fail "ids: $ids"
figure "opens missing on the ledger 0 of $accesses, refused opens 0 of $denials, entries twice 0 of $(wc -l <"$W/keys")"
