#!/bin/bash
# Lines of every parser >= 90 %, branches of policy, journal, seal >= 95 %.
set -u
cd "$(dirname "$0")/../.."
scripts/coverage
