# make demo   the example app on http://127.0.0.1:$(PORT)
# make test   the whole test suite, with the browser, PostgreSQL and Redis it needs
# make again  what failed last, once more
# make check  format, lint and types
# make revision MESSAGE="..."  a revision for what changed in the models
PORT ?= 5000
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# setuptools warns at length about every editable install.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.PHONY: demo test again check format schema revision
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

# What the demo needs, and then what the tests need.
$(VENV)/.installed: pyproject.toml setup.cfg | $(BIN)/python
	$(PIP) install --editable .
	touch $@

$(VENV)/.installed-all: pyproject.toml setup.cfg | $(BIN)/python
	$(PIP) install --editable ".[test,dev]"
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/flask --app example_app run --port $(PORT)

test: $(VENV)/.installed-all
	BIN=$(BIN) sh tests/ensure_browser.sh
	$(BIN)/python -X faulthandler -m pytest --cache-clear

# Fails where the last run named no test, as after a crash.
again: $(VENV)/.installed-all
	$(BIN)/python -X faulthandler -m pytest --last-failed --last-failed-no-failures none

check: $(VENV)/.installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(VENV)/.installed
	$(BIN)/python -m flask_billing.catalog_schema > flask_billing/catalog.schema.json

revision: $(VENV)/.installed-all
	$(BIN)/python -m tests.new_revision "$(MESSAGE)"
