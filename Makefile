# The two set-up commands of this tree are `make demo` and `make test`. Each installs what is missing (as root, or with
# sudo), builds into ./build and keeps its Python packages in ./.venv. Nothing else on the machine is touched.
.DEFAULT_GOAL := help
.PHONY: help demo test test-gpu format build packages install clean
SHELL := /bin/bash

PYTHON ?= /usr/bin/python3
# An oracle of the tests, never linked and never imported by the package. `make test TORCH=...` takes another build.
TORCH ?= torch==2.13.0
JOBS ?= $(shell nproc)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# LLVM 22 comes from the configured apt: Debian 12 has it; elsewhere add the distribution's line of apt.llvm.org first.
PACKAGES := llvm-22-dev libmlir-22-dev mlir-22-tools llvm-22-tools liblld-22-dev clang-22 lld-22 clang-format-22 libgtest-dev zlib1g-dev libzstd-dev \
            cmake ninja-build ccache g++ python3-dev python3-venv
venv := .venv/bin/python

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

demo: install ## install, build and embed sentences with a compiled kernel, on the CPU
	$(venv) -m heddle.demo --picture build/block-mask.png

test: install .venv/with-test-packages ## install, build and run all that needs no GPU
	$(venv) test/suite.py

test-gpu: ## run test/gpu on this machine's CUDA device (after `make test` or `pip install .`)
	$(if $(wildcard $(venv)),$(venv),python3) -m pytest -q test/gpu

format: ## let clang-format rewrite all C and C++
	$(PYTHON) test/House/format.py . --fix

build: packages build/build.ninja ## build the compiler, its tools and the runtime into ./build
	ninja -C build -j $(JOBS)

install: build .venv/with-packages ## install the Python package into ./.venv, over ./build
	$(venv) -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check .

clean: ## remove ./build and ./.venv
	rm -rf build .venv

packages:
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f='$${Status}\n' $$p 2>/dev/null | grep -q '^install ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  command -v apt-get >/dev/null || { echo "expected apt-get to install" $$missing ", got a system without it: install them, then call make again" >&2; exit 1; }; \
	  echo "== installing" $$missing; \
	  $(SUDO) apt-get update && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y --no-install-recommends $$missing; \
	fi

build/build.ninja:
	cmake -S . -B build -G Ninja -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
	  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld-22 -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld-22 -DCMAKE_MODULE_LINKER_FLAGS=-fuse-ld=lld-22

.venv/with-packages: python/requirements.txt | packages
	$(PYTHON) -m venv .venv
	$(venv) -m pip install --disable-pip-version-check --no-deps -r $<
	@touch $@

.venv/with-test-packages: test/requirements.txt .venv/with-packages
	$(venv) -m pip install --disable-pip-version-check --no-deps -r $<
	$(venv) -m pip install --disable-pip-version-check "$(TORCH)"
	@touch $@
