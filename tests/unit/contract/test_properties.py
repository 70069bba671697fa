"""What holds for any targets, selectors, login requests, durations and timestamps, against independent oracles."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from types import SimpleNamespace

from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.durations import parse_duration
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.grammar import (
    is_label_key,
    is_label_value,
    is_namespace_name,
    is_namespace_pattern,
    is_object_pattern,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import (
    Names,
    Targets,
    parse_selector,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.timestamps import (
    format_micro_time,
    format_time,
    next_second,
    parse_rfc3339,
    parse_time,
)
from tests.support.oracle import properties  # noqa: F401
from tests.support.oracle.selection import KEYS, LABELS, SELECTORS, glob_matches, selector_matches

# Few letters, so that names meet the globs.
NAMES = st.text(alphabet="ab", min_size=1, max_size=5)
GLOBS = st.text(alphabet="ab*?", min_size=1, max_size=5)
EXISTING = st.dictionaries(NAMES, LABELS, max_size=6)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | KEYS, inner, max_size=3),
    max_leaves=6,
)


SPECS = st.fixed_dictionaries(
    {"namespaces": st.lists(GLOBS, min_size=1, max_size=4)},
    optional={"namespaceSelector": SELECTORS, "excludeNamespaces": st.lists(GLOBS, max_size=3)},
)


def outcome_of[T](parse: Callable[..., T], *arguments: object) -> T | ResourceError:
    """Return what a function returns, or the refusal that it raises; nothing else may be raised."""
    try:
        return parse(*arguments)
    except ResourceError as error:
        return error


def is_target(spec: dict, name: str, labels: dict[str, str] | None) -> bool:
    """Return whether a spec selects a namespace; labels is None if it does not exist."""
    if any(glob_matches(glob, name) for glob in spec.get("excludeNamespaces", [])):
        return False
    if labels is None:
        return name in spec["namespaces"]
    is_selected = "namespaceSelector" in spec and selector_matches(spec["namespaceSelector"], labels)
    return is_selected or any(glob_matches(glob, name) for glob in spec["namespaces"])


@given(st.lists(GLOBS, max_size=4), NAMES)
def test_names_match_as_their_globs_do(globs: list[str], name: str) -> None:
    names = Names.of_namespaces(globs)
    assert names.matches(name) == any(glob_matches(glob, name) for glob in globs)
    assert names == Names.readable_namespaces(globs) == Names.of_service_accounts(globs)


@given(SELECTORS, LABELS)
def test_selector_matches_as_the_api_server_says(selector: dict, labels: dict[str, str]) -> None:
    requirements = parse_selector(selector, "selector")
    assert all(requirement.matches(labels) for requirement in requirements) == selector_matches(selector, labels)


@given(SPECS, EXISTING)
def test_targets_are_those_of_the_definition(spec: dict, existing: dict[str, dict[str, str]]) -> None:
    targets = Targets.parse(spec)
    literals = [name for name in spec["namespaces"] if not set(name) & {"*", "?"}]
    expected = {name for name in {*literals, *existing} if is_target(spec, name, existing.get(name))}
    selected = targets.select(existing)
    assert set(selected) == expected
    assert len(selected) == len(expected), "each one once"
    assert targets.among({name: SimpleNamespace(labels=labels) for name, labels in existing.items()}) == sorted(
        expected
    )
    assert Targets.readable(spec) == targets
    if not targets.needs_namespaces:
        assert targets.select({}) == selected


@given(SPECS, st.sampled_from(["namespaces", "namespaceSelector", "excludeNamespaces"]), ANYTHING)
def test_any_spec_is_refused_by_field_or_read_as_both_sides_do(spec: dict, field: str, value: object) -> None:
    spec = {**spec, field: value}
    readable = Targets.readable(spec)
    parsed = outcome_of(Targets.parse, spec)
    assert parsed.field.startswith("spec.") if isinstance(parsed, ResourceError) else parsed == readable


@given(ANYTHING | GLOBS | NAMES)
def test_any_value_is_a_name_or_not(value: object) -> None:
    assert not is_namespace_name(value) or is_namespace_pattern(value)
    assert not is_namespace_pattern(value) or is_object_pattern(value)
    assert not is_namespace_name(value) or (is_label_value(value) and is_label_key(value))


# Hosts and regions as AWS has them, and others.
REGIONS = st.sampled_from(["eu-west-1", "us-gov-east-1", "cn-north-1", "us-isob-east-1"])
ACCOUNTS = st.integers(0, 10**12 - 1).map("{:012}".format)
ECR_HOSTS = st.builds(
    lambda account, form, region: f"{account}.{form[0]}.{region}.{form[1]}",
    ACCOUNTS,
    st.sampled_from(
        [
            ("dkr.ecr", "amazonaws.com"),
            ("dkr.ecr-fips", "amazonaws.com"),
            ("dkr-ecr", "on.aws"),
            ("dkr.ecr", "amazonaws.com.cn"),
        ]
    ),
    REGIONS,
)
WORDS = st.text(alphabet="abc019", min_size=1, max_size=5)
OTHER_HOSTS = st.builds("{}.{}".format, WORDS, WORDS) | st.builds("{}:{}".format, WORDS, st.integers(0, 65535))
HOSTS = ECR_HOSTS | OTHER_HOSTS | st.sampled_from(["public.ecr.aws", "localhost:5000"])
REQUESTS = st.builds(LoginRequest, st.none(), REGIONS) | st.builds(LoginRequest.for_host, HOSTS, REGIONS)


@given(REQUESTS)
def test_login_request_survives_as_text(request: LoginRequest) -> None:
    assert LoginRequest.parse(str(request)) == LoginRequest.from_text(str(request)) == request


@given(HOSTS, REGIONS, HOSTS)
def test_request_for_a_host_is_answered_by_that_host_alone(host: str, region: str, other: str) -> None:
    request = LoginRequest.for_host(host, region)
    assert request.is_answered_by(host)
    assert request.is_answered_by(other) == (host == other)


@given(ECR_HOSTS | OTHER_HOSTS, REGIONS)
def test_request_for_a_region_is_answered_by_its_hosts_of_ecr(host: str, region: str) -> None:
    is_of_region = re.match(r"[0-9]{12}\.dkr[.-]ecr(-fips)?\.", host) is not None and f".{region}." in host
    assert LoginRequest(None, region).is_answered_by(host) == is_of_region


@given(ANYTHING | st.text(alphabet="ab1.-:@/ \n") | st.builds("{}@{}".format, HOSTS, REGIONS))
def test_any_value_is_a_login_request_or_refused_by_field(value: object) -> None:
    parsed = outcome_of(LoginRequest.parse, value, "spec.registries")
    if isinstance(parsed, ResourceError):
        assert parsed.field == "spec.registries"
    else:
        assert LoginRequest.from_text(str(parsed)) == parsed


UNITS = {"h": 3600, "m": 60, "s": 1, "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6)}
DIGITS = st.text(alphabet="0123456789", min_size=1, max_size=4)
NUMBERS = DIGITS | DIGITS.map(".{}".format) | DIGITS.map("{}.".format) | st.builds("{}.{}".format, DIGITS, DIGITS)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(UNITS))), min_size=1, max_size=4))
def test_duration_is_the_sum_of_its_parts(parts: list[tuple[str, str]]) -> None:
    exact = sum(Fraction(f"0{number}".rstrip(".")) * UNITS[unit] for number, unit in parts)
    duration = parse_duration("".join(f"{number}{unit}" for number, unit in parts))
    assert duration is not None
    assert abs(duration / timedelta(microseconds=1) - exact * 10**6) <= 1


@given(ANYTHING | st.text(alphabet="0123456789.hmsnuµ+- "))
def test_any_value_is_a_duration_or_none(value: object) -> None:
    duration = parse_duration(value)
    assert duration is None or duration >= timedelta()


# A day from the ends of the calendar, so that each has a UTC time and a next second.
MOMENTS = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 (hypothesis adds the time zone)
    datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.builds(timezone, st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes))),
)


@given(MOMENTS)
def test_time_survives_as_text(moment: datetime) -> None:
    assume(moment.year >= 1000)  # strftime writes earlier years with fewer digits on some platforms
    assert parse_rfc3339(format_time(moment)) == moment.replace(microsecond=0)
    assert parse_rfc3339(format_micro_time(moment)) == moment
    assert parse_rfc3339(moment.isoformat()) == moment
    assert parse_time(format_time(moment)).tzinfo == UTC
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", format_time(moment))


@given(MOMENTS)
def test_next_second_is_the_earliest_that_is_whole(moment: datetime) -> None:
    whole = next_second(moment)
    assert whole.microsecond == 0
    assert timedelta() <= whole - moment < timedelta(seconds=1)


@given(ANYTHING | st.text(alphabet="0123456789-T:.Zz+ "))
def test_any_value_is_a_time_or_none(value: object) -> None:
    moment = parse_time(value)
    assert moment is None or moment.tzinfo == UTC
