# Two commands on a bare machine: `make run`, `make test`. Needs Python >= 3.11, make and git.
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
SAMPLE_LINES ?= 60000
SAMPLE_SEED ?= 1

export IPSKA_HOME ?= $(CURDIR)/data
export IPSKA_DELIVERIES ?= $(CURDIR)/deliveries
export AIRFLOW_HOME ?= $(CURDIR)/.airflow
export AIRFLOW__CORE__DAGS_FOLDER := $(CURDIR)/dags
export AIRFLOW__CORE__LOAD_EXAMPLES := False
export AIRFLOW__CORE__PARALLELISM := 4
export AIRFLOW__CORE__DEFAULT_TIMEZONE := Asia/Jakarta
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup run test coverage property torture lint types check bench superset airflow lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready .airflow/.ready

.uv/bin/uv:
	@echo "setup: uv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed; say which: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: requirements.lock pyproject.toml | .uv/bin/uv
	@echo "setup: locked install"
	@rm -rf .venv
	@.uv/bin/uv venv --quiet --python $(PYTHON) .venv
	@.uv/bin/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@.uv/bin/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.airflow/.ready: .venv/.ready
	@echo "setup: Airflow's metadata database"
	@mkdir -p .airflow
	@$(BIN)/airflow db migrate > .airflow/migrate.log 2>&1 || { cat .airflow/migrate.log; exit 1; }
	@touch $@

$(IPSKA_DELIVERIES)/truth.json: | .venv/.ready
	@$(BIN)/ipska sample --to "$(IPSKA_DELIVERIES)" --lines $(SAMPLE_LINES) --seed $(SAMPLE_SEED)

run: setup $(IPSKA_DELIVERIES)/truth.json ## the nightly DAG over sample deliveries, then the ranking
	@echo "run: the nightly DAG, in this process (log: .airflow/nightly.log)"
	@# A run is red (exit code 3) when rows were newly rejected, as on the first night of a dirty
	@# sample; it has published all the same. Anything else that is red stops here.
	@AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR \
	$(BIN)/airflow dags test ipska_nightly --conf '{"newest": "2024-09", "months_back": 44}' \
		> .airflow/nightly.log 2>&1 || grep -q "exit code 3" .airflow/nightly.log || \
		{ tail -n 40 .airflow/nightly.log; exit 1; }
	@$(BIN)/ipska release --public --reason "sample, made by make run"
	@$(BIN)/ipska status
	@$(BIN)/ipska rank --period-kind ytd --period-end 2024-09-30 --baseline years_3

test: setup ## every test
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

coverage: setup ## every test, and which lines none of them reaches
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report=term:skip-covered"

property: setup ## 10,000 generated deliveries through land, validate and load (8 minutes)
	@IPSKA_PROPERTY_RUNS=100 $(BIN)/python -m pytest -x tests/test_property.py

torture: setup ## 500 kills at every door of the disk (half an hour)
	@IPSKA_CRASH_KILLS=500 $(BIN)/python -m pytest -x -s tests/test_crash.py

lint: setup ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy, strict
	@$(BIN)/mypy

check: lint types test ## lint, types and tests

bench: setup ## what the flow costs beside DuckDB alone, in one run (ARGS="--lines 1000000")
	@$(BIN)/python bench/bench.py $(ARGS)

superset: setup ## Apache Superset with the starter dashboard over the release, a screenshot (by hand)
	@$(BIN)/python bi/superset/run.py

airflow: setup ## scheduler and UI on 127.0.0.1; prints address and password
	@PATH="$(CURDIR)/$(BIN):$$PATH" bin/airflow-up

lock: .uv/bin/uv ## make requirements.lock anew (hashes, no index address)
	@.uv/bin/uv pip compile --quiet pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean: ## remove what make made, the data root and the sample too
	rm -rf .venv .uv .airflow build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage \
		*.egg-info data deliveries
