#!/bin/bash
# Random opens, reads, revocations and grants while the servers stall: no thread
# of the mount sleeps for over a second in a way that no signal ends, and every
# reader dies at once when it is killed.  20 seconds, with LONG=1 half an hour.
. "$(dirname "$0")/lib.sh"
need_fuse
DURATION=${DURATION:-${LONG:+1800}}
DURATION=${DURATION:-20} SEED=${SEED:-26}
mkdir "$W/docs"
for i in 1 2 3; do head -c 3000000 /dev/urandom >"$W/docs/scan$i.bin"; done
head -c 200000 /dev/urandom >"$W/docs/small.bin"
python=/usr/bin/python3
[ -x "$python" ] || python=python3
server_init() { # as in lib.sh, with the proxy before the RMS
	local listen proxy
	NODE_PORT=$(free_port) listen=$(free_port) proxy=$(free_port)
	NODE=http://127.0.0.1:$NODE_PORT RMS=http://127.0.0.1:$proxy
	consentd init --dir "$W/rms" --node-listen "127.0.0.1:$NODE_PORT" \
		--rms-listen "127.0.0.1:$listen" --rms-url "$RMS" >/dev/null
	"$python" "$TOP/tests/system/dstate.py" proxy "$proxy" "$listen" "$W/hole" &
	PROXY_PID=$!
}
tidy() { kill -CONT "$SERVER" 2>/dev/null; kill "$PROXY_PID"; }
world
set=$(publish a1 "Large scan" "$W"/docs/*)
# of the nine megabytes some are fetched again and again
printf '\n[mount]\ncache_size = 8M\n' >>"$W/b1/consent.conf"
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --until 30d >/dev/null
mount_home b1 "$W/mnt"
until_ok 20 appears "$W/mnt" "Large scan"
until_ok 20 cmp "$(find_dir "$W/mnt" "Large scan")/small.bin" "$W/docs/small.bin"
decide() { echo "exec '$BUILD_DIR/consent' --home '$W/ann' $1 --to 'Clinic B' --set $set ${2:-}"; }
"$python" "$TOP/tests/system/dstate.py" run "$DURATION" "$SEED" "$W/mnt" "Large scan" \
	"$(ls "$W/docs" | paste -sd,)" "$SERVER" "$W/hole" \
	"$(decide grant '--until 30d')" "$(decide revoke)" ||
	fail "see above; SEED=$SEED"
unmount "$W/mnt"
server_stop
