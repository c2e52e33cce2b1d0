# The doors of this project; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test format check walk lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## make .venv with everything, every package checked against its locked digest

# torch comes apart: where the machine's package source offers a CPU build, that one is taken.
$(VENV)/.ready: requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make setup needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1). Try: make setup PYTHON=python3.12" >&2; \
	  exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "Python could not make a virtual environment; on Debian or Ubuntu install python3-venv" >&2; exit 2; }
	@echo "installing locked packages into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements/lock.txt
	@$(BIN)/python -m pip install --quiet --no-compile '$(TORCH)'
	@$(BIN)/python -m compileall -qq -j $(WORKERS) $(VENV)/lib || true  # some packages hold files for other Pythons
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## train, deliver and review on a rendered stage; the last line is the report's path
	@$(BIN)/interpositive demo

test: check ## everything that must hold before a change is merged
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: setup ## style, types and floors, without the tests
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }

format: setup ## put the source into the one style
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

walk: setup ## the whole road of a user, on the command line
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q tests/walk

lock: ## resolve requirements/lock.txt anew; needs uv
	uv pip compile pyproject.toml requirements/lock.in --extra dev --extra reports --extra generative --extra export --override requirements/lock.overrides \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/lock.txt

clean: ## remove caches and the environment, never footage, runs or deliveries
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
