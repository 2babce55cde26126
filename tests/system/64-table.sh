#!/bin/bash
# Every row of faults.tsv: a fault, a command, its exit status, the first line
# of its message, what the log says, and what stays unharmed.
. "$(dirname "$0")/lib.sh"
need_fuse
for t in unshare mdb_load; do
	command -v $t >/dev/null || skip "no $t"
done
mkdir "$W/rms" # a disk of its own, so that it can be full
mount -t tmpfs -o size=64m,mode=700 none "$W/rms"
tidy() { umount -l "$W/rms"; }
cc -O1 -shared -fPIC -o "$W/smallmap.so" "$TOP/tests/system/smallmap.c"
world
# hosts to spare: each row that writes has an account of its own
pids=()
for i in {1..63}; do
	[ $i -gt 16 ] || { host "a-$i" a1 & pids+=($!); }
	host "b-$i" b1 & pids+=($!)
done
wait "${pids[@]}"
consentd accredit --dir "$W/rms" --name "Clinic A" "$W"/a-*/accreditation.json >/dev/null
consentd accredit --dir "$W/rms" --name "Clinic B" "$W"/b-*/accreditation.json >/dev/null
consentd init --dir "$W/other" --node-listen 127.0.0.1:0 --rms-listen 127.0.0.1:0 >/dev/null
"$BUILD_DIR/consentd" serve --dir "$W/other" 2>>"$W/other.log" &
OTHER=$!
until_ok 20 grep -q ready "$W/other.log"
status=0
PYTHONDONTWRITEBYTECODE=1 SERVER=$SERVER NODE=$NODE RMS=$RMS W=$W TOP=$TOP BUILD_DIR=$BUILD_DIR \
	python3 "$TOP/tests/system/table.py" "${TABLE:-$TOP/tests/system/faults.tsv}" "$@" || status=1
kill "$OTHER"
[ $status = 0 ]
