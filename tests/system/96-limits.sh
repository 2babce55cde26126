#!/bin/bash
# Whoever wants too much gets little: slow clients, endless and deep input, a
# table full of idle connections; memory, time and descriptors are bounded and
# legal requests go on.
. "$(dirname "$0")/lib.sh"
IDLE=1500 SLOW=150
[ -z "${LONG:-}" ] || IDLE=10000 SLOW=1000
server_init
sed -i "s/^idle = .*/idle = 5s/" "$W/rms/consentd.conf"
ulimit -n "$(ulimit -Hn)"
server_start
limits() { # NAME PORT PATH [N]
	python3 "$TOP/tests/system/limits.py" server "$1" "$2" "$SERVER" "$3" "${4:-1}"
}
for port in "$RMS_PORT /healthz" "$NODE_PORT /blocks/height"; do
	for name in announced endless deep heads; do
		limits $name $port
	done
done
patient ann
python3 "$TOP/tests/system/limits.py" clients "$W/ann" "$BUILD_DIR/consent" >"$W/clients.out" 2>&1 &
CLIENTS=$!
say "clients of one byte a second"
limits slow_heads "$RMS_PORT" /healthz "$SLOW"
limits slow_bodies "$RMS_PORT" /healthz "$SLOW"
say "idle connections, more than the table holds"
limits idle "$RMS_PORT" /healthz "$IDLE"
grep 'were cut off' "$W/consentd.log"
say "servers that send too much, too slowly or too deep"
wait $CLIENTS || fail "$(cat "$W/clients.out")"
cat "$W/clients.out"
server_stop
