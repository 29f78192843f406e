# SPDX-License-Identifier: Apache-2.0
#
# Every target runs in .venv, which is made on first use. Recipes name relative paths only, so that a checkout whose
# path holds spaces works.

PYTHON ?= python3
WORKERS ?= auto

VENV_PYTHON := .venv/bin/python
PYTEST := $(VENV_PYTHON) -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo test long mutation evidence lint types bench clean

# An environment that was made elsewhere and copied here would import the other tree.
ifneq ($(shell cat .venv/.ok 2>/dev/null),$(CURDIR))
$(shell rm -f .venv/.ok)
endif

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 8

demo: .venv/.ok  ## run the reference miniport's whole life, report in out/demo
	.venv/bin/dmabed run --report out/demo

test: .venv/.ok  ## lint, types and every test that is not marked long
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy
	$(PYTEST) -n $(WORKERS)

# pytest ends with 5 where no test is selected: no long tests is no failure.
long: .venv/.ok  ## the tests that are marked long
	$(PYTEST) -n $(WORKERS) -m long || test $$? -eq 5

mutation: .venv/.ok  ## silence each rule in turn: do the tests that break it turn red?
	$(VENV_PYTHON) -m tests.mutate_rules -n $(WORKERS)

evidence: .venv/.ok  ## does each world that breaks a rule count as exercising it?
	$(VENV_PYTHON) -m tests.exercise_rules

lint: .venv/.ok  ## ruff
	$(VENV_PYTHON) -m ruff check .

types: .venv/.ok  ## mypy --strict on the six packages
	$(VENV_PYTHON) -m mypy

bench: .venv/.ok  ## every benchmark in bench/
	@for file in bench/[!_]*.py; do \
	    test -e "$$file" || { echo "bench: there is no benchmark in bench/"; continue; }; \
	    echo "== $$file"; $(VENV_PYTHON) "$$file" || exit 1; \
	done

clean:  ## remove what the targets wrote, but keep .venv
	rm -rf out build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

.venv/.ok: pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "make: $(PYTHON) is not found. Install Python 3.11 or later, or name one: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: $(PYTHON) is $$("$(PYTHON)" -V 2>&1), and dmabed needs 3.11 or later." \
	         "Name a later one: make PYTHON=python3.11" >&2; exit 1; }
	@if test -e .venv && ! $(VENV_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "make: .venv holds no working Python 3.11 or later. Remove it and run make again: rm -rf .venv" >&2; exit 1; fi
	@test -e .venv \
	    || { command -v uv >/dev/null && uv venv --quiet --seed --python "$(PYTHON)" .venv; } \
	    || "$(PYTHON)" -m venv .venv >/dev/null 2>&1 \
	    || { rm -rf .venv; \
	         echo "make: $(PYTHON) cannot make .venv. Run: apt install python3-venv (or: uv venv .venv)" >&2; exit 1; }
	@{ command -v uv >/dev/null && uv pip install --quiet --python $(VENV_PYTHON) -e ".[dev]"; } \
	    || { $(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || $(VENV_PYTHON) -m ensurepip >/dev/null; \
	         $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -e ".[dev]"; } \
	    || { echo "make: the packages could not be installed; see the lines above" >&2; exit 1; }
	@printf '%s\n' "$(CURDIR)" > $@
