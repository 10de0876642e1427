# One command for each thing one does here; each does first what it needs. `make help` lists them.
#
#   VENV=.venv        folder of the environment; `VENV=` (empty) uses the Python that is active
#   PYTHON=python3    the Python that makes the environment, or is used when VENV is empty
#   COURSE_DATA=...   folder with real data sets (optional; without it the labs draw their own)

VENV ?= .venv
PYTHON ?= python3
MIN_DISK_GB ?= 8
PYTEST_ARGS ?=
# After this time, in seconds since 1970, no slow test and no lab on real data is begun; they are listed.
UNTIL ?= inf
# Processes for the tests, one more than two cores, for some tests wait; each computes with one thread, so
# that results do not depend on the machine.
JOBS ?= 3
# `COVERAGE=yes` takes half as long again; _build/coverage then shows every line that no test runs.
COVERAGE ?=

COVER := $(if $(COVERAGE),--cov --cov-report=term --cov-report=html:_build/coverage)
PY := $(if $(strip $(VENV)),"$(VENV)/bin/python",$(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help setup book test lint types pytest labs-smoke labs-real lab exercises constraints clean distclean

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1#\2/p' Makefile | awk -F'#' '{printf "%-14s %s\n", $$1, $$2}'

setup: ## the environment, with everything (about 3 minutes, 7 GB; then a moment)
	@[ "$$($(PYTHON) -c 'import sys; print(sys.version_info >= (3, 10))')" = True ] || { \
	  echo "The course needs Python 3.10 or newer as '$(PYTHON)'. Name another: make setup PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) tools/install.py --venv "$(VENV)" --min-disk $(MIN_DISK_GB)

book: setup ## run the labs whose parts changed, build the book into _build/html
	$(PY) -m tools.book build

test: book lint types labs-smoke pytest labs-real ## everything that proves that all of it works
	@echo "All checks passed."

lint: setup ## style of code and notebooks, and that what is generated is in step
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m tools.notebooks validate
	$(PY) -m tools.equations check
	$(PY) -m tools.exercises check

types: setup ## type check of course_lib
	$(PY) -m mypy

pytest: setup ## the tests alone (PYTEST_ARGS="-k unet" for some of them)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal $(COVER) --slow-until=$(UNTIL) $(PYTEST_ARGS)

labs-smoke: setup ## every line of every lab once, at the smallest size
	$(PY) -m tools.notebooks nbval
	$(PY) -m tools.exercises verify

labs-real: setup ## the labs at quick on each real data set that they offer and that is here
	$(PY) -m tools.notebooks real --until=$(UNTIL)

lab: setup ## JupyterLab with the labs
	$(PY) -m jupyterlab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00-start.ipynb

exercises: setup ## the learners' notebooks, from their sources
	$(PY) -m tools.exercises sync

constraints: setup ## constraints.txt: what pyproject.toml needs, resolved together (ARGS=--upgrade for newer)
	$(PY) -m uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate \
	  $(addprefix --no-emit-package ,course-lib pip setuptools wheel) \
	  --custom-compile-command "make constraints" --output-file constraints.txt $(ARGS) pyproject.toml

clean: ## remove what the commands above wrote (not the environment)
	rm -rf _build .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean ## remove the environment too
	rm -rf .venv course_lib.egg-info
