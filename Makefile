# Variables of the stages. Each is passed on only when set: make zones ZONE=F01 YEAR=2020 WORKERS=4
CONFIG = configs/sample.yaml
ZONE =
YEAR =
WORKERS =
CLUSTER =
# Further arguments for test, bench, notebooks and lock: make test ARGS="-k carbon"
ARGS =

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# The shells of GIS suites point Python at their own libraries.
unexport PYTHONHOME PYTHONPATH

STAGES := zones composite calibrate map publish

PLANNED = $(if $(ZONE),--zone "$(ZONE)") $(if $(YEAR),--year "$(YEAR)") $(if $(WORKERS),--workers "$(WORKERS)")
OPTIONS = $(PLANNED) $(if $(CLUSTER),--cluster "$(CLUSTER)")

.DEFAULT_GOAL := help
.PHONY: help $(STAGES) plan check doctor test lint bench notebooks sample pictures lock clean
# Both stamps below stand for one folder, which must not be set up twice at once.
.NOTPARALLEL:

help: ## this list
	@echo 'make TARGET [CONFIG=$(CONFIG)] [ZONE=] [YEAR=] [WORKERS=] [CLUSTER=]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

zones: ## everything: from scenes and zone boundaries to the carbon sink of each zone
composite: ## stage 1: scenes to the cube of yearly composites
calibrate: ## stages 1-2: also the end-members of each ecosystem
map: ## stages 1-3: also the maps of each zone
publish: ## stages 1-4: also the GeoPackage and the tables
$(STAGES): .venv/.installed
	$(BIN)/python -m pipeline $@ "$(CONFIG)" $(OPTIONS)

plan: .venv/.installed ## what would run, what is done already, what memory and disk it takes
	$(BIN)/python -m pipeline plan "$(CONFIG)" $(PLANNED)

check: .venv/.installed ## check config, boundaries, stands and scenes, reading no pixel
	$(BIN)/python -m pipeline check "$(CONFIG)"

doctor: .venv/.installed ## check this installation
	$(BIN)/python -m pipeline doctor

test: .venv/.installed-dev ## run the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: .venv/.installed-dev ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/.installed-dev ## measure speed and memory
	$(BIN)/python bench/run.py $(ARGS)

notebooks: .venv/.installed-dev zones ## execute the notebooks in place, on the results of the sample
	$(BIN)/jupyter-execute --inplace $(ARGS) notebooks/*.ipynb

sample: .venv/.installed-dev ## make data/sample again
	$(BIN)/python data/sample/generate.py

pictures: zones ## draw the pictures of the documentation
	$(BIN)/python docs/pictures.py
	python3 docs/project_picture.py

LOCK := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --annotation-style line --custom-compile-command "make lock"

lock: ## resolve the dependencies again; to newer versions: make lock ARGS=--upgrade
	$(LOCK) $(ARGS) --group build -o requirements.lock
	$(LOCK) $(ARGS) --group dev --constraints requirements.lock -o requirements-dev.lock

clean: ## remove the environment and caches; results in out/ stay
	rm -rf .venv build dist sinkmap.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path ./data/sample -prune -o -name .git -prune -o \
	    \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

.venv/.installed: requirements.lock pyproject.toml .ci/setup-venv.sh
	@sh .ci/setup-venv.sh

.venv/.installed-dev: requirements-dev.lock pyproject.toml .ci/setup-venv.sh
	@sh .ci/setup-venv.sh dev
