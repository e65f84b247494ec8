# What a newcomer needs. `make run` and `make test` set themselves up, in .venv; nothing outside of this folder is touched, but for
# the Debian packages that the tests use (DCMTK, strace).

SHELL := /bin/bash
PYTHON ?= python3
CONFIG ?= config/dicomnode.yaml
PYTEST_OPTIONS ?= -n 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --retries 2
NO_REGISTRY := the Python packages could not be installed (see above): is the package registry reachable?

# Where it is set, every process that a test or the node starts would compile all of its modules anew: a second each.
export PYTHONDONTWRITEBYTECODE :=

fail = { echo "make: $(strip $(1))" >&2; exit 1; }

.PHONY: help run test check format bench clean debian-packages
.DEFAULT_GOAL := help

help:
	@echo "make run     start the node: AE title DICOMNODE, port 11112, settings in $(CONFIG), data in ./data"
	@echo "make test    run the tests"
	@echo "make check   what must be green: format, lint, types, layers, tests with coverage"
	@echo "make format  bring the code into the house's format"
	@echo "make bench   measure, against whichever rivals are installed"
	@echo "make clean   take away what make made here, but never the data"

run: .venv/installed
	@exec $(BIN)/dicomnode serve $(CONFIG)

test: .venv/installed-dev debian-packages
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

check: .venv/installed-dev debian-packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) --cov --cov-report=term

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/installed-dev
	$(BIN)/python -m bench

clean:
	rm -rf .venv dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment, made anew when pyproject.toml changes -------------------------------------------------------------------

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "installing dicomnode into .venv ..."
	@$(PIP) install --editable . || $(call fail,$(NO_REGISTRY))
	@touch $@

# pip reads dependency groups since 25.1
.venv/installed-dev: .venv/installed
	@echo "installing what the tests need into .venv ..."
	@$(PIP) install --upgrade "pip>=25.1" && $(PIP) install --group dev || $(call fail,$(NO_REGISTRY))
	@touch $@

.venv/bin/python:
	@command -v $(PYTHON) > /dev/null || $(call fail,$(PYTHON) is missing: apt install python3 python3-venv)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(call fail,\
	  Python 3.11 or newer is needed and $$($(PYTHON) --version) is here: make PYTHON=python3.12 names another one)
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || $(call fail,Python has no venv module: apt install python3-venv)
	@test -w . || $(call fail,$$(id -un) may not write in $(CURDIR))
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; $(call fail,the environment .venv could not be made: see above); }

# -- what the tests talk to ---------------------------------------------------------------------------------------------------

DEBIAN_PACKAGES := dcmtk strace
APT := apt-get install --yes --no-install-recommends $(DEBIAN_PACKAGES)

debian-packages:
	@test -x /usr/bin/storescu -a -x /usr/bin/strace && exit 0; \
	case "$$(id -u)$$(sudo -n true 2> /dev/null && echo " sudo")" in \
	  0*)      as_root= ;; \
	  *sudo)   as_root=sudo ;; \
	  *)       $(call fail,the tests need DCMTK and strace: sudo apt-get install $(DEBIAN_PACKAGES)) ;; \
	esac; \
	$$as_root $(APT) || { $$as_root apt-get update && $$as_root $(APT); } || $(call fail,this did not work: $(APT))
