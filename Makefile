# Tailrace: every target sets up what it needs. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

# The first Python on this machine that is new enough; `make PYTHON=/path/to/python …` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v $$p && break; done)
BIN := .venv/bin
UV := $(BIN)/uv
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# The machine's own settings of pip and uv say where packages come from; the lock file says which and with what hash.
unexport VIRTUAL_ENV

DATA ?= tailrace-data

.PHONY: help setup demo run test test-share test-slow faults check format bench bench-full docs clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: .venv/.ready ## Make .venv with the locked dependencies and the `tailrace` command

demo: setup ## Run the main job from end to end, step by step
	@$(BIN)/python demo/main_job.py

run: setup ## Serve on http://127.0.0.1:8080 with the data folder ./tailrace-data (DATA=… for another)
	@$(BIN)/tailrace serve --data $(DATA)

test: setup ## Run the tests (DATABASE_URL, if set, names the PostgreSQL they use)
	@$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow" $(TESTS)

test-share: setup ## Run the share of the long suites that every change must pass
	@$(BIN)/pytest -q -n 2 --dist worksteal -m share $(TESTS)

test-slow: setup ## Run the long suites
	@$(BIN)/pytest -q -n 2 --dist worksteal -m "slow and not faults" $(TESTS)

# Four at once, as a scenario mostly waits.
faults: setup ## Kill, freeze and cut everything at every point, and check after each that nothing is lost
	@$(BIN)/pytest -q -n 4 --dist worksteal -m faults $(TESTS)

check: setup ## Format, lint, types, import rules, catalogue, docs, OpenAPI
	@$(BIN)/ruff format --check --quiet . && echo "format: ok"
	@$(BIN)/ruff check --quiet . && echo "lint: ok"
	@$(BIN)/mypy --no-error-summary && echo "types: ok"
	@$(BIN)/lint-imports --no-cache > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }; echo "imports: ok"
	@$(BIN)/python docs/build.py --check

format: setup ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: setup ## Measure against what a user would use instead, in a few minutes
	@$(UV) sync --locked --inexact --quiet --group bench --python $(BIN)/python
	@$(BIN)/python -m benchmarks

bench-full: setup ## Measure all sizes; takes about an hour, and wants the machine for itself
	@$(UV) sync --locked --inexact --quiet --group bench --python $(BIN)/python
	@$(BIN)/python -m benchmarks --whole

docs: setup ## Write the generated pages (settings, errors, datasets, OpenAPI)
	@$(BIN)/python docs/build.py

clean: ## Remove everything that was made, but no data folder
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# uv comes by pip from a file with hashes, everything else by uv from uv.lock, which has hashes too.
.venv/.ready: pyproject.toml uv.lock requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Tailrace needs Python 3.11 or newer; none was found. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up .venv with $(PYTHON) …"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is not complete here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/uv.txt
	@$(UV) sync --locked --inexact --quiet --python $(BIN)/python
	@touch $@
