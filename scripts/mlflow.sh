#!/usr/bin/env bash
# Make .venv-mlflow, an environment with an MLflow server, which the full tests run the recipe of docs/recipes.md against.
#
# MLflow does not fit beside our pins, and nothing of Checkrein imports it. Does nothing where it is there already.
# Name a Python with PYTHON=...
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-mlflow
pins=tests/mlflow/requirements.txt
stamp=$venv/.installed
[ ! -e "$stamp" ] || [ "$pins" -nt "$stamp" ] || exit 0
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
echo "installing MLflow into $venv (once, 350 MB)" >&2
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
touch "$stamp"
