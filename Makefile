# `make demo` runs the main job, `make test` the tests; both do all their set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-failed test-full mutants check image mcp-servers clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       install, fetch the default model, run tasks/quickstart.yaml"
	@echo "make test       the tests of every change"
	@echo "make test-failed those that failed last, alone"
	@echo "make test-full  these and the long ones; some need root, runsc and openssh-server"
	@echo "make mutants    break one thing at a time; fails if no test notices"
	@echo "make check      ruff, strict mypy, import direction, links of the docs"
	@echo "make image      build the sandbox image from this machine's Python"
	@echo "make mcp-servers  published MCP servers, which tests talk to"
	@echo "make clean      remove the environment and caches of this folder"

demo: $(VENV)/.installed
	$(BIN)/conveyor run tasks/quickstart.yaml

# Most tests wait for something, so more run side by side than there are cores.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) -m "not full"

test-failed: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not full" --last-failed --last-failed-no-failures none

test-full: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

mutants: $(VENV)/.installed-dev
	$(BIN)/python tests/mutants.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/structure

image: $(VENV)/.installed
	$(BIN)/conveyor sandbox build --from-host

# In an environment of their own: they are none of this project's code, nor it of theirs.
mcp-servers: .mcp-servers/.installed

.mcp-servers/.installed: Makefile
	@echo "Installing published MCP servers in .mcp-servers"
	@$(PYTHON) -m venv .mcp-servers/python
	.mcp-servers/python/bin/python -m pip --disable-pip-version-check install -q \
	  mcp-server-time==2026.10.19 mcp-server-git==2026.10.19
	npm install --prefix .mcp-servers/node --no-fund --no-audit --loglevel=error \
	  @modelcontextprotocol/server-everything@2026.8.31 \
	  @modelcontextprotocol/server-filesystem@2026.8.31
	@touch $@

clean:
	rm -rf $(VENV) .mcp-servers build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with make PYTHON=python3.12 …"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing Conveyor with torch and transformers: this downloads 0.3 to 3 GB, once"
	$(PIP) install --progress-bar on -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests and checks need"
	$(PIP) install --progress-bar on -c constraints.txt -e ".[dev]"
	@touch $@
