"""A stand-in for AWX: a small HTTP server with the shape of its REST API, since AWX itself cannot run here.

AWX needs PostgreSQL, Redis and its own images. What is here follows its source (awx/api/serializers.py,
awx/main/models/credential.py, awx/api/filters.py) and documentation: lists with `count` and `results`, filters as query
parameters, secret fields shown as `$encrypted$`, which also keeps a field where it is sent back, unknown inputs and
credentials without an owner refused with 400, names that are unique within organization and type.
"""

from __future__ import annotations

import base64
import itertools
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.harness.local_server import LocalServer

ENCRYPTED = "$encrypted$"
REGISTRY_TYPE = {"id": 18, "name": "Container Registry", "namespace": "registry", "kind": "registry", "managed": True}
_INPUTS = {"host": str, "username": str, "password": str, "verify_ssl": bool}


class Controller(LocalServer):
    """One controller, from `start()` to `stop()`, or as a context manager.

    `credentials` are those that it keeps, with their passwords; `requests` are method and path of what came; `refusal`
    is a status with which it answers everything from now on.
    """

    def __init__(self, token: str, user: tuple[str, str], prefix: str = "/api/") -> None:
        self.prefix = prefix
        self.allowed = {f"Bearer {token}", "Basic " + base64.b64encode(":".join(user).encode()).decode()}
        self.organizations = [{"id": 1, "name": "Default"}, {"id": 2, "name": "Team & Söhne"}]
        self.types = [{"id": 1, "name": "Machine", "namespace": "ssh", "kind": "ssh"}, REGISTRY_TYPE]
        self.credentials: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.refusal: int | None = None
        self.ids = itertools.count(40)

    @property
    def url(self) -> str:
        """What CONTROLLER_HOST is set to."""
        return f"http://127.0.0.1:{self.port}"

    def add(self, name: str, organization: int = 1, description: str = "", **inputs: object) -> dict[str, Any]:
        """Keep a credential that somebody made in the user interface, and return it."""
        made = {"id": next(self.ids), "name": name, "organization": organization, "description": description}
        self.credentials.append(made | {"credential_type": REGISTRY_TYPE["id"], "inputs": inputs})
        return self.credentials[-1]

    def _make(self) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"controller": self}))


class _Handler(BaseHTTPRequestHandler):
    controller: Controller

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        kinds = {
            "organizations": self.controller.organizations,
            "credential_types": self.controller.types,
            "credentials": self.controller.credentials,
        }
        if self._begin() and (kept := kinds.get(self._kind(parts.path))) is not None:
            wanted = parse_qsl(parts.query)
            found = [each for each in kept if all(self._fits(each, name, value) for name, value in wanted)]
            results = [_shown(each) for each in found]
            self._answer(200, {"count": len(results), "next": None, "previous": None, "results": results})

    def do_POST(self) -> None:
        if self._begin() and self._kind(self.path) == "credentials":
            new = self._body()
            if not any(new.get(owner) for owner in ("organization", "user", "team")):
                return self._answer(400, {"detail": ["Missing 'user', 'team', or 'organization'."]})
            if self._takes(new):
                new["id"] = next(self.controller.ids)
                self.controller.credentials.append(new)
                self._answer(201, _shown(new))
        return None

    def do_PATCH(self) -> None:
        if self._begin():
            path = urlsplit(self.path).path.removeprefix(f"{self.controller.prefix}v2/")
            for each in self.controller.credentials:
                if path == f"credentials/{each['id']}/":
                    new = self._body()
                    if self._takes(new):
                        old = each["inputs"]
                        inputs = new.get("inputs", old)
                        kept = {name: old.get(name) if value == ENCRYPTED else value for name, value in inputs.items()}
                        each.update(new, inputs=kept)
                        self._answer(200, _shown(each))
                    return
            self._answer(404, {"detail": "Not found."})

    def _fits(self, each: dict[str, Any], name: str, value: str) -> bool:
        """Return whether a filter fits, also one on what is referred to (`organization__name`)."""
        field, _, inner = name.partition("__")
        if not inner:
            return str(each.get(field)) == value
        known = {"organization": self.controller.organizations, "credential_type": self.controller.types}[field]
        return any(other["id"] == each.get(field) and self._fits(other, inner, value) for other in known)

    def _kind(self, path: str) -> str:
        """Return what a list holds; answers 404 where there is none."""
        kind = urlsplit(path).path.removeprefix(f"{self.controller.prefix}v2/").removesuffix("/")
        if kind not in ("organizations", "credential_types", "credentials"):
            self._answer(404, {"detail": "The requested resource could not be found."})
        return kind

    def _begin(self) -> bool:
        """Note the request and return whether it may go on; it is answered else."""
        self.controller.requests.append((self.command, urlsplit(self.path).path))
        refusal = self.controller.refusal
        if refusal is None and self.headers["Authorization"] not in self.controller.allowed:
            refusal = 401
        if refusal is not None:
            self._body()
            self._answer(refusal, {"detail": "refused"})
        return refusal is None

    def _takes(self, new: dict[str, Any]) -> bool:
        inputs = new.get("inputs", {})
        wrong = [name for name, value in inputs.items() if not isinstance(value, _INPUTS.get(name, type(None)))]
        if wrong:
            # As AWX does, it repeats what was sent.
            self._answer(400, {"inputs": {name: [f"{inputs[name]!r} is not valid"] for name in wrong}})
        return not wrong

    def _body(self) -> dict[str, Any]:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return json.loads(content) if content else {}

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "https://127.0.0.1:9/")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _shown(each: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the API shows it: what is secret is not."""
    if "inputs" not in each:
        return each
    inputs = each["inputs"]
    return each | {"inputs": inputs | ({"password": ENCRYPTED} if inputs.get("password") else {})}
