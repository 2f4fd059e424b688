# Everything a developer or CI runs. The first call of any target sets up .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo lint format test test-fast bench clean

setup: .venv/.ready

# constraints.txt pins what was last tested.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lipscribe needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
	@echo "ready: $(BIN)/lipscribe --help"

# Makes a talking face, reads its lips, and leaves a captioned video and a picture in demo/.
demo: setup
	$(BIN)/lipscribe demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup
	$(BIN)/pytest

test-fast: setup
	$(BIN)/pytest -m "not slow"

# Prints the tables of docs/results.md that are about speed and memory; CLIP=... names the video.
bench: setup
	$(BIN)/python benchmarks/speed.py $(if $(CLIP),--clip $(CLIP))
	$(BIN)/python benchmarks/memory.py $(if $(CLIP),--clip $(CLIP))

clean:
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache
