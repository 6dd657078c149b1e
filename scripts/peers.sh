#!/usr/bin/env bash
# Make the environment of the programs that the benchmarks compare with: .venv-peers, from its own pinned requirements.
#
# Their dependencies do not fit beside ours, and nothing of Checkrein imports them. Name a Python with PYTHON=...
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-peers
pins=benchmarks/peers/requirements.txt
stamp=$venv/.installed
[ ! -e "$stamp" ] || [ "$pins" -nt "$stamp" ] || exit 0
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
echo "installing peers into $venv (once, 2.3 GB)" >&2
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
touch "$stamp"
