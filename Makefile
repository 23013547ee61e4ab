# make demo   the example app on http://127.0.0.1:$(PORT)
# make test   the whole test suite, with the browser, PostgreSQL and Redis it needs
# make check  format, lint and types
PORT ?= 5000
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check format

$(VENV)/.installed: pyproject.toml setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[test,dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/flask --app example_app run --port $(PORT)

test: $(VENV)/.installed
	BIN=$(BIN) sh tests/ensure_browser.sh
	$(BIN)/python -m pytest

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
