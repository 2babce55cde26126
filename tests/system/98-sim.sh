#!/bin/bash
# Random histories in virtual time (tests/sim): a thousand from a fixed seed,
# LONG=1: a hundred thousand.  CONSENTFS_SIM_SEED begins elsewhere; a failure
# prints the seed of its history.
. "$(dirname "$0")/lib.sh"

[ -x "$BUILD_DIR/sim_test" ] || make -C "$BUILD_DIR" -s sim_test >/dev/null
runs=1000
[ -z "${LONG:-}" ] || runs=100000

say "rules hold in $runs histories"
CONSENTFS_SIM_RUNS=${CONSENTFS_SIM_RUNS:-$runs} "$BUILD_DIR/sim_test"

say "what is not final must not count: the same histories tell it"
must_fail 1 env CONSENTFS_SIM_DEPTH=1 "$BUILD_DIR/sim_test"
grep -q "^run again: CONSENTFS_SIM_SEED=" "$W/out" || fail "no seed: $(cat "$W/out")"
grep -q "is permitted that was denied" "$W/out" || fail "another: $(cat "$W/out")"
figure "broken: $(head -1 "$W/out")"
