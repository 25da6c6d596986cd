# The two commands for a fresh machine (Linux x86-64; Go, a C compiler,
# Python 3 with pip and venv, git, make):
#
#   make index PHOTOS=~/Pictures
#   make test

SHELL  := /bin/bash
PHOTOS ?= testdata/photos

# Relative, because make splits at spaces.
BUILD   := .build
VENV    := $(BUILD)/venv
PYTHON  := $(VENV)/bin/python
LINT_VERSION := v2.6.2
LINT    := $(BUILD)/golangci-lint-$(LINT_VERSION)/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help build index test test-go test-train crashtest fuzz bench bench-search lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## bin/shoebox
	go build -buildvcs=false -o bin/shoebox ./cmd/shoebox

# Through the environment, so that a folder's name may hold anything. Photos
# that failed (exit code 3) are listed and do not fail the target.
index: export PHOTOS := $(value PHOTOS)
index: build ## caption and index PHOTOS (default: the sample photos)
	@bin/shoebox index -- "$${PHOTOS/#\~\//$$HOME/}" || [ $$? -eq 3 ]

test: lint test-go test-train ## every test and the linters

# axe-core, which looks for what keeps people from using a page, out of a
# wheel: pip is there, npm may not be.
AXE := $(BUILD)/axe.min.js
$(AXE): search/web/browsertest/axe.txt $(VENV)/done
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --dest $(BUILD)/axe -r $<
	$(PYTHON) -m zipfile -e $(BUILD)/axe/*.whl $(BUILD)/axe
	cp $(BUILD)/axe/*/axe.min.js $@
	rm -r $(BUILD)/axe

# One runtime (ONNX Runtime, Postgres) for all tests, fetched once. Root's
# Postgres runs as another user, who cannot enter a checkout below /root.
RUNTIME := $(if $(filter 0,$(shell id -u)),/var/cache/shoebox/runtime,$(CURDIR)/.build/runtime)
test-go: export SHOEBOX_RUNTIME_DIR := $(RUNTIME)
test-go: build $(AXE)
	@mkdir -p $(BUILD)
	bin/shoebox setup
	@go test -race -v -timeout 30m ./... 2>&1 | tee $(BUILD)/go-test.log | grep -vE '^(=== (RUN|PAUSE|CONT|NAME)|\s*--- PASS|PASS$$)'; \
		exit $${PIPESTATUS[0]}

crashtest: export SHOEBOX_RUNTIME_DIR := $(RUNTIME)
crashtest: build ## kill it 520 times at random moments and compare (half an hour)
	bin/shoebox setup
	go test ./crashtest -v -count 1 -timeout 3h -kills 260 -workers 2
	go test ./crashtest -v -count 1 -timeout 3h -kills 260 -workers 4

test-train: $(VENV)/done
	@mkdir -p $(BUILD)
	@$(PYTHON) -m pytest -v train 2>&1 | tee $(BUILD)/train-test.log; exit $${PIPESTATUS[0]}

# Each fuzz target for FUZZTIME. Without a limit Go spends a minute on making each
# find smaller.
fuzz: FUZZTIME ?= 30s
fuzz: export SHOEBOX_RUNTIME_DIR := $(RUNTIME)
fuzz: build ## look for inputs that break what reads foreign bytes, FUZZTIME each (30s)
	@bin/shoebox setup
	@grep -rHoE --exclude-dir=.build --include='*_test.go' '^func Fuzz\w+' . | sort | while IFS=: read -r file function; do \
		echo "$${file%/*} $${function#func }"; \
		go test "$${file%/*}" -run '^$$' -fuzz "^$${function#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
	done

# About 1 GB of disk below TMPDIR. libturbojpeg and libvips (apt install
# libturbojpeg0 libvips-tools) are compared with where they are there.
bench: SIZES ?= 1000,10000
bench: export SHOEBOX_RUNTIME_DIR := $(RUNTIME)
bench: build $(VENV)/bench ## measure everything but search beside its rivals; SIZES of libraries (1000,10000)
	@bin/shoebox setup
	@rm -f $(BUILD)/bench.txt
	@go run ./cmd/bench -python $(PYTHON) -photos $(SIZES) -raw $(BUILD)/bench.txt
	@go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da $(BUILD)/bench.txt

# Needs ../shared; about 8 GB of disk below TMPDIR for a million photos.
bench-search: N ?= 1000000
bench-search: export SHOEBOX_RUNTIME_DIR := $(RUNTIME)
bench-search: build ## measure search over N made-up photos (default: a million), beside Postgres
	@bin/shoebox setup
	@go run ./cmd/benchsearch -n $(N)

lint: $(VENV)/done $(LINT)
	@unformatted=$$(gofmt -l captioner cmd crashtest flickr30k indexer migrations search storage); \
		test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(LINT) run ./...
	$(VENV)/bin/ruff check train .ci testdata captioner cmd
	$(VENV)/bin/ruff format --check --config train/pyproject.toml train .ci testdata captioner cmd

clean: ## forget everything that was built or fetched for building
	rm -rf bin $(BUILD)

# PyTorch as PyPI ships it is a CUDA build: 5.7 GB with its companions.
$(VENV)/done: train/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r train/requirements.txt
	@touch $@

$(VENV)/bench: cmd/bench/requirements.txt $(VENV)/done
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(LINT):
	GOBIN="$(CURDIR)/$(dir $@)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

