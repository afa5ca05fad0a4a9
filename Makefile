# Everything a person runs. `make demo` and `make test` need nothing but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
SERVE := $(VENV)/ready-serve
BENCH := $(VENV)/ready-bench
STOCK := .venv-stock
TORCH := $(shell grep '^torch==' requirements-bench.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo serve test oracle stock crash fuzz soak bench-training bench-isolation bench-engine bench-smoke bench-footprint bench-roofline bench-service lint format clean

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(SERVE) ## Make .venv with the pinned dependencies and the command convserve

demo: $(SERVE) ## Train a LeNet-5 on real digits over HTTP, and see what it thinks (two minutes)
	$(BIN)/convserve demo

serve: $(SERVE) ## Train the digits model once, then keep serving it on port 8000
	$(BIN)/convserve demo --keep

test: $(READY) ## Run every test that needs neither PyTorch nor clients of others
	$(BIN)/python -m pytest -n auto --dist loadgroup

soak: $(READY) ## Ten minutes of full load with training in the background: nothing fails, nothing grows
	$(BIN)/python -m tests.soak $(ARGS)

oracle: $(READY) ## Compare live with PyTorch
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pytest -m oracle -n auto

stock: $(READY) $(foreach name,triton kserve mlserver perf,$(STOCK)/$(name)/ready) ## Run clients that others wrote: Triton's, KServe's, MLServer's, perf_analyzer
	$(BIN)/python -m pytest -m stock

crash: $(READY) ## Kill the service 200 times under load, fail its every system call, cut the power (twenty minutes)
	$(BIN)/python -m tests.crash --kills 200 --seed 1
	$(BIN)/python -m tests.crash.matrix
	$(BIN)/python -m tests.crash.power --cuts 10

fuzz: $(READY) ## Send the service whatever a stranger may: forty minutes, half of them at the doors where bytes come in
	$(BIN)/python -m tests.fuzz $(ARGS)

bench-training: $(SERVE) ## Measure what a durable step over HTTP costs more than one in process (ARGS='--rounds 400')
	$(BIN)/python -m bench.training $(ARGS)

bench-isolation: $(SERVE) ## Measure what readers, writers, restarts and new connections notice of each other
	$(BIN)/python -m bench.isolation $(ARGS)

bench-engine: $(BENCH) ## Measure training steps and inference beside PyTorch and ONNX Runtime (ARGS='--networks lenet5')
	$(BIN)/python -m bench.engine $(ARGS)

bench-smoke: $(BENCH) ## See in a minute whether all of these compute the same, whatever their time
	$(BIN)/python -m bench.engine --smoke $(ARGS)

bench-roofline: $(SERVE) ## Measure what bounds the engine: products, memory, calls (ARGS='--seconds 1')
	$(BIN)/python -m bench.roofline $(ARGS)

bench-footprint: $(SERVE) ## Measure size, start and memory of the service beside a minimal one in PyTorch (ARGS=--reuse)
	$(BIN)/python -m bench.footprint $(ARGS)

bench-service: $(SERVE) ## Measure predictions beside LitServe, MLServer, BentoML and FastAPI (ARGS='--reuse --rounds 3')
	$(BIN)/python -m bench.service $(ARGS)

lint: $(READY) ## Check format, style, types and the imports between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what make made
	rm -rf $(VENV) $(STOCK) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "convserve needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(STOCK)/%/ready: tests/stock/requirements-%.txt | $(BIN)/python
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@

$(SERVE): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(BENCH): requirements-bench.txt $(SERVE)
	$(BIN)/python -m pip install --quiet --requirement requirements-bench.txt
	touch $@

$(READY): requirements-dev.txt $(SERVE)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
