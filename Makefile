# Every target does its own set-up: a virtual environment below .venv with exactly the locked packages.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SHEET ?= examples/branches.xlsx
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help demo test test-kafka check bench chaos up clean docs install

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

install: $(VENV)/installed ## the virtual environment

$(VENV)/installed: requirements-dev.lock pyproject.toml
	@bash scripts/install.sh "$(PYTHON)"
	@touch "$@"

demo: install ## enrol a sheet in a made-up world (SHEET=other.xlsx for your own; LOG=kafka over a real broker)
	@"$(PY)" -m demo.run "$(SHEET)"

test: install ## everything that proves behaviour; what .ci/run calls
	@bash scripts/test-tools.sh
	@bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile -m "not kafka" --ignore tests/e2e --ignore tests/chaos
	@rm -rf var/scenarios
	@SCENARIOS_RAN=var/scenarios bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile tests/e2e --ignore tests/e2e/test_statements.py
	@bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile tests/chaos
	@SCENARIOS_RAN=var/scenarios "$(PY)" -m pytest tests/e2e/test_statements.py

test-kafka: install ## what needs a real Kafka, and the scenarios and a short run with faults over one
	@bash scripts/test-tools.sh
	@bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile -m kafka --ignore tests/e2e --ignore tests/chaos
	@rm -rf var/scenarios
	@LOG=kafka SCENARIOS_RAN=var/scenarios bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile tests/e2e --ignore tests/e2e/test_statements.py
	@LOG=kafka bash scripts/tests.sh "$(PY)" -n 2 --dist loadfile tests/chaos tests/integration/backup/test_drill.py
	@LOG=kafka SCENARIOS_RAN=var/scenarios "$(PY)" -m pytest tests/e2e/test_statements.py

check: install ## format, lint, types, architecture, size of the kernel
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m mypy
	@"$(VENV)/bin/lint-imports"
	@bash scripts/kernel-size.sh
	@! grep -nE 'https?://' *.lock

bench: install ## all benchmarks; figures go to benchmarks/RESULTS.md by hand
	@for b in hops calls signing sheets mails enrolments takeover ceilings; do "$(PY)" -m benchmarks.$$b || exit 1; done
	@"$(PY)" -m benchmarks.hops --log kafka

chaos: install ## the long chaos run (LOG=kafka: over a real Kafka)
	@"$(PY)" -m tests.chaos --long

up: install ## all services in a made-up world, kept running; its data is in var/up
	@"$(PY)" -m demo.up

docs: install ## pages that are made from the code
	@"$(PY)" -m app.main settings --markdown > docs/settings.md
	@"$(PY)" -m scripts.docs

clean: ## what can be made again; never var/up
	@rm -rf var/demo var/chaos .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
