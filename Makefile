# Everything a developer or CI runs. The first call of any target sets up .venv.
PYTHON ?= python3
VENV ?= .venv
# constraints.txt pins what was last tested, constraints-oldest.txt the oldest versions that are allowed.
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin

.PHONY: setup docs demo lint format test test-fast test-reader test-oldest bench fuzz numerics calibration compatibility clean

# All that developing needs: torch, plots, linters.
setup: $(VENV)/.ready

# Bytecode is compiled when it is first used: most of it never is.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint $(CONSTRAINTS)

$(VENV)/.reader-ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lipscribe needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.ready: $(VENV)/.reader-ready
	$(PIP) --editable '.[dev]'
	@touch $@
	@echo "ready: $(BIN)/lipscribe --help"

# Makes a talking face, reads its lips, and leaves a captioned video and a picture in demo/. Needs the reader alone.
demo: $(VENV)/.reader-ready
	$(BIN)/lipscribe demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Whole files go to a process each, so that their tests share what is expensive to make.
PYTEST := $(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile

test: setup
	$(PYTEST)

test-fast: setup
	$(PYTEST) -m "not slow"

# What a user has after `pip install lipscribe`: no torch. The commands of the README, and the tests of the reader.
READER := .venv-reader
test-reader:
	$(MAKE) demo VENV=$(READER)
	$(READER)/bin/lipscribe transcribe demo/talker.mp4 --model talkers
	$(READER)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint $(CONSTRAINTS) --editable '.[test,plots]'
	! $(READER)/bin/python -c 'import torch' 2>/dev/null
	$(READER)/bin/pytest -n auto --maxprocesses 8 --dist loadfile -m "not slow"

# All tests with the oldest dependencies, on Python 3.11 or 3.12: make test-oldest PYTHON=python3.11
test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt

# Speed, memory and size: prints tables, saves bench/results.json, and says what got slower since the last run here.
# CLIP=some.mp4 names the video, ARGS gives more: make bench ARGS=--quick; ARGS=--help lists all.
bench: setup
	$(BIN)/python -m benchmarks.bench $(if $(CLIP),--clip $(CLIP)) $(ARGS)

# A server at twice its capacity (docs/trust/load.md); ARGS=--picture renews docs/pictures/soak.png.
.PHONY: soak
soak: setup
	$(BIN)/python -m trust.soak --minutes $(MINUTES) $(ARGS)

# The server asked for what nobody should ask, over HTTP and WebSockets.
.PHONY: fuzz-api
fuzz-api: setup
	$(BIN)/python -m trust.fuzz_api --minutes $(MINUTES) $(ARGS)

# The same server ended and started again under load; short live streams, many of them wrong; and a live stream of eight
# hours by a simulated clock.
ROUNDS ?= 3
HOURS ?= 8
STREAMS ?= 1000
.PHONY: soak-restarts soak-streams soak-hours
soak-restarts: setup
	$(BIN)/python -m trust.restarts --rounds $(ROUNDS)

soak-streams: setup
	$(BIN)/python -m trust.streams --streams $(STREAMS) $(ARGS)

soak-hours: setup
	$(BIN)/python -m trust.long_stream --hours $(HOURS)

# Hostile files, MINUTES each for videos, for all other files, and for requests: each ends in a result or in one clear
# line. What is found is kept in fuzz/.
MINUTES ?= 5
.PHONY: fuzz-files
fuzz: fuzz-media fuzz-files fuzz-api

fuzz-files: $(VENV)/.trust-ready
	$(BIN)/python -m trust.fuzz_files --minutes $(MINUTES)

# Videos alone: make fuzz-media COUNT=10000
.PHONY: fuzz-media
fuzz-media: setup
	$(BIN)/python -m trust.fuzz_media $(if $(COUNT),--count $(COUNT),--minutes $(MINUTES)) $(ARGS)

$(VENV)/.trust-ready: $(VENV)/.ready
	$(PIP) --editable '.[trust]'
	@touch $@

# Extreme sizes and numbers through all commands, and what is the same from run to run: tables, trust-results/numerics.json.
# ARGS=--quick takes a third of the time (docs/trust/numerics.md).
numerics: setup
	$(BIN)/python -m trust.numerics $(ARGS)

# Stated probabilities against what is right, and nonsense that is marked; needs the GRID clips (docs/trust/calibration.md).
GRID_CLIPS = $(or $(LIPSCRIBE_SHARED),../shared)
calibration: setup
	@test -d $(GRID_CLIPS)/grid || { echo "calibration needs the GRID clips in $(GRID_CLIPS)/grid (LIPSCRIBE_SHARED=FOLDER)" >&2; exit 2; }
	test -d trust-results/s1 || $(BIN)/lipscribe prepare grid --root $(GRID_CLIPS)/grid --output trust-results/s1
	test -d trust-results/others || $(BIN)/lipscribe prepare grid --root $(GRID_CLIPS)/grid-others --output trust-results/others
	$(BIN)/python -m trust.calibration trust-results/s1 trust-results/others --picture trust-results/reliability.png $(ARGS)

# Other Pythons and dependencies, no locale, home or network, a proxy, names of other systems (docs/trust/compatibility.md).
# ONLY=proxy takes the rows with this in their names.
compatibility: setup
	$(BIN)/python -m trust.compatibility $(if $(ONLY),--only '$(ONLY)') $(ARGS)

# Kills each task TIMES times at random moments, and compares what resuming makes; or what fits into MINUTES=5
# (docs/trust/kills.md).
.PHONY: kills
kills: setup
	$(BIN)/python -m trust.kills --times $(or $(TIMES),50) $(if $(filter command,$(origin MINUTES)),--minutes $(MINUTES)) $(ARGS)

# Full, read-only and vanished disks, a clock set back, two processes in one folder (docs/trust/kills.md); needs root.
.PHONY: faults
faults: setup
	$(BIN)/python -m trust.faults $(ARGS)

# What hostile files, clients and pages may not do (docs/trust/security.md).
SECURITY_TESTS := tests/unit/test_unsafe_calls.py tests/unit/engines/test_plain.py tests/unit/data/test_shard_members.py \
  tests/unit/data/corpora/test_fetching.py tests/unit/models/test_spec.py tests/unit/models/test_outside_tensors.py \
  tests/unit/test_download.py tests/unit/server tests/unit/zoo/interop tests/unit/adaptation/test_adapt.py \
  tests/unit/adaptation/test_learn_phrases.py tests/unit/trust/test_audit.py \
  tests/integration/test_security_server.py tests/integration/test_dist.py
.PHONY: security audit dist
security: $(VENV)/.trust-ready
	$(PYTEST) $(SECURITY_TESTS)

# Published holes in the pinned dependencies; ends with 3 where nobody can be asked, and with 0 by ARGS=--or-skip (CI).
audit: $(VENV)/.trust-ready
	$(BIN)/python -m trust.audit $(ARGS)

# The wheel, a bill of materials, and what it was built from, in dist/: the same bytes wherever the commit is built.
dist: $(VENV)/.trust-ready
	$(BIN)/python -m trust.dist $(ARGS)

# CI's part of docs/trust.md, some five minutes of each. The inputs are the same each time, so that a commit fails for what
# it changes. Load is alone, so that its latencies are its own.
.PHONY: trust-slice
trust-slice: $(VENV)/.trust-ready
	$(MAKE) --jobs 2 --output-sync=target fuzz-media kills MINUTES=5
	$(BIN)/python -m trust.fuzz_files --count 400 --engine seeded
	$(MAKE) fuzz-api MINUTES=5 ARGS="--seed 1"
	$(MAKE) soak MINUTES=5
	$(MAKE) audit ARGS=--or-skip

# The site: guides, the commands' help, the Python reference. Open site/index.html.
docs: $(VENV)/.docs-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "open site/index.html"

$(VENV)/.docs-ready: $(VENV)/.ready
	$(PIP) --editable '.[docs]'
	@touch $@

clean:
	rm -rf .venv .venv-oldest .venv-reader site .pytest_cache .ruff_cache .import_linter_cache
