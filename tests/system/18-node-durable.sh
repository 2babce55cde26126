#!/bin/bash
# What the embedded node has answered with 200 is in its chain, whenever it is
# killed, whatever call of its path fails, and when its disk was full.  SHARE
# points of each kind chosen by SEED (12; LONG: each point).
. "$(dirname "$0")/lib.sh"
make -C "$BUILD_DIR" -s sender
cc -O1 -shared -fPIC -o "$W/killpoint.so" "$TOP/tests/system/killpoint.c"
export W BUILD_DIR ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
tidy() { mountpoint -q "$W/rms/node" && umount -l "$W/rms/node"; }
server_init
export NODE RMS
python3 "$TOP/tests/system/node_durable.py" points

if [ "$(id -u)" = 0 ]; then
	say "a disk that is full, and is not any more"
	cp -a "$W/rms/node" "$W/chain"
	mount -t tmpfs -o size=3m,mode=700 none "$W/rms/node"
	cp -a "$W/chain/." "$W/rms/node"
	python3 "$TOP/tests/system/node_durable.py" full
fi
