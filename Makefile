# The two commands to know: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint converter soak bench-aarch64 bench-armhf bench-peers firmware-tools clean

# Real recordings for the tests, when they lie beside the repository.
EDGE_ASC_DATA ?= $(realpath ../shared/data)
ifneq ($(EDGE_ASC_DATA),)
export EDGE_ASC_DATA
endif
ifdef PYTHON
export PYTHON
endif

PACKAGE_FILES := setup.cfg pyproject.toml README.md LICENSE $(shell \
    find edge_asc training export firmware_bridge benchmarks -type f -not -path '*/__pycache__/*')
BIN := .venv/dev/bin

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/demo/.ready ## play a recording through the default model, then listen to the microphone
	@tools/demo.sh $(DEMO_ARGS)

test: lint ## check style and types, and run all tests (PYTEST_ARGS=... for some)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: .venv/dev/.ready ## check style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy edge_asc tests tools

converter: .venv/dev/.ready .venv/converter/.ready ## convert by onnx2tf in Python 3.12, too (CONVERTER_PYTHON=... names it)
	EDGE_ASC_CONVERTER_PYTHON=$(CURDIR)/.venv/converter/bin/python OMP_NUM_THREADS=1 \
	    $(BIN)/pytest -n 2 --dist loadfile -m converter tests/export

# One heap for all threads: else each keeps some MB of its own, and which do so is chance.
soak: .venv/dev/.ready ## 24 hours of sound with faults through the listener, in minutes (SOAK_ARGS=... for others)
	OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=1 $(BIN)/python -m edge_asc.benchmarks.soak $(SOAK_ARGS)

bench-aarch64: .venv/dev/.ready ## an emulated Raspberry Pi: outputs, instruction counts, estimates (BENCH_ARGS=--accept keeps them)
	@tools/environment.sh emulator
	OMP_NUM_THREADS=1 $(BIN)/python -m edge_asc.benchmarks.aarch64 $(BENCH_ARGS)

bench-armhf: .venv/dev/.ready ## the same for a 32-bit system with tflite-runtime: outputs only
	@tools/environment.sh emulator
	OMP_NUM_THREADS=1 $(BIN)/python -m edge_asc.benchmarks.aarch64.armhf

firmware-tools: ## the cross compiler and QEMU for microcontrollers: `edge-asc firmware check` and its tests
	@tools/environment.sh firmware

# In an environment with numpy 2, which users have; the converter is that of .venv/dev.
bench-peers: .venv/dev/.ready .venv/peers/.ready ## the official pipeline, YAMNet's shape and other runtimes beside ours (PEERS_ARGS=...)
	@EDGE_ASC_CONVERTER_PYTHON=$(CURDIR)/.venv/dev/bin/python \
	    .venv/peers/bin/edge-asc bench peers --networks .cache/peers $(PEERS_ARGS)

clean: ## remove the environments and everything made, but no trained models
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/demo/.ready: tools/environment.sh $(PACKAGE_FILES)
	@tools/environment.sh demo
	@touch $@

.venv/dev/.ready: tools/environment.sh tools/cpu_torchaudio.py setup.cfg constraints.txt
	@tools/environment.sh dev
	@touch $@

.venv/converter/.ready: tools/environment.sh constraints-converter.txt
	@PYTHON='$(CONVERTER_PYTHON)' tools/environment.sh converter
	@touch $@

.venv/peers/.ready: tools/environment.sh setup.cfg constraints-peers.txt
	@tools/environment.sh peers
	@touch $@
