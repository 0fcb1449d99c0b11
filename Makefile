# Everything that is done with this repository, by name: `make help`.
# No target needs an environment variable; the first one run makes the virtual environment.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two steps at once would mix their output and measure each other.
.NOTPARALLEL:
.PHONY: help demo test soak bench lint check docs lock audit-deps sbom clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; \
		do printf '%-14s %s\n' "$$target" "$$text"; done

demo: $(INSTALLED) ## one invoice's way to its IRN, shown in this terminal (ARGS="..." goes to `mohar demo`)
	@$(BIN)/mohar demo $(ARGS)

# A process for each core; one that has nothing left takes from the other's end.
test: $(INSTALLED) ## the tests (ARGS="..." goes to pytest)
	@$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

soak: $(INSTALLED) ## the long tests: kills, flushes and lost answers, for minutes
	@$(BIN)/python -m pytest -m soak -s $(ARGS)

bench: $(INSTALLED) ## every measurement in benchmarks/
	@failed=0; for file in $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)); do \
		echo "== $$file"; $(BIN)/python "$$file" || failed=1; done; exit $$failed

lint: $(INSTALLED) ## ruff, its formatter and mypy, changing nothing
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --strict

check: lint test ## lint and test: what a commit must pass

docs: $(INSTALLED) ## write the generated files anew
	@$(BIN)/mohar docs

# uv keeps the versions that are already in the lock; `make lock ARGS=--upgrade` takes the newest ones.
# One lock for every platform, and no index named in it: whoever installs chooses where from.
lock: ## write requirements.lock anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT INT TERM; \
		$(PYTHON) -m venv "$$tools"; \
		"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install uv; \
		"$$tools/bin/uv" --quiet pip compile --universal --generate-hashes --no-emit-index-url --no-header \
			--python-version 3.11 --extra dev $(ARGS) pyproject.toml -o requirements.lock > /dev/null

# pip-audit succeeds where it could not look a package up. That is no audit, and must not pass for one.
define SAY_WHAT_WAS_FOUND
import json, sys
found = json.load(open(sys.argv[1]))["dependencies"]
skipped = [each["name"] for each in found if "skip_reason" in each]
flawed = [(each["name"], each["version"], flaw["id"]) for each in found for flaw in each.get("vulns", ())]
for flaw in flawed:
    print(*flaw)
print(f"{len(found) - len(skipped)} of {len(found)} packages audited, {len(flawed)} vulnerabilities found.")
if skipped and not flawed:
    print("The advisory database does not know or does not answer for: " + ", ".join(skipped), file=sys.stderr)
sys.exit(1 if flawed else 3 if skipped else 0)
endef
export SAY_WHAT_WAS_FOUND

# Tools of a moment: in a virtual environment that is thrown away, so that they are no part of what they look at.
audit-deps: ## ask the advisory database about everything in requirements.lock (3: it could not be asked)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT INT TERM; \
		$(PYTHON) -m venv "$$tools"; \
		"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install pip-audit || { \
			echo "pip-audit cannot be installed: is there a network?" >&2; exit 3; }; \
		"$$tools/bin/pip-audit" --require-hashes --disable-pip --progress-spinner off -f json -o "$$tools/found.json" \
			-r requirements.lock 2> "$$tools/said" || test -s "$$tools/found.json" || { cat "$$tools/said" >&2; \
			echo "The advisory database does not answer: nothing was audited." >&2; exit 3; }; \
		"$$tools/bin/python" -c "$$SAY_WHAT_WAS_FOUND" "$$tools/found.json"

sbom: ## write sbom.json, a CycloneDX list of everything in requirements.lock
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT INT TERM; \
		$(PYTHON) -m venv "$$tools"; \
		"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install cyclonedx-bom || { \
			echo "cyclonedx-bom cannot be installed: is there a network?" >&2; exit 3; }; \
		"$$tools/bin/cyclonedx-py" requirements requirements.lock --output-reproducible -o sbom.json; \
		echo "sbom.json written"

clean: ## remove all that was made here, the virtual environment too
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Wheels only, each with a hash from the lock: no foreign code runs while installing. The package itself
# comes last, built by the locked backend, so nothing outside the lock is ever fetched.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing what requirements.lock names"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { \
		echo "There is no $(PYTHON). Install Python 3.11 or later, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and Mohar needs 3.11 or later." \
			"Install one and name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
