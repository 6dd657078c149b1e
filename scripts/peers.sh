#!/usr/bin/env bash
# Make an environment of the programs that the benchmarks compare with, from pinned requirements of its own:
#
#   scripts/peers.sh        .venv-peers: Evidently, NannyML, river, pandas
#   scripts/peers.sh ope    .venv-peers-ope: the Open Bandit Pipeline and SCOPE-RL
#
# Their dependencies do not fit beside ours, and nothing of Checkrein imports them. Name a Python with PYTHON=...
set -euo pipefail
cd "$(dirname "$0")/.."
suffix=${1:+-$1}
venv=.venv-peers$suffix
pins=benchmarks/peers/requirements$suffix.txt
alone=benchmarks/peers/requirements$suffix-alone.txt
stamp=$venv/.installed
[ -e "$pins" ] || { echo "there are no peers called $1: $pins is missing" >&2; exit 1; }
newest=$pins
[ ! -e "$alone" ] || [ "$pins" -nt "$alone" ] || newest=$alone
[ ! -e "$stamp" ] || [ "$newest" -nt "$stamp" ] || exit 0
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
echo "installing peers into $venv (once, 1.4 to 2.3 GB)" >&2
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" --requirement "$pins"
[ ! -e "$alone" ] || "${pip[@]}" --no-deps --ignore-requires-python --requirement "$alone"
touch "$stamp"
