# Two environments, each with a stamp that is older than what it was built from: .venv holds the core that a newcomer
# needs, .venv-dev everything. Both are built with constraints.txt, once. .venv-peers and .venv-peers-ope hold the programs
# that `make bench` compares with, .venv-mlflow an MLflow server for the full tests, from pins of their own.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=
SOURCES := pyproject.toml constraints.txt
CORE := .venv/.installed
DEV := .venv-dev/.installed
PEERS := .venv-peers/.installed .venv-peers-ope/.installed

# The Open Bandit Dataset, where somebody put it beside the checkout or named it; without it `obd` tests are deselected.
CHECKREIN_OBD_DIR ?= $(abspath $(wildcard ../shared/data/obd))
ifneq ($(strip $(CHECKREIN_OBD_DIR)),)
export CHECKREIN_OBD_DIR
endif

.DEFAULT_GOAL := help
.PHONY: demo test test-full lint bench docs clean help

demo: $(CORE) ## run the live demo with an injected fault (ARGS=--headless for a terminal)
	@.venv/bin/checkrein demo $(ARGS)

test: $(DEV) ## run the tests and doctests that need nothing but Python (ARGS="-k tick")
	@.venv-dev/bin/python -m pytest $(ARGS)

test-full: $(DEV) ## run everything, with PostgreSQL, MLflow, a browser and the long simulations
	@scripts/browser.sh
	@PYTHON=.venv-dev/bin/python scripts/mlflow.sh
	@PYTHON=.venv-dev/bin/python scripts/servers.sh .venv-dev/bin/python -m pytest --full $(ARGS)

lint: $(DEV) ## check style and types
	@.venv-dev/bin/ruff check .
	@.venv-dev/bin/ruff format --check .
	@.venv-dev/bin/mypy

bench: $(DEV) $(PEERS) ## measure every part, and other programs beside ours (ARGS=--json)
	@for name in whole_pass landing ticks events pages backtest drift_peers tick_peers delay_peers \
	  ope_peers perceptron; do \
	  echo "benchmarks.$$name" >&2; .venv-dev/bin/python -m benchmarks.$$name $(ARGS) || exit 1; \
	done

docs: $(DEV) ## write the generated parts of docs/ anew
	@.venv-dev/bin/python scripts/docs.py

clean: ## remove caches, builds and what the demo left; environments, databases and logs stay
	@find . -path './.venv*' -prune -o -path ./.git -prune -o -type d -name __pycache__ -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo-run

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(CORE): $(SOURCES)
	@$(call install,.venv,.)

$(DEV): $(SOURCES)
	@$(call install,.venv-dev,.[dev],icu-sepsis)

.venv-peers/.installed: benchmarks/peers/requirements.txt
	@PYTHON=$(PYTHON) scripts/peers.sh

.venv-peers-ope/.installed: benchmarks/peers/requirements-ope.txt benchmarks/peers/requirements-ope-alone.txt
	@PYTHON=$(PYTHON) scripts/peers.sh ope

# $(1): the environment, $(2): what goes into it, $(3): data for tests, without the programs that it comes with.
define install
echo "installing into $(1) (once)" >&2; \
test -n "$(PYTHON)" || { echo "Python 3.11 is needed: install it, or name it with make PYTHON=..." >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: name a newer one with make PYTHON=..." >&2; exit 1; }; \
$(PYTHON) -m venv $(1) && $(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '$(2)' && \
$(if $(3),$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(3) &&) touch $(1)/.installed
endef
