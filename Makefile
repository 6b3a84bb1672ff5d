# `make demo` and `make test` make their own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint test-slow bench clean

demo: $(INSTALLED)
	$(BIN)/curation demo runs/demo

test: $(INSTALLED)
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

bench: $(INSTALLED)
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/job.py
	$(BIN)/python benchmarks/interleaving.py
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/clustering.py
	$(BIN)/python benchmarks/text.py

# The constraints pin torch, so that no package pulls in another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,models]'
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
