# Two commands: `make run` starts everything, `make test` checks everything. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first of these that is new enough; name another with `make PYTHON=/path/to/python3 …`.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
MAKES_VENVS = "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null
IS_DEBIANS_ROOT := [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null
APT_INSTALL := apt-get install --quiet=2 --yes --no-install-recommends

.NOTPARALLEL: # `test` checks in the environment that it has made before
.PHONY: help run demo test check venv system pocket bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

run: $(STAMP) ## Start the web chat and a worker
	@exec $(BIN)/mjprompt run

demo: $(STAMP) system ## Show Discord and Slack against fakes here, and draw their pictures
	@$(BIN)/python -m tests.demo

test: $(STAMP) system check ## Set everything up and run every check

check: $(STAMP) ## Run every check in the environment that is there
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	export DATABASE_URL="sqlite+aiosqlite:///$$folder/check.db"; \
	echo "alembic upgrade head && alembic check"; \
	$(BIN)/alembic upgrade head && $(BIN)/alembic check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

venv: $(STAMP) ## Make .venv with the pinned packages

$(STAMP): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed and none was found; install it, or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@if ! $(MAKES_VENVS) && $(IS_DEBIANS_ROOT); then \
		package=$$("$(PYTHON)" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))'); \
		echo "Installing $$package"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update --quiet=2 && $(APT_INSTALL) "$$package" >/dev/null || true; \
	fi
	@if ! $(MAKES_VENVS); then \
		echo "$(PYTHON) cannot make environments; install its venv module (on Debian: apt-get install python3-venv)" >&2; \
		exit 1; \
	fi
	@echo "Making $(VENV) with $$("$(PYTHON)" --version) and the pinned packages; the first time takes some minutes"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV) # absent, or half made
	@$(PIP) pip setuptools
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $(STAMP)

# What the tests need from the system: a browser, and fonts for what it shows.
system:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null || command -v chromium-browser >/dev/null; then \
		exit 0; \
	elif $(IS_DEBIANS_ROOT); then \
		echo "Installing Chromium and fonts for the tests and the demo"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update --quiet=2; \
		$(APT_INSTALL) chromium fonts-dejavu fonts-inter fonts-lato fonts-noto-color-emoji >/dev/null; \
	else \
		echo "The tests and the demo need Chromium; install it (on Debian: apt-get install chromium fonts-noto-color-emoji)" >&2; \
		exit 1; \
	fi

pocket: $(STAMP) ## Train the pocket Falcon again: make pocket DATA=folder
	@[ -n "$(DATA)" ] || { echo "Name the folder of prompt files: make pocket DATA=folder" >&2; exit 1; }
	$(BIN)/mjprompt pretrain --data "$(DATA)" --output models/pocket

bench: $(STAMP) ## Measure start-up, concurrency and the chats; with DATA=folder the answers too
	@$(BIN)/python -m benchmarks.startup
	@$(BIN)/python -m benchmarks.concurrency
	@$(BIN)/python -m benchmarks.chat_acknowledgement --quick
	@$(BIN)/python -m benchmarks.chat_votes --quick
	@$(BIN)/python -m benchmarks.chat_memory --quick
	@$(BIN)/python -m benchmarks.chat_reconnect --quick
	@[ -z "$(DATA)" ] || $(BIN)/python -m benchmarks.quality "$(DATA)"

clean: ## Remove the environment and every cache
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
