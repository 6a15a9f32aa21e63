# make run: a fresh clone to the first result. make test: a fresh clone to its tests.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Locks are compiled from the public index alone and name no address.
COMPILE := env PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= \
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config \
	--generate-hashes --allow-unsafe --strip-extras --no-emit-options \
	--all-build-deps --upgrade

.PHONY: run test test-slow lint bench cohort lock clean
.DEFAULT_GOAL := run

run: $(VENV)/run-is-installed
	$(BIN)/pkmodels safe-activity studies/lu177_patient4

# By file, since what tests of one file share is made once.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist loadfile

test: $(VENV)/dev-is-installed
	$(BIN)/python -m pytest $(PARALLEL)

test-slow: $(VENV)/dev-is-installed
	$(BIN)/python -m pytest -m slow $(PARALLEL)

lint: $(VENV)/dev-is-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

cohort: $(VENV)/cohort-is-installed

bench: $(VENV)/bench-is-installed
	@set -e; for script in assembly compiling solver models safe_activity \
		onepatient nuts joint_tracers certificate identifiability population gpu; do \
		echo "benchmarks/$$script.py"; $(BIN)/python benchmarks/$$script.py; done

lock: $(VENV)/dev-is-installed
	$(COMPILE) --output-file requirements.lock pyproject.toml
	@for extra in dev bench cohort; do \
		$(COMPILE) --extra $$extra --constraint requirements.lock \
			--output-file requirements-$$extra.lock pyproject.toml || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is older than a lock or pyproject.toml that changed: then install anew.
$(VENV)/run-is-installed: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing the locked packages into $(VENV); the first time takes minutes."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev-is-installed: $(BIN)/python requirements-dev.lock pyproject.toml
	@echo "Installing the locked packages into $(VENV); the first time takes minutes."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/run-is-installed

$(VENV)/bench-is-installed: $(VENV)/run-is-installed requirements-bench.lock
	@echo "Installing the solvers that benchmarks compare with."
	@$(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@

$(VENV)/cohort-is-installed: $(VENV)/run-is-installed requirements-cohort.lock
	@echo "Installing what runs over many patients need."
	@$(PIP) install --require-hashes -r requirements-cohort.lock
	@touch $@

# Each candidate is run, since a version manager's python3.12 may be an empty shell.
# The locks hold wheels for 3.12 to 3.14.
SUITABLE := import ensurepip, sys, venv; \
	sys.exit(not (3, 12) <= sys.version_info < (3, 15))
CANDIDATES := python3 python3.13 python3.12 python3.14
$(BIN)/python:
	@found=; for python in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES) \
		"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-4]*/bin/python3); do \
		if "$$python" -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -n "$$found" ]; then \
		echo "Making $(VENV) with $$("$$found" --version) ($$found)"; \
		"$$found" -m venv --clear $(VENV); \
	elif [ -z "$(PYTHON)" ] && uv --version >/dev/null 2>&1; then \
		rm -rf $(VENV); uv venv --quiet --seed --python '>=3.12,<3.15' $(VENV); \
	else \
		echo "pkmodels needs Python 3.12, 3.13 or 3.14 with its venv module; tried:" \
			"$(or $(PYTHON),$(CANDIDATES) pyenv uv)." >&2; \
		echo "Get one (pyenv install 3.12, uv python install 3.12, or your system's" \
			"python3.12 and python3.12-venv), then: make PYTHON=/path/to/it" >&2; \
		exit 1; \
	fi
