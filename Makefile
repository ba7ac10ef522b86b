# Two commands on a bare machine: `make demo` (an API attacked, then guarded) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=

.PHONY: demo test quick compiled lint types imports check format bench lock clean

demo: .venv/.runtime
	@$(BIN)/doorward demo

test: .venv/.dev .venv/.npm
	$(BIN)/pytest -n 2 --dist worksteal $(PYTEST_ARGS)

quick: .venv/.dev .venv/.npm
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_ARGS)

# The hot modules by mypyc (needs a C compiler), beside the source: `PYTHONPATH=.compiled .venv/bin/doorward run`.
compiled: .venv/.dev
	bash tools/compiled.sh

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

check: lint types imports

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Debian packages (nginx, haproxy, wrk) come from the script; the other peers are wheels.
bench: .venv/.dev
	sh bench/install.sh
	$(BIN)/python -m bench

lock: .venv/.dev
	bash requirements/lock.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

# Every version is pinned by hash; the project itself is installed editable with the pinned build tools.
.venv/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Doorward needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.runtime: .venv/.python requirements/runtime.lock pyproject.toml
	@echo "installing Doorward and its pinned dependencies into .venv (once) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# OAuth clients in JavaScript, of others, that tests run against us; node comes with the wheels of .venv/.dev.
.venv/.npm: .venv/.dev tests/interop/package-lock.json
	bash tests/interop/install.sh "$(CURDIR)/$(BIN)/python" && touch $@ || echo "tests of OAuth clients in JavaScript are skipped" >&2

.venv/.dev: .venv/.runtime requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	touch $@
