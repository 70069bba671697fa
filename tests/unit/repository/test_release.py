"""The release workflow: what is published is signed by its digest, and the pages say how to check it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.harness.gitops import example
from tests.support.harness.workflow import needs_of

RELEASE = ROOT / ".github" / "workflows" / "release.yml"
JOBS = yaml.safe_load(RELEASE.read_text())["jobs"]
IDENTITY = f"https://github.com/kube-ecr/secrets/.github/workflows/{RELEASE.name}@refs/tags/v"
ISSUER = "https://token.actions.githubusercontent.com"


def steps(job: str, what: str) -> list[dict]:
    """Return the steps of a job that use that action or run that command."""
    return [each for each in JOBS[job]["steps"] if what in each.get("uses", "") or what in each.get("run", "")]


@pytest.mark.parametrize("job", ["image", "chart"])
def test_what_is_pushed_is_signed_by_its_digest(job: str) -> None:
    (signing,) = steps(job, "cosign sign --yes")
    (attesting,) = steps(job, "attest-build-provenance")
    assert signing["run"].endswith('@$DIGEST"')
    assert signing["env"]["DIGEST"] == attesting["with"]["subject-digest"]
    assert attesting["with"]["push-to-registry"]


def test_files_of_the_release_are_attested_before_it_is_made() -> None:
    names = [each.get("uses", each.get("run", "")) for each in JOBS["release"]["steps"]]
    (attesting,) = steps("release", "attest-build-provenance")
    (making,) = steps("release", "gh release create")
    assert attesting["with"]["subject-path"] == "dist/*"
    assert making["run"].rstrip().endswith("dist/*")
    assert names.index(attesting["uses"]) < names.index(making["run"])
    # Nothing comes into the folder in between.
    assert "dist/" not in making["run"].rsplit("dist/*", 1)[0]


def test_the_release_takes_the_artifacts_of_this_workflow_and_no_others() -> None:
    """An action may upload one, too: docker/build-push-action does."""
    (download,) = steps("release", "download-artifact")
    uploads = [
        each["with"]["name"]
        for job in JOBS
        for each in JOBS[job].get("steps", [])
        if "upload-art" in each.get("uses", "")
    ]
    assert sorted(uploads) == ["release-bundle", "release-chart", "release-collection", "release-docs-site"]
    assert download["with"]["pattern"] == "release-*"


def before(job: str) -> set[str]:
    """Return the jobs that have to succeed before that one begins."""
    direct = needs_of(JOBS[job])
    return {*direct}.union(*map(before, direct))


@pytest.mark.parametrize("job", ["image", "chart", "bundle", "collection", "release"])
def test_nothing_is_published_that_not_all_tests_have_passed(job: str) -> None:
    called = {name: each["uses"] for name, each in JOBS.items() if "uses" in each}
    assert called == {name: f"./.github/workflows/{name}.yml" for name in ("test", "test-all")}
    assert called.keys() <= before(job)
    callees = {name: yaml.safe_load((ROOT / uses).read_text()) for name, uses in called.items()}
    assert all("workflow_call" in callee[True] for callee in callees.values())  # YAML 1.1 reads the key `on` as true
    runs = [each.get("run", "") for each in callees["test-all"]["jobs"]["test-all"]["steps"]]
    assert any("make test-all" in run and "KUBE_ECR_NODE=1" in run for run in runs)


def test_nothing_can_fail_after_galaxy_has_it_but_the_release_itself() -> None:
    assert before("collection") == {*JOBS} - {"collection", "release"}
    assert JOBS["release"]["needs"] == ["check", "collection"]


def test_only_jobs_that_sign_get_an_identity() -> None:
    signing = {job for job in JOBS if JOBS[job].get("steps") and steps(job, "attest-build-provenance")}
    assert signing == {job for job in JOBS if "id-token" in JOBS[job]["permissions"]} == {"image", "chart", "release"}


def _verifications(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.startswith("cosign verify"))


def test_the_page_names_the_workflow_that_signs() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    assert re.findall(r"^IDENTITY=(.*)\$VERSION$", page, re.MULTILINE) == [IDENTITY]
    assert f"\nISSUER={ISSUER}\n" in page
    checked = {line.split()[-1].removesuffix(":$VERSION") for line in _verifications(page)}
    assert checked == {yaml.safe_load(RELEASE.read_text())["env"]["IMAGE"], JOBS["chart"]["env"]["CHART"]}
    (pattern,) = re.findall(r"`(\^https\S+)`", page)
    assert re.fullmatch(pattern, f"{IDENTITY}1.2.3")


def test_flux_is_told_the_same() -> None:
    (source,) = (each for each in example("flux/runner.yaml") if each["kind"] == "OCIRepository")
    (identity,) = source["spec"]["verify"]["matchOIDCIdentity"]
    assert re.fullmatch(identity["issuer"], ISSUER)
    assert re.fullmatch(identity["subject"], f"{IDENTITY}1.2.3")
    for other in ("https://github.com/kube-ecr/secrets-fork", "https://github.com/other/secrets"):
        assert not re.fullmatch(identity["subject"], IDENTITY.replace("https://github.com/kube-ecr/secrets", other, 1))
    assert source["spec"]["url"] == f"oci://{JOBS['chart']['env']['CHART']}"
