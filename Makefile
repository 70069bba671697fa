# Everything here works on a fresh clone with Python 3.12 or newer (and Go, for the tests and the demo): what is
# needed is put into .venv, and what is slow to get into a cache folder that all checkouts share.
#
# Stamps are named after a checksum of what they stand for, so that a change, a removed file or another branch is
# noticed, and a checkout that only got new time stamps is not.

VENV := .venv
BIN := $(VENV)/bin
COLLECTIONS := $(VENV)/collections
BUILD := build
VERSION := $(shell sed -n 's/^version: //p' galaxy.yml)
ARTIFACT := $(BUILD)/kube_ecr-secrets-$(VERSION).tar.gz

# What the artifact is made of; build_ignore in galaxy.yml is its mirror image.
COLLECTION_SOURCES := galaxy.yml meta plugins roles playbooks crds docs changelogs README.md LICENSE CHANGELOG.md \
	requirements.txt requirements.yml

checksum = $(shell find /dev/null $(wildcard $(1)) -type f ! -name '*.pyc' ! -path '*/build/*' ! -path '*.egg-info/*' \
	-exec cksum {} + | LC_ALL=C sort | cksum | tr ' ' '-')
VENV_STAMP := $(VENV)/.made-$(call checksum,tests/requirements.txt tests/constraints.txt)
OLDEST := $(VENV)/oldest
OLDEST_STAMP := $(VENV)/.oldest-$(call checksum,tests/requirements-oldest.txt)
RUNNER_STAMP := $(VENV)/.runner-$(call checksum,runner plugins/module_utils/_contract)
COLLECTION_STAMP := $(VENV)/.collection-$(call checksum,$(COLLECTION_SOURCES))
IMAGE_TREE := $(VENV)/image
IMAGE_TREE_STAMP := $(VENV)/.image-$(call checksum,$(COLLECTION_SOURCES) runner)

# Tests, demo and molecule see the collection as a user has it: built, then installed. Never the checkout.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Options for pytest: make test ARGS="-k inventory -x"
ARGS ?=
# What make image names the image.
IMAGE ?= ghcr.io/kube-ecr/runner:$(VERSION)

# How many tests run at once, on two cores, as some wait; each worker has a control plane of its own.
WORKERS ?= 3

# What make lock resolves with.
UV_VERSION := 0.13.9

# How long make soak lasts; with PASSES it takes so many passes over all resources instead, without faults.
MINUTES ?= 20
PASSES ?= 0

.PHONY: help
help: ## Show this list (the default)
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-20s %s\n", $$1, $$2 }'
	@echo
	@echo "Variables: PYTHON=/path/to/python3 (3.12 or newer), ARGS='options for pytest', WORKERS=3;"
	@echo "for demo KEEP=1, KUBECONFIG=... and WAY=inline (the default), keys-secret or service-account"

.PHONY: demo
demo: install-collection install-runner tools ## Watch a custom resource become a pull secret that works
	@$(BIN)/python -m tests.support.harness.demo

.PHONY: test
test: lint unit-and-up ## Run lint, then every test (unit, integration, end to end, molecule)
	@echo
	@echo "All checks passed. Next: 'make demo' shows the whole path; CONTRIBUTING.md tells how to add to it."

.PHONY: unit-and-up
unit-and-up: install-collection install-runner install-image $(OLDEST_STAMP) tools
	@echo "== pytest ($(WORKERS) workers; each starts a control plane, which takes about 5 s)"
	@# The Go programs have memory enough to look for garbage less often.
	@GOGC=400 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 20 $(ARGS) || { status=$$?; \
		echo "Tests failed. To run one of them again: make test-only ARGS='-k NAME -x'" >&2; exit $$status; }

.PHONY: test-only
test-only: unit-and-up ## Run the tests without lint, for example: make test-only ARGS='-k inventory -x'

.PHONY: bench
bench: install-collection install-runner tools ## Measure how long a batch of custom resources takes
	@$(BIN)/python -m tests.bench.batch $(ARGS)

.PHONY: soak
soak: install-collection install-runner tools ## Look for a second without a valid token in MINUTES=20 of all faults
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --passes $(PASSES) $(ARGS)

.PHONY: lint
lint: install-collection ## Check style, YAML, scripts, workflows, playbooks, changelog, chart and the collection as it ships
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== yamllint"
	@$(BIN)/yamllint --strict .
	@echo "== shellcheck, hadolint, actionlint"
	@$(BIN)/shellcheck runner/install.sh tests/tools/build-image tests/tools/find-python .ci/run
	@$(BIN)/hadolint runner/Containerfile
	@$$($(BIN)/python -m tests.support.harness.tools actionlint)
	@echo "== one version"
	@$(BIN)/python tests/tools/version.py
	@echo "== antsibull-changelog"
	@$(BIN)/antsibull-changelog lint
	@echo "== the chart"
	@$(BIN)/python tests/tools/chart_files.py --check
	@$(BIN)/python -m tests.tools.manifests --check
	@$$($(BIN)/python -m tests.support.harness.tools helm) lint --strict --quiet chart
	@echo "== the collection as it ships"
	@$(BIN)/python tests/tools/check_collection.py $(ARTIFACT) $(COLLECTIONS)
	@echo "== ansible-lint"
	@$(BIN)/ansible-lint --offline -q

.PHONY: format
format: venv ## Put imports and layout of the Python files in order
	@$(BIN)/ruff check --select I --fix .
	@$(BIN)/ruff format .

.PHONY: manifests
manifests: tools ## Write the manifests that the role applies where helm is absent, of the chart
	@$(BIN)/python -m tests.tools.manifests

.PHONY: chart-files
chart-files: venv ## Write what the chart has from elsewhere: CRDs, version, the table of its values
	@$(BIN)/python tests/tools/chart_files.py

.PHONY: chart-snapshots
chart-snapshots: venv ## Write anew what the chart makes of some values (tests/snapshots), after a change that is meant
	@$(BIN)/python -m tests.support.harness.chart_snapshots

.PHONY: build
build: install-collection ## Build the collection's artifact into build/
	@echo "$(ARTIFACT)"

.PHONY: install-collection
install-collection: $(COLLECTION_STAMP) ## Build the collection and install it where the tests look (.venv/collections)

$(COLLECTION_STAMP): $(VENV_STAMP)
	@echo "== building the collection and installing it into $(COLLECTIONS)"
	@rm -rf $(VENV)/.collection-* $(BUILD)/kube_ecr-secrets-*.tar.gz $(COLLECTIONS)/ansible_collections/kube_ecr
	@$(BIN)/ansible-galaxy collection build --force --output-path $(BUILD) >$(VENV)/build.log 2>&1 \
		|| { cat $(VENV)/build.log >&2; exit 1; }
	@$(BIN)/ansible-galaxy collection install $(ARTIFACT) --offline -p $(COLLECTIONS) >$(VENV)/build.log 2>&1 \
		|| { cat $(VENV)/build.log >&2; exit 1; }
	@touch $@

.PHONY: install-runner
install-runner: $(RUNNER_STAMP) ## Install the runner's package into .venv

$(RUNNER_STAMP): $(VENV_STAMP)
	@echo "== installing the runner into $(VENV)"
	@rm -rf $(VENV)/.runner-* runner/build
	@$(BIN)/pip install --quiet --no-build-isolation --constraint tests/constraints.txt ./runner
	@touch $@

.PHONY: install-image
install-image: $(IMAGE_TREE_STAMP) ## Install what the image holds into .venv/image, by the script that the image is built with

$(IMAGE_TREE_STAMP): $(VENV_STAMP)
	@echo "== installing what the image holds into $(IMAGE_TREE)"
	@rm -rf $(VENV)/.image-* $(IMAGE_TREE)
	@PYTHON=$$($(BIN)/python -c 'import sys; print(sys._base_executable)') runner/install.sh $(CURDIR)/$(IMAGE_TREE)
	@touch $@

.PHONY: image
image: ## Build the image with podman, docker or buildah, which may be named: ENGINE=docker; PLATFORM=linux/arm64
	@tests/tools/build-image $(IMAGE) $(if $(PLATFORM),--platform $(PLATFORM)) \
		--label org.opencontainers.image.revision=$$(git rev-parse HEAD) $(ARGS)

.PHONY: venv
venv: $(VENV_STAMP) ## Make the virtual environment .venv (by itself when it is needed)

$(VENV_STAMP):
	@python=$$(tests/tools/find-python) || exit 1; \
	echo "== making $(VENV) with $$python ($$($$python -c 'import platform; print(platform.python_version())'));" \
		"this takes about a minute, once"; \
	rm -rf $(VENV) && $$python -m venv $(VENV)
	@$(BIN)/pip install --quiet --requirement tests/requirements.txt
	@$(BIN)/python -m tests.support.harness.kubernetes_core $(COLLECTIONS)
	@touch $@

$(OLDEST_STAMP): $(VENV_STAMP)
	@echo "== making $(OLDEST), with the oldest versions that are supported"
	@rm -rf $(OLDEST) $(VENV)/.oldest-* && $(BIN)/python -m venv $(OLDEST)
	@$(OLDEST)/bin/pip install --quiet --requirement tests/requirements-oldest.txt
	@touch $@

.PHONY: tools
tools: venv # Said before the tests, which would keep the messages of a long build to themselves.
	@$(BIN)/python -m tests.support.harness.tools >/dev/null

.PHONY: constraints
constraints: ## Write tests/constraints.txt anew, after a change of tests/requirements.txt
	@python=$$(tests/tools/find-python) && scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	grep -v '^-c ' tests/requirements.txt >$$scratch/requirements.txt && \
	$$python -m venv $$scratch/venv && $$scratch/venv/bin/pip install --quiet -r $$scratch/requirements.txt && \
	{ sed -n '/^#/p' tests/constraints.txt; $$scratch/venv/bin/pip freeze; } >$$scratch/constraints.txt && \
	cp $$scratch/constraints.txt tests/constraints.txt

.PHONY: lock
lock: ## Write the lock files of the image anew (runner/*.lock), at the versions that the tests run with
	@python=$$(tests/tools/find-python) && scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$$python -m venv $$scratch && $$scratch/bin/pip install --quiet uv==$(UV_VERSION) && cd runner && \
	compile() { $$scratch/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" "$$@"; } && \
	compile pyproject.toml --constraints ../tests/constraints.txt --output-file requirements.lock && \
	compile build.in --constraints ../tests/constraints.txt --output-file build.lock && \
	compile kubernetes.core.in --no-deps --output-file kubernetes.core.lock && \
	for platform in x86_64 aarch64; do \
		echo "== looking whether $$platform has a wheel of everything" && \
		$$scratch/bin/uv pip install --quiet --dry-run --python-platform $$platform-manylinux_2_28 --no-deps \
			--python-version 3.13 --require-hashes --only-binary :all: --target $$scratch/none \
			--requirement requirements.lock || exit 1; \
	done

.PHONY: version
version: install-collection ## Prepare a release: make version VERSION=1.2.3 writes it everywhere, and the changelog
	@test "$(origin VERSION)" = "command line" || { echo "Which one? make version VERSION=1.2.3" >&2; exit 2; }
	@$(BIN)/python tests/tools/version.py --set $(VERSION)
	@$(BIN)/python tests/tools/chart_files.py
	@$(BIN)/python -m tests.tools.manifests
	@$(BIN)/antsibull-changelog release --version $(VERSION)
	@echo "Look at it, commit it, and push the tag v$(VERSION): .github/workflows/release.yml does the rest."

.PHONY: clean
clean: ## Remove what was made in this checkout (the cache folder that checkouts share stays)
	@rm -rf $(VENV) $(BUILD) .ansible .cache .pytest_cache .ruff_cache .mypy_cache runner/build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One thing after the other: the targets share .venv, and the two cores of a small machine.
.NOTPARALLEL:
