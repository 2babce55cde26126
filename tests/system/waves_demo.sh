# Sourced by scripts/demo (DEMO_LEDGER): its ledger is the chain of tests/long/
# 71-waves-demo.sh, which exports what is needed.
SOON=1200
ledger=(--node "$NODE" --dialect waves --final-depth 2 --chain "$CHAIN" --generator "$GENERATOR")
fund() {
	"$FUND" pay "$(consent --home "$D/$1" status --json | jq -r .address)" >/dev/null
}
operator_fund() { "$FUND" pay_rms <"$D/init.out" >/dev/null; }
