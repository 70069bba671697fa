# Every target works in a fresh clone with Python 3.12 or newer (and Go, for the tests and the demo). What a target needs
# goes into .venv. What is slow to build goes into a cache folder that all checkouts share.
#
# The name of a stamp contains a checksum of its inputs. So make notices a change, a removed file or another branch, and
# ignores a checkout whose files only have new time stamps.

VENV := .venv
BIN := $(VENV)/bin
COLLECTIONS := $(VENV)/collections
BUILD := build
VERSION := $(shell sed -n 's/^version: //p' galaxy.yml)
# Not of $(VERSION): what is built has the version of galaxy.yml also while `make version` is told another one.
ARTIFACT := $(BUILD)/kube_ecr-secrets-$(shell sed -n 's/^version: //p' galaxy.yml).tar.gz

# The content of the artifact. build_ignore in galaxy.yml excludes everything else.
COLLECTION_SOURCES := galaxy.yml meta plugins roles playbooks extensions crds docs changelogs README.md LICENSE CHANGELOG.md \
	requirements.txt requirements.yml tests/config.yml

checksum = $(shell find /dev/null $(wildcard $(1)) -type f ! -name '*.pyc' ! -path '*/build/*' ! -path '*.egg-info/*' \
	-exec cksum {} + | LC_ALL=C sort | cksum | tr ' ' '-')
VENV_STAMP := $(VENV)/.made-$(call checksum,tests/requirements.txt tests/constraints.txt)
OLDEST := $(VENV)/oldest
OLDEST_STAMP := $(VENV)/.oldest-$(call checksum,tests/requirements-oldest.txt)
IMPORTER := $(VENV)/importer
IMPORTER_STAMP := $(VENV)/.importer-$(call checksum,tests/requirements-importer.txt)
DOCS := $(VENV)/docs-site
DOCS_STAMP := $(VENV)/.docs-site-$(call checksum,tests/requirements-docs.txt)
REPORT := $(VENV)/report
REPORT_STAMP := $(VENV)/.report-$(call checksum,tests/requirements-bench.txt)
RUNNER_STAMP := $(VENV)/.runner-$(call checksum,runner plugins/module_utils/_contract)
COLLECTION_STAMP := $(VENV)/.collection-$(call checksum,$(COLLECTION_SOURCES))
# The link makes mypy see the collection under the name that Ansible imports it by.
TYPES := $(VENV)/types/ansible_collections/kube_ecr/secrets
IMAGE_TREE := $(VENV)/image
IMAGE_TREE_STAMP := $(VENV)/.image-$(call checksum,$(COLLECTION_SOURCES) runner)

# Tests, demo and molecule use the collection as a user has it: built, then installed. They never use the checkout.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Options for pytest, for example: make test ARGS="-k inventory -x"
ARGS ?=
# Name of the image that make image builds.
IMAGE ?= ghcr.io/kube-ecr/runner:$(VERSION)

# Environments of make matrix, all if empty; `.venv/bin/python -m tests.matrix --list` shows them.
MATRIX ?=

# Number of tests that run in parallel. Three suit two cores, since some tests wait. Each worker has its own control plane.
WORKERS ?= 3

# Version of uv, with which make lock resolves.
UV_VERSION := 0.13.9

# What kubernetes' asynchronous client needs, which the image does not have: runner/install.sh removes it.
UNUSED := aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs frozenlist multidict propcache yarl

# Duration of make soak. With PASSES it makes that number of passes over all resources instead, without faults.
MINUTES ?= 20
PASSES ?= 0

# What make bench measures side by side with this build: a revision, and the command of another operator.
BASE ?=
PEER ?=

.PHONY: help
help: ## Show this list (the default target)
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-20s %s\n", $$1, $$2 }'
	@echo
	@echo "Variables: PYTHON=/path/to/python3 (3.12 or newer), ARGS='options for pytest', WORKERS=3;"
	@echo "for demo KEEP=1, KUBECONFIG=... and WAY=inline (the default), keys-secret or service-account"

.DEFAULT:
	@echo "There is no target '$@'; 'make help' lists them." >&2; exit 2

.PHONY: demo
demo: install-collection install-runner ## Show the whole path, from a custom resource to a pulled image
	@$(BIN)/python -m tests.support.harness.demo

# The tests marked slow are left to `make test-all`. Other targets run what they are told to.
test: CHOSEN := -m 'not slow'

# These also measure the coverage of the tests. Only the whole suite has to reach the floor.
test test-all coverage: MEASURE = $(BIN)/python -m tests.tools.measure $(if $(ARGS),--no-floor)

.PHONY: test
test: lint unit-and-up node-tests ## Run lint and tests (unit, integration, end to end, on a node), but for the slow ones
	@echo
	@echo "All checks passed. Next: 'make demo' shows the whole path; CONTRIBUTING.md explains how to contribute."

.PHONY: unit-and-up
unit-and-up: install-collection install-runner install-image $(OLDEST_STAMP) tools
	@$(if $(CHOSEN),,$(BIN)/python -m tests.support.harness.tools bundle gitops >/dev/null) # only slow tests need them
	@echo "== pytest ($(WORKERS) workers; each starts a control plane, which takes about 5 s)"
	@# GOGC: the Go programs have enough memory, so they can collect garbage less often.
	@GOGC=400 $(MEASURE) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 20 $(CHOSEN) $(ARGS) || { status=$$?; \
		echo "Tests failed. To run one of them again: make test-only ARGS='-k NAME -x'" >&2; exit $$status; }

.PHONY: test-only
test-only: unit-and-up ## Run tests without lint, for example: make test-only ARGS='-k inventory -x'

.PHONY: node-tests
node-tests: install-collection install-runner ## Run the tests that need containers: root, Linux; INSTALL=1 installs the packages
	@echo "== pytest on a node"
	@$(BIN)/python -m tests.support.node.sandbox --or-skip $(BIN)/python -m pytest tests/node --durations 10 $(CHOSEN) $(ARGS) || { \
		status=$$?; [ -n "$(ARGS)" ] && [ $$status -eq 5 ]; } # 5: none of them is chosen

.PHONY: test-all
test-all: lint unit-and-up node-tests importer sanity docs-site release-tests matrix execution-environment mutants ## Run all tests, and all that a release rests on; takes over an hour
	@echo
	@echo "All of it passed."

.PHONY: matrix
matrix: install-collection install-runner $(OLDEST_STAMP) tools ## Run tests with the oldest and newest versions; MATRIX='helm-3.14 target-3.9' chooses
	@GOGC=400 $(BIN)/python -m tests.matrix $(MATRIX) --workers $(WORKERS) $(if $(ARGS),--args '$(ARGS)')

.PHONY: execution-environment
execution-environment: install-collection tools ## Build an execution environment, and use it; root, Linux, podman, buildah
	@KUBE_ECR_EXECUTION_ENVIRONMENT=1 $(BIN)/python -m pytest tests/execution_environment $(ARGS)

.PHONY: release-tests
release-tests: install-collection install-runner tools ## Run the release workflow here, as far as it can; take the GitOps examples by an API server
	@$(BIN)/python -m tests.support.harness.tools cosign oras >/dev/null
	@KUBE_ECR_RELEASE=1 $(BIN)/python -m pytest tests/release $(ARGS)

.PHONY: node
node: install-collection install-runner ## Start a cluster of one node, and a shell in it
	@$(BIN)/python -m tests.support.node.sandbox $(BIN)/python -m tests.support.node.cluster

.PHONY: coverage
coverage: unit-and-up ## Run tests and report the lines and branches that none executes (build/coverage/index.html)

.PHONY: mutants
mutants: install-collection ## Report small changes of what decides that no unit test notices; ARGS=PATH or ARGS=--all chooses
	@$(BIN)/python tests/tools/mutants.py $(ARGS)

.PHONY: bench
bench: tools ## Measure speed and memory, side by side with a revision (BASE=REV)
	@$(BIN)/python -m tests.bench $(if $(BASE),--base '$(BASE)') $(if $(PEER),--peer '$(PEER)') $(ARGS)

.PHONY: bench-admission
bench-admission: tools ## Measure what spec.podInjection costs a new pod
	@$(BIN)/python -m tests.bench.admission $(ARGS)

.PHONY: bench-report
bench-report: $(REPORT_STAMP) ## Write docs/performance.md from what make bench measured
	@$(REPORT)/bin/python -m tests.bench.report $(ARGS)

$(REPORT_STAMP):
	@echo "== making $(REPORT), with what draws the plot"
	@mkdir -p $(VENV) && rm -rf $(REPORT) $(VENV)/.report-*
	@$$(tests/tools/find-python) -m venv $(REPORT)
	@$(REPORT)/bin/pip install --quiet --requirement tests/requirements-bench.txt
	@touch $@

.PHONY: soak
soak: install-collection install-runner tools ## Check that Secrets stay valid during MINUTES=20 of faults; or make PASSES=300
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --passes $(PASSES) $(ARGS)

.PHONY: types
types: venv ## Check the types of the runner and the collection
	@echo "== mypy"
	@mkdir -p $(TYPES) && ln -sfn $(CURDIR)/plugins $(TYPES)/plugins
	@$(BIN)/mypy --no-error-summary runner/src/kube_ecr_runner
	@$(BIN)/mypy --no-error-summary --python-version 3.10 $(TYPES)/plugins >$(VENV)/types.log || { \
		sed 's|^$(TYPES)/||' $(VENV)/types.log >&2; exit 1; }

.PHONY: imports
imports: install-collection install-runner ## Check which package may import which
	@echo "== import-linter"
	@PYTHONPATH=$(COLLECTIONS) $(BIN)/lint-imports --no-cache --no-logo >$(VENV)/imports.log || { \
		cat $(VENV)/imports.log >&2; exit 1; }

.PHONY: lint
lint: install-collection types imports ## Check style, YAML, scripts, workflows, playbooks, changelog, chart and the built collection
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== yamllint"
	@$(BIN)/yamllint --strict .
	@echo "== shellcheck, hadolint, actionlint"
	@$(BIN)/shellcheck runner/install.sh tests/tools/build-image tests/tools/find-python .ci/run findings/*.sh
	@$(BIN)/hadolint runner/Containerfile
	@$$($(BIN)/python -m tests.support.harness.tools actionlint)
	@echo "== one version"
	@$(BIN)/python tests/tools/version.py
	@echo "== antsibull-changelog"
	@$(BIN)/antsibull-changelog lint
	@echo "== links to lines"
	@$(BIN)/python tests/tools/line_links.py --check
	@echo "== the chart"
	@$(BIN)/python tests/tools/chart_files.py --check
	@$(BIN)/python -m tests.tools.manifests --check
	@$$($(BIN)/python -m tests.support.harness.tools helm) lint --strict --quiet chart
	@echo "== the collection as it ships"
	@$(BIN)/python tests/tools/check_collection.py $(ARTIFACT) $(COLLECTIONS)
	@echo "== antsibull-docs"
	@$(BIN)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self \
		$(COLLECTIONS)/ansible_collections/kube_ecr/secrets
	@echo "== ansible-lint"
	@$(BIN)/ansible-lint --offline -q

.PHONY: importer
importer: install-collection $(IMPORTER_STAMP) ## Have Galaxy's importer take the artifact, and refuse a broken copy of it
	@echo "== galaxy-importer"
	@$(BIN)/python -m tests.tools.importer $(IMPORTER) $(ARTIFACT)
	@$(BIN)/python -m tests.tools.importer $(IMPORTER) $(ARTIFACT) --self-check

$(IMPORTER_STAMP): $(VENV_STAMP)
	@echo "== making $(IMPORTER), with Galaxy's importer"
	@rm -rf $(IMPORTER) $(VENV)/.importer-* && $(BIN)/python -m venv $(IMPORTER)
	@$(IMPORTER)/bin/pip install --quiet --requirement tests/requirements-importer.txt
	@touch $@

.PHONY: sanity
sanity: install-collection $(OLDEST_STAMP) ## Run ansible-test sanity on the artifact, with the oldest and the newest ansible-core
	@newest=$$($(BIN)/python -m tests.matrix ansible-core-2.22 --make) && \
	$(BIN)/python -m tests.tools.sanity $(ARTIFACT) $(OLDEST) $(VENV) $$newest $(ARGS)

# antsibull-docs wants folders that nobody else may write into, so they are made with a mode.
.PHONY: docs-site
docs-site: install-collection $(DOCS_STAMP) ## Build the pages of the collection (build/docs-site), and pack them for a release
	@echo "== antsibull-docs, sphinx-build"
	@rm -rf $(DOCS)/rst $(BUILD)/docs-site $(BUILD)/docs-site-*.tar.gz && install -d -m 755 $(DOCS)/rst
	@PATH=$(CURDIR)/$(DOCS)/bin:$$PATH antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
		--dest-dir $(DOCS)/rst kube_ecr.secrets
	@$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder html --doctree-dir $(DOCS)/doctrees --fresh-env \
		--define release=$(VERSION) --conf-dir tests/tools/docsite $(DOCS)/rst $(BUILD)/docs-site
	@tar -czf $(BUILD)/docs-site-$(VERSION).tar.gz -C $(BUILD) docs-site
	@echo "$(BUILD)/docs-site/index.html, and $(BUILD)/docs-site-$(VERSION).tar.gz"

$(DOCS_STAMP): $(VENV_STAMP)
	@echo "== making $(DOCS), with what builds the pages"
	@rm -rf $(DOCS) $(VENV)/.docs-site-* && $(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/pip install --quiet --requirement tests/requirements-docs.txt
	@touch $@

.PHONY: hooks
hooks: venv ## Check the changed files before each commit, with the versions of .venv
	@$(BIN)/pre-commit install

.PHONY: format
format: venv ## Format the Python files and sort their imports
	@$(BIN)/ruff check --select I --fix .
	@$(BIN)/ruff format .

.PHONY: manifests
manifests: tools ## Regenerate the plain manifests from the chart
	@$(BIN)/python -m tests.tools.manifests

.PHONY: chart-files
chart-files: venv ## Regenerate derived chart files: CRDs, version, changes, table of values
	@$(BIN)/python tests/tools/chart_files.py

.PHONY: bundle
bundle: venv ## Make and check the bundle for OLM of the chart (build/bundle); DIGEST=sha256:... pins the image
	@$(BIN)/python -m tests.tools.olm $(BUILD)/bundle $(if $(DIGEST),--digest $(DIGEST))

.PHONY: chart-snapshots
chart-snapshots: venv ## Update the chart snapshots (tests/snapshots) after an intended change
	@$(BIN)/python -m tests.support.harness.chart_snapshots

.PHONY: line-links
line-links: venv ## Correct the links to lines in docs/architecture.md
	@$(BIN)/python tests/tools/line_links.py

.PHONY: build
build: install-collection ## Build the artifact of the collection into build/
	@echo "$(ARTIFACT)"

.PHONY: install-collection
install-collection: $(COLLECTION_STAMP) ## Build the collection and install it for the tests (.venv/collections)

$(COLLECTION_STAMP): $(VENV_STAMP)
	@echo "== building the collection and installing it into $(COLLECTIONS)"
	@rm -rf $(VENV)/.collection-* $(BUILD)/kube_ecr-secrets-*.tar.gz $(COLLECTIONS)/ansible_collections/kube_ecr
	@$(BIN)/ansible-galaxy collection build --force --output-path $(BUILD) >$(VENV)/build.log 2>&1 \
		|| { cat $(VENV)/build.log >&2; exit 1; }
	@$(BIN)/ansible-galaxy collection install $(ARTIFACT) --offline -p $(COLLECTIONS) >$(VENV)/build.log 2>&1 \
		|| { cat $(VENV)/build.log >&2; exit 1; }
	@touch $@

.PHONY: install-runner
install-runner: $(RUNNER_STAMP) ## Install the runner into .venv

$(RUNNER_STAMP): $(VENV_STAMP)
	@echo "== installing the runner into $(VENV)"
	@rm -rf $(VENV)/.runner-* runner/build
	@$(BIN)/pip install --quiet --no-build-isolation --constraint tests/constraints.txt ./runner
	@touch $@

.PHONY: install-image
install-image: $(IMAGE_TREE_STAMP) ## Install the content of the image into .venv/image, with the script that builds the image

$(IMAGE_TREE_STAMP): $(VENV_STAMP)
	@echo "== installing the content of the image into $(IMAGE_TREE)"
	@rm -rf $(VENV)/.image-* $(IMAGE_TREE)
	@PYTHON=$$($(BIN)/python -c 'import sys; print(sys._base_executable)') runner/install.sh $(CURDIR)/$(IMAGE_TREE)
	@touch $@

.PHONY: image
image: ## Build the image with podman, docker or buildah; options: ENGINE=docker PLATFORM=linux/arm64
	@tests/tools/build-image $(IMAGE) $(if $(PLATFORM),--platform $(PLATFORM)) \
		--label org.opencontainers.image.revision=$$(git rev-parse HEAD) $(ARGS)

.PHONY: venv
venv: $(VENV_STAMP) ## Create the virtual environment .venv (other targets do it when they need it)

$(VENV_STAMP):
	@python=$$(tests/tools/find-python) || exit 1; \
	echo "== making $(VENV) with $$python ($$($$python -c 'import platform; print(platform.python_version())'));" \
		"this takes about a minute, once"; \
	rm -rf $(VENV) && $$python -m venv $(VENV)
	@$(BIN)/pip install --quiet --requirement tests/requirements.txt
	@$(BIN)/python -m tests.support.harness.packaged_collections $(COLLECTIONS)
	@touch $@

$(OLDEST_STAMP): $(VENV_STAMP)
	@echo "== making $(OLDEST), with the oldest supported versions"
	@rm -rf $(OLDEST) $(VENV)/.oldest-* && $(BIN)/python -m venv $(OLDEST)
	@$(OLDEST)/bin/pip install --quiet --requirement tests/requirements-oldest.txt
	@touch $@

.PHONY: tools
tools: venv # Runs before the tests, since pytest would hide the messages of a long build.
	@$(BIN)/python -m tests.support.harness.tools actionlint consumers controlplane helm registry terraform >/dev/null

.PHONY: constraints
constraints: ## Regenerate tests/constraints.txt after a change of tests/requirements.txt
	@python=$$(tests/tools/find-python) && scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	grep -v '^-c ' tests/requirements.txt >$$scratch/requirements.txt && \
	$$python -m venv $$scratch/venv && $$scratch/venv/bin/pip install --quiet -r $$scratch/requirements.txt && \
	{ sed -n '/^#/p' tests/constraints.txt; $$scratch/venv/bin/pip freeze; } >$$scratch/constraints.txt && \
	cp $$scratch/constraints.txt tests/constraints.txt

.PHONY: lock
lock: ## Regenerate the lock files of the image (runner/*.lock) with the versions of the tests
	@python=$$(tests/tools/find-python) && scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$$python -m venv $$scratch && $$scratch/bin/pip install --quiet uv==$(UV_VERSION) && cd runner && \
	compile() { $$scratch/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" "$$@"; } && \
	compile pyproject.toml --constraints ../tests/constraints.txt --output-file requirements.lock \
		$(UNUSED:%=--no-emit-package %) && \
	compile build.in --constraints ../tests/constraints.txt --output-file build.lock && \
	compile kubernetes.core.in --no-deps --output-file kubernetes.core.lock && \
	for platform in x86_64 aarch64; do \
		echo "== checking that every package has a wheel for $$platform" && \
		$$scratch/bin/uv pip install --quiet --dry-run --python-platform $$platform-manylinux_2_28 --no-deps \
			--python-version 3.13 --require-hashes --only-binary :all: --target $$scratch/none \
			--requirement requirements.lock || exit 1; \
	done

.PHONY: version
version: install-collection ## Prepare a release: VERSION=1.2.3 goes into all files and the changelog
	@test "$(origin VERSION)" = "command line" || { echo "VERSION is missing: make version VERSION=1.2.3" >&2; exit 2; }
	@$(BIN)/python tests/tools/version.py --set $(VERSION)
	@$(BIN)/antsibull-changelog release --version $(VERSION)
	@$(BIN)/python tests/tools/chart_files.py
	@$(BIN)/python -m tests.tools.manifests
	@echo "Check the changes, commit them, and push the tag v$(VERSION): .github/workflows/release.yml does the rest."

.PHONY: clean
clean: ## Remove everything that was built in this checkout (the shared cache stays)
	@rm -rf $(VENV) $(BUILD) .ansible .cache .pytest_cache .ruff_cache .mypy_cache .hypothesis runner/build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# No parallel targets: they share .venv, and the two cores of a small machine.
.NOTPARALLEL:
