#!/bin/bash
# System tests of the ledger on a real node of public Waves: nothing but the
# configuration differs from their runs on the embedded node.
cd "$(dirname "$0")/../system" || exit 1
export LEDGER=waves
passed=0
for t in 20-revoke 30-publish 40-patient 50-cipher 60-restart 94-reorg; do
	echo "== $t"
	bash "./$t.sh"
	status=$?
	[ $status != 77 ] || exit 77
	[ $status = 0 ] || exit 1
	passed=$((passed + 1))
done
echo "figure: system tests on a real node: $passed of 6 passed"
