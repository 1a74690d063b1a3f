# `make help` lists every target. Needs Python 3.11, Java 17 and make; everything else is fetched into .local/.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .local/venv/bin
BOOTSTRAP = PYTHONPATH=include $(PYTHON) -m local.bootstrap $(if $(INSTALL_JAVA),--install-java)
COMPILE = $(BIN)/uv pip compile --quiet --no-header --python-version 3.11 pyproject.toml
ARGS ?=
SEEDS ?= 1 2 3

.DEFAULT_GOAL := help
.PHONY: help up setup down status logs clean test test-faults lint bench screenshots lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## set up and start everything, end with what is where (INSTALL_JAVA=1: Java by apt, as root)
	@$(BOOTSTRAP) --check-ports
	@.local/bin/clickstream up

setup: ## fetch and install everything, start nothing
	@$(BOOTSTRAP)

down: ## stop everything; data stay
	@$(call platform,down)

status: ## ask every service whether it is well
	@$(call platform,status)

logs: ## the last lines of all logs (ARGS='kafka -f')
	@$(call platform,logs $(ARGS))

clean: ## remove .local/: data, passwords, environments (asks first)
	@if [ -x .local/bin/clickstream ]; then .local/bin/clickstream clean $(ARGS); else echo "nothing to clean"; fi

test: ## run all tests (ARGS='tests/local -k ports')
	@$(BOOTSTRAP) --tests
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

test-faults: ## the whole fault matrix, as a table at the end (SEEDS='1 2 3', ARGS='-k redis')
	@$(BOOTSTRAP) --tests
	@FAULT_SEEDS="$(SEEDS)" $(BIN)/python -m pytest $(addprefix tests/faults/test_,driver.py ledger.py servers.py topic.py skew.py) --show-capture=no $(ARGS)

lint: ## style, types, SQL
	@$(BOOTSTRAP) --tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar sql

bench: ## measure beside the running platform; figures go to benchmarks/README.md
	@$(BOOTSTRAP) --tests
	@.local/bin/clickstream bench $(ARGS)

screenshots: ## take the pictures of docs/images from the running platform (ARGS='--size 1920x1080')
	@$(BOOTSTRAP) --tests
	@$(BIN)/python docs/screenshots.py $(ARGS)

lock: ## write all pins anew from pyproject.toml and include/superset/requirements.in
	@$(COMPILE) -o requirements.txt
	@$(COMPILE) --extra local -c requirements.txt -o include/local/requirements.txt
	@$(COMPILE) --extra local --extra dev -c include/local/requirements.txt -o tests/requirements.txt
	@$(BIN)/uv pip compile --quiet --no-header --python-version 3.11 --no-annotate \
		include/superset/requirements.in -o include/superset/requirements.txt

platform = if [ -x .local/bin/clickstream ]; then .local/bin/clickstream $(1); else \
	echo "nothing is set up here: make up" >&2; exit 1; fi
