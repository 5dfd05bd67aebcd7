# Two commands do everything: `make demo` and `make test`. Each sets up first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.hevesy-ready
JOBS   ?= 2
# the CUDA compiler of the gates exists for Linux; there its absence is a failure, elsewhere those tests skip
GATES  := $(if $(filter Linux,$(shell uname -s)),1,0)

.PHONY: setup demo test lint validation cohort-check verdict-trial bench bench-quick bench-peers tables schema columns ranges traps clean gpu-test gpu-bench

setup: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once; needs the package registry)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,gates]'
	@touch $@

demo: $(STAMP)
	$(BIN)/hevesy demo --out demo

test: $(STAMP) lint
	HEVESY_REQUIRE_GATES=$(GATES) $(BIN)/python -m pytest tests -m "not slow and not gpu" -n $(JOBS) --dist loadfile

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

gpu-test:
	HEVESY_REQUIRE_GPU=1 $(GPU_PYTHON) -m pytest tests/gpu -p no:cacheprovider -rs

gpu-bench:
	HEVESY_REQUIRE_GPU=1 $(GPU_PYTHON) benchmarks/gpu_bench.py
