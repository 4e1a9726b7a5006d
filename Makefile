# Every target that a person calls has a `## ` line; `make help` prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UPGRADE ?= --upgrade
PACKAGES := contracts $(wildcard libs/*) $(wildcard services/*)
INSTALLED := $(VENV)/.installed
NODE_MODULES := contracts/tools/node_modules/.installed
SOURCES := $(addsuffix /src,$(PACKAGES))

.PHONY: help install demo run test check check-versions quick format lint types imports contracts-check deploy-check bench vendor-report money-report contracts release-contracts lock clean

help: ## Show what can be called
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-18s %s\n", $$1, $$2}'

install: $(INSTALLED) $(NODE_MODULES) ## Create .venv with everything, pinned by hash (done by the other targets when needed)

# Under a lock, and not again after another make that has just done it.
once = flock $< bash -ec '[[ -f $@ && -z "$$(find $^ -newer $@)" ]] && exit; $(1); touch $@'
pip = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(INSTALLED): requirements-dev.lock $(addsuffix /pyproject.toml,$(PACKAGES))
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed (make PYTHON=python3.x)" if sys.version_info < (3, 11) else 0)'
	$(call once,$(PYTHON) -m venv $(VENV); $(pip) --require-hashes -r $<; $(pip) --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES)))

$(NODE_MODULES): contracts/tools/package-lock.json $(INSTALLED)
	$(call once,timeout 600 $(BIN)/npm ci --prefix $(<D) $$(test -w "$$HOME" || echo --cache build/npm))

demo: $(INSTALLED) ## One real try-on through all five services on the embedded stack; writes build/demo
	@$(BIN)/python -m closet_devstack demo

run: $(INSTALLED) ## Keep the whole stack up for development until Ctrl-C; its data stays in build/run
	@$(BIN)/python -m closet_devstack run

# Which worker takes which tests: conftest.py.
test: $(INSTALLED) $(NODE_MODULES) ## All tests, on real NATS, PostgreSQL and S3 (make test ARGS=libs/chassis: those alone)
	$(BIN)/python -m pytest --dist loadfile -n $(if $(ARGS),2 $(ARGS),5)

# What contracts-check runs is among the tests.
check: format lint types imports deploy-check test ## What CI runs: format, lint, types, imports, contracts, deployment files, tests

check-versions: $(INSTALLED) ## The other supported Pythons that this machine has, each in an environment of its own: unit tests, contracts, one try-on
	@found=$$(.ci/versions $(BIN)/python) && echo "Other supported Pythons here:" $${found:-none} && \
	for python in $$found; do $(MAKE) quick VENV=build/$$(basename $$python) PYTHON=$$python || exit 1; done

quick: $(INSTALLED)
	timeout 600 $(BIN)/python -m pytest -n 2 --dist loadfile $(wildcard services/*/tests/unit) contracts/tests tests/e2e/test_tryon.py \
		--ignore contracts/tests/test_official_tools.py  # no matter of the Python that starts them

format: $(INSTALLED) ## Is everything formatted? (make format FIX=1 formats)
	$(BIN)/ruff format $(if $(FIX),,--check) .

lint: $(INSTALLED) ## Lint (make lint FIX=1 repairs what it can)
	$(BIN)/ruff check $(if $(FIX),--fix,) .

types: $(INSTALLED) ## Strict types, product and tests
	$(BIN)/mypy conftest.py $(SOURCES)
	@# One run per folder of tests: their conftest.py files have no package to tell them apart.
	printf '%s\n' tests $(wildcard $(addsuffix /tests,$(PACKAGES))) | xargs -P 2 -n 1 $(BIN)/mypy

imports: $(INSTALLED) ## Who may import whom
	$(BIN)/lint-imports

contracts-check: $(INSTALLED) $(NODE_MODULES) ## Catalogue, schemas, examples, AsyncAPI, OpenAPI: valid by the official tools, no drift, nothing released is broken
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
	$(BIN)/python -m closet_operator permissions > deploy/compose/users.conf

release-contracts: contracts ## Freeze the present contracts as released: later changes are held against them
	rm -rf contracts/released && mkdir contracts/released
	cp -r contracts/schemas contracts/openapi.yaml contracts/released/

lock: ## Resolve the dependencies anew into the lock files (make lock UPGRADE= keeps what is pinned)
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements.in -o requirements.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements-build.in -o requirements-build.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.lock

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build contracts/tools/node_modules .mypy_cache .ruff_cache .pytest_cache
