# `make demo` and `make test` each work alone on a fresh machine: they make the virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Where the tests of the export keep Triton's server, and those of --on ray keep Ray: not in the main environment,
# whose protobuf and NumPy they would change.
export BURNISH_TRITON_VENV ?= $(CURDIR)/$(VENV)/triton
RAY ?= $(VENV)/ray
COMMA := ,
DEEPSPEED ?= $(VENV)/deepspeed

.PHONY: help setup demo test test-all test-ray test-deepspeed lint format docs clean

help:
	@echo "make demo      train, prune, quantize, compile and report on a real data set (minutes)"
	@echo "make test      lint, types and tests (under 15 minutes on 2 cores)"
	@echo "make test-all  the same and the long checks"
	@echo "make test-ray  the service and training on a local Ray, which is installed beside the rest"
	@echo "make test-deepspeed  the strategy deepspeed, likewise"
	@echo "make docs      write docs/reference anew"
	@echo "make lint      ruff and mypy only"

setup: $(READY)

# torch and torchvision first and together: a torch alone would bring another build.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@command -v g++ >/dev/null || { echo "g++ is needed once, for quantization-aware training: install it (apt-get install g++)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "torch>=2.11,<2.15" torchvision
	$(BIN)/pip install --quiet -e ".[text,vision,dev]"
	@touch $(READY)

demo: $(READY)
	$(BIN)/python -m burnish.cli.demo

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

docs: $(READY)
	$(BIN)/python -m burnish.cli.reference docs/reference

test: lint
	$(BIN)/python -m pytest -q -n logical -m "not slow"

test-all: lint
	$(BIN)/python -m pytest -q

# Environments that see everything of the main one, and have Ray or DeepSpeed.
define beside
	$(BIN)/python -m venv $(1)
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
	  > $$($(1)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/burnish.pth
	$(1)/bin/pip install --quiet $(2)
endef

$(RAY)/.ready: $(READY)
	$(call beside,$(RAY),"ray[serve$(COMMA)train]>=2.60$(COMMA)<3")
	@touch $@

$(DEEPSPEED)/.ready: $(READY)
	$(call beside,$(DEEPSPEED),"deepspeed>=0.19.8")
	@touch $@

test-ray: $(RAY)/.ready
	$(RAY)/bin/python -m pytest -q tests/serve/test_on_ray.py tests/train/test_on_ray.py

test-deepspeed: $(DEEPSPEED)/.ready
	$(DEEPSPEED)/bin/python -m pytest -q tests/train/test_strategies.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
