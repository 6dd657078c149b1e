#!/usr/bin/env bash
# Write tests/reference/*.json anew: what the Open Bandit Pipeline and SCOPE-RL estimate on made logs.
#
# The tests read only these files. They change when a peer's version or the recipe of the logs does.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/peers.sh ope
exec .venv-peers-ope/bin/python -W ignore -m benchmarks.peers.reference_values tests/reference
