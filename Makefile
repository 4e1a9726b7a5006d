# Every target that a person calls has a `## ` line; `make help` prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := contracts $(wildcard libs/*) $(wildcard services/*)
INSTALLED := $(VENV)/.installed
SOURCES := $(addsuffix /src,$(PACKAGES))

.PHONY: help install demo run test check format lint types imports contracts-check deploy-check bench vendor-report money-report contracts release-contracts lock clean

help: ## Show what can be called
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-18s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Create .venv with everything, pinned by hash (done by the other targets when needed)

$(INSTALLED): requirements-dev.lock $(addsuffix /pyproject.toml,$(PACKAGES))
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed (make PYTHON=python3.x)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

demo: $(INSTALLED) ## One real try-on through all five services on the embedded stack; writes build/demo
	@$(BIN)/python -m closet_devstack demo

run: $(INSTALLED) ## Keep the whole stack up for development until Ctrl-C; its data stays in build/run
	@$(BIN)/python -m closet_devstack run

test: $(INSTALLED) ## All tests, on real NATS, PostgreSQL and S3
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: format lint types imports contracts-check deploy-check test ## What CI runs: format, lint, types, imports, contracts, deployment files, tests

format: $(INSTALLED) ## Is everything formatted? (make format FIX=1 formats)
	$(BIN)/ruff format $(if $(FIX),,--check) .

lint: $(INSTALLED) ## Lint (make lint FIX=1 repairs what it can)
	$(BIN)/ruff check $(if $(FIX),--fix,) .

types: $(INSTALLED) ## Strict types, product and tests
	$(BIN)/mypy $(SOURCES)
	@# One run per folder of tests: their conftest.py files have no package to tell them apart.
	for tests in tests $(wildcard $(addsuffix /tests,$(PACKAGES))); do $(BIN)/mypy $$tests || exit 1; done

imports: $(INSTALLED) ## Who may import whom
	$(BIN)/lint-imports

contracts-check: $(INSTALLED) ## Catalogue, schemas, examples, AsyncAPI, OpenAPI: no drift, nothing released is broken
	$(BIN)/python -m pytest contracts/tests tests/contract

deploy-check: $(INSTALLED) ## Dockerfile and compose file, by tools: nothing here starts a container
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

bench: $(INSTALLED) ## Throughput, latency, CPU and memory beside the machine's own limits; writes build/bench/report.json
	$(BIN)/python tests/bench/run.py

vendor-report: $(INSTALLED) ## Calls per job, an hour at saturation, a flood, crashes at every step; writes build/vendor/report.json
	$(BIN)/python -m tests.bench.vendor.main

money-report: $(INSTALLED) ## Holds in a crowd, usage under fire, planted differences, for real; writes build/money/report.json
	$(BIN)/python -m tests.bench.money.main

contracts: $(INSTALLED) ## Write schemas, AsyncAPI, OpenAPI and the README's tables from the code
	$(BIN)/python -m closet_contracts.export contracts
	$(BIN)/python -m kiosk_gateway openapi > contracts/openapi.yaml
	$(BIN)/python -m closet_messaging permissions > deploy/compose/users.conf

release-contracts: contracts ## Freeze the present contracts as released: later changes are held against them
	rm -rf contracts/released && mkdir contracts/released
	cp -r contracts/schemas contracts/openapi.yaml contracts/released/

lock: ## Resolve the dependencies anew into the lock files
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements.in -o requirements.lock
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements-build.in -o requirements-build.lock
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.lock

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
