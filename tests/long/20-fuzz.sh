#!/bin/bash
# Every fuzz target for ten minutes, two at once; FUZZ_SECONDS for less.
# A crash, leak, time-out or a broken property fails; its input lies in
# build-fuzz/found/TARGET.
set -u
cd "$(dirname "$0")/../.."
scripts/fuzz --seconds "${FUZZ_SECONDS:-600}" --jobs 2
