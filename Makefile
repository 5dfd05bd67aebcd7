# Two commands do everything: `make demo` and `make test`. Each sets up first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.hevesy-ready
JOBS   ?= 2
# the CUDA compiler of the gates exists for Linux; there its absence is a failure, elsewhere those tests skip
GATES  := $(if $(filter Linux,$(shell uname -s)),1,0)

.PHONY: setup lock audit container-check demo test slurm-test lint validation cohort-check verdict-trial bench bench-quick bench-peers tables schema columns ranges traps study fuzz clean gpu-first gpu-test gpu-bench gpu-sanitizer gate-successor faults

setup: $(STAMP)

# The very packages of requirements.lock, each compared with its hash; without that file the newest that pyproject.toml
# allows. setuptools is one of them: the project is built with it, and not with another that pip would fetch for that.
# Then all modules are compiled to bytecode, on all cores: where Python may not write (PYTHONDONTWRITEBYTECODE), every
# process would compile its libraries anew, which takes seconds.
LOCK := $(wildcard requirements.lock)
PIP   = $(BIN)/python -m pip install --quiet --disable-pip-version-check
$(STAMP): pyproject.toml $(LOCK)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once; needs the package registry)"
ifneq ($(LOCK),)
	@$(PIP) --no-deps --no-compile --require-hashes --requirement $(LOCK)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check >/dev/null
else
	@$(PIP) --upgrade pip
	@$(PIP) --editable '.[test,gates]'
endif
	@$(BIN)/python -m compileall -q -j 0 -x 'site-packages/.*/tests?/' $(VENV)/lib cli engine kernels phantoms tools >/dev/null || true
	@touch $@

# The lock files anew, from what pyproject.toml allows: for `make setup`, for a computer that only runs hevesy, and for
# one with a GPU. They hold for Python 3.10 and later on every platform, and name no registry. `make lock UPGRADE=` keeps
# the versions that still fit.
LOCK_TOOLS := build/lock-tools
UPGRADE    ?= --upgrade
COMPILE     = UV_NO_CONFIG=1 $(LOCK_TOOLS)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.10 \
  --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: $(LOCK_TOOLS)/.ready
	$(COMPILE) $(UPGRADE) --extra dask --extra gpu --output-file requirements-gpu.lock
	$(COMPILE) $(UPGRADE) --extra test --extra gates --extra dask --constraint requirements-gpu.lock \
	  --output-file requirements.lock
	$(COMPILE) $(UPGRADE) --extra dask --constraint requirements.lock --output-file requirements-run.lock

$(LOCK_TOOLS)/.ready:
	$(PYTHON) -m venv $(LOCK_TOOLS)
	$(LOCK_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5' 'pip-audit>=2.7'
	@touch $@

# Known vulnerabilities of what is locked, by the advisory service of the package registry. Exit code 77: it was not
# reached, or does not know some packages; then nothing is said about those.
audit: $(STAMP) $(LOCK_TOOLS)/.ready
	$(BIN)/python -m hevesy.tools.audit_lock --pip-audit $(LOCK_TOOLS)/bin/pip-audit

# The layers of the container that need no container engine, built by its own lines and used outside the checkout.
# TARGET=gpu: with the packages of that lock file.
TARGET ?= run
container-check:
	PYTHON=$(PYTHON) sh tools/container_check.sh build/container-check requirements-$(TARGET).lock

demo: $(STAMP)
	$(BIN)/hevesy demo --out demo

# In the order of tests/conftest.py, the longest files first; pytest-xdist alone begins with those of the most tests.
test: $(STAMP) lint
	HEVESY_REQUIRE_GATES=$(GATES) $(BIN)/python -m pytest tests -m "not slow and not gpu" -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Batches on a real Slurm: on the one that runs here, else on a node of its own (as root, with slurm-wlm and munge).
slurm-test: $(STAMP)
	HEVESY_REQUIRE_SLURM=1 $(BIN)/python -m pytest tests/slurm tests/unit/batch -p no:cacheprovider -rs

# Kills, full disks, damaged files and the rest, through real commands (some 20 minutes on two free cores; as root, with
# small disks of its own). Its short form is among the tests.
faults: $(STAMP)
	$(BIN)/python -m hevesy.tools.faults

# mypy names modules by folders, and this repository's root IS the package `hevesy`, whatever the checkout is
# called: a link of that name, inside the cache folder, shows it so.
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .mypy_cache/root && ln -sfn "$(CURDIR)" .mypy_cache/root/hevesy
	cd .mypy_cache/root && "$(abspath $(BIN))/mypy" --config-file "$(CURDIR)/pyproject.toml" \
	  --cache-dir "$(CURDIR)/.mypy_cache" -p hevesy.engine -p hevesy.cli

# The columns of the lesion table in docs/formats/result.md.
columns: $(STAMP)
	$(BIN)/python -m hevesy.tools.column_page

# The ranges of quantities in docs/formats/case.md.
ranges: $(STAMP)
	$(BIN)/python -m hevesy.tools.range_page

# The traps of docs/formats/traps.md.
traps: $(STAMP)
	$(BIN)/python -m hevesy.tools.trap_page

# The long form of the fuzzer: everything that hevesy reads, 100,000 inputs (about an hour on two cores); stop and go
# on as you like, the state and what was found are kept in build/fuzz. GUIDED: seconds with atheris for each parser,
# where that is installed (pip install '.[fuzz]').
INPUTS  ?= 100000
SECONDS ?= 7200
GUIDED  ?= 30
fuzz: $(STAMP)
	$(BIN)/python -m hevesy.tools.fuzz --inputs $(INPUTS) --seconds $(SECONDS) --jobs $(JOBS) --guided $(GUIDED) --out build/fuzz

schema: $(STAMP)
	$(BIN)/hevesy schema -o docs/formats/case.schema.json

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

validation: $(STAMP)
	$(BIN)/python -m hevesy.tools.validate_all

# The clinic on the synthetic trial against its truth, 20 noise seeds (about 20 minutes on two cores); stop and go on
# as you like, each patient's numbers are kept in build/cohort-check.
cohort-check: $(STAMP)
	$(BIN)/python -m hevesy.tools.cohort_check --seeds 20 --jobs $(JOBS) --parts build/cohort-check

# The judge on patients whose true doses are known, in many cells and all the way from DICOM (about 25 minutes on two
# cores); stop and go on as you like, each patient's numbers are kept in build/verdict-trial.
verdict-trial: $(STAMP)
	$(BIN)/python -m hevesy.tools.verdict_trial --jobs $(JOBS) --parts build/verdict-trial

# Local deposition and kernels against Monte Carlo in spheres (about half an hour on two free cores); stop and resume,
# each case's numbers are stored in build/local-vs-mc. `make study PASS=1`: the sparse part of the design.
PASS ?= 2
study: $(STAMP)
	$(BIN)/python -m hevesy.tools.local_vs_mc --jobs $(JOBS) --pass $(PASS)

# On an unloaded machine: every named problem, scaling, starts, modes and figures of merit (some 10 minutes on two
# cores); a table, and a JSON with the machine under benchmarks/results.
bench: $(STAMP)
	$(BIN)/python -m pytest benchmarks -p no:cacheprovider --benchmark-columns=median,rounds --benchmark-sort=name

# The main problems alone, a minute or two.
bench-quick: $(STAMP)
	$(BIN)/python -m pytest benchmarks -p no:cacheprovider --quick --benchmark-columns=median,rounds

# Beside ompmc, in an environment of its own (benchmarks/peers.py says more); needs the package registry once.
PEER_VENV ?= build/ompmc
bench-peers: $(STAMP)
	@test -x $(PEER_VENV)/bin/python || $(PYTHON) -m venv $(PEER_VENV)
	@$(PEER_VENV)/bin/python -c "import ompmc" 2>/dev/null || $(PEER_VENV)/bin/python -m pip install --quiet ompmc
	$(BIN)/python -m hevesy.benchmarks.peers --peer-python $(PEER_VENV)/bin/python

# Where a CUDA GPU is; needs NumPy, SciPy, Numba, numba-cuda, CuPy, h5py and pytest alone. GPU_PYTHON may be any
# Python that has them; the repository need not be installed. A missing GPU is a failure.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))

# First: what works, what does not and what to do then, and the options for this card; under 4 minutes.
gpu-first:
	$(GPU_PYTHON) tools/gpu_first

# compute-sanitizer on the kernels, some minutes; where it is installed.
gpu-sanitizer:
	HEVESY_REQUIRE_GPU=1 $(GPU_PYTHON) -m pytest tests/gpu -m sanitizer -p no:cacheprovider -rs

# The kernels under numba-cuda-mlir, the successor of numba-cuda, in an environment of its own (1.4 GB; needs no GPU).
SUCCESSOR_VENV ?= build/numba-cuda-mlir
SUCCESSOR      := 'numba-cuda-mlir[cu13]==0.6.0' 'cuda-toolkit==13.0.*' numpy scipy numba h5py threadpoolctl pytest
gate-successor:
	@test -x $(SUCCESSOR_VENV)/bin/python || $(PYTHON) -m venv $(SUCCESSOR_VENV)
	@$(SUCCESSOR_VENV)/bin/python -c "import numba_cuda_mlir, pytest, hevesy" 2>/dev/null \
	  || { $(SUCCESSOR_VENV)/bin/python -m pip install --quiet $(SUCCESSOR) \
	  && $(SUCCESSOR_VENV)/bin/python -m pip install --quiet --no-deps --editable .; }
	HEVESY_REQUIRE_SUCCESSOR=1 $(SUCCESSOR_VENV)/bin/python -m pytest tests/gates/test_cuda_successor.py -p no:cacheprovider

gpu-test:
	HEVESY_REQUIRE_GPU=1 $(GPU_PYTHON) -m pytest tests/gpu -p no:cacheprovider -rs

gpu-bench:
	HEVESY_REQUIRE_GPU=1 $(GPU_PYTHON) benchmarks/gpu_bench.py
