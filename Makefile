# `make demo` and `make test` make their own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GPU_VENV := .venv-gpu
OFFICIAL_VENV := .venv-official

.PHONY: demo test lint test-slow test-browser test-gpu-imports test-official bench clean

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

# The page of the report in the system's Chromium (Debian: `apt-get install chromium`).
test-browser: $(VENV)/.installed-browser
	$(BIN)/pytest -m browser tests/report/page

$(VENV)/.installed-browser: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	touch $@

# The GPU packages as they are, on a machine without a GPU: 3 GB to load, 6 GB on disk, in an environment of its own.
test-gpu-imports: $(GPU_VENV)/.installed
	$(GPU_VENV)/bin/pytest -m gpu_imports tests/test_gpu_imports.py

$(GPU_VENV)/.installed: pyproject.toml constraints.txt constraints-gpu.txt
	$(PYTHON) -m venv $(GPU_VENV)
	$(GPU_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(GPU_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints-gpu.txt -e '.[gpu]' pytest
	touch $@

# Our shards against the writers and readers of others, in an environment of its own: 2 GB.
test-official: $(OFFICIAL_VENV)/.installed
	$(OFFICIAL_VENV)/bin/pytest -m official tests/output/test_official.py tests/report/test_croissant_official.py

$(OFFICIAL_VENV)/.installed: constraints.txt constraints-official.txt
	$(PYTHON) -m venv $(OFFICIAL_VENV)
	$(OFFICIAL_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(OFFICIAL_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -c constraints-official.txt \
		transformers brotli catalogue python-snappy xxhash zstd pillow \
		datasets polars duckdb mlcroissant pyarrow orjson zstandard pydantic pyyaml pytest hypothesis
	$(OFFICIAL_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints-official.txt --no-deps \
		mosaicml-streaming
	touch $@

bench: $(INSTALLED)
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/job.py
	$(BIN)/python benchmarks/interleaving.py
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/clustering.py
	$(BIN)/python benchmarks/text.py
	$(BIN)/python benchmarks/dynamic.py
	$(BIN)/python benchmarks/formats.py

# The constraints pin torch, so that no package pulls in another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,models]'
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) $(GPU_VENV) $(OFFICIAL_VENV) runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
