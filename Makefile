# `make help` lists the targets. Everything happens in .venv; nothing needs root or a service.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test fuzz lint format docs bench bench-quick chaos secrets up down logs board images wheelhouse clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.run ## install what a run needs

setup-dev: $(VENV)/.dev ## install what the tests need as well

demo: $(VENV)/.run ## train MNIST on a coordinator and four agents, beside its centralised twin
	@$(BIN)/fedbed demo

test: $(VENV)/.dev ## run the tests (with FEDBED_TESTS_NO_SKIP=1 none may be skipped)
	@$(BIN)/python -m pytest

fuzz: $(VENV)/.dev ## hostile and random input, in depth: codec, state machines, all routes; about 15 minutes
	@FEDBED_FUZZ=deep $(BIN)/python -m pytest tests/fuzz -s -o timeout=3600
	@$(BIN)/python -m tests.fuzz.payloads --count 100000

lint: $(VENV)/.dev ## ruff, mypy, the node's Python version, security, generated docs
	@scripts/lint

format: $(VENV)/.dev ## sort imports and format
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

docs: $(VENV)/.dev ## write the generated pages anew
	@$(BIN)/python -m fedbed.experiment.docs
	@$(BIN)/python -m fedbed.chaos.docs
	@$(BIN)/python -m fedbed.comparison.docs
	@$(BIN)/python -m monitoring.dashboards
	@$(BIN)/python -m monitoring.dashboards.docs
	@$(BIN)/python -m fedbed.telemetry.docs
	@$(BIN)/python -m edge_agent.doctor.docs
	@$(BIN)/python -m edge_agent.docs
	@$(BIN)/python -m fedbed.lab.variables

bench: $(VENV)/.dev ## measure all, beside stock Flower and other peers, in about 15 minutes
	@$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.dev ## the same with fewer repetitions, in less than three minutes
	@$(BIN)/python -m benchmarks --quick

chaos: $(VENV)/.run ## let every fault befall a testbed, in about 15 minutes
	@$(BIN)/fedbed chaos experiments/chaos/*.yaml

secrets: ## make up the composed lab's passwords and tokens, once, into .env
	@$(PYTHON) -m fedbed.lab.environment

up: ## start the composed lab: coordinator, agents, broker, database, dashboards
	@scripts/lab up

down: ## stop the composed lab; its volumes stay, and with them all runs and measurements
	@scripts/lab down

logs: ## follow the composed lab's logs
	@scripts/lab logs

board: ## let a board into the composed lab: make board NAME=pi-01
	@PYTHON=$(PYTHON) scripts/lab board $(NAME)

images: ## build the images: make images PLATFORMS=linux/amd64,linux/arm64 for boards, too
	@scripts/images $(PLATFORMS)

wheelhouse: $(VENV)/.run ## all wheels that boards need: make wheelhouse KINDS="aarch64-cp311 x86_64-cp311"
	@$(BIN)/python -m fedbed.lab.wheelhouse $(KINDS) $(if $(PARTS),--parts $(PARTS))

clean: ## remove the environment and caches (runs/ stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "fedbed needs Python 3.11 or newer for the coordinator; '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1 || echo missing). Name one with: make PYTHON=python3.11 ..." >&2; exit 10; }
	@$(PYTHON) -m venv $(VENV) || { echo "Making $(VENV) failed: on Debian, install python3-venv." >&2; exit 10; }
	@touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; torch is the large part)..."
	@$(PIP) install --quiet --editable '.[coordinator]' --constraint constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) install --quiet --editable '.[dev]' --constraint constraints.txt
	@touch $@
