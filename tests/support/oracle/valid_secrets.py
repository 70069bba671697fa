"""Which namespaces hold a pull secret that opens a registry, as the API server and the AWS endpoint know it."""

from __future__ import annotations

import base64
import json

from kubernetes.client import CoreV1Api

from tests.support.aws.endpoint import AWSEndpoint


def valid_secrets(core: CoreV1Api, aws: AWSEndpoint, name: str = "ecr-login") -> dict[str, str]:
    """Return, by namespace, the password in each Secret of that name whose logins are all good, and are there."""
    answer = core.list_secret_for_all_namespaces(field_selector=f"metadata.name={name}", _preload_content=False)
    found = {}
    for secret in json.loads(answer.data)["items"]:
        logins = _logins(secret)
        if logins and all(aws.verify(host, user, password) for host, user, password in logins):
            found[secret["metadata"]["namespace"]] = logins[0][2]
    return found


def _logins(secret: dict) -> list[tuple[str, str, str]]:
    """Return host, user and password of each login; none if the content is no docker config."""
    try:
        auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        return [(host, login["username"], login["password"]) for host, login in auths.items()]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
