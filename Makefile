# Everything a clone needs, each target self-contained: the environment is made once, on first use.
#
#   make demo           dirty data in, a trained model out, in ./demo
#   make test           every gate and every test
#
# PYTHON=python3.12 picks the interpreter, VENV=/some/folder another place for the environment.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo
DATA ?= $(TULU_DATA_REAL)
BENCHES ?= decontaminate mix

# Reads no pip progress bar into logs, and keeps what pip says at length in a file.
PIP := PYTHONUNBUFFERED=1 $(BIN)/pip install --disable-pip-version-check --progress-bar off

.PHONY: help demo test check docs bench clean setup wheel-check

help:  ## List the targets.
	@echo "usage: make TARGET [PYTHON=python3.12] [VENV=.venv]"; echo
	@sed -n -E 's/^([a-z-]+):[^#]*## (.*)$$/\1\t\2/p' Makefile | while IFS=$$'\t' read -r name text; do \
		printf '  %-13s%s\n' "$$name" "$$text"; done

setup: $(STAMP)  ## Make the environment (the other targets do it by themselves).

$(STAMP): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "make: no $(PYTHON) on this machine; install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $$("$(PYTHON)" --version) is too old; tulu-data needs 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	@if [ ! -x "$(BIN)/pip" ]; then \
		echo "making the environment in $(VENV) with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv "$(VENV)" || { \
			echo "make: '$(PYTHON) -m venv $(VENV)' failed (its message is above); on Debian and Ubuntu it needs the package python3-venv" >&2; \
			rm -rf "$(VENV)"; exit 1; }; fi
	@echo "installing tulu-data with the train, gguf, embedding and dev extras (once, some minutes; log: $(VENV)/install.log)"
	@$(PIP) -c constraints.txt -e '.[train,gguf,embedding,dev]' 2>&1 | tee "$(VENV)/install.log" | \
		sed -u -n -E -e 's/^ *Downloading ([^ ]*\/)?([^ /]+) \(([0-9.]+ [MG]B)\)$$/  fetched \2 (\3)/p' \
			-e 's/^Successfully installed .*/  installed/p' || { \
		grep -E '^ *(ERROR|error):' "$(VENV)/install.log" | sed -E 's/^ */  /' | head -n 5 >&2 || tail -n 5 "$(VENV)/install.log" >&2; \
		echo "make: pip could not install tulu-data; the lines above say why, the rest is in $(VENV)/install.log." >&2; \
		echo "make: with no network, or behind a proxy, set pip's own PIP_INDEX_URL, PIP_FIND_LINKS or PIP_PROXY; then type make again." >&2; \
		exit 1; }
	@touch "$@"

# A folder is replaced only when it is a workspace, and its predecessor is kept.
demo: $(STAMP)  ## Make a fresh workspace in ./demo and run the three commands of the README in it.
	@if [ -e "$(DEMO)" ]; then \
		if [ ! -f "$(DEMO)/tulu-data.yaml" ]; then \
			echo "make: $(DEMO) exists and is no workspace (it has no tulu-data.yaml); move it away, or: make demo DEMO=elsewhere" >&2; exit 1; fi; \
		echo "$(DEMO)/ exists: it is replaced, and kept as $(DEMO).previous/"; \
		rm -rf "$(DEMO).previous"; mv "$(DEMO)" "$(DEMO).previous"; fi
	@export HF_HUB_OFFLINE=1 PATH="$(abspath $(BIN)):$$PATH"; unset TULU_DATA_STORE; \
	say() { printf '\n$$ %s\n' "$$*"; "$$@"; }; \
	say tulu-data init "$(DEMO)"; \
	printf '\n$$ cd %s\n' "$(DEMO)"; cd "$(DEMO)"; \
	say tulu-data decontaminate --against evals/; \
	say tulu-data mix mixtures/demo.yaml; \
	say tulu-data train
	@printf '%s\n' '' \
		'Done. Dirty data went in, a model came out. Where everything lies:' \
		'  $(DEMO)/data/                the raw data, dirt included' \
		'  $(DEMO)/evals/               the eval suites that must not be trained on' \
		'  $(DEMO)/reports/             every eval instance that was found in the data, with evidence' \
		'  $(DEMO)/mixtures/demo.yaml   what was mixed, and how' \
		'  $(DEMO)/store/               the version that was built: records, manifest, what was dropped and why' \
		'  $(DEMO)/runs/                the trained model and its metrics' \
		'What to try next:' \
		'  cd $(DEMO) && source $(abspath $(BIN))/activate' \
		'  tulu-data show demo          sources, counts and drops of the version; tulu-data view demo: its records' \
		'  edit mixtures/demo.yaml      change a take, then type `tulu-data mix mixtures/demo.yaml` again' \
		'  tulu-data diff OLD NEW       what that changed; `tulu-data list` names the versions' \
		'  tulu-data --help             every command'

check: $(STAMP)  ## Run the gates: format, lint, types, layers, heavy imports, docs.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/test_layers.py tests/test_style.py tests/test_cli_main.py tests/test_docs.py

test: check  ## Run the gates, then every test, with coverage.
	@$(BIN)/pytest --cov=tulu_data --cov=trainers --cov-report=term:skip-covered

docs: $(STAMP)  ## Write docs/commands.md, docs/spec.md and the JSON Schema of specs.
	@$(BIN)/python docs/reference.py

bench: $(STAMP)  ## Run the benchmarks of bench/ on a folder of real data: make bench DATA=FOLDER.
	@if [ ! -d "$(DATA)/train" ] || [ ! -d "$(DATA)/evals" ]; then \
		echo "make: give a folder with train/ and evals/: make bench DATA=FOLDER (or set TULU_DATA_REAL)" >&2; exit 1; fi
	@for name in $(BENCHES); do if [ -f "bench/$$name.py" ]; then \
		printf '\n== bench/%s.py\n' "$$name"; $(BIN)/python "bench/$$name.py" "$(DATA)"; fi; done

wheel-check: $(STAMP)  ## Build the wheel and use it in empty environments outside the repository.
	@.ci/wheel-check "$(abspath $(BIN))/python"

clean:  ## Remove what make made, the environment and the demo included.
	@rm -rf "$(VENV)" "$(DEMO).previous" build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@if [ -f "$(DEMO)/tulu-data.yaml" ]; then rm -rf "$(DEMO)"; fi
	@find tulu_data trainers tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
