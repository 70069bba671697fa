"""What the API server knows of others: who shows a token (TokenReview), what they may do (SubjectAccessReview).

https://kubernetes.io/docs/reference/access-authn-authz/webhook/ describes both. What always holds: no error quotes the
token, nor an answer of the API server, since admission plugins may word one with what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import urllib3
from urllib3.util.retry import Retry

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract.answers import parse_review
from kube_ecr_runner.contract.reading import mapping_in, text_in, texts_in
from kube_ecr_runner.model.user import User

# Prometheus gives up after 10 s by default, and both reviews may be needed for one scrape.
_TIMEOUT = urllib3.Timeout(connect=2.0, read=3.0)
# A review changes nothing, so it may be sent twice. What a server in trouble answered is not waited for to change.
_RETRIES = Retry(total=1, status=0, allowed_methods=None, raise_on_status=False)


class Reviews:
    """Asks one API server. Its methods may be called from any thread."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def user_of(self, token: str) -> User | None:
        """Return who the token stands for, None if the API server does not take it. Raises KubernetesError.

        No audience is named, so the token has to be for the API server itself, as that in each pod is.
        """
        status = self._review("authentication.k8s.io", "TokenReview", "tokenreviews", {"token": token})
        user = mapping_in(status, "user")
        if status.get("authenticated") is not True or not text_in(user, "username"):
            return None
        extra = mapping_in(user, "extra")
        return User(
            name=text_in(user, "username"),
            uid=text_in(user, "uid"),
            groups=texts_in(user, "groups"),
            extra=tuple((name, texts_in(extra, name)) for name in sorted(extra)),
        )

    def may_get(self, user: User, path: str) -> bool:
        """Return whether a user may get a path that is no resource of the API server. Raises KubernetesError."""
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {name: list(values) for name, values in user.extra},
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        status = self._review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", spec)
        return status.get("allowed") is True and not status.get("denied")

    def _review(self, group: str, kind: str, resources: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        call = f"create a {kind}"
        try:
            answer: Mapping[str, Any] = self._call(
                call,
                "POST",
                f"/apis/{group}/v1/{resources}",
                {},
                partial(parse_review, kind=kind, spec=spec),
                body={"apiVersion": f"{group}/v1", "kind": kind, "spec": spec},
                content="application/json",
                timeout=_TIMEOUT,
                retries=_RETRIES,
            )
        except KubernetesError as error:
            raise KubernetesError(call, error.status, error.reason, _worded(error, f"{resources}.{group}")) from None
        return answer


def _worded(error: KubernetesError, resources: str) -> str:
    if error.status == 0:
        return error.text  # of ours
    if error.status == 403:
        return f"the API server refuses; grant the runner create of {resources} (chart: metrics.authorization.enabled)"
    return f"the API server answered with HTTP status {error.status}; it has to be able to review tokens and access"
