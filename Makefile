# Everything a person does with this project, one word each. `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin
DEVICE_MODEL := extension/device/model.bin
MLFLOW_TRACKING_URI ?= sqlite:///.tagalong/mlflow.db
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run extension tools test test-slow test-days bench mlflow pictures check audit format lock programs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

run: .venv/.serve $(DEVICE_MODEL) ## the service on http://127.0.0.1:8600, with its own database and the shipped model
	@$(BIN)/tagalong-server serve

extension: .venv/.serve $(DEVICE_MODEL) ## the extension's packages for both stores, into dist/
	@$(BIN)/python -m store.packages

test: .venv/.test programs $(DEVICE_MODEL) ## every test, the browser's included
	$(BIN)/pytest -m "not slow" -n 3 --dist worksteal -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true

test-slow: .venv/.test programs $(DEVICE_MODEL) ## tests that take minutes or need data that is not in the repository
	$(BIN)/pytest -m slow

test-days: .venv/.test programs ## the tests that read a clock, on each day of a week and on odd days of the calendar
	sh tests/on_days.sh $(BIN)/pytest -q -m "not slow" -n 3 --dist worksteal tests/backend tests/model/registry tests/model/retraining tests/deploy/test_backup.py tests/deploy/test_check.py

tools: .venv/.test ## what training, testing and measuring need, into .venv

bench: .venv/.test programs $(DEVICE_MODEL) ## what a start, an answer, an event and a keystroke cost on this machine
	@$(BIN)/python -m bench.report --write
	@$(BIN)/python -m bench.switch
	@$(BIN)/python -m bench.scale
	@$(BIN)/python -m bench.typing
	@$(BIN)/python -m bench.chips
	@$(BIN)/python -m bench.device
	@$(BIN)/python -m bench.device_browsers

mlflow: .venv/.mlflow ## MLflow's page on the embedded store; MLFLOW_TRACKING_URI names another, MLFLOW_PORT another port
	@mkdir -p .tagalong
	@MLFLOW_DISABLE_TELEMETRY=true .venv/mlflow/bin/mlflow ui --workers 1 \
		--backend-store-uri "$(MLFLOW_TRACKING_URI)" --artifacts-destination .tagalong/mlflow

pictures: .venv/.test programs $(DEVICE_MODEL) ## the README's pictures, from the running product
	@$(BIN)/python -m tools.pictures
	@$(BIN)/python -m tools.own_pages
	@$(BIN)/python -m tools.pipeline
	@$(BIN)/python -m tools.architecture
	@$(BIN)/python -m tools.backtest
	@$(BIN)/python -m tools.metrics_page

check: .venv/.node ## style, types, dead code, of Python and of the extension
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/extension/node_modules/.bin/tsc -p tests/extension/tsconfig.json
	$(BIN)/python -m store.lint

audit: ## known faults of what the images install (needs uv, and the network)
	@command -v uvx >/dev/null || { echo "make audit needs uv: https://docs.astral.sh/uv/"; exit 1; }
	uvx pip-audit --require-hashes --disable-pip -r requirements/serve.txt -r requirements/traces.txt -r requirements/train.txt

format: .venv/.test ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The model on the device: the shipped light one, in the form that the extension reads.
$(DEVICE_MODEL): model/released/light/manifest.json $(wildcard model/serving/*.py) | .venv/.serve
	@$(BIN)/tagalong-model export-device --out $@

# What Python and pip need to know is in the locks; a changed lock or pyproject.toml installs again. The lock is its own
# constraint too: pip would look for a package that another one names with an extra as if it were not pinned.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tagalong needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing. On Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/.serve: .venv/.python requirements/serve.txt pyproject.toml
	@echo "Installing what serving needs, once …"
	@$(PIP) --require-hashes -r requirements/serve.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: .venv/.serve requirements/test.txt
	@echo "Installing what training and testing need, once …"
	@$(PIP) --require-hashes -r requirements/test.txt -c requirements/test.txt
	@touch $@

# An environment of its own, and not in the locks: MLflow with its page needs an older gunicorn and pyarrow than the tests.
.venv/.mlflow: .venv/.python requirements/serve.txt pyproject.toml
	@echo "Installing MLflow with its page, once …"
	@$(PYTHON) -m venv .venv/mlflow
	@$(PIP:$(BIN)%=.venv/mlflow/bin%) --require-hashes -r requirements/serve.txt
	@$(PIP:$(BIN)%=.venv/mlflow/bin%) --no-build-isolation -e '.[mlflow]'
	@touch $@

# Types, lint, and the ask page's own styles and editor, for the extension's checks and tests.
.venv/.node: .venv/.test tests/extension/package-lock.json
	@echo "Installing what the extension is checked and tried with, once …"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix tests/extension --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

programs: .venv/.node ## find the programs that the tests drive (browsers, caddy, promtool), or install them
	@sh tests/install_programs.sh

lock: ## pin the dependencies again (needs uv)
	uv pip compile pyproject.toml requirements/build.in $(LOCK) -o requirements/serve.txt
	uv pip compile pyproject.toml requirements/build.in --extra train --extra compare --extra tracking --extra drift --extra traces --extra test -c requirements/serve.txt $(LOCK) -o requirements/test.txt
	uv pip compile pyproject.toml requirements/build.in --extra traces -c requirements/test.txt $(LOCK) -o requirements/traces.txt
	uv pip compile pyproject.toml requirements/build.in --extra train --extra import --extra compare --extra tracking --extra drift -c requirements/test.txt $(LOCK) -o requirements/train.txt

LOCK := --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--quiet --custom-compile-command "make lock"

clean: ## remove the environment and what tests and builds left; the data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist artifacts tests/extension/node_modules $(DEVICE_MODEL)
