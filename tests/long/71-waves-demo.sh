#!/bin/bash
# scripts/demo --check on a real node of public Waves.
LEDGER=waves
. "$(dirname "$0")/../system/lib.sh"
need_fuse
chain_start
export NODE CHAIN GENERATOR
export FUND=$W/fund
cat >"$FUND" <<T
#!/bin/bash
export NODE_PATH=$NODE_PATH SEED='$SEED' NODE=$NODE PAY=$PAY TOP=$TOP
$(declare -f send pay pay_rms)
"\$@"
T
chmod +x "$FUND"
DEMO_DIR=$W/demo DEMO_LEDGER=$TOP/tests/system/waves_demo.sh "$TOP/scripts/demo" --check |
	tee "$W/demo.out"
grep -q '^demo: all as expected' "$W/demo.out"
figure "$(tail -1 "$W/demo.out"), on a real node at height $(height)"
node_stop
