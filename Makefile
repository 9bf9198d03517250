# Every command a person needs. `make` prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
SERVING_PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && { echo $$p; break; }; done)
# the first that has torch; looked for when `make gpu-check` asks
GPU_PYTHON ?= $(shell for p in $(VENV)/bin/python python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import importlib.util as i, sys; sys.exit(i.find_spec("torch") is None)' 2>/dev/null && { echo $$p; break; }; done)
SERVE := $(VENV)-serving/bin/python
LOAD := $(VENV)-load/bin/python
# the tests of three files at once, each file's in their order, on one thread each: threads that wait for a core burn one, and two
# workers leave a fifth of two cores unused, waiting for servers; then those that judge times, alone, if $(ARGS) asks for any. Both
# share small models (tests/made_once.py) and the bytecode of the tests, which pytest makes as slowly as it imports all else
PYTEST := PYTHONDONTWRITEBYTECODE= python -m pytest
AT_ONCE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTEST) --dist loadfile --no-loadscope-reorder
TESTS := $(AT_ONCE) -n 3 -m "not slow and not alone"
TIMED := $(PYTEST) -m "alone and not slow"
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# the champion, which stage compare reads, from the DVC remote into a clone that has its pointer alone
BRING_CHAMPION = if [ -f champion/model.dvc ] && [ ! -e champion/model ]; then $(RUN) dvc pull champion/model.dvc || \
	{ echo "$@: champion/model is not here and no remote has it (DVC's message stands above); git rm champion/model.dvc goes on without" >&2; exit 1; }; fi

.PHONY: help setup services dashboard repro experiment experiments test test-fast coverage test-native test-slow lint score gate promote serve
.PHONY: rollout ab retrain loop bench-rollout bench-retraining
.PHONY: deploy route releases prune erase replay feedback feedback-serve monitor skew live load load-ui plots lock clean
.PHONY: bench bench-peers gpu-check bench-serving bench-gate bench-journal bench-journal-peers bench-replay bench-routing bench-monitor
.PHONY: bench-warm-start bench-sampled bench-histories
.PHONY: capacity soak spike compare

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.pipeline  ## install what the pipeline needs into .venv (2.1 GB)

services:  ## install Debian's Prometheus, Alertmanager, node exporter and Chromium, which alerts and some tests use (root or sudo; starts none)
	@requirements/system/services.sh

dashboard: $(VENV)-load/.installed  ## write the Grafana dashboard deploy/grafana/adclick.json anew
	@$(LOAD) -m lifecycle.alerts.dashboard

repro: $(VENV)/.pipeline  ## run the pipeline: data to model card (20 minutes, then only what changed); EXPERIMENT=smoke: on a small world (2 minutes)
	@requirements/system/check-git.sh repro && { $(BRING_CHAMPION); }
ifdef EXPERIMENT
	@$(RUN) python -m stages.experiment experiment=$(EXPERIMENT)
else
	@if grep -s '^experiment_name:' params.yaml | grep -qv ' null$$'; then $(RUN) python -m stages.compose; fi  # back to conf/
	@$(RUN) dvc repro
endif
	@$(RUN) python -m stages.reporting.verdict

experiment: $(VENV)/.pipeline  ## run the pipeline with other settings: make experiment SET="model=deepfm train.lr=0.002"
	@requirements/system/check-git.sh experiment && { $(BRING_CHAMPION); }
	@$(RUN) python -m stages.experiment $(SET)

experiments: $(VENV)/.pipeline  ## list what each experiment gave, and in what it differs
	@requirements/system/check-git.sh experiments && $(RUN) python -m stages.experiment_table

test: $(VENV)/.dev $(VENV)-load/.installed $(if $(SERVING_PYTHON),$(VENV)-serving/.installed $(VENV)-load/.perf-analyzer)  ## lint, then run all tests (20 minutes; installs 3.6 GB)
	@$(RUN) ruff check --quiet . && $(RUN) ruff format --quiet --check . && $(RUN) mypy --no-error-summary && $(RUN) clang-format --dry-run -Werror serving/*/*.[ch] serving/*/*/*.[ch] tests/native/*.[ch]
	@shared=$$(mktemp -d); trap 'rm -rf "$$shared"' EXIT; export ADCLICK_TESTS_SHARE="$$shared"; \
		$(RUN) $(TESTS) $(ARGS) && { $(RUN) $(TIMED) $(ARGS) || [ $$? = 5 ]; }

test-fast: $(VENV)/.dev  ## the tests that need neither Triton nor a training, for while you write (80 seconds)
	@$(RUN) $(AT_ONCE) -n 2 tests/contracts tests/features tests/evaluation tests/models tests/project -m "not slow and not triton and not load and not index" $(ARGS)

coverage: $(VENV)/.dev  ## which statements the tests run that need no Triton; what commands run that they start is not counted (12 minutes): .checkpoints/coverage/index.html
	@$(RUN) $(AT_ONCE) -n 3 -m "not slow and not alone and not triton and not load" --cov --cov-report=term:skip-covered --cov-report=html:.checkpoints/coverage $(ARGS)

test-native: $(VENV)/.dev  ## test the C parts alone, under gcc's address, undefined and thread sanitizers (2 minutes)
	@$(RUN) python -m pytest tests/native $(ARGS)

test-slow: $(VENV)/.dev $(if $(SERVING_PYTHON),$(VENV)-serving/.installed)  ## what takes too long for `make test`: fuzzing, ten thousand requests, emulated processors (50 minutes)
	@$(RUN) python -m pytest -m slow --timeout 3600 $(ARGS)

lint: $(VENV)/.dev  ## check the code's style, format and types
	@$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy && $(RUN) clang-format --dry-run -Werror serving/*/*.[ch] serving/*/*/*.[ch] tests/native/*.[ch]

score: $(VENV)/.pipeline  ## score a file or folder: make score INPUT=rows.csv OUTPUT=scores.parquet
	@test -n "$(INPUT)" -a -n "$(OUTPUT)" || { echo "score: INPUT and OUTPUT are required: make score INPUT=rows.csv OUTPUT=scores.parquet" >&2; exit 2; }
	@$(RUN) python -m stages.score "$(INPUT)" "$(OUTPUT)"

gate: $(VENV)-load/.installed $(if $(SERVING_PYTHON),$(VENV)-serving/.installed)  ## the newest model beside the champion on the real server: answers, speed, memory (3 minutes); reports/gate.html
	@$(LOAD) -m lifecycle.gate $(ARGS)

promote: $(VENV)/.pipeline  ## make the newest export the champion, if stage compare lets it (FORCE=1 WHY="..." overrides)
	@requirements/system/check-git.sh promote && $(RUN) python -m stages.promote $(if $(FORCE),--force --why "$${WHY:-}")

serve: $(VENV)-serving/.installed  ## serve the model that was served last, at first the champion or the newest export, on Triton (installs 0.8 GB): gRPC 8001, HTTP 8000, metrics 8002 (SERVING=gpu: in NVIDIA's container)
	@$(SERVE) -m serving.server$(if $(filter gpu,$(SERVING)),.container) $(ARGS)

deploy: $(VENV)-serving/.installed $(VENV)/.pipeline $(VENV)-load/.installed  ## the newest export into the running server, if it is good enough (4 minutes; FORCE=1 WHY="..." overrides; BESIDE=1: into the store only)
	@$(SERVE) -m lifecycle.deploy $(if $(BESIDE),--beside) $(if $(FORCE),--force) --why "$${WHY:-}" $(ARGS)

route: $(VENV)-serving/.installed  ## show who answers, or change it: make route SET="canary 13 5" (also shadow 13, ab 13 50, share 10, renew, off) FOR=1h WHY="..."
	@$(SERVE) -m lifecycle.route $(if $(FOR),--for="$(FOR)") --why="$${WHY:-}" $(ARGS) -- $(SET)

rollout: $(VENV)-serving/.installed $(VENV)/.pipeline $(VENV)-load/.installed  ## try the newest export beside what is served until it is promoted or sent back (weeks; SET=status, pause, resume, "begin 13", audit; abort, promote with WHY="...")
	@$(SERVE) -m lifecycle.rollout --why="$${WHY:-}" $(ARGS) -- $(SET)

releases: $(VENV)-serving/.installed  ## list the released models: version, time, size, which is served
	@$(SERVE) -m serving.server.releases $(ARGS)

prune: $(VENV)-serving/.installed  ## remove old releases: make prune KEEP=5 (never the one served, nor the one before it)
	@test -n "$(KEEP)" || { echo "prune: KEEP is required: make prune KEEP=5" >&2; exit 2; }
	@$(SERVE) -m serving.server.releases $(ARGS) prune --keep "$(KEEP)"

replay: $(VENV)-serving/.installed  ## compute answers of the journal again: make replay ID=... [ROW=n], KEY=... or SHARE=0.01 [DAY=YYYY-MM-DD]; 1 if bits differ
	@test -n "$${ID:-}$${KEY:-}$${SHARE:-}" || { echo "replay: ID, KEY or SHARE is required: make replay ID=<prediction id>" >&2; exit 2; }
	@$(SERVE) -m lifecycle.replay $(if $(ID),--id "$${ID}") $(if $(ROW),--row "$(ROW)") $(if $(KEY),--key "$${KEY}") $(if $(SHARE),--share "$(SHARE)") $(if $(DAY),--day "$(DAY)") $(ARGS)

feedback: $(VENV)-load/.installed  ## labels for what was answered: make feedback INPUT=file COMPLETE=2026-08 (none: what has matured; REOPEN=1 late corrections, LABELLED=1 rows to train on)
	@$(LOAD) -m lifecycle.feedback $(if $(COMPLETE),--complete-until "$(COMPLETE)") $(if $(REOPEN),--reopen) $(if $(LABELLED),--labelled) $(ARGS) $(if $(INPUT),-- "$(INPUT)")

feedback-serve: $(VENV)-load/.installed  ## take events in over HTTP: POST /feedback on 127.0.0.1:8004, JSON lines
	@$(LOAD) -m lifecycle.feedback.server $(ARGS)

monitor: $(VENV)-load/.installed  ## hold what is served against what it should be: drift, skew, quality, machine (ARGS=--follow goes on); 1 if something cannot wait
	@$(LOAD) -m lifecycle.monitor $(ARGS)

loop: $(VENV)-load/.installed $(VENV)-serving/.installed $(VENV)/.pipeline  ## journal, feedback, monitor, retraining and rollout, again and again (ARGS=--once: each once): make loop SET="lifecycle.retraining.every=7d"
	@$(LOAD) -m lifecycle $(ARGS) $(SET)

retrain: $(VENV)-load/.installed $(VENV)-serving/.installed $(VENV)/.pipeline  ## train another model, if it is time to, and hand it to the rollout (SET=now WHY="...": at once; SET=status)
	@$(LOAD) -m lifecycle.retrain --why "$${WHY:-}" $(ARGS) -- $(SET)

skew: $(VENV)-load/.installed  ## compare the month's file with what was served, by key: make skew INPUT=2026-08.csv; 1 if a column is different
	@test -n "$${INPUT:-}" || { echo "skew: INPUT is required, the month's file or the folder with its files: make skew INPUT=..." >&2; exit 2; }
	@$(LOAD) -m lifecycle.monitor.skew $(ARGS) -- "$${INPUT}"

ab: $(VENV)-load/.installed  ## what users do with the two releases of an A/B test (make route SET="ab 13 50" begins one): clicks a thousand page views, reports/ab.html; 1 if it is refused
	@$(LOAD) -m lifecycle.ab $(ARGS) -- $(SET)

erase: $(VENV)/.pipeline  ## remove a user from the journal and from data/: make erase ENTITY="..." WHY="..." (DRY_RUN=1 only counts)
	@test -n "$${ENTITY:-}" || { echo "erase: ENTITY is required, a value of the column with role entity: make erase ENTITY=\"...\"" >&2; exit 2; }
	@$(RUN) python -m lifecycle.erase $(if $(DRY_RUN),--dry-run) --why "$${WHY:-}" $(ARGS) -- "$$ENTITY"

live: $(VENV)-load/.installed $(VENV)-serving/.installed $(VENV)/.pipeline  ## three months in a copy of the project: drift, a new champion, broken candidates (40 minutes; live/timeline.html). FAULT=none: one month against the served model (12 minutes); FAULT=cents: with a fault
ifdef FAULT
	@$(LOAD) -m lifecycle.live $(if $(filter-out none,$(FAULT)),--fault "$(FAULT)") $(ARGS)
else
	@requirements/system/check-git.sh live && $(LOAD) -m lifecycle.live.whole $(ARGS)
endif

load: $(VENV)-load/.installed $(if $(SERVING_PYTHON),$(VENV)-serving/.installed)  ## put the served model under load and judge it (20 seconds; installs 0.9 GB): make load SHAPE=smoke ARGS="users=4"
	@$(LOAD) -m loadtests.run $(or $(SHAPE),smoke) $(ARGS)

load-ui: $(VENV)-load/.installed $(if $(SERVING_PYTHON),$(VENV)-serving/.installed)  ## the same, driven from Locust's page on 127.0.0.1:8089
	@$(LOAD) -m loadtests.ui $(or $(SHAPE),smoke) $(ARGS)

plots: $(VENV)/.pipeline  ## write the interactive plots to dvc_plots/index.html; they need no network
	@$(RUN) python -m stages.reporting.plots_library && $(RUN) dvc plots $(or $(ARGS),show)

bench: $(VENV)/.dev  ## measure speed and memory, write docs/benchmarks.md (about an hour)
	@$(RUN) python -m bench

bench-peers: $(VENV)-peers/.installed $(VENV)/.dev  ## compare training speed with DeepCTR-Torch (own environment)
	@$(RUN) python -m bench.training.peers

gpu-check:  ## measure training on this machine's NVIDIA GPU (8 minutes; needs a Python with torch and Lightning, no network, no .venv)
	@test -n "$(GPU_PYTHON)" || { echo "gpu-check: no Python with torch was found; name one: make gpu-check GPU_PYTHON=python3" >&2; exit 2; }
	@$(GPU_PYTHON) -m bench.gpu $(ARGS)

bench-serving: $(VENV)-load/.perf-analyzer  ## rows a second of the served model against the release before it and in process (about 12 minutes)
	@$(RUN) python -m bench.served.speed $(ARGS)

bench-lists: $(VENV)-load/.perf-analyzer $(VENV)/.dev  ## rows a second of the served model with tags and histories against without (about 8 minutes)
	@$(RUN) python -m bench.served.lists $(ARGS)

bench-warm-start: $(VENV)/.dev  ## what training from the champion's weights is worth over six simulated months (more than an hour)
	@$(RUN) python -m bench.ablations.warm_start $(ARGS)

bench-sampled: $(VENV)/.dev  ## training on a tenth of the rows without a click against training on all: speed, AUC, calibration (about half an hour)
	@$(RUN) python -m bench.ablations.sampled $(ARGS)

bench-histories: $(VENV)/.dev  ## din with what users clicked before against dcnv2 without, in two simulated worlds (long)
	@$(RUN) python -m bench.ablations.histories $(ARGS)

bench-overflow: $(VENV)/.dev  ## values without an id of their own, unknown or hashed, by the log-loss of a small vocabulary (long)
	@$(RUN) python -m bench.ablations.overflow $(ARGS)

bench-gate: $(VENV)-load/.installed $(VENV)/.dev $(VENV)-serving/.installed  ## does make gate refuse a model slowed by 15 %, and let an equal one pass, ten times each (about 25 minutes)
	@$(RUN) python -m bench.served.gate $(ARGS)

bench-journal: $(VENV)-load/.perf-analyzer  ## what the journal costs: the served model with and without it, and its segments made Parquet (about 17 minutes)
	@$(RUN) python -m bench.journal.cost $(ARGS)

bench-journal-peers: $(VENV)-compare/.installed $(VENV)-compare-mlserver/.installed $(VENV)-load/.perf-analyzer  ## servers that remember their answers: how fast, and what kill -9 costs them (wrk; about 6 minutes)
	@$(RUN) python -m bench.journal.peers $(ARGS)

bench-replay: $(VENV)/.dev $(VENV)-serving/.installed  ## how fast a journal's answers are computed again, in batches of 16 rows and of one (about 3 minutes)
	@$(RUN) python -m bench.journal.replay $(ARGS)

bench-monitor: $(VENV)/.dev $(VENV)-load/.installed $(if $(or $(findstring evidently,$(ARGS)),$(if $(findstring parts=,$(ARGS)),,all)),$(VENV)-evidently/.installed)  ## how often the monitor is wrong, what it finds and how soon, and what it costs (about an hour)
	@$(RUN) python -m bench.monitor $(ARGS)

bench-rollout: $(VENV)/.dev  ## how often rollouts end rightly, how soon, and what users pay, on simulated traffic (hours; ARGS="parts=[worse] rollouts=100" tries less)
	@$(RUN) python -m bench.rollout $(ARGS)

bench-routing: $(VENV)-load/.perf-analyzer  ## what two models behind one door cost: rates, shadow work, broken challengers, a route that changes (about 40 minutes)
	@$(RUN) python -m bench.routing $(ARGS)

bench-retraining: $(VENV)-load/.perf-analyzer $(VENV)/.dev  ## the served p99 while another model is trained beside it (about 10 minutes)
	@$(RUN) python -m bench.retraining $(ARGS)

capacity: $(VENV)-load/.perf-analyzer  ## find the highest rate of requests that the served model bears within its limits (about 10 minutes)
	@$(RUN) python -m bench.served.capacity $(ARGS)

soak: $(VENV)-load/.perf-analyzer  ## half an hour of steady requests: failures, memory, latency: make soak ARGS="minutes=1 rate=500"
	@$(RUN) python -m bench.served.soak $(ARGS)

spike: $(VENV)-load/.perf-analyzer  ## up to five times the capacity for 20 seconds: make spike ARGS="capacity=800"
	@$(RUN) python -m bench.served.spike $(ARGS)

compare: $(VENV)-compare/.installed $(VENV)-compare-mlserver/.installed $(VENV)-load/.perf-analyzer  ## compare the served model with FastAPI, LitServe, BentoML, MLServer (wrk, h2load; about 30 minutes)
	@$(RUN) python -m bench.servers.compare $(ARGS)

lock:  ## resolve requirements/*.in to exact versions
	@for name in pipeline dev serving peers load; do PYTHON="$(PYTHON)" requirements/lock.sh $$name; done
	@PYTHON="$(PYTHON)" requirements/lock.sh peers/evidently
	@for name in compare compare-mlserver; do PYTHON="$(SERVING_PYTHON)" requirements/lock.sh $$name; done

clean:  ## remove the environments and all that the pipeline made (the DVC cache and the releases in models/ stay)
	rm -rf $(VENV) $(VENV)-compare $(VENV)-compare-mlserver $(VENV)-evidently $(VENV)-load $(VENV)-peers $(VENV)-serving data/raw data/truth data/clean data/quarantine data/split data/encoded data/predictions data/linked.json artifacts .checkpoints dvc_plots
	@if [ -d reports ]; then find reports -mindepth 1 ! -path reports/metrics.json -delete; fi  # that one is in git

$(VENV)/.pipeline: requirements/pipeline.lock
	@requirements/install.sh "$(PYTHON)" $(VENV) pipeline

$(VENV)/.dev: requirements/dev.lock
	@requirements/install.sh "$(PYTHON)" $(VENV) dev
	@touch $(VENV)/.pipeline

$(VENV)-serving/.installed: requirements/serving.lock requirements/triton.lock requirements/zig.lock $(wildcard serving/native/*.[ch] serving/native/*/*.[ch] serving/preload/*.c)
	@requirements/install-serving.sh "$(SERVING_PYTHON)" $(VENV)-serving

$(VENV)-peers/.installed: requirements/peers.lock
	@requirements/install.sh "$(PYTHON)" $(VENV)-peers peers && touch $@

$(VENV)-evidently/.installed: requirements/peers/evidently.lock
	@requirements/install.sh "$(PYTHON)" $(VENV)-evidently peers/evidently && touch $@

$(VENV)-compare/.installed: requirements/compare.lock
	@requirements/install.sh "$(SERVING_PYTHON)" $(VENV)-compare compare && touch $@

$(VENV)-compare-mlserver/.installed: requirements/compare-mlserver.lock
	@requirements/install.sh "$(SERVING_PYTHON)" $(VENV)-compare-mlserver compare-mlserver && touch $@

$(VENV)-load/.installed: requirements/load.lock
	@requirements/install.sh "$(PYTHON)" $(VENV)-load load && touch $@

$(VENV)-load/.perf-analyzer: requirements/perf-analyzer.lock $(VENV)/.dev $(VENV)-serving/.installed
	@requirements/install-perf-analyzer.sh $(VENV)/bin/python $(VENV)-load $(VENV)-serving
