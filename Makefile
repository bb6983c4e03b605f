# Two commands for a newcomer: `make demo` and `make test`. Each sets up .venv on its first call and starts at once later.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
# Tests run one worker a core; each worker computes on one thread.
WORKERS ?= auto
# Parts and options of the soak: make soak SOAK="kills --full".
SOAK ?=
test test-all bench soak: export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-all bench mutants soak wheel oldest lint types docs format clean

help:
	@echo "make demo      the whole story, small and offline; ends with runs/demo/comparison/report.html"
	@echo "make test      the test suite (minutes)"
	@echo "make test-all  the test suite with everything that is slow"
	@echo "make bench     the benchmarks in their short form (about ten minutes on two cores)"
	@echo "make mutants   faults put into central files, one at a time: which test catches each (half an hour)"
	@echo "make soak      kills, damaged files, full disks, random sequences: ten minutes, then what was found"
	@echo "make wheel     builds the wheel, looks inside, and tries it in a clean environment"
	@echo "make oldest    a share of the tests with the lowest versions that pyproject.toml names (9 GB, in .venv-oldest)"
	@echo "make docs      the documentation site, in site/"
	@echo "make lint types format"

demo: $(VENV)/ready
	$(RUN)/crosspath demo

test: $(VENV)/ready-dev
	$(RUN)/pytest -n $(WORKERS)

test-all: $(VENV)/ready-all
	$(RUN)/pytest -n $(WORKERS) -m "slow or not slow"

bench: $(VENV)/ready-dev
	$(RUN)/python -m benchmarks

mutants: $(VENV)/ready-dev
	$(RUN)/python -m tests.mutation.run

soak: $(VENV)/ready-dev
	$(RUN)/python -W ignore -m tests.soak.run $(SOAK)

wheel: $(VENV)/ready-dev
	$(RUN)/pip install --quiet --editable '.[release]'
	$(RUN)/python -m release.wheel

oldest: export OMP_NUM_THREADS ?= 1
oldest:
	$(PYTHON) -m release.oldest

lint: $(VENV)/ready-dev
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .

types: $(VENV)/ready-dev
	$(RUN)/mypy

docs: $(VENV)/ready-dev
	$(RUN)/mkdocs build --strict --quiet

format: $(VENV)/ready-dev
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

clean:
	rm -rf $(VENV) .venv-oldest .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info site

$(VENV)/bin/pip:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "crosspath needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml | $(VENV)/bin/pip
	$(RUN)/pip install --quiet --editable .
	@touch $@

$(VENV)/ready-dev: pyproject.toml | $(VENV)/bin/pip
	$(RUN)/pip install --quiet --editable '.[dev]'
	@touch $(VENV)/ready $@

# Ray is for the test of a cluster that loses a machine.
$(VENV)/ready-all: $(VENV)/ready-dev
	$(RUN)/pip install --quiet --editable '.[dev,study]'
	@touch $@
