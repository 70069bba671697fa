# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Outputs: further Secrets from the same token as the pull secret, in the form that a consumer reads.

An entry of spec.outputs, or of the option outputs, stands for one Secret, or for one for each of its URLs.
parse_outputs checks the entries once, and refuses what is malformed by its field. The runner only has to know which
Secrets there are: it asks secrets_of, where an entry that cannot be read stands for none.

Argo CD finds its Secrets by a label, and reads these keys:
https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories
https://argo-cd.readthedocs.io/en/stable/user-guide/oci/
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ResourceError
from .grammar import check_registries, check_secret_name, is_data_key, is_object_name
from .login_request import LoginRequest
from .reading import list_in, mapping_in, mappings_in, text_in
from .resource import check_template
from .targets import Names

ARGO_CD_REPOSITORY, ARGO_CD_CREDENTIALS = "ArgoCDRepository", "ArgoCDRepositoryCredentials"
BASIC_AUTH, TEMPLATE = "BasicAuth", "Template"
TYPES = (ARGO_CD_REPOSITORY, ARGO_CD_CREDENTIALS, BASIC_AUTH, TEMPLATE)
ARGO_CD_LABEL = "argocd.argoproj.io/secret-type"
_ARGO_CD = {ARGO_CD_REPOSITORY: "repository", ARGO_CD_CREDENTIALS: "repo-creds"}
_OPAQUE, _BASIC_AUTH_TYPE = "Opaque", "kubernetes.io/basic-auth"
# Types of Secrets that Kubernetes itself gives a meaning, and whose keys it checks or fills:
# https://kubernetes.io/docs/concepts/configuration/secret/#secret-types
_RESERVED_TYPES = ("kubernetes.io/", "bootstrap.kubernetes.io/", "helm.sh/")
# What stands for the login of an output that is to be removed.
_NO_LOGIN = LoginRequest(None, None)
MAX_OUTPUTS = 20
MAX_URLS = 20

# What a text of a Template may hold, each replaced by what AWS granted. Nothing else is looked at.
PLACEHOLDERS = ("username", "password", "host", "auth", "expiry")
_PLACEHOLDER = re.compile(r"\$\(([^)]*)\)?")
_SECRET_TYPE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,251}[A-Za-z0-9])?")
_OCI = "oci://"
_PATH = re.compile(r"(/[a-zA-Z0-9]([-a-zA-Z0-9._]*[a-zA-Z0-9])?)*")

# The fields of an entry beside name and type, by the types that take them.
_FIELDS = {
    "namespaces": TYPES,
    "registry": (BASIC_AUTH, TEMPLATE),
    "urls": (ARGO_CD_REPOSITORY, ARGO_CD_CREDENTIALS),
    "project": (ARGO_CD_REPOSITORY, ARGO_CD_CREDENTIALS),
    "secret_type": (TEMPLATE,),
    "data": (TEMPLATE,),
    "labels": TYPES,
    "annotations": TYPES,
}
_NEEDED = {ARGO_CD_REPOSITORY: "urls", ARGO_CD_CREDENTIALS: "urls", TEMPLATE: "data"}
# How a custom resource calls what has another name as an option.
_IN_SPEC = {"secret_type": "secretType", "labels": "secretTemplate.labels", "annotations": "secretTemplate.annotations"}


@dataclass(frozen=True)
class Output:
    """One Secret beside the pull secret.

    request is whose login it holds. namespaces are where it is to be, None for the targets of the pull secret. texts
    are the values of its data by key, with placeholders. labels hold Argo CD's besides those of the entry.
    """

    name: str
    type: str
    request: LoginRequest
    secret_type: str
    texts: Mapping[str, str]
    namespaces: Names | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    host: str = ""

    @property
    def note(self) -> str:
        """What an annotation of the Secret says of it: the keys that it holds, and a digest by which a change shows."""
        told = [self.type, self.secret_type, str(self.request), self.host, sorted(self.texts.items())]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
        note = {"type": self.type, "keys": sorted(self.texts), "digest": digest}
        return json.dumps(note, sort_keys=True, separators=(",", ":"))

    def data(self, login: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the data by key; login are those of the placeholders."""
        return {key: _PLACEHOLDER.sub(lambda found: login[found[1]], text) for key, text in self.texts.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which items hold it."""
        return {
            **vars(self),
            "request": str(self.request),
            "texts": dict(self.texts),
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }

    @classmethod
    def from_dict(cls, output: Mapping[str, Any]) -> Output:
        """Return what as_dict() gave. Raises KeyError, TypeError or ValueError if it is something else."""
        return cls(**{**output, "request": LoginRequest.from_text(output["request"])})


def spec_outputs(spec: Mapping[str, Any]) -> object:
    """Return spec.outputs in the form of the option outputs; what is malformed is left to parse_outputs."""
    outputs = spec.get("outputs")
    if not isinstance(outputs, list):
        return outputs
    return [_as_option(entry) if isinstance(entry, dict) else entry for entry in outputs]


def _as_option(entry: Mapping[str, Any]) -> dict[str, Any]:
    template = entry.get("secretTemplate")
    rest = {name: value for name, value in entry.items() if name not in ("secretTemplate", "secretType")}
    if "secretType" in entry:
        rest["secret_type"] = entry["secretType"]
    if isinstance(template, dict):
        rest.update({name: template[name] for name in ("labels", "annotations") if name in template})
    elif template is not None:
        rest["labels"] = template
    return rest


def parse_outputs(
    entries: object, requests: Sequence[LoginRequest], secret_name: str, *, path: str = "spec.outputs"
) -> tuple[Output, ...]:
    """Return the outputs that entries ask for, none for None; raise ResourceError naming the field to change.

    requests are the logins that there will be, in the order in which they are asked for; there are none where all is to
    be removed. secret_name is that of the pull secret. A path that begins with spec is that of a custom resource.
    """
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise ResourceError(path, "must be a list of outputs, with a name and a type each")
    if len(entries) > MAX_OUTPUTS:
        raise ResourceError(path, f"must not list more than {MAX_OUTPUTS} outputs")
    found = [output for entry in entries for output in _Entry(entry, path).outputs(requests)]
    names = [secret_name, *(output.name for output in found)]
    for name in names:
        if names.count(name) > 1:
            owner = "the pull secret" if name == secret_name else "another output"
            raise ResourceError(path, f"{name!r} is the name of {owner} too; give each Secret a name of its own")
    return tuple(found)


class _Entry:
    """One entry, and how its fields are called where it stands."""

    def __init__(self, entry: object, path: str) -> None:
        if not isinstance(entry, dict):
            raise ResourceError(path, "must be a list of outputs, with a name and a type each")
        # An option that is not given is None; a field of a resource is absent.
        self._given = {name: value for name, value in entry.items() if value is not None}
        self._is_spec = path.startswith("spec.")
        name = self._given.get("name")
        check_secret_name(name, f"{path}.name")
        self._path = f"{path}[{name}]"
        self.name: str = str(name)
        self.type = self._type()

    def _type(self) -> str:
        kind = self._given.get("type")
        if kind not in TYPES:
            raise ResourceError(self._at("type"), f"{kind!r} is none of {', '.join(TYPES)}")
        for name in self._given.keys() - {"name", "type"}:
            if name not in _FIELDS:
                raise ResourceError(self._at(name), "is no field of an output; remove it")
            if kind not in _FIELDS[name]:
                raise ResourceError(
                    self._at(name), f"is not for {kind}, but for {' and '.join(_FIELDS[name])}; remove it"
                )
        needed = _NEEDED.get(str(kind))
        if needed and not self._given.get(needed):
            raise ResourceError(self._at(needed), f"is missing; {kind} needs it")
        return str(kind)

    def _at(self, name: str) -> str:
        return f"{self._path}.{_IN_SPEC.get(name, name) if self._is_spec else name}"

    def outputs(self, requests: Sequence[LoginRequest]) -> Iterator[Output]:
        """Yield the outputs of the entry; raise ResourceError."""
        labels = check_template(self._given.get("labels"), "labels", self._at("labels"))
        annotations = check_template(self._given.get("annotations"), "annotations", self._at("annotations"))
        namespaces = self._given.get("namespaces")
        if namespaces == []:
            raise ResourceError(self._at("namespaces"), "is empty; leave it out for the targets of the pull secret")
        names = None if namespaces is None else Names.of_namespaces(namespaces, self._at("namespaces"))
        if ARGO_CD_LABEL in labels and self.type in _ARGO_CD:
            raise ResourceError(self._at("labels"), f"{ARGO_CD_LABEL!r} follows from the type; remove it")
        for name, texts, host in self._secrets():
            yield Output(
                name=name,
                type=self.type,
                request=self._request(host, requests),
                secret_type=self._secret_type(),
                texts=texts,
                namespaces=names,
                labels={**labels, **({ARGO_CD_LABEL: _ARGO_CD[self.type]} if self.type in _ARGO_CD else {})},
                annotations=annotations,
                host=host,
            )

    def _secrets(self) -> Iterator[tuple[str, dict[str, str], str]]:
        """Yield name, texts and host of each Secret; without a host, it is that of the first login."""
        if self.type in _ARGO_CD:
            urls = self._urls()
            for name, (url, host) in zip(numbered(self.name, len(urls)), urls.items()):
                yield name, self._argo_cd(name, url), host
            return
        texts = {"username": "$(username)", "password": "$(password)"}
        registry = self._given.get("registry")
        if registry is not None:
            check_registries([registry], self._at("registry"))
        yield self.name, texts if self.type == BASIC_AUTH else self._texts(), registry or ""

    def _urls(self) -> dict[str, str]:
        """Return the hosts of the URLs by URL."""
        path, urls = self._at("urls"), self._given["urls"]
        if not isinstance(urls, list) or len(urls) > MAX_URLS:
            raise ResourceError(path, f"must be a list of {MAX_URLS} URLs at most")
        hosts = {}
        for url in urls:
            address = url.removeprefix(_OCI) if isinstance(url, str) else ""
            host, _slash, rest = address.partition("/")
            if not host or not _PATH.fullmatch(f"/{rest}" if rest else ""):
                raise ResourceError(
                    path,
                    f"{url!r} is not the URL of a repository as Argo CD has it, such as "
                    "111122223333.dkr.ecr.eu-west-1.amazonaws.com/charts (a Helm repository, without a scheme) or "
                    "oci://111122223333.dkr.ecr.eu-west-1.amazonaws.com/app (a repository of type oci)",
                )
            hosts[url] = check_registries([host], path)[0]
        return hosts

    def _argo_cd(self, name: str, url: str) -> dict[str, str]:
        texts = {"url": url, "username": "$(username)", "password": "$(password)"}
        texts.update({"type": "oci"} if url.startswith(_OCI) else {"type": "helm", "enableOCI": "true"})
        if self.type == ARGO_CD_REPOSITORY:
            texts["name"] = name
        project = self._given.get("project")
        if project is not None:
            if not is_object_name(project):
                raise ResourceError(self._at("project"), f"{project!r} is not the name of a project of Argo CD")
            texts["project"] = project
        return texts

    def _texts(self) -> dict[str, str]:
        path, data = self._at("data"), self._given["data"]
        if not isinstance(data, dict):
            raise ResourceError(path, "must hold texts by key")
        for key, text in data.items():
            if not is_data_key(key):
                raise ResourceError(path, f"{key!r} cannot be a key of a Secret (letters, digits, '-_.')")
            if not isinstance(text, str):
                raise ResourceError(f"{path}.{key}", "is no text; put it in quotes")
            unknown = next((found[0] for found in _PLACEHOLDER.finditer(text) if not _is_known(found[0])), None)
            if unknown is not None:
                known = ", ".join(f"$({name})" for name in PLACEHOLDERS)
                raise ResourceError(f"{path}.{key}", f"{unknown[:40]!r} is no placeholder; there are {known}")
        return dict(data)

    def _secret_type(self) -> str:
        if self.type == BASIC_AUTH:
            return _BASIC_AUTH_TYPE
        wanted = self._given.get("secret_type", _OPAQUE)
        if not (isinstance(wanted, str) and _SECRET_TYPE.fullmatch(wanted)) or wanted.startswith(_RESERVED_TYPES):
            raise ResourceError(
                self._at("secret_type"), f"{wanted!r} cannot be the type; leave it out for Opaque, or give one of yours"
            )
        return wanted

    def _request(self, host: str, requests: Sequence[LoginRequest]) -> LoginRequest:
        if not requests:
            return _NO_LOGIN
        if not host:
            return requests[0]
        for request in requests:
            if request.is_answered_by(host):
                return request
        name = "urls" if self.type in _ARGO_CD else "registry"
        registries = "spec.registries" if self._is_spec else "registries of ecr_token"
        raise ResourceError(self._at(name), f"there is no login for {host}; list it in {registries}")


def _is_known(placeholder: str) -> bool:
    return placeholder in {f"$({name})" for name in PLACEHOLDERS}


def numbered(name: str, count: int) -> list[str]:
    """Return the names of the Secrets of an entry with so many URLs: NAME, NAME-2, NAME-3."""
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def secrets_of(spec: Mapping[str, Any]) -> Iterator[tuple[str, Names | None, frozenset[tuple[str, str]]]]:
    """Yield name and namespaces of each output of a custom resource, and the kind and name of labels and annotations.

    namespaces are None for the targets of the pull secret. What cannot be read is left out.
    """
    for entry in mappings_in(spec, "outputs"):
        name = text_in(entry, "name")
        if not is_object_name(name):
            continue
        namespaces = Names.readable_namespaces(entry["namespaces"]) if "namespaces" in entry else None
        template = mapping_in(entry, "secretTemplate")
        written = {(kind, each) for kind in ("labels", "annotations") for each in mapping_in(template, kind)}
        if entry.get("type") in _ARGO_CD:
            written.add(("labels", ARGO_CD_LABEL))
        for each in numbered(name, len(list_in(entry, "urls")) or 1):
            yield each, namespaces, frozenset(written)
